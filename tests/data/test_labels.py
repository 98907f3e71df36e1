"""Labels are checked in the same way and in the same words, wherever they are given."""

import numpy as np
import pytest

from keras_dpgan import callbacks
from keras_dpgan import data
from keras_dpgan import evaluation
from keras_dpgan import mixture

X = np.random.default_rng(0).uniform(-1, 1, (12, 8, 8, 1)).astype("float32")
Y = np.arange(12) % 3
FEATURES = X.reshape(12, -1)

OF_THREE_CLASSES = {
    "check_records": lambda y: data.check_records(X, y, num_classes=3),
    "private_label_prior": lambda y: data.private_label_prior(
        y, 3, epsilon=1.0, delta=1e-3
    ),
    "private_class_mixture": lambda y: mixture.private_class_mixture(
        X, y, 3, rank=2, noise_multiplier=1.0
    ),
}
OF_ANY_CLASSES = {
    "sample_grid": lambda y: callbacks.sample_grid(X, y),
    "within_class_diversity": lambda y: evaluation.within_class_diversity(
        FEATURES, Y, FEATURES, y
    ),
    "train_classifier": lambda y: evaluation.train_classifier(
        FEATURES, y, "logistic_regression"
    ),
}
FORM = r"` must hold one int.* for each row, an array of shape \(\d+,\)\."
FAULTS = {
    "a column": (Y[:, None], FORM + r" Remove the last axis.*of shape \(12, 1\)"),
    "floats": (Y.astype("float32"), FORM + r".*astype\(\"int32\"\).*dtype float32"),
    "bools": (Y > 0, FORM + ".*dtype bool"),
    "names": (Y.astype(str), FORM + " If they are names, number the classes"),
    "negative ones": (Y - 1, r"` must lie in \[0, \d+\)\..*labels from -1 to 1"),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", [*OF_THREE_CLASSES, *OF_ANY_CLASSES])
def test_labels_of_another_kind_are_refused_in_the_same_words(name, fault):
    labels, message = FAULTS[fault]
    with pytest.raises(ValueError, match=message):
        {**OF_THREE_CLASSES, **OF_ANY_CLASSES}[name](labels)


@pytest.mark.parametrize("name", OF_THREE_CLASSES)
def test_labels_from_one_on_and_one_hot_rows_have_their_remedy(name):
    check = OF_THREE_CLASSES[name]
    with pytest.raises(ValueError, match=r"lie in \[0, 3\).* start at 1: .* from 1 to"):
        check(Y + 1)
    with pytest.raises(ValueError, match="look one-hot: .*argmax"):
        check(np.eye(3)[Y])
