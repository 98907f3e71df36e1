import json

import helpers
import keras
import numpy as np
import pytest

from keras_dpgan import evaluation

pytestmark = pytest.mark.usefixtures("quick_features")

QUICK = {"classifiers": ("logistic_regression",), "compare_with_real": False}


@pytest.fixture(scope="module")
def halves(digits):
    """Half of the training digits for a generator to imitate, half as samples."""
    (x, y), test = digits
    return (x[:717], y[:717]), test, (x[717:], y[717:])


@pytest.fixture(scope="module")
def fresh_scores(halves):
    """The scores of real rows that nobody has trained on."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("keras_dpgan.evaluation.features._NUM_UPDATES", 100)
        return scores(halves, compare_with_real=True)


def scores(halves, samples=None, **changes):
    real, test, fresh = halves
    samples = fresh if samples is None else samples
    return evaluation.evaluate(samples, real, test, **{**QUICK, **changes}).scores


def test_fresh_real_rows_score_like_training_rows(fresh_scores):
    found = fresh_scores
    assert found["accuracy"]["logistic_regression"] == {
        "samples": pytest.approx(
            found["accuracy"]["logistic_regression"]["real"], abs=0.03
        ),
        "real": pytest.approx(0.97, abs=0.03),
    }
    for name in ("precision", "recall", "coverage", "label_accuracy"):
        assert found[name]["samples"] == pytest.approx(found[name]["real"], abs=0.06)
    assert found["within_class_diversity"]["samples"] == pytest.approx(1, abs=0.1)
    assert not found["memorisation"]["memorised"]
    assert found["memorisation"]["train_share"] == pytest.approx(0.5, abs=0.08)


def test_shuffled_labels_show_in_the_conditional_metrics_alone(halves, fresh_scores):
    x, y = halves[2]
    found = scores(halves, (x, np.random.default_rng(0).permutation(y)))
    assert found["accuracy"]["logistic_regression"]["samples"] < 0.3
    assert found["label_accuracy"]["samples"] < 0.3
    assert found["within_class_diversity"]["samples"] > 1.2
    # Not exactly equal: two trainings of the features differ by rounding.
    unchanged = fresh_scores["coverage"]["samples"]
    assert found["coverage"]["samples"] == pytest.approx(unchanged, abs=0.03)


def test_one_mode_only_shows_in_every_metric_of_variety(halves):
    x, y = halves[2]
    first = np.array([np.flatnonzero(y == label)[0] for label in range(10)])
    found = scores(halves, (x[first[y]], y))
    assert found["recall"]["samples"] < 0.1
    assert found["coverage"]["samples"] < 0.3
    assert found["within_class_diversity"]["samples"] < 0.01
    frechet = found["frechet_distance"]
    assert frechet["samples"] > 3 * frechet["real"]
    assert found["label_accuracy"]["samples"] > 0.85


def test_copies_of_training_rows_are_called_out_and_gain_nothing_else(halves):
    found = scores(halves, halves[0])
    assert found["memorisation"]["memorised"]
    assert found["memorisation"]["identical_samples"] == len(halves[0][0])
    for name in ("frechet_distance", "precision", "recall", "density", "coverage"):
        assert found[name]["samples"] == pytest.approx(found[name]["real"])


def test_all_numbers_are_json_and_say_that_they_are_not_private(fresh_scores):
    found = fresh_scores
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["private"] is False
    assert "not covered by any privacy guarantee" in found["warning"]


def test_a_dpgan_on_vectors_is_measured(blobs):
    (x, y), (x_test, y_test) = blobs
    x, x_test = np.c_[x, x[:, 0]], np.c_[x_test, x_test[:, 0]]
    keep, keep_test = y < 3, y_test < 3
    found = evaluation.evaluate(
        helpers.make_gan(3),
        (x[keep], y[keep]),
        (x_test[keep_test], y_test[keep_test]),
        num_samples=300,
        compare_with_real=False,
    ).scores
    assert set(found["accuracy"]) == {"mlp", "logistic_regression"}
    assert found["num_samples"] == 300
    assert found["pixel_range"] is None
    assert found["features"]["width"] == 6


def test_without_labels_the_conditional_metrics_are_left_out(halves):
    (x, _), (x_test, _), (fresh, _) = halves
    found = evaluation.evaluate(fresh, x, x_test).scores
    assert not found["conditional"]
    assert found["accuracy"] == {}
    assert found["label_accuracy"] is None
    assert found["within_class_diversity"] is None
    assert found["coverage"]["samples"] > 0.8


def test_features_of_any_keras_model_are_used(halves):
    pooled = keras.Sequential(
        [keras.layers.AveragePooling2D(2), keras.layers.Flatten()], name="pooled"
    )
    found = scores(halves, features=pooled)
    assert found["features"] == {"name": "pooled", "width": 16}


def test_as_many_samples_as_training_rows_unless_said(blobs):
    (x, _), (x_test, _) = blobs
    asked = []

    def generator(n):
        asked.append(n)
        return x[:n]

    evaluation.evaluate(generator, x, x_test)
    evaluation.evaluate(generator, x, x_test, num_samples=77)
    assert asked == [600, 77]


@pytest.mark.parametrize(
    "change, message",
    [
        ({"classifiers": ("svm",)}, "`classifiers` must be one of"),
        ({"num_samples": 0}, "`num_samples` must be an integer of at least 1"),
        ({"num_samples": 129}, "`samples` must have at least 130 rows"),
        ({"pixel_range": (1, 0)}, "the lower bound first"),
    ],
)
def test_says_what_is_wrong_with_an_argument(halves, change, message):
    with pytest.raises(ValueError, match=message):
        scores(halves, **change)


def test_says_what_is_wrong_with_samples(halves):
    (x, y), test, (fresh, labels) = halves
    with pytest.raises(ValueError, match="`classifiers` need labels"):
        scores(halves, fresh)
    with pytest.raises(ValueError, match="must hold rows of one shape"):
        scores(halves, (fresh[:, :7], labels))
    with pytest.raises(ValueError, match="pixels in the range of the real images"):
        scores(halves, ((fresh + 1) / 2, labels))
    with pytest.raises(ValueError, match="NaN or infinity in 1 of 720 rows"):
        broken = fresh.copy()
        broken[7, 0, 0, 0] = np.nan
        scores(halves, (broken, labels))
    with pytest.raises(ValueError, match=r"labels \[17\], which no real row has"):
        scores(halves, (fresh, np.where(labels == 3, 17, labels)))
    with pytest.raises(ValueError, match="must be rows, or a pair"):
        scores(halves, (fresh, labels, labels))
    with pytest.raises(ValueError, match="must both have labels"):
        evaluation.evaluate(fresh, (x, y), test[0])
    with pytest.raises(ValueError, match="`real_test` must have at least 10 rows"):
        evaluation.evaluate(fresh, x, test[0][:5])
    with pytest.raises(ValueError, match="`real_test` must have at least 65 rows"):
        evaluation.evaluate(fresh, x, test[0][:64])
