"""One sampler: a model, its export and the command draw the same from a seed."""

import json
import pathlib

import helpers
import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_dpgan import DPGAN
from keras_dpgan import export
from keras_dpgan.cli import sample

PINNED = pathlib.Path(__file__).parents[1] / "fixtures" / "sample_draws.json"
PRIOR = [0.2, 0.3, 0.5]
# More than a chunk of 1,024.
N = 1030
INTEGERS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]


class WithoutLabels(keras.layers.Layer):
    """Hands latents on, so that rows are what was drawn; its weight is zero."""

    def build(self, shape):
        self.offset = self.add_weight(shape=(), initializer="zeros")

    def call(self, inputs):
        latents = inputs[0] if isinstance(inputs, list) else inputs
        return latents + self.offset


def make_gan(conditional=True):
    """A GAN whose rows are its latents."""
    latents = keras.Input((2, 3), name="latents")
    labels = keras.Input((), dtype="int32", name="labels")
    rows, classes = keras.Input((2, 3)), keras.Input((), dtype="int32")
    score = keras.layers.Dense(1)(keras.layers.Flatten()(rows))
    if conditional:
        generator = keras.Model([latents, labels], WithoutLabels()([latents, labels]))
        discriminator = keras.Model([rows, classes], WithoutLabels()([score, classes]))
        gan = DPGAN(discriminator, generator, num_classes=3)
    else:
        generator = keras.Model(latents, WithoutLabels()(latents))
        gan = DPGAN(keras.Model(rows, score), generator)
    prior = {"label_prior": PRIOR} if conditional else {}
    gan.compile(**helpers.compile_defaults(), **prior)
    return gan


@pytest.fixture(scope="module")
def gan():
    return make_gan()


@pytest.fixture(scope="module")
def folder(gan, tmp_path_factory):
    folder = tmp_path_factory.mktemp("draws") / "generator"
    gan.export(folder)
    return folder


def flat(drawn):
    return [np.ravel(array) for array in tf.nest.flatten(drawn)]


def by_command(folder, n, seed, out):
    sample.draw(folder, n, out / "samples.npz", seed=seed)
    with np.load(out / "samples.npz") as file:
        return file["x"], file["y"]


@pytest.mark.parametrize("seed", [0, 70_000, 2**63 - 1])
def test_draws_are_pinned_for_ever(gan, folder, tmp_path, seed):
    pinned = json.loads(PINNED.read_text(encoding="utf-8"))[str(seed)]
    # A function does not keep the model that it was loaded with.
    loaded = tf.saved_model.load(folder)
    drawn = {
        "model": gan.sample(N, seed=seed),
        "export": export.load(folder).sample(N, seed=seed),
        "SavedModel": loaded.sample(N, seed=seed),
        "command": by_command(folder, N, seed, tmp_path),
    }
    for source, (rows, labels) in drawn.items():
        rows, labels = np.asarray(rows), np.asarray(labels)
        assert rows.shape == (N, 2, 3), source
        places = pinned["places"]
        np.testing.assert_allclose(rows[places], pinned["rows"], atol=1e-6)
        assert labels[places].tolist() == pinned["labels"], source
        np.testing.assert_array_equal(rows, drawn["model"][0])
        np.testing.assert_array_equal(labels, drawn["model"][1])


def test_the_first_rows_of_a_large_draw_are_those_of_a_small_one(gan, folder):
    loaded = tf.saved_model.load(folder)
    for source in (gan, export.load(folder), loaded):
        few, many = source.sample(3, seed=5), source.sample(2 * N, seed=5)
        for part, whole in zip(few, many, strict=True):
            np.testing.assert_array_equal(part, whole[:3])
        rows = np.asarray(many[0]).reshape(2 * N, -1)
        assert len(np.unique(rows, axis=0)) == 2 * N


@pytest.mark.parametrize("dtype", INTEGERS)
def test_a_seed_may_be_any_integer(gan, folder, dtype):
    expected = gan.sample(3, seed=11)
    loaded = tf.saved_model.load(folder)
    for seed in (tf.constant(11, dtype), np.asarray(11, dtype)[()], 11):
        for source in (gan, export.load(folder), loaded):
            for part, whole in zip(source.sample(3, seed=seed), expected, strict=True):
                np.testing.assert_array_equal(part, whole)
    given = loaded.sample(3, [2, 1, 0], seed=tf.constant(11, dtype))
    np.testing.assert_array_equal(given[0], expected[0])


@pytest.mark.parametrize("seed", [-1, 2**63, 1.5, True, [1, 2], tf.constant([1, 2])])
def test_what_is_no_seed_is_refused_by_name(gan, folder, seed):
    for source in (gan, export.load(folder)):
        with pytest.raises(ValueError, match="`seed` must be an integer of at least 0"):
            source.sample(3, seed=seed)


@pytest.mark.parametrize("conditional", [False, True])
def test_set_random_seed_repeats_samples_of_any_model(gan, conditional):
    gan = gan if conditional else make_gan(conditional=False)
    drawn = []
    for seed in (3, 3, 4):
        keras.utils.set_random_seed(seed)
        drawn.append([gan.sample(4), gan.sample(4)])
    first, again, other = (np.concatenate(flat(d)) for d in drawn)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    once, twice = (np.concatenate(flat(d)) for d in drawn[0])
    assert not np.array_equal(once, twice)
