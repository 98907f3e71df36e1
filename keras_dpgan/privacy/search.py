"""Searches that ask a slow, monotone function as seldom as they can."""

import functools
import math


def largest_within(function, target, guess):
    """The largest whole number at which a function is within a target.

    Args:
        function: Callable of a non-negative int, non-decreasing and finally
            above `target`. Slow, so no argument is tried twice.
        target: Float.
        guess: Non-negative int, where to start.

    Returns:
        An int n with `function(n) <= target < function(n + 1)`, or `None` where
        `function(0) > target`.
    """
    from scipy import optimize

    value = functools.cache(function)
    if value(0) > target:
        return None
    low, high = _bracket(value, target, guess)
    # Beyond the target a value tells no more than its sign: keep it finite.
    cap = 2 * abs(target) + 1

    def excess(n):
        return min(value(round(n)), cap) - target

    found = round(optimize.brentq(excess, low, high, xtol=0.5))
    while value(found) > target:
        found -= 1
    while value(found + 1) <= target:
        found += 1
    return found


def _bracket(value, target, guess):
    """Numbers `low < high` on either side of where `value` passes `target`."""
    step = max(1, guess // 8)
    if value(guess) <= target:
        low, high = guess, guess + step
        while value(high) <= target:
            step *= 2
            low, high = high, high + step
        return low, high
    low, high = max(0, guess - step), guess
    while value(low) > target:
        step *= 2
        low, high = max(0, low - step), low
    return low, high


def solve(exact, guide, target, tolerance=1e-3, max_steps=12):
    """Where a slow function meets a target, led by a fast one of the same shape.

    Args:
        exact: Callable of what `guide` returns; slow.
        guide: Callable of a target: where a fast approximation of `exact` meets
            it.
        target: Positive float.
        tolerance: Float: how far below the target is good enough, as a share.
        max_steps: Int, the number of times `exact` may be asked.

    Returns:
        `(x, exact(x))` with `exact(x) <= target`, as close to it as was found;
        `None` if none was.
    """
    best = None
    aim = target
    tried = set()
    for _ in range(max_steps):
        x = guide(aim)
        if x in tried:
            break
        tried.add(x)
        value = exact(x)
        if value <= target and (best is None or value > best[1]):
            best = x, value
        if best is not None and best[1] >= target * (1 - tolerance):
            break
        # The two functions' ratio changes slowly, so that one correction by it
        # all but hits the target.
        aim *= target * (1 - tolerance / 2) / value
        if not math.isfinite(aim) or aim <= 0:
            break
    return best
