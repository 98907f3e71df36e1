"""Kinds of `x` and `y` that look like arrays of records and are not."""

import collections.abc
import os

import numpy as np
import tensorflow as tf


def refuse_kind(values, name):
    """Raises for what has a remedy of its own, instead of misreading it.

    Args:
        values: Whatever was given as `x` or `y`.
        name: `"x"` or `"y"`.

    Raises:
        TypeError: For containers of arrays and for sparse and ragged ones.
        ValueError: For masked values.
    """
    if isinstance(values, np.ma.MaskedArray):
        if np.ma.is_masked(values):
            raise ValueError(
                f"`{name}` must have no masked values: the mask would be dropped and "
                "what lies under it trained on. Fill them by a public rule, as in "
                f"`{name}.filled(0.0)`, or leave such records out. Received: a masked "
                "array"
            )
        return
    remedy = _remedy(values, name)
    if remedy is not None:
        raise TypeError(
            f"`{name}` must be one array of records, a `keras_dpgan.data."
            "PoissonDataset`, or batches in a `tf.data.Dataset` or "
            f"`keras.utils.PyDataset`. {remedy}. Received: {name} of type "
            f"{type(values).__name__}"
        )


def _remedy(values, name):
    if isinstance(values, np.lib.npyio.NpzFile):
        return f"Take the array out of the file: `{name}[{_first(values.files)}]`"
    if isinstance(values, collections.abc.Mapping):
        return f"Give one of its values, such as `{name}[{_first(values)}]`"
    if isinstance(values, tuple) and name == "x":
        return "Give rows and labels apart: `fit(x, y)`"
    if isinstance(values, tf.RaggedTensor):
        return f"Pad it to one shape: `{name}.to_tensor()`"
    if isinstance(values, tf.SparseTensor):
        return f"Make it dense: `tf.sparse.to_dense({name})`"
    if hasattr(values, "toarray"):
        return f"Make it dense: `{name}.toarray()`"
    if isinstance(values, str | bytes | os.PathLike):
        return "Load what it names first, as with `np.load`"
    if (
        values is None
        or callable(values)
        or isinstance(values, bool | int | float | set | range)
    ):
        return "A record is an entry along the first axis"
    return None


def _first(names):
    return repr(next(iter(names), "name"))


def object_remedy(sample):
    """What to do with an array of Python objects, by the first of them."""
    first = sample.ravel()[0] if sample.size else None
    if isinstance(first, np.ndarray) or hasattr(first, "__array_interface__"):
        return (
            "Each record is an array of its own: use `np.stack(x)` if all have one "
            "shape, and resize or pad them first if not"
        )
    if isinstance(first, str | bytes):
        return "Encode them as numbers"
    return (
        "Fill in missing values by a public rule, and use `x.astype('float32')`, "
        "which also turns columns of different types into one"
    )


def as_array(values, name):
    """A NumPy array of what Keras would take as one.

    Raises:
        TypeError: For kinds that cannot be read as one.
        ValueError: If the rows differ in shape.
    """
    refuse_kind(values, name)
    if isinstance(values, np.ma.MaskedArray):
        return values.data
    if hasattr(values, "detach"):
        # A PyTorch tensor that a gradient is kept for gives no array.
        values = values.detach().cpu()
    try:
        return np.asarray(values)
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"`{name}` must be one array: all records must have one shape. Resize or "
            "pad them; give rows and labels separately, `fit(x, y)`. Received: "
            f"{name} of type {type(values).__name__}, of which NumPy says: {error}"
        ) from error
