"""A discriminator that also says which label a row has (AC-GAN)."""

import helpers
import keras
import numpy as np
import pytest
import tensorflow as tf
from clipped_sums import clipped_sum
from clipped_sums import make_hostile

from keras_dpgan import DPGAN
from keras_dpgan import GradientPenalty
from keras_dpgan import models
from keras_dpgan.sampling.randomness import PublicDraws

CLIP = 0.8


def make_discriminator(
    class_activation=None, score_activation=None, labels=False, order=1
):
    inputs = rows = keras.Input(helpers.SHAPE, name="rows")
    if labels:
        label = keras.Input((), dtype="int32", name="labels")
        inputs = [rows, label]
        one_hot = models.OneHotLabels(helpers.NUM_CLASSES)(label)
        rows = keras.layers.Concatenate()([rows, one_hot])
    hidden = keras.layers.Dense(8, activation="tanh")(rows)
    score = keras.layers.Dense(1, activation=score_activation)(hidden)
    classes = keras.layers.Dense(helpers.NUM_CLASSES, activation=class_activation)
    return keras.Model(inputs, [score, classes(hidden)][::order])


def make_gan(discriminator=None, **compile_arguments):
    gan = DPGAN(discriminator or make_discriminator(), helpers.make_generator())
    gan.compile(**{**helpers.compile_defaults(), **compile_arguments})
    return gan


def gan_with_everything(engine):
    keras.utils.set_random_seed(0)
    gan = make_gan(
        d_optimizer=helpers.make_d_optimizer(l2_norm_clip=CLIP, insecure_noise_seed=0),
        gradient_penalty=GradientPenalty(10.0, on="both"),
        engine=engine,
        run_eagerly=True,
        discriminator_steps=10**6,
    )
    x, y = helpers.make_data()
    gan.fit(x, y, batch_size=12, epochs=1, steps_per_epoch=1, verbose=0)
    return gan, x[:12], y[:12]


@pytest.mark.parametrize("engine", ["vectorized", "ghost"])
def test_one_record_moves_the_clipped_sum_by_at_most_the_clip(engine):
    gan, x, y = gan_with_everything(engine)
    for n in (11, 1):
        without = clipped_sum(gan, x[:n], y[:n])
        before = clipped_sum(gan, x[: n + 1], y[: n + 1])
        assert 0 < np.linalg.norm(before - without) <= CLIP * (1 + 1e-5)
    hostile = make_hostile(x, y)
    moved = clipped_sum(gan, *hostile) - clipped_sum(gan, x, y)
    assert 0 < np.linalg.norm(moved) <= 2 * CLIP * (1 + 1e-5)


def class_head_gradient(x, y):
    """What records move in the class head, unclipped."""
    keras.utils.set_random_seed(0)
    gan = make_gan(
        d_optimizer=helpers.make_d_optimizer(0.0, 1e6, learning_rate=0.0),
        run_eagerly=True,
    )
    gan.fit(x, y, batch_size=12, epochs=1, steps_per_epoch=1, verbose=0)
    total = clipped_sum(gan, x[:1], y[:1])
    return gan, total[-helpers.NUM_CLASSES :]


def test_the_class_loss_is_that_of_the_record_and_of_its_fake():
    x, y = helpers.make_data()
    gan, bias_gradient = class_head_gradient(x, y)
    _, real = gan.discriminator(x[:1])
    # The derivative of the cross-entropy in the bias is softmax minus one-hot. The
    # fake has the record's label, and any probabilities.
    one_hot = np.eye(helpers.NUM_CLASSES)[y[0]]
    of_fake = bias_gradient - (tf.nn.softmax(real[0]).numpy() - one_hot)
    probabilities = of_fake + one_hot
    assert np.all(probabilities > 0)
    np.testing.assert_allclose(probabilities.sum(), 1, rtol=1e-4)


def make_draws():
    return PublicDraws(0, tf.constant(0, tf.int64), 0)


def test_the_generator_learns_the_class_from_its_fakes():
    gan = make_gan()
    labels = tf.range(50) % helpers.NUM_CLASSES
    g_loss, d_loss_fake, scores = gan.training_step.public_losses(
        50, labels, False, make_draws()
    )
    rows = gan.generation.rows(50, labels, False, make_draws())
    expected, logits = gan.discriminator(rows)
    entropy = keras.losses.sparse_categorical_crossentropy(labels, logits, True)
    np.testing.assert_allclose(scores, expected[:, 0], rtol=1e-5)
    mean, entropy = np.mean(expected), np.mean(entropy)
    np.testing.assert_allclose([g_loss, d_loss_fake], [entropy - mean, entropy + mean])


@pytest.mark.parametrize(
    "engine", ["auto", pytest.param("tf_privacy", marks=pytest.mark.slow)]
)
def test_it_trains_saves_and_exports(engine, tmp_path):
    if engine == "tf_privacy":
        pytest.importorskip("tensorflow_privacy")
    gan = make_gan(engine=engine)
    history = gan.fit(*helpers.make_data(), batch_size=40, epochs=1, verbose=0)
    assert np.all(np.isfinite(history.history["g_loss"]))
    gan.save(tmp_path / "gan.keras")
    loaded = keras.models.load_model(tmp_path / "gan.keras")
    np.testing.assert_array_equal(loaded.sample(4, seed=1)[0], gan.sample(4, seed=1)[0])
    loaded.fit(*helpers.make_data(), batch_size=40, epochs=1, verbose=0)


@pytest.mark.parametrize("labels", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_heads_may_end_in_probabilities(labels):
    discriminator = make_discriminator("softmax", "sigmoid", labels)
    gan = make_gan(discriminator, loss="non_saturating")
    x, y = helpers.make_data()
    history = gan.fit(x, y, batch_size=40, epochs=1, verbose=0)
    assert np.all(np.isfinite(history.history["g_loss"]))


def test_what_is_no_class_head_is_refused():
    generator = helpers.make_generator()
    with pytest.raises(
        ValueError, match=r"in this order. Received for two rows: 2 out"
    ):
        DPGAN(make_discriminator(order=-1), generator)
    with pytest.raises(ValueError, match="needs a conditional generator, with labels"):
        DPGAN(make_discriminator(), helpers.make_generator(None))
    with pytest.raises(ValueError, match="must give logits or end in a softmax"):
        make_gan(make_discriminator("sigmoid"))


def test_a_projection_discriminator_trains():
    # Miyato and Koyama 2018: score = psi(phi(x)) + <embedding(y), phi(x)>.
    rows = keras.Input(helpers.SHAPE)
    labels = keras.Input((1,), dtype="int32")
    phi = keras.layers.Dense(8, activation="tanh")(rows)
    embedded = keras.layers.Embedding(helpers.NUM_CLASSES, 8)(labels)
    embedded = keras.layers.Flatten()(embedded)
    inner = keras.ops.sum(embedded * phi, axis=-1, keepdims=True)
    score = keras.layers.Add()([keras.layers.Dense(1)(phi), inner])
    discriminator = keras.Model([rows, labels], score)
    gan = make_gan(discriminator, loss="hinge")
    before = helpers.weights_of(gan.discriminator)
    gan.fit(*helpers.make_data(), batch_size=40, epochs=1, verbose=0)
    after = helpers.weights_of(gan.discriminator)
    assert all(not np.array_equal(a, b) for a, b in zip(before, after, strict=True))
