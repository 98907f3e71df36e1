"""The metrics that compare rows by a model that was trained on real ones."""

import numpy as np
from absl import logging

from keras_dpgan.evaluation import classifiers as classifier_metrics
from keras_dpgan.evaluation import diversity
from keras_dpgan.evaluation import features as feature_models
from keras_dpgan.evaluation import frechet
from keras_dpgan.evaluation import prdc
from keras_dpgan.evaluation import rows as row_checks

_MAX_NEIGHBOURHOODS = 10_000
_NEAREST_K = 5


def judge_and_features(real, features, conditional, pixel_range):
    """Makes the two models by which samples are judged.

    Args:
        real: Real training `Rows`.
        features: A feature model, or `None` for the default one.
        conditional: Whether samples and real rows have labels.
        pixel_range: Pair of floats, or `None` for vectors.

    Returns:
        `(judge, features)`: a classifier trained on real rows, or `None` without
        labels; and a model from rows to features.
    """
    image = row_checks.is_image(real.x)
    judge = None
    if conditional:
        logging.info("Training a classifier on real rows, to judge samples by.")
        if image:
            judge = feature_models.feature_classifier(real.x, real.y, pixel_range)
        else:
            judge = classifier_metrics.train_classifier(real.x, real.y, "mlp")
    if features is None and image and judge is not None:
        features = feature_models.features_of(judge)
    elif features is None:
        features = feature_models.default_features(real.x, real.y, pixel_range)
    return judge, features


def feature_scores(model, samples, real, real_test, conditional, seed):
    """Scores the distribution of samples in feature space.

    Args:
        model: The feature model.
        samples: Generated `Rows`.
        real: Real training `Rows`.
        real_test: Real test `Rows`.
        conditional: Whether all of them have labels.
        seed: Int.

    Returns:
        A dict of JSON values.

    Raises:
        ValueError: If there are too few rows for so many features.
    """
    logging.info("Comparing distributions of features.")
    generated, training, test = (
        feature_models.extract_features(model, rows.x)
        for rows in (samples, real, real_test)
    )
    width = generated.shape[1]
    _check_enough("samples", generated, 2 * (width + 1))
    _check_enough("real", training, 2 * (width + 1))
    _check_enough("real_test", test, width + 1)
    # Both sets have equally many rows, because the bias depends on their number.
    same_number = training[: len(generated)]
    size = min(_MAX_NEIGHBOURHOODS, *map(len, (generated, training, test)))
    neighbourhoods = {
        key: prdc.precision_recall_density_coverage(test[:size], x[:size], _NEAREST_K)
        for key, x in (("samples", generated), ("real", training))
    }
    scores = {
        "features": {"name": model.name, "width": width},
        "frechet_distance": {
            "samples": frechet.frechet_distance(test, generated),
            "real": frechet.frechet_distance(test, same_number),
        },
        "frechet_distance_infinity": {
            "samples": frechet.frechet_distance_infinity(test, generated, seed),
            "real": frechet.frechet_distance_infinity(test, same_number, seed),
        },
        "neighbourhoods": {"num_rows": size, "nearest_k": _NEAREST_K},
        **{
            name: {key: getattr(found, name) for key, found in neighbourhoods.items()}
            for name in prdc.PRDC._fields
        },
        "within_class_diversity": None,
    }
    if conditional:
        spread = diversity.within_class_diversity
        found = spread(test, real_test.y, generated, samples.y)
        scores["within_class_diversity"] = {
            "samples": found.mean,
            "real": spread(test, real_test.y, training, real.y).mean,
            "per_class": {str(k): v for k, v in found.per_class.items()},
        }
    return scores


def _check_enough(name, features, minimum):
    if len(features) < minimum:
        raise ValueError(
            f"`{name}` must have at least {minimum} rows, for the Frechet distance of "
            f"{features.shape[1]} features. Give more rows, or a model of fewer "
            f"`features`. Received: {len(features)} rows"
        )


def label_accuracy_scores(judge, samples, real_test):
    """Scores how often samples show the label for which they were generated.

    Args:
        judge: A classifier trained on real rows, or `None`.
        samples: Generated `Rows`.
        real_test: Real test `Rows`.

    Returns:
        A dict of JSON values; `None` without a judge.
    """
    if judge is None:
        return None
    predicted = diversity.predicted_labels(judge, samples.x)
    return {
        "samples": float(np.mean(predicted == samples.y)),
        "real": diversity.label_accuracy(judge, *real_test),
        "per_class": {
            str(label): float(np.mean(predicted[samples.y == label] == label))
            for label in np.unique(samples.y)
        },
    }
