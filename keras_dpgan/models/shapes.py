"""How often the sides of an image are halved or doubled."""

import math
import numbers

import keras

_LARGEST_START = 16


def check_image(shape):
    """Raises unless `shape` is `(height, width, channels)` of positive ints."""
    try:
        sizes: tuple = tuple(shape)
    except TypeError:
        sizes = ()
    if len(sizes) != 3 or not all(
        isinstance(size, numbers.Integral) and int(size) > 0 for size in sizes
    ):
        raise ValueError(
            "`shape` must be (height, width, channels), three positive ints, as in "
            f"(28, 28, 1). Received: shape={shape}"
        )


def num_halvings(shape):
    """The number of strided convolutions that reduce the larger side to at most 8."""
    return max(2, math.ceil(math.log2(max(shape[:2]) / 8)))


def num_doublings(shape):
    """The number of doublings from a small image to the sides of `shape`.

    Raises:
        ValueError: If there is no such number; the message names `shape`.
    """
    smallest, largest = sorted(shape[:2])
    doublings = 0
    while math.gcd(smallest, largest) % 2 ** (doublings + 1) == 0:
        # There are two doublings even for 8x8. Larger images start from 4x4 or more.
        if smallest >> (doublings + 1) < (2 if doublings < 2 else 4):
            break
        doublings += 1
    if doublings == 0 or largest >> doublings > _LARGEST_START:
        raise ValueError(
            "The sides of `shape` must be the same power of two (at least 2) times "
            f"numbers from 2 to {_LARGEST_START}: 8 = 4 * 2, 28 = 4 * 7, 32 = 8 * 4. "
            f"Pad or resize the images. Received: shape={tuple(shape)}"
        )
    return doublings


def output_dtype():
    """The dtype of a last layer: that of the weights, in mixed precision, too."""
    return keras.config.dtype_policy().variable_dtype
