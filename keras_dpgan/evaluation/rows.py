"""Checks of real and generated rows that every metric needs, and their scale.

A row is an image, of shape `(height, width, channels)`, or a plain vector. A message
may quote values of real rows, since only the owner of the data sees it.
"""

import typing

import numpy as np

from keras_dpgan.data.scaling import check_pixel_range
from keras_dpgan.data.scaling import to_uint8

_USUAL_RANGES = ((0.0, 1.0), (-1.0, 1.0), (0.0, 255.0))

# In widths of the range: a generator whose output is not bounded may overshoot by this
# much before its pixels are taken for those of another range.
_OVERSHOOT = 0.5
_MAX_SHARE_OUTSIDE = 0.01


class Rows(typing.NamedTuple):
    """Rows and their labels, or `None` for rows without labels."""

    x: np.ndarray
    y: np.ndarray | None


def rows_and_labels(name, given):
    """Returns rows, or a pair of rows and labels, as `Rows`.

    Args:
        name: The argument's name, for messages.
        given: Array of rows, or tuple of rows and labels (which may be `None`).

    Returns:
        `Rows` with the given values, which are not checked.

    Raises:
        ValueError: If a tuple is not a pair.
    """
    if not isinstance(given, tuple):
        return Rows(given, None)
    if len(given) != 2:
        raise ValueError(
            f"`{name}` must be rows, or a pair of rows and labels. Received: a "
            f"tuple of {len(given)}"
        )
    return Rows(*given)


def check_rows(name, rows, minimum=1) -> np.ndarray:
    """Returns rows as an array of numbers.

    Args:
        name: The argument's name, for messages.
        rows: Array of shape `(n, height, width, channels)` or `(n, columns)`.
        minimum: Int, the smallest number of rows. Defaults to 1.

    Returns:
        A NumPy array of dtype uint8 if `rows` have it, and float32 otherwise.

    Raises:
        ValueError: If the shape or dtype is wrong, if there are too few rows, or if a
            value is NaN or infinite.
    """
    rows = np.asarray(rows)
    if rows.ndim not in (2, 4):
        remedy = " Add the channel axis: `x[..., None]`." if rows.ndim == 3 else ""
        raise ValueError(
            f"`{name}` must be images of shape (n, height, width, channels) or "
            f"vectors of shape (n, columns).{remedy} Received: {name} of shape "
            f"{rows.shape}"
        )
    if rows.dtype.kind not in "fiub" and "float" not in rows.dtype.name:
        raise ValueError(
            f"`{name}` must hold numbers. Received: {name} of dtype {rows.dtype}"
        )
    if len(rows) < minimum:
        raise ValueError(
            f"`{name}` must have at least {minimum} rows. Received: {len(rows)}"
        )
    if rows.dtype == np.uint8:
        return rows
    rows = rows.astype(np.float32, copy=False)
    finite = np.isfinite(rows).reshape(len(rows), -1).all(axis=1)
    if not finite.all():
        raise ValueError(
            f"`{name}` must be finite. Received: NaN or infinity in "
            f"{np.count_nonzero(~finite)} of {len(rows)} rows, the first of them row "
            f"{int(np.argmin(finite))}"
        )
    return rows


def check_same_shape(name, rows, other_name, other):
    """Raises unless two sets hold rows of one shape."""
    if rows.shape[1:] != other.shape[1:]:
        raise ValueError(
            f"`{name}` and `{other_name}` must hold rows of one shape. Received: "
            f"{rows.shape[1:]} and {other.shape[1:]}"
        )


def is_image(rows):
    """Whether rows are images, of shape `(n, height, width, channels)`."""
    return rows.ndim == 4


def common_pixel_range(pixel_range, real, name, samples):
    """The range in which the pixels of both sets are interpreted.

    Args:
        pixel_range: Pair of floats, the values of black and white in both sets; or
            `None` for the usual range in which the real pixels lie.
        real: Real images.
        name: Name of the argument that holds the samples, for messages.
        samples: Generated images.

    Returns:
        `(low, high)`.

    Raises:
        ValueError: If the real pixels are in no usual range, or if the samples are
            clearly in another one.
    """
    if pixel_range is None:
        found = _usual_range(real)
    else:
        found = check_pixel_range(pixel_range)
    low, high = found
    lowest, highest = float(samples.min()), float(samples.max())
    slack = _OVERSHOOT * (high - low)
    far_out = (samples < low - slack) | (samples > high + slack)
    outside = far_out.mean() > _MAX_SHARE_OUTSIDE
    # A range that the user gave is not doubted: samples may be dark or light.
    unlike = pixel_range is None and _in_smaller_range(lowest, highest, found)
    if outside or unlike:
        raise ValueError(
            f"`{name}` must have its pixels in the range of the real images, "
            f"({low:g}, {high:g}). Scale one of them with `keras_dpgan.data."
            "scale_to_range`, or give `pixel_range` if it holds for both. Received: "
            f"{name} with pixels from {lowest:.6g} to {highest:.6g}"
        )
    return found


def _usual_range(real):
    if real.dtype == np.uint8:
        return (0.0, 255.0)
    low, high = float(real.min()), float(real.max())
    for usual in _USUAL_RANGES:
        if usual[0] <= low and high <= usual[1]:
            return usual
    raise ValueError(
        "`pixel_range` must give the values of black and white, for example "
        "`pixel_range=(0, 16)`, because the real pixels are in none of the usual "
        f"ranges (0, 1), (-1, 1) and (0, 255). Received: real pixels from {low:.6g} to "
        f"{high:.6g}"
    )


def _in_smaller_range(lowest, highest, found):
    """Whether pixels look like those of a usual range within the one found."""
    if found == (-1.0, 1.0):
        return lowest >= 0.0 and highest > 0.5
    return found == (0.0, 255.0) and 0.0 < highest <= 1.0


def as_bytes(images, pixel_range) -> np.ndarray:
    """Images as bytes, as they would be stored.

    Args:
        images: Array of shape `(n, height, width, channels)`.
        pixel_range: Pair of floats, the values of black and white.

    Returns:
        A uint8 array of the same shape.
    """
    if images.dtype == np.uint8 and tuple(pixel_range) == (0.0, 255.0):
        return images
    return to_uint8(images, pixel_range)


def check_features(real, generated, minimum, reason) -> tuple[np.ndarray, np.ndarray]:
    """Returns two sets of features as float64.

    Args:
        real: Array of shape `(n, d)`.
        generated: Array of shape `(m, d)`.
        minimum: Int, the smallest number of rows for each set.
        reason: String for the message: why so many are needed.

    Returns:
        `(real, generated)`.

    Raises:
        ValueError: If the shapes are wrong, if there are too few rows, or if a value
            is not finite.
    """
    sets = {
        "real": np.asarray(real, np.float64),
        "generated": np.asarray(generated, np.float64),
    }
    for name, features in sets.items():
        if features.ndim != 2 or features.shape[1] != sets["real"].shape[-1]:
            raise ValueError(
                f"`{name}` must be features of shape (n, d), with the same d for "
                "both sets. Compute them with `keras_dpgan.evaluation."
                f"extract_features`. Received: {name} of shape {features.shape}"
            )
        if len(features) < minimum:
            raise ValueError(
                f"`{name}` must have at least {minimum} rows, for {reason}. Give more "
                "rows, or features of fewer columns. Received: "
                f"{len(features)} rows of {features.shape[1]} features"
            )
        bad = np.count_nonzero(~np.isfinite(features).all(axis=1))
        if bad:
            raise ValueError(
                f"`{name}` must be finite. Received: NaN or infinity in {bad} rows"
            )
    return sets["real"], sets["generated"]
