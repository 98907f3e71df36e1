"""What a model has spent, carried by its weights."""

import json

import keras
import numpy as np

from keras_dpgan import _validate
from keras_dpgan._formats import Format
from keras_dpgan.privacy.history import HistoryEntry
from keras_dpgan.privacy.history import PrivacyHistory
from keras_dpgan.privacy.history import check_unit

_COUNTS = ("num_added", "num_resumed", "num_released")
_FORMAT = Format(
    "privacy_record",
    version=2,
    required=("closed", "entry", "ledger_head", "num_examples", *_COUNTS),
)


@keras.saving.register_keras_serializable(package="keras_dpgan")
class PrivacyRecord(keras.layers.Layer):
    """The privacy history of a model, as weights and as what they stand for.

    The entry in use is counted inside the graph, by an integer weight; entries
    that are closed are a run-length list of any length, which `.keras` and
    weight files carry beside the weights. `set_weights` carries the integers
    alone: they tell that a history is missing, and every reader raises.

    Attributes:
        num_discriminator_updates: int64 weight, updates of the entry in use.
        ledger_head: The head of the `privacy.Ledger` that has counted all of this
            history; `None` where there is none.
        num_added: Int, the updates in the history that have no part in the weights.
        num_resumed: Int, how often training went on from weights out of a file.
        num_released: Int, the releases in the history that the weights began at.
        num_examples: Int, the rows of the data of the last `fit`, public; `None`
            where that is not known.
    """

    def __init__(self, **kwargs):
        super().__init__(trainable=False, **kwargs)
        self.num_discriminator_updates = self._counter("num_discriminator_updates")
        self._num_closed = self._counter("num_closed_updates")
        self._fingerprint = self._counter("entry_fingerprint")
        self._closed = PrivacyHistory()
        self._entry = None
        self.ledger_head = None
        self.num_added = 0
        self.num_resumed = 0
        self._is_from_file = False
        self.num_released = 0
        self.num_examples = None
        self._refusal = None
        self.built = True

    def _counter(self, name):
        return self.add_weight(
            name=name,
            shape=(),
            dtype="int64",
            initializer="zeros",
            trainable=False,
            autocast=False,
            aggregation="only_first_replica",
        )

    def open(self, entry):
        """Makes `entry` the one that further updates are counted in.

        The one in use goes on if it is equal; a declaration of
        `max_participations` holds for one `fit`, and always starts anew.

        Args:
            entry: A `HistoryEntry` with a count of zero.

        Raises:
            ValueError: If the record does not add up, or with what `entry` protects.
        """
        self.check()
        self.num_resumed += self._is_from_file
        self._is_from_file = False
        if self._entry == entry and entry.max_participations is None:
            self._entry = entry
            return
        closed = self.history()
        check_unit(closed.entries, entry)
        self._closed = closed
        self._num_closed.assign(self._closed.total_updates)
        self.num_discriminator_updates.assign(0)
        self._fingerprint.assign(entry.fingerprint())
        self._entry = entry

    def continue_run(self):
        """Tells that the file just read was of the run that goes on."""
        self._is_from_file = False

    def add(self, entry):
        """Counts updates that have no part in these weights.

        They were made with the same data, and some of what they gave may be known.

        Args:
            entry: A `HistoryEntry` with its count.
        """
        self.num_added += entry.count
        self._close(entry)

    def add_release(self, entry):
        """Counts releases of the same data that these weights began at.

        Args:
            entry: A `HistoryEntry` with its count.
        """
        self.num_released += entry.count
        self._close(entry)

    def _close(self, entry):
        self._closed.add(entry)
        self._num_closed.assign(self._closed.total_updates)

    def history(self):
        """All updates so far.

        Returns:
            A `PrivacyHistory`.

        Raises:
            ValueError: If the record does not add up.
        """
        self.check()
        history = self._closed.copy()
        count = int(self.num_discriminator_updates.numpy())
        if self._entry is not None and count:
            history.add(self._entry.with_count(count))
        return history

    @property
    def closed_history(self):
        """The `PrivacyHistory` of the entries that are closed."""
        return self._closed.copy()

    @property
    def entry(self):
        """The `HistoryEntry` in use, its count zero; `None` before a `fit`."""
        return self._entry

    def check(self):
        """Raises a `ValueError` if counters and history do not belong together."""
        fingerprint = self._entry.fingerprint() if self._entry is not None else 0
        closed = int(self._num_closed.numpy())
        count = int(self.num_discriminator_updates.numpy())
        if (
            closed != self._closed.total_updates
            or int(self._fingerprint.numpy()) != fingerprint
            or count < 0
        ):
            raise ValueError(
                "The model's update counters do not belong to its privacy history: "
                f"{closed + count} updates are counted, and the history of "
                f"{self._closed.total_updates} closed ones with the entry "
                f"{self._entry} does not explain them. `set_weights` and "
                "`get_weights` carry counters without their history: use `save` and "
                "`load_model`, or `save_weights` and `load_weights`."
            )

    def save_own_variables(self, store):
        super().save_own_variables(store)
        text = json.dumps(
            _FORMAT.write(
                closed=self._closed.to_json(),
                entry=self._entry and self._entry.to_dict(),
                ledger_head=self.ledger_head,
                num_examples=self.num_examples,
                **{name: getattr(self, name) for name in _COUNTS},
            )
        )
        store["history"] = np.frombuffer(text.encode(), np.uint8)

    def load_own_variables(self, store):
        values = {key: store[key] for key in store.keys()}
        if "history" not in values:
            # Keras looks for a layer in several places and shows the last refusal.
            refusal, self._refusal = self._refusal, None
            raise ValueError(
                refusal
                or "The file has no privacy history, so what was spent to make these "
                "weights is unknown. Load a file that keras_dpgan has saved."
            )
        try:
            content = _read_content(values.pop("history"))
        except ValueError as error:
            self._refusal = str(error)
            raise
        self._refusal = None
        super().load_own_variables(values)
        for name, value in content.items():
            setattr(self, name, value)
        self._is_from_file = True
        self.check()


def _read_content(stored):
    """What `save_own_variables` stored, checked before anything is changed."""
    try:
        content = _FORMAT.read(json.loads(np.asarray(stored).tobytes().decode()))
        entry, head = content["entry"], content["ledger_head"]
        size = content["num_examples"]
        return {
            "_closed": PrivacyHistory.from_json(content["closed"]),
            "_entry": HistoryEntry.from_dict(entry) if entry else None,
            "ledger_head": _read_head(head) if head else None,
            "num_examples": size
            if size is None
            else _validate.check_int("num_examples", size, minimum=0),
            **{
                name: _validate.check_int(name, content[name], minimum=0)
                for name in _COUNTS
            },
        }
    except (ValueError, TypeError, RecursionError) as error:
        raise ValueError(
            "The file's privacy history is damaged or was not written by this "
            f"version of keras_dpgan, so what was spent is unknown: {error}"
        ) from error


def _read_head(head):
    number, checksum = head
    if not isinstance(checksum, str):
        raise ValueError(f"A ledger's checksum must be text. Received: {checksum!r}")
    return _validate.check_int("ledger_head", number, minimum=1), checksum
