import keras
import numpy as np
import pytest

from keras_dpgan import features


def images(n=6, shape=(8, 12, 1), seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (n, *shape)).astype(np.float32)


def test_scattering_finds_a_wave_by_its_angle():
    place = np.arange(28)
    across = np.cos(2 * np.pi * 0.375 * place) * np.ones((28, 1))
    waves = np.stack([across, across.T])[..., None].astype(np.float32)
    found = np.asarray(features.Scattering(angles=4)(waves)).mean(axis=(1, 2))
    # After the average: the short waves of angles 0, 45, 90 and 135 degrees.
    assert found[0, 1:5].argmax() == 0
    assert found[1, 1:5].argmax() == 2
    assert found[0, 1] > 5 * found[0, 3]


def test_scattering_sees_no_wave_in_an_image_of_one_gray():
    layer = features.Scattering(angles=4)
    for gray in (-1.0, 0.5):
        found = np.asarray(layer(np.full((1, 8, 8, 1), gray, np.float32)))
        np.testing.assert_allclose(found[..., 0], gray, atol=1e-6)
        assert np.abs(found[..., 1:]).max() < 1e-2


def test_each_color_is_scattered_by_itself():
    x = images(shape=(8, 8, 3))
    layer = features.Scattering(angles=2)
    together = np.asarray(layer(x))
    apart = [
        np.asarray(features.Scattering(angles=2)(x[..., i : i + 1])) for i in (0, 2)
    ]
    assert together.shape == (6, 2, 2, 3 * 9)
    np.testing.assert_allclose(together[..., :9], apart[0], atol=1e-5)
    np.testing.assert_allclose(together[..., 18:], apart[1], atol=1e-5)


def test_random_features_are_those_of_a_gaussian_kernel():
    x = images(shape=(5,))
    found = np.asarray(features.RandomFeatures(20_000, scale=2.0)(x))
    distances = np.sum((x[:, None] - x) ** 2, axis=-1)
    np.testing.assert_allclose(found @ found.T, np.exp(-distances / 8.0), atol=0.05)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1.0, atol=1e-5)


def test_random_features_are_a_function_of_their_seed():
    x = images()
    drawn = [features.RandomFeatures(8, 2.0, seed)(x) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert np.abs(drawn[0] - drawn[2]).max() > 0.1


@pytest.mark.parametrize(
    "layer", [features.Scattering(3), features.RandomFeatures(6, 2.0, seed=3)]
)
def test_features_are_saved_with_a_model(layer, tmp_path):
    model = keras.Sequential([keras.Input((8, 12, 1)), layer])
    assert not model.trainable_variables
    model.save(tmp_path / "features.keras")
    loaded = keras.saving.load_model(tmp_path / "features.keras")
    x = images()
    np.testing.assert_array_equal(model(x), loaded(x))
    assert model.output_shape == (None, *model(x).shape[1:])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: features.Scattering(0), "`angles` must be"),
        (
            lambda: features.Scattering()(images(shape=(7, 8, 1))),
            "sides divisible by 4",
        ),
        (lambda: features.Scattering()(images(shape=(8,))), "takes images of shape"),
        (lambda: features.RandomFeatures(5, 1.0), "`num_features` must be even"),
        (lambda: features.RandomFeatures(4, 0.0), "`scale` must be"),
        (lambda: features.RandomFeatures(4, 1.0, -1), "`seed` must be"),
    ],
)
def test_says_what_is_wrong(make, message):
    with pytest.raises(ValueError, match=message):
        make()
