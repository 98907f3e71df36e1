"""Exact counts of pairs of columns, by the target's value: private, never kept."""

import itertools

import numpy as np

from keras_dpgan.tables.columns import NOWHERE


class TableCounts:
    """How often each pair of cells is met, for each cell of the target.

    Memory is that of the counts, however many rows are added.

    Args:
        num_cells: Tuple of ints: the cells of each column.
        target: Int, the place of the target's column, or `None`.

    Attributes:
        offsets: Int array: where in a table of all cells each column begins, and
            where the last one ends.
        pairs: Tuple of pairs of columns `(a, b)`, `a < b`.
    """

    def __init__(self, num_cells, target=None):
        self.num_cells = tuple(num_cells)
        self.target = target
        self.offsets = np.concatenate([[0], np.cumsum(self.num_cells)])
        self.pairs = tuple(itertools.combinations(range(len(self.num_cells)), 2))
        # The last group is of rows whose target has no cell.
        self._groups = 1 if target is None else self.num_cells[target] + 1
        size = self.offsets[-1]
        self._singles = np.zeros(size)
        self._by_group = np.zeros((self._groups, size, size))

    def add(self, cells):
        """Counts rows: int array of shape `(rows, columns)`, -1 for no cell."""
        group = np.zeros(len(cells), np.int64)
        if self.target is not None:
            group = np.where(
                cells[:, self.target] == NOWHERE,
                self._groups - 1,
                cells[:, self.target],
            )
        for column, size in enumerate(self.num_cells):
            known = cells[:, column] != NOWHERE
            self._singles[self._slice(column)] += np.bincount(
                cells[known, column], minlength=size
            )
        for a, b in self.pairs:
            known = (cells[:, a] != NOWHERE) & (cells[:, b] != NOWHERE)
            shape = (self._groups, self.num_cells[a], self.num_cells[b])
            flat = np.ravel_multi_index(
                (group[known], cells[known, a], cells[known, b]), shape
            )
            found = np.bincount(flat, minlength=np.prod(shape)).reshape(shape)
            self._by_group[:, self._slice(a), self._slice(b)] += found

    def _slice(self, column):
        return slice(self.offsets[column], self.offsets[column + 1])

    def single(self, column):
        """The counts of a column's cells."""
        return self._singles[self._slice(column)]

    def pair(self, a, b):
        """The counts of two columns, of shape `(cells of a, cells of b)`."""
        return self._by_group[:, self._slice(a), self._slice(b)].sum(axis=0)

    def triple(self, a, b):
        """The counts of the target and two columns, the target's cells first."""
        return self._by_group[:-1, self._slice(a), self._slice(b)]
