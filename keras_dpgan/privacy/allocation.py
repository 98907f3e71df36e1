"""Privacy of random allocation: each row in exactly one batch of an epoch.

Each row is put into one of T batches, by a draw of its own. One row more then changes
what the T updates release from Gaussian noise around zero to a mixture: a shift by one
clip in an update that nobody knows. Source: Chua et al. 2025, "Balls-and-Bins Sampling
for DP-SGD"; Feldman and Shenfeld 2025, "Privacy Amplification by Random Allocation",
for why this pair of distributions dominates adaptive updates as well.

The likelihood ratio of the pair is the mean S of T independent log-normal numbers
X = exp(z / sigma - 1 / (2 sigma**2)), each of mean one. Both divergences are means of
convex functions of S, under noise alone: E max(S - e**epsilon, 0) where the row was
there, E max(1 - e**epsilon S, 0) where it was not. So a distribution that is larger in
the convex order gives upper bounds, and a distribution becomes larger in that order
when probability is split between the ends of an interval so that its mean stays. Sums
of independent numbers keep the order. All numbers are therefore rounded to grids in
that way, and the sum is made by doubling.
"""

import dataclasses
import functools
import math
import typing

import numpy as np

# The probability that is left out above is about exp(-50), as in dp_accounting.
_REACH = 9.74

# Steps of the grids: in standard deviations near the mean, by distance from it far
# above, and by size near zero. A fourth of them lowers epsilon by less than 0.2%.
_NEAR, _FAR, _SMALL = 0.04, 0.02, 0.03

# With very little noise numbers spread so far that the steps become larger.
_MAX_STEPS = 3_000

# What has less probability counts as a full breach.
_SMALLEST_MASS = 1e-100

# Renyi orders above this are bounded as if the batch of each row were known.
_LARGEST_ORDER = 64


@dataclasses.dataclass(frozen=True)
class _Distribution:
    """Probabilities, under noise alone, of a sum of `count` numbers."""

    points: np.ndarray
    masses: np.ndarray
    count: int


def loss_distribution(num_batches, noise_multiplier, interval):
    """The privacy loss of one allocation when a row is added or removed.

    Args:
        num_batches: Int, at least 2.
        noise_multiplier: Positive float.
        interval: Positive float, the grid of privacy losses.

    Returns:
        A `PrivacyLossDistribution` of dp_accounting, rounded upwards.
    """
    from dp_accounting.pld import privacy_loss_distribution

    ratio = _ratio(num_batches, noise_multiplier)
    positive = ratio.points > 0
    points, masses = ratio.points[positive], ratio.masses[positive]
    lower = math.floor(math.log(points[0]) / interval)
    upper = math.ceil(math.log(points[-1]) / interval) + 1
    losses = np.arange(lower, upper + 1) * interval
    masses = _split(points, masses, np.exp(losses))
    without, with_row = _left_out(num_batches, noise_multiplier)
    removed = np.exp(losses) * masses
    at_zero = float(ratio.masses[~positive].sum())
    return privacy_loss_distribution.PrivacyLossDistribution(
        _pmf(interval, lower, removed, with_row),
        _pmf(interval, -upper, masses[::-1], without + at_zero),
    )


def _pmf(interval, lower, masses, infinite):
    """A distribution of dp_accounting, whose sums overflow at smaller masses."""
    from dp_accounting.pld import pld_pmf

    (kept,) = np.nonzero(masses >= _SMALLEST_MASS)
    first, end = kept[0], kept[-1] + 1
    infinite += float(masses[:first].sum() + masses[end:].sum())
    return pld_pmf.DensePLDPmf(
        interval, lower + int(first), masses[first:end], infinite, True
    )


def largest_loss(noise_multiplier):
    """About the largest privacy loss of one allocation."""
    return (_REACH + 0.5 / noise_multiplier) / noise_multiplier


@functools.lru_cache(maxsize=64)
def renyi_divergence(num_batches, noise_multiplier, orders):
    """The Renyi divergence of one allocation, an upper bound in both directions.

    Args:
        num_batches: Int, at least 2.
        noise_multiplier: Positive float.
        orders: Tuple of floats above 1.

    Returns:
        Float64 array with an entry for each order.
    """
    orders = np.array(orders)
    known = orders / (2 * noise_multiplier**2)
    small = orders <= _LARGEST_ORDER
    bound = np.maximum(
        _removed_divergence(num_batches, noise_multiplier, orders[small]),
        _added_divergence(num_batches, noise_multiplier, orders[small]),
    )
    divergence = known.copy()
    divergence[small] = np.minimum(known[small], bound)
    return divergence


@functools.lru_cache(maxsize=16)
def _ratio(num_batches, noise_multiplier):
    """The distribution of S, in the convex order above the exact one."""
    total: typing.Any = None
    base, left = _log_normal(noise_multiplier), num_batches
    while True:
        if left % 2:
            total = base if total is None else _sum(total, base, noise_multiplier)
        left //= 2
        if not left:
            return _Distribution(total.points / num_batches, total.masses, 1)
        base = _sum(base, base, noise_multiplier)


def _log_normal(noise_multiplier):
    from scipy import special

    shift = 1 / noise_multiplier
    z_low, z_high = -_REACH, _REACH + shift
    low, high = np.exp(shift * np.array([z_low, z_high]) - shift**2 / 2)
    points = _grid(low, high, 1, noise_multiplier)
    z = np.empty_like(points)
    z[0] = -np.inf
    z[1:] = (np.log(points[1:]) + shift**2 / 2) / shift
    masses = _between(special.ndtr, z)
    means = _between(special.ndtr, z - shift)
    right = (means - points[:-1] * masses) / np.diff(points)
    return _Distribution(points, _shared(masses, right), 1)


def _between(ndtr, z):
    """Probabilities of the intervals, without cancellation in either tail."""
    low, high = z[:-1], z[1:]
    return np.where(low > 0, ndtr(-low) - ndtr(-high), ndtr(high) - ndtr(low))


def _shared(masses, right):
    """Masses at the ends of intervals, of which `right` goes to the upper ends."""
    right = np.clip(right, 0.0, masses)
    shared = np.zeros(len(masses) + 1)
    shared[:-1] += masses - right
    shared[1:] += right
    return shared


def _sum(one, other, noise_multiplier):
    """The distribution of a sum of independent numbers, on a grid of its own."""
    count = one.count + other.count
    low = one.points[1] + other.points[1]
    high = one.points[-1] + other.points[-1]
    grid = _grid(low, high, count, noise_multiplier)
    masses = np.zeros_like(grid)
    for point, mass in zip(other.points, other.masses, strict=True):
        masses += _split(one.points + point, one.masses * mass, grid)
    return _Distribution(grid, masses, count)


def _split(points, masses, grid):
    """Moves masses to a grid around them, so that each keeps its mean."""
    left = np.clip(np.searchsorted(grid, points, "right") - 1, 0, len(grid) - 2)
    share = np.clip((points - grid[left]) / (grid[left + 1] - grid[left]), 0.0, 1.0)
    moved = np.bincount(left, masses * (1 - share), len(grid))
    return moved + np.bincount(left + 1, masses * share, len(grid))


def _grid(low, high, mean, noise_multiplier):
    """Zero, and points from `low` to `high` that lie dense where it matters."""
    # With little noise the variance comes from rare large numbers: not its scale.
    variance = min(1.0, math.expm1(min(1.0, noise_multiplier**-2)))
    near = _NEAR * math.sqrt(mean * variance)
    least = (math.log(high) - math.log(low)) / _MAX_STEPS
    far, small = max(_FAR, least), max(_SMALL, least)
    points = [0.0, low]
    while points[-1] < high:
        point = points[-1]
        points.append(
            point + min(small * point, math.hypot(near, far * (point - mean)))
        )
    return np.array(points)


def _left_out(num_batches, noise_multiplier):
    """The probabilities, without and with the row, that a number is above the grid."""
    from scipy import special

    of_noise = special.ndtr(-_REACH - 1 / noise_multiplier)
    of_row = special.ndtr(-_REACH)
    none = num_batches * math.log1p(-of_noise)
    none_with_row = none - math.log1p(-of_noise) + math.log1p(-of_row)
    return -math.expm1(none), -math.expm1(none_with_row)


def _removed_divergence(num_batches, noise_multiplier, orders):
    """With the row against without: from the moments of S, which are convex in logs.

    The n-th moment of a sum of T numbers is n! times a coefficient of the T-th power of
    the series of E X**k / k!.
    """
    from scipy import special

    n = np.arange(_LARGEST_ORDER + 1)
    factorials = special.gammaln(n + 1)
    series = n * (n - 1) / (2 * noise_multiplier**2) - factorials
    log_moments = (
        _log_power(series, num_batches) + factorials - n * math.log(num_batches)
    )
    log_moments[:2] = 0.0
    return np.interp(orders, n, log_moments) / (orders - 1)


def _log_power(series, power):
    """The log coefficients of a power of a series, up to the degree of the series."""
    result, left = None, power
    while True:
        if left % 2:
            result = series if result is None else _log_product(result, series)
        left //= 2
        if not left:
            return result
        series = _log_product(series, series)


def _log_product(one, other):
    degrees = range(1, len(one) + 1)
    return np.array([np.logaddexp.reduce(one[:n] + other[:n][::-1]) for n in degrees])


def _added_divergence(num_batches, noise_multiplier, orders):
    """Without the row against with it: from the moments of 1 / S.

    Below a small number they are continued by a tangent, which keeps them convex; what
    that leaves out is bounded by the geometric mean of the numbers, which is at most S.
    """
    from scipy import special

    ratio = _ratio(num_batches, noise_multiplier)
    powers = (orders - 1)[:, np.newaxis]
    mean = -1 / (2 * noise_multiplier**2)
    spread = 1 / (noise_multiplier * math.sqrt(num_batches))
    log_start = mean - (30 + powers * spread) * spread
    with np.errstate(divide="ignore"):
        logs, log_masses = np.log(ratio.points), np.log(ratio.masses)
    below = logs < log_start
    # The tangent is largest at zero: `powers + 1` times its value at the start.
    values = np.where(below, np.log1p(powers) - powers * log_start, -powers * logs)
    moments = np.logaddexp.reduce(values + log_masses, axis=1)
    left_out = (
        -powers * mean
        + (powers * spread) ** 2 / 2
        + special.log_ndtr((log_start - mean) / spread + powers * spread)
    )[:, 0]
    return np.maximum(np.logaddexp(moments, left_out), 0.0) / (orders - 1)
