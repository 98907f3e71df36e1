"""The one door by which numbers of a private table get out: with Gaussian noise."""

import numpy as np

from keras_dpgan.mechanisms import noise

# What rounding may add to a sum of squares.
_MARGIN = 1e-9


def noisy(values, deviations):
    """Adds fresh noise of the operating system's entropy.

    Args:
        values: Float64 array.
        deviations: Float64 array of its shape: the standard deviation of the noise on
            each number.

    Returns:
        Float64 array.
    """
    return values + deviations * noise.standard_normals(values.shape)


def noisy_tables(tables, weights, noise_multiplier):
    """Releases tables of counts as one Gaussian mechanism.

    Each row is counted once in each table at most, so that it moves the tables, times
    their weights, by the root of the sum of the squared weights: one.

    Args:
        tables: List of float64 arrays of counts.
        weights: Positive float array: its squares add up to one.
        noise_multiplier: Positive float.

    Returns:
        List of pairs: the noisy table, and the standard deviation of its noise.

    Raises:
        ValueError: If the squared weights add up to more than one.
    """
    weights = np.asarray(weights, np.float64)
    if len(weights) != len(tables) or np.square(weights).sum() > 1 + _MARGIN:
        raise ValueError(
            "`weights` must be one for each table, and their squares must add up to "
            f"one. Received: {len(tables)} tables, weights={weights!r:.80}."
        )
    deviations = noise_multiplier / weights
    flat = np.concatenate([table.ravel() for table in tables])
    sizes = [table.size for table in tables]
    drawn = noisy(flat, np.repeat(deviations, sizes))
    parts = np.split(drawn, np.cumsum(sizes)[:-1])
    return [
        (part.reshape(table.shape), deviation)
        for part, table, deviation in zip(parts, tables, deviations, strict=True)
    ]


def noisy_scores(scores, noise_multiplier):
    """Releases scores, each of which one row moves by one at most.

    All together are one Gaussian mechanism whose sensitivity is the root of their
    number.

    Args:
        scores: Float64 array.
        noise_multiplier: Positive float.

    Returns:
        Float64 array.
    """
    deviation = noise_multiplier * np.sqrt(len(scores))
    return noisy(np.asarray(scores, np.float64), np.full(len(scores), deviation))


def picked(scores, sensitivity, epsilon):
    """Picks a high score by the exponential mechanism.

    Args:
        scores: Float64 array, of which one row moves each by `sensitivity` at most.
        sensitivity: Positive float.
        epsilon: Positive float; see `calibration.exponential_epsilon`.

    Returns:
        Int, the place of a score.
    """
    from scipy import special

    normals = noise.standard_normals(np.shape(scores))
    # Of evenly distributed numbers in (0, 1) the logarithm, exact at both ends. With
    # Gumbel noise the largest is a draw of the exponential mechanism.
    gumbel = -np.log(-special.log_ndtr(normals))
    return int(np.argmax(epsilon / (2 * sensitivity) * np.asarray(scores) + gumbel))
