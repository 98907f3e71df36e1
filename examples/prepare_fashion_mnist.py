r"""Stores Fashion-MNIST for TFDS, from files that are on this machine.

    apt install dataset-fashion-mnist
    python examples/prepare_fashion_mnist.py --data_dir=data

Then `tfds.load("fashion_mnist", data_dir="data")` serves it, and so does
`keras_dpgan.data.load_tfds("fashion_mnist", data_dir="data")`; nothing is
downloaded. With `--file_format=array_record` records are read by index, as
`tfds.data_source` and `PoissonDataset` like it, and `tfds.load` cannot read them.
"""

import sys

import quiet

quiet.start()

import tensorflow_datasets as tfds
from absl import app
from absl import flags

from keras_dpgan.data import load_fashion_mnist
from keras_dpgan.data import to_uint8

_ORIGINAL = tfds.builder_cls("fashion_mnist")


class LocalFashionMNIST(_ORIGINAL, skip_registration=True):
    """TFDS' own data set, with its name, version and features, from arrays.

    Args:
        source_dir: Folder with the four IDX files; `None` for the one that
            Debian's package makes.
        **kwargs: Those of `tfds.core.DatasetBuilder`.
    """

    name = "fashion_mnist"

    def __init__(self, *, source_dir=None, **kwargs):
        self._source_dir = source_dir
        super().__init__(**kwargs)

    def _split_generators(self, dl_manager):
        del dl_manager
        train, test = load_fashion_mnist(self._source_dir)
        return {"train": _examples(*train), "test": _examples(*test)}


def _examples(x, y):
    for i, (image, label) in enumerate(zip(to_uint8(x), y, strict=True)):
        yield i, {"image": image, "label": int(label)}


def prepare(data_dir, source_dir=None, file_format="tfrecord"):
    """Stores the data set, unless it is there.

    Args:
        data_dir: The folder of prepared data sets.
        source_dir: The folder of the IDX files. Defaults to `None`: Debian's.
        file_format: `"tfrecord"` or `"array_record"`.

    Returns:
        The `tfds.core.DatasetBuilder`.

    Raises:
        FileExistsError: If it is there in another format.
        FileNotFoundError: If the IDX files are not there.
    """
    builder = LocalFashionMNIST(source_dir=source_dir, data_dir=data_dir)
    if builder.is_prepared() and builder.info.file_format.value != file_format:
        raise FileExistsError(
            f"`data_dir` holds the data set as {builder.info.file_format.value}: "
            f"give another. Received: data_dir={str(data_dir)!r}"
        )
    builder.download_and_prepare(file_format=file_format)
    return builder


def define_flags():
    """Defines the flags of the command."""
    flags.DEFINE_string("data_dir", "data", "The folder of prepared data sets.")
    flags.DEFINE_string(
        "source_dir",
        None,
        "The folder of the IDX files. Default: that of Debian's package.",
    )
    flags.DEFINE_enum(
        "file_format",
        "tfrecord",
        ["tfrecord", "array_record"],
        "tfrecord for tfds.load, array_record to read records by index.",
    )


def main(argv):
    """Runs the command."""
    del argv
    given = flags.FLAGS
    try:
        builder = prepare(given.data_dir, given.source_dir, given.file_format)
    except OSError as error:
        sys.exit(str(error))
    print(f"Fashion-MNIST is in {builder.data_dir}.")


if __name__ == "__main__":
    define_flags()
    app.run(main)
