"""Attacks on what a training run publishes, beside the epsilon that it claims.

Fair coins decide which of scikit-learn's digits a GAN is trained on. Three attacks
then guess the coins: one sees the discriminator, two see samples alone. What they
know is said in two ways: as the AUC of an attack, and as the epsilon that so many
right guesses show.
"""

import dataclasses

import keras
import numpy as np

import keras_dpgan as dpgan
from keras_dpgan import evaluation
from keras_dpgan.privacy import audit

_NUM_CLASSES = 10


@dataclasses.dataclass(frozen=True)
class Settings:
    """A run to attack.

    Attributes:
        private: Bool; without privacy the same run shows what there is to lose.
        noise_multiplier: Float.
        l2_norm_clip: Float.
        expected_batch_size: Int.
        updates: Int.
        learning_rate: Float, of both optimizers.
        delta: Float.
        num_samples: Int, how many samples are published.
    """

    private: bool = True
    noise_multiplier: float = 3.0
    l2_norm_clip: float = 1.0
    expected_batch_size: int = 64
    updates: int = 300
    learning_rate: float = 2e-3
    delta: float = 1e-4
    num_samples: int = 5000


@dataclasses.dataclass(frozen=True)
class Attack:
    """What one attack found.

    Attributes:
        name: String, what it looked at.
        found: A `keras_dpgan.evaluation.MembershipInference`.
        audit: A `keras_dpgan.privacy.audit.Audit`.
    """

    name: str
    found: evaluation.MembershipInference
    audit: audit.Audit

    def __str__(self):
        return f"{self.name}: {self.found}\n{self.audit}"


def run(settings):
    """Trains on a random half of the digits and attacks what comes of it.

    Args:
        settings: A `Settings`.

    Returns:
        List of `Attack`.
    """
    x, y = _digits()
    included = audit.flip_coins(len(x))
    gan = train(settings, x[included], y[included])
    samples, _ = gan.sample(settings.num_samples)
    scores = {
        "discriminator": evaluation.discriminator_scores(gan.discriminator, x, y),
        "nearest sample": evaluation.nearness_scores(samples, x),
        "density of samples": evaluation.density_scores(samples, x),
    }
    return [
        Attack(
            name,
            evaluation.membership_inference(values, included),
            audit.audit(values, included, gan.epsilon(settings.delta), settings.delta),
        )
        for name, values in scores.items()
    ]


def train(settings, x, y):
    """Trains a conditional GAN on digits, with privacy or without."""
    gan = dpgan.DPGAN(
        dpgan.models.vector_discriminator(x.shape[1], _NUM_CLASSES),
        dpgan.models.vector_generator(
            x.shape[1], 16, _NUM_CLASSES, output_activation="tanh"
        ),
    )
    d_optimizer = keras.optimizers.Adam(settings.learning_rate, beta_1=0.5)
    if settings.private:
        d_optimizer = dpgan.optimizers.DPOptimizer(
            d_optimizer, settings.l2_norm_clip, settings.noise_multiplier
        )
    gan.compile(
        d_optimizer=d_optimizer,
        g_optimizer=keras.optimizers.Adam(settings.learning_rate, beta_1=0.5),
        private=settings.private,
        discriminator_steps=2,
    )
    batches = dpgan.data.PoissonDataset(
        x,
        y,
        expected_batch_size=settings.expected_batch_size,
        steps_per_epoch=settings.updates,
    )
    gan.fit(batches, epochs=1, verbose=0)
    return gan


def _digits():
    (x_train, y_train), (x_test, y_test) = dpgan.data.load_digits()
    x = np.concatenate([x_train, x_test])
    return x.reshape(len(x), -1), np.concatenate([y_train, y_test])
