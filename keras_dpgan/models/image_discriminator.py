"""Convolutional discriminators without statistics of the batch."""

import keras

from keras_dpgan._utils import validate
from keras_dpgan.models import image_layers
from keras_dpgan.models import labels as label_layers
from keras_dpgan.models import shapes

_SLOPE = 0.2


def image_discriminator(
    shape: tuple[int, ...],
    num_classes: int | None = None,
    width: int = 64,
    residual: bool = False,
) -> keras.Model:
    """Makes a DCGAN-style discriminator that can be trained privately.

    It has strided convolutions (two up to a side of 32, then one more per doubling) and
    LeakyReLU. It has no normalization, because with statistics of the batch one record
    would influence another's gradient, and because every further weight gets noise.
    Labels enter as additional channels, each with a constant value. Source: Radford,
    Metz and Chintala 2016, "Unsupervised Representation Learning with Deep
    Convolutional Generative Adversarial Networks".

    Examples:
        >>> discriminator = dpgan.models.image_discriminator((8, 8, 1), num_classes=10)
        >>> discriminator.output_shape
        (None, 1)

    Args:
        shape: Tuple `(height, width, channels)` of one image.
        num_classes: Int, for a conditional discriminator. Defaults to `None`.
        width: Int, the number of channels of the first convolution. Each further
            convolution has twice as many, up to `4 * width`. Defaults to 64.
        residual: Whether each convolution becomes a residual block of two, as in
            He et al. 2016, "Identity Mappings in Deep Residual Networks".
            Defaults to `False`.

    Returns:
        A functional `keras.Model` from images of shape `(n, *shape)`, or from
        `[images, labels]` with int labels of shape `(n,)`, to logits of shape
        `(n, 1)`.

    Raises:
        ValueError: If `shape` is not that of an image, or if a number is not positive.
    """
    shapes.check_image(shape)
    validate.check_int("width", width, minimum=1)
    inputs = images = keras.Input(shape, name="images")
    if num_classes is not None:
        labels = label_layers.labels_input()
        inputs = [images, labels]
        one_hot = label_layers.OneHotLabels(num_classes)(labels)
        images = label_layers.ConcatenatePlanes()([images, one_hot])
    features = images
    for i in range(shapes.num_halvings(shape)):
        filters = width * min(2**i, 4)
        if residual:
            features = _residual_block(features, filters, first=i == 0)
        else:
            kernel_size = 5 if min(shape[:2]) >= 16 else 3
            features = _strided(filters, kernel_size)(features)
            features = keras.layers.LeakyReLU(_SLOPE)(features)
    if residual:
        features = keras.layers.LeakyReLU(_SLOPE)(features)
    outputs = keras.layers.Dense(1, dtype=shapes.output_dtype(), name="logits")(
        image_layers.Flatten()(features)
    )
    return keras.Model(inputs, outputs, name="discriminator")


def _strided(filters, kernel_size):
    return image_layers.Conv2D(filters, kernel_size, strides=2, padding="same")


def _residual_block(features, filters, first):
    """Half the side; the activation comes before each convolution."""
    shortcut = _strided(filters, 1)(features)
    # The image itself needs no activation.
    if not first:
        features = keras.layers.LeakyReLU(_SLOPE)(features)
    features = image_layers.Conv2D(filters, 3, padding="same")(features)
    features = keras.layers.LeakyReLU(_SLOPE)(features)
    return keras.layers.Add()([_strided(filters, 3)(features), shortcut])
