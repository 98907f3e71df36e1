"""Classifiers that are trained on generated rows and tested on real ones."""

import collections.abc
import math
import typing
import warnings

import keras
import numpy as np
import numpy.typing as npt

from keras_dpgan._utils import validate
from keras_dpgan._utils.labels import check_labels
from keras_dpgan.evaluation import rows as row_checks

CLASSIFIERS = ("cnn", "mlp", "logistic_regression")

_DEFAULT_EPOCHS = {"cnn": 10, "mlp": 30}
_BATCH_SIZE = 64
_INFERENCE_ROWS = 500
_MAX_HELD_OUT = 5000
_HELD_OUT_SHARE = 1 / 12
_SMALLEST_SIDE = 6


def classifier_accuracy(
    x_train: npt.ArrayLike,
    y_train: npt.ArrayLike,
    x_test: npt.ArrayLike,
    y_test: npt.ArrayLike,
    classifier: str = "cnn",
    epochs: int | None = None,
    seed: int = 0,
    pixel_range: collections.abc.Sequence[float] | None = None,
) -> float:
    """Accuracy on real rows of a classifier trained on generated rows alone.

    Private generators are usually compared by this measure. `"cnn"` is the network of
    Bie et al. 2023, "Private GANs, Revisited": convolutions of 32 and 64 3x3 filters,
    pooling, dropout, 128 units; Adam at 1e-3 in batches of 64 for 10 epochs. The best
    epoch is chosen on 5,000 *generated* rows that are held out (or a twelfth, if there
    are fewer than 60,000); real rows influence no choice. As in that paper, images are
    rounded to bytes first.

    60,000 images of 28x28 take `"cnn"` about ten minutes on two cores. Time is
    proportional to `len(x_train)`.

    Examples:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> x, y = rng.normal(size=(60, 4)).astype("float32"), np.arange(60) % 3
        >>> accuracy = dpgan.evaluation.classifier_accuracy(
        ...     x_train=x[:40], y_train=y[:40], x_test=x[40:], y_test=y[40:],
        ...     classifier="logistic_regression",
        ... )
        >>> 0.0 <= accuracy <= 1.0
        True

    Args:
        x_train: Generated images of shape `(n, height, width, channels)` or
            vectors of shape `(n, columns)`.
        y_train: Their labels, ints of shape `(n,)`.
        x_test: Real rows of the same form, in the same range.
        y_test: Their labels.
        classifier: `"cnn"` (images only), `"mlp"` (100 hidden units) or
            `"logistic_regression"`. Defaults to `"cnn"`.
        epochs: Int, the largest number of passes over `x_train`. Defaults to `None`: 10
            for `"cnn"`, 30 for `"mlp"`. Logistic regression has no epochs.
        seed: Int, for the initial weights and the order of rows. Defaults to 0.
        pixel_range: Pair of floats, the values of black and white in images. Defaults
            to `None`: determined from the real images.

    Returns:
        Float in [0, 1]. It was computed on real rows, so it is not private.

    Raises:
        ValueError: If the two sets do not fit each other.
        ImportError: If scikit-learn is missing, for the two that need it.
    """
    x_test = row_checks.check_rows("x_test", x_test)
    y_test = check_labels("y_test", y_test, len(x_test))
    x_train = row_checks.check_rows("x_train", x_train)
    row_checks.check_same_shape("x_train", x_train, "x_test", x_test)
    if row_checks.is_image(x_test):
        pixel_range = row_checks.common_pixel_range(
            pixel_range, x_test, "x_train", x_train
        )
    model = train_classifier(x_train, y_train, classifier, epochs, seed, pixel_range)
    return float(np.mean(model.predict(x_test) == y_test))


def train_classifier(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    classifier: str = "cnn",
    epochs: int | None = None,
    seed: int = 0,
    pixel_range: collections.abc.Sequence[float] | None = None,
) -> typing.Any:
    """Trains one of the classifiers by which generators are judged.

    Examples:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> x, y = rng.normal(size=(60, 4)).astype("float32"), np.arange(60) % 3
        >>> classifier = dpgan.evaluation.train_classifier(x, y, "logistic_regression")
        >>> classifier.predict(x).shape
        (60,)

    Args:
        x: As `x_train` of `classifier_accuracy`.
        y: Labels, ints of shape `(n,)`.
        classifier: `"cnn"`, `"mlp"` or `"logistic_regression"`. Defaults to
            `"cnn"`.
        epochs: As in `classifier_accuracy`.
        seed: Int. Defaults to 0.
        pixel_range: Pair of floats, the values of black and white in images. Defaults
            to `None`: determined from `x`.

    Returns:
        An object whose `predict(x)` returns int32 labels of shape `(n,)`.

    Raises:
        ValueError: If `x`, `y` or a choice is wrong.
        ImportError: If scikit-learn is missing, for the two that need it.
    """
    x = row_checks.check_rows("x", x, minimum=2)
    y = check_labels("y", y, len(x))
    validate.check_choice("classifier", classifier, CLASSIFIERS)
    validate.check_int("seed", seed, minimum=0)
    epochs = _checked_epochs(classifier, epochs)
    if row_checks.is_image(x):
        pixel_range = row_checks.common_pixel_range(pixel_range, x, "x", x)
    elif classifier == "cnn":
        raise ValueError(
            '`classifier="cnn"` needs images. Use "mlp" or "logistic_regression" '
            f"for vectors. Received: rows of shape {x.shape[1:]}"
        )
    if len(np.unique(y)) == 1:
        return _OneClass(y[0])
    if classifier == "cnn":
        return _ConvolutionalClassifier(x, y, epochs, seed, pixel_range)
    return _SklearnClassifier(x, y, classifier, epochs, seed, pixel_range)


def _checked_epochs(classifier, epochs):
    if epochs is None:
        return _DEFAULT_EPOCHS.get(classifier)
    if classifier == "logistic_regression":
        raise ValueError(
            "`epochs` must be None, because logistic regression is solved and not "
            f"trained in epochs. Received: epochs={epochs}"
        )
    return validate.check_int("epochs", epochs, minimum=1)


class _OneClass:
    """The classifier that results from labels that are all the same."""

    def __init__(self, label):
        self._label = label

    def predict(self, x):
        return np.full(len(x), self._label, np.int32)


class _ConvolutionalClassifier:
    """The CNN, at the epoch that did best on held-out training rows."""

    def __init__(self, x, y, epochs, seed, pixel_range):
        self._pixel_range = pixel_range
        x = row_checks.as_bytes(x, pixel_range)
        self._model = cnn(x.shape[1:], int(y.max()) + 1, seed)
        rng = np.random.default_rng(seed)
        # The rows are shuffled first, because samples are often sorted by label.
        order = rng.permutation(len(x))
        num_held_out = held_out_rows(len(x))
        held_out, train = order[:num_held_out], order[num_held_out:]
        best, best_weights = -1.0, None
        for _ in range(epochs):
            rng.shuffle(train)
            # Each epoch is one call, because Keras would shuffle by the global seed.
            self._model.fit(
                x[train], y[train], batch_size=_BATCH_SIZE, shuffle=False, verbose=0
            )
            accuracy = np.mean(self._predict_bytes(x[held_out]) == y[held_out])
            if accuracy > best:
                best, best_weights = accuracy, self._model.get_weights()
        self._model.set_weights(best_weights)

    def predict(self, x):
        return self._predict_bytes(row_checks.as_bytes(x, self._pixel_range))

    def _predict_bytes(self, x):
        return np.argmax(batched(self._model, x), axis=-1).astype(np.int32)


def batched(model, x):
    """A model's outputs on many rows, without a trace for each set of rows.

    Args:
        model: A `keras.Model` of one input and one output.
        x: Array of shape `(n, ...)`, with at least one row.

    Returns:
        A NumPy array with a row for each row of `x`.
    """
    chunks = range(0, len(x), _INFERENCE_ROWS)
    return np.concatenate(
        [np.asarray(model(x[i : i + _INFERENCE_ROWS], training=False)) for i in chunks]
    )


def held_out_rows(n):
    """How many of `n` generated rows are held out to choose the epoch."""
    return min(_MAX_HELD_OUT, math.ceil(n * _HELD_OUT_SHARE))


def cnn(shape, num_classes, seed=0):
    """The network of "Private GANs, Revisited", on bytes.

    Args:
        shape: Tuple `(height, width, channels)` of one image.
        num_classes: Int.
        seed: Int, of weights and dropout. Defaults to 0.

    Returns:
        A compiled functional `keras.Model` from bytes to logits.

    Raises:
        ValueError: If the images are too small.
    """
    if min(shape[:2]) < _SMALLEST_SIDE:
        raise ValueError(
            f"Images must have sides of at least {_SMALLEST_SIDE} pixels for the "
            'CNN. Use `classifier="mlp"`. Received: images of shape '
            f"{tuple(shape)}"
        )
    seeds = iter(range(6 * seed, 6 * seed + 6))
    layers = keras.layers

    def weights():
        # Each layer has its own seed, so the user's global seed is not touched. The
        # dtype is fixed, so the user's global policy does not change the measure.
        initializer = keras.initializers.GlorotUniform(seed=next(seeds))
        return {"kernel_initializer": initializer, "dtype": "float32"}

    model = keras.Sequential(
        [
            keras.Input(shape, dtype="uint8"),
            layers.Rescaling(1 / 255, dtype="float32"),
            layers.Conv2D(32, 3, activation="relu", **weights()),
            layers.Conv2D(64, 3, activation="relu", **weights()),
            layers.MaxPooling2D(2, dtype="float32"),
            layers.Dropout(0.25, seed=next(seeds), dtype="float32"),
            layers.Flatten(dtype="float32"),
            layers.Dense(128, activation="relu", **weights()),
            layers.Dropout(0.5, seed=next(seeds), dtype="float32"),
            layers.Dense(num_classes, **weights()),
        ],
        name="cnn",
    )
    model.compile(
        keras.optimizers.Adam(1e-3),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        steps_per_execution=8,
    )
    return model


class _SklearnClassifier:
    """A classifier of scikit-learn on flattened images or standardized vectors."""

    def __init__(self, x, y, classifier, epochs, seed, pixel_range):
        self._pixel_range = pixel_range
        x = self._flat(x)
        self._shift = np.zeros(1) if pixel_range else x.mean(axis=0)
        spread = np.ones(1) if pixel_range else x.std(axis=0)
        # A column without variance would otherwise divide by zero.
        self._spread = np.where(spread > 0, spread, 1.0)
        self._model = _sklearn_model(classifier, len(x), epochs, seed)
        with warnings.catch_warnings():
            # Reaching the limit of epochs is intended and not a failure.
            warnings.filterwarnings("ignore", "(?s).*(reached|failed to converge)")
            self._model.fit((x - self._shift) / self._spread, y)

    def predict(self, x):
        scaled = (self._flat(x) - self._shift) / self._spread
        return self._model.predict(scaled).astype(np.int32)

    def _flat(self, x):
        if self._pixel_range:
            x = row_checks.as_bytes(x, self._pixel_range) / np.float32(255)
        return x.reshape(len(x), -1)


def _sklearn_model(classifier, num_rows, epochs, seed):
    try:
        from sklearn import linear_model
        from sklearn import neural_network
    except ImportError as error:
        raise ImportError(
            f'`classifier="{classifier}"` needs scikit-learn. Install it with '
            "`pip install scikit-learn`."
        ) from error
    if classifier == "logistic_regression":
        return linear_model.LogisticRegression(max_iter=200)
    return neural_network.MLPClassifier(
        max_iter=epochs,
        early_stopping=True,
        validation_fraction=held_out_rows(num_rows) / num_rows,
        random_state=seed,
    )
