"""Renyi differential privacy: bounds that take almost no time to compute."""

import functools
import math
import typing

import numpy as np

from keras_dpgan.privacy import allocation
from keras_dpgan.privacy.history import Composition
from keras_dpgan.privacy.history import PrivacyHistory
from keras_dpgan.privacy.history import SampledGaussian
from keras_dpgan.privacy.history import compose
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

    Under random allocation the first update of each allocation costs as much as all of
    it, and the others nothing.

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
    for step in composition.allocated:
        total = total + step.count * allocation.renyi_divergence(
            step.num_batches, step.noise_multiplier, tuple(orders)
        )
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


_LARGEST = np.finfo(np.float64).max


class EpsilonCurve:
    """An upper bound of epsilon that a training graph evaluates at no cost.

    After `count` updates of the entry in use it is, over Renyi orders a,

        min_a(base[a] + charged(count) * per_update[a] + offset[a])

    or 0 where that is negative. `charged(count)` is `count`, or `max_count` if that is
    less; under random allocation it is how often rows were allocated, which is
    `count / allocation_batches`, rounded up. Its value is that of dp_accounting's
    `RdpAccountant`.

    Source: Mironov 2017, "Renyi Differential Privacy"; Canonne, Kamath and Steinke
    2020, "The Discrete Gaussian for Differential Privacy", proposition 12, for the
    offset.

    Examples:
        >>> entry = dpgan.privacy.HistoryEntry(
        ...     mechanism="gaussian",
        ...     noise_multiplier=1.0,
        ...     sampling_probability=0.01,
        ...     count=500,
        ... )
        >>> curve = dpgan.privacy.EpsilonCurve(
        ...     dpgan.privacy.PrivacyHistory(), entry, delta=1e-5
        ... )
        >>> round(curve.epsilon(500), 2)
        1.65
        >>> curve.max_updates(target_epsilon=2.0)
        881

    Args:
        history: `PrivacyHistory` of the entries that are closed.
        entry: The `HistoryEntry` in use. Its own count does not matter.
        delta: Float in (0, 1).

    Attributes:
        orders: Float64 array, the Renyi orders.
        base: Float64 array, the divergence of the closed entries.
        per_update: Float64 array, the divergence of one update, or of one
            allocation. Without noise it is the largest float, so that no updates
            still cost nothing.
        offset: Float64 array, from divergence to epsilon at `delta`.
        max_count: Int, the number of updates beyond which further ones cost
            nothing (`entry.max_participations`); `None` where there is none.
        allocation_batches: Int, the updates of one allocation; 1 for other sampling.
        negligible: Float: where any order's divergence is below this, epsilon
            is 0. The graph may leave it out: the bound is then a little larger.
    """

    def __init__(
        self, history: "PrivacyHistory", entry: "HistoryEntry", delta: float
    ) -> None:
        self.orders, per_update = rdp_curve(entry)
        self.base = composition_rdp(compose(history))
        self.per_update = np.minimum(per_update, _LARGEST)
        self.offset = conversion_offsets(delta)
        self.negligible = negligible_divergence(delta)
        self.allocation_batches = entry.allocation_batches or 1
        self.max_count = None if entry.is_amplified else entry.max_participations

    def epsilon(self, count: int) -> float:
        """Epsilon after `count` updates of the entry in use.

        Args:
            count: Non-negative int.

        Returns:
            Float.
        """
        if self.max_count is not None:
            count = min(count, self.max_count)
        count = -(-count // self.allocation_batches)
        with np.errstate(over="ignore"):
            total = self.base + count * self.per_update
            if np.min(total) < self.negligible:
                return 0.0
            bound = float(np.min(total + self.offset))
        return max(0.0, bound) if bound < _LARGEST else float("inf")

    def max_updates(self, target_epsilon: float) -> int | None:
        """The largest count at which this bound is within `target_epsilon`.

        Args:
            target_epsilon: Positive float.

        Returns:
            Int; 0 if nothing fits, `None` if every count does.
        """
        if (
            self.max_count is not None
            and self.epsilon(self.max_count) <= target_epsilon
        ):
            return None
        if np.isinf(self.base).all():
            return 0
        room = np.maximum(target_epsilon - self.offset, self.negligible) - self.base
        step = self.allocation_batches
        count = step * max(0, int(np.max(room / self.per_update)))
        while self.epsilon(count + step) <= target_epsilon:
            count += step
        while count and self.epsilon(count) > target_epsilon:
            count -= step
        return count
