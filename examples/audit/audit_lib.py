"""Canaries for a whole `DPGAN`, and an audit of a training run with them.

Canary i is a row with one large number at place i, and the discriminator is linear
in its rows: its weight i follows canary i and nothing else of the data, which is the
most that an observer of the weights could hope for. All else is as in a real run:
labels, a gradient penalty, a generator with batch statistics that learns. The loss
is Wasserstein's and the optimizer plain gradient descent, so that the number of
canaries that went in (the expected batch follows it) scales all weights alike and
changes no guess.
"""

import dataclasses

import keras
import numpy as np

import keras_dpgan as dpgan
from keras_dpgan.privacy import audit

# Of a canary's gradient the clip is to leave its own place, and of the penalty's
# (the same for all canaries) next to nothing.
_CANARY_VALUE = 300.0

_NUM_CLASSES = 2
_LATENT_DIM = 4
_CANARY_WEIGHTS = "canary_weights"


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
    updates: int = 15
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
    (weights,) = gan.discriminator.get_layer(_CANARY_WEIGHTS).get_weights()
    return audit.audit(
        np.ravel(weights),
        included,
        gan.epsilon(settings.delta),
        settings.delta,
        confidence=settings.confidence,
    )


def train(settings, included):
    """Trains a GAN on the canaries that are `included`, with random labels."""
    size = settings.num_canaries
    canaries = _CANARY_VALUE * np.eye(size, dtype=np.float32)[included]
    labels = np.random.default_rng().integers(0, _NUM_CLASSES, len(canaries))
    gan = dpgan.DPGAN(make_discriminator(size), make_generator(size))
    gan.compile(
        d_optimizer=dpgan.optimizers.DPKerasSGDOptimizer(
            settings.l2_norm_clip,
            settings.noise_multiplier,
            # Guesses do not depend on it. A penalty without a clip would diverge at a
            # large one, and hide that fault.
            learning_rate=0.02,
            noise_source=settings.noise_source,
        ),
        g_optimizer=keras.optimizers.Adam(1e-3),
        loss="wasserstein",
        gradient_penalty=10.0,
        discriminator_steps=3,
        # The labels' branch has no slope: the ghost engine would fall back to this.
        engine="vectorized",
    )
    batches = dpgan.data.PoissonDataset(
        canaries,
        labels,
        sampling_probability=settings.sampling_probability,
        steps_per_epoch=settings.updates,
    )
    gan.fit(batches, epochs=1, verbose=0)
    return gan


def make_discriminator(size):
    """A score that is linear in the row, plus one that depends on the label."""
    rows = keras.Input((size,))
    labels = keras.Input((), dtype="int32")
    of_rows = keras.layers.Dense(
        1, kernel_initializer="zeros", use_bias=False, name=_CANARY_WEIGHTS
    )(rows)
    hidden = dpgan.models.OneHotLabels(_NUM_CLASSES)(labels)
    hidden = keras.layers.Dense(4, activation="tanh")(hidden)
    scores = keras.layers.Add()([of_rows, keras.layers.Dense(1)(hidden)])
    return keras.Model([rows, labels], scores)


def make_generator(size):
    latents = keras.Input((_LATENT_DIM,))
    labels = keras.Input((), dtype="int32")
    hidden = keras.layers.Concatenate()(
        [latents, dpgan.models.OneHotLabels(_NUM_CLASSES)(labels)]
    )
    hidden = keras.layers.BatchNormalization()(keras.layers.Dense(8)(hidden))
    return keras.Model([latents, labels], keras.layers.Dense(size)(hidden))
