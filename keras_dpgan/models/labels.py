"""Layers that feed int labels into a network, for each row by itself."""

import typing

import keras
import tensorflow as tf

from keras_dpgan._utils import validate


@keras.saving.register_keras_serializable(package="keras_dpgan")
class OneHotLabels(keras.layers.Layer):
    """Turns int labels into one-hot vectors.

    `DPGAN` gets the number of labels from this layer. A label outside
    [0, num_classes) becomes a vector of zeros.

    Examples:
        >>> import numpy as np
        >>> dpgan.models.OneHotLabels(3)(np.array([2, 0])).numpy()
        array([[0., 0., 1.],
               [1., 0., 0.]], dtype=float32)

    Args:
        num_classes: Positive int.
        **kwargs: `name` and the other arguments of `keras.layers.Layer`.

    Input shape:
        `(n,)`, of any int dtype.

    Output shape:
        `(n, num_classes)`, floats.
    """

    def __init__(self, num_classes: int, **kwargs: typing.Any) -> None:
        super().__init__(**kwargs)
        validate.check_int("num_classes", num_classes, minimum=1)
        self.num_classes = num_classes

    def call(self, labels: typing.Any) -> tf.Tensor:
        # `one_hot` does not accept int16.
        labels = keras.ops.cast(labels, "int32")
        return keras.ops.one_hot(labels, self.num_classes, dtype=self.compute_dtype)

    def compute_output_shape(self, input_shape: typing.Any) -> typing.Any:
        return (*input_shape, self.num_classes)

    def get_config(self) -> dict[str, typing.Any]:
        return {**super().get_config(), "num_classes": self.num_classes}


@keras.saving.register_keras_serializable(package="keras_dpgan")
class ConcatenatePlanes(keras.layers.Layer):
    """Adds each entry of a vector to an image as a channel of one value.

    Source: Radford, Metz and Chintala 2016 for the images, Mirza and Osindero
    2014, "Conditional Generative Adversarial Nets", for the labels.

    Examples:
        >>> import numpy as np
        >>> layer = dpgan.models.ConcatenatePlanes()
        >>> layer([np.zeros((5, 8, 8, 1)), np.zeros((5, 10))]).shape
        TensorShape([5, 8, 8, 11])

    Input shape:
        `[(n, height, width, channels), (n, size)]`.

    Output shape:
        `(n, height, width, channels + size)`.
    """

    def call(self, inputs: typing.Any) -> tf.Tensor:
        images, vectors = inputs
        planes = vectors[:, None, None, :] * keras.ops.ones_like(images[..., :1])
        return keras.ops.concatenate([images, planes], axis=-1)

    def compute_output_shape(self, input_shape: typing.Any) -> typing.Any:
        images, vectors = input_shape
        return (*images[:-1], images[-1] + vectors[-1])


def labels_input():
    """The input of a conditional network that takes one label per row."""
    return keras.Input((), dtype="int32", name="labels")


def vector_inputs(name, size, num_classes):
    """The inputs of a network on vectors, and the input of its first layer.

    Args:
        name: String, the name of the input of vectors.
        size: Int, the size of a vector.
        num_classes: Int, or `None` for a network without labels.

    Returns:
        `(inputs, vectors)`: the input or pair of inputs of the model, and the
        vectors with the one-hot labels at their end, if there are labels.
    """
    vectors = keras.Input((size,), name=name)
    if num_classes is None:
        return vectors, vectors
    labels = labels_input()
    one_hot = OneHotLabels(num_classes)(labels)
    return [vectors, labels], keras.layers.Concatenate()([vectors, one_hot])
