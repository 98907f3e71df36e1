"""Convolutional generators."""

import math

import keras

from keras_dpgan._utils import validate
from keras_dpgan.models import image_layers
from keras_dpgan.models import labels as label_layers
from keras_dpgan.models import shapes
from keras_dpgan.models.output_range import check_activation

# Under a budget the generator gets few updates, so moving averages must adapt quickly.
_MOMENTUM = 0.9


def image_generator(
    shape: tuple[int, ...],
    latent_dim: int,
    num_classes: int | None = None,
    width: int = 64,
    output_activation: str = "tanh",
    residual: bool = False,
) -> keras.Model:
    """Makes a DCGAN-style generator of images.

    A dense layer makes a small image, and a transposed convolution doubles its side
    until `shape` is reached. BatchNormalization is allowed here, because the generator
    only sees public latents and labels. Source: Radford, Metz and Chintala 2016.

    Examples:
        >>> generator = dpgan.models.image_generator(
        ...     (8, 8, 1), latent_dim=16, num_classes=10
        ... )
        >>> generator.output_shape
        (None, 8, 8, 1)

    Args:
        shape: Tuple `(height, width, channels)` of one image. Its sides must be
            one power of two (at least 2) times a number from 2 to 16: 8 = 4 * 2,
            28 = 4 * 7, 32 = 8 * 4.
        latent_dim: Int, the size of a latent vector.
        num_classes: Int, for a conditional generator. Defaults to `None`.
        width: Int, the number of channels before the last doubling. Before each
            earlier doubling there are twice as many, up to `4 * width`. Defaults to 64.
        output_activation: `"tanh"` for pixels in [-1, 1], `"sigmoid"` for pixels
            in [0, 1], `"linear"` for any. Defaults to `"tanh"`.
        residual: Whether each doubling becomes a residual block of two
            convolutions. Defaults to `False`.

    Returns:
        A functional `keras.Model` from latents of shape `(n, latent_dim)`, or
        from `[latents, labels]` with int labels of shape `(n,)`, to images of
        shape `(n, *shape)`.

    Raises:
        ValueError: If `shape` cannot be reached by doublings, or if another argument
            is out of its range.
    """
    shapes.check_image(shape)
    validate.check_int("latent_dim", latent_dim, minimum=1)
    validate.check_int("width", width, minimum=1)
    check_activation(output_activation)
    doublings = shapes.num_doublings(shape)
    filters = [width * min(2**i, 4) for i in reversed(range(doublings))]
    inputs, vectors = label_layers.vector_inputs("latents", latent_dim, num_classes)
    start = (shape[0] >> doublings, shape[1] >> doublings, filters[0])
    features = keras.layers.Dense(math.prod(start), use_bias=False)(vectors)
    features = keras.layers.Reshape(start)(features)
    last = {
        "activation": output_activation,
        "dtype": shapes.output_dtype(),
        "name": "images",
    }
    if residual:
        for count in [*filters[1:], max(1, width // 2)]:
            features = _residual_block(features, count)
        output = image_layers.Conv2D(shape[2], 3, padding="same", **last)
    else:
        for count in filters[1:]:
            features = _double(count, use_bias=False)(_normalize(features))
        output = _double(shape[2], **last)
    return keras.Model(inputs, output(_normalize(features)), name="generator")


def _double(filters, **kwargs):
    # If the stride divides the size of the kernel, it covers all pixels equally often.
    return image_layers.Conv2DTranspose(filters, 4, strides=2, padding="same", **kwargs)


def _residual_block(features, filters):
    shortcut = image_layers.UpSampling2D()(features)
    shortcut = image_layers.Conv2D(filters, 1)(shortcut)
    features = image_layers.UpSampling2D()(_normalize(features))
    features = image_layers.Conv2D(filters, 3, padding="same", use_bias=False)(features)
    features = image_layers.Conv2D(filters, 3, padding="same")(_normalize(features))
    return keras.layers.Add()([features, shortcut])


def _normalize(features):
    features = keras.layers.BatchNormalization(momentum=_MOMENTUM)(features)
    return keras.layers.ReLU()(features)
