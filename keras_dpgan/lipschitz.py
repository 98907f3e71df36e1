"""Bounds on the discriminator's slope, for Wasserstein losses."""

import keras
import tensorflow as tf

from keras_dpgan import networks
from keras_dpgan.clipping.input_gradient import InputGradientTape

# Keeps the derivative of the norm finite where the gradient is zero.
_NORM_EPSILON = 1e-10


@keras.saving.register_keras_serializable(package="keras_dpgan")
class GradientPenalty:
    """Penalises slopes of the discriminator that differ from a target.

    The penalty of a record is computed at points that belong to that record
    alone and enters its loss before the clip, so that it costs no privacy.
    Source: Gulrajani et al. 2017, "Improved Training of Wasserstein GANs"; one
    side: Petzka et al. 2018; on real or fake rows: Mescheder et al. 2018.

    Args:
        weight: Float. What the penalty is multiplied by. Defaults to `10.0`.
        target: Float. The wanted slope. Defaults to `1.0`.
        one_sided: Whether only slopes above the target are penalised. Defaults
            to `False`.
        on: Where slopes are taken: `"interpolates"` (a random point between
            the record and its fake), `"fakes"`, or `"both"`. Defaults to
            `"interpolates"`.
    """

    def __init__(
        self, weight=10.0, target=1.0, one_sided=False, on="interpolates"
    ) -> None:
        if weight < 0:
            raise ValueError(
                "`weight` of a gradient penalty must not be negative. "
                f"Received: weight={weight}"
            )
        if target < 0:
            raise ValueError(
                "`target` of a gradient penalty must not be negative. "
                f"Received: target={target}"
            )
        if on not in ("interpolates", "fakes", "both"):
            raise ValueError(
                f'`on` must be "interpolates", "fakes" or "both". Received: on={on!r}'
            )
        self.weight = float(weight)
        self.target = float(target)
        self.one_sided = bool(one_sided)
        self.on = on

    def points(self, real, fake, mixing):
        """The rows at which slopes are taken, as a list of blocks.

        Args:
            real: Float tensor of shape `(n, ...)`.
            fake: Float tensor of the same shape; row `i` belongs to record `i`.
            mixing: Float tensor of shape `(n,)` with values in [0, 1].

        Returns:
            List of tensors of the shape of `real`.
        """
        blocks = []
        if self.on in ("interpolates", "both"):
            weights = tf.reshape(
                mixing, tf.concat([[-1], tf.ones(real.shape.rank - 1, tf.int32)], 0)
            )
            weights = tf.cast(weights, real.dtype)
            blocks.append(real + weights * (fake - real))
        if self.on in ("fakes", "both"):
            blocks.append(tf.identity(fake))
        return blocks

    def __call__(self, gradients):
        """The penalty per row.

        Args:
            gradients: Float tensor of shape `(rows, ...)`: the gradient of each
                row's score by the row.

        Returns:
            Tensor of shape `(rows,)`.
        """
        flat = tf.reshape(gradients, (tf.shape(gradients)[0], -1))
        squares = tf.reduce_sum(tf.square(flat), axis=1)
        excess = tf.sqrt(squares + _NORM_EPSILON) - self.target
        if self.one_sided:
            excess = tf.nn.relu(excess)
        return self.weight * tf.square(excess)

    def get_config(self):
        return {
            "weight": self.weight,
            "target": self.target,
            "one_sided": self.one_sided,
            "on": self.on,
        }

    @classmethod
    def from_config(cls, config):
        return cls(**config)


@keras.saving.register_keras_serializable(package="keras_dpgan")
class WeightClipping(keras.constraints.Constraint):
    """Keeps each weight within `[-limit, limit]`.

    It is applied to the discriminator's weights after each of its updates. It
    bounds the slope; it gives no privacy, which the clipped and noised
    gradients do. Source: Arjovsky et al. 2017, "Wasserstein GAN", algorithm 1.

    Args:
        limit: Positive float. Defaults to `0.01`.
    """

    def __init__(self, limit=0.01) -> None:
        if limit <= 0:
            raise ValueError(
                "`limit` of a weight clipping must be positive. "
                f"Received: limit={limit}"
            )
        self.limit = float(limit)

    def __call__(self, w):
        return keras.ops.clip(w, -self.limit, self.limit)

    def get_config(self):
        return {"limit": self.limit}


def as_penalty(value):
    """The `GradientPenalty` of a weight; objects and `None` as they are."""
    if value is None or isinstance(value, GradientPenalty):
        return value
    return GradientPenalty(weight=value)


def as_weight_clipping(value):
    """The `WeightClipping` of a limit; objects and `None` as they are."""
    if value is None or isinstance(value, WeightClipping):
        return value
    return WeightClipping(limit=value)


def scores_and_penalty(discriminator, real, fake, labels, mixing, penalty):
    """As `heads_and_penalty`, with scores of shape `(n,)` in the place of heads."""
    real, fake, penalties = heads_and_penalty(
        discriminator, real, fake, labels, labels, mixing, penalty
    )
    return real.scores, fake.scores, penalties


def heads_and_penalty(discriminator, real, fake, labels, fake_labels, mixing, penalty):
    """What the discriminator says of each record's rows, and its slope's penalty.

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
            # Slopes are those of scores. A head that no gradient reached would make
            # the ghost engine go record by record.
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
