"""A private GAN of handwritten digits, made by several workers together."""

import dataclasses
import pathlib

import keras
import tensorflow as tf

import keras_dpgan as dpgan
from keras_dpgan.distribution import workers


@dataclasses.dataclass(frozen=True)
class Settings:
    """Everything that a run depends on; each field is a flag of its name."""

    output_dir: str = "out/multi_worker"
    epochs: int = 20
    batch_size: int = 128
    epsilon: float = 10.0
    delta: float = 1e-4
    seed: int = 0


HELP = {
    "output_dir": "Where the chief writes everything.",
    "epochs": "Epochs, of as many updates as there are batches in the data.",
    "batch_size": "Expected size of a Poisson batch, over all workers.",
    "epsilon": "Privacy budget.",
    "delta": "Delta of the privacy guarantee.",
    "seed": "Seed of initial weights and latents; never of noise or sampling.",
}


def make_gan(settings, num_examples):
    """A small GAN with the noise that the budget asks for."""
    plan = dpgan.privacy.plan(
        num_examples=num_examples,
        expected_batch_size=settings.batch_size,
        epochs=settings.epochs,
        epsilon=settings.epsilon,
        delta=settings.delta,
    )
    gan = dpgan.DPGAN(
        dpgan.models.vector_discriminator(64, num_classes=10, hidden=(32,)),
        dpgan.models.vector_generator(
            64, 16, num_classes=10, hidden=(128, 128), output_activation="tanh"
        ),
    )
    gan.compile(
        d_optimizer=dpgan.optimizers.DPKerasAdamOptimizer(
            l2_norm_clip=1.0,
            noise_multiplier=plan.noise_multiplier,
            learning_rate=5e-3,
            beta_1=0.0,
        ),
        g_optimizer=keras.optimizers.Adam(2e-3, beta_1=0.0),
        discriminator_steps=5,
    )
    return gan


def train(settings, verbose="auto"):
    """Trains, goes on where a killed run has ended, and lets the chief export.

    Args:
        settings: `Settings`.
        verbose: As in `keras.Model.fit`, of the chief.

    Returns:
        The trained `DPGAN`.
    """
    # Before anything else is computed: it makes the processes a cluster.
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    keras.utils.set_random_seed(settings.seed)
    (x, y), _ = dpgan.data.load_digits()
    with strategy.scope():
        gan = make_gan(settings, len(x))
    output_dir = pathlib.Path(settings.output_dir)
    # What decides about training is everywhere; what writes is at the chief.
    callbacks = [
        dpgan.callbacks.EpsilonTracker(settings.delta, settings.epsilon),
        dpgan.callbacks.ResumableFit(output_dir / "run"),
    ]
    ledger = None
    if workers.is_chief(strategy):
        output_dir.mkdir(parents=True, exist_ok=True)
        ledger = dpgan.privacy.Ledger(output_dir / "digits.ledger", data_name="digits")
    gan.fit(
        x.reshape(len(x), -1),
        y,
        batch_size=settings.batch_size,
        epochs=settings.epochs,
        verbose=verbose if workers.is_chief(strategy) else 0,
        ledger=ledger,
        callbacks=callbacks,
    )
    if workers.is_chief(strategy):
        gan.export(output_dir / "generator", overwrite=True)
        print(gan.privacy_statement(delta=settings.delta), flush=True)
    return gan
