"""A built-in Gaussian mechanism, used if TensorFlow Privacy is not installed."""

import typing

import tensorflow as tf

from keras_dpgan._utils import validate

# The accounting reads these, and traced graphs contain their values, so nobody may set
# them.
READ_ONLY = dict.fromkeys(
    (
        "name",
        "initial_state",
        "clipped_count_stddev",
        "initial_l2_norm_clip",
        "noise_multiplier",
        "l2_norm_clip",
        "noise_stddev",
        "next_state",
        "_query",
        "_quantile",
    ),
    "Make a new optimizer with other numbers and give it to `compile`.",
)


class GaussianMechanism(validate.ReadOnly):
    """Adds Gaussian noise of a fixed scale to a clipped sum.

    Every mechanism has this interface.

    Attributes:
        initial_state: Tuple of floats, the state that changes from update to update.
            Here it is empty.

    Args:
        l2_norm_clip: Positive float.
        noise_multiplier: Non-negative float: the noise's standard deviation is
            `noise_multiplier * l2_norm_clip`.
    """

    _read_only = READ_ONLY
    name = "gaussian"
    initial_state = ()
    clipped_count_stddev = None

    def __init__(self, l2_norm_clip: float, noise_multiplier: float) -> None:
        self.initial_l2_norm_clip = l2_norm_clip
        self.noise_multiplier = noise_multiplier

    def l2_norm_clip(self, state: list[tf.Tensor]) -> tf.Tensor:
        """The clip of the next update, a float or a scalar tensor."""
        del state
        return self.initial_l2_norm_clip

    def noise_stddev(self, state: list[tf.Tensor]) -> tf.Tensor:
        """The standard deviation of the noise that the next sum gets."""
        return self.noise_multiplier * self.l2_norm_clip(state)

    def next_state(
        self, state: list[tf.Tensor], clipped_sum: typing.Any, count_noise: tf.Tensor
    ) -> list[tf.Tensor]:
        """The state after an update.

        Args:
            state: List of float32 scalar tensors.
            clipped_sum: The `ClippedSum` of the update, over all replicas.
            count_noise: A standard normal scalar tensor.

        Returns:
            List of float32 scalar tensors.
        """
        del clipped_sum, count_noise
        return state

    def get_config(self) -> dict[str, typing.Any]:
        return {
            "l2_norm_clip": self.initial_l2_norm_clip,
            "noise_multiplier": self.noise_multiplier,
        }
