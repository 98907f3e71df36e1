"""Batches of random size, padded if devices or XLA need equal shapes."""

import keras
import numpy as np


class PaddedDataset(keras.utils.PyDataset):
    """Pads each batch of a data set to a positive multiple of a row count.

    Added rows are zeros. A mask marks them, so that they count as absent. A large
    draw gets more rows; no record is ever dropped.

    Args:
        dataset: A `keras.utils.PyDataset` whose batches are `x` or `(x, y)`.
        multiple: Positive int.

    Returns of `__getitem__`:
        `(x, y, mask)` as NumPy arrays; `y` is int32 zeros where there are no
        labels, `mask` is float32 of shape `(rows,)`: one for a record.
    """

    def __init__(self, dataset, multiple):
        super().__init__(
            workers=dataset.workers,
            use_multiprocessing=dataset.use_multiprocessing,
            max_queue_size=dataset.max_queue_size,
        )
        self.dataset = dataset
        self.multiple = multiple

    def __len__(self):
        return len(self.dataset)

    def __getitem__(self, index):
        x, y, _ = keras.utils.unpack_x_y_sample_weight(self.dataset[index])
        n = len(x)
        rows = max(1, -(-n // self.multiple)) * self.multiple
        y = np.zeros(n, np.int32) if y is None else y
        return _padded(x, rows), _padded(y, rows), _mask(n, rows)

    def on_epoch_begin(self):
        self.dataset.on_epoch_begin()

    def on_epoch_end(self):
        self.dataset.on_epoch_end()


def _padded(array, rows):
    missing = rows - len(array)
    if not missing:
        return array
    return np.pad(array, [(0, missing)] + [(0, 0)] * (np.ndim(array) - 1))


def _mask(n, rows):
    # The mask has floats, because Keras adds some inputs up under a strategy.
    return (np.arange(rows) < n).astype(np.float32)
