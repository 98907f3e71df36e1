"""Faults that would break the guarantee, each planted and each caught.

A check is true of the honest implementation and false once its fault is planted.
"""

import functools
import multiprocessing

import helpers
import keras
import numpy as np
import pytest
import tensorflow as tf
from clipped_sums import train_on

from examples.audit import audit_lib
from keras_dpgan.data import PoissonDataset
from keras_dpgan.gan import networks
from keras_dpgan.gan.train_step import Alternation
from keras_dpgan.gan.train_step import TrainingStep
from keras_dpgan.mechanisms import noise
from keras_dpgan.optimizers import DPOptimizer
from keras_dpgan.sampling import randomness

CLIP = 0.8
AUDIT = audit_lib.Settings(num_canaries=400)


# Checks.


def an_audit_refutes_nothing():
    result = audit_lib.run(AUDIT)
    assert result.claimed_epsilon < result.largest_bound
    return not result.refutes_claim


def one_record_moves_the_update_by_at_most_the_clip():
    """Of the weights themselves, whatever it is that moves them."""
    keras.utils.set_random_seed(0)
    gan = helpers.make_gan(
        # With draws of fakes that can be repeated.
        d_optimizer=helpers.make_d_optimizer(
            0.0, CLIP, learning_rate=1.0, insecure_noise_seed=0
        ),
        gradient_penalty=10.0,
        run_eagerly=True,
        discriminator_steps=10**6,
    )
    x, y = helpers.make_data(8)
    data = tf.data.Dataset.from_tensors((x, y))
    gan.fit(data, expected_batch_size=1, verbose=0)
    weights = gan.get_weights()

    def update(n):
        gan.set_weights(weights)
        # They are a function of the number of the update.
        gan.privacy_record.num_discriminator_updates.assign(1)
        train_on(gan, x[:n], y[:n])
        after = helpers.weights_of(gan.discriminator)
        return np.concatenate([np.ravel(w) for w in after]).astype(np.float64)

    moved = [np.linalg.norm(update(n) - update(n - 1)) for n in (2, 8)]
    return 0 < max(moved) <= CLIP * (1 + 1e-4)


def records_reach_the_generator_by_the_discriminator_alone():
    def trained(x, y):
        keras.utils.set_random_seed(0)
        frozen = helpers.make_d_optimizer(learning_rate=0.0)
        gan = helpers.make_gan(d_optimizer=frozen)
        gan.fit(PoissonDataset(x, y, expected_batch_size=12), epochs=1, verbose=0)
        return helpers.weights_of(gan.generator)

    x, y = helpers.make_data()
    return helpers.same(trained(x, y), trained(-x, np.zeros_like(y)))


def each_update_has_a_batch_of_its_own():
    batches, _ = observe_fit()
    return len(set(batches)) == len(batches)


def each_update_is_in_the_history():
    batches, history = observe_fit()
    return history.total_updates == len(batches)


def observe_fit():
    """The records of each update that a `fit` has made, and its history."""
    batches = []
    update = TrainingStep.update_discriminator

    def observed(step, rows, *args):
        batches.append(np.asarray(rows).tobytes())
        update(step, rows, *args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrainingStep, "update_discriminator", observed)
        gan = helpers.make_gan(run_eagerly=True)
        gan.fit(*helpers.make_data(), batch_size=20, epochs=1, verbose=0)
    assert len(batches) >= 6
    return batches, gan.privacy_history


def forked_workers_draw_different_batches():
    dataset = PoissonDataset(*helpers.make_data(), sampling_probability=0.5)

    def draw():
        # Each pool forks a process of its own from this one as it is now.
        with multiprocessing.get_context("fork").Pool(1) as pool:
            return pool.apply(dataset.__getitem__, (0,))[0].tobytes()

    return len({draw() for _ in range(4)}) == 4


def forked_processes_draw_different_noise():
    noise.process_stream()

    def draw():
        with multiprocessing.get_context("fork").Pool(1) as pool:
            return pool.apply_async(_draw_noise).get(timeout=60)

    return draw() != draw()


def _draw_noise():
    return noise.process_stream().normal([(4,)])[0].numpy().tobytes()


def two_datasets_draw_different_batches():
    x, y = helpers.make_data()
    first, second = (PoissonDataset(x, y, expected_batch_size=60) for _ in range(2))
    return first[0][0].tobytes() != second[0][0].tobytes()


def two_streams_draw_different_noise():
    first, second = (noise.NoiseStream().normal([(4,)])[0] for _ in range(2))
    return not np.array_equal(first, second)


@functools.cache
def is_honest(check):
    """Whether a check is true of the implementation as it is."""
    return check()


# Faults.


def leave_noise_out(patch):
    patch.setattr(
        noise.NoiseStream,
        "normal",
        lambda self, shapes, dtype=tf.float32: [tf.zeros(s, dtype) for s in shapes],
    )


def divide_noise_by_ten(patch):
    draw = noise.NoiseStream.normal
    patch.setattr(
        noise.NoiseStream,
        "normal",
        lambda self, *args: [normal / 10 for normal in draw(self, *args)],
    )


def let_the_clip_not_bind(patch):
    patch.setattr(DPOptimizer, "l2_norm_clip", property(lambda self: 1e6))


def take_the_penalty_out_of_the_clip(patch):
    clipped_sum = TrainingStep._clipped_sum

    def with_the_penalty_outside(step, variables, records, mask, seeds):
        penalty, step.penalty = step.penalty, None
        clipped = clipped_sum(step, variables, records, mask, seeds)
        step.penalty = penalty
        with tf.GradientTape() as tape:
            *_, penalties = networks.scores_and_penalty(
                step.discriminator,
                records["real"],
                records["fake"],
                records["labels"],
                records["mixing"],
                penalty,
            )
        gradients = tape.gradient(
            penalties, [v.value for v in variables], unconnected_gradients="zero"
        )
        sums = [s + g for s, g in zip(clipped.sums, gradients, strict=True)]
        return clipped._replace(sums=sums)

    patch.setattr(TrainingStep, "_clipped_sum", with_the_penalty_outside)


def make_fakes_from_real_labels(patch):
    def fakes(step, labels, n, expected_batch_size, draws):
        return step.generation.rows(n, labels, training=True, draws=draws)

    patch.setattr(TrainingStep, "_fakes", fakes)


def reuse_a_batch_and_count_each_use(patch):
    update = Alternation.update_discriminator

    def update_repeatedly(alternation, *batch):
        for _ in range(alternation._gan.discriminator_steps):
            update(alternation, *batch)

    patch.setattr(Alternation, "update_discriminator", update_repeatedly)


def keep_a_batch_for_several_draws(patch):
    draw = PoissonDataset.draw_shard
    kept = []

    def draw_every_third(dataset, epoch, index, *shard):
        if index % 3 == 0 or not kept:
            kept[:] = [draw(dataset, epoch, index, *shard)]
        return kept[0]

    patch.setattr(PoissonDataset, "draw_shard", draw_every_third)


def reuse_a_batch_and_count_one_use(patch):
    update = Alternation.update_discriminator

    def update_twice(alternation, *batch):
        update_without_counting(alternation, *batch)
        update(alternation, *batch)

    patch.setattr(Alternation, "update_discriminator", update_twice)


def update_without_counting(alternation, *batch):
    draws = alternation.draws(randomness.DISCRIMINATOR)
    alternation.step.update_discriminator(*batch, 20.0, draws)


def count_generator_updates(patch):
    generate = Alternation.update_generator

    def generate_and_count(alternation):
        generate(alternation)
        alternation._gan.privacy_record.num_discriminator_updates.assign_add(1)

    patch.setattr(Alternation, "update_discriminator", update_without_counting)
    patch.setattr(Alternation, "update_generator", generate_and_count)
    patch.setattr(
        Alternation,
        "count",
        lambda self: tf.cast(self.step.d_optimizer.iterations, tf.int64),
    )


def hold_a_generator_of_draws(patch):
    held = np.random.default_rng()
    patch.setattr(np.random, "default_rng", lambda entropy=None: held)


def key_draws_by_a_constant(patch):
    make = np.random.default_rng
    patch.setattr(np.random, "default_rng", lambda entropy=None: make(entropy or 0))


def key_noise_by_a_constant(patch):
    patch.setattr(noise.os, "urandom", bytes)


def keep_the_stream_over_a_fork(patch):
    class KeptList(list):
        def clear(self):
            pass

    patch.setattr(noise, "_streams", KeptList([noise.NoiseStream()]))


FAULTS = [
    (an_audit_refutes_nothing, leave_noise_out),
    (an_audit_refutes_nothing, divide_noise_by_ten),
    (an_audit_refutes_nothing, let_the_clip_not_bind),
    (one_record_moves_the_update_by_at_most_the_clip, let_the_clip_not_bind),
    (one_record_moves_the_update_by_at_most_the_clip, take_the_penalty_out_of_the_clip),
    (one_record_moves_the_update_by_at_most_the_clip, make_fakes_from_real_labels),
    (
        records_reach_the_generator_by_the_discriminator_alone,
        make_fakes_from_real_labels,
    ),
    (each_update_has_a_batch_of_its_own, reuse_a_batch_and_count_each_use),
    (each_update_has_a_batch_of_its_own, keep_a_batch_for_several_draws),
    (each_update_is_in_the_history, reuse_a_batch_and_count_one_use),
    (each_update_is_in_the_history, count_generator_updates),
    (forked_workers_draw_different_batches, hold_a_generator_of_draws),
    (forked_processes_draw_different_noise, keep_the_stream_over_a_fork),
    (two_datasets_draw_different_batches, key_draws_by_a_constant),
    (two_streams_draw_different_noise, key_noise_by_a_constant),
]


@pytest.mark.parametrize(
    ("check", "plant"),
    [
        pytest.param(*fault, id=f"{fault[1].__name__}-{fault[0].__name__}")
        for fault in FAULTS
    ],
)
def test_a_planted_fault_is_caught(monkeypatch, check, plant):
    assert is_honest(check)
    plant(monkeypatch)
    assert not check()
