"""Bounds on the discriminator's slope, for Wasserstein losses."""

import keras
import tensorflow as tf

from keras_dpgan.clipping.contract import at_least_float32
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
    """The discriminator's scores of each record's rows, and its slope's penalty.

    Args:
        discriminator: Callable on a batch of rows, or on `[rows, labels]`.
        real: Float tensor of shape `(n, ...)`.
        fake: Float tensor of the same shape.
        labels: Int tensor of shape `(n,)`, or `None`.
        mixing: Float tensor of shape `(n,)` with values in [0, 1].
        penalty: A `GradientPenalty`, or `None`.

    Returns:
        `(real_scores, fake_scores, penalties)`, each of shape `(n,)`;
        `penalties` is zero without a penalty.
    """
    scores = _scores(discriminator, [real, fake], labels)
    real_scores, fake_scores = tf.split(scores, 2)
    if penalty is None:
        return real_scores, fake_scores, tf.zeros_like(real_scores)
    points = penalty.points(real, fake, mixing)
    with InputGradientTape() as tape:
        for block in points:
            tape.watch(block)
        # A call of their own: real and fake rows beside them would cost half
        # as much again, since the backward pass goes through all rows of a call.
        total = tf.reduce_sum(_scores(discriminator, points, labels))
    gradients = tape.gradient(total, points)
    penalties = tf.add_n([penalty(g) for g in gradients])
    return real_scores, fake_scores, penalties


def _scores(discriminator, blocks, labels):
    rows = tf.concat(blocks, 0)
    if labels is None:
        scores = discriminator(rows, training=True)
    else:
        labels = tf.tile(labels, [len(blocks)])
        scores = discriminator([rows, labels], training=True)
    return at_least_float32(tf.reshape(scores, [-1]))
