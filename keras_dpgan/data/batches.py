"""Checks that the batches of a data set fit the model, by looking at the first one.

Arrays can be checked completely before any update; of a data set, only the first batch
can. `DPGAN` counts a later record whose label is out of range as absent.
"""

import collections.abc
import itertools

import keras
import numpy as np

from keras_dpgan.data import records
from keras_dpgan.data.checks import check_records
from keras_dpgan.data.checks import shape_fits


def check_first_batch(
    batches, shape=None, num_classes=None, value_range=None, condition=None
):
    """Raises unless the first batch is what a discriminator takes.

    Args:
        batches: A `tf.data.Dataset`, a `keras.utils.PyDataset`, an iterator, or
            anything else that gives batches of `x` or `(x, y)`.
        shape: As in `check_records`.
        num_classes: As in `check_records`.
        value_range: As in `check_records`.
        condition: As in `check_records`.

    Returns:
        The batches to train on. These are `batches` itself or, since an iterator
        yields each batch only once, an iterator that begins with the checked batch.

    Raises:
        ValueError: If shape, dtype or values do not fit; the message says what to do.
        TypeError: If `batches` yields no batches.
    """
    first, batches = _first_batch(batches)
    if first is None:
        raise ValueError(
            "`x` must yield at least one batch. Received: an empty "
            f"{type(batches).__name__}"
        )
    try:
        _check(first, shape, num_classes, value_range, condition)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"The first batch of the data set does not fit the model: {error}. To "
            "change the batches of a `tf.data.Dataset`, use `dataset.map`."
        ) from error
    return batches


def _first_batch(batches):
    """The first batch, `None` if there is none, and all of them."""
    if isinstance(batches, keras.utils.PyDataset):
        return (batches[0] if batches.num_batches != 0 else None), batches
    if isinstance(batches, collections.abc.Iterator):
        first = next(batches, None)
        return first, _put_back(first, batches)
    if not isinstance(batches, collections.abc.Iterable):
        raise TypeError(
            "`x` must be one array of records, a `keras_dpgan.data.PoissonDataset`, or "
            "batches in a `tf.data.Dataset`, a `keras.utils.PyDataset` or a generator. "
            f"Received: x of type {type(batches).__name__}"
        )
    return next(iter(batches), None), batches


def _put_back(first, rest):
    # Keras accepts no other iterator than a generator of tuples.
    for batch in itertools.chain((first,), rest):
        yield tuple(batch) if isinstance(batch, list | tuple) else (batch,)


def _check(batch, shape, num_classes, value_range, condition):
    x, y = _rows_and_labels(batch)
    for values, name in ((x, "x"), (y, "y")):
        if values is not None:
            records.refuse_kind(values, name)
    x = records.as_array(x, "x")
    y = None if y is None else records.as_array(y, "y")
    _check_is_batched(x, shape)
    if not len(x):
        # An empty Poisson draw has no rows to check, so a row of zeros stands for them.
        x, value_range = np.zeros((1, *x.shape[1:]), x.dtype), None
        y = None if y is None else np.zeros((1, *y.shape[1:]), y.dtype)
    check_records(x, y, shape, num_classes, value_range, condition)


def _rows_and_labels(batch):
    parts = tuple(batch) if isinstance(batch, list | tuple) else (batch,)
    if len(parts) == 3 and parts[2] is not None:
        raise ValueError(
            "`sample_weight` must be left out, because the gradient of each record is "
            "clipped to the same norm and all records count equally. Received: batches "
            "of three parts"
        )
    if not 1 <= len(parts) <= 3:
        raise ValueError(
            "A batch must be `x` (rows) or `(x, y)` (rows and labels). Received: "
            f"batches of {len(parts)} parts"
        )
    return parts[0], parts[1] if len(parts) > 1 else None


def _check_is_batched(x, shape):
    if x.ndim == 0 or (
        shape is not None
        and shape_fits(x.shape, shape)
        and not shape_fits(x.shape[1:], shape)
    ):
        raise ValueError(
            "`x` must yield batches, but it yields single records. Use "
            "`dataset.batch(256, drop_remainder=True)`, or give `fit` arrays, from "
            f"which it draws Poisson batches. Received: an `x` of shape {x.shape}"
        )
