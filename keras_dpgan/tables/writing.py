"""Rows to a file, part by part."""

import pathlib

from keras_dpgan._utils import files


def check_rows_path(path):
    """Raises a `ValueError` unless rows can be written under this name."""
    if pathlib.Path(path).suffix != ".csv":
        raise ValueError(
            f"`out` must be the path of a .csv file. Received: out={str(path)!r}."
        )


def write_rows(path, generator, n, seed=None):
    """Draws rows of a table into a CSV, which is complete or not there.

    Args:
        path: The file to make or to replace; its name ends with `.csv`.
        generator: A `TableGenerator`.
        n: Positive int, how many.
        seed: Int, to repeat a draw. Defaults to `None`.
    """
    check_rows_path(path)
    with files.complete_file(path) as beside:
        with beside.open("w", encoding="utf-8", newline="") as file:
            for number, frame in enumerate(generator.batches(n, seed=seed)):
                frame.to_csv(file, index=False, header=number == 0)
