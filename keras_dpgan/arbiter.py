"""Decides, before anything is trained, how the records of a GAN may be clipped."""

import copy
import warnings

import numpy as np
import tensorflow as tf

from keras_dpgan import clipping
from keras_dpgan import randomness
from keras_dpgan.clipping import effects
from keras_dpgan.privacy import row_probe
from keras_dpgan.privacy.isolation import IsolationProbe
from keras_dpgan.randomness import PublicDraws

_ROWS = 8
# Rows of different scales, so that what depends on sizes shows.
_SCALES = [1.0, 10.0, 0.1, 1.0, 100.0, 0.01, 1.0, 3.0]


def choose_engine(step, row_shape, name, physical_batch_size, jit_compile):
    """The engine that clips the records of a training step.

    The loss of a record, network, loss and penalty together, is held against the loss
    of single records. Where it depends on the other records of a batch, each record's
    is computed by itself.

    Args:
        step: A `TrainingStep`.
        row_shape: Tuple of ints, the shape of a row.
        name: The engine's name, see `clipping.get_engine`.
        physical_batch_size: See there.
        jit_compile: See there.

    Returns:
        An engine.

    Raises:
        ValueError: If the loss draws random numbers of its own or changes something
            outside, or if it depends on other records and `name` does not compute
            each record by itself.
    """
    engine = clipping.get_engine(name, physical_batch_size, jit_compile)
    inputs = row_probe.random_rows(row_shape, step.generation.num_classes)
    problem = row_probe.without_strategy(
        step.discriminator,
        lambda discriminator: _problem_of(step, discriminator, row_shape),
        inputs,
    )
    if problem is None or name == "vectorized":
        return engine
    if name == "tf_privacy":
        raise ValueError(
            f"`engine` must compute each record by itself: {problem}. Use "
            f'`engine="vectorized"`. Received: engine={name!r}'
        )
    warnings.warn(
        f"Gradients are computed record by record, which is slower: {problem}.",
        stacklevel=2,
    )
    return clipping.get_engine("vectorized", physical_batch_size, jit_compile)


def _problem_of(step, discriminator, row_shape):
    """Says what makes a record's loss depend on others; `None` if nothing does."""
    step = copy.copy(step)
    step.discriminator = discriminator
    probe = IsolationProbe(
        step.record_losses,
        discriminator.trainable_variables,
        _random_records(step, row_shape),
        discriminator.compute_dtype,
    )
    if probe.effect is not None:
        raise ValueError(
            "The loss of a record cannot be trained with differential privacy: "
            + _described(probe.effect)
        )
    context = probe.difference()
    if context is None:
        return None
    return (
        "the gradient of a record, computed in a batch, depends on the other records "
        f"({context.name})"
    )


def _described(operation):
    """What an operation that `effects.find_effect` has found does, and the remedy."""
    named = f"operation {operation.type} ({operation.name})"
    if effects.draws(operation):
        return (
            f"{named} draws random numbers from TensorFlow, which a known seed repeats "
            "and which depend on the row's place in the batch. Draw with `keras.random` and a "
            "`keras.random.SeedGenerator`, which training gives secret seeds."
        )
    return (
        f"{named} changes or reads something outside of the loss, such as a variable. "
        "Compute the loss from its inputs and the weights alone, and change variables "
        "in a callback."
    )


def _random_records(step, shape):
    """Records as training makes them, of random rows."""
    rng = np.random.default_rng(0)
    generation = step.generation
    classes = generation.num_classes

    def rows(n):
        scales = np.resize(_SCALES, n).reshape((n,) + (1,) * len(shape))
        return tf.constant(rng.uniform(-1, 1, (n, *shape)) * scales, tf.float32)

    labels = None
    if classes is not None:
        labels = tf.constant(rng.integers(0, classes, _ROWS), tf.int32)
    draws = PublicDraws(0, tf.constant(0, tf.int64), randomness.EVALUATION)
    return step.records(rows(_ROWS), labels, rows(4 * (classes or 1)), draws)
