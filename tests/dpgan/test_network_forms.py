"""Networks of other forms: supported, or refused in words that say what is expected."""

import helpers
import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_dpgan import DPGAN
from keras_dpgan import export

layers = keras.layers


def make_generator(latent_shape, input_shape=None):
    latents = keras.Input(input_shape or latent_shape, name="latents")
    features = latents
    if len(features.shape) > 2:
        features = layers.GlobalAveragePooling1D()(
            layers.Reshape((-1, latent_shape[-1]))(features)
        )
    rows = layers.Dense(helpers.SHAPE[0], activation="tanh")(features)
    return keras.Model(latents, rows, name="generator")


def make_gan(latent_shape, input_shape=None, **arguments):
    generator = make_generator(latent_shape, input_shape)
    gan = DPGAN(helpers.make_discriminator(None), generator, **arguments)
    gan.compile(**helpers.compile_defaults())
    return gan


@pytest.mark.parametrize(
    "shape", [(12, 3), pytest.param((1, 1, 8), marks=pytest.mark.slow)]
)
def test_latents_may_have_any_shape(shape, tmp_path):
    gan = make_gan(shape)
    assert gan.latent_dim == shape
    gan.fit(helpers.make_data()[0], batch_size=60, epochs=1, verbose=0)
    rows = gan.sample(5, seed=1)
    gan.save(tmp_path / "gan.keras")
    gan.export(tmp_path / "generator")
    loaded = keras.models.load_model(tmp_path / "gan.keras")
    assert tuple(loaded.latent_dim) == shape
    exported = export.load(tmp_path / "generator")
    for source in (loaded, exported, tf.saved_model.load(tmp_path / "generator")):
        np.testing.assert_allclose(source.sample(5, seed=1), rows, atol=1e-6)
    assert exported.privacy_card()["generator"]["latent_dim"] == list(shape)
    text = (tmp_path / "generator" / "README.md").read_text()
    assert f"latents: float32 of shape {('n', *shape)}".replace("'n'", "n") in text


def test_latents_of_open_size_are_told():
    with pytest.raises(ValueError, match="leaves sizes open.*Give `latent_dim`"):
        make_gan((4, 4, 8), (None, None, 8))
    gan = make_gan((4, 4, 8), (None, None, 8), latent_dim=(4, 4, 8))
    assert gan.sample(2).shape == (2, *helpers.SHAPE)


@pytest.mark.parametrize("given", [9, (12, 4), [3], (), 0, 2.5, "8"])
def test_a_latent_dim_that_does_not_fit_is_refused(given):
    with pytest.raises(ValueError, match=r"`latent_dim` must be .*Received: latent_d"):
        make_gan((12, 3), latent_dim=given)


def labels_first(first, second):
    labels = keras.Input((), dtype="int32", name="labels")
    rows = keras.Input(first, name=second)
    embedded = layers.Embedding(helpers.NUM_CLASSES, 4)(labels)
    units = 1 if second == "rows" else helpers.SHAPE[0]
    outputs = layers.Dense(units)(layers.Concatenate()([rows, embedded]))
    return keras.Model([labels, rows], outputs)


def by_name():
    latents, labels = keras.Input((4,), name="a"), keras.Input((), name="b")
    embedded = layers.Embedding(3, 4)(labels)
    rows = layers.Dense(6)(layers.Concatenate()([latents, embedded]))
    return keras.Model({"a": latents, "b": labels}, rows)


def of_three_inputs():
    inputs = [keras.Input((4,), name=name) for name in "abc"]
    return keras.Model(inputs, layers.Dense(6)(layers.Concatenate()(inputs)))


GENERATORS = {
    "labels first": (
        lambda: labels_first((4,), "latents"),
        "latents and labels, in this order.*'labels' .int32 of shape .n,.*, 'latents'",
    ),
    "by name": (by_name, "by position, not by name.*'a' .float32"),
    "three inputs": (of_three_inputs, "and no more.*'a'.*'b'.*'c'"),
    "None": (
        lambda: None,
        "be a `keras.Model` that takes latents.*generator=None",
    ),
    "function": (lambda: helpers.make_generator, "Make a model of the function"),
    "layer": (lambda: layers.Dense(6), "Make a model of the layer"),
    "name": (lambda: "dcgan", "be a `keras.Model`.*generator='dcgan'"),
}


@pytest.mark.parametrize(("make", "message"), GENERATORS.values(), ids=GENERATORS)
def test_a_generator_of_another_form_is_refused_in_words(make, message):
    with pytest.raises(ValueError, match=f"`generator` must .*{message}"):
        DPGAN(helpers.make_discriminator(), make())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: labels_first(helpers.SHAPE, "rows"), "rows and labels, in this order"),
        (lambda: layers.Dense(1), "Make a model of the layer"),
    ],
)
def test_a_discriminator_of_another_form_is_refused_in_words(make, message):
    with pytest.raises(ValueError, match=f"`discriminator` must.*{message}"):
        DPGAN(make(), helpers.make_generator())


@pytest.mark.parametrize("num_classes", [None, helpers.NUM_CLASSES])
def test_swapped_networks_are_named(num_classes):
    rows = helpers.make_discriminator(num_classes)
    with pytest.raises(ValueError, match="seem to be swapped"):
        DPGAN(square_generator(num_classes), rows)


def square_generator(num_classes):
    """Latents as wide as rows, as a square network has them."""
    inputs = latents = keras.Input(helpers.SHAPE)
    if num_classes:
        labels = keras.Input((), dtype="int32")
        inputs = [latents, labels]
        embedded = layers.Embedding(num_classes, 4)(labels)
        latents = layers.Concatenate()([latents, embedded])
    return keras.Model(inputs, layers.Dense(helpers.SHAPE[0])(latents))


def test_swapped_networks_of_other_widths_are_named():
    with pytest.raises(ValueError, match="seem to be swapped"):
        DPGAN(helpers.make_generator(), helpers.make_discriminator())


def translator(channels=3, noise=False):
    images = keras.Input((8, 8, channels), name="images")
    inputs = [images, keras.Input((4,))] if noise else images
    made = layers.Conv2D(3, 3, padding="same", activation="tanh")(images)
    if noise:
        made = made + layers.Reshape((1, 1, 3))(layers.Dense(3)(inputs[1]))
    return keras.Model(inputs, made)


def of_images():
    rows = keras.Input((8, 8, 3))
    return keras.Model(rows, layers.Dense(1)(layers.Flatten()(rows)))


@pytest.mark.parametrize("noise", [False, True])
def test_image_to_image_translation_is_said_to_be_another_thing(noise):
    with pytest.raises(
        ValueError, match=r"pix2pix, CycleGAN\) is not what `DPGAN` does"
    ):
        DPGAN(of_images(), translator(noise=noise))


def test_noise_of_the_shape_of_images_is_allowed_where_it_is_said():
    gan = DPGAN(of_images(), translator(), latent_dim=(8, 8, 3))
    assert gan.sample(2).shape == (2, 8, 8, 3)


def test_one_hot_labels_with_num_classes_are_explained():
    latents, labels = keras.Input((4,)), keras.Input((3,))
    rows = layers.Dense(6)(layers.Concatenate()([latents, labels]))
    generator = keras.Model([latents, labels], rows)
    with pytest.raises(ValueError, match="OneHotLabels.*one-hot labels, too.*prior"):
        DPGAN(helpers.make_discriminator(), generator, num_classes=3)
    with pytest.raises(ValueError, match="must take what the generator takes besides"):
        DPGAN(helpers.make_discriminator(), generator)
