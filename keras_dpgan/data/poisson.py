"""Poisson batches: for every update, a new coin decides about each record."""

import collections.abc
import typing

import keras
import numpy as np

from keras_dpgan._utils import validate
from keras_dpgan.data.records import Records

if typing.TYPE_CHECKING:
    from keras_dpgan.data.records import IndexedRows


class PoissonDataset(keras.utils.PyDataset):
    """Batches in which each record is present with the same probability, independently.

    This is the sampling that the privacy accounting of `DPGAN` assumes. A record
    enters each batch with probability q, independently of the other records and of
    the other batches. Therefore batches differ in size, some may be empty, and in an
    epoch (1/q updates) a record occurs once on average: perhaps never, perhaps thrice.
    The number of records and q are public. Source: Abadi et al. 2016, "Deep
    Learning with Differential Privacy", section 3; Mironov, Talwar and Zhang
    2019, "Renyi Differential Privacy of the Sampled Gaussian Mechanism".

    Each draw takes fresh entropy of the operating system. So no seed of the user
    repeats it, and threads and forked workers draw different batches. The model counts
    updates; draws are not counted here, because Keras draws some batches only for
    their shape and others in advance.

    Examples:
        >>> import numpy as np
        >>> x, y = np.zeros((600, 8, 8, 1), "float32"), np.zeros(600, "int32")
        >>> dataset = dpgan.data.PoissonDataset(x, y, expected_batch_size=60)
        >>> dataset.sampling_probability, len(dataset)
        (0.1, 10)
        >>> rows, labels = dataset[0]  # About 60 rows; each draw differs.
        >>> rows.shape[1:]
        (8, 8, 1)

        `gan.fit(dataset, epochs=20)` then makes 200 discriminator updates.

    Args:
        x: The records: an array (NumPy, memory-mapped, HDF5: anything with a
            `shape` and a `dtype` that takes an array of integers), or anything
            that has a length and gives a record for an integer (a list, a TFDS
            `data_source`).
        y: The labels of the records, in the same order. Defaults to `None`.
        expected_batch_size: Positive number, at most the number of records. It is q
            times the number of records. Give either this or `sampling_probability`.
        sampling_probability: Number in (0, 1]: q.
        transform: Callable of one record, `transform(x_i)` or
            `transform(x_i, y_i)`, that returns what to train on: an array, or a
            pair of an array and its label. It gets one record at a time, so that no
            record can influence another. If the arrays fit in memory, it is faster
            to change them beforehand. Defaults to `None`.
        steps_per_epoch: Int, the number of batches that Keras calls an epoch.
            Defaults to `None`: 1/q, rounded.
        seed: Non-negative int that makes the draws repeatable, for tests. Someone who
            knows the seed knows the batches, so privacy statements then claim no
            amplification by sampling. Defaults to `None`.
        workers: As in `keras.utils.PyDataset`. Defaults to 1.
        use_multiprocessing: As in `keras.utils.PyDataset`. Defaults to `False`.
        max_queue_size: As in `keras.utils.PyDataset`. Defaults to 10.

    Attributes:
        epoch: Int, which of the seeded epochs is drawn; Keras advances it. If a
            resumed run is to repeat seeded draws, set this attribute first.

    Raises:
        ValueError: If there is no record, if a number is out of its range, if both
            or neither of `expected_batch_size` and `sampling_probability` are given,
            or if `x` and `y` differ in length.
        TypeError: If `x` or `y` cannot be read by index.
    """

    def __init__(
        self,
        x: "IndexedRows",
        y: "IndexedRows | None" = None,
        expected_batch_size: float | None = None,
        sampling_probability: float | None = None,
        *,
        transform: collections.abc.Callable[..., typing.Any] | None = None,
        steps_per_epoch: int | None = None,
        seed: int | None = None,
        workers: int = 1,
        use_multiprocessing: bool = False,
        max_queue_size: int = 10,
    ) -> None:
        super().__init__(workers, use_multiprocessing, max_queue_size)
        self.records = Records(x, y, transform)
        self._sampling_probability, self._expected_batch_size = _rate_and_size(
            len(self.records), sampling_probability, expected_batch_size
        )
        if steps_per_epoch is None:
            steps_per_epoch = max(1, round(1 / self._sampling_probability))
        self._num_batches = validate.check_int("steps_per_epoch", steps_per_epoch, 1)
        self._seed = None if seed is None else validate.check_int("seed", seed, 0)
        self.epoch = 0

    @property
    def num_examples(self) -> int:
        """The number of records, an int. It counts as public."""
        return len(self.records)

    @property
    def sampling_probability(self) -> float:
        """The probability q with which a record enters a batch, a float."""
        return self._sampling_probability

    @property
    def expected_batch_size(self) -> float:
        """The mean size of a batch, a float, by which a noised sum is divided."""
        return self._expected_batch_size

    @property
    def seeded(self) -> bool:
        """Whether someone who knows the seed can repeat the draws."""
        return self._seed is not None

    @property
    def element_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Tuple of the shapes of one record and, if there is one, of its label."""
        return self.records.shapes

    def __len__(self):
        return self._num_batches

    def __getitem__(self, index):
        """Draws a batch.

        Args:
            index: Int in [0, len). Without a seed it has no influence: the same index
                gives a different batch each time.

        Returns:
            `(x,)` or `(x, y)`, arrays of shape `(b, ...)` where b is random and
            may be zero.
        """
        if not 0 <= index < self._num_batches:
            raise IndexError(
                f"`index` must be in [0, {self._num_batches}). Received: index={index}"
            )
        return self.draw_shard(0, int(index), 0, 1)

    def draw_shard(
        self, epoch: int, index: int, shard: int, num_shards: int
    ) -> tuple[np.ndarray, ...]:
        """Draws a batch from one of several disjoint parts of the records.

        Each part is drawn with the same q. The batches of all parts together are
        therefore a batch of all records.

        Args:
            epoch: Int, the number of epochs from now until the draw.
            index: Int, which batch of that epoch. Without a seed, `epoch` and `index`
                have no influence.
            shard: Int in [0, num_shards): the part that has the records `shard`,
                `shard + num_shards`, `shard + 2 * num_shards` and so on.
            num_shards: Positive int.

        Returns:
            As `__getitem__`.
        """
        if self._seed is None:
            indices = self._draw(shard, num_shards, np.random.default_rng())
        else:
            # All records are drawn from, so that the draw is the same for any number
            # of parts.
            rng = np.random.default_rng((self._seed, self.epoch + epoch, index))
            indices = self._draw(0, 1, rng)
            indices = indices[indices % num_shards == shard]
        return self.records.take(indices)

    def _draw(self, shard, num_shards, rng):
        num_records = len(range(shard, self.num_examples, num_shards))
        size = rng.binomial(num_records, self._sampling_probability)
        places = rng.choice(num_records, size, replace=False, shuffle=False)
        # Rows are read in the order of storage, which is fast on disks and in caches.
        return np.sort(places) * num_shards + shard

    def on_epoch_end(self) -> None:
        """Advances to the next epoch of the seeded draws; Keras calls it."""
        self.epoch += 1


def _rate_and_size(num_examples, probability, size):
    if (probability is None) == (size is None):
        raise ValueError(
            "Give either `expected_batch_size` or `sampling_probability`. Received: "
            f"expected_batch_size={size}, sampling_probability={probability}"
        )
    if size is None:
        probability = validate.check_probability("sampling_probability", probability)
        return probability, probability * num_examples
    checked = validate.check_positive("expected_batch_size", size)
    if checked > num_examples:
        raise ValueError(
            "`expected_batch_size` must be at most the number of records, "
            f"{num_examples}. Received: expected_batch_size={size}"
        )
    return checked / num_examples, checked
