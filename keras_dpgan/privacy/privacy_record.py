"""Keeps what a model has spent together with its weights."""

import dataclasses
import hashlib
import json
import os
import uuid

import keras
import numpy as np

from keras_dpgan._utils import validate
from keras_dpgan._utils.formats import Format
from keras_dpgan.privacy import origins
from keras_dpgan.privacy.history import PrivacyHistory
from keras_dpgan.privacy.history import check_unit
from keras_dpgan.privacy.history import difference
from keras_dpgan.privacy.history_entry import HistoryEntry
from keras_dpgan.privacy.history_entry import check_keys

_COUNTS = ("num_added", "num_resumed", "num_released", "num_inherited")
_FORMAT = Format(
    "privacy_record",
    version=2,
    required=("closed", "entry", "ledger_head", "num_examples", *_COUNTS[:3]),
    # A clock that is missing is read off the content.
    optional={"num_inherited": 0, "received": [], "clock": None},
)

_ORIGIN_KEYS = {field.name for field in dataclasses.fields(origins.Origin)}


@keras.saving.register_keras_serializable(package="keras_dpgan")
class PrivacyRecord(keras.layers.Layer):
    """The privacy history of a model, as counters among its weights and as entries.

    The entry in use is counted inside the graph, by an integer weight. Closed entries
    are a list of any length, which `.keras` and weight files contain in addition to the
    weights. `set_weights` copies only the integers. They show that a history is
    missing, and whatever reads the record then raises an error.

    Attributes:
        num_discriminator_updates: int64 weight, the updates of the entry in use.
        ledger_head: The head of the `privacy.Ledger` that has counted all of this
            history; `None` if there is none.
        num_added: Int, the updates in the history that did not change the weights.
        num_resumed: Int, how often training continued from the weights of a file.
        num_released: Int, the releases in the history from which training started.
        num_inherited: Int, the updates in the history that another model has made,
            whose weights the networks have or had.
        num_examples: Int, the number of rows of the last `fit`, which is public; `None`
            if it is not known.
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
        self._replaces = False
        self.num_released = 0
        self.num_inherited = 0
        self.num_examples = None
        self._refusal = None
        self._id = uuid.uuid4().hex
        self._clock = {}
        self._num_foreign = 0
        self._earlier_ticks = 0
        self._received = []
        self._read_weights = None
        self._initial = set()
        self._noted = 0
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
        """Makes `entry` the entry in which further updates are counted.

        If the entry in use is equal, it continues. A declaration of
        `max_participations` and an allocation hold for one `fit`, so they always begin
        a new entry.

        Args:
            entry: A `HistoryEntry` with a count of zero.

        Raises:
            ValueError: If the counters do not fit the history, or if `entry` protects
                another unit.
        """
        self.check()
        self.inherit()
        self.num_resumed += self._is_from_file
        self._is_from_file = False
        if self._entry == entry and entry.goes_on:
            self._entry = entry
            return
        closed = self.history()
        check_unit(closed.entries, entry)
        self._closed = closed
        self._num_closed.assign(self._closed.total_updates)
        self.num_discriminator_updates.assign(0)
        self._fingerprint.assign(entry.fingerprint())
        self._entry = entry

    def watch(self, networks):
        """From now on counts what was spent on the weights of these networks.

        Args:
            networks: List of built `keras.Model`.
        """
        # This is not a list, because Keras would save the models in it a second time.
        self._read_weights = lambda: [v.numpy() for n in networks for v in n.weights]
        self._initial = origins.digests(self._read_weights())
        origins.watch(self)
        self.inherit()

    def inherit(self):
        """Counts what other models have spent on the weights of the networks."""
        if self._read_weights is None:
            return
        hashes = origins.digests(self._read_weights())
        for origin in origins.find(hashes):
            self.absorb(origin)
        if not self._total_updates():
            # However they came here, nothing was spent on them: training, if there
            # is any, begins at them, and what it leaves as it was is not made by it.
            self._initial = hashes

    def note(self):
        """Remembers that the present weights were made by this model."""
        self._noted = self._total_updates()
        if self._read_weights is not None and self._noted:
            hashes = origins.digests(self._read_weights()) - self._initial
            origins.remember(hashes, self._origin())

    def note_if_trained(self):
        """Calls `note` if updates were made since the last call."""
        if self._total_updates() != self._noted:
            self.note()

    def absorb(self, origin):
        """Counts what was spent elsewhere, if it is not counted yet.

        Args:
            origin: An `origins.Origin`.
        """
        clock = self._clock_now()
        if origins.covers(clock, origin.clock):
            return
        mine = self._all_updates().entries
        is_anew = not mine
        if any(entry.effective_noise_multiplier == 0 for entry in mine):
            return  # Without noise equal weights show no copy, and epsilon is infinite.
        entries = origin.entries
        if origins.covers(origin.clock, clock):
            entries = difference(entries, mine)
        number = sum(entry.count for entry in entries)
        for entry in entries:
            self._close(entry)
        self._num_foreign += number
        self._clock = origins.merged(self._clock, origin.clock)
        if origin.is_release:
            self.num_released += number
        else:
            self.num_inherited += number
        if is_anew and not origin.is_release:
            # All that is counted so far is in that ledger, if there is one.
            self.ledger_head = origin.ledger_head
        else:
            self._received.append(dataclasses.replace(origin, entries=tuple(entries)))

    def settle_with(self, ledger):
        """Divides what others have spent by whether a ledger has entered it.

        Args:
            ledger: The `privacy.Ledger` that will have entered all of it.

        Returns:
            `(known, unknown)`: two lists of `HistoryEntry`, all in this history.
        """
        known: list[HistoryEntry] = []
        unknown: list[HistoryEntry] = []
        for origin in self._received:
            is_known = ledger.has_grown_from(origin.ledger_head)
            (known if is_known else unknown).extend(origin.entries)
        self._received = []
        return known, unknown

    def know_releases_of(self, ledger):
        """Notes that the history has all releases that a ledger has entered."""
        for release in origins.releases():
            if ledger.has_grown_from(release.ledger_head):
                self._clock = origins.merged(self._clock, release.clock)

    def _origin(self):
        entries = self._all_updates().entries
        return origins.Origin(self._clock_now(), entries, self.ledger_head)

    def parts(self):
        """What others have to count who build on this, a tuple of `origins.Origin`.

        Releases come one by one, so that who has one of them already counts it once.
        """
        self.check()
        self.inherit()
        received = sum(e.count for o in self._received for e in o.entries)
        if received == self._total_updates():
            return tuple(self._received)
        return (self._origin(),)

    def _clock_now(self):
        ticks = self._ticks()
        # A forked child goes on by itself.
        own = {f"{self._id}-{os.getpid()}": ticks} if ticks else {}
        return {**self._clock, **own}

    def _ticks(self):
        """How much this record itself has counted, a number that never decreases."""
        return self._earlier_ticks + self._total_updates() - self._num_foreign

    def _total_updates(self):
        count = int(self.num_discriminator_updates.numpy())
        return self._closed.total_updates + count

    def follow_chief(self):
        """Announces that the next file to be read belongs to the run that continues."""
        self._replaces = True

    def add(self, entry):
        """Counts updates that did not change these weights.

        They used the same data, and some of their results may be known.

        Args:
            entry: A `HistoryEntry` with its count.
        """
        self.num_added += entry.count
        self._close(entry)

    def add_release(self, entry):
        """Counts releases of the same data from which these weights were started.

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
            ValueError: If the counters do not fit the history.
        """
        self.check()
        self.inherit()
        self.note()
        return self._all_updates()

    def _all_updates(self):
        history = self._closed.copy()
        count = int(self.num_discriminator_updates.numpy())
        if self._entry is not None and count:
            history.add(self._entry.with_count(count))
        return history

    @property
    def closed_history(self):
        """The `PrivacyHistory` of the closed entries."""
        return self._closed.copy()

    @property
    def entry(self):
        """The `HistoryEntry` in use, with a count of zero; `None` before a `fit`."""
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
                "The model's update counters do not belong to its privacy history. The "
                f"counters say {closed + count} updates. The history has "
                f"{self._closed.total_updates} updates of earlier settings, and the "
                f"present settings are {self._entry}. `get_weights` and "
                "`set_weights` copy the counters without the history. Use `save` and "
                "`load_model`, or `save_weights` and `load_weights`."
            )

    def save_own_variables(self, store):
        self.inherit()
        self.note()
        super().save_own_variables(store)
        text = json.dumps(
            _FORMAT.write(
                closed=self._closed.to_json(),
                entry=self._entry and self._entry.to_dict(),
                ledger_head=self.ledger_head,
                num_examples=self.num_examples,
                clock=self._clock_now(),
                received=[_origin_to_dict(o) for o in self._received],
                **{name: getattr(self, name) for name in _COUNTS},
            )
        )
        store["history"] = np.frombuffer(text.encode(), np.uint8)

    def load_own_variables(self, store):
        values = {key: store[key] for key in store.keys()}
        if "history" not in values:
            # Keras looks for a layer in several places and reports only the last error.
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
        clock = content.pop("clock")
        before, ticks = self._origin(), self._ticks()
        if not self._replaces and origins.covers(before.clock, clock) and clock:
            # The file is an earlier state of this model, so later updates still count.
            return
        super().load_own_variables(values)
        for name, value in content.items():
            setattr(self, name, value)
        self.check()
        self._is_from_file = not self._replaces
        self._clock, self._earlier_ticks = clock, 0
        self._num_foreign = self._total_updates()
        # It is not known which of them training has made, so all count if any did.
        self._initial = set()
        if before.entries and not self._replaces:
            self.absorb(before)
        self._earlier_ticks = ticks
        self._replaces = False


def _read_content(stored):
    """The content that `save_own_variables` stored, checked before any change."""
    try:
        values = json.loads(np.asarray(stored).tobytes().decode())
        content = _FORMAT.read(values)
        if content["clock"] is None:
            content["clock"] = _clock_of(values)
        entry, head = content["entry"], content["ledger_head"]
        size = content["num_examples"]
        return {
            "_closed": PrivacyHistory.from_json(content["closed"]),
            "_entry": HistoryEntry.from_dict(entry) if entry else None,
            "ledger_head": _read_head(head) if head else None,
            "num_examples": size
            if size is None
            else validate.check_int("num_examples", size, minimum=0),
            "clock": _read_clock(content["clock"]),
            "_received": [_read_origin(o) for o in content["received"]],
            **{
                name: validate.check_int(name, content[name], minimum=0)
                for name in _COUNTS
            },
        }
    except (ValueError, TypeError, RecursionError) as error:
        raise ValueError(
            "The file's privacy history is damaged or was not written by this "
            f"version of keras_dpgan, so what was spent is unknown: {error}"
        ) from error


def _clock_of(content):
    """A clock for a file of 0.1, which has none, made from the file's content."""
    text = json.dumps(content, sort_keys=True, default=str)
    return {hashlib.sha256(text.encode()).hexdigest(): 1}


def _read_clock(clock):
    return {
        name: validate.check_int("clock", count, minimum=0)
        for name, count in dict(clock).items()
    }


def _origin_to_dict(origin):
    entries = [entry.to_dict() for entry in origin.entries]
    return {**vars(origin), "entries": entries}


def _read_origin(values):
    check_keys("received", values, _ORIGIN_KEYS)
    head = values["ledger_head"]
    return origins.Origin(
        _read_clock(values["clock"]),
        tuple(HistoryEntry.from_dict(entry) for entry in values["entries"]),
        _read_head(head) if head else None,
        validate.check_bool("is_release", values["is_release"]),
    )


def _read_head(head):
    number, checksum = head
    if not isinstance(checksum, str):
        raise ValueError(f"A ledger's checksum must be text. Received: {checksum!r}")
    return validate.check_int("ledger_head", number, minimum=1), checksum
