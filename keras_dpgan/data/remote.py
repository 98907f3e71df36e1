"""A data set whose records stay with their owners."""

import abc

import keras
import numpy as np
import tensorflow as tf

from keras_dpgan._utils import validate
from keras_dpgan.clipping.contract import ClippedSum


class RemoteRecords(keras.utils.PyDataset, abc.ABC):
    """Records that stay with their owners, who send clipped sums of gradients.

    It is given to `DPGAN.fit` instead of records. For each update, every owner draws
    a Poisson sample of its own records, all with the same q, and clips their
    gradients. The samples together are one Poisson sample of all records, and the
    owners' sums add up to the sum that training in one place would compute. The
    receiver of the sums adds the noise and counts the update.

    Args:
        row_shape: Tuple of ints, the shape of a record.
        num_classes: Int, or `None` for an unconditional model.
        num_examples: Int, the number of records of all owners. It counts as public.
        sampling_probability: Float in (0, 1]: q.
        steps_per_epoch: Int, the number of updates that Keras calls an epoch. Defaults
            to `None`: 1/q, rounded.

    Attributes:
        entry: The `privacy.HistoryEntry` of an update whose sums already contain the
            noise; `None` if the optimizer adds it.
        seeded: Whether someone who knows a seed can repeat the draws.
        statement_notes: Tuple of strings with which a privacy statement begins.
    """

    entry = None
    seeded = False
    statement_notes: tuple[str, ...] = ()

    def __init__(
        self,
        row_shape,
        num_classes,
        num_examples,
        sampling_probability,
        steps_per_epoch=None,
    ):
        super().__init__()
        self._row_shape = tuple(row_shape)
        self._num_classes = num_classes
        self.num_examples = validate.check_int("num_examples", num_examples, 1)
        self.sampling_probability = validate.check_probability(
            "sampling_probability", sampling_probability
        )
        if steps_per_epoch is None:
            steps_per_epoch = max(1, round(1 / self.sampling_probability))
        self._num_batches = validate.check_int("steps_per_epoch", steps_per_epoch, 1)

    @property
    def expected_batch_size(self):
        """The mean number of records in an update, a float."""
        return self.sampling_probability * self.num_examples

    def __len__(self):
        return self._num_batches

    def __getitem__(self, index):
        """A batch without records, since Keras never sees the records."""
        rows = np.zeros((0, *self._row_shape), np.float32)
        if self._num_classes is None:
            return (rows,)
        return rows, np.zeros((0,), np.int32)

    @abc.abstractmethod
    def clipped_sums(self, number, weights, pool, l2_norm_clip):
        """Adds up the clipped sums of all owners.

        Args:
            number: Int, how many updates were made before this one.
            weights: List of arrays, the discriminator's trainable weights.
            pool: Array of public fakes; see `TrainingStep.pool`.
            l2_norm_clip: Float.

        Returns:
            List of float arrays of the weights' shapes.
        """

    def update_discriminator(self, step, number, draws):
        """Makes one update of a `TrainingStep`, in eager code or in a graph."""
        if step.d_optimizer.mechanism.clipped_count_stddev is not None:
            raise ValueError(
                "`d_optimizer` must have a fixed clip. An adaptive clip would need "
                "counts of the owners' records, which are not sent. Give it "
                "`l2_norm_clip` and `noise_multiplier`."
            )
        clip = float(step.d_optimizer.mechanism.initial_l2_norm_clip)
        variables = step.discriminator.trainable_variables

        def ask(number, pool, *weights):
            sums = self.clipped_sums(int(number), list(weights), pool, clip)
            return [np.asarray(s, np.float32) for s in sums]

        pool = step.pool(self.expected_batch_size, draws)
        weights = [tf.convert_to_tensor(v.value) for v in variables]
        sums = tf.numpy_function(
            ask, [number, pool, *weights], [tf.float32] * len(variables)
        )
        sums = [tf.ensure_shape(s, v.shape) for s, v in zip(sums, weights, strict=True)]
        total = ClippedSum(sums, tf.constant(0), tf.constant(0))
        step.apply_clipped_sum(total, self.expected_batch_size)
