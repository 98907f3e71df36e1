"""The range of a generator's output."""

import keras

from keras_dpgan._utils.keras_internals import last_activation

_RANGES = {"tanh": (-1.0, 1.0), "sigmoid": (0.0, 1.0), "linear": None}


def output_range(generator: keras.Model) -> tuple[float, float] | None:
    """Determines the range of a generator's output from its last activation.

    Examples:
        >>> generator = dpgan.models.image_generator((8, 8, 1), latent_dim=16)
        >>> dpgan.models.output_range(generator)
        (-1.0, 1.0)

    Args:
        generator: A `keras.Model`.

    Returns:
        `(-1.0, 1.0)` after tanh, `(0.0, 1.0)` after a sigmoid, and `None` if the output
        is not bounded or the activation cannot be determined.
    """
    return _RANGES.get(last_activation(generator))


def check_activation(output_activation):
    """Raises unless `output_activation` is a name whose range is known."""
    if not isinstance(output_activation, str) or output_activation not in _RANGES:
        raise ValueError(
            '`output_activation` must be "tanh", "sigmoid" or "linear". '
            f"Received: output_activation={output_activation!r}"
        )
