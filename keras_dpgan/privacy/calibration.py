"""Computes how much noise a budget needs."""

import math

from keras_dpgan.privacy import rdp
from keras_dpgan.privacy import root_finding
from keras_dpgan.privacy.accountant import epsilon as epsilon_of
from keras_dpgan.privacy.history import compose

SMALLEST, LARGEST = 2.0**-6, 2.0**20

# The share of a budget that may remain unused.
_TOLERANCE = 1e-3


def least_noise(history_of, epsilon, delta) -> float:
    """The least noise multiplier by which releases stay within a budget.

    Args:
        history_of: Callable of a noise multiplier: the `PrivacyHistory` of all that is
            released with it.
        epsilon: Positive float, the budget.
        delta: Float in (0, 1).

    Returns:
        Float of five significant digits, at which epsilon is within 0.1% of the budget
        and not above it.

    Raises:
        ValueError: If no noise is enough.
    """

    def exact(noise):
        return epsilon_of(history_of(noise), delta)

    def about(noise):
        return fast_epsilon(history_of(noise), delta)

    found = least_noise_of(exact, about, epsilon, epsilon)
    if found is None:
        raise ValueError(
            "`epsilon` is too small for any noise. Raise it, or release less. "
            f"Received: epsilon={epsilon}, delta={delta}"
        )
    return found[0]


def least_noise_of(exact, about, target, start):
    """The least noise multiplier at which a cost is within a target.

    Args:
        exact: Callable of a noise multiplier: the cost, smooth and slow to compute.
        about: Callable of a noise multiplier: a similar cost that is computed fast.
        target: Positive float.
        start: Positive float: the value of `about` that is first taken for the target.

    Returns:
        `(noise_multiplier, cost)`, or `None` if no noise is enough.
    """

    def guide(cost):
        return 2.0 ** _where_falls_to(
            lambda power: about(2.0**power),
            cost,
            math.log2(SMALLEST),
            math.log2(LARGEST),
        )

    def settle(noise):
        return _round_up(min(max(noise, SMALLEST), LARGEST))

    found = root_finding.solve(exact, guide, settle, target, start)
    if found is None or found[1] > 0:
        return found
    return _between(exact, settle, target, found)


def _between(exact, settle, target, found):
    """Bisects an interval, for costs that fall to zero too steeply for a secant."""
    low, (high, cost) = SMALLEST, found
    while cost < (1 - _TOLERANCE) * target and settle(math.sqrt(low * high)) < high:
        middle = settle(math.sqrt(low * high))
        value = exact(middle)
        if value <= target:
            high, cost = middle, value
        else:
            low = middle
    return high, cost


def fast_epsilon(history, delta):
    """An approximation of epsilon that is fast to compute, by RDP of few orders."""
    divergence = rdp.composition_rdp(compose(history), rdp.FEW_ORDERS)
    return rdp.to_epsilon(divergence, delta, rdp.FEW_ORDERS)


def _where_falls_to(function, target, low, high):
    """The place in [low, high] where a falling function meets a target, or an end."""
    from scipy import optimize

    if function(low) <= target:
        return low
    if function(high) > target:
        return high
    return optimize.brentq(lambda x: function(x) - target, low, high, xtol=1e-5)


def _round_up(number):
    """Rounds up to five significant digits, so that the figure is easy to type."""
    unit = 10.0 ** (math.floor(math.log10(number)) - 4)
    return float(f"{math.ceil(number / unit - 1e-9) * unit:.5g}")
