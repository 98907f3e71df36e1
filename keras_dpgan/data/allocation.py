"""Batches by random allocation: each record in exactly one batch of an epoch."""

import collections.abc
import typing

import keras
import numpy as np

from keras_dpgan._utils import validate
from keras_dpgan.data.records import Records

if typing.TYPE_CHECKING:
    from keras_dpgan.data.records import IndexedRows


class AllocationDataset(keras.utils.PyDataset):
    """Batches among which each record is put into one, by a draw of its own.

    Every record is used once in an epoch, where a `PoissonDataset` uses one never and
    another thrice. ("Balls in bins": the size of a batch still varies, and does not
    depend on what is in the records.) At the beginning of each epoch all records are
    allocated anew. The guarantee is about that of Poisson batches of the same size, and
    often a little better. The number of records and that of batches are public.
    Source: Chua et al. 2025, "Balls-and-Bins Sampling for DP-SGD"; Feldman and
    Shenfeld 2025, "Privacy Amplification by Random Allocation".

    Give it to `fit`, and plan with `privacy.plan(..., sampling="allocation")`. The
    draws come from fresh entropy of the operating system. An epoch that was begun
    counts as a whole one, since it does not matter which of its batches were used.

    Examples:
        >>> import numpy as np
        >>> x, y = np.zeros((600, 8, 8, 1), "float32"), np.zeros(600, "int32")
        >>> dataset = dpgan.data.AllocationDataset(x, y, expected_batch_size=60)
        >>> len(dataset)
        10
        >>> sum(len(labels) for _, labels in (dataset[i] for i in range(10)))
        600

        `gan.fit(dataset, epochs=20)` then makes 200 discriminator updates.

    Args:
        x: The records, as `PoissonDataset` takes them.
        y: The labels of the records, in the same order. Defaults to `None`.
        expected_batch_size: Positive number, at most the number of records. An epoch
            has the number of records divided by it, rounded, of batches.
        transform: Callable of one record, as for `PoissonDataset`. Defaults to `None`.

    Raises:
        ValueError: If there is no record, the size is out of its range, or `x` and
            `y` differ in length.
        TypeError: If `x` or `y` cannot be read by index.
    """

    def __init__(
        self,
        x: "IndexedRows",
        y: "IndexedRows | None" = None,
        *,
        expected_batch_size: float,
        transform: collections.abc.Callable[..., typing.Any] | None = None,
    ) -> None:
        super().__init__()
        self.records = Records(x, y, transform)
        size = validate.check_positive("expected_batch_size", expected_batch_size)
        if size > self.num_examples:
            raise ValueError(
                "`expected_batch_size` must be at most the number of records, "
                f"{self.num_examples}. Received: "
                f"expected_batch_size={expected_batch_size}"
            )
        self._num_batches = max(1, round(self.num_examples / size))
        self._order = np.arange(self.num_examples)
        self._ends = np.zeros(self._num_batches, np.int64)
        self._next = 0

    @property
    def num_examples(self) -> int:
        """The number of records, an int. It counts as public."""
        return len(self.records)

    @property
    def expected_batch_size(self) -> float:
        """The mean size of a batch, a float: what a noised sum is divided by."""
        return self.num_examples / self._num_batches

    def __len__(self):
        return self._num_batches

    def __getitem__(self, index):
        """Gives a batch of the present allocation.

        Args:
            index: Int in [0, len). Zero allocates all records anew. Others must
                follow one another, so that no allocation is used twice.

        Returns:
            `(x,)` or `(x, y)`, arrays of shape `(b, ...)` where b is random and may
            be zero.

        Raises:
            IndexError: If `index` is out of range.
            RuntimeError: If `index` is not the next one: something else has drawn
                from this data set.
        """
        if not 0 <= index < self._num_batches:
            raise IndexError(
                f"`index` must be in [0, {self._num_batches}). Received: index={index}"
            )
        if index == 0:
            self._allocate()
        elif index != self._next:
            raise RuntimeError(
                f"`index` must be 0, or {self._next}, the next one: the batches of an "
                "allocation are used once, in order. Give each `fit`, and whatever "
                "else reads batches, an `AllocationDataset` of its own. Received: "
                f"index={index}"
            )
        self._next = int(index) + 1
        start = self._ends[index - 1] if index else 0
        # In the order of storage, which disks and caches like.
        return self.records.take(np.sort(self._order[start : self._ends[index]]))

    def _allocate(self):
        """Puts each record into a batch by a uniform draw of its own.

        Sizes that are multinomial and a random order are the same in distribution, and
        need no sorting.
        """
        rng = np.random.default_rng()
        shares = np.full(self._num_batches, 1 / self._num_batches)
        self._ends = np.cumsum(rng.multinomial(self.num_examples, shares))
        rng.shuffle(self._order)
