"""One discriminator update and, when due, one generator step."""

import keras
import tensorflow as tf

from keras_dpgan.data.padding import PaddedDataset
from keras_dpgan.data.remote import RemoteRecords
from keras_dpgan.gan import fit_arguments
from keras_dpgan.sampling import randomness
from keras_dpgan.sampling.randomness import PublicDraws


class Alternation:
    """What each step of `fit` does, inside the graph.

    Every update of the discriminator in `fit` passes through `update_discriminator`,
    which counts it.

    Args:
        gan: A compiled `DPGAN`.
        step: Its `TrainingStep`.
        schedule: An `AdaptiveDiscriminatorSteps`, or `None`: a generator step is due
            after `gan.discriminator_steps` updates.
    """

    def __init__(self, gan, step, schedule):
        self.step = step
        self._gan = gan
        self._schedule = schedule

    def run(self, data):
        """Runs one step with the batch of one replica.

        Both updates are gated in cross-replica context: a replica cannot merge inside
        a `tf.cond` of its own.
        """
        tf.distribute.get_replica_context().merge_call(
            self._run_on_all_replicas, args=self.unpack(data)
        )

    def _run_on_all_replicas(self, strategy, *batch):
        run = strategy.extended.call_for_each_replica

        def update():
            run(self.update_discriminator, args=batch)
            tf.cond(self._generator_is_due(), generate, _nothing)
            return _nothing()

        def generate():
            run(self.update_generator)
            return _nothing()

        tf.cond(self._gan.session.limits.take_step(self.count()), update, _nothing)

    def _generator_is_due(self):
        if self._schedule is not None:
            return self._schedule.is_due(self.count())
        return tf.equal(self.count() % self._gan.discriminator_steps, 0)

    def update_discriminator(self, rows, labels, mask):
        """Makes one discriminator update and counts it.

        Args:
            rows: See `TrainingStep.update_discriminator`.
            labels: See there.
            mask: See there.
        """
        data = self._gan.session.data
        draws = self.draws(randomness.DISCRIMINATOR)
        if isinstance(data.batches, RemoteRecords):
            data.batches.update_discriminator(self.step, self.count(), draws)
        else:
            self.step.update_discriminator(
                rows, labels, mask, data.expected_batch_size, draws
            )
        self._gan.privacy_record.num_discriminator_updates.assign_add(1)

    def update_generator(self):
        """Makes one generator step, which reads no record."""
        expected = self._gan.session.data.expected_batch_size
        draws = self.draws(randomness.GENERATOR)
        g_loss, d_loss_fake, scores = self.step.update_generator(expected, draws)
        if self._schedule is not None:
            is_told = scores < self.step.loss.boundary
            self._schedule.observe(is_told, self.count())
        self._gan.g_loss_metric.update_state(g_loss)
        self._gan.d_loss_fake_metric.update_state(d_loss_fake)

    def draws(self, purpose):
        """The public draws of the present update for a purpose of `randomness`."""
        return PublicDraws(self._gan.public_seed, self.count(), purpose)

    def count(self):
        """The discriminator updates so far, an int64 scalar tensor."""
        counter = self._gan.privacy_record.num_discriminator_updates
        return tf.convert_to_tensor(counter.value)

    def unpack(self, data):
        """Rows, labels and mask of a batch; the latter two may be `None`."""
        rows, labels, weights = keras.utils.unpack_x_y_sample_weight(data)
        training_data = self._gan.session.data
        padded = isinstance(training_data.batches, PaddedDataset)
        if weights is not None and not padded:
            raise ValueError(fit_arguments.SAMPLE_WEIGHT)
        mask = None if weights is None else weights > 0
        is_looked_at = training_data.sampling_probability is not None
        if not is_looked_at:
            # Of a data set only the first batch was. Its own shape may say nothing.
            rows = tf.ensure_shape(rows, (None, *self._gan.row_shape))
        condition = self._gan.generation.condition
        if condition is None:
            return rows, None, mask
        if labels is None:
            raise ValueError(
                "A conditional model needs labels: give `fit` `x` and `y`, or "
                "batches of `(x, y)`."
            )
        if not is_looked_at:
            # `fit` has checked only the first batch of a data set. A record whose label
            # is out of range counts as absent, whatever class its fake is taken from.
            in_range = condition.is_in_range(labels)
            mask = in_range if mask is None else mask & in_range
        return rows, condition.of_batch(labels), mask


def _nothing():
    return tf.constant(0)
