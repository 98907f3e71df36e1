"""Epsilon of rounds in which a client's whole data are protected."""

import functools

from keras_dpgan import _validate
from keras_dpgan.privacy import pld
from keras_dpgan.privacy import rdp


def rounds_epsilon(mechanism, rounds, delta):
    """Epsilon of a number of equal rounds.

    Gaussian ones compose exactly, Laplace ones by privacy loss distributions, sums
    with shares of noise by Renyi differential privacy. There is no amplification:
    the server sees who takes part.

    Args:
        mechanism: Object with a method `event`, such as `GaussianUpdate`, or
            `renyi_divergence`, such as `SharedNoise`.
        rounds: Non-negative int.
        delta: Float in (0, 1).

    Returns:
        Float, an upper bound.
    """
    rounds = _validate.check_int("rounds", rounds, minimum=0)
    delta = _validate.check_delta(delta)
    return _epsilon(mechanism, rounds, delta) if rounds else 0.0


@functools.lru_cache(maxsize=1024)
def _epsilon(mechanism, rounds, delta):
    import dp_accounting

    if hasattr(mechanism, "renyi_divergence"):
        divergence = rounds * mechanism.renyi_divergence(rdp.ORDERS)
        return rdp.to_epsilon(divergence, delta)
    event = mechanism.event()
    if isinstance(event, dp_accounting.GaussianDpEvent):
        return pld.gaussian_epsilon(rounds / event.noise_multiplier**2, delta)
    event = dp_accounting.SelfComposedDpEvent(event, rounds)
    accountant = dp_accounting.pld.PLDAccountant()
    return float(accountant.compose(event).get_epsilon(delta))


def max_rounds(mechanism, epsilon, delta):
    """The largest number of rounds within a budget.

    Args:
        mechanism: As in `rounds_epsilon`.
        epsilon: Positive float, the budget.
        delta: Float in (0, 1).

    Returns:
        Int, at most 2**20.
    """
    epsilon = _validate.check_positive("epsilon", epsilon)
    low, high = 0, 1
    while high < 2**20 and rounds_epsilon(mechanism, high, delta) <= epsilon:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        if rounds_epsilon(mechanism, middle, delta) <= epsilon:
            low = middle
        else:
            high = middle
    return low
