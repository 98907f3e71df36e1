"""Scales pixels to the generator's range and back, by public constants alone."""

import collections.abc

import numpy as np
import numpy.typing as npt


def check_pixel_range(pixel_range):
    """Returns a range as two floats.

    Args:
        pixel_range: Pair of numbers, the lower one first.

    Returns:
        `(low, high)`.

    Raises:
        ValueError: If it is not such a pair.
    """
    try:
        low, high = (float(bound) for bound in pixel_range)
    except (TypeError, ValueError) as error:
        raise ValueError(
            "`pixel_range` must be a pair of numbers such as (-1.0, 1.0). "
            f"Received: pixel_range={pixel_range!r}"
        ) from error
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        raise ValueError(
            "`pixel_range` must be finite, with the lower bound first. "
            f"Received: pixel_range={pixel_range!r}"
        )
    return low, high


def scale_to_range(
    images: npt.ArrayLike,
    pixel_range: collections.abc.Sequence[float] = (-1.0, 1.0),
    source_range: collections.abc.Sequence[float] | None = None,
) -> np.ndarray:
    """Scales pixels to the range of the generator's output.

    The scale is a public constant. If it were computed from the data (their minimum,
    their mean), each record would influence all others, and no clip would limit that.

    Examples:
        >>> import numpy as np
        >>> pixels = np.array([[0, 255]], np.uint8)
        >>> dpgan.data.scale_to_range(pixels)
        array([[-1.,  1.]], dtype=float32)

    Args:
        images: Array of pixels, of dtype uint8 unless `source_range` is given.
        pixel_range: Pair of floats `(low, high)`: (-1, 1) for a generator that
            ends in tanh, (0, 1) for a sigmoid. Defaults to `(-1.0, 1.0)`.
        source_range: Pair of numbers, the public bounds of the given pixels. Defaults
            to `None`: (0, 255), and the dtype must be uint8.

    Returns:
        A float32 array of the shape of `images`.

    Raises:
        ValueError: If a pixel lies outside `source_range`, or the images are not
            of dtype uint8 and no `source_range` is given.
    """
    low, high = check_pixel_range(pixel_range)
    images = np.asarray(images)
    if source_range is None:
        if images.dtype != np.uint8:
            raise ValueError(
                "`images` must be of dtype uint8, or `source_range` must give the "
                "public bounds of their pixels, as in `source_range=(0, 1)`. "
                f"Received: images.dtype={images.dtype}"
            )
        source_range = (0, 255)
    elif images.size and not (
        source_range[0] <= images.min() and images.max() <= source_range[1]
    ):
        raise ValueError(
            "`images` must lie in `source_range`. Received: "
            f"source_range={source_range}, pixels from {images.min()} to {images.max()}"
        )
    scaled = images.astype(np.float32)
    scaled -= source_range[0]
    # A division meets the bounds exactly and never exceeds them, which the product
    # with a rounded reciprocal would not do.
    scaled /= source_range[1] - source_range[0]
    scaled *= high - low
    scaled += low
    return scaled


def to_uint8(
    images: npt.ArrayLike, pixel_range: collections.abc.Sequence[float] = (-1.0, 1.0)
) -> np.ndarray:
    """Turns images in the generator's range into bytes for display.

    Examples:
        >>> import numpy as np
        >>> dpgan.data.to_uint8(np.array([[-1.0, 1.0]]))
        array([[  0, 255]], dtype=uint8)

    Args:
        images: Float array of any shape.
        pixel_range: Pair of floats `(low, high)`, the values of black and white in
            `images`. Defaults to `(-1.0, 1.0)`.

    Returns:
        A uint8 array of the shape of `images`. Values outside the range are
        clipped; NaN becomes 0.
    """
    low, high = check_pixel_range(pixel_range)
    share = (np.asarray(images, np.float32) - low) / (high - low)
    share = np.clip(np.nan_to_num(share, nan=0.0), 0.0, 1.0)
    return np.rint(share * 255.0).astype(np.uint8)
