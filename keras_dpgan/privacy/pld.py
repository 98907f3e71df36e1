"""Privacy loss distributions: the tight accountant."""

import dataclasses
import functools
import math

import numpy as np

from keras_dpgan.privacy import allocation
from keras_dpgan.privacy import rdp
from keras_dpgan.privacy.history import AllocatedGaussian
from keras_dpgan.privacy.history import Composition
from keras_dpgan.privacy.history import SampledGaussian
from keras_dpgan.privacy.loss_distribution import loss_distribution

# On a grid of 1e-3 the result can be 40% too large after 1e5 updates.
_INTERVAL = 1e-4

# Points on the grid of one update and of all, for time and memory.
_MAX_POINTS = 500_000
_MAX_TOTAL_POINTS = 2_000_000

# Above these the distributions are not computed: such an epsilon protects no one,
# no one trains so long, and a sharper figure takes minutes.
_MAX_EPSILON = 100.0
_MAX_UPDATES = 10_000_000

# Round-off of the Fourier transforms, in probability per composed update:
# measured against the closed form at most 0.3e-16, for 1e2 to 1e6 updates.
_ROUND_OFF = 1e-16


# Points of the curve of epsilons and deltas, and where it ends.
_CURVE_POINTS = 1000
_SMALLEST_DELTA = 1e-12
_USUAL_DELTA = 1e-5


def pld_epsilon(composition: Composition, delta, group_size=1):
    """Epsilon by privacy loss distributions.

    Distributions are rounded upwards (Doroshenko et al. 2022, "Connect the
    Dots"), so that the result is an upper bound. dp_accounting composes them.

    Args:
        composition: A `Composition` with noise and a sampled or allocated part.
        delta: Float in (0, 1).
        group_size: Int, the rows that change together.

    Returns:
        Float. Infinite, which is to say not computed, where `delta` is too small
        for the arithmetic, epsilon is some 100 or more, or updates are more than
        ten million.
    """
    num_updates = composition.num_sampled_updates
    # The probability that the transforms may lose is taken from delta.
    safe_delta = delta - num_updates * _ROUND_OFF
    expected = group_size * rdp.to_epsilon(rdp.composition_rdp(composition), delta)
    if safe_delta < delta / 2 or expected > _MAX_EPSILON or num_updates > _MAX_UPDATES:
        return math.inf
    return float(_compose(composition, group_size).get_epsilon_for_delta(safe_delta))


def local_epsilon(composition: Composition, delta):
    """Epsilon of Laplace noise and pure mechanisms, and of Gaussian noise beside.

    Args:
        composition: A `Composition` that `is_local`, without sampled
            and bounded updates.
        delta: Float in (0, 1).

    Returns:
        Float, an upper bound.
    """
    largest = _largest_local_loss(composition)
    epsilon = float(_compose_local(composition).get_epsilon_for_delta(delta))
    return epsilon if composition.squared_shift else min(epsilon, largest)


def pld_curve(composition: Composition, group_size=1):
    """Pairs of epsilon and delta under which a history is private, all at once.

    Args:
        composition: A `Composition` with noise, without bounded updates, that is
            not one Gaussian mechanism.
        group_size: Int, the rows that change together.

    Returns:
        Pair of float64 arrays of one size, non-negative epsilons in rising order and
        upper bounds of their deltas; `None` where the distributions are not
        computed, as in `pld_epsilon`, or for Laplace noise or pure mechanisms beside
        sampled updates.
    """
    num_updates = composition.num_sampled_updates
    divergence = rdp.composition_rdp(composition)
    expected = group_size * rdp.to_epsilon(divergence, _USUAL_DELTA)
    if expected > _MAX_EPSILON or num_updates > _MAX_UPDATES:
        return None
    if composition.is_local and composition.is_amplified:
        return None
    if composition.is_local:
        total = _compose_local(composition)
    else:
        total = _compose(composition, group_size)
    lost = float(total.get_delta_for_epsilon(math.inf))
    largest = total.get_epsilon_for_delta(max(_SMALLEST_DELTA, 2 * lost))
    epsilons = np.linspace(0.0, min(largest, _MAX_EPSILON), _CURVE_POINTS)
    deltas = np.maximum(total.get_delta_for_epsilon(epsilons), lost)
    return epsilons, np.minimum(deltas + num_updates * _ROUND_OFF, 1.0)


def _largest_local_loss(composition):
    """Epsilon at a delta of zero: the sum of the largest losses."""
    of_laplace = sum(count / scale for scale, count in composition.laplace)
    return of_laplace + sum(count * epsilon for epsilon, count in composition.pure)


def _compose_local(composition):
    from dp_accounting.pld import common
    from dp_accounting.pld import privacy_loss_distribution

    largest = _largest_local_loss(composition)
    interval = max(_INTERVAL, 2 * largest / _MAX_POINTS)
    parts = [
        privacy_loss_distribution.from_laplace_mechanism(
            scale, value_discretization_interval=interval
        ).self_compose(count)
        for scale, count in composition.laplace
    ]
    parts += [
        privacy_loss_distribution.from_privacy_parameters(
            common.DifferentialPrivacyParameters(epsilon, 0.0),
            value_discretization_interval=interval,
        ).self_compose(count)
        for epsilon, count in composition.pure
    ]
    parts += _gaussian_part(composition, interval)
    return functools.reduce(lambda total, part: total.compose(part), parts)


def gaussian_epsilon(squared_shift, delta):
    """Epsilon of a Gaussian mechanism, exactly.

    Source: Balle and Wang 2018, "Improving the Gaussian Mechanism for
    Differential Privacy", theorem 8.

    Args:
        squared_shift: Non-negative float: the squared distance of the means, in
            standard deviations.
        delta: Float in (0, 1).

    Returns:
        Float.
    """
    from dp_accounting.pld import privacy_loss_mechanism
    from scipy import optimize

    if squared_shift == 0:
        return 0.0
    shift = math.sqrt(squared_shift)
    mechanism = privacy_loss_mechanism.GaussianPrivacyLoss(1 / shift)

    def excess(epsilon):
        return mechanism.get_delta_for_epsilon([epsilon])[0] - delta

    if excess(0.0) <= 0:
        return 0.0
    # A Gaussian tail bound of the privacy loss.
    high = squared_shift / 2 + shift * math.sqrt(2 * math.log(1 / delta))
    tolerance = 1e-12 * (1 + high)
    return optimize.brentq(excess, 0.0, high, xtol=tolerance) + tolerance


def _compose(composition, group_size):
    interval = _interval(composition, group_size)
    parts = [_self_composed(step, group_size, interval) for step in composition.sampled]
    parts += [_allocated(step, interval) for step in composition.allocated]
    parts += _gaussian_part(composition, interval)
    return functools.reduce(lambda total, part: total.compose(part), parts)


def _gaussian_part(composition, interval):
    from dp_accounting.pld import privacy_loss_distribution

    if not composition.squared_shift:
        return []
    part = privacy_loss_distribution.from_gaussian_mechanism(
        1 / math.sqrt(composition.squared_shift), value_discretization_interval=interval
    )
    return [part]


def _interval(composition, group_size):
    """The grid of privacy losses. Any grid is safe, and a finer one is tighter.

    It is refined where one update's losses would all but vanish in it, and made
    coarser where it would have too many points.
    """
    steps = [dataclasses.replace(s, count=1) for s in composition.sampled]
    once = [dataclasses.replace(s, count=1) for s in composition.allocated]
    singles = [_spread(Composition((step,), 0.0, False)) for step in steps]
    singles += [_spread(Composition((), 0.0, False, (step,))) for step in once]
    largest = [_largest_loss(step, group_size) for step in steps]
    largest += [allocation.largest_loss(s.noise_multiplier) for s in once]
    interval = max(
        min(_INTERVAL, min(singles) / 2),
        max(largest) / _MAX_POINTS,
        16 * group_size * _spread(composition) / _MAX_TOTAL_POINTS,
    )
    # In powers of two, so that a search meets few different grids.
    return _INTERVAL * 2.0 ** math.ceil(math.log2(interval / _INTERVAL) - 1e-9)


def _spread(composition):
    """About the standard deviation of the privacy loss."""
    return math.sqrt(2 * rdp.composition_rdp(composition)[0])


def _largest_loss(step: SampledGaussian, group_size):
    shift = group_size / step.noise_multiplier
    never = (1 - step.sampling_probability) ** group_size
    return np.logaddexp(math.log(never), math.log1p(-never) + shift**2 / 2 + 10 * shift)


# A search for a number of updates composes the same past, and one step, often.
@functools.lru_cache(maxsize=4)
def _self_composed(step: SampledGaussian, group_size, interval):
    single = _single(
        step.sampling_probability, step.noise_multiplier, group_size, interval
    )
    return single.self_compose(step.count)


@functools.lru_cache(maxsize=4)
def _allocated(step: AllocatedGaussian, interval):
    single = allocation.loss_distribution(
        step.num_batches, step.noise_multiplier, interval
    )
    return single.self_compose(step.count)


_single = functools.lru_cache(maxsize=4)(loss_distribution)
