import numpy as np
import pytest

from keras_dpgan import evaluation


@pytest.fixture(scope="module")
def judge(digits):
    (x, y), _ = digits
    return evaluation.train_classifier(x, y, "logistic_regression")


def test_label_accuracy_of_real_rows_is_the_classifiers_own(digits, judge):
    _, (x, y) = digits
    found = evaluation.label_accuracy(judge, x, y)
    assert found == pytest.approx(np.mean(judge.predict(x) == y))
    assert found > 0.9


def test_label_accuracy_of_shuffled_labels_is_chance(digits, judge):
    _, (x, y) = digits
    shuffled = np.random.default_rng(0).permutation(y)
    assert evaluation.label_accuracy(judge, x, shuffled) < 0.25


def test_label_accuracy_of_one_mode_only_is_its_share(digits, judge):
    _, (x, y) = digits
    only_three = np.repeat(x[y == 3][:1], len(y), axis=0)
    assert evaluation.label_accuracy(judge, only_three, y) == pytest.approx(
        np.mean(y == 3)
    )


def test_a_keras_model_is_a_classifier_too(blobs):
    import keras

    (x, y), _ = blobs
    inputs = keras.Input((5,))
    scores = keras.layers.Lambda(lambda rows: rows[:, :4])(inputs)
    model = keras.Model(inputs, scores)
    found = evaluation.label_accuracy(model, x, y)
    assert found == pytest.approx(np.mean(np.argmax(x[:, :4], axis=1) == y))


def test_label_accuracy_needs_labels(digits, judge):
    with pytest.raises(ValueError, match="`labels` must hold one int for each row"):
        evaluation.label_accuracy(judge, digits[1][0], None)


def test_spread_is_the_root_mean_squared_distance_of_pairs():
    real = np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 2.0]])
    generated = np.array([[0.0, 0.0], [1.0, 0.0]])
    # Squared distances of the real pairs: 4, 4 and 8; of the sampled pair: 1.
    found = evaluation.within_class_diversity(real, [0, 0, 0], generated, [0, 0])
    assert found.mean == pytest.approx(1 / np.sqrt(16 / 3))


def test_diversity_of_real_rows_is_one(blobs):
    (x, y), (x_test, y_test) = blobs
    found = evaluation.within_class_diversity(x, y, x_test, y_test)
    assert found.mean == pytest.approx(1, abs=0.1)
    assert set(found.per_class) == {0, 1, 2, 3}


def test_diversity_of_one_row_per_class_is_zero(blobs):
    (x, y), _ = blobs
    first = np.array([np.flatnonzero(y == label)[0] for label in range(4)])
    assert evaluation.within_class_diversity(x, y, x[first[y]], y).mean == 0


def test_diversity_names_the_class_that_collapsed(blobs):
    (x, y), _ = blobs
    collapsed = x.copy()
    collapsed[y == 2] = x[y == 2][0]
    found = evaluation.within_class_diversity(x, y, collapsed, y)
    assert found.per_class[2] == 0
    assert found.per_class[1] == pytest.approx(1)


def test_diversity_of_shuffled_labels_is_too_large(blobs):
    (x, y), _ = blobs
    shuffled = np.random.default_rng(0).permutation(y)
    assert evaluation.within_class_diversity(x, y, x, shuffled).mean > 1.5


def test_diversity_says_what_is_wrong(blobs):
    (x, y), _ = blobs
    with pytest.raises(ValueError, match="`labels` must hold one int"):
        evaluation.within_class_diversity(x, y, x, None)
    with pytest.raises(ValueError, match="must share a class"):
        evaluation.within_class_diversity(x, y, x, y + 10)
    with pytest.raises(ValueError, match="the same d for both sets"):
        evaluation.within_class_diversity(x, y, x[:, :3], y)
