"""Fashion-MNIST from IDX files, from Debian's package, or from TFDS."""

import collections.abc
import os
import pathlib

import numpy as np

from keras_dpgan.data.idx import read_idx
from keras_dpgan.data.scaling import check_pixel_range
from keras_dpgan.data.scaling import scale_to_range
from keras_dpgan.data.tfds import load_tfds

DEBIAN_DIR = pathlib.Path("/usr/share/datasets/fashion-mnist")
"""Where Debian's package `dataset-fashion-mnist` puts the files."""


def load_fashion_mnist(
    data_dir: str | os.PathLike[str] | None = None,
    pixel_range: collections.abc.Sequence[float] = (-1.0, 1.0),
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Loads 70,000 images of clothes in ten classes.

    Source: Xiao, Rasul and Vollgraf 2017, "Fashion-MNIST: a Novel Image Dataset
    for Benchmarking Machine Learning Algorithms".

    Examples:
        >>> (x_train, y_train), (x_test, y_test) = dpgan.data.load_fashion_mnist()
        >>> x_train.shape, y_train.shape, x_test.shape
        ((60000, 28, 28, 1), (60000,), (10000, 28, 28, 1))

    Args:
        data_dir: Folder with the four IDX files `train-images-idx3-ubyte`,
            `train-labels-idx1-ubyte`, `t10k-images-idx3-ubyte` and
            `t10k-labels-idx1-ubyte`, compressed (`.gz`) or not. Defaults to
            `None`: the folder of Debian's package `dataset-fashion-mnist`, or TFDS
            if that package is not installed.
        pixel_range: Pair of floats, the values for black and white. Defaults to
            `(-1.0, 1.0)`.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: images are float32 of shape
        `(n, 28, 28, 1)`, labels int32 of shape `(n,)`.

    Raises:
        FileNotFoundError: If the files are in none of these places.
        ValueError: If a file is damaged or contains something else.
    """
    check_pixel_range(pixel_range)
    if data_dir is None and not DEBIAN_DIR.is_dir():
        return _load_from_tfds(pixel_range)
    folder = pathlib.Path(DEBIAN_DIR if data_dir is None else data_dir)
    return (
        _load_part(folder, "train", pixel_range),
        _load_part(folder, "t10k", pixel_range),
    )


def _load_part(folder, part, pixel_range):
    images_path = _find(folder, f"{part}-images-idx3-ubyte")
    labels_path = _find(folder, f"{part}-labels-idx1-ubyte")
    images, labels = read_idx(images_path), read_idx(labels_path)
    if images.dtype != np.uint8 or images.shape[1:] != (28, 28):
        raise ValueError(
            "The images must be uint8 of shape (n, 28, 28). Received: "
            f"{images.dtype} of shape {images.shape} in {str(images_path)!r}"
        )
    if labels.dtype != np.uint8 or labels.shape != images.shape[:1]:
        raise ValueError(
            f"The labels must be uint8 of shape ({len(images)},), one for each "
            f"image. Received: {labels.dtype} of shape {labels.shape} in "
            f"{str(labels_path)!r}"
        )
    if labels.size and labels.max() > 9:
        raise ValueError(
            "The labels must lie in [0, 10). "
            f"Received: {labels.max()} in {str(labels_path)!r}"
        )
    return scale_to_range(images[..., None], pixel_range), labels.astype(np.int32)


def _find(folder, name):
    for path in (folder / f"{name}.gz", folder / name):
        if path.is_file():
            return path
    raise FileNotFoundError(
        f"`data_dir` must hold the file {name}.gz or {name}. {_HOW_TO_GET_IT} "
        f"Received: data_dir={str(folder)!r}"
    )


def _load_from_tfds(pixel_range):
    try:
        return (
            load_tfds("fashion_mnist", "train", pixel_range=pixel_range),
            load_tfds("fashion_mnist", "test", pixel_range=pixel_range),
        )
    except (ImportError, RuntimeError) as error:
        raise FileNotFoundError(
            f"Fashion-MNIST is not on this machine. {_HOW_TO_GET_IT}"
        ) from error


_HOW_TO_GET_IT = (
    "There are two ways to get it: on Debian or Ubuntu `apt install "
    "dataset-fashion-mnist`; elsewhere download the four IDX files from "
    "https://github.com/zalandoresearch/fashion-mnist and give their folder as "
    "`data_dir`, or run `tensorflow_datasets.load('fashion_mnist')` while online."
)
