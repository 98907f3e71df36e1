"""Privacy of a person with several rows, from that of one row."""

import math

from keras_dpgan.privacy import rdp
from keras_dpgan.privacy.history import Composition


def converted_epsilon(composition: Composition, delta, group_size):
    """Epsilon for a group, from Renyi differential privacy for one row.

    A mechanism that is (e, d)-private for one row is, for k rows,
    (k * e, d * (exp(k * e) - 1) / (exp(e) - 1))-private: the smallest such
    epsilon whose second number is at most `delta`. Source: Vadhan 2017, "The
    Complexity of Differential Privacy", lemma 2.2.

    Returns:
        Float, infinite if the conversion has no finite result.
    """
    divergence = rdp.composition_rdp(composition)

    def log_group_delta(log_delta):
        epsilon = _epsilon(divergence, log_delta)
        if epsilon == 0:
            return log_delta + math.log(group_size)
        return log_delta + _log_expm1(group_size * epsilon) - _log_expm1(epsilon)

    # The smallest float is about exp(-745).
    low, high = -700.0, math.log(delta)
    if log_group_delta(low) > math.log(delta):
        return math.inf
    for _ in range(60):
        middle = (low + high) / 2
        if log_group_delta(middle) <= math.log(delta):
            low = middle
        else:
            high = middle
    return group_size * _epsilon(divergence, low)


def _epsilon(divergence, log_delta):
    return rdp.to_epsilon(divergence, math.exp(log_delta))


def _log_expm1(x):
    return x + math.log(-math.expm1(-x))
