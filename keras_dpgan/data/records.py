"""Rows that are read by index, from any kind of storage."""

import collections.abc
import os
import typing

import keras
import numpy as np
import tensorflow as tf


def refuse_kind(values, name):
    """Raises for kinds of data that would be misread, with a remedy for each.

    Args:
        values: What was given as `x` or `y`.
        name: `"x"` or `"y"`.

    Raises:
        TypeError: For containers of arrays and for sparse and ragged ones.
        ValueError: For masked values.
    """
    if isinstance(values, np.ma.MaskedArray):
        if np.ma.is_masked(values):
            raise ValueError(
                f"`{name}` must have no masked values. The mask would be dropped, and "
                "the values under it would be used for training. Fill them in by a "
                f"public rule, for example `{name}.filled(0.0)`, or leave such records "
                "out. Received: a masked array"
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
        return "Give rows and labels separately: `fit(x, y)`"
    if isinstance(values, tf.RaggedTensor):
        return f"Pad it to one shape: `{name}.to_tensor()`"
    if isinstance(values, tf.SparseTensor):
        return f"Make it dense: `tf.sparse.to_dense({name})`"
    if hasattr(values, "toarray"):
        return f"Make it dense: `{name}.toarray()`"
    if isinstance(values, str | bytes | os.PathLike):
        return "Load the file that it names first, for example with `np.load`"
    if (
        values is None
        or callable(values)
        or isinstance(values, bool | int | float | set | range)
    ):
        return "Each record is an entry along the first axis of the array"
    return None


def _first(names):
    return repr(next(iter(names), "name"))


def object_remedy(sample):
    """The remedy for an array of Python objects, chosen by its first entry."""
    first = sample.ravel()[0] if sample.size else None
    if isinstance(first, np.ndarray) or hasattr(first, "__array_interface__"):
        return (
            "Each record is a separate array. Use `np.stack(x)` if all have the same "
            "shape; otherwise resize or pad them first"
        )
    if isinstance(first, str | bytes):
        return "Encode them as numbers"
    return (
        "Fill in missing values by a public rule, then use `x.astype('float32')`, "
        "which also gives columns of different types one type"
    )


def as_array(values, name):
    """A NumPy array of values that Keras would accept as an array.

    Raises:
        TypeError: For kinds that cannot be read as an array.
        ValueError: If the rows differ in shape.
    """
    refuse_kind(values, name)
    if isinstance(values, np.ma.MaskedArray):
        return values.data
    if hasattr(values, "detach"):
        # A PyTorch tensor that requires gradients cannot be converted to an array.
        values = values.detach().cpu()
    try:
        return np.asarray(values)
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"`{name}` must be one array, in which all records have one shape. Resize "
            "or pad them. Give rows and labels separately: `fit(x, y)`. Received: "
            f"{name} of type {type(values).__name__}, of which NumPy says: {error}"
        ) from error


class IndexedRows(typing.Protocol):
    """An object with a length that returns rows by index: an array, list or source."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: typing.Any, /) -> typing.Any: ...


class Records:
    """The rows of `x` and `y`, read by index as a tuple of arrays.

    Arrays are read with one gather. This includes NumPy, memory-mapped, HDF5 and Zarr
    arrays, and all objects with a `shape` and a `dtype` that can be indexed by an
    array of integers. Other objects that have a length and can be indexed by an
    integer (a list, a TFDS `data_source`) are read row by row. Tensors and data frames
    are converted to NumPy arrays first.

    Args:
        x: The rows: arrays, or items that are arrays or tuples of arrays.
        y: The labels of the rows, or `None`.
        transform: Callable of one row (`transform(x_i)`, or `transform(x_i, y_i)`
            if there is a `y`) that returns the row to train on: an array, or a tuple
            of arrays. It sees one row at a time, so that no record can influence
            another. `None` to use the rows as they are.

    Attributes:
        shapes: Tuple of tuples: the shape of one row of each array.
        dtypes: Tuple of NumPy dtypes, one for each array.

    Raises:
        ValueError: If there is no row, or `x` and `y` differ in length.
        TypeError: If `x` or `y` cannot be read by index.
    """

    def __init__(self, x, y=None, transform=None):
        if transform is not None and not callable(transform):
            raise TypeError(
                "`transform` must be a callable of one row. "
                f"Received: transform={transform!r}"
            )
        self._columns = [_column(x, "x")]
        if y is not None:
            self._columns.append(_column(y, "y"))
        self._transform = transform
        self._check_lengths()
        # One row is read for its shape and dtype, which are public.
        first = self._read(np.arange(1))
        self._empty = tuple(array[:0] for array in first)
        self.shapes = tuple(array.shape[1:] for array in first)
        self.dtypes = tuple(array.dtype for array in first)

    def __len__(self):
        return len(self._columns[0])

    def take(self, indices):
        """Reads rows.

        Args:
            indices: Sorted int array without repetitions, of shape `(b,)`; it may
                be empty.

        Returns:
            Tuple of one or two arrays of shape `(b, ...)`: rows and, if there are any,
            labels.
        """
        return self._read(indices) if len(indices) else self._empty

    def slice(self, start, stop):
        """Reads the rows from `start` up to `stop`, without a copy if possible."""
        if self._transform is None and all(
            isinstance(column, _ArrayColumn) for column in self._columns
        ):
            return tuple(column.slice(start, stop) for column in self._columns)
        return self.take(np.arange(start, min(stop, len(self))))

    def _read(self, indices):
        columns = [column.take(indices) for column in self._columns]
        if self._transform is not None:
            return _stack([self._transform(*row) for row in zip(*columns, strict=True)])
        if all(isinstance(column, np.ndarray) for column in columns):
            return tuple(columns)
        if len(columns) == 1:
            return _stack(columns[0])
        return _stack(list(zip(*columns, strict=True)))

    def _check_lengths(self):
        lengths = [len(column) for column in self._columns]
        if lengths[0] == 0:
            raise ValueError("`x` must hold at least one record. Received: len(x)=0")
        if lengths[-1] != lengths[0]:
            raise ValueError(
                "`x` and `y` must have the same length. Received: "
                f"len(x)={lengths[0]}, len(y)={lengths[-1]}"
            )


class _ArrayColumn:
    """Rows that an array of integers gathers at once."""

    def __init__(self, array):
        self._array = array

    def __len__(self):
        return self._array.shape[0]

    def take(self, indices):
        return np.asarray(self._array[indices])

    def slice(self, start, stop):
        return np.asarray(self._array[start:stop])


class _ItemColumn:
    """Rows that are read one after the other."""

    def __init__(self, items):
        self._items = items

    def __len__(self):
        return len(self._items)

    def take(self, indices):
        indices = [int(i) for i in indices]
        # Data sources offer this method to read several rows at once.
        if hasattr(self._items, "__getitems__"):
            return self._items.__getitems__(indices)
        return [self._items[i] for i in indices]


def _column(values, name):
    refuse_kind(values, name)
    if keras.ops.is_tensor(values):
        values = keras.ops.convert_to_numpy(values)
    elif hasattr(values, "iloc"):
        # A data frame's own brackets select by label, not by position.
        values = values.to_numpy()
    if isinstance(values, tf.data.Dataset | keras.utils.PyDataset):
        raise _not_indexable(values, name)
    if hasattr(values, "shape") and hasattr(values, "dtype"):
        return _array_column(values, name)
    if not (hasattr(values, "__getitem__") and hasattr(values, "__len__")):
        raise _not_indexable(values, name)
    return _ItemColumn(values)


def _array_column(array, name):
    if len(array.shape) == 0:
        raise ValueError(
            f"`{name}` must have a first axis with one entry per record. "
            f"Received: an array of shape ()"
        )
    column = _ArrayColumn(array)
    if len(column) and column.take(np.arange(1)).shape != (1, *array.shape[1:]):
        raise _not_indexable(array, name)
    return column


def _not_indexable(values, name):
    return TypeError(
        f"`{name}` must be an array, or an object with a length that returns a record "
        "for an integer (a list, a TFDS data source). Turn sparse matrices into arrays "
        "with `toarray()`. Give a `tf.data.Dataset` to `fit` itself. "
        f"Received: {name} of type {type(values).__name__}"
    )


def _stack(rows):
    """Turns a list of rows, each an array or a tuple, into a tuple of arrays."""
    rows = [row if isinstance(row, tuple) else (row,) for row in rows]
    if any(isinstance(part, dict) for part in rows[0]) or len(rows[0]) > 2:
        raise ValueError(
            "A record must be an array, or a tuple of an array and its label. Give a "
            "`transform` that returns one, for example `transform=lambda record: "
            '(record["image"], record["label"])`. '
            f"Received: a record of {_describe(rows[0])}"
        )
    try:
        return tuple(np.stack(parts) for parts in zip(*rows, strict=True))
    except ValueError as error:
        raise ValueError(
            "All records must have the same shape. Give a `transform` that resizes or "
            f"pads them. Received: {error}"
        ) from error


def _describe(row):
    if len(row) == 1:
        return f"type {type(row[0]).__name__}"
    return f"{len(row)} parts"
