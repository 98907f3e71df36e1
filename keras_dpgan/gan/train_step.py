"""One step: counted updates of the discriminator, then one of the generator."""

import math
import typing

import keras
import tensorflow as tf

from keras_dpgan.data.padding import PaddedDataset
from keras_dpgan.data.remote import RemoteRecords
from keras_dpgan.gan import keras_methods
from keras_dpgan.gan import networks
from keras_dpgan.gan.networks import class_loss
from keras_dpgan.gan.networks import heads_and_penalty
from keras_dpgan.mechanisms import noise
from keras_dpgan.sampling import randomness
from keras_dpgan.sampling.randomness import PublicDraws
from keras_dpgan.sampling.randomness import SecretDraws

# A fixed, public loss scale for half precision. A dynamic one would depend
# on the records, without noise.
_HALF_PRECISION_LOSS_SCALE = 1024.0


class TrainingStep:
    """How a `DPGAN` changes its weights in one step.

    Args:
        discriminator: A `keras.Model`.
        generation: A `PublicGeneration`.
        d_optimizer: A `DPOptimizer`; without an engine, a plain one.
        g_optimizer: A plain Keras optimizer.
        loss: An `AdversarialLoss`.
        penalty: A `GradientPenalty`, or `None`.
        weight_clip: A `WeightClipping`, or `None`.

    Attributes:
        engine: The clipping engine; `None` for training without privacy.
    """

    def __init__(
        self,
        discriminator,
        generation,
        d_optimizer,
        g_optimizer,
        loss,
        penalty,
        weight_clip,
    ):
        self.discriminator = discriminator
        self.generation = generation
        self.d_optimizer = d_optimizer
        self.g_optimizer = g_optimizer
        self.loss = loss
        self.penalty = penalty
        self.weight_clip = weight_clip
        self.engine: typing.Any = None
        self._class_loss = class_loss(discriminator)

    def update_discriminator(self, rows, labels, mask, expected_batch_size, draws):
        """Makes one noisy update from the records of one batch.

        Args:
            rows: Tensor of shape `(n, ...)`; `n` may be zero.
            labels: Int tensor of shape `(n,)` in range, conditions of shape
                `(n, d)`, or `None`.
            mask: Bool tensor of shape `(n,)`, false where a row is padding, or
                `None`.
            expected_batch_size: Public float, over all replicas.
            draws: `PublicDraws` of this update.
        """
        pool = self.pool(expected_batch_size, draws)
        if self.engine is not None:
            own = self._draws_of_records(draws)
            clipped_sum = self.clipped_sum(rows, labels, mask, pool, own)
            self.apply_clipped_sum(clipped_sum, expected_batch_size)
            return
        records = self.records(rows, labels, pool, draws)
        variables = self.discriminator.trainable_variables
        self._apply_plain_gradient(variables, records, mask, expected_batch_size)
        self._clip_weights()

    def clipped_sum(self, rows, labels, mask, pool, draws):
        """The sum of the records' clipped gradients: all that depends on records.

        Args:
            rows: As in `update_discriminator`.
            labels: As there.
            mask: As there.
            pool: Fakes, from `pool`.
            draws: `SecretDraws`.

        Returns:
            A `ClippedSum`, not noised.
        """
        records = self.records(rows, labels, pool, draws)
        seeds = draws.integers((tf.shape(rows)[0], 2), 2**32, tf.int64)
        variables = self.discriminator.trainable_variables
        return self._clipped_sum(variables, records, mask, seeds)

    def _draws_of_records(self, public_draws):
        """The draws that belong to records: secret, if a guarantee is claimed."""
        if self.d_optimizer.has_insecure_noise:
            return public_draws
        return SecretDraws(noise.process_stream())

    def apply_clipped_sum(self, clipped_sum, expected_batch_size):
        """Noises a sum of clipped gradients and makes the update."""
        self.d_optimizer.apply_clipped_sum(
            clipped_sum, self.discriminator.trainable_variables, expected_batch_size
        )
        self._clip_weights()

    def _clip_weights(self):
        if self.weight_clip is not None:
            for variable in self.discriminator.trainable_variables:
                variable.assign(self.weight_clip(variable))

    def records(self, rows, labels, pool, draws):
        """Everything that a record's loss uses, one of each per record."""
        rows = tf.cast(rows, self.discriminator.variable_dtype)
        n = tf.shape(rows)[0]
        fakes = self._fakes(labels, n, pool, draws)
        conditions = {}
        if isinstance(fakes, tuple):
            fakes, conditions["fake_labels"] = fakes
        records = {
            "real": rows,
            "fake": tf.cast(fakes, rows.dtype),
            "mixing": draws.uniform((n,), rows.dtype),
            **conditions,
        }
        if labels is not None:
            records["labels"] = labels
        return records

    def pool(self, expected_batch_size, draws):
        """Public fakes for the records of one update, in the order of labels.

        There are as many rows of each label whatever the records are: a
        generator with batch statistics that ran on the records' labels would
        mix the records.
        """
        rows = _rows_per_replica(expected_batch_size)
        per_label = math.ceil(rows / (self.generation.num_classes or 1))
        return self.generation.pool(per_label, draws)

    def _fakes(self, labels, n, pool, draws):
        """A fake for each record, from a public pool: of the record's own label.

        Conditions that are vectors have no pool of their own. There a record is paired
        with any fake, together with the public condition of that fake.
        """
        if isinstance(pool, tuple):
            index = draws.integers((n,), tf.shape(pool[0])[0])
            return tuple(tf.gather(tensor, index) for tensor in pool)
        per_label = tf.shape(pool)[0] // (self.generation.num_classes or 1)
        index = draws.integers((n,), per_label)
        if labels is not None:
            index += labels * per_label
        return tf.gather(pool, index)

    def record_losses(self, records):
        """One loss per record, which contains everything that uses a real row."""
        labels = records.get("labels")
        fake_labels = records.get("fake_labels", labels)
        real, fake, penalties = heads_and_penalty(
            self.discriminator,
            records["real"],
            records["fake"],
            labels,
            fake_labels,
            records["mixing"],
            self.penalty,
        )
        losses = self.loss.discriminator(real.scores, fake.scores) + penalties
        return losses + self._class_loss(real, labels) + self._class_loss(fake, labels)

    def _clipped_sum(self, variables, records, mask, seeds):
        half_precision = self.discriminator.compute_dtype == "float16"
        scale = _HALF_PRECISION_LOSS_SCALE if half_precision else 1.0
        clipped = self.engine(
            lambda batch: scale * self.record_losses(batch),
            variables,
            records,
            scale * self.d_optimizer.l2_norm_clip,
            mask,
            seeds,
        )
        return clipped._replace(sums=[s / scale for s in clipped.sums])

    def _apply_plain_gradient(self, variables, records, mask, expected_batch_size):
        with tf.GradientTape() as tape:
            values = self.record_losses(records)
            if mask is not None:
                values = tf.where(mask, values, tf.zeros_like(values))
            total = tf.reduce_sum(values) / expected_batch_size
        gradients = tape.gradient(total, variables)
        self.d_optimizer.apply_gradients(zip(gradients, variables, strict=True))

    def update_generator(self, expected_batch_size, draws):
        """Makes one step on public latents and labels.

        Args:
            expected_batch_size: Public float, over all replicas.
            draws: `PublicDraws` of this step.

        Returns:
            `(g_loss, d_loss_fake, fake_scores)`: two scalar tensors and one of
            shape `(n,)`, which may all be published.
        """
        n = _rows_per_replica(expected_batch_size)
        labels = self.generation.labels(n, draws)
        generator = self.generation.generator
        variables = generator.trainable_variables
        with tf.GradientTape() as tape:
            g_loss, d_loss_fake, fake_scores = self.public_losses(
                n, labels, True, draws
            )
            objective = tf.add_n([g_loss, *generator.losses]) / _num_replicas()
            objective = self.g_optimizer.scale_loss(objective)
        gradients = tape.gradient(objective, variables)
        self.g_optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return g_loss, d_loss_fake, fake_scores

    def public_losses(self, n, labels, training, draws):
        """The two losses on `n` generated rows, scalar tensors, and their scores."""
        fake = self.generation.rows(n, labels, training, draws)
        heads = networks.heads(self.discriminator, fake, labels, training)
        class_losses = self._class_loss(heads, labels)
        return (
            tf.reduce_mean(self.loss.generator(heads.scores) + class_losses),
            tf.reduce_mean(self.loss.on_fake(heads.scores) + class_losses),
            heads.scores,
        )


def _num_replicas():
    return tf.distribute.get_strategy().num_replicas_in_sync


def _rows_per_replica(expected_batch_size):
    """This replica's public share of the expected batch, a Python int."""
    return math.ceil(expected_batch_size / _num_replicas())


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
            raise ValueError(keras_methods.SAMPLE_WEIGHT)
        mask = None if weights is None else weights > 0
        is_looked_at = training_data.is_drawn_here
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
