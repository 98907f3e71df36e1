"""Renyi differential privacy: bounds that take almost no time to compute."""

import functools
import math
import typing

import numpy as np

from keras_dpgan.privacy.composition import Composition
from keras_dpgan.privacy.composition import SampledGaussian
from keras_dpgan.privacy.composition import compose
from keras_dpgan.privacy.history import PrivacyHistory
from keras_dpgan.privacy.sampled_divergence import sampled_divergence

if typing.TYPE_CHECKING:
    from keras_dpgan.privacy.history_entry import HistoryEntry

# Those of dp_accounting 0.4.3; fixed here, so that no release moves an epsilon.
ORDERS = np.array(
    [1 + x / 10 for x in range(1, 100)] + [*range(11, 64), 128, 256, 512, 1024],
    dtype=np.float64,
)

# Enough to know where to look for the exact figure, in a tenth of the time.
FEW_ORDERS = np.array(
    [1.25, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10, 13, 16, 24, 32, 64, 128, 1024],
    dtype=np.float64,
)

# Divergences below this are rounding errors of dp_accounting (it gives negative
# ones for tiny q or large noise). No update is taken to cost less.
_RESOLUTION = 1e-12


def rdp_curve(entry: "HistoryEntry") -> tuple[np.ndarray, np.ndarray]:
    """What one update of an entry costs in Renyi differential privacy.

    Source: Mironov, Talwar and Zhang 2019, "Renyi Differential Privacy of the
    Sampled Gaussian Mechanism", as computed by dp_accounting.

    Examples:
        >>> entry = dpgan.privacy.HistoryEntry(
        ...     mechanism="gaussian",
        ...     noise_multiplier=1.0,
        ...     sampling_probability=0.01,
        ...     count=500,
        ... )
        >>> orders, rdp = dpgan.privacy.rdp_curve(entry)
        >>> orders.shape == rdp.shape
        True

    Args:
        entry: A `HistoryEntry`. Its count does not matter.

    Returns:
        `(orders, rdp)`, float64 arrays of one shape. `rdp` is infinite without
        noise.
    """
    composition = compose(PrivacyHistory([entry.with_count(1)]))
    return ORDERS.copy(), composition_rdp(composition)


def composition_rdp(composition: Composition, orders=ORDERS):
    """The Renyi divergence of a `Composition` at each of the orders."""
    if composition.is_noiseless:
        return np.full_like(orders, np.inf)
    total = composition.squared_shift * orders / 2
    for step in composition.sampled:
        total = total + step.count * _sampled_rdp(step, orders)
    for updates in composition.bounded:
        total = total + updates.count * _bounded_rdp(
            updates.sampling_probability,
            updates.noise_multiplier,
            updates.excess_divergence,
            tuple(orders),
        )
    for scale, count in composition.laplace:
        total = total + count * _laplace_rdp(scale, orders)
    for epsilon, count in composition.pure:
        total = total + count * _pure_rdp(epsilon, orders)
    return total


def _laplace_rdp(scale, orders):
    """Source: Mironov 2017, "Renyi Differential Privacy", proposition 6."""
    near = np.log(orders / (2 * orders - 1)) + (orders - 1) / scale
    far = np.log((orders - 1) / (2 * orders - 1)) - orders / scale
    return np.logaddexp(near, far) / (orders - 1)


def _pure_rdp(epsilon, orders):
    """That of randomized response, which no mechanism with this epsilon exceeds.

    Source: Mironov 2017, "Renyi Differential Privacy", proposition 5, and Kairouz, Oh
    and Viswanath 2015, "The Composition Theorem for Differential Privacy".
    """
    likely, unlikely = -np.log1p(np.exp(-epsilon)), -np.log1p(np.exp(epsilon))
    one = orders * likely + (1 - orders) * unlikely
    other = orders * unlikely + (1 - orders) * likely
    return np.logaddexp(one, other) / (orders - 1)


def conversion_offsets(delta, orders=ORDERS):
    """What to add to a Renyi divergence to have an epsilon at `delta`.

    Source: Canonne, Kamath and Steinke 2020, "The Discrete Gaussian for
    Differential Privacy", proposition 12.

    Returns:
        Float64 array of the shape of `orders`.
    """
    return np.log1p(-1 / orders) - np.log(delta * orders) / (orders - 1)


def negligible_divergence(delta):
    """A Renyi divergence of any order below this gives epsilon 0 at `delta`.

    By the bound `delta <= sqrt(1 - exp(-KL))` (Bretagnolle and Huber 1979).
    """
    return -math.log1p(-(delta**2))


def to_epsilon(rdp, delta, orders=ORDERS):
    """Epsilon of a mechanism whose Renyi divergence at `orders` is `rdp`."""
    if np.any(rdp < negligible_divergence(delta)):
        return 0.0
    return max(0.0, float(np.min(rdp + conversion_offsets(delta, orders))))


def _sampled_rdp(step: SampledGaussian, orders):
    rdp = _dp_accounting_rdp(
        step.sampling_probability, step.noise_multiplier, tuple(orders)
    )
    return np.maximum(rdp, _RESOLUTION)


@functools.lru_cache(maxsize=256)
def _bounded_rdp(sampling_probability, noise_multiplier, excess_divergence, orders):
    def without_sampling(orders):
        return orders / (2 * noise_multiplier**2) + excess_divergence

    return sampled_divergence(without_sampling, sampling_probability, orders)


@functools.lru_cache(maxsize=256)
def _dp_accounting_rdp(sampling_probability, noise_multiplier, orders):
    import dp_accounting

    event = dp_accounting.PoissonSampledDpEvent(
        sampling_probability, dp_accounting.GaussianDpEvent(noise_multiplier)
    )
    orders = np.array(orders)
    rdp = dp_accounting.rdp.RdpAccountant(orders).compose(event).rdp
    # The divergence times (order - 1) is convex in the order and 0 at order 1, so
    # that whole orders bound those between; dp_accounting 0.6 is looser there.
    whole = orders == np.round(orders)
    chord = np.interp(
        orders, np.append(1, orders[whole]), np.append(0, ((orders - 1) * rdp)[whole])
    )
    rdp = np.where(whole, rdp, np.minimum(rdp, chord / (orders - 1)))
    rdp.setflags(write=False)
    return rdp
