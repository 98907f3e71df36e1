"""The discriminator update: what records can move, and what they cannot."""

import helpers
import keras
import numpy as np
import pytest
import tensorflow as tf
from clipped_sums import captured_sums
from clipped_sums import clipped_sum
from clipped_sums import make_hostile
from clipped_sums import train_on

from keras_dpgan import GradientPenalty
from keras_dpgan.data import PoissonDataset
from keras_dpgan.mechanisms import tf_privacy

CLIP = 0.8


def gan_with_everything(engine, insecure_noise_seed=0):
    """A GAN whose records keep their own draws, if they keep their places."""
    keras.utils.set_random_seed(0)
    gan = helpers.make_gan(
        # The ghost engine draws one mask for all rows, so that a row more gives
        # every other row another mask: independent, but not the same.
        dropout=engine == "vectorized",
        d_optimizer=helpers.make_d_optimizer(
            l2_norm_clip=CLIP, insecure_noise_seed=insecure_noise_seed
        ),
        gradient_penalty=GradientPenalty(10.0, on="both"),
        engine=engine,
        run_eagerly=True,
        # No generator step in between: it would change the fakes.
        discriminator_steps=10**6,
    )
    x, y = helpers.make_data()
    gan.fit(x, y, batch_size=12, epochs=1, steps_per_epoch=1, verbose=0)
    return gan, x[:12], y[:12]


@pytest.mark.parametrize("engine", ["vectorized", "ghost"])
def test_adding_or_removing_one_record_moves_the_clipped_sum_by_at_most_the_clip(
    engine,
):
    gan, x, y = gan_with_everything(engine)
    everything = clipped_sum(gan, x, y)
    for n in (11, 6, 1):
        without = clipped_sum(gan, x[:n], y[:n])
        before = clipped_sum(gan, x[: n + 1], y[: n + 1])
        moved = np.linalg.norm(before - without)
        assert 0 < moved <= CLIP * (1 + 1e-5)
    assert np.linalg.norm(everything) <= 12 * CLIP


@pytest.mark.parametrize("engine", ["vectorized", "ghost"])
def test_replacing_one_record_moves_the_clipped_sum_by_at_most_twice_the_clip(engine):
    gan, x, y = gan_with_everything(engine)
    moved = clipped_sum(gan, *make_hostile(x, y)) - clipped_sum(gan, x, y)
    assert 0 < np.linalg.norm(moved) <= 2 * CLIP * (1 + 1e-5)


@pytest.mark.parametrize("engine", ["vectorized", "ghost"])
def test_who_knows_the_seed_cannot_repeat_what_a_records_draws(engine):
    # With the draws known, a record put before the others gives all of them
    # other fakes: the sum moves by more than the clip.
    gan, x, y = gan_with_everything(engine)
    moved = clipped_sum(gan, x, y) - clipped_sum(gan, x[1:], y[1:])
    assert np.linalg.norm(moved) > 1.5 * CLIP
    assert np.array_equal(clipped_sum(gan, x, y), clipped_sum(gan, x, y))

    gan, x, y = gan_with_everything(engine, insecure_noise_seed=None)
    assert not np.array_equal(clipped_sum(gan, x, y), clipped_sum(gan, x, y))


@pytest.mark.parametrize("engine", ["vectorized", "ghost"])
def test_who_knows_the_seed_cannot_repeat_dropout(engine):
    def gradients():
        keras.utils.set_random_seed(0)
        gan = helpers.make_gan(
            dropout=True,
            d_optimizer=helpers.make_d_optimizer(l2_norm_clip=1e9, learning_rate=0.0),
            engine=engine,
            run_eagerly=True,
            discriminator_steps=10**6,
        )
        helpers.ignore_latents(gan.generator)
        x, y = helpers.make_data()
        gan.fit(x, y, batch_size=12, epochs=1, steps_per_epoch=1, verbose=0)
        return clipped_sum(gan, x[:12], y[:12])

    assert not np.array_equal(gradients(), gradients())


def trained_generator(x, y, d_learning_rate):
    """All weights of the generator, batch statistics included, after a `fit`."""
    keras.utils.set_random_seed(3)
    gan = helpers.make_gan(
        d_optimizer=helpers.make_d_optimizer(0.0, learning_rate=d_learning_rate),
        gradient_penalty=10.0,
    )
    dataset = PoissonDataset(x, y, expected_batch_size=12, seed=len(x))
    gan.fit(dataset, epochs=1, verbose=0)
    return helpers.weights_of(gan.generator)


def test_records_labels_and_batch_sizes_reach_the_generator_only_by_the_discriminator():
    x, y = helpers.make_data()
    frozen = trained_generator(x, y, d_learning_rate=0.0)
    # Other records, other labels, other batch sizes; the same number of updates.
    others = trained_generator(-x[:117], np.zeros_like(y[:117]), d_learning_rate=0.0)
    assert helpers.same(frozen, others)
    learning = trained_generator(x, y, d_learning_rate=0.1)
    assert not helpers.same(frozen, learning)


def test_zero_noise_and_no_clip_equal_the_plain_keras_optimizer():
    def trained(**compile_arguments):
        keras.utils.set_random_seed(0)
        gan = helpers.make_gan(**compile_arguments)
        helpers.ignore_latents(gan.generator)
        dataset = PoissonDataset(*helpers.make_data(), expected_batch_size=12, seed=1)
        gan.fit(dataset, epochs=2, verbose=0)
        return helpers.weights_of(gan.discriminator)

    arguments = {"discriminator_steps": 10**6}
    private = trained(
        d_optimizer=helpers.make_d_optimizer(0.0, l2_norm_clip=1e9), **arguments
    )
    plain = trained(d_optimizer=keras.optimizers.SGD(1e-2), private=False, **arguments)
    for a, b in zip(private, plain, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_an_empty_batch_still_makes_a_noisy_update():
    gan = helpers.make_gan()
    x, y = helpers.make_data()
    before = helpers.weights_of(gan.discriminator)
    dataset = PoissonDataset(x, y, sampling_probability=1e-9, steps_per_epoch=4)
    gan.fit(dataset, epochs=1, verbose=0)
    assert gan.num_discriminator_updates == 4
    after = helpers.weights_of(gan.discriminator)
    assert all(not np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def noise_in_the_weights(noise_multiplier, updates=8):
    """What updates without records add, in units of what they should."""
    claimed, clip, learning_rate, expected = 1.5, 0.7, 0.5, 12.0
    gan = helpers.make_gan(
        d_optimizer=helpers.make_d_optimizer(noise_multiplier, clip, learning_rate)
    )
    empty = np.zeros((0, *helpers.SHAPE), np.float32), np.zeros(0, np.int32)
    batches = tf.data.Dataset.from_tensors(empty).repeat(updates)
    before = helpers.weights_of(gan.discriminator)
    gan.fit(batches, expected_batch_size=expected, verbose=0)
    after = helpers.weights_of(gan.discriminator)
    moved = [np.ravel(a - b) for a, b in zip(after, before, strict=True)]
    scale = learning_rate * claimed * clip / expected * np.sqrt(updates)
    return np.concatenate(moved) / scale


@pytest.mark.parametrize(
    ("factor", "accepted"), [(1, True), (2 / 3, False), (3 / 2, False)]
)
def test_the_weights_carry_noise_of_the_claimed_scale(factor, accepted):
    noise = np.concatenate([noise_in_the_weights(1.5 * factor) for _ in range(4)])
    tolerance = 4.9 * np.sqrt(2 / len(noise))
    assert (abs(np.mean(noise**2) - 1) < tolerance) == accepted


@pytest.mark.skipif(not tf_privacy.is_available(), reason="needs TensorFlow Privacy")
def test_an_adaptive_clip_adapts_inside_fit():
    query = tf_privacy.import_queries()["adaptive"].QuantileAdaptiveClipSumQuery(
        initial_l2_norm_clip=100.0,
        noise_multiplier=0.1,
        target_unclipped_quantile=0.5,
        learning_rate=0.2,
        clipped_count_stddev=1.0,
        expected_num_records=30,
    )
    optimizer = helpers.optimizers.DPKerasSGDOptimizer(
        dp_sum_query=query, learning_rate=1e-3
    )
    gan = helpers.make_gan(d_optimizer=optimizer)
    gan.fit(*helpers.make_data(), batch_size=30, epochs=10, verbose=0)
    # Nearly all records start below the clip, so it falls by about exp(-0.1) each.
    assert float(optimizer.l2_norm_clip) < 10.0
    assert gan.privacy_history.entries[0].mechanism == "adaptive_clip_gaussian"


def test_weight_clipping_holds_after_each_update():
    gan = helpers.make_gan(weight_clip=0.01)
    gan.fit(*helpers.make_data(), batch_size=12, epochs=1, verbose=0)
    for weight in gan.discriminator.trainable_weights:
        assert np.max(np.abs(weight.numpy())) <= 0.01 + 1e-8


def test_a_layer_shared_with_the_generator_gets_records_only_through_the_mechanism():
    shared = keras.layers.Dense(helpers.SHAPE[0], name="shared", activation="tanh")
    latents = keras.Input((helpers.SHAPE[0],))
    generator = keras.Model(latents, shared(latents))
    rows = keras.Input(helpers.SHAPE)
    discriminator = keras.Model(rows, keras.layers.Dense(1)(shared(rows)))
    gan = helpers.DPGAN(discriminator, generator)
    gan.compile(
        **{**helpers.compile_defaults(), "discriminator_steps": 10**6},
        run_eagerly=True,
    )
    x, _ = helpers.make_data()
    gan.fit(x, batch_size=12, epochs=1, steps_per_epoch=1, verbose=0)
    before = helpers.weights_of(discriminator)
    with captured_sums(gan) as caught:
        train_on(gan, x[:12])
    assert len(caught) == 1
    assert helpers.same(before, helpers.weights_of(discriminator))
