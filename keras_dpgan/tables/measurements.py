"""What was measured so far: estimates of counts, and how exact each is."""

import numpy as np


class Measurements:
    """Noisy counts, joined where one was measured several times.

    Each entry is the mean of its measurements, weighted by their precision (one over
    the variance of the noise), and the sum of these.

    Args:
        offsets: Int array, as in `TableCounts`.
        num_groups: Int, the cells of the target; 0 without one.
    """

    def __init__(self, offsets, num_groups):
        size = offsets[-1]
        self._offsets = offsets
        self.pairs = np.zeros((size, size))
        self.pair_precision = np.zeros((size, size))
        self.triples = np.zeros((num_groups, size, size))
        self.triple_precision = np.zeros((num_groups, size, size))

    def add_single(self, column, table, deviation):
        """Joins a column's own counts: they stand on the diagonal."""
        place = np.arange(self._offsets[column], self._offsets[column + 1])
        self._join(self.pairs, self.pair_precision, (place, place), table, deviation)

    def add_pair(self, a, b, table, deviation):
        """Joins the counts of two columns, `a < b`."""
        place = (self._slice(a), self._slice(b))
        self._join(self.pairs, self.pair_precision, place, table, deviation)

    def add_triple(self, a, b, table, deviation):
        """Joins the counts of the target and two columns, `a < b`."""
        place = (slice(None), self._slice(a), self._slice(b))
        self._join(self.triples, self.triple_precision, place, table, deviation)

    def _slice(self, column):
        return slice(self._offsets[column], self._offsets[column + 1])

    @staticmethod
    def _join(means, precisions, place, table, deviation):
        precision = deviation**-2.0
        before = precisions[place]
        means[place] = (before * means[place] + precision * table) / (
            before + precision
        )
        precisions[place] = before + precision

    @property
    def has_triples(self) -> bool:
        """Whether any triple was measured."""
        return bool(self.triple_precision.any())
