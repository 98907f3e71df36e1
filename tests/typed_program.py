"""A user's program with types, which `make types` checks and nothing runs."""

# Before NumPy 2 an array's type has no defaults for its arguments.
# mypy: disable-error-code="type-arg"

import pathlib
from typing import assert_type

import keras
import numpy as np
import tensorflow as tf

import keras_dpgan as dpgan


def budget(num_examples: int) -> dpgan.privacy.Plan:
    plan = dpgan.privacy.plan(
        num_examples=num_examples,
        expected_batch_size=64,
        epochs=2,
        epsilon=10.0,
        delta=1e-4,
    )
    assert_type(plan.noise_multiplier, float)
    assert_type(plan.num_discriminator_updates, int)
    return plan


def train(folder: pathlib.Path) -> dpgan.DPGAN:
    (x, y), (x_test, y_test) = dpgan.data.load_digits()
    assert_type(dpgan.data.to_uint8(x), np.ndarray)
    plan = budget(len(x))
    gan = dpgan.DPGAN(
        dpgan.models.image_discriminator((8, 8, 1), num_classes=10),
        dpgan.models.image_generator((8, 8, 1), latent_dim=16, num_classes=10),
    )
    gan.compile(
        d_optimizer=dpgan.optimizers.DPKerasAdamOptimizer(
            l2_norm_clip=1.0, noise_multiplier=plan.noise_multiplier
        ),
        g_optimizer=keras.optimizers.Adam(1e-3),
        loss=dpgan.losses.get("hinge"),
        gradient_penalty=dpgan.GradientPenalty(10.0),
    )
    batches = dpgan.data.PoissonDataset(x, y, expected_batch_size=64)
    assert_type(batches.sampling_probability, float)
    with dpgan.privacy.Ledger(folder / "ledger", data_name="digits") as ledger:
        gan.fit(
            batches,
            ledger=ledger,
            callbacks=[
                dpgan.callbacks.EpsilonTracker(delta=1e-4, target_epsilon=10.0),
                dpgan.callbacks.ResumableFit(folder / "checkpoints"),
                dpgan.callbacks.SampleLogger(folder / "samples"),
            ],
        )
    return gan


def train_on_other_data(
    gan: dpgan.DPGAN, rows: list[np.ndarray], labels: list[int], data: tf.data.Dataset
) -> None:
    batches = dpgan.data.PoissonDataset(rows, labels, expected_batch_size=2.5)
    gan.fit(batches, callbacks=(dpgan.callbacks.EpsilonTracker(),))
    gan.fit(data, expected_batch_size=64, max_participations=1)
    gan.fit((row for row in rows), expected_batch_size=64)
    assert_type(gan.epsilon(delta=1e-5), float)
    assert_type(gan.num_discriminator_updates, int)
    assert_type(gan.num_examples, int | None)
    assert_type(gan.privacy_history, dpgan.privacy.PrivacyHistory)
    gan.export("export", overwrite=True)


class MeanSquares(dpgan.losses.AdversarialLoss):
    def on_real(self, scores: tf.Tensor) -> tf.Tensor:
        return tf.square(scores - 1.0)


def compile_with_own_loss(gan: dpgan.DPGAN) -> None:
    optimizer: dpgan.optimizers.DPKerasSGDOptimizer
    optimizer = dpgan.optimizers.DPKerasSGDOptimizer(1.0, 0.5, learning_rate=0.1)
    steps = dpgan.AdaptiveDiscriminatorSteps(threshold=0.7)
    gan.compile(optimizer, "adam", MeanSquares(), discriminator_steps=steps)


def spent(history: dpgan.privacy.PrivacyHistory) -> float:
    statement = dpgan.privacy.privacy_statement(history, delta=1e-5)
    assert_type(statement.has_guarantee, bool)
    epsilon = dpgan.privacy.epsilon(history, 1e-5)
    assert_type(epsilon, float)
    return epsilon


def publish(folder: pathlib.Path, x: np.ndarray) -> None:
    generator = dpgan.export.load(folder)
    print(generator.privacy_card()["summary"])
    dpgan.data.write_tfds(folder, "synthetic", 50, data_dir=folder).exists()
    features = dpgan.evaluation.default_features(x)
    real = dpgan.evaluation.extract_features(features, x)
    assert_type(dpgan.evaluation.frechet_distance(real, real), float)


def best(x: np.ndarray, y: np.ndarray) -> dpgan.recipes.Recipe:
    return dpgan.recipes.best(x, y, 10, epsilon=10.0, delta=1e-5)
