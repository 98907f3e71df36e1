import sys

import keras
import numpy as np
import pytest
from sklearn import linear_model
from sklearn import metrics
from sklearn import preprocessing

from keras_dpgan import evaluation
from keras_dpgan.evaluation import classifiers

FAST = {"cnn": {"epochs": 4}, "mlp": {}, "logistic_regression": {}}


def accuracy(data, classifier, **changes):
    (x, y), (x_test, y_test) = data
    arguments = {"x_train": x, "y_train": y, "x_test": x_test, "y_test": y_test}
    return evaluation.classifier_accuracy(
        **{**arguments, **FAST[classifier], **changes}, classifier=classifier
    )


@pytest.mark.parametrize("classifier", FAST)
def test_real_digits_teach_every_classifier(digits, classifier):
    assert accuracy(digits, classifier) > 0.9


@pytest.mark.parametrize("classifier", FAST)
def test_shuffled_labels_teach_nothing(digits, classifier):
    (_, y), _ = digits
    shuffled = np.random.default_rng(0).permutation(y)
    assert accuracy(digits, classifier, y_train=shuffled) < 0.3


@pytest.mark.parametrize("classifier", FAST)
def test_one_image_per_class_teaches_little(digits, classifier):
    (x, y), _ = digits
    first = np.array([np.flatnonzero(y == label)[0] for label in range(10)])
    real = accuracy(digits, classifier)
    assert accuracy(digits, classifier, x_train=x[first[y]]) < real - 0.15


@pytest.mark.parametrize("classifier", FAST)
def test_one_class_only_scores_its_share(digits, classifier):
    (x, y), (_, y_test) = digits
    found = accuracy(digits, classifier, x_train=x[y == 3], y_train=y[y == 3])
    assert found == pytest.approx(np.mean(y_test == 3))


@pytest.mark.parametrize("classifier", ["mlp", "logistic_regression"])
def test_vectors_are_standardised(blobs, classifier):
    (x, y), (x_test, y_test) = blobs
    scale = np.array([1e-3, 1.0, 1e3, 1.0, 0.0], np.float32)
    changes = {"x_train": x * scale + 7, "x_test": x_test * scale + 7}
    assert accuracy(blobs, classifier, **changes) > 0.9


def test_accuracy_and_logistic_regression_are_those_of_scikit_learn(blobs):
    (x, y), (x_test, y_test) = blobs
    scaler = preprocessing.StandardScaler().fit(x)
    model = linear_model.LogisticRegression(max_iter=200).fit(scaler.transform(x), y)
    expected = metrics.accuracy_score(y_test, model.predict(scaler.transform(x_test)))
    assert accuracy(blobs, "logistic_regression") == pytest.approx(expected)


def test_cnn_is_that_of_private_gans_revisited():
    model = classifiers.cnn((28, 28, 1), 10)
    # 320 + 18,496 + 1,179,776 + 1,290, as in PyTorch's example for MNIST.
    assert model.count_params() == 1_199_882
    assert [x.rate for x in model.layers if hasattr(x, "rate")] == [0.25, 0.5]
    assert float(model.optimizer.learning_rate) == pytest.approx(1e-3)


@pytest.mark.parametrize("n, expected", [(60_000, 5000), (120_000, 5000), (1200, 100)])
def test_rows_held_out_to_choose_the_epoch(n, expected):
    assert classifiers.held_out_rows(n) == expected


def test_epoch_is_chosen_on_samples_and_never_on_real_rows(digits, monkeypatch):
    """Samples like the first epoch best, real rows would like the second."""
    monkeypatch.setattr(classifiers, "cnn", lambda *args: WorseAndWorse())
    (_, y), (_, y_test) = digits
    found = accuracy(digits, "cnn", y_train=np.minimum(y, 1), y_test=0 * y_test + 12)
    assert found == 0
    found = accuracy(digits, "cnn", y_train=np.minimum(y, 1), y_test=0 * y_test + 1)
    assert found == 1


class WorseAndWorse:
    """Predicts 1 after the first epoch, 12 after the second, and so on."""

    def __init__(self):
        self.epoch = 0

    def fit(self, *args, **kwargs):
        self.epoch += 1

    def __call__(self, x, training):
        label = 1 if self.epoch == 1 else 10 + self.epoch
        return np.tile(np.eye(20)[label], (len(x), 1))

    def get_weights(self):
        return self.epoch

    def set_weights(self, weights):
        self.epoch = weights


@pytest.mark.parametrize("classifier", ["cnn", "mlp"])
def test_repeats_itself_with_a_seed_whatever_the_global_one(digits, classifier):
    (x, y), (x_test, _) = digits
    predictions = []
    for global_seed in (1, 2):
        keras.utils.set_random_seed(global_seed)
        model = evaluation.train_classifier(x[:300], y[:300], classifier, epochs=2)
        predictions.append(model.predict(x_test))
    assert np.mean(predictions[0] == predictions[1]) > 0.99


def test_global_precision_does_not_change_the_network():
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = classifiers.cnn((8, 8, 1), 10)
    finally:
        keras.config.set_dtype_policy(policy)
    assert {x.compute_dtype for x in model.layers} == {"float32"}


def test_bytes_and_floats_score_the_same(digits):
    (x, y), (x_test, y_test) = digits
    as_bytes = {
        name: np.rint((images + 1) * 127.5).astype(np.uint8)
        for name, images in (("x_train", x), ("x_test", x_test))
    }
    assert accuracy(digits, "logistic_regression", **as_bytes) == pytest.approx(
        accuracy(digits, "logistic_regression"), abs=0.003
    )


def test_samples_sorted_by_label_are_no_worse(digits):
    (x, y), _ = digits
    order = np.argsort(y, kind="stable")
    assert accuracy(digits, "cnn", x_train=x[order], y_train=y[order]) > 0.9


def test_without_scikit_learn_there_is_a_pip_line(digits, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(ImportError, match="pip install scikit-learn"):
        accuracy(digits, "mlp")


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"y_train": None}, "`y` must hold one int for each row"),
        ({"y_test": None}, "`y_test` must hold one int for each row"),
        ({"y_test": np.zeros(7, int)}, r"of shape \(360,\)"),
        ({"y_train": np.full(1437, -1)}, r"must lie in \[0, .* from -1 to -1"),
        ({"y_train": np.zeros(1437)}, "one int for each row"),
        ({"x_train": np.zeros((1437, 9, 9, 1))}, "rows of one shape"),
        ({"x_train": np.zeros((1437, 8, 8))}, "Add the channel axis"),
        ({"x_train": np.full((1437, 8, 8, 1), np.nan)}, "NaN or infinity in 1437"),
        ({"x_train": np.array([["a"]])}, "must hold numbers"),
        ({"x_train": np.ones((0, 8, 8, 1))}, "`x_train` must have at least 1 rows"),
        ({"classifier": "svm"}, "`classifier` must be one of"),
        ({"epochs": 0}, "`epochs` must be an integer of at least 1"),
        ({"seed": None}, "`seed` must be an integer"),
        ({"classifier": "logistic_regression", "epochs": 3}, "`epochs` must be None"),
    ],
)
def test_says_what_is_wrong(digits, changes, message):
    (x, y), (x_test, y_test) = digits
    arguments = {"x_train": x, "y_train": y, "x_test": x_test, "y_test": y_test}
    with pytest.raises(ValueError, match=message):
        evaluation.classifier_accuracy(**{**arguments, **changes})


@pytest.mark.parametrize(
    "low, high", [(0, 1), (0, 255), (-300, 300)], ids=["unit", "bytes", "far"]
)
def test_pixels_of_another_range_are_refused(digits, low, high):
    (x, _), _ = digits
    with pytest.raises(ValueError, match="pixels in the range of the real images"):
        accuracy(digits, "cnn", x_train=low + (x + 1) / 2 * (high - low))


def test_pixels_of_a_smaller_range_than_bytes_are_refused(digits):
    (x, _), (x_test, _) = digits
    with pytest.raises(ValueError, match="pixels in the range of the real images"):
        accuracy(digits, "cnn", x_test=((x_test + 1) * 127.5).astype(np.uint8))


def test_pixels_in_no_usual_range_need_a_declaration(digits):
    (x, _), (x_test, _) = digits
    changes = {"x_train": 400 * x, "x_test": 400 * x_test}
    with pytest.raises(ValueError, match="`pixel_range` must give"):
        accuracy(digits, "logistic_regression", **changes)
    found = accuracy(digits, "logistic_regression", **changes, pixel_range=(-400, 400))
    assert found > 0.9


def test_cnn_refuses_vectors_and_tiny_images(blobs):
    with pytest.raises(ValueError, match='Use "mlp" or "logistic_regression"'):
        accuracy(blobs, "cnn")
    with pytest.raises(ValueError, match="sides of at least 6"):
        classifiers.cnn((5, 8, 1), 10)
