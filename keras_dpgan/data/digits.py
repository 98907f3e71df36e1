"""The 8x8 digits that ship with scikit-learn: real data without a download."""

import collections.abc

import numpy as np

from keras_dpgan.data.scaling import check_pixel_range
from keras_dpgan.data.scaling import scale_to_range

_NUM_TRAIN = 1437
_MAX_PIXEL = 16


def load_digits(
    pixel_range: collections.abc.Sequence[float] = (-1.0, 1.0),
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Loads 1,797 handwritten digits as a training and a test set.

    The split is fixed and public: the first 1,437 of a permutation with seed 0
    are for training, the other 360 for the test. Source: Alpaydin and Kaynak
    1998, "Optical Recognition of Handwritten Digits", UCI (its test part).

    Examples:
        >>> (x_train, y_train), (x_test, y_test) = dpgan.data.load_digits()
        >>> x_train.shape, y_train.shape, x_test.shape
        ((1437, 8, 8, 1), (1437,), (360, 8, 8, 1))

    Args:
        pixel_range: Pair of floats, the values for black and white. Defaults to
            `(-1.0, 1.0)`.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: images are float32 of shape
        `(n, 8, 8, 1)`, labels int32 of shape `(n,)`.

    Raises:
        ImportError: If scikit-learn is not installed.
    """
    check_pixel_range(pixel_range)
    try:
        from sklearn import datasets
    except ImportError as error:
        raise ImportError(
            "`load_digits` needs scikit-learn. Install it with "
            "`pip install scikit-learn`."
        ) from error
    digits = datasets.load_digits()
    x = scale_to_range(digits.images[..., None], pixel_range, (0, _MAX_PIXEL))
    y = digits.target.astype(np.int32)
    # NumPy never changes the stream of a RandomState, but may change a Generator's.
    order = np.random.RandomState(0).permutation(len(x))
    train, test = order[:_NUM_TRAIN], order[_NUM_TRAIN:]
    return (x[train], y[train]), (x[test], y[test])
