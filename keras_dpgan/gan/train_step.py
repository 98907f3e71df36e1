"""One discriminator update and one generator step, in one replica."""

import math
import typing

import tensorflow as tf

from keras_dpgan.gan import networks
from keras_dpgan.gan.class_head import class_loss
from keras_dpgan.gan.slopes import heads_and_penalty
from keras_dpgan.mechanisms import noise
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
