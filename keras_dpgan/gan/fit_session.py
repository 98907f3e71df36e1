"""One `fit`: its data, its entry in the history, its ledger, its place."""

import math
import typing

import keras
import tensorflow as tf

from keras_dpgan import privacy
from keras_dpgan._utils import keras_internals
from keras_dpgan._version import __version__
from keras_dpgan.data.remote import RemoteRecords
from keras_dpgan.distribution import workers
from keras_dpgan.gan import checkpoint
from keras_dpgan.gan import fit_data
from keras_dpgan.gan.chief import FollowChief
from keras_dpgan.gan.reservations import Reservations
from keras_dpgan.gan.training_limits import TrainingLimits
from keras_dpgan.mechanisms import noise


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
                "`ledger` must be a `keras_dpgan.privacy.Ledger`, and is for "
                f"private training only. Received: ledger of type "
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
            step: Int, the steps of that epoch that are passed over.
        """
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
