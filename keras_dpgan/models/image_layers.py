"""Layers for images whose channels come last, whatever the setting of Keras.

`keras.config.image_data_format()` may be "channels_first", for which TensorFlow cannot
compute convolutions on CPUs. Images, shapes and label planes here have channels last.
"""

import functools

import keras

_LAST = {"data_format": "channels_last"}

Conv2D = functools.partial(keras.layers.Conv2D, **_LAST)
Conv2DTranspose = functools.partial(keras.layers.Conv2DTranspose, **_LAST)
Flatten = functools.partial(keras.layers.Flatten, **_LAST)
UpSampling2D = functools.partial(keras.layers.UpSampling2D, **_LAST)
