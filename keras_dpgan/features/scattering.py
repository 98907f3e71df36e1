"""Wavelet features of images: fixed, and so public."""

import typing

import keras
import numpy as np
import tensorflow as tf

from keras_dpgan._utils import validate

_SIDE = 7
# Waves in a pixel (3 pi / 4), and how far they reach, in pixels.
_FREQUENCY = 0.375
_ENVELOPE = 0.8
_SLANT = 0.5
# Keeps the slope of a modulus finite where it is zero.
_SMALLEST_SQUARE = 1e-6


@keras.saving.register_keras_serializable(package="keras_dpgan")
class Scattering(keras.layers.Layer):
    """How much of each wave there is in each part of an image.

    Waves of some angles and two lengths, and the waves of the shorter ones' strength,
    each averaged over squares of 4 by 4 pixels, beside the image's own average. All
    of it is fixed: nothing was ever fitted, so that it tells nothing of a record.
    Every image is computed from itself alone.

    Source: Bruna and Mallat 2013, "Invariant Scattering Convolution Networks", with
    Morlet wavelets cut to 7 by 7 pixels, and averages in the place of Gaussian
    windows. Tramer and Boneh 2021 have shown how well private classifiers do on them.

    Examples:
        >>> import numpy as np
        >>> layer = dpgan.features.Scattering(angles=4)
        >>> layer(np.zeros((5, 28, 28, 1), "float32")).shape
        TensorShape([5, 7, 7, 25])

    Args:
        angles: Int, the angles of the waves. Defaults to 8.
        **kwargs: `name` and the other arguments of `keras.layers.Layer`.

    Input shape:
        `(n, height, width, channels)`, with sides divisible by 4.

    Output shape:
        `(n, height / 4, width / 4, channels * (1 + 2 * angles + angles**2))`.
    """

    def __init__(self, angles: int = 8, **kwargs: typing.Any) -> None:
        super().__init__(**kwargs)
        self.angles = validate.check_int("angles", angles, minimum=1)
        self.trainable = False

    def build(self, input_shape: typing.Any) -> None:
        shape = tuple(input_shape)
        if len(shape) != 4 or None in shape[1:] or shape[1] % 4 or shape[2] % 4:
            raise ValueError(
                "`Scattering` takes images of shape (height, width, channels) with "
                "sides divisible by 4. Pad or resize them first. Received: rows of "
                f"shape {shape[1:]}"
            )
        self._waves = morlet_waves(self.angles)

    def call(self, inputs: typing.Any) -> tf.Tensor:
        height, width, channels = inputs.shape[1:]
        planes = tf.cast(inputs, tf.float32)
        # Each channel by itself, as an image of its own.
        planes = tf.reshape(tf.transpose(planes, (0, 3, 1, 2)), (-1, height, width, 1))
        half = _halved(planes)
        short = _halved(self._strengths(planes))
        long = self._strengths(half)
        flat = tf.reshape(
            tf.transpose(short, (0, 3, 1, 2)), (-1, height // 2, width // 2, 1)
        )
        both = _halved(self._strengths(flat))
        both = tf.reshape(both, (-1, self.angles, height // 4, width // 4, self.angles))
        both = tf.reshape(
            tf.transpose(both, (0, 2, 3, 1, 4)),
            (-1, height // 4, width // 4, self.angles**2),
        )
        found = tf.concat([_halved(half), _halved(short), _halved(long), both], -1)
        found = tf.reshape(
            found, (-1, channels, height // 4, width // 4, found.shape[-1])
        )
        found = tf.transpose(found, (0, 2, 3, 1, 4))
        shape = self.compute_output_shape(inputs.shape)
        return tf.cast(tf.reshape(found, (-1, *shape[1:])), self.compute_dtype)

    def _strengths(self, planes):
        """The modulus of the image's product with each wave, around each pixel."""
        edge = [_SIDE // 2] * 2
        padded = tf.pad(planes, [[0, 0], edge, edge, [0, 0]], "SYMMETRIC")
        products = tf.nn.conv2d(padded, self._waves, 1, "VALID")
        real, imaginary = tf.split(products, 2, axis=-1)
        return tf.sqrt(real**2 + imaginary**2 + _SMALLEST_SQUARE)

    def compute_output_shape(self, input_shape: typing.Any) -> typing.Any:
        n, height, width, channels = input_shape
        return (
            n,
            height // 4,
            width // 4,
            channels * (1 + 2 * self.angles + self.angles**2),
        )

    def get_config(self) -> dict[str, typing.Any]:
        return {**super().get_config(), "angles": self.angles}


def morlet_waves(angles):
    """Real parts and then imaginary parts of Morlet waves, of norm one.

    Args:
        angles: Int.

    Returns:
        Float32 array of shape `(7, 7, 1, 2 * angles)`.
    """
    place = np.arange(_SIDE) - _SIDE // 2
    down, right = np.meshgrid(place, place, indexing="ij")
    waves = []
    for angle in np.pi * np.arange(angles) / angles:
        along = np.cos(angle) * right + np.sin(angle) * down
        across = np.cos(angle) * down - np.sin(angle) * right
        envelope = np.exp(-(along**2 + _SLANT**2 * across**2) / (2 * _ENVELOPE**2))
        wave = np.exp(2j * np.pi * _FREQUENCY * along)
        # Less what it sees of an image of one gray.
        wave = envelope * (wave - (envelope * wave).sum() / envelope.sum())
        waves.append(wave / np.sqrt((np.abs(wave) ** 2).sum()))
    waves = np.stack(waves, axis=-1)
    both = np.concatenate([waves.real, waves.imag], axis=-1)
    return both[:, :, None].astype(np.float32)


def _halved(planes):
    return tf.nn.avg_pool2d(planes, 2, 2, "VALID")
