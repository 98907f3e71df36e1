import keras
import numpy as np
import pytest

from keras_dpgan import evaluation
from keras_dpgan.evaluation import features


@pytest.fixture(scope="module")
def classifier(digits):
    (x, y), _ = digits
    return evaluation.feature_classifier(x, y)


def test_feature_classifier_knows_the_digits(digits, classifier):
    _, (x, y) = digits
    assert evaluation.label_accuracy(classifier, x, y) > 0.95


def test_features_are_what_the_logits_are_computed_from(digits, classifier):
    _, (x, _) = digits
    found = evaluation.extract_features(evaluation.features_of(classifier), x)
    assert found.shape == (360, features.NUM_FEATURES)
    kernel, bias = classifier.layers[-1].get_weights()
    logits = np.asarray(classifier(x))
    np.testing.assert_allclose(found @ kernel + bias, logits, rtol=1e-3, atol=1e-3)


def test_frechet_distance_tells_planted_faults_from_real_rows(digits, classifier):
    (x, y), (x_test, y_test) = digits
    model = evaluation.features_of(classifier)
    real = evaluation.extract_features(model, x_test)

    def distance(rows):
        return evaluation.frechet_distance(
            real, evaluation.extract_features(model, rows)
        )

    noise = np.random.default_rng(0).uniform(-1, 1, x.shape)
    assert distance(noise) > 5 * distance(x)
    assert distance(x[y == 3]) > 5 * distance(x)
    assert distance(x + np.random.default_rng(0).normal(0, 0.5, x.shape)) > distance(x)


def test_same_data_gives_the_same_features_whatever_the_global_seed(
    digits, monkeypatch
):
    monkeypatch.setattr(features, "_NUM_UPDATES", features._UPDATES_PER_CALL)
    (x, y), (x_test, _) = digits
    found = []
    for global_seed in (1, 2):
        keras.utils.set_random_seed(global_seed)
        model = evaluation.default_features(x, y)
        found.append(evaluation.extract_features(model, x_test))
    np.testing.assert_allclose(found[0], found[1], rtol=1e-2, atol=1e-2)


def test_training_is_the_documented_one(digits, monkeypatch):
    drawn = []
    monkeypatch.setattr(
        keras.Model, "fit", lambda self, x, *a, **k: drawn.append(len(x))
    )
    (x, y), _ = digits
    evaluation.feature_classifier(x, y)
    assert sum(drawn) == 2000 * 128


def test_images_without_labels_have_features_of_unit_variance(digits):
    (x, _), (x_test, _) = digits
    model = evaluation.default_features(x)
    found = evaluation.extract_features(model, x)
    np.testing.assert_allclose(found.std(axis=0), 1, atol=1e-2)
    real = evaluation.extract_features(model, x_test)
    noise = np.random.default_rng(0).uniform(-1, 1, x.shape)
    assert evaluation.frechet_distance(
        real, evaluation.extract_features(model, noise)
    ) > 5 * evaluation.frechet_distance(real, found)


def test_vectors_are_standardised_by_the_real_ones(blobs):
    (x, _), (x_test, _) = blobs
    constant = np.c_[x, np.ones(len(x))]
    found = evaluation.extract_features(evaluation.default_features(constant), constant)
    np.testing.assert_allclose(found[:, :5].std(axis=0), 1, atol=1e-3)
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=1e-3)


def test_saved_features_are_the_same(blobs, tmp_path):
    (x, y), _ = blobs
    model = evaluation.default_features(x, y)
    model.save(tmp_path / "features.keras")
    loaded = keras.models.load_model(tmp_path / "features.keras")
    np.testing.assert_array_equal(
        evaluation.extract_features(loaded, x), evaluation.extract_features(model, x)
    )


@pytest.mark.parametrize("shape", [(28, 28, 1), (64, 48, 3), (5, 5, 1)])
def test_width_of_features_does_not_depend_on_the_images(shape):
    x = np.random.default_rng(0).uniform(size=(4, *shape))
    found = evaluation.extract_features(evaluation.default_features(x), x)
    assert found.shape == (4, features.NUM_FEATURES)


def test_bytes_are_features_too(digits):
    (x, _), _ = digits
    as_bytes = np.rint((x + 1) * 127.5).astype(np.uint8)
    model = evaluation.default_features(as_bytes)
    assert evaluation.extract_features(model, as_bytes).std() > 0.5


def test_output_that_is_no_matrix_is_refused(digits):
    (x, _), _ = digits
    with pytest.raises(ValueError, match="GlobalAveragePooling2D"):
        evaluation.extract_features(lambda rows, training: rows, x)


def test_missing_inception_weights_say_where_to_put_them(tmp_path):
    with pytest.raises(FileNotFoundError, match="put the file inception_v3_weights"):
        evaluation.inception_features((8, 8, 1), weights=tmp_path / "none.h5")


def test_inception_refuses_other_channels():
    with pytest.raises(ValueError, match="one or three channels"):
        evaluation.inception_features((8, 8, 2))


@pytest.mark.slow
@pytest.mark.parametrize("channels", [1, 3])
def test_inception_runs_with_weights_from_a_file(tmp_path, channels):
    """The weights are random: it is the path through the file that counts."""
    keras.utils.set_random_seed(0)
    inception = keras.applications.InceptionV3(
        include_top=False, weights=None, pooling="avg", input_shape=(299, 299, 3)
    )
    path = tmp_path / "inception.weights.h5"
    inception.save_weights(path)
    shape = (28, 28, channels)
    model = evaluation.inception_features(shape, pixel_range=(0, 1), weights=path)
    images = np.random.default_rng(0).uniform(size=(3, *shape)).astype(np.float32)
    found = evaluation.extract_features(model, images)
    assert found.shape == (3, 2048)
    colour = images if channels == 3 else np.repeat(images, 3, axis=-1)
    resized = keras.ops.image.resize(2 * colour - 1, (299, 299))
    np.testing.assert_allclose(
        found, np.asarray(inception(resized)), rtol=1e-3, atol=1e-4
    )
