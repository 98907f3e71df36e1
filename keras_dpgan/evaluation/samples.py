"""Draws samples from any kind of generator."""

import os
import pathlib
import typing

import keras
import numpy as np

from keras_dpgan._utils import validate
from keras_dpgan._utils.labels import check_labels
from keras_dpgan.evaluation import rows as row_checks
from keras_dpgan.export import load
from keras_dpgan.gan import network_inputs
from keras_dpgan.gan.networks import PublicGeneration


def draw_samples(
    source: typing.Any, n: int, seed: int = 0
) -> tuple[np.ndarray, np.ndarray | None]:
    """Draws rows, and labels if there are any, from a generator of any kind.

    Examples:
        >>> generator = dpgan.models.vector_generator(4, latent_dim=3, num_classes=2)
        >>> rows, labels = dpgan.evaluation.draw_samples(generator, 10)
        >>> rows.shape, labels.shape
        ((10, 4), (10,))

    Args:
        source: One of: an object with `sample(n, seed=...)`, such as a `DPGAN`; a
            Keras generator from latents, or from latents and labels; the path of
            a folder that `DPGAN.export` wrote; the path of an `.npz` file with an
            array `x` and perhaps `y`, as `python -m keras_dpgan.sample` writes; a
            callable that takes `n`; an array of rows; or a pair of rows and labels.
            A source that returns a pair returns rows and labels.
        n: Int, how many rows. From an array or file the first `n` rows are taken, or
            all of them if there are fewer.
        seed: Int, for the sources that take one. Defaults to 0.

    Returns:
        `(rows, labels)`: arrays. `labels` is `None` if there are none, or if rows
        depend on conditions other than a label.

    Raises:
        FileNotFoundError: If there is no such path.
        ValueError: If the source is none of these, or does not return rows.
    """
    validate.check_int("n", n, minimum=1)
    validate.check_int("seed", seed, minimum=0)
    if isinstance(source, (str, os.PathLike)):
        source = open_path(source)
    if isinstance(source, tuple) or hasattr(source, "__array__"):
        drawn = source
    elif hasattr(source, "sample"):
        drawn = _without_vectors(source.sample(n, seed=seed))
    elif isinstance(source, keras.Model):
        generation = PublicGeneration(
            source,
            network_inputs.latent_shape(source, None),
            network_inputs.condition(source),
        )
        drawn = _without_vectors(generation.sample(n, seed=seed))
    elif callable(source):
        drawn = source(n)
    else:
        raise ValueError(
            "`generator` must be a DPGAN, a Keras generator, the path of an export "
            "or of an .npz file, a callable that takes the number of rows, or an "
            f"array. Received: generator={source!r:.80}"
        )
    rows, labels = row_checks.rows_and_labels("samples", drawn)
    rows = row_checks.check_rows("samples", rows)
    if labels is not None:
        labels = check_labels("labels", labels, len(rows))[:n]
    return rows[:n], labels


def _without_vectors(drawn):
    """Only the rows, if they come with conditions other than labels."""
    if isinstance(drawn, tuple) and np.ndim(drawn[1]) > 1:
        return drawn[0]
    return drawn


def open_path(path):
    """Opens the exported generator or the stored samples at a path.

    Args:
        path: As the paths of `draw_samples`.

    Returns:
        A `keras_dpgan.export.ExportedGenerator`, or a pair of rows and labels.

    Raises:
        FileNotFoundError: If there is neither.
        ValueError: If it is damaged or contains something else.
    """
    path = pathlib.Path(path)
    if path.is_file() and path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as file:
            if "x" not in file:
                raise ValueError(
                    "An .npz file must hold the rows as an array `x`, and labels as "
                    f"`y`. Received: {str(path)!r} with {sorted(file)}"
                )
            return file["x"], file["y"] if "y" in file else None
    return load(path)
