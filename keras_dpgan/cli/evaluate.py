"""Evaluates an export: `python -m keras_dpgan.evaluate EXPORT --dataset=NAME`.

The data set is read from this machine. The report is computed from its records, so it
is not private. `EXPORT` is a folder that `DPGAN.export` wrote, or an `.npz` file of
samples.
"""

import pathlib
import sys

import numpy as np
from absl import app
from absl import flags
from absl import logging

from keras_dpgan import data
from keras_dpgan import evaluation
from keras_dpgan.evaluation.samples import open_path

_PIXEL_RANGE = (-1.0, 1.0)
_ARRAYS = ("x_train", "x_test")


def define_flags():
    """Defines the flags of the command."""
    flags.DEFINE_string(
        "dataset",
        None,
        "The data set on which the generator was trained: fashion_mnist, digits, the "
        "TFDS name of an image data set, or an .npz file with arrays x_train, x_test "
        "and, for labels, y_train and y_test.",
        required=True,
    )
    flags.DEFINE_string("data_dir", None, "Folder of the data set, if it needs one.")
    flags.DEFINE_string("out", "report", "Folder for the page, picture and numbers.")
    flags.DEFINE_integer(
        "num_samples", None, "Default: as many as training rows, at most 60,000."
    )
    flags.DEFINE_list(
        "classifiers",
        None,
        "Some of cnn, mlp and logistic_regression; empty for none. Default: all that "
        "suit the rows.",
    )
    flags.DEFINE_bool(
        "compare_with_real",
        True,
        "Also train the classifiers on real rows, which doubles the time.",
    )
    flags.DEFINE_bool(
        "include_real_records", False, "Show real rows in the page and the picture."
    )
    flags.DEFINE_integer("seed", 0, "Seed of samples, classifiers and subsets.")


def load_dataset(name, data_dir=None, pixel_range=_PIXEL_RANGE):
    """Loads training and test rows.

    Args:
        name: As the flag `--dataset`.
        data_dir: Folder of the data set. Defaults to `None`.
        pixel_range: Pair of floats, the values for black and white. Defaults to
            `(-1.0, 1.0)`. The arrays of an `.npz` file are not changed.

    Returns:
        `(x_train, y_train), (x_test, y_test)`, with `None` if there are no labels.

    Raises:
        FileNotFoundError: If there is no such data set.
        ValueError: If it contains something else.
    """
    if name == "fashion_mnist":
        return data.load_fashion_mnist(data_dir, pixel_range)
    if name == "digits":
        return data.load_digits(pixel_range)
    if name.endswith(".npz"):
        return _load_npz(name)
    return (
        data.load_tfds(name, "train", data_dir, pixel_range),
        data.load_tfds(name, "test", data_dir, pixel_range),
    )


def _load_npz(path):
    with np.load(path, allow_pickle=False) as file:
        missing = [name for name in _ARRAYS if name not in file]
        if missing:
            raise ValueError(
                f"`--dataset` must hold the arrays {', '.join(_ARRAYS)} and, for "
                f"labels, y_train and y_test. Received: {path!r} with {sorted(file)}"
            )
        labels = [file.get(name) for name in ("y_train", "y_test")]
        return (file["x_train"], labels[0]), (file["x_test"], labels[1])


def main(argv):
    """Runs the command."""
    if len(argv) != 2:
        raise app.UsageError(
            f"Give one export, or one .npz file of samples. Received: {argv[1:]}"
        )
    given = flags.FLAGS
    logging.set_verbosity(logging.INFO)
    try:
        generator = open_path(argv[1])
        real, real_test = load_dataset(
            given.dataset, given.data_dir, _pixel_range(generator)
        )
        scores = evaluation.report(
            generator,
            real,
            real_test,
            given.out,
            num_samples=given.num_samples,
            classifiers=given.classifiers,
            compare_with_real=given.compare_with_real,
            include_real_records=given.include_real_records,
            seed=given.seed,
            title=f"{pathlib.Path(argv[1]).name}, measured on {given.dataset}",
        )
    except (OSError, RuntimeError, ValueError) as error:
        sys.exit(str(error))
    for name, values in scores["accuracy"].items():
        print(f"accuracy of {name} trained on samples: {values['samples']:.2%}")
    print(f"copies of training rows: {scores['memorisation']['memorised']}")
    print(f"{scores['warning']}\nWrote {given.out}/report.html, .png and .json.")


def _pixel_range(generator):
    """The range of an export's pixels; the default for vectors and files of samples."""
    if isinstance(generator, tuple):
        return _PIXEL_RANGE
    return generator.privacy_card()["generator"]["pixel_range"] or _PIXEL_RANGE


if __name__ == "__main__":
    define_flags()
    app.run(main)
