"""Features in which distances between rows are meaningful."""

import collections.abc
import os
import pathlib

import keras
import numpy as np
import numpy.typing as npt

from keras_dpgan._utils.labels import check_labels
from keras_dpgan.evaluation import rows as row_checks
from keras_dpgan.evaluation.classifiers import batched

NUM_FEATURES = 64
"""The width of `image_features`: what a Frechet distance needs more rows than."""

INCEPTION_WEIGHTS = pathlib.Path(
    "~/.keras/models/inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5"
)
"""Where `inception_features` looks, and where Keras itself keeps this file."""

_NUM_UPDATES = 2000
_UPDATES_PER_CALL = 100
_BATCH_SIZE = 128
_SEED = 0
_INCEPTION_SIDE = 299


def extract_features(model: keras.Model, rows: npt.ArrayLike) -> np.ndarray:
    """Runs a feature model on rows.

    Examples:
        >>> import keras
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> real, generated = rng.normal(size=(200, 4)), rng.normal(size=(200, 4))
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
        >>> dpgan.evaluation.extract_features(model, real).shape
        (200, 2)

    Args:
        model: A `keras.Model`, or a callable, from rows to features `(n, d)`. It
            is called on float32 rows in their own range, which is not changed.
        rows: Array of shape `(n, height, width, channels)` or `(n, columns)`.

    Returns:
        A float32 array of shape `(n, d)`.

    Raises:
        ValueError: If the rows are not numbers, or the output is no matrix.
    """
    rows = row_checks.check_rows("rows", rows)
    features = batched(model, rows.astype(np.float32, copy=False))
    if features.ndim != 2:
        raise ValueError(
            "`model` must give features of shape (n, d). Add a layer such as "
            "`keras.layers.GlobalAveragePooling2D()`. Received: an output of shape "
            f"{features.shape}"
        )
    return features.astype(np.float32)


def default_features(
    x: npt.ArrayLike,
    y: npt.ArrayLike | None = None,
    pixel_range: collections.abc.Sequence[float] | None = None,
) -> keras.Model:
    """The features by which rows are compared unless others are given.

    For images with labels, these are the 64 activations below the logits of
    `feature_classifier`. For images without labels, they are the activations of the
    same network with random orthogonal weights of a fixed seed, scaled to variance 1;
    these suffice to compare generators (Naeem et al. 2020). For vectors, they are the
    columns, shifted and scaled so that the real ones have mean 0 and variance 1.

    Examples:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> x, y = rng.normal(size=(60, 4)).astype("float32"), np.arange(60) % 3
        >>> features = dpgan.evaluation.default_features(x)
        >>> dpgan.evaluation.extract_features(features, x).shape
        (60, 4)

    Args:
        x: Real training rows.
        y: Their labels, ints of shape `(n,)`. Defaults to `None`.
        pixel_range: Pair of floats, the values of black and white in images. Defaults
            to `None`: determined from `x`.

    Returns:
        A `keras.Model` from rows like `x` to features. Figures made with the same
        model can be compared, and figures of different models cannot. Save it with
        `model.save` to use it again.

    Raises:
        ValueError: If `x` or `y` is wrong.
    """
    x = row_checks.check_rows("x", x, minimum=2)
    if not row_checks.is_image(x):
        return _standardised_columns(x)
    if y is not None:
        return features_of(feature_classifier(x, y, pixel_range))
    pixel_range = row_checks.common_pixel_range(pixel_range, x, "x", x)
    network = features_of(_image_classifier(x.shape[1:], 2, pixel_range))
    return keras.Sequential(
        [network, *_standardised_columns(extract_features(network, x)).layers],
        name="features",
    )


def feature_classifier(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    pixel_range: collections.abc.Sequence[float] | None = None,
) -> keras.Model:
    """Trains the small classifier of real images whose features are used.

    It has strided 3x3 convolutions of 32, 64 and then 128 filters down to a side of 8
    or less, 64 units, and SiLU. It is trained by Adam at 1e-3, with 2,000 updates on
    random batches of 128 and seed 0. None of these choices depends on the data, and
    none of them is an option, so that figures stay comparable.

    Examples:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> x = rng.uniform(-1, 1, (60, 8, 8, 1)).astype("float32")
        >>> y = np.arange(60) % 3
        >>> classifier = dpgan.evaluation.feature_classifier(x, y)
        >>> classifier.output_shape
        (None, 3)

    Args:
        x: Real training images.
        y: Their labels, ints of shape `(n,)`.
        pixel_range: As in `default_features`.

    Returns:
        A `keras.Model` from images like `x` to logits.

    Raises:
        ValueError: If `x` or `y` does not fit.
    """
    x = row_checks.check_rows("x", x, minimum=2)
    y = check_labels("y", y, len(x))
    pixel_range = row_checks.common_pixel_range(pixel_range, x, "x", x)
    model = _image_classifier(x.shape[1:], int(y.max()) + 1, pixel_range)
    model.compile(
        keras.optimizers.Adam(1e-3),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        steps_per_execution=10,
    )
    rng = np.random.default_rng(_SEED)
    for _ in range(_NUM_UPDATES // _UPDATES_PER_CALL):
        drawn = rng.integers(0, len(x), _UPDATES_PER_CALL * _BATCH_SIZE)
        rows = x[drawn].astype(np.float32, copy=False)
        model.fit(rows, y[drawn], _BATCH_SIZE, shuffle=False, verbose=0)
    return model


def features_of(classifier: keras.Model) -> keras.Model:
    """The part of a classifier below its logits, as a `keras.Model`.

    Examples:
        >>> import keras
        >>> classifier = keras.Sequential(
        ...     [keras.Input((4,)), keras.layers.Dense(8), keras.layers.Dense(3)]
        ... )
        >>> dpgan.evaluation.features_of(classifier).output_shape
        (None, 8)
    """
    return keras.Model(
        classifier.inputs[0], classifier.layers[-2].output, name="features"
    )


def inception_features(
    shape: tuple[int, ...],
    pixel_range: collections.abc.Sequence[float] = (-1.0, 1.0),
    weights: str | os.PathLike[str] | None = None,
) -> keras.Model:
    """The 2,048 features of Inception v3, on which FID is defined.

    These are the weights of `keras.applications`, trained on ImageNet by the same
    recipe as, but not equal to, the graph of 2015 with which papers compute FID. So
    figures are close to theirs, but not the same. Nothing is downloaded. On a machine
    with a network, `keras.applications.InceptionV3(include_top=False)` puts the file
    in its place; on other machines, copy it there by hand.

    Source: Szegedy et al. 2016, "Rethinking the Inception Architecture for Computer
    Vision"; `keras.applications`.

    Examples:
        >>> features = dpgan.evaluation.inception_features((28, 28, 1))
        >>> features.output_shape
        (None, 2048)

    Args:
        shape: Tuple `(height, width, channels)` with one or three channels.
        pixel_range: Pair of floats, what black and white are. Defaults to
            `(-1.0, 1.0)`.
        weights: Path of the weights without the top. Defaults to `None`:
            `INCEPTION_WEIGHTS`, in the Keras folder of the user's home.

    Returns:
        A `keras.Model` from images to features of shape `(n, 2048)`.

    Raises:
        FileNotFoundError: If there are no weights; the message says where to put them.
        ValueError: If `shape` is not that of a gray or color image.
    """
    if len(shape) != 3 or shape[-1] not in (1, 3):
        raise ValueError(
            "`shape` must be (height, width, channels) with one or three channels. "
            f"Received: shape={shape}"
        )
    path = pathlib.Path(weights or INCEPTION_WEIGHTS).expanduser()
    if not path.is_file():
        raise FileNotFoundError(
            "The weights of Inception v3 are not on this machine. Run "
            "`keras.applications.InceptionV3(include_top=False)` on a machine with a "
            f"network. Then put the file {INCEPTION_WEIGHTS.name} at this path, or "
            f"give its path as `weights`. Received: {str(path)!r}"
        )
    images = keras.Input(shape)
    scaled = _to_minus_one_and_one(pixel_range)(images)
    if shape[-1] == 1:
        scaled = keras.layers.Concatenate()([scaled] * 3)
    side = (_INCEPTION_SIDE, _INCEPTION_SIDE)
    scaled = keras.layers.Resizing(*side, dtype="float32")(scaled)
    inception = keras.applications.InceptionV3(
        include_top=False, weights=None, input_shape=(*side, 3), pooling="avg"
    )
    inception.load_weights(path)
    return keras.Model(images, inception(scaled), name="inception")


def _standardised_columns(x):
    mean, variance = x.mean(axis=0), x.var(axis=0)
    return keras.Sequential(
        [
            keras.Input(x.shape[1:]),
            keras.layers.Normalization(mean=mean, variance=variance, dtype="float32"),
        ],
        name="features",
    )


def _to_minus_one_and_one(pixel_range):
    low, high = pixel_range
    return keras.layers.Rescaling(
        2 / (high - low), offset=-(high + low) / (high - low), dtype="float32"
    )


def _image_classifier(shape, num_classes, pixel_range):
    features = images = keras.Input(shape)
    features = _to_minus_one_and_one(pixel_range)(features)
    side, num_convolutions = max(shape[:2]), 0
    while num_convolutions < 2 or side > 8:
        features = keras.layers.Conv2D(
            min(32 * 2**num_convolutions, 128),
            3,
            strides=2,
            padding="same",
            activation="silu",
            **_weights(num_convolutions),
        )(features)
        side, num_convolutions = -(-side // 2), num_convolutions + 1
    features = keras.layers.Flatten(dtype="float32")(features)
    features = keras.layers.Dense(
        NUM_FEATURES, activation="silu", **_weights(num_convolutions)
    )(features)
    logits = keras.layers.Dense(num_classes, **_weights(num_convolutions + 1))(features)
    return keras.Model(images, logits, name="feature_classifier")


def _weights(index):
    # The type is fixed: the user's global policy must not change the measure.
    return {
        "kernel_initializer": keras.initializers.Orthogonal(seed=_SEED + index),
        "dtype": "float32",
    }
