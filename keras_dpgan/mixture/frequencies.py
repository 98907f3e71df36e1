"""A public basis of images: low frequencies of a cosine transform."""

import numpy as np


def lowest(shape, rank):
    """The lowest frequencies of images, as orthonormal columns.

    Source: Ahmed, Natarajan and Rao 1974, "Discrete Cosine Transform".

    Args:
        shape: Tuple `(height, width)` or `(height, width, channels)`.
        rank: Int, how many.

    Returns:
        Float64 array of shape `(height * width * channels, rank)`.
    """
    height, width, *channels = shape
    channels = channels[0] if channels else 1
    rows, columns = _cosines(height), _cosines(width)
    place = np.arange(height)[:, None] / height, np.arange(width)[None] / width
    heights = np.repeat((place[0] ** 2 + place[1] ** 2).ravel(), channels)
    order = np.argsort(heights, kind="stable")[:rank]
    y, x, channel = np.unravel_index(order, (height, width, channels))
    planes = rows[:, y][:, None, None] * columns[:, x][None, :, None]
    own_channel = np.arange(channels)[:, None] == channel
    return (planes * own_channel).reshape(-1, len(order))


def _cosines(size):
    """The orthonormal cosines of a side, a column for each frequency."""
    place = (np.arange(size) + 0.5)[:, None] * np.arange(size)
    cosines = np.cos(np.pi * place / size) * np.sqrt(2 / size)
    cosines[:, 0] = np.sqrt(1 / size)
    return cosines
