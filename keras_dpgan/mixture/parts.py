"""Records part by part, as often as they are needed."""

import numpy as np

# So that a part of large rows fits into memory, and one of small rows is worth a call.
_NUMBERS_AT_ONCE = 4_000_000


def of(records):
    """Rows and labels of records, of which no more than a part is in memory.

    Args:
        records: A `Records`.

    Yields:
        Pairs of rows of shape `(m, ...)` and their labels of shape `(m,)`.
    """
    size = max(1, _NUMBERS_AT_ONCE // max(1, int(np.prod(records.shapes[0]))))
    for start in range(0, len(records), size):
        rows, labels = records.slice(start, start + size)
        yield np.asarray(rows), np.asarray(labels)
