"""Exact counts of pairs of columns, by the target's value: private, never kept."""

import itertools

import numpy as np

from keras_dpgan.tables.columns import NOWHERE


def num_counts(num_cells, group_by=None) -> int:
    """How many numbers a `TableCounts` of these arguments holds, an int."""
    cells = np.array(num_cells, np.float64)
    pairs = (cells.sum() ** 2 - np.square(cells).sum()) / 2
    return round(pairs * (1 if group_by is None else num_cells[group_by] + 1))


class TableCounts:
    """How often each pair of cells is met, for each cell of the target if wanted.

    Memory is that of the counts, however many rows are added.

    Args:
        num_cells: Tuple of ints: the cells of each column.
        group_by: Int, the target's place, where pairs are counted together with it,
            too. Defaults to `None`: pairs alone are.

    Attributes:
        offsets: Int array: where in a table of all cells each column begins, and
            where the last one ends.
        pairs: Tuple of pairs of columns `(a, b)`, `a < b`.
    """

    def __init__(self, num_cells, group_by=None):
        self.num_cells = tuple(num_cells)
        self.group_by = group_by
        self.offsets = np.concatenate([[0], np.cumsum(self.num_cells)])
        self.pairs = tuple(itertools.combinations(range(len(self.num_cells)), 2))
        # The last group is of rows whose target has no cell.
        self._groups = 1 if group_by is None else self.num_cells[group_by] + 1
        self._singles = [np.zeros(size, np.int64) for size in self.num_cells]
        self._by_group = {
            (a, b): np.zeros((self._groups, num_cells[a], num_cells[b]), np.int64)
            for a, b in self.pairs
        }

    def add(self, cells):
        """Counts rows: int array of shape `(rows, columns)`, -1 for no cell."""
        group = np.zeros(len(cells), np.int64)
        if self.group_by is not None:
            group = np.where(
                cells[:, self.group_by] == NOWHERE,
                self._groups - 1,
                cells[:, self.group_by],
            )
        columns = np.ascontiguousarray(cells.T)
        for column, counts in enumerate(self._singles):
            counts += _counts(columns[column], columns[column] == NOWHERE, len(counts))
        unknown = [column == NOWHERE for column in columns]
        some = [column.any() for column in unknown]
        rows = [group * size + columns[a] for a, size in enumerate(self.num_cells)]
        for (a, b), counts in self._by_group.items():
            nowhere = unknown[a] | unknown[b] if some[a] or some[b] else None
            flat = rows[a] * self.num_cells[b] + columns[b]
            counts += _counts(flat, nowhere, counts.size).reshape(counts.shape)

    def single(self, column):
        """The counts of a column's cells, a float64 array."""
        return self._singles[column].astype(np.float64)

    def table(self, candidate):
        """The counts of some columns, a float64 array.

        Args:
            candidate: `(with_target, a, b)`, `a < b`.

        Returns:
            Of shape `(cells of a, cells of b)`; with the target its cells come first.
        """
        with_target, a, b = candidate
        counts = self._by_group[a, b]
        found = counts[:-1] if with_target else counts.sum(axis=0)
        return found.astype(np.float64)

    def size(self, candidate) -> int:
        """The number of cells of `table`, an int."""
        with_target, a, b = candidate
        groups = self.num_cells[self.group_by] if with_target else 1
        return groups * self.num_cells[a] * self.num_cells[b]


def _counts(flat, nowhere, size):
    """How often each number below `size` is met, where it is not nowhere."""
    if nowhere is not None:
        flat = np.where(nowhere, size, flat)
    return np.bincount(flat, minlength=size)[:size]
