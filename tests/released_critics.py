"""A small generator, records unlike what it makes, and a critic of them."""

import numpy as np

import keras_dpgan as dpgan
from keras_dpgan.models import mixture_generator

SHAPE = (8, 8, 1)
LABELS = 3
NOISE = 1.3


def make_data(n=90, seed=0):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % LABELS
    x = (
        0.3 * rng.standard_normal((n, *SHAPE))
        + np.linspace(-0.7, 0.7, LABELS)[y, None, None, None]
    )
    return np.clip(x, -1, 1).astype(np.float32), y.astype(np.int32)


def public_mixture():
    rng = np.random.default_rng(1)
    return dpgan.mixture.ClassMixture(
        weights=np.ones((LABELS, 1), np.float32),
        means=rng.uniform(-0.5, 0.5, (LABELS, 1, 64)).astype(np.float32),
        factors=0.1 * rng.standard_normal((LABELS, 1, 4, 64)).astype(np.float32),
    )


def make_gan(discriminator=None):
    return dpgan.DPGAN(
        discriminator, mixture_generator(SHAPE, public_mixture(), width=4)
    )


def release(gan, x, y, **changes):
    arguments = {
        "features": dpgan.features.Scattering(angles=2),
        "noise_multiplier": NOISE,
        "num_reference": 120,
        **changes,
    }
    return dpgan.critics.release_critic(gan, x, y, **arguments)
