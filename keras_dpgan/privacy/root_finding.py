"""Searches that call a slow, monotone function as few times as possible."""

import math

# For a smooth function secants need five steps. If they need more, it is not smooth.
_MAX_SECANTS = 10


def largest_within(function, target, guide):
    """The largest whole number at which a slow function is within a target.

    Args:
        function: Callable of a non-negative int, which never decreases and is above
            `target` for large numbers.
        target: Positive float.
        guide: Callable of a target that returns about where `function` meets it.

    Returns:
        An int n with `function(n) <= target < function(n + 1)`, or `None` if
        `function(0) > target`.
    """
    low, high = -1, math.inf
    points: list[tuple[int, float]] = []
    while high - low > 1:
        n = _proposal(points, low, high, target, guide)
        value = function(n)
        low, high = (n, high) if value <= target else (low, n)
        points.append((n, value))
    return low if low >= 0 else None


def _proposal(points, low, high, target, guide):
    """The next number to try, strictly between `low` and `high`."""
    if len(points) < 2:
        aim = target if not points else target**2 / max(points[0][1], target / 4)
        n = guide(aim)
    elif len(points) < _MAX_SECANTS:
        first, second = points[-2:]
        n = _secant(first, second, target)
    else:
        n = math.nan
    if not math.isfinite(n):
        n = 2 * low + 1 if math.isinf(high) else (low + high) // 2
    return int(min(max(math.floor(n), low + 1), high - 1))


def _secant(first, second, target):
    """Where the line through two points meets the target, but not far beyond them."""
    (n0, value0), (n1, value1) = first, second
    slope = (value1 - value0) / (n1 - n0)
    if not slope > 0:
        return math.nan
    return min(n1 + (target - value1) / slope, 4 * max(n0, n1) + 4)


def solve(exact, guide, settle, target, start, tolerance=1e-3, max_steps=12):
    """Where a slow function of a positive number meets a target.

    Args:
        exact: Callable of a positive number, which is monotone and smooth but slow.
        guide: Callable of a target that returns about where `exact` meets it.
        settle: Callable that rounds a positive number to an allowed one.
        target: Positive float.
        start: Positive float: the first target for `guide`.
        tolerance: Float: how far below the target the result may be, as a share.
        max_steps: Int, how often `exact` may be called.

    Returns:
        `(x, exact(x))` with `exact(x) <= target`, the closest pair that was found;
        `None` if there was none.
    """
    goal = target * (1 - tolerance / 2)
    best, found = None, dict[float, float]()
    x = settle(guide(start))
    while x not in found and len(found) < max_steps:
        value = found[x] = exact(x)
        if value <= target and (best is None or value > best[1]):
            best = x, value
        met = best is not None and best[1] >= target * (1 - tolerance)
        if met or value == 0 or math.isinf(value):
            break
        if len(found) == 1:
            x = settle(guide(start * goal / value))
        else:
            first, second = list(found.items())[-2:]
            x = settle(_power_law(first, second, goal))
    return best


def _power_law(first, second, goal):
    """Where the power law through two points meets the goal."""
    (x0, value0), (x1, value1) = first, second
    if value0 == value1:
        return x1
    power = math.log(x1 / x0) / math.log(value1 / value0)
    return x1 * (goal / value1) ** power
