"""Canaries for a whole `DPGAN`, and an audit of a training run with them.

Canary i is a row with one large number at place i, and the discriminator is
linear: its weight i follows canary i and nothing else of the data, which is the
most that an observer of the weights could hope for. The loss is Wasserstein's and
the optimizer plain gradient descent, so that the number of canaries that went in
(the expected batch follows it) scales all weights alike and changes no guess.
"""

import dataclasses

import keras
import numpy as np

import keras_dpgan as dpgan
from keras_dpgan.privacy import audit

_CANARY_VALUE = 30.0


@dataclasses.dataclass(frozen=True)
class Settings:
    """An audit.

    Attributes:
        num_canaries: Int.
        noise_multiplier: Float.
        l2_norm_clip: Float.
        sampling_probability: Float.
        updates: Int.
        delta: Float.
        confidence: Float.
        noise_source: `"default"` or `"secure"`.
    """

    num_canaries: int = 1000
    noise_multiplier: float = 5.0
    l2_norm_clip: float = 0.5
    sampling_probability: float = 0.5
    updates: int = 20
    delta: float = 1e-6
    confidence: float = 0.999
    noise_source: str = "default"


def run(settings):
    """Trains a GAN on canaries and audits what it has learnt.

    Args:
        settings: A `Settings`.

    Returns:
        A `keras_dpgan.privacy.audit.Audit`.
    """
    included = audit.flip_coins(settings.num_canaries)
    gan = train(settings, included)
    weights = np.ravel(gan.discriminator.get_weights()[0])
    return audit.audit(
        weights,
        included,
        gan.epsilon(settings.delta),
        settings.delta,
        confidence=settings.confidence,
    )


def train(settings, included):
    """Trains a GAN on the canaries that are `included`."""
    size = settings.num_canaries
    canaries = _CANARY_VALUE * np.eye(size, dtype=np.float32)
    gan = dpgan.DPGAN(
        keras.Sequential(
            [
                keras.Input((size,)),
                keras.layers.Dense(1, kernel_initializer="zeros", use_bias=False),
            ]
        ),
        keras.Sequential(
            [keras.Input((1,)), keras.layers.Dense(size, kernel_initializer="zeros")]
        ),
    )
    gan.compile(
        d_optimizer=dpgan.optimizers.DPKerasSGDOptimizer(
            settings.l2_norm_clip,
            settings.noise_multiplier,
            learning_rate=1.0,
            noise_source=settings.noise_source,
        ),
        g_optimizer=keras.optimizers.SGD(0.0),
        loss="wasserstein",
        # The generator, which only sees what is noised already, stays out of it.
        discriminator_steps=settings.updates + 1,
    )
    batches = dpgan.data.PoissonDataset(
        canaries[included],
        sampling_probability=settings.sampling_probability,
        steps_per_epoch=settings.updates,
    )
    gan.fit(batches, epochs=1, verbose=0)
    return gan
