"""A generator that starts as a mixture of Gaussians and can then be trained."""

import typing

import keras
import numpy as np
import tensorflow as tf

from keras_dpgan._utils import validate
from keras_dpgan.models import image_layers
from keras_dpgan.models import labels as label_layers
from keras_dpgan.models import shapes

_SLOPE = 0.2
# This keeps the inverse of tanh finite if a pixel is black or white.
_LARGEST_PIXEL = 0.99


@keras.saving.register_keras_serializable(package="keras_dpgan")
class ClassMixtureLayer(keras.layers.Layer):
    """Turns normal numbers and a label into a row of a mixture of Gaussians.

    The first latent of a row chooses the component, through the normal distribution
    function. The next `rank` latents are the row's coordinates in that component.

    Examples:
        >>> import numpy as np
        >>> layer = dpgan.models.ClassMixtureLayer(
        ...     num_classes=3, components=1, rank=4, dim=64
        ... )
        >>> layer([np.zeros((5, 5), "float32"), np.zeros(5, "int32")]).shape
        TensorShape([5, 64])

    Args:
        num_classes: Int.
        components: Int, the number of Gaussians per label.
        rank: Int, the number of coordinates of one row.
        dim: Int, the size of a row.
        **kwargs: `name` and the other arguments of `keras.layers.Layer`.

    Input shape:
        `[(n, latent_dim), (n,)]` with `latent_dim` of at least `rank + 1`.

    Output shape:
        `(n, dim)`.
    """

    def __init__(
        self,
        num_classes: int,
        components: int,
        rank: int,
        dim: int,
        **kwargs: typing.Any,
    ) -> None:
        super().__init__(**kwargs)
        self.trainable = False
        self.num_classes = num_classes
        self.components = components
        self.rank = rank
        self.dim = dim

    def build(self, input_shape: typing.Any) -> None:
        groups = self.num_classes * self.components
        self.cumulated = self._weight("cumulated", (self.num_classes, self.components))
        self.means = self._weight("means", (groups, self.dim))
        self.factors = self._weight("factors", (groups, self.rank * self.dim))

    def _weight(self, name, shape):
        return self.add_weight(
            name=name, shape=shape, initializer="zeros", trainable=False
        )

    def begin_at(self, mixture: typing.Any) -> None:
        """Sets the weights to those of a `keras_dpgan.mixture.ClassMixture`."""
        cumulated = np.cumsum(mixture.weights, axis=1)
        groups = self.num_classes * self.components
        self.set_weights(
            [
                cumulated / cumulated[:, -1:],
                mixture.means.reshape(groups, self.dim),
                mixture.factors.reshape(groups, self.rank * self.dim),
            ]
        )

    def call(self, inputs: typing.Any) -> tf.Tensor:
        latents, labels = inputs
        ops = keras.ops
        labels = ops.cast(labels, "int32")
        uniform = 0.5 * (1.0 + ops.erf(latents[:, :1] / np.sqrt(2.0)))
        past = ops.cast(uniform >= ops.take(self.cumulated, labels, axis=0), "int32")
        component = ops.minimum(ops.sum(past, axis=1), self.components - 1)
        group = labels * self.components + component
        # A row has its coordinates in the place of its own group and zeros elsewhere,
        # so one product computes all rows with their own factors.
        own = ops.one_hot(group, self.num_classes * self.components)
        coordinates = own[:, :, None] * latents[:, None, 1 : self.rank + 1]
        factors = ops.reshape(self.factors, (-1, self.dim))
        rows = ops.matmul(ops.reshape(coordinates, (-1, factors.shape[0])), factors)
        return rows + ops.take(self.means, group, axis=0)

    def compute_output_shape(self, input_shape: typing.Any) -> typing.Any:
        return (input_shape[0][0], self.dim)

    def get_config(self) -> dict[str, typing.Any]:
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "components": self.components,
            "rank": self.rank,
            "dim": self.dim,
        }


@keras.saving.register_keras_serializable(package="keras_dpgan")
class RefinedPixels(keras.layers.Layer):
    """Adds a correction to pixels in [-1, 1] and keeps them there, by tanh.

    Examples:
        >>> import numpy as np
        >>> layer = dpgan.models.RefinedPixels()
        >>> layer([np.zeros((5, 8, 8, 1)), np.ones((5, 8, 8, 1))]).shape
        TensorShape([5, 8, 8, 1])

    Input shape:
        Two of `(n, height, width, channels)`: the pixels and the correction.

    Output shape:
        `(n, height, width, channels)`.
    """

    activation = staticmethod(keras.activations.tanh)

    def call(self, inputs: typing.Any) -> tf.Tensor:
        pixels, correction = inputs
        limit = _LARGEST_PIXEL
        bounded = keras.ops.clip(pixels, -limit, limit)
        return self.activation(keras.ops.arctanh(bounded) + correction)

    def compute_output_shape(self, input_shape: typing.Any) -> typing.Any:
        return input_shape[0]


def mixture_generator(
    shape: tuple[int, ...], mixture: typing.Any, width: int = 32
) -> keras.Model:
    """Makes a generator of images whose first samples are those of a mixture.

    A convolutional network corrects the mixture's rows. Its last layer starts at zero,
    so that the untrained generator equals the mixture. No layer has statistics of the
    batch.

    Examples:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> x = rng.uniform(-1, 1, (60, 8, 8, 1)).astype("float32")
        >>> y = np.arange(60) % 3
        >>> mixture, entry = dpgan.mixture.private_class_mixture(
        ...     x, y, num_classes=3, noise_multiplier=2.0, rank=4
        ... )
        >>> generator = dpgan.models.mixture_generator((8, 8, 1), mixture, width=4)
        >>> generator([np.zeros((5, 5)), np.zeros(5, "int32")]).shape
        TensorShape([5, 8, 8, 1])

    Args:
        shape: Tuple `(height, width, channels)`, with sides divisible by 4.
        mixture: A `keras_dpgan.mixture.ClassMixture` of rows in [-1, 1].
        width: Int, the channels of the correcting network's first layer. Defaults
            to 32.

    Returns:
        A functional `keras.Model` from `[latents, labels]`, with latents of shape
        `(n, mixture.rank + 1)`, to images of shape `(n, *shape)` in [-1, 1].

    Raises:
        ValueError: If `shape` does not fit the mixture.
    """
    shapes.check_image(shape)
    validate.check_int("width", width, minimum=1)
    num_classes, components, dim = mixture.means.shape
    if np.prod(shape) != dim or shape[0] % 4 or shape[1] % 4:
        raise ValueError(
            "`shape` must have sides divisible by 4 and as many pixels as the "
            f"mixture's rows, {dim}. Received: shape={tuple(shape)}"
        )
    latents = keras.Input((mixture.rank + 1,), name="latents")
    labels = label_layers.labels_input()
    layer = ClassMixtureLayer(num_classes, components, mixture.rank, dim)
    pixels = keras.layers.Reshape(shape)(layer([latents, labels]))
    layer.begin_at(mixture)
    one_hot = label_layers.OneHotLabels(num_classes)(labels)
    correction = _correction(pixels, one_hot, width)
    images = RefinedPixels(dtype=shapes.output_dtype(), name="images")(
        [pixels, correction]
    )
    return keras.Model([latents, labels], images, name="generator")


def _correction(pixels, one_hot, width):
    """Halves the side twice, then doubles it twice with skip connections."""
    layers = keras.layers
    planes = label_layers.ConcatenatePlanes()([pixels, one_hot])
    half = _active(image_layers.Conv2D(width, 5, strides=2, padding="same")(planes))
    quarter = _active(
        image_layers.Conv2D(2 * width, 3, strides=2, padding="same")(half)
    )
    quarter = _active(image_layers.Conv2D(2 * width, 3, padding="same")(quarter))
    up = _active(
        image_layers.Conv2DTranspose(width, 4, strides=2, padding="same")(quarter)
    )
    up = layers.Concatenate()([up, half])
    up = image_layers.Conv2DTranspose(width // 2 or 1, 4, strides=2, padding="same")(up)
    up = layers.Concatenate()([_active(up), pixels])
    return image_layers.Conv2D(
        pixels.shape[-1], 5, padding="same", kernel_initializer="zeros"
    )(up)


def _active(features):
    return keras.layers.LeakyReLU(_SLOPE)(features)
