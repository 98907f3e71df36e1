"""Mechanisms: which noise is added, how much, and from which source it is drawn."""

import typing

from keras_dpgan.mechanisms import tf_privacy
from keras_dpgan.mechanisms.gaussian import GaussianMechanism


def gaussian(l2_norm_clip: float, noise_multiplier: float) -> typing.Any:
    """The Gaussian mechanism, by TensorFlow Privacy if it is installed.

    Source: Dwork and Roth 2014, "The Algorithmic Foundations of Differential Privacy",
    appendix A; TensorFlow Privacy, `GaussianSumQuery`.

    Examples:
        >>> mechanism = dpgan.mechanisms.gaussian(
        ...     l2_norm_clip=1.0, noise_multiplier=0.6
        ... )
        >>> mechanism.noise_multiplier
        0.6

    Args:
        l2_norm_clip: Positive float.
        noise_multiplier: Non-negative float.

    Returns:
        A mechanism; see `GaussianMechanism` for the interface.
    """
    if tf_privacy.is_available():
        return tf_privacy.gaussian_mechanism(l2_norm_clip, noise_multiplier)
    return GaussianMechanism(l2_norm_clip, noise_multiplier)
