"""All metrics together, compared with the scores of real training rows."""

import collections.abc
import dataclasses
import time
import typing

import keras
import numpy as np
from absl import logging

from keras_dpgan._utils import old_names
from keras_dpgan._utils import validate
from keras_dpgan._utils.labels import check_labels
from keras_dpgan.evaluation import classifiers as classifier_metrics
from keras_dpgan.evaluation import feature_scores
from keras_dpgan.evaluation import features as feature_models
from keras_dpgan.evaluation import rows as row_checks
from keras_dpgan.evaluation.memorisation import Memorization
from keras_dpgan.evaluation.memorisation import memorization
from keras_dpgan.evaluation.rows import Rows
from keras_dpgan.evaluation.samples import draw_samples

NOT_PRIVATE = (
    "These numbers were computed on real records, without noise. They are not "
    "covered by any privacy guarantee of the generator: do not publish them where "
    "the records must stay private."
)

_MAX_SAMPLES = 60_000
_MAX_COPY_CANDIDATES = 5_000
_QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95)


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """The measured numbers, and what else a report shows.

    Examples:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> x, y = rng.normal(size=(60, 4)).astype("float32"), np.arange(60) % 3
        >>> result = dpgan.evaluation.evaluate(
        ...     generator=x[:20], real=x[20:40], real_test=x[40:], classifiers=[]
        ... )
        >>> result.samples.x.shape
        (20, 4)

    Attributes:
        scores: The numbers, a dict of JSON values.
        samples: The generated `Rows`.
        pixel_range: Pair of floats, the values of black and white; `None` for vectors.
        memorization: The `Memorization` of the first samples.
    """

    scores: dict
    samples: Rows
    pixel_range: collections.abc.Sequence[float] | None
    memorization: Memorization

    # The name of 0.1.
    memorisation = old_names.attribute("memorisation", "memorization")


def evaluate(
    generator: typing.Any,
    real: typing.Any,
    real_test: typing.Any,
    num_samples: int | None = None,
    classifiers: collections.abc.Sequence[str] | None = None,
    features: keras.Model | None = None,
    compare_with_real: bool = True,
    seed: int = 0,
    pixel_range: collections.abc.Sequence[float] | None = None,
) -> Evaluation:
    """Measures generated rows by every metric that applies to them.

    Metrics that compare distributions (Frechet distance, precision and recall) use the
    real *test* rows, which the generator has not seen, so that copies of training rows
    do not improve the score.

    Examples:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> x, y = rng.normal(size=(60, 4)).astype("float32"), np.arange(60) % 3
        >>> result = dpgan.evaluation.evaluate(
        ...     generator=(x[:20], y[:20]), real=(x[20:40], y[20:40]),
        ...     real_test=(x[40:], y[40:]), classifiers=["logistic_regression"],
        ... )
        >>> sorted(result.scores)[:2]
        ['accuracy', 'conditional']

    Args:
        generator: A source for `draw_samples`: a `DPGAN`, a Keras generator, the path
            of an export or `.npz` file, a callable, rows, or rows and labels.
        real: Rows on which the generator was trained, or a pair of rows and labels.
            Images of shape `(n, height, width, channels)` or vectors of shape
            `(n, columns)`.
        real_test: In the same form, real rows on which it was not trained.
        num_samples: Int. Defaults to `None`: as many as `real` has, and at most 60,000.
        classifiers: Names among `"cnn"`, `"mlp"` and `"logistic_regression"`, to be
            trained on the samples. Defaults to `None`: all that apply to the rows.
        features: A `keras.Model` from rows to features. Defaults to `None`:
            `default_features`.
        compare_with_real: Whether the classifiers are also trained on `real` for
            comparison, which doubles the time. Defaults to `True`.
        seed: Int, for samples, classifiers and subsets. Defaults to 0.
        pixel_range: Pair of floats, the values of black and white in images. Defaults
            to `None`: determined from the real images.

    Returns:
        An `Evaluation`. None of its numbers is private. In `scores` each metric has a
        value for `samples` and a value for `real`, the score of training rows in place
        of samples.

    Raises:
        ValueError: If samples and real rows do not fit each other, or there are
            too few of them.
    """
    started = time.monotonic()
    real = _checked_rows("real", real)
    real_test = _checked_rows("real_test", real_test)
    row_checks.check_same_shape("real", real.x, "real_test", real_test.x)
    if (real.y is None) != (real_test.y is None):
        labeled = "real" if real_test.y is None else "real_test"
        raise ValueError(
            "`real` and `real_test` must both have labels, or neither of them. Give "
            f"both as a pair of rows and labels. Received: labels in `{labeled}` only"
        )
    if num_samples is None:
        num_samples = min(len(real.x), _MAX_SAMPLES)
    validate.check_int("num_samples", num_samples, minimum=1)
    samples = Rows(*draw_samples(generator, num_samples, seed))
    row_checks.check_same_shape("samples", samples.x, "real", real.x)
    if row_checks.is_image(real.x):
        pixel_range = row_checks.common_pixel_range(
            pixel_range, real.x, "samples", samples.x
        )
    conditional = samples.y is not None and real.y is not None
    if conditional:
        _check_known_labels(samples.y, np.concatenate([real.y, real_test.y]))
    names = _checked_classifiers(classifiers, conditional, real.x)

    logging.info("Looking for copies of training rows.")
    copies = _memorization(samples, real, real_test, seed, pixel_range)
    judge, features = feature_scores.judge_and_features(
        real, features, conditional, pixel_range
    )
    scores = {
        "private": False,
        "warning": NOT_PRIVATE,
        "num_samples": len(samples.x),
        "num_real": len(real.x),
        "num_real_test": len(real_test.x),
        "row_shape": list(real.x.shape[1:]),
        "conditional": conditional,
        "pixel_range": pixel_range and list(pixel_range),
        "seed": seed,
        "memorisation": _memorization_scores(copies),
        **feature_scores.feature_scores(
            features, samples, real, real_test, conditional, seed
        ),
        "label_accuracy": feature_scores.label_accuracy_scores(
            judge, samples, real_test
        ),
    }
    # These come last because they take longest; wrong arguments have raised by now.
    scores["accuracy"] = {
        name: _accuracy(
            name,
            samples,
            real if compare_with_real else None,
            real_test,
            seed,
            pixel_range,
        )
        for name in names
    }
    scores["seconds"] = round(time.monotonic() - started, 1)
    return Evaluation(scores, samples, pixel_range, copies)


def _checked_rows(name, given):
    x, y = row_checks.rows_and_labels(name, given)
    x = row_checks.check_rows(name, x, minimum=10)
    if y is not None:
        y = check_labels(f"{name} labels", y, len(x))
    return Rows(x, y)


def _check_known_labels(labels, real_labels):
    unknown = np.setdiff1d(labels, real_labels)
    if len(unknown):
        raise ValueError(
            "The labels of samples must be among those of the real rows. Received: "
            f"labels {unknown.tolist()}, which no real row has"
        )


def _checked_classifiers(names, conditional, x):
    if names is None:
        fitting = classifier_metrics.CLASSIFIERS[not row_checks.is_image(x) :]
        return fitting if conditional else ()
    for name in names:
        validate.check_choice("classifiers", name, classifier_metrics.CLASSIFIERS)
    if names and not conditional:
        raise ValueError(
            "`classifiers` need labels of samples and of real rows. Give `real` and "
            "`real_test` as pairs and a generator that returns pairs, or set "
            f"`classifiers=()`. Received: classifiers={names!r}"
        )
    return tuple(names)


def _accuracy(name, samples, real, real_test, seed, pixel_range):
    def after_training_on(rows, kind):
        if rows is None:
            return None
        logging.info("Training %s on %d %s.", name, len(rows.x), kind)
        return classifier_metrics.classifier_accuracy(
            rows.x,
            rows.y,
            real_test.x,
            real_test.y,
            name,
            seed=seed,
            pixel_range=pixel_range,
        )

    return {
        "samples": after_training_on(samples, "samples"),
        "real": after_training_on(real, "real rows"),
    }


def _memorization(samples, real, real_test, seed, pixel_range):
    """Compares rows by their pixels, from 0 to 1 in bytes, or by scaled columns."""
    if pixel_range is not None:
        forms = [
            row_checks.as_bytes(rows.x, pixel_range).astype(np.float32) / 255
            for rows in (samples, real, real_test)
        ]
    else:
        model = feature_models.default_features(real.x)
        forms = [
            feature_models.extract_features(model, rows.x)
            for rows in (samples, real, real_test)
        ]
    candidates = forms[0][:_MAX_COPY_CANDIDATES]
    return memorization(candidates, forms[1], forms[2], seed=seed)


def _memorization_scores(found):
    def quantiles(distances):
        values = np.quantile(distances, _QUANTILES)
        return {f"{q:g}": float(v) for q, v in zip(_QUANTILES, values, strict=True)}

    return {
        "memorised": found.memorized,
        "num_samples": len(found.sample_distances),
        "identical_samples": found.identical_samples,
        "copied_share": {
            "samples": found.copied_share,
            "real_test": found.copied_share_of_test,
        },
        "copied_p_value": found.copied_p_value,
        "train_share": found.train_share,
        "train_p_value": found.train_p_value,
        "distance_quantiles": {
            "samples": quantiles(found.sample_distances),
            "real_test": quantiles(found.test_distances),
        },
    }
