"""One `fit`: its data, its entry in the history, its reservations in the ledger."""

import math
import os
import tempfile
import typing

import keras
import numpy as np
import tensorflow as tf

from keras_dpgan import privacy
from keras_dpgan._utils import keras_internals
from keras_dpgan._version import __version__
from keras_dpgan.clipping import precision
from keras_dpgan.data.remote import RemoteRecords
from keras_dpgan.distribution import workers
from keras_dpgan.gan import checkpoint
from keras_dpgan.gan import fit_data
from keras_dpgan.mechanisms import noise
from keras_dpgan.privacy.history import difference


class FitSession:
    """What a model knows of the `fit` that is running, or of the last one.

    Args:
        gan: A `DPGAN`.

    Attributes:
        data: The `TrainingData`, or `None` before the first `fit`.
        ledger: A `privacy.Ledger`, or `None`.
        limits: The `TrainingLimits` that the graph reads.
        is_counting: Whether steps are running whose updates have been counted.
    """

    def __init__(self, gan):
        self.data: typing.Any = None
        self.ledger: privacy.Ledger | None = None
        self.limits = TrainingLimits()
        self.is_counting = False
        self._gan = gan
        self._entry: typing.Any = None
        self._reservations = None

    def begin(self, data, ledger):
        """Sets the public facts about `data` for the updates to come.

        Returns:
            The data in the form that the devices need.
        """
        gan = self._gan
        if gan.private:
            # The switch is of the process: it may have been turned since `compile`.
            precision.require_full_precision()
        if ledger is not None:
            self._check_ledger(ledger)
        if self.data is not None and (
            data.expected_batch_size != self.data.expected_batch_size
        ):
            gan.train_function = None  # The old function was traced for other shapes.
        self._entry = self._history_entry(data)
        multiple = _row_multiple(data) if gan.jit_compile else 1
        self.data = fit_data.for_devices(data, gan.distribute_strategy, multiple)
        if workers.are_several(gan.distribute_strategy):
            self._check_workers()
        self.ledger = ledger
        self.limits.begin()
        # Keras keeps this value after a `fit` that was resumed.
        keras_internals.set_initial_epoch(gan, None)
        self._reservations = None
        if ledger is not None:
            self._reservations = Reservations(ledger, gan.privacy_record, self.limits)
        return self.data

    def end(self, num_epochs):
        """Gives back updates that were reserved in the ledger and not made.

        Args:
            num_epochs: Int, the epochs that were made.
        """
        if self.data.hidden is not None:
            self.data.pass_over(num_epochs)
        if self._reservations is not None:
            self._reservations.release()

    def _check_workers(self):
        """Checks that several workers are about to do the same."""
        if tf.distribute.has_strategy():
            raise ValueError(
                "Call `fit` outside of the scope of a strategy of several workers, in "
                "which the chief would wait for the others whenever it saves "
                "something. Build and compile the model in the scope."
            )
        strategy = self._gan.distribute_strategy
        facts = {
            "keras_dpgan": __version__,
            **checkpoint.facts_of(self._gan),
            "privacy facts": self._entry.to_dict(),
            "num_examples": self.data.num_examples,
            "expected_batch_size": self.data.expected_batch_size,
            "steps_per_epoch": self.data.steps_per_epoch,
            "steps_per_execution": self._gan.steps_per_execution,
            "replicas in a worker": workers.num_local_replicas(strategy),
        }
        workers.check_equal(strategy, facts)

    def _check_ledger(self, ledger):
        if not workers.is_chief(self._gan.distribute_strategy):
            raise ValueError(
                "`ledger` must be None in a worker that is not the chief: one "
                "process counts the updates, which all make together. Write "
                "`ledger=Ledger(...) if distribution.is_chief(strategy) else "
                f"None`. Received: ledger={type(ledger).__name__}"
            )
        if not self._gan.private or not isinstance(ledger, privacy.Ledger):
            raise ValueError(
                "`ledger` must be a `keras_dpgan.privacy.Ledger(path, data_name=...)`, "
                "and is for private training only. Received: ledger of type "
                f"{type(ledger).__name__}, private={self._gan.private}"
            )

    def _history_entry(self, data):
        gan = self._gan
        if not gan.private:
            # This is recorded, too, so that a later `compile` does not forget it.
            return privacy.HistoryEntry(mechanism="gaussian", noise_multiplier=0.0)
        if isinstance(data.batches, RemoteRecords) and data.batches.entry is not None:
            return data.batches.entry
        return privacy.HistoryEntry(
            mechanism=gan.d_optimizer.mechanism.name,
            noise_multiplier=gan.d_optimizer.noise_multiplier,
            clipped_count_stddev=gan.d_optimizer.mechanism.clipped_count_stddev,
            sampling_probability=data.sampling_probability,
            allocation_batches=data.allocation_batches,
            max_participations=data.max_participations,
            seeded_sampling=data.seeded,
            insecure_noise=gan.d_optimizer.has_insecure_noise,
        )

    def open_entry(self):
        """Counts updates under the facts of this `fit`.

        It is called before updates are made. It has an effect before the first one,
        and after weights were loaded: these may have been trained with other
        settings, or when the ledger was shorter.
        """
        record = self._gan.privacy_record
        if record.entry is self._entry:
            return
        if self.ledger is None and self._lacks_ledger():
            raise ValueError(
                "The updates of this model are counted in a ledger, but `fit` was "
                "given no `ledger`, so its updates would be missing there. Give `fit` "
                "that `ledger`. For other data, start again with networks that were "
                "not trained."
            )
        record.open(self._entry)
        record.num_examples = self.data.num_examples
        if self._reservations is not None:
            self._reservations.agree()
        self.update_epsilon_curve()

    def _lacks_ledger(self):
        is_chief = workers.is_chief(self._gan.distribute_strategy)
        return is_chief and self._gan.privacy_record.ledger_head is not None

    def update_epsilon_curve(self):
        """Lets the graph state epsilon at the model's delta."""
        record = self._gan.privacy_record
        if record.entry is not None:
            self.limits.set_curve(
                privacy.EpsilonCurve(
                    record.closed_history, record.entry, self._gan.delta
                )
            )

    @property
    def needs_reservation(self):
        """Whether the next step has to wait for its entry in the ledger."""
        if self._reservations is None:
            return False
        return self._reservations.are_used_up(self._gan.steps_per_execution)

    def counted(self, run_steps):
        """A train function that runs no step before its updates are counted.

        Args:
            run_steps: Keras' train function, of an iterator over batches.
        """

        def count_and_run_steps(iterator):
            self.open_entry()
            if self._reservations is not None:
                self._reservations.reserve(self._gan.steps_per_execution)
            noise.renew_after_fork()
            self.is_counting = True
            try:
                return run_steps(iterator)
            finally:
                self.is_counting = False

        return count_and_run_steps

    def resume_at(self, epoch, step):
        """Makes the `fit` that is about to begin start in the middle.

        Args:
            epoch: Int, the first epoch.
            step: Int, the steps of that epoch that are passed over. Under random
                allocation none is: records are allocated anew, and what is counted of
                an allocation begins at its first batch.
        """
        if self.data.allocation_batches is not None:
            step = 0
        keras_internals.set_initial_epoch(self._gan, epoch)
        self.limits.skip(step)
        self.data.pass_over(epoch)

    @property
    def place(self):
        """Where the `fit` that is about to begin starts: what `resume_at` takes."""
        epoch = keras_internals.resumed_epoch(self._gan) or 0
        return epoch, self.limits.num_steps_to_skip

    def callbacks(self, callbacks):
        """The user's callbacks, and our own around them."""
        callbacks = [_OpenPrivacyEntry(), *(callbacks or [])]
        if workers.are_several(self._gan.distribute_strategy):
            callbacks.append(FollowChief())
        return callbacks


class _OpenPrivacyEntry(keras.callbacks.Callback):
    """Opens the history's entry once all callbacks have begun.

    `BackupAndRestore` loads a history while `fit` begins; what it loads may have
    been trained with other settings.
    """

    def on_epoch_begin(self, epoch, logs=None):
        self.model.session.open_entry()

    def on_epoch_end(self, epoch, logs=None):
        self.model.privacy_record.note()


def _row_multiple(data):
    """What the number of rows of a batch has to be divisible by."""
    expected = data.expected_batch_size
    # Four standard deviations of a Poisson draw: longer ones are rare, and
    # cost a compilation, no record.
    return math.ceil(expected + 4.0 * math.sqrt(expected))


UNLIMITED = np.iinfo(np.int64).max


class TrainingLimits:
    """How many updates may be made, and a curve of epsilon, for the graph.

    They are TensorFlow variables, so that a new budget needs no new trace. They are
    not weights: they are not saved, and loading weights does not reset them.
    """

    def __init__(self):
        self._max_updates = _integer(UNLIMITED)
        self._reserved = _integer(UNLIMITED)
        self._made = _integer(0)
        self._steps_to_skip = _integer(0)
        self._curve = tf.Variable(
            tf.zeros((3, 1), tf.float64), trainable=False, shape=(3, None)
        )
        self._max_count = _integer(UNLIMITED)
        self._allocation_batches = _integer(1)

    def begin(self, reserved=None):
        """Begins a `fit` with that many reserved updates, or `None` for no limit."""
        self._reserved.assign(UNLIMITED if reserved is None else reserved)
        self._made.assign(0)
        self._steps_to_skip.assign(0)

    def reserve(self, updates):
        """Allows further updates."""
        self._reserved.assign_add(updates)

    @property
    def num_unused(self):
        """The number of reserved updates that were not made."""
        return int(self._reserved.numpy()) - int(self._made.numpy())

    def skip(self, steps):
        """Makes the next steps do nothing, since a resumed epoch already did them."""
        self._steps_to_skip.assign(steps)

    @property
    def num_steps_to_skip(self):
        """The number of coming steps that do nothing."""
        return int(self._steps_to_skip.numpy())

    def set_max_updates(self, max_updates):
        """Sets the count at which updates stop; `None` for no limit."""
        self._max_updates.assign(UNLIMITED if max_updates is None else max_updates)

    @property
    def max_updates(self):
        """The count at which updates stop; `None` for no limit."""
        value = int(self._max_updates.numpy())
        return None if value == UNLIMITED else value

    def set_curve(self, curve):
        """Sets the `privacy.EpsilonCurve` that `epsilon` reads."""
        self._curve.assign(np.stack([curve.base, curve.per_update, curve.offset]))
        self._max_count.assign(
            UNLIMITED if curve.max_count is None else curve.max_count
        )
        self._allocation_batches.assign(curve.allocation_batches)

    def take_step(self, count):
        """Decides about one step, once, in cross-replica context.

        Args:
            count: Int64 scalar tensor: the updates made so far.

        Returns:
            A bool tensor: whether the step makes an update.
        """
        is_skipped = self._steps_to_skip > 0
        is_made = (
            ~is_skipped & (count < self._max_updates) & (self._made < self._reserved)
        )
        self._steps_to_skip.assign_sub(tf.cast(is_skipped, tf.int64))
        self._made.assign_add(tf.cast(is_made, tf.int64))
        return is_made

    def epsilon(self, count):
        """An upper bound of epsilon after `count` updates, a float32 scalar."""
        count = -(-tf.minimum(count, self._max_count) // self._allocation_batches)
        count = tf.cast(count, tf.float64)
        base, per_update, offset = tf.unstack(self._curve)
        return tf.cast(
            tf.maximum(tf.reduce_min(base + count * per_update + offset), 0.0),
            tf.float32,
        )


def _integer(value):
    return tf.Variable(value, trainable=False, dtype=tf.int64)


class Reservations:
    """Keeps ledger, model and training graph in agreement during one `fit`.

    The graph makes no update that is not reserved, and `reserve` returns when the
    reservation is on disk: so nothing that is made from an update can leave the
    process uncounted, and no flush is needed when something does.

    A model that trains under a ledger carries the ledger's whole history: its own
    updates, those of other runs on the same data, and those that a kill has lost.
    So the two totals are equal, and the updates that a model read from a file
    lacks are the ledger's last.

    Args:
        ledger: A `privacy.Ledger`.
        record: The model's `PrivacyRecord`.
        limits: The model's `TrainingLimits`.
    """

    def __init__(self, ledger, record, limits):
        self._ledger = ledger
        self._record = record
        self._limits = limits
        self._run = None
        # At most the number that is left. The graph knows the exact number, but asking
        # it in each step would make a GPU wait.
        self._at_least_left = 0
        limits.begin(reserved=0)

    def agree(self):
        """Makes model and ledger count what only the other one has counted.

        Raises:
            ValueError: If the model was trained under another ledger, or this one
                has lost lines.
        """
        if self._record.ledger_head is None:
            self._exchange()
        self._ledger.check_head(self._record.ledger_head)
        both, own = [], []
        # A run that has begun must stay the ledger's last until it ends.
        if self._run is None:
            both, own = self._record.settle_with(self._ledger)
        received = sum(entry.count for entry in [*both, *own])
        known = self._record.history().total_updates - received
        spent = self._ledger.total_updates - self._limits.num_unused
        lacking = self._ledger.updates_between(known, spent)
        for entry in difference(lacking, both):
            self._record.add(entry)
        self._spend(own)
        self._record.know_releases_of(self._ledger)
        self._record.ledger_head = self._ledger.head

    def _exchange(self):
        """Lets a ledger and a model that meet for the first time count each other."""
        if self._run is not None:
            raise ValueError(
                "Weights that were not trained under the ledger cannot be loaded "
                "while `fit` runs. Load them before it."
            )
        both, _ = self._record.settle_with(self._ledger)
        earlier = difference(self._record.history().entries, both)
        for entry in difference(self._ledger.history().entries, both):
            self._record.add(entry)
        self._spend(earlier)
        self._record.ledger_head = self._ledger.head

    def _spend(self, entries):
        for entry in entries:
            self._ledger.spend(entry, purpose="training before this ledger")

    def are_used_up(self, steps):
        """Whether fewer than `steps` reserved updates are left."""
        if self._at_least_left < steps:
            self._at_least_left = self._limits.num_unused
        return self._at_least_left < steps

    def reserve(self, steps):
        """Reserves up to a block, if fewer than `steps` updates are left."""
        if self.are_used_up(steps):
            self._reserve(self._wanted(steps))
        self._at_least_left -= steps

    def _wanted(self, steps):
        """A block of whole executions, less what is left, and within the budget."""
        left = self._limits.num_unused
        wanted = -(-self._ledger.block_size // steps) * steps
        if self._limits.max_updates is not None:
            made = int(self._record.num_discriminator_updates.numpy())
            wanted = min(wanted, self._limits.max_updates - made)
        return max(0, wanted - left)

    def _reserve(self, updates):
        if not updates:
            return
        if self._run is None:
            self._run = self._ledger.start_run(self._record.entry)
        self._ledger.reserve(self._run, updates)
        self._record.ledger_head = self._ledger.head
        self._limits.reserve(updates)
        self._at_least_left += updates

    def release(self):
        """Gives back what is left after `fit` has made its last update."""
        unused = self._limits.num_unused
        if unused:
            self._ledger.release(self._run, unused)
        self._limits.begin(reserved=0)
        self._at_least_left = 0
        self._run = None
        self.agree()


class FollowChief(keras.callbacks.Callback):
    """Gives each worker the weights, the history and the place of the chief.

    The chief alone has ledger and checkpoint. It comes last, so that what other
    callbacks restore in the chief is restored everywhere.
    """

    def on_train_begin(self, logs=None):
        strategy = self.model.distribute_strategy
        facts = checkpoint.facts_of(self.model)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "chief.weights.h5")
            if workers.is_chief(strategy):
                self.model.session.open_entry()
                checkpoint.save(path, self.model, facts, *self.model.session.place)
                with open(path, "rb") as file:
                    workers.broadcast(strategy, file.read())
                return
            with open(path, "wb") as file:
                file.write(workers.broadcast(strategy, b""))
            self.model.privacy_record.follow_chief()
            place = checkpoint.load(path, self.model, facts)
        self.model.session.resume_at(*place)
