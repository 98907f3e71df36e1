"""A bound on the discriminator's weights, which also bounds its slope."""

import typing

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="keras_dpgan")
class WeightClipping(keras.constraints.Constraint):
    """Keeps each weight within `[-limit, limit]`.

    It is applied to the discriminator's weights after each update. It bounds the slope
    and gives no privacy; the clipped and noised gradients do that. Source: Arjovsky et
    al. 2017, "Wasserstein GAN", algorithm 1.

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
        ...     weight_clip=dpgan.WeightClipping(limit=0.01),
        ... )

    Args:
        limit: Positive float. Defaults to `0.01`.
    """

    def __init__(self, limit: float = 0.01) -> None:
        if limit <= 0:
            raise ValueError(
                "`limit` of a weight clipping must be positive. "
                f"Received: limit={limit}"
            )
        self.limit = float(limit)

    def __call__(self, w: tf.Tensor) -> tf.Tensor:
        return keras.ops.clip(w, -self.limit, self.limit)

    def get_config(self) -> dict[str, typing.Any]:
        return {"limit": self.limit}


def as_weight_clipping(value):
    """The `WeightClipping` of a limit; objects and `None` are returned unchanged."""
    if value is None or isinstance(value, WeightClipping):
        return value
    return WeightClipping(limit=value)
