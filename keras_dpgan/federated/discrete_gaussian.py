"""Integers with the probabilities of the discrete Gaussian distribution."""

import bisect
import functools
import os

import numpy as np

from keras_dpgan._utils import validate
from keras_dpgan.mechanisms import secure_noise

_BITS = 128
_DIGITS = 60
# The probability of anything beyond is below 2^-128.
_REACH = 13.5


def discrete_gaussian(size, sigma):
    """Draws integers k with probability proportional to `exp(-k^2 / 2 sigma^2)`.

    They are drawn by inverse transform from ChaCha20, keyed afresh by the
    operating system, against a table of 128 bits: within `2^-110` of the exact
    distribution for each draw. Source of the distribution: Canonne, Kamath and
    Steinke 2020, "The Discrete Gaussian for Differential Privacy".

    Args:
        size: Int.
        sigma: Float in [0.5, 1e5].

    Returns:
        int64 array of shape `(size,)`.
    """
    sigma = validate.check_positive("sigma", sigma)
    if not 0.5 <= sigma <= 1e5:
        raise ValueError(f"`sigma` must be in [0.5, 1e5]. Received: sigma={sigma}")
    smallest, boundaries, words_of_boundaries = _table(sigma)
    words = np.frombuffer(secure_noise.chacha20_bytes(8 * size), np.uint64)
    index = np.searchsorted(words_of_boundaries, words, side="left")
    last = np.searchsorted(words_of_boundaries, words, side="right")
    for i in np.flatnonzero(index != last):
        # The first 64 bits do not tell on which side of a boundary it lies.
        more = int.from_bytes(os.urandom(8), "big")
        index[i] = bisect.bisect_right(boundaries, (int(words[i]) << 64) + more)
    return index.astype(np.int64) + smallest


@functools.lru_cache(maxsize=8)
def _table(sigma):
    """The smallest integer, and the cumulated probabilities in units of 2^-128."""
    import mpmath

    reach = int(np.ceil(_REACH * sigma)) + 1
    with mpmath.workdps(_DIGITS):
        half = _half_weights(sigma, reach, mpmath)
        weights = half[:0:-1] + half
        scale = mpmath.mpf(2) ** _BITS / mpmath.fsum(weights)
        boundaries, total = [], mpmath.mpf(0)
        for weight in weights[:-1]:
            total += weight
            boundaries.append(int(total * scale))
    words = np.array([b >> 64 for b in boundaries], np.uint64)
    return -reach, boundaries, words


def _half_weights(sigma, reach, mpmath):
    """`exp(-k^2 / 2 sigma^2)` for k from 0 to `reach`, by two products each."""
    unit = mpmath.exp(-1 / (2 * mpmath.mpf(sigma) ** 2))
    weights, weight, factor = [], mpmath.mpf(1), unit
    for _ in range(reach + 1):
        weights.append(weight)
        weight *= factor
        factor *= unit * unit
    return weights
