"""A penalty on the discriminator's slope, for Wasserstein losses."""

import numbers
import typing

import keras
import tensorflow as tf

# This keeps the derivative of the norm finite if the gradient is zero.
_NORM_EPSILON = 1e-10


@keras.saving.register_keras_serializable(package="keras_dpgan")
class GradientPenalty:
    """Penalizes slopes of the discriminator that differ from a target.

    The penalty of a record is computed at points that depend on no other record. It is
    part of the record's loss, which is clipped, so it does not increase the privacy
    cost. Sources: Gulrajani et al. 2017, "Improved Training of Wasserstein GANs"; for
    `one_sided`, Petzka et al. 2018; for penalties on real or fake rows, Mescheder et
    al. 2018.

    Examples:
        >>> gan = dpgan.DPGAN(
        ...     dpgan.models.vector_discriminator(2, hidden=(8,)),
        ...     dpgan.models.vector_generator(2, latent_dim=3, hidden=(8,)),
        ... )
        >>> gan.compile(
        ...     d_optimizer=dpgan.optimizers.DPKerasSGDOptimizer(
        ...         l2_norm_clip=1.0, noise_multiplier=1.0, learning_rate=0.1
        ...     ),
        ...     g_optimizer="adam",
        ...     loss="wasserstein",
        ...     gradient_penalty=dpgan.GradientPenalty(weight=10.0),
        ... )

    Args:
        weight: Float, by which the penalty is multiplied. Defaults to `10.0`.
        target: Float, the desired slope. Defaults to `1.0`.
        one_sided: Whether only slopes above the target are penalized. Defaults
            to `False`.
        on: Where slopes are computed: `"interpolates"` (at a random point between the
            record and its fake), `"fakes"`, or `"both"`. Defaults to
            `"interpolates"`.
    """

    def __init__(
        self,
        weight: float = 10.0,
        target: float = 1.0,
        one_sided: bool = False,
        on: str = "interpolates",
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

    def points(
        self, real: tf.Tensor, fake: tf.Tensor, mixing: tf.Tensor
    ) -> list[tf.Tensor]:
        """The rows at which slopes are computed, as a list of blocks.

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

    def __call__(self, gradients: tf.Tensor) -> tf.Tensor:
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

    def get_config(self) -> dict[str, typing.Any]:
        return {
            "weight": self.weight,
            "target": self.target,
            "one_sided": self.one_sided,
            "on": self.on,
        }

    @classmethod
    def from_config(cls, config: dict[str, typing.Any]) -> typing.Self:
        return cls(**config)


def as_penalty(value):
    """The `GradientPenalty` of a weight; objects and `None` are returned unchanged."""
    if value is None or isinstance(value, GradientPenalty):
        return value
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or value < 0:
        raise ValueError(
            "`gradient_penalty` must be a weight that is not negative, such as 10.0, a "
            f"`losses.GradientPenalty` or None. Received: gradient_penalty={value!r}"
        )
    return GradientPenalty(weight=float(value))
