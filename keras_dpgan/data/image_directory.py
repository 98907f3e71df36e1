"""A directory of image files, with a folder for each class."""

import collections.abc
import os
import pathlib

import keras
import numpy as np
import tensorflow as tf

from keras_dpgan._utils import validate
from keras_dpgan.data.disk_column import DiskColumn
from keras_dpgan.data.scaling import check_pixel_range
from keras_dpgan.data.scaling import scale_to_range
from keras_dpgan.data.tfds import checked_size
from keras_dpgan.data.tfds_column import resize

_CHANNELS = {"grayscale": 1, "rgb": 3, "rgba": 4}


def load_image_directory(
    directory: str | os.PathLike[str],
    labels: str | None = "inferred",
    class_names: collections.abc.Sequence[str] | None = None,
    color_mode: str = "rgb",
    image_size: tuple[int, int] = (256, 256),
    pixel_range: collections.abc.Sequence[float] = (-1.0, 1.0),
) -> tuple["ImageFiles", np.ndarray | None]:
    """Finds images as `keras.utils.image_dataset_from_directory` does, by index.

    Folders, classes, image files and the arguments of the same names are treated as in
    Keras' function. That function returns batches in its own order, which are not
    Poisson batches. Here, an image is read and decoded when it is drawn. Give `x` and
    `y` to `PoissonDataset` or `AllocationDataset`, which can then draw from more images
    than fit in memory.

    Examples:
        >>> import os
        >>> import keras
        >>> import numpy as np
        >>> pixels = np.zeros((8, 8, 3), "uint8")
        >>> for name in ("cats", "dogs"):
        ...     os.makedirs(f"pets/{name}")
        ...     for i in range(3):
        ...         keras.utils.save_img(f"pets/{name}/{i}.png", pixels, scale=False)
        >>> x, y = dpgan.data.load_image_directory("pets", image_size=(8, 8))
        >>> x.shape, y.tolist()
        ((6, 8, 8, 3), [0, 0, 0, 1, 1, 1])

    Args:
        directory: Folder with one folder for each class; with `labels=None` images in
            any folders below it.
        labels: `"inferred"`, or `None` for images without labels. Defaults to
            `"inferred"`.
        class_names: Names of the class folders, which sets the order of labels.
            Defaults to `None`: all of them, in the order of the alphabet.
        color_mode: `"grayscale"`, `"rgb"` or `"rgba"`. Defaults to `"rgb"`.
        image_size: Pair `(height, width)` that each image, by itself, is resized to.
            Defaults to `(256, 256)`.
        pixel_range: Pair of floats, what 0 and 255 become. Defaults to
            `(-1.0, 1.0)`.

    Returns:
        `(x, y)`: images as an `ImageFiles`, float32 of shape
        `(n, height, width, channels)` when they are read, and labels, int32 of shape
        `(n,)`, or `None`.

    Raises:
        ValueError: If an argument is wrong, or there are no images.
    """
    if labels is not None:
        validate.check_choice("labels", labels, ("inferred",))
    validate.check_choice("color_mode", color_mode, tuple(_CHANNELS))
    check_pixel_range(pixel_range)
    size = checked_size(image_size)
    directory = pathlib.Path(directory)
    if not directory.is_dir():
        raise ValueError(
            "`directory` must be a folder of images, with a folder for each class. "
            f"Received: directory={str(directory)!r}"
        )
    found = keras.utils.image_dataset_from_directory(
        directory,
        labels=labels,
        label_mode="int" if labels else None,
        class_names=class_names,
        batch_size=None,
        shuffle=False,
        verbose=False,
    )
    x = ImageFiles(found.file_paths, _CHANNELS[color_mode], size, pixel_range)
    if labels is None:
        return x, None
    number = {name: i for i, name in enumerate(found.class_names)}
    folders = (
        pathlib.Path(path).relative_to(directory).parts[0] for path in found.file_paths
    )
    return x, np.array([number[folder] for folder in folders], np.int32)


class ImageFiles(DiskColumn):
    """Image files as an array whose images are read when needed.

    Made by `load_image_directory`.

    Args:
        paths: List of strings.
        channels: Int.
        image_size: Pair of ints.
        pixel_range: Pair of floats.
    """

    def __init__(self, paths, channels, image_size, pixel_range):
        self.paths = tuple(paths)
        self._pixel_range = pixel_range
        self._decode = _decoder(channels, image_size)
        super().__init__(len(self.paths))

    def read(self, indices):
        paths = tf.constant([self.paths[i] for i in indices], tf.string)
        with tf.device("CPU"):
            pixels = self._decode(paths).numpy()
        return scale_to_range(pixels, self._pixel_range)


def _decoder(channels, image_size):
    """A graph from paths to uint8 pixels."""
    spec = tf.TensorSpec((*image_size, channels), tf.uint8)

    def decode_one(path):
        content = tf.io.read_file(path)
        image = tf.io.decode_image(content, channels, expand_animations=False)
        has_size = tf.reduce_all(tf.shape(image)[:2] == image_size)
        return tf.cond(has_size, lambda: image, lambda: resize(image, image_size))

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string)])
    def decode(paths):
        return tf.map_fn(decode_one, paths, fn_output_signature=spec)

    return decode
