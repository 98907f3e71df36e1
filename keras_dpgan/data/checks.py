"""Checks that all records fit the model, before any update.

A message may quote values of a record, since only the owner of the data sees it.
"""

import collections.abc
import math
import typing

import numpy as np

from keras_dpgan._utils.labels import check_label_form
from keras_dpgan._utils.labels import check_label_range
from keras_dpgan.data.allocation import AllocationDataset
from keras_dpgan.data.poisson import PoissonDataset
from keras_dpgan.data.records import Records
from keras_dpgan.data.records import object_remedy

if typing.TYPE_CHECKING:
    from keras_dpgan.data.records import IndexedRows
    from keras_dpgan.sampling.conditions import VectorCondition

_CHUNK_BYTES = 64 * 2**20

# The share of the range's width by which float32 arithmetic may round a pixel.
_TOLERANCE = 1e-5


def check_records(
    x: "IndexedRows | PoissonDataset | AllocationDataset",
    y: "IndexedRows | None" = None,
    shape: tuple[int | None, ...] | None = None,
    num_classes: int | None = None,
    value_range: collections.abc.Sequence[float] | None = None,
    condition: "VectorCondition | None" = None,
) -> None:
    """Raises unless the records and labels are what a discriminator takes.

    All records are checked, in chunks, so that memory-mapped arrays can be larger
    than memory.

    Examples:
        >>> import numpy as np
        >>> x, y = np.zeros((20, 8, 8, 1), "float32"), np.arange(20) % 10
        >>> dpgan.data.check_records(
        ...     x, y, shape=(8, 8, 1), num_classes=10, value_range=(-1.0, 1.0)
        ... )
        >>> dpgan.data.check_records(x, y, shape=(8, 8, 1), num_classes=3)
        Traceback (most recent call last):
            ...
        ValueError: ...

    Args:
        x: Records, as `PoissonDataset` takes them, or a `PoissonDataset`, which
            has its own labels.
        y: Labels, or `None`. Defaults to `None`.
        shape: Tuple: the shape of one record that the discriminator takes, with
            `None` for sizes that vary. Defaults to `None`: any.
        num_classes: Int, the number of labels of a conditional model; `None`
            for one without labels. Defaults to `None`.
        condition: The `VectorCondition` of a model that takes vectors instead of
            labels; `y` contains these vectors. Defaults to `None`.
        value_range: Pair of floats, the range of the generator's output; `None` if
            the output can be any number. Defaults to `None`.

    Raises:
        ValueError: If shape, dtype or values do not fit; the message says what to do.
    """
    if isinstance(x, PoissonDataset | AllocationDataset):
        records = x.records
    else:
        records = Records(x, y)
    _check_record_dtype(records, value_range)
    _check_record_shape(records.shapes[0], shape)
    if condition is not None:
        has_conditions = len(records.shapes) > 1
        condition.check_records(
            records.shapes[1] if has_conditions else None,
            records.dtypes[1] if has_conditions else None,
        )
    else:
        _check_label_kind(records, num_classes)
    row_bytes = sum(
        math.prod(s) * d.itemsize
        for s, d in zip(records.shapes, records.dtypes, strict=True)
    )
    rows = max(1, _CHUNK_BYTES // max(1, row_bytes))
    for start in range(0, len(records), rows):
        values, *labels = records.slice(start, start + rows)
        _check_values(values, start, value_range)
        if condition is not None:
            _check_finite("y", labels[0], start)
            condition.check_values(labels[0], start)
        elif labels:
            check_label_range("y", labels[0], num_classes)


def _check_record_shape(actual, shape):
    if shape is None or shape_fits(actual, shape):
        return
    raise ValueError(
        f"`x` must hold records of shape {tuple(shape)}, which the discriminator "
        f"takes.{_shape_remedy(actual, shape)} Received: records of shape {actual}"
    )


def shape_fits(actual, shape):
    """Whether a shape is the expected one, in which `None` stands for any size."""
    return len(actual) == len(shape) and all(
        wanted in (None, size) for size, wanted in zip(actual, shape, strict=True)
    )


def _shape_remedy(actual, shape):
    if shape_fits((*actual, 1), shape):
        return " Add the channel axis: `x = x[..., None]`."
    if shape_fits(actual, (*shape, 1)):
        return " Remove the last axis: `x = x[..., 0]`."
    if len(actual) == 3 and shape_fits((*actual[1:], actual[0]), shape):
        return " Move the channels to the end: `x = np.moveaxis(x, 1, -1)`."
    if None not in shape and math.prod(actual) == math.prod(shape):
        return f" If the order of values agrees: `x = x.reshape({(-1, *shape)})`."
    return ""


def _check_record_dtype(records, value_range):
    dtype = records.dtypes[0]
    # The name is compared, because NumPy does not count bfloat16 among the floats.
    if "float" in dtype.name:
        return
    if dtype == np.uint8:
        remedy = (
            f"Use `keras_dpgan.data.scale_to_range(x, {value_range or (-1.0, 1.0)})`"
        )
    elif dtype.kind == "b":
        remedy = "Use `x.astype('float32')`"
    elif dtype.kind in "iu":
        remedy = (
            "Scale counts by a public constant, for example `x / 100.0`. Give "
            "categories and token ids as one-hot rows: `keras.utils.to_categorical(x)`"
        )
    elif dtype.kind == "O":
        remedy = object_remedy(records.slice(0, 1)[0])
    elif dtype.kind == "c":
        remedy = "Give real and imaginary parts as two floats, along the last axis"
    else:
        remedy = "Encode them as numbers"
    raise ValueError(f"`x` must hold floats. {remedy}. Received: x of dtype {dtype}")


def _check_values(values, start, value_range):
    low, high = _check_finite("x", values, start)
    if value_range is None:
        return
    slack = _TOLERANCE * (value_range[1] - value_range[0])
    if low < value_range[0] - slack or high > value_range[1] + slack:
        raise ValueError(
            f"`x` must lie in {tuple(value_range)}, the range of the generator's "
            f"output. Use `keras_dpgan.data.scale_to_range(x, {tuple(value_range)}, "
            f"source_range={_likely_source(low, high)})`. `source_range` must be "
            "public and must not be computed from the records. Received: values from "
            f"{low:.6g} to {high:.6g}"
        )


def _check_finite(name, values, start):
    """Raises unless all values are finite; returns the lowest and the highest."""
    # Minimum and maximum propagate NaN and cost less than `isfinite` of all values.
    low, high = float(values.min()), float(values.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        bad = ~np.isfinite(values).reshape(len(values), -1).all(axis=1)
        raise ValueError(
            f"`{name}` must be finite. Remove or fill in such records by a rule that "
            "does not depend on other records. Received: NaN or infinity in record "
            f"{start + int(np.argmax(bad))}"
        )
    return low, high


def _likely_source(low, high):
    if 0 <= low and 1 < high <= 255:
        return "(0, 255)"
    return "(lowest, highest)"


def _check_label_kind(records, num_classes):
    if num_classes is None:
        if len(records.shapes) > 1:
            raise ValueError(
                "`y` must be None, because the model takes no labels (`num_classes` is "
                "None). Leave `y` out, or make both networks conditional. "
                f"Received: y of shape {(len(records), *records.shapes[1])}"
            )
        return
    if len(records.shapes) == 1:
        raise ValueError(
            f"`y` must give a label in [0, {num_classes}) for each record, because "
            "the model is conditional. Received: y=None"
        )
    shape = (len(records), *records.shapes[1])
    check_label_form("y", shape, records.dtypes[1], len(records), num_classes)
