"""Records part by part, as often as they are needed."""

import numpy as np
import tensorflow as tf

from keras_dpgan.data.poisson import PoissonDataset
from keras_dpgan.data.records import Records

# So that a part of large rows fits into memory, and one of small rows is worth a call.
_NUMBERS_AT_ONCE = 4_000_000


def records_of(x, y):
    """The records of what a release was given.

    Args:
        x: What `PoissonDataset` reads, or a `PoissonDataset`.
        y: Labels, or `None`.

    Returns:
        A `Records`.

    Raises:
        ValueError: For labels beside a `PoissonDataset`, and for batches, in which
            a record may come more than once.
    """
    if isinstance(x, tf.data.Dataset):
        raise ValueError(
            "`x` must give each record once, by its index: the batches of a "
            "`tf.data.Dataset` may repeat some, which the noise is not counted for. "
            "Use `tfds.data_source`, arrays or memory maps. Received: x of type "
            f"{type(x).__name__}"
        )
    if not isinstance(x, PoissonDataset):
        return Records(x, y)
    if y is not None:
        raise ValueError(
            "`y` must be left out with a `PoissonDataset`, which has its own labels. "
            f"Received: y of type {type(y).__name__}"
        )
    return x.records


def of(records, size=None):
    """Rows and labels of records, of which no more than a part is in memory.

    Args:
        records: A `Records`.
        size: Int, the most rows of a part. Defaults to `None`: by the size of a row.

    Yields:
        Pairs of rows of shape `(m, ...)` and their int64 labels of shape `(m,)`, zeros
        where there are none.
    """
    if size is None:
        size = max(1, _NUMBERS_AT_ONCE // max(1, int(np.prod(records.shapes[0]))))
    for start in range(0, len(records), size):
        rows, *labels = records.slice(start, start + size)
        y = labels[0] if labels else np.zeros(len(rows))
        yield np.asarray(rows), np.asarray(y, np.int64)
