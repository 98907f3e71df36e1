"""Epsilon of rounds of a mechanism."""

import functools
import typing

from keras_dpgan import privacy
from keras_dpgan._utils import validate


def rounds_epsilon(mechanism: typing.Any, rounds: int, delta: float) -> float:
    """Epsilon of a number of equal rounds.

    Gaussian ones compose exactly, Laplace ones by privacy loss distributions, sums
    with shares of noise by Renyi differential privacy. Of clients there is no
    amplification: the server sees who takes part.

    Examples:
        >>> mechanism = dpgan.federated.GaussianUpdate(1.0, noise_multiplier=6.0)
        >>> round(dpgan.federated.rounds_epsilon(mechanism, rounds=100, delta=1e-5), 1)
        19.1

    Args:
        mechanism: Object with an `entry`, such as `GaussianUpdate`.
        rounds: Non-negative int.
        delta: Float in (0, 1).

    Returns:
        Float, an upper bound.
    """
    rounds = validate.check_int("rounds", rounds, minimum=0)
    history = privacy.PrivacyHistory([mechanism.entry.with_count(rounds)])
    return privacy.epsilon(history, delta)


def max_rounds(mechanism: typing.Any, epsilon: float, delta: float) -> int:
    """The largest number of rounds within a budget.

    Examples:
        >>> mechanism = dpgan.federated.GaussianUpdate(1.0, noise_multiplier=10.0)
        >>> dpgan.federated.max_rounds(mechanism, epsilon=8.0, delta=1e-5)
        69

    Args:
        mechanism: As in `rounds_epsilon`.
        epsilon: Positive float, the budget.
        delta: Float in (0, 1).

    Returns:
        Int.
    """
    return _max_rounds(mechanism.entry.with_count(0), epsilon, delta)


# A client asks before each round.
@functools.lru_cache(maxsize=64)
def _max_rounds(entry, epsilon, delta):
    return privacy.max_updates(privacy.PrivacyHistory(), entry, delta, epsilon)
