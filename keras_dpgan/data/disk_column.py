"""Rows that are read from disk when they are needed."""

import abc

import numpy as np


class DiskColumn(abc.ABC):
    """Rows on disk, as an array that `PoissonDataset` can draw from.

    It has `shape`, `dtype`, a length, and rows for an int, a slice or an array of ints.
    `numpy.asarray` reads all rows. TensorFlow decodes the rows and does not work after
    a fork, so use threads (`workers`) and not `use_multiprocessing`.

    Args:
        num_rows: Int.
    """

    def __init__(self, num_rows):
        empty = self.read([])
        self.shape = (num_rows, *empty.shape[1:])
        self.dtype = empty.dtype

    @abc.abstractmethod
    def read(self, indices):
        """Reads rows.

        Args:
            indices: Sequence of ints; it may be empty.

        Returns:
            Array of shape `(len(indices), ...)`.
        """

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, index):
        if isinstance(index, slice):
            return self.read(range(*index.indices(len(self))))
        index = np.asarray(index)
        if index.dtype.kind not in "iu" or index.ndim > 1:
            raise IndexError(
                "`index` must be an int, a slice or a one-dimensional array of "
                f"ints. Received: {index.dtype} of shape {index.shape}"
            )
        rows = self.read(np.atleast_1d(index))
        return rows if index.ndim else rows[0]

    def __array__(self, dtype=None, copy=None):
        del copy
        rows = self[:]
        return rows if dtype is None else rows.astype(dtype)
