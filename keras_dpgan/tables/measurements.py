"""What was measured so far: estimates of counts, and how exact each is."""

import typing

import numpy as np


class Measured(typing.NamedTuple):
    """Noisy counts of some columns.

    Attributes:
        counts: Float64 array.
        precision: Float, one over the variance of the noise on each.
    """

    counts: np.ndarray
    precision: float


class Measurements:
    """Noisy counts, joined where one was measured several times.

    Joined are means, weighted by precision; their precisions add up.

    Attributes:
        singles: Dict from columns to `Measured`.
        tables: Dict from candidates, `(with_target, a, b)`, to `Measured`.
    """

    def __init__(self):
        self.singles: dict[int, Measured] = {}
        self.tables: dict[tuple, Measured] = {}

    def add_single(self, column, counts, deviation):
        """Adds a column's own counts, with noise of this standard deviation."""
        self._join(self.singles, column, counts, deviation)

    def add_table(self, candidate, counts, deviation):
        """Adds counts of several columns; see `TableCounts.table`."""
        self._join(self.tables, candidate, counts, deviation)

    @staticmethod
    def _join(known, name, counts, deviation):
        precision = deviation**-2.0
        if name in known:
            before = known[name]
            joined = before.precision + precision
            counts = (before.precision * before.counts + precision * counts) / joined
            precision = joined
        known[name] = Measured(counts, precision)

    def independent(self) -> np.ndarray:
        """The shares of each column's cells, one row: of columns as if independent."""
        shares = []
        for column in sorted(self.singles):
            counts = np.maximum(self.singles[column].counts, 0.0)
            shares.append(counts / max(counts.sum(), 1.0))
        return np.concatenate(shares)[None]
