"""Calls the two networks of a GAN, and checks that they fit each other."""

import typing

import tensorflow as tf

from keras_dpgan.clipping.contract import at_least_float32
from keras_dpgan.gan import network_inputs


class Heads(typing.NamedTuple):
    """What a discriminator returns for a batch of rows.

    Attributes:
        scores: Float tensor of shape `(n,)`.
        classes: Float tensor of shape `(n, num_classes)`, how likely each label is;
            `None` for a discriminator that returns scores alone.
    """

    scores: tf.Tensor
    classes: tf.Tensor | None


def call(model, rows, labels, training):
    """Calls a network on rows (or latents), with labels if it takes any."""
    if labels is None or not network_inputs.takes_condition(model):
        return model(rows, training=training)
    return model([rows, labels], training=training)


def heads(discriminator, rows, labels, training):
    """Calls a discriminator; see `Heads`."""
    outputs = call(discriminator, rows, labels, training)
    scores, classes = outputs if isinstance(outputs, list | tuple) else (outputs, None)
    return Heads(
        at_least_float32(tf.reshape(scores, [-1])),
        None if classes is None else at_least_float32(classes),
    )


def build_and_check(discriminator, generator, latent_shape, condition):
    """Runs both networks once on two rows, so that errors show at once.

    Args:
        discriminator: A `keras.Model`, or `None` where there is none.
        generator: A `keras.Model`.
        latent_shape: Tuple of ints.
        condition: A `LabelCondition`, a `VectorCondition`, or `None`.

    Returns:
        The shape of one generated row, a tuple of ints.

    Raises:
        ValueError: If the discriminator cannot read what the generator makes,
            or does not give one score per row.
    """
    labels = None
    if condition is not None:
        labels = tf.zeros((2, *condition.shape), condition.dtype)
    if discriminator is not None:
        network_inputs.check_not_swapped(discriminator, generator)
    rows = call(generator, tf.zeros((2, *latent_shape)), labels, training=False)
    if not tf.is_tensor(rows) or rows.shape[0] != 2:
        raise ValueError(
            "`generator` must return one tensor with a row per latent. Received: "
            f"{_described(rows)}"
        )
    if discriminator is None:
        return tuple(rows.shape[1:])
    network_inputs.check_discriminator(discriminator, rows.shape[1:], condition)
    outputs = call(discriminator, rows, labels, training=False)
    _check_outputs(outputs, condition)
    if condition is not None and not isinstance(outputs, list | tuple):
        network_inputs.check_takes_condition(discriminator, condition)
    return tuple(rows.shape[1:])


def _check_outputs(outputs, condition):
    """Raises unless they are one score per row, or these and class logits."""
    many = list(outputs) if isinstance(outputs, list | tuple) else [outputs]
    num_classes = getattr(condition, "num_classes", None)
    fits = (
        all(tf.is_tensor(tensor) for tensor in many)
        and many[0].shape in ((2,), (2, 1))
        and (len(many) == 1 or [tuple(t.shape) for t in many[1:]] == [(2, num_classes)])
    )
    if fits:
        return
    with_classes = (
        ", or (with an auxiliary class head) the list of that and of class logits of "
        f"shape (n, {num_classes}), in this order"
        if num_classes is not None
        else "; a class head besides needs a conditional generator, with labels"
    )
    raise ValueError(
        "`discriminator` must return one score per row, of shape (n, 1)"
        f"{with_classes}. Received for two rows: {_described(outputs)}"
    )


def _described(outputs):
    """The shapes of what a network returned, in words."""
    if tf.is_tensor(outputs):
        return f"an output of shape {tuple(outputs.shape)}"
    if isinstance(outputs, list | tuple):
        shapes = ", ".join(str(tuple(tensor.shape)) for tensor in outputs)
        return f"{len(outputs)} outputs of shapes {shapes}"
    if isinstance(outputs, dict):
        return f"a dict of outputs {sorted(outputs)}"
    return repr(outputs)
