"""Image data sets of TensorFlow Datasets."""

import collections.abc
import os
import typing

import numpy as np

from keras_dpgan._utils import validate
from keras_dpgan.data.scaling import check_pixel_range
from keras_dpgan.data.scaling import scale_to_range
from keras_dpgan.data.tfds_column import TfdsColumn
from keras_dpgan.data.tfds_column import resize

_READ_ROWS = 1024


def load_tfds(
    name: str,
    split: str = "train",
    data_dir: str | os.PathLike[str] | None = None,
    pixel_range: collections.abc.Sequence[float] = (-1.0, 1.0),
    download: bool = True,
    image_size: tuple[int, int] | None = None,
) -> tuple[typing.Any, typing.Any]:
    """Loads one split of an image data set by its TFDS name.

    A data set that was prepared with `file_format="array_record"` is read by index,
    each row when it is needed. Give `x` and `y` to `PoissonDataset`, which can then
    draw from more rows than fit in memory, without a shuffle buffer. Any other format
    is read into memory.

    Source: TensorFlow Datasets, `tfds.load`.

    Examples:
        >>> # Stored here first, so that nothing has to be downloaded.
        >>> gan = dpgan.DPGAN(
        ...     dpgan.models.image_discriminator((8, 8, 1), width=4),
        ...     dpgan.models.image_generator((8, 8, 1), latent_dim=16, width=4),
        ... )
        >>> folder = dpgan.data.write_tfds(gan, "synthetic", 20, "data")
        Downloading and preparing dataset ...
        >>> x, y = dpgan.data.load_tfds("synthetic", "train", "data", download=False)
        >>> x.shape, y is None
        ((20, 8, 8, 1), True)

    Args:
        name: String, as in `tfds.load`: `"mnist"`, `"cifar10:3.0.2"`.
        split: String, as in `tfds.load`: `"train"`, `"train[:10%]"`. Defaults
            to `"train"`.
        data_dir: Folder of prepared data sets. Defaults to `None`: the folder of TFDS,
            `~/tensorflow_datasets`.
        pixel_range: Pair of floats, the values for the bytes 0 and 255. Defaults to
            `(-1.0, 1.0)`.
        download: Whether to download a data set that is not prepared. Defaults to
            `True`.
        image_size: Pair `(height, width)` to which each image is resized by itself.
            Defaults to `None`: all images must have the same size.

    Returns:
        `(x, y)`: images, float32 of shape `(n, height, width, channels)`, and
        labels, int32 of shape `(n,)`, or `None` for a data set without labels.
        Both are NumPy arrays or, for `array_record`, `TfdsColumn`s.

    Raises:
        ImportError: If tensorflow-datasets is not installed.
        ValueError: If TFDS knows no such name or split, if the data set has no images
            of dtype uint8, or if they differ in size and there is no `image_size`.
        RuntimeError: If the data set is not prepared and cannot be downloaded.
    """
    check_pixel_range(pixel_range)
    if image_size is not None:
        image_size = checked_size(image_size)
    tfds = import_tfds("load_tfds")
    builder = tfds.builder(name, data_dir=data_dir)
    image, label = _image_and_label(tfds, builder, name, image_size)
    _prepare(builder, name, download)

    def scale(images):
        return scale_to_range(images, pixel_range)

    if tfds.core.FileFormat.ARRAY_RECORD in builder.info.available_file_formats():
        x = TfdsColumn(builder, split, image, image_size, scale)
        return x, label and TfdsColumn(builder, split, label)
    images, labels = _read_all(builder, split, image, label, image_size)
    return scale(images), labels


def import_tfds(caller):
    """TensorFlow Datasets, or an error that says what to install."""
    try:
        import tensorflow_datasets
    except ImportError as error:
        raise ImportError(
            f"`{caller}` needs TensorFlow Datasets. Install it with "
            "`pip install tensorflow-datasets importlib_resources`."
        ) from error
    return tensorflow_datasets


def checked_size(image_size):
    """Returns `(height, width)` as two ints, or raises a `ValueError`."""
    try:
        height, width = image_size
    except (TypeError, ValueError) as error:
        raise ValueError(
            "`image_size` must be a pair (height, width). Received: "
            f"image_size={image_size!r}"
        ) from error
    return (
        validate.check_int("image_size[0]", height, minimum=1),
        validate.check_int("image_size[1]", width, minimum=1),
    )


def _image_and_label(tfds, builder, name, image_size):
    """The names of the features that hold the image and its label.

    Those that the data set declares for supervised learning come first, then
    `image` and `label`, then the only one of the kind.
    """
    features = builder.info.features
    image = _find(features, tfds.features.Image, builder.info.supervised_keys, "image")
    fits = image is not None and features[image].np_dtype == np.uint8
    if fits and image_size is None:
        fits = None not in features[image].shape
    if not fits or features[image].shape[-1] is None:
        raise ValueError(
            "`name` must name a data set with a feature `image`, or with one feature "
            "of images alone, of dtype uint8; where images differ in size, give "
            "`image_size`. Load others with `tensorflow_datasets` and give the "
            f"arrays to `PoissonDataset`. Received: name={name!r} with {features}"
        )
    kind = tfds.features.ClassLabel
    return image, _find(features, kind, builder.info.supervised_keys, "label")


def _find(features, kind, supervised_keys, usual_name):
    if not hasattr(features, "items"):
        return None
    names = [key for key, feature in features.items() if isinstance(feature, kind)]
    for key in (*(supervised_keys or ()), usual_name):
        if key in names:
            return key
    return names[0] if len(names) == 1 else None


def _prepare(builder, name, download):
    if builder.is_prepared():
        return
    if not download:
        raise RuntimeError(_how_to_prepare(builder, name, "`download=False`"))
    try:
        builder.download_and_prepare()
    # If there is no network, or a page or a file has changed, TFDS raises errors of
    # many libraries, some of which are plain exceptions.
    except Exception as error:
        reason = f"downloading it failed ({error})"
        raise RuntimeError(_how_to_prepare(builder, name, reason)) from error


def _how_to_prepare(builder, name, reason):
    # The remedy uses Python, since the command `tfds build` fails without apache-beam.
    return (
        f"The data set {name!r} is not prepared in {str(builder.data_dir)!r}, and "
        f"{reason}. On a machine with a network run `import tensorflow_datasets as "
        f"tfds; tfds.builder({name!r}, data_dir='DIR').download_and_prepare()`, copy "
        "DIR here and give it as `data_dir`."
    )


def _read_all(builder, split, image, label, image_size):
    """The whole split as arrays; the labels are `None` if there are none."""

    def select(record):
        pixels = record[image]
        pixels = pixels if image_size is None else resize(pixels, image_size)
        return (pixels,) if label is None else (pixels, record[label])

    batches = builder.as_dataset(split=split).map(select).batch(_READ_ROWS)
    columns = list(zip(*batches.as_numpy_iterator(), strict=True))
    images, *labels = [np.concatenate(parts) for parts in columns]
    return images, labels[0].astype(np.int32) if labels else None
