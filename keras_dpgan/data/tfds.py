"""Image data sets of TensorFlow Datasets, read into memory."""

import numpy as np

from keras_dpgan.data.scaling import check_pixel_range
from keras_dpgan.data.scaling import scale_to_range


def load_tfds(
    name, split="train", data_dir=None, pixel_range=(-1.0, 1.0), download=True
):
    """Loads one split of an image data set by its TFDS name.

    Args:
        name: String, as in `tfds.load`: `"mnist"`, `"cifar10:3.0.2"`.
        split: String, as in `tfds.load`: `"train"`, `"train[:10%]"`. Defaults
            to `"train"`.
        data_dir: Folder of prepared data sets. Defaults to `None`: TFDS' own,
            `~/tensorflow_datasets`.
        pixel_range: Pair of floats, what 0 and 255 become. Defaults to
            `(-1.0, 1.0)`.
        download: Whether a data set that is not prepared is downloaded.
            Defaults to `True`.

    Returns:
        `(x, y)`: images, float32 of shape `(n, height, width, channels)`, and
        labels, int32 of shape `(n,)`, or `None` for a data set without labels.

    Raises:
        ImportError: If tensorflow-datasets is not installed.
        ValueError: If TFDS knows no such name or split, or the data set has no
            images of one size and dtype uint8.
        RuntimeError: If the data set is not prepared and is not downloaded.
    """
    check_pixel_range(pixel_range)
    tfds = _import_tfds()
    builder = tfds.builder(name, data_dir=data_dir)
    _check_features(builder, name)
    _prepare(builder, name, download)
    columns = tfds.as_numpy(builder.as_dataset(split=split, batch_size=-1))
    labels = columns.get("label")
    if labels is not None:
        labels = labels.astype(np.int32)
    return scale_to_range(columns["image"], pixel_range), labels


def _import_tfds():
    try:
        import tensorflow_datasets
    except ImportError as error:
        raise ImportError(
            "`load_tfds` needs TensorFlow Datasets. Install it with "
            "`pip install tensorflow-datasets importlib_resources`."
        ) from error
    return tensorflow_datasets


def _check_features(builder, name):
    features = builder.info.features
    image = features["image"] if "image" in features else None
    if image is None or image.np_dtype != np.uint8 or None in image.shape:
        raise ValueError(
            "`name` must be a data set with a feature `image` of one size and of "
            "dtype uint8. Load others with `tensorflow_datasets` and give the "
            f"arrays to `PoissonDataset`. Received: name={name!r} with {features}"
        )


def _prepare(builder, name, download):
    if builder.is_prepared():
        return
    if not download:
        raise RuntimeError(_how_to_prepare(builder, name, "`download=False`"))
    try:
        builder.download_and_prepare()
    # Without a network, with a moved page or a changed file, TFDS raises the
    # errors of many libraries, some of them plain exceptions.
    except Exception as error:
        reason = f"downloading it failed ({error})"
        raise RuntimeError(_how_to_prepare(builder, name, reason)) from error


def _how_to_prepare(builder, name, reason):
    return (
        f"The data set {name!r} is not prepared in {str(builder.data_dir)!r}, and "
        f"{reason}. On a machine with a network run `tfds build {name} --data_dir "
        "DIR`, copy DIR here and give it as `data_dir`."
    )
