"""Gaussian noise that protects even if an attacker sees every bit of the result.

Noise in floating point has gaps, and the set of possible results can reveal the input
(Mironov 2012, "On significance of the least significant bits for differential
privacy"; Haney et al. 2022, "Precision-based attacks and interval refining"). Once the
sum is known, nothing here depends on floating-point rounding:

1. The clipped sum is rounded to a public grid of step `gamma`, a power of two.
   For each of two neighboring data sets, rounding moves a coordinate by at most
   `gamma / 2`. The two sums are at most `C` apart before rounding, so they are at most
   `C + gamma * sqrt(d)` apart afterwards. `gamma` is chosen so that this is at most 1%
   more than `C`.
2. Integers `round(N(0, sigma^2))` are added in units of `gamma`, where
   `sigma = noise_multiplier * (C + gamma * sqrt(d)) / gamma`. A sum of integers plus a
   rounded Gaussian equals the rounded sum of the integers and the Gaussian. This is
   the exact Gaussian mechanism followed by rounding, so its accounting applies.
3. The rounded Gaussian is drawn by inverse transform from ChaCha20, with a new key from
   the operating system each time, so there is no state that a forked process could
   repeat. The quantile is computed in float64. If its error, or the bits that were not
   drawn yet, could change the rounding, 192 further bits are drawn and the result is
   computed with 100 digits. So a draw is within `2^-190` of the exact distribution, and
   `2^40` draws are within `2^-150`, which is negligible beside delta.

Two things are not covered: the sum itself is added up in float32, where rounding
depends on the records (Casacuberta et al. 2022, "Widespread underestimation of
sensitivity in differentially private libraries"), and the time that a draw takes.
"""

import importlib.util
import math
import os

import numpy as np
import tensorflow as tf

INSTALL = 'pip install "keras-dpgan[secure]"'

_LARGEST_GROWTH = 0.01
# In units of sigma. The quantile's relative error is below 2^-48 and that of its
# argument below 2^-44, which move it by less than 2^-43.
_DOUBT = 2.0**-38
_FEWEST = 2**44
_MORE_BITS = 192
_DIGITS = 100
# Float64 represents every integer up to this one, noise included.
_LARGEST_INTEGER = 2.0**52


def check_installed():
    """Raises an `ImportError` that says what to install, if it is missing."""
    if importlib.util.find_spec("cryptography") is None:
        raise ImportError(
            '`noise_source="secure"` needs `cryptography`, which is not installed. '
            f"Run: {INSTALL}"
        )


def grid_step(l2_norm_clip, size):
    """The step of the public grid for vectors of a size, a power of two.

    Args:
        l2_norm_clip: Positive float.
        size: Int, the number of coordinates.

    Returns:
        Float: with it, rounding enlarges the clip by between 0.5% and 1%.
    """
    largest = _LARGEST_GROWTH * l2_norm_clip / math.sqrt(size)
    return 2.0 ** math.floor(math.log2(largest))


def enlarged_clip(l2_norm_clip, size):
    """The largest distance of two neighboring sums on the grid, a float."""
    return l2_norm_clip + grid_step(l2_norm_clip, size) * math.sqrt(size)


def add_noise(sums, l2_norm_clip, noise_multiplier):
    """Rounds clipped sums to the grid and adds the noise, in eager code or graphs.

    Args:
        sums: List of float tensors of fully defined shapes.
        l2_norm_clip: Positive float.
        noise_multiplier: Non-negative float: the noise's standard deviation is
            `noise_multiplier * enlarged_clip(l2_norm_clip, size)`.

    Returns:
        List of tensors of the same shapes and dtypes.
    """
    flat = tf.concat([tf.reshape(tf.cast(s, tf.float64), [-1]) for s in sums], 0)
    noised = tf.numpy_function(
        lambda values: noised_on_grid(values, l2_norm_clip, noise_multiplier),
        [flat],
        tf.float64,
    )
    noised.set_shape(flat.shape)
    parts = tf.split(noised, [s.shape.num_elements() for s in sums])
    return [
        tf.cast(tf.reshape(part, s.shape), s.dtype)
        for part, s in zip(parts, sums, strict=True)
    ]


def noised_on_grid(values, l2_norm_clip, noise_multiplier):
    """The secure mechanism, on one vector.

    Args:
        values: Float64 array of shape `(d,)`, the clipped sum.
        l2_norm_clip: Positive float.
        noise_multiplier: Non-negative float.

    Returns:
        Float64 array of shape `(d,)`, multiples of `grid_step`.
    """
    step = grid_step(l2_norm_clip, values.size)
    integers = np.rint(values / step).clip(-_LARGEST_INTEGER, _LARGEST_INTEGER)
    sigma = noise_multiplier * enlarged_clip(l2_norm_clip, values.size) / step
    return step * (integers + rounded_gaussian(values.size, sigma))


def chacha20_bytes(count):
    """Bytes of a ChaCha20 stream with a key of its own from the operating system."""
    from cryptography.hazmat.primitives.ciphers import Cipher
    from cryptography.hazmat.primitives.ciphers import algorithms

    cipher = Cipher(algorithms.ChaCha20(os.urandom(32), os.urandom(16)), mode=None)
    return cipher.encryptor().update(bytes(count))


def rounded_gaussian(size, sigma, random_bytes=chacha20_bytes):
    """Draws integers `round(N(0, sigma^2))`.

    Args:
        size: Int.
        sigma: Float in [0, 1e10].
        random_bytes: Function that returns a given number of bytes that cannot be
            guessed. Defaults to `chacha20_bytes`; for few bytes `os.urandom` is enough.

    Returns:
        Float64 array of shape `(size,)`, of integers.

    Raises:
        ValueError: If `sigma` is out of range.
    """
    if not 0 <= sigma <= 1e10:
        raise ValueError(f"`sigma` must be in [0, 1e10]. Received: sigma={sigma}")
    if sigma == 0:
        return np.zeros(size)
    from scipy import special

    words = np.frombuffer(random_bytes(8 * size), np.uint64)
    # One bit for the sign, 63 for the probability of a magnitude at least as large.
    tails = words >> np.uint64(1)
    magnitudes = -sigma * special.ndtri((tails + 0.5) * 2.0**-64)
    rounded = np.rint(magnitudes)
    doubtful = np.abs(magnitudes - rounded) > 0.5 - sigma * _DOUBT
    doubtful |= tails < _FEWEST
    for i in np.flatnonzero(doubtful):
        more = int.from_bytes(os.urandom(_MORE_BITS // 8), "big")
        rounded[i] = resolve((int(tails[i]) << _MORE_BITS) + more, rounded[i], sigma)
    return np.where(words & np.uint64(1), -rounded, rounded)


def resolve(tail, guess, sigma):
    """The rounded magnitude with a given tail probability, computed with 100 digits.

    Args:
        tail: Int: the probability of a magnitude at least as large, halved, in
            units of `2^-256`.
        guess: An integer near the result.
        sigma: Positive float.

    Returns:
        Int.
    """
    import mpmath

    with mpmath.workdps(_DIGITS):
        probability = (tail + mpmath.mpf("0.5")) / 2 ** (64 + _MORE_BITS)
        scale = sigma * mpmath.sqrt(2)

        def reaches(boundary):
            return 2 * probability <= mpmath.erfc(boundary / scale)

        k = int(guess)
        while reaches(k + 0.5):
            k += 1
        while k > 0 and not reaches(k - 0.5):
            k -= 1
    return k
