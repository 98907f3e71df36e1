"""Checks that the generator can learn from the discriminator's score."""

import numpy as np
import tensorflow as tf

from keras_dpgan.gan import networks

_ROWS = 2


def check(discriminator, generation):
    """Raises if no gradient reaches the rows, or the generator through them.

    Otherwise the error would appear during `fit`, after updates were paid for.

    Args:
        discriminator: A `keras.Model`.
        generation: A `PublicGeneration`.

    Raises:
        ValueError: If a network rounds, looks up or compares what it is given.
    """
    generator = generation.generator
    latents = tf.zeros((_ROWS, *generation.latent_shape))
    condition = generation.condition
    rng = np.random.default_rng(0)
    labels = None if condition is None else condition.random(_ROWS, rng)
    with tf.GradientTape() as tape:
        made = networks.call(generator, latents, labels, training=False)
    rows = tf.stop_gradient(made)
    with tf.GradientTape() as score_tape:
        score_tape.watch(rows)
        scores = networks.heads(discriminator, rows, labels, training=False).scores
    if score_tape.gradient(scores, rows) is None:
        raise ValueError(
            "`discriminator` must have a gradient to its rows, from which the "
            "generator learns, and has none: it turns rows into integers, as an "
            "`Embedding` of token ids does. Give rows as one-hot vectors, "
            "`keras.utils.to_categorical(ids)`, let the generator end in a softmax "
            "over them, and put a `Dense` layer without bias in place of the "
            f"`Embedding`. Received: discriminator={discriminator.name!r}"
        )
    variables = generator.trainable_variables
    if any(isinstance(v.value, tf.distribute.DistributedValues) for v in variables):
        return  # Mirrored weights cannot be differentiated outside of a replica.
    gradients = tape.gradient(made, variables)
    if variables and all(gradient is None for gradient in gradients):
        raise ValueError(
            "`generator` must have a gradient from its rows to its weights, and has "
            "none: it rounds or compares, as an argmax does. Let it end in a softmax "
            "or another continuous activation, and round what `sample` returns. "
            f"Received: generator={generator.name!r}"
        )
