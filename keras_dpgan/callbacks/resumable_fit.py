"""A `fit` that continues where it was killed."""

import os
import typing

import keras

from keras_dpgan.distribution import workers
from keras_dpgan.gan import checkpoint


class ResumableFit(keras.callbacks.Callback):
    """Continues a `fit` under a ledger after it was stopped, for whatever reason.

    Run the same script again. The weights, both optimizers, the counters, the state
    of the mechanism (an adaptive clip) and the place in the epoch are restored from
    the last checkpoint; noise and sampling are fresh. Updates that were reserved in
    the ledger since then count as spent: at most one block per kill. If you run a
    `fit` again that has ended, it does nothing; with more `epochs` it makes the rest.

    A checkpoint is taken at the end of each block of the ledger. It replaces the
    previous checkpoint once it is complete on disk.

    Keras' `BackupAndRestore` works as well, because its file contains the history and
    the head of the ledger, but it is less exact. It writes its file in place, so a
    kill at that moment leaves an unreadable file (`double_checkpoint=True` keeps the
    previous one). It repeats an interrupted epoch from its start, so a run makes and
    counts more updates than you asked for. A kill loses all updates since the last
    backup, and without a `ledger` these updates are not counted. If the generator's
    optimizer has changed, it only warns.

    If several workers train together, only the chief has the ledger, and only the
    chief reads and writes the checkpoint; the others get their state from it.

    Examples:
        >>> import numpy as np

        >>> gan = dpgan.DPGAN(
        ...     dpgan.models.vector_discriminator(2, hidden=(8,)),
        ...     dpgan.models.vector_generator(2, latent_dim=3, hidden=(8,)),
        ... )
        >>> gan.compile(
        ...     d_optimizer=dpgan.optimizers.DPKerasSGDOptimizer(
        ...         l2_norm_clip=1.0, noise_multiplier=1.0, learning_rate=0.1
        ...     ),
        ...     g_optimizer="adam",
        ... )
        >>> x = np.random.normal(size=(100, 2)).astype("float32")
        >>> with dpgan.privacy.Ledger("hospital.ledger", "hospital 2026") as ledger:
        ...     history = gan.fit(
        ...         x, batch_size=50, epochs=1, ledger=ledger, verbose=0,
        ...         callbacks=[dpgan.callbacks.ResumableFit("run-1")],
        ...     )
        >>> int(gan.num_discriminator_updates)
        2

    Args:
        directory: Folder for the checkpoint, created if it does not exist. Each run
            needs a folder of its own.
    """

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        super().__init__()
        self.path = os.path.join(directory, "checkpoint.weights.h5")
        self._facts = None
        self._epoch = 0
        self._step = 0
        self._saved_count = None

    @property
    def _is_idle(self):
        return not workers.is_chief(self.model.distribute_strategy)

    def on_train_begin(self, logs: dict[str, typing.Any] | None = None) -> None:
        if self._is_idle:
            return
        if getattr(self.model, "ledger", None) is None:
            raise ValueError(
                "`ResumableFit` needs a `DPGAN` that trains under a ledger. Without "
                "one, updates that a kill loses are not counted. Use `gan.fit(..., "
                'ledger=keras_dpgan.privacy.Ledger("my.ledger", data_name="my data"))`.'
            )
        self._facts = checkpoint.facts_of(self.model)
        self._saved_count = None
        if os.path.exists(self.path):
            place = checkpoint.load(self.path, self.model, self._facts)
            self.model.session.resume_at(*place)
            self._epoch, self._step = place
        else:
            os.makedirs(os.path.dirname(self.path), exist_ok=True)

    def on_epoch_begin(
        self, epoch: int, logs: dict[str, typing.Any] | None = None
    ) -> None:
        self._epoch, self._step = epoch, 0

    def on_train_batch_end(
        self, batch: int, logs: dict[str, typing.Any] | None = None
    ) -> None:
        # The last execution of an epoch may have fewer steps than Keras says.
        self._step = min(batch + 1, self.params["steps"] or batch + 1)
        if self.model.session.needs_reservation:
            self._save()

    def on_epoch_end(
        self, epoch: int, logs: dict[str, typing.Any] | None = None
    ) -> None:
        self._epoch, self._step = epoch + 1, 0

    def on_train_end(self, logs: dict[str, typing.Any] | None = None) -> None:
        if self._is_idle:
            return
        self._saved_count = None
        self._save()

    def _save(self):
        count = self.model.num_discriminator_updates
        # When the budget ends, every step asks for a reservation.
        if count != self._saved_count:
            checkpoint.save(self.path, self.model, self._facts, self._epoch, self._step)
            self._saved_count = count
