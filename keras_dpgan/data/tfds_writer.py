"""Generated data as a TFDS data set, with its privacy card."""

import os
import pathlib
import re
import typing

import keras
import numpy as np

from keras_dpgan._utils import validate
from keras_dpgan.data.sample_files import is_image
from keras_dpgan.data.sample_files import rows_and_labels
from keras_dpgan.data.scaling import to_uint8
from keras_dpgan.data.tfds import import_tfds
from keras_dpgan.export import load

if typing.TYPE_CHECKING:
    from keras_dpgan.export.loading import ExportedGenerator

_CHUNK = 1024
_VERSION = "1.0.0"


def write_tfds(
    gan_or_export: "keras.Model | ExportedGenerator | str | os.PathLike[str]",
    name: str,
    n: int,
    data_dir: str | os.PathLike[str] | None = None,
) -> pathlib.Path:
    """Draws data and stores it as a TFDS data set.

    `tfds.load(name, data_dir=data_dir)` reads it back. It has one split, `train`, with
    `image` (a lossless PNG) or, if rows are not images with a known range, `x`
    (float32), and with `label` if the generator is conditional. The privacy card is in
    the metadata.

    Rows are drawn and stored in chunks, so that memory does not grow with `n`.

    Source: TensorFlow Datasets, whose file format it writes.

    Examples:
        >>> gan = dpgan.DPGAN(
        ...     dpgan.models.vector_discriminator(2, hidden=(8,)),
        ...     dpgan.models.vector_generator(2, latent_dim=3, hidden=(8,)),
        ... )
        >>> folder = dpgan.data.write_tfds(gan, "synthetic_points", 20, "data")
        Downloading and preparing dataset ...
        >>> import tensorflow_datasets as tfds
        >>> train, info = tfds.load("synthetic_points", data_dir="data", with_info=True)
        >>> info.splits["train"].num_examples
        20
        >>> info.metadata["privacy_card"]["private"]
        False

    Args:
        gan_or_export: A `DPGAN`, an `ExportedGenerator`, or the path of an export.
        name: String, the name of the data set: lower-case letters, digits and
            underscores, a letter first.
        n: Positive int, the number of rows.
        data_dir: Folder of prepared data sets. Defaults to `None`: the folder of TFDS,
            `~/tensorflow_datasets`.

    Returns:
        A `pathlib.Path`, the folder of the data set in `data_dir`.

    Raises:
        ImportError: If tensorflow-datasets is not installed.
        FileExistsError: If there is a data set of this name in `data_dir`.
        ValueError: If an argument is wrong.
    """
    validate.check_int("n", n, minimum=1)
    if not isinstance(name, str) or not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise ValueError(
            "`name` must consist of lower-case letters, digits and underscores, a "
            f"letter first. Received: name={name!r}"
        )
    tfds = import_tfds("write_tfds")
    source: typing.Any = gan_or_export
    if isinstance(source, str | pathlib.Path):
        source = load(source)
    card = source.privacy_card()
    builder = _builder(tfds, name, data_dir, card, _examples(source, card, n))
    if builder.is_prepared():
        raise FileExistsError(
            "`name` must be a new one, but a data set of this name exists. Received: "
            f"name={name!r}, which exists in {str(builder.data_dir)!r}"
        )
    builder.download_and_prepare()
    return pathlib.Path(builder.data_dir)


def _builder(tfds, name, data_dir, card, examples):
    features = _features(tfds, card["generator"])
    keys = tuple(features)

    base: typing.Any = tfds.dataset_builders.AdhocBuilder

    class Builder(base, skip_registration=True):  # type: ignore[call-arg]
        """A builder with metadata, since TFDS' builder for stored data has none."""

        def _info(self):
            return tfds.core.DatasetInfo(
                builder=self,
                description=f"Generated data. {card['summary']}",
                features=tfds.features.FeaturesDict(features),
                supervised_keys=keys if len(keys) > 1 else None,
                metadata=tfds.core.MetadataDict(privacy_card=card),
                # The rows are independent, so they need not be shuffled.
                disable_shuffling=True,
            )

    return Builder(
        name=name,
        version=_VERSION,
        features=features,
        split_datasets={"train": examples},
        data_dir=data_dir,
    )


def _features(tfds, facts):
    if is_image(facts["row_shape"], facts["pixel_range"]):
        features = {"image": tfds.features.Image(shape=tuple(facts["row_shape"]))}
    else:
        shape = tuple(facts["row_shape"])
        features = {"x": tfds.features.Tensor(shape=shape, dtype=np.float32)}
    if facts["num_classes"] is not None:
        features["label"] = tfds.features.ClassLabel(num_classes=facts["num_classes"])
    if "condition_shape" in facts:
        features["condition"] = tfds.features.Tensor(
            shape=tuple(facts["condition_shape"]),
            dtype=np.dtype(facts["condition_dtype"]),
        )
    return features


def _examples(source, card, n):
    """Yields `(key, example)` for each of `n` rows."""
    facts = card["generator"]
    images = is_image(facts["row_shape"], facts["pixel_range"])
    for start in range(0, n, _CHUNK):
        rows, labels = rows_and_labels(source.sample(min(_CHUNK, n - start)))
        if images:
            rows = to_uint8(rows, facts["pixel_range"])
        for i, row in enumerate(rows):
            example = {"image" if images else "x": row}
            if labels is not None:
                example["condition" if labels.ndim > 1 else "label"] = labels[i]
            yield start + i, example
