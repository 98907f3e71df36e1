"""Dense networks for records that are vectors."""

import collections.abc

import keras

from keras_dpgan._utils import validate
from keras_dpgan.models.labels import vector_inputs
from keras_dpgan.models.output_range import check_activation
from keras_dpgan.models.shapes import output_dtype


def vector_discriminator(
    dim: int,
    num_classes: int | None = None,
    hidden: collections.abc.Sequence[int] = (128, 128),
) -> keras.Model:
    """Makes a dense discriminator that can be trained privately.

    Examples:
        >>> dpgan.models.vector_discriminator(4, num_classes=2).output_shape
        (None, 1)

    Args:
        dim: Int, the size of one record.
        num_classes: Int, for a conditional discriminator. Defaults to `None`.
        hidden: Tuple of ints, the sizes of the hidden layers. Defaults to
            `(128, 128)`.

    Returns:
        A functional `keras.Model` from records of shape `(n, dim)`, or from
        `[records, labels]` with int labels of shape `(n,)`, to logits of shape
        `(n, 1)`.

    Raises:
        ValueError: If a size is not a positive int.
    """
    validate.check_int("dim", dim, minimum=1)
    inputs, features = vector_inputs("records", dim, num_classes)
    for units in _sizes(hidden):
        features = keras.layers.Dense(units)(features)
        features = keras.layers.LeakyReLU(0.2)(features)
    logits = keras.layers.Dense(1, dtype=output_dtype(), name="logits")(features)
    return keras.Model(inputs, logits, name="discriminator")


def vector_generator(
    dim: int,
    latent_dim: int,
    num_classes: int | None = None,
    hidden: collections.abc.Sequence[int] = (128, 128),
    output_activation: str = "linear",
) -> keras.Model:
    """Makes a dense generator of vectors, with BatchNormalization.

    Examples:
        >>> dpgan.models.vector_generator(4, latent_dim=3, num_classes=2).output_shape
        (None, 4)

    Args:
        dim: Int, the size of one record.
        latent_dim: Int, the size of a latent vector.
        num_classes: Int, for a conditional generator. Defaults to `None`.
        hidden: Tuple of ints, the sizes of the hidden layers. Defaults to
            `(128, 128)`.
        output_activation: `"tanh"` for values in [-1, 1], `"sigmoid"` for values
            in [0, 1], `"linear"` for any. Defaults to `"linear"`.

    Returns:
        A functional `keras.Model` from latents of shape `(n, latent_dim)`, or
        from `[latents, labels]` with int labels of shape `(n,)`, to records of
        shape `(n, dim)`.

    Raises:
        ValueError: If a size is not a positive int, or the activation is another.
    """
    validate.check_int("dim", dim, minimum=1)
    validate.check_int("latent_dim", latent_dim, minimum=1)
    check_activation(output_activation)
    inputs, features = vector_inputs("latents", latent_dim, num_classes)
    for units in _sizes(hidden):
        features = keras.layers.Dense(units, use_bias=False)(features)
        features = keras.layers.BatchNormalization(momentum=0.9)(features)
        features = keras.layers.ReLU()(features)
    records = keras.layers.Dense(
        dim, activation=output_activation, dtype=output_dtype(), name="records"
    )(features)
    return keras.Model(inputs, records, name="generator")


def _sizes(hidden):
    for units in hidden:
        validate.check_int("hidden", units, minimum=1)
    return hidden
