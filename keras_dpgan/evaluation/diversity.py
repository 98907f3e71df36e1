"""Measures whether conditional samples show their label and vary within a label."""

import typing

import numpy as np
import numpy.typing as npt

from keras_dpgan._utils.labels import check_labels
from keras_dpgan.evaluation import rows as row_checks
from keras_dpgan.evaluation.classifiers import batched


class WithinClassDiversity(typing.NamedTuple):
    """How far samples of one class are apart, compared with real rows.

    Examples:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> real, generated = rng.normal(size=(200, 4)), rng.normal(size=(200, 4))
        >>> labels = np.arange(200) % 2
        >>> result = dpgan.evaluation.within_class_diversity(real, labels, real, labels)
        >>> result.mean, result.per_class
        (1.0, {0: 1.0, 1: 1.0})

    Attributes:
        mean: Float, the mean of `per_class`. It is 1 for samples that vary as much as
            real rows, and 0 for one image per class.
        per_class: Dict from label to ratio.
    """

    mean: float
    per_class: dict[int, float]


def label_accuracy(
    classifier: typing.Any, samples: npt.ArrayLike, labels: npt.ArrayLike
) -> float:
    """Share of conditional samples that a classifier assigns to the label asked for.

    Examples:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> x, y = rng.normal(size=(60, 4)).astype("float32"), np.arange(60) % 3
        >>> classifier = dpgan.evaluation.train_classifier(x, y, "logistic_regression")
        >>> samples, labels = x[:10], classifier.predict(x[:10])
        >>> dpgan.evaluation.label_accuracy(classifier, samples, labels)
        1.0

    Args:
        classifier: A classifier trained on real rows: `train_classifier(x, y)`, or a
            `keras.Model` from rows to one score per label.
        samples: Generated rows.
        labels: The labels for which they were generated, ints of shape `(n,)`.

    Returns:
        Float in [0, 1]. The classifier has seen real rows, so it is not private.

    Raises:
        ValueError: If there are no labels, or the rows do not fit.
    """
    samples = row_checks.check_rows("samples", samples)
    labels = check_labels("labels", labels, len(samples))
    return float(np.mean(predicted_labels(classifier, samples) == labels))


def predicted_labels(classifier, rows):
    """The labels that a classifier, of either kind, gives to rows.

    Args:
        classifier: As for `label_accuracy`.
        rows: Array of shape `(n, ...)`.

    Returns:
        An int array of shape `(n,)`.
    """
    if hasattr(classifier, "layers"):
        scores = batched(classifier, rows.astype(np.float32, copy=False))
        return np.argmax(scores, axis=-1)
    return np.asarray(classifier.predict(rows))


def within_class_diversity(
    real: npt.ArrayLike,
    real_labels: npt.ArrayLike,
    generated: npt.ArrayLike,
    labels: npt.ArrayLike,
) -> WithinClassDiversity:
    """Compares the spread of samples within a class to that of real rows.

    The spread of a class is the root of the mean squared distance between two of its
    rows in feature space. The measure is the spread of the samples divided by that of
    the real rows. Classes with fewer than two rows in either set are left out.

    Examples:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> real, generated = rng.normal(size=(200, 4)), rng.normal(size=(200, 4))
        >>> labels = np.arange(200) % 2
        >>> result = dpgan.evaluation.within_class_diversity(
        ...     real, labels, 0.5 * real, labels
        ... )
        >>> round(result.mean, 6)
        0.5

    Args:
        real: Features of real rows, of shape `(n, d)`.
        real_labels: Their labels, ints of shape `(n,)`.
        generated: Features of samples, of shape `(m, d)`.
        labels: Their labels, ints of shape `(m,)`.

    Returns:
        A `WithinClassDiversity`. It was computed on real rows, so it is not private.

    Raises:
        ValueError: If there are no labels, if features do not fit each other, or if
            no class has two rows in both sets.
    """
    real, generated = row_checks.check_features(
        real, generated, 2, "a distance between two"
    )
    real_labels = check_labels("real_labels", real_labels, len(real))
    labels = check_labels("labels", labels, len(generated))
    ratios = {}
    for label in np.unique(real_labels):
        spread = _spread(generated[labels == label])
        real_spread = _spread(real[real_labels == label])
        if spread is not None and real_spread:
            ratios[int(label)] = spread / real_spread
    if not ratios:
        raise ValueError(
            "`labels` and `real_labels` must share a class with two different real "
            f"rows and two samples. Received: labels {np.unique(labels).tolist()} "
            f"and real_labels {np.unique(real_labels).tolist()}"
        )
    return WithinClassDiversity(float(np.mean(list(ratios.values()))), ratios)


def _spread(features):
    """Root mean squared distance between two rows; `None` if there are fewer."""
    if len(features) < 2:
        return None
    # Twice the trace of the covariance is the mean squared distance of pairs.
    return float(np.sqrt(2.0 * features.var(axis=0, ddof=1).sum()))
