"""Random waves of rows: fixed by a seed, and so public."""

import typing

import keras
import numpy as np
import tensorflow as tf

from keras_dpgan._utils import validate


@keras.saving.register_keras_serializable(package="keras_dpgan")
class RandomFeatures(keras.layers.Layer):
    """Sines and cosines of random projections of a row.

    Two distributions of rows whose means of these features are equal are close to
    each other in a Gaussian kernel: what such a mean says is no longer about single
    columns, but about all of a row. The projections are drawn from the seed alone.

    Source: Rahimi and Recht 2007, "Random Features for Large-Scale Kernel
    Machines"; Harder, Adamczewski and Park 2021, "DP-MERF", for their release.

    Examples:
        >>> import numpy as np
        >>> layer = dpgan.features.RandomFeatures(100, scale=2.0)
        >>> features = layer(np.ones((5, 4), "float32"))
        >>> features.shape
        TensorShape([5, 100])
        >>> float(np.linalg.norm(features[0]).round(4))
        1.0

    Args:
        num_features: Int, even: half of them are sines. Each row has norm one.
        scale: Positive float, the kernel's: rows that are nearer than it look
            alike. The square root of a row's size fits rows in [-1, 1].
        seed: Int, public. Defaults to 0.
        **kwargs: `name` and the other arguments of `keras.layers.Layer`.

    Input shape:
        `(n, ...)`.

    Output shape:
        `(n, num_features)`.
    """

    def __init__(
        self, num_features: int, scale: float, seed: int = 0, **kwargs: typing.Any
    ) -> None:
        super().__init__(**kwargs)
        self.num_features = validate.check_int("num_features", num_features, minimum=2)
        if self.num_features % 2:
            raise ValueError(
                "`num_features` must be even: half of them are sines, and half are "
                f"cosines. Received: num_features={num_features}"
            )
        self.scale = validate.check_positive("scale", scale)
        self.seed = validate.check_int("seed", seed, minimum=0)
        self.trainable = False

    def build(self, input_shape: typing.Any) -> None:
        if None in input_shape[1:]:
            raise ValueError(
                "`RandomFeatures` takes rows of one known shape. Received: rows of "
                f"shape {tuple(input_shape[1:])}"
            )
        size = int(np.prod(input_shape[1:]))
        rng = np.random.default_rng(self.seed)
        drawn = rng.standard_normal((size, self.num_features // 2))
        self._projections = (drawn / self.scale).astype(np.float32)

    def call(self, inputs: typing.Any) -> tf.Tensor:
        rows = tf.reshape(tf.cast(inputs, tf.float32), (-1, len(self._projections)))
        angles = tf.matmul(rows, self._projections)
        waves = tf.concat([tf.cos(angles), tf.sin(angles)], axis=-1)
        waves *= np.sqrt(2 / self.num_features).astype(np.float32)
        return tf.cast(waves, self.compute_dtype)

    def compute_output_shape(self, input_shape: typing.Any) -> typing.Any:
        return (input_shape[0], self.num_features)

    def get_config(self) -> dict[str, typing.Any]:
        return {
            **super().get_config(),
            "num_features": self.num_features,
            "scale": self.scale,
            "seed": self.seed,
        }
