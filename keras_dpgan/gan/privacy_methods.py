"""What a GAN says about its privacy."""

import math
import os
import typing

import keras
import numpy.typing as npt

from keras_dpgan import export
from keras_dpgan import privacy
from keras_dpgan._utils import validate
from keras_dpgan.data.remote import RemoteRecords
from keras_dpgan.data.repeats import may_repeat_in_a_batch
from keras_dpgan.gan import statement_notes
from keras_dpgan.gan.fit_session import FitSession
from keras_dpgan.gan.keras_methods import check_export_arguments
from keras_dpgan.gan.networks import PublicGeneration
from keras_dpgan.models.output_range import output_range
from keras_dpgan.privacy import origins
from keras_dpgan.privacy.privacy_record import PrivacyRecord

if typing.TYPE_CHECKING:
    from keras_dpgan.privacy.history import PrivacyHistory
    from keras_dpgan.privacy.history_entry import HistoryEntry
    from keras_dpgan.privacy.ledger.ledger import Ledger


class PrivacyMethods:
    """The part of `DPGAN` that counts, states and publishes what was spent."""

    # What `DPGAN` has.
    generator: keras.Model
    generation: PublicGeneration
    d_optimizer: typing.Any
    private: bool
    compiled: bool
    privacy_record: PrivacyRecord
    session: FitSession
    _delta: float | None

    @property
    def num_discriminator_updates(self) -> int:
        """Updates made with the present optimizer and data, an int."""
        return int(self.privacy_record.num_discriminator_updates.numpy())

    @property
    def max_discriminator_updates(self) -> int | None:
        """The count at which updates stop inside the graph; `None`: no limit."""
        return self.session.limits.max_updates

    @max_discriminator_updates.setter
    def max_discriminator_updates(self, value: int | None) -> None:
        if value is not None:
            validate.check_int("max_discriminator_updates", value, minimum=0)
        self.session.limits.set_max_updates(value)

    @property
    def ledger(self) -> "Ledger | None":
        """The `privacy.Ledger` that the last `fit` was given, or `None`."""
        return self.session.ledger

    @property
    def privacy_history(self) -> "PrivacyHistory":
        """The `privacy.PrivacyHistory` of all updates that made these weights."""
        return self.privacy_record.history()

    def count_release(self, entry: "HistoryEntry") -> None:
        """Counts a release of the private data that the networks were made from.

        A mixture or a label prior that this process has released is counted without
        this call when a model is made from it. Call it for a release of your own, or
        for one that another process has made. A release that is recognized is not
        counted twice. Do not call it for a release that a `privacy.Ledger` has
        entered, if `fit` is given that ledger.

        Args:
            entry: The `privacy.HistoryEntry` that came with the release.

        Raises:
            ValueError: If `entry` is something else.
        """
        if not isinstance(entry, privacy.HistoryEntry):
            raise ValueError(
                "`entry` must be the `privacy.HistoryEntry` of a release. Received: "
                f"entry={entry!r}"
            )
        origin = origins.release_of(entry)
        if origin is None:
            self.privacy_record.add_release(entry)
        else:
            self.privacy_record.absorb(origin)

    def count_label_prior(self, label_prior: npt.ArrayLike | None) -> None:
        """Counts a label prior that was released from private labels."""
        if label_prior is not None:
            for origin in origins.find([origins.prior_digest(label_prior)]):
                self.privacy_record.absorb(origin)

    @property
    def num_examples(self) -> int | None:
        """The number of rows given to `fit`, public; `None` if not known."""
        if self.session.data is not None:
            return self.session.data.num_examples
        return self.privacy_record.num_examples

    @property
    def delta(self) -> float:
        """The delta at which `epsilon` is logged.

        Set by hand or by `callbacks.EpsilonTracker`; otherwise the largest power
        of ten below 1/n, and 1e-5 where n is not known.
        """
        if self._delta is not None:
            return self._delta
        return default_delta(self.num_examples)

    @delta.setter
    def delta(self, value: float) -> None:
        validate.check_delta(value)
        self._delta = value
        self.session.update_epsilon_curve()

    def epsilon(self, delta: float | None = None, accountant: str = "pld") -> float:
        """Epsilon of all updates so far.

        Args:
            delta: Float in (0, 1). Defaults to `self.delta`.
            accountant: `"pld"` or `"rdp"`. Defaults to `"pld"`.

        Returns:
            Float.
        """
        delta = self.delta if delta is None else delta
        return privacy.epsilon(self.privacy_history, delta, accountant)

    def privacy_statement(
        self,
        delta: float | None = None,
        accountant: str = "pld",
        max_records_per_person: int = 1,
    ) -> privacy.PrivacyStatement:
        """States what the updates so far guarantee, in words and as JSON.

        Args:
            delta: Float in (0, 1). Defaults to `self.delta`.
            accountant: `"pld"` or `"rdp"`. Defaults to `"pld"`.
            max_records_per_person: Int: states the guarantee also for a person
                with up to so many rows. Defaults to 1.

        Returns:
            A `privacy.PrivacyStatement`: `str()` gives words, `to_dict()` JSON.
        """
        clip = None
        if self.private and self.compiled and self.d_optimizer is not None:
            clip = float(self.d_optimizer.l2_norm_clip)
        return privacy.privacy_statement(
            self.privacy_history,
            self.delta if delta is None else delta,
            num_examples=self.num_examples,
            l2_norm_clip=clip,
            accountant=accountant,
            max_records_per_person=max_records_per_person,
            private=self.private,
            notes=(
                *self._data_notes(),
                *statement_notes.write(
                    self.privacy_record,
                    self.session.ledger,
                    self.session.limits.num_unused,
                ),
            ),
        )

    def _data_notes(self):
        """The notes that the data themselves add to the statement."""
        batches = self.session.data and self.session.data.batches
        if may_repeat_in_a_batch(batches):
            return (
                "A ROW MAY BE TWICE IN A BATCH: the data set repeats or mixes rows "
                "before it batches them, and epsilon counts each row once in a batch. "
                "Call `batch` before `repeat`.",
            )
        return batches.statement_notes if isinstance(batches, RemoteRecords) else ()

    def privacy_card(
        self,
        dataset_name: str | None = None,
        include_num_examples: bool = False,
        preprocessing: str | None = None,
        justification: str | None = None,
    ) -> dict[str, typing.Any]:
        """What publishing the generator can reveal, for machines to read.

        Args:
            dataset_name: String, the name of the training data, if it may be
                published. Defaults to `None`.
            include_num_examples: Whether the number of rows may be published.
                Defaults to `False`.
            preprocessing: String, what was done to the data before training, as it
                may be published. Defaults to `None`: not said.
            justification: String, why epsilon, delta and the unit were chosen.
                Defaults to `None`: not said.

        Returns:
            A dict of JSON values, in the form of
            `keras_dpgan.export.card_schema()`.
        """
        return export.make_card(
            self,
            output_range(self.generator),
            dataset_name,
            include_num_examples,
            preprocessing,
            justification,
        )

    def export(
        self,
        filepath: str | os.PathLike[str],
        format: str = "tf_saved_model",
        verbose: bool | None = None,
        input_signature: None = None,
        *,
        overwrite: bool = False,
        dataset_name: str | None = None,
        include_num_examples: bool = False,
        preprocessing: str | None = None,
        justification: str | None = None,
    ) -> None:
        """Writes the generator, alone, as a SavedModel with its privacy card.

        `hub.load`, `hub.KerasLayer`, `tf.saved_model.load` and
        `keras.layers.TFSMLayer` load it, TensorFlow Serving serves it, and
        `keras_dpgan.export.load` draws from it. For other formats see
        `gan.generator.export`.

        Args:
            filepath: The folder to make: a SavedModel, `privacy.json` and a
                `README.md`.
            format: Only Keras' default, `"tf_saved_model"`.
            verbose: Whether a line says where the export is. Defaults to `None`:
                none does.
            input_signature: Only `None`: latents, and labels if there are any.
            overwrite: Whether an export that is there is replaced, once the new
                one is complete. Defaults to `False`.
            dataset_name: As in `privacy_card`.
            include_num_examples: As in `privacy_card`.
            preprocessing: As in `privacy_card`.
            justification: As in `privacy_card`.

        Raises:
            FileExistsError: If `filepath` exists and `overwrite` is `False`, or
                if it is no export.
            ValueError: For another format or signature.
        """
        check_export_arguments(format, input_signature)
        card = self.privacy_card(
            dataset_name, include_num_examples, preprocessing, justification
        )
        export.export_generator(self.generation, card, filepath, overwrite)
        if verbose:
            print(f"Saved the generator and its privacy card at '{filepath}'.")


def default_delta(num_examples):
    """The largest power of ten below 1/n; 1e-5 where n is not known."""
    if not num_examples:
        return 1e-5
    return 10.0 ** -(math.floor(math.log10(num_examples)) + 1)
