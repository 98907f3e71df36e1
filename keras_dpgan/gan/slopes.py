"""The discriminator's scores, and its slopes between real rows and fakes."""

import tensorflow as tf

from keras_dpgan.clipping.input_gradient import InputGradientTape
from keras_dpgan.gan import networks


def scores_and_penalty(discriminator, real, fake, labels, mixing, penalty):
    """As `heads_and_penalty`, with scores of shape `(n,)` in the place of heads."""
    real, fake, penalties = heads_and_penalty(
        discriminator, real, fake, labels, labels, mixing, penalty
    )
    return real.scores, fake.scores, penalties


def heads_and_penalty(discriminator, real, fake, labels, fake_labels, mixing, penalty):
    """The discriminator's outputs for each record, and the penalty on its slope.

    Args:
        discriminator: Callable on a batch of rows, or on `[rows, labels]`.
        real: Float tensor of shape `(n, ...)`.
        fake: Float tensor of the same shape.
        labels: Labels or conditions of the real rows, of shape `(n,)` or `(n, d)`,
            or `None`. Slopes between a real row and its fake are taken at these.
        fake_labels: Those of the fake rows, of the same shape, or `None`.
        mixing: Float tensor of shape `(n,)` with values in [0, 1].
        penalty: A `GradientPenalty`, or `None`.

    Returns:
        `(real, fake, penalties)`: two `networks.Heads` of `n` rows, and a tensor of
        shape `(n,)`, zero without a penalty.
    """
    both = _heads(discriminator, [real, fake], [labels, fake_labels])
    real_heads, fake_heads = _halves(both)
    if penalty is None:
        return real_heads, fake_heads, tf.zeros_like(real_heads.scores)
    points = penalty.points(real, fake, mixing)
    with InputGradientTape() as tape:
        for block in points:
            tape.watch(block)
        # A call of their own: real and fake rows beside them would cost half
        # as much again, since the backward pass goes through all rows of a call.
        slopes = _heads(discriminator, points, [labels] * len(points))
        total = tf.reduce_sum(slopes.scores)
        if slopes.classes is not None:
            # Slopes are those of the scores alone. This term lets a gradient reach the
            # class head, without which the ghost engine would go record by record.
            total += 0.0 * tf.reduce_sum(slopes.classes)
    gradients = tape.gradient(total, points)
    penalties = tf.add_n([penalty(g) for g in gradients])
    return real_heads, fake_heads, penalties


def _heads(discriminator, blocks, labels):
    rows = tf.concat(blocks, 0)
    labels = None if labels[0] is None else tf.concat(labels, 0)
    return networks.heads(discriminator, rows, labels, training=True)


def _halves(heads):
    """The heads of the first half of the rows, and those of the second."""
    scores = tf.split(heads.scores, 2)
    classes = [None] * 2 if heads.classes is None else tf.split(heads.classes, 2)
    return [networks.Heads(*half) for half in zip(scores, classes, strict=True)]
