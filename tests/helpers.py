"""Small models and data that several test files share."""

import keras
import numpy as np

from keras_dpgan import DPGAN
from keras_dpgan import models
from keras_dpgan import optimizers

SHAPE = (6,)
NUM_CLASSES = 3
LATENT_DIM = 4


def make_data(n=120, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, (n, *SHAPE)).astype(np.float32)
    y = rng.integers(0, NUM_CLASSES, n).astype(np.int32)
    return x, y


def make_gan(num_classes=NUM_CLASSES, dropout=False, **compile_arguments):
    """A conditional GAN on vectors, whose generator has batch statistics."""
    gan = DPGAN(make_discriminator(num_classes, dropout), make_generator(num_classes))
    gan.compile(**{**compile_defaults(), **compile_arguments})
    return gan


def compile_defaults():
    return {
        "d_optimizer": make_d_optimizer(),
        "g_optimizer": keras.optimizers.Adam(1e-3, beta_1=0.5),
        "loss": "wasserstein",
        "discriminator_steps": 3,
    }


def make_d_optimizer(
    noise_multiplier=1.0, l2_norm_clip=1.0, learning_rate=1e-2, **arguments
):
    return optimizers.DPKerasSGDOptimizer(
        l2_norm_clip, noise_multiplier, learning_rate=learning_rate, **arguments
    )


def make_discriminator(num_classes=NUM_CLASSES, dropout=False):
    inputs = rows = keras.Input(SHAPE, name="rows")
    if num_classes:
        labels = keras.Input((), dtype="int32", name="labels")
        inputs = [rows, labels]
        one_hot = models.OneHotLabels(num_classes)(labels)
        rows = keras.layers.Concatenate()([rows, one_hot])
    hidden = keras.layers.Dense(8, activation="tanh")(rows)
    if dropout:
        hidden = keras.layers.Dropout(0.3)(hidden)
    return keras.Model(inputs, keras.layers.Dense(1)(hidden), name="discriminator")


def make_generator(num_classes=NUM_CLASSES):
    inputs = latents = keras.Input((LATENT_DIM,), name="latents")
    if num_classes:
        labels = keras.Input((), dtype="int32", name="labels")
        inputs = [latents, labels]
        one_hot = models.OneHotLabels(num_classes)(labels)
        latents = keras.layers.Concatenate()([latents, one_hot])
    hidden = keras.layers.Dense(8)(latents)
    hidden = keras.layers.BatchNormalization(momentum=0.9)(hidden)
    hidden = keras.layers.ReLU()(hidden)
    rows = keras.layers.Dense(SHAPE[0], activation="tanh")(hidden)
    return keras.Model(inputs, rows, name="generator")


def weights_of(model):
    return [np.copy(w) for w in model.get_weights()]


def same(weights, others):
    return all(np.array_equal(a, b) for a, b in zip(weights, others, strict=True))


def ignore_latents(generator):
    """Makes what a generator of `make_generator` makes depend on labels alone."""
    first = next(x for x in generator.layers if isinstance(x, keras.layers.Dense))
    kernel, bias = first.get_weights()
    kernel[:LATENT_DIM] = 0
    first.set_weights([kernel, bias])
