"""Recognizes numbers that were made from private data in this process.

A history belongs to the weights as well as to the model that trained them. If weights
are copied, shared, saved or loaded, each array is recognized by a hash of its values,
in whatever object it is. Arrays that were changed in between are not recognized, and
neither are those that come from another process in the file of a network alone.
"""

import dataclasses
import hashlib
import threading
import uuid
import weakref

import numpy as np

_lock = threading.Lock()
_known: dict = {}
_releases: list = []
_records: weakref.WeakSet = weakref.WeakSet()


@dataclasses.dataclass(frozen=True, eq=False)
class Origin:
    """What was spent to make some numbers.

    Attributes:
        clock: Dict from the id of a model or release to an int: how much of what it has
            counted is in `entries`. By the clocks one can see whether origins overlap.
        entries: Tuple of `HistoryEntry`.
        ledger_head: The head of the `privacy.Ledger` that has entered them, or `None`.
        is_release: Whether they are a release, such as of a histogram.
    """

    clock: dict
    entries: tuple
    ledger_head: tuple | None = None
    is_release: bool = False


def release(entry, arrays=(), ledger=None):
    """Registers a release, so that models made from it count its cost.

    Args:
        entry: The `HistoryEntry` of the release, which the user gets, too.
        arrays: The arrays that were released.
        ledger: The `privacy.Ledger` that has entered it, or `None`.

    Returns:
        An `Origin`.
    """
    head = None if ledger is None else ledger.head
    origin = Origin({uuid.uuid4().hex: 1}, (entry,), head, is_release=True)
    _releases.append(origin)
    remember(digests(arrays), origin)
    return origin


def release_of(entry):
    """The `Origin` of exactly this entry, or `None` if it is not known."""
    for origin in _releases:
        if origin.entries[0] is entry:
            return origin
    return None


def releases():
    """Every `Origin` that is a release."""
    return tuple(_releases)


def watch(record):
    """Registers a `PrivacyRecord`, to note its weights before others are looked up."""
    _records.add(record)


def remember(hashes, origin):
    """Registers that the numbers with some hashes come from `origin`, too."""
    with _lock:
        for name in hashes:
            others = _known.get(name, [])
            if not any(covers(other.clock, origin.clock) for other in others):
                _known[name] = [
                    other for other in others if not covers(origin.clock, other.clock)
                ] + [origin]


def find(hashes):
    """The different origins of the numbers that have these hashes, a list."""
    for record in list(_records):
        record.note_if_trained()
    with _lock:
        found = [origin for name in hashes for origin in _known.get(name, [])]
    return list({id(origin): origin for origin in found}.values())


def digests(arrays):
    """A hash for each array of numbers that cannot equal another one by chance.

    Args:
        arrays: Iterable of arrays. Their shape does not matter, nor their precision
            if it is at least float32.

    Returns:
        A set. It leaves out ints, and arrays whose numbers all have the same size, such
        as zeros or the few numbers that a weight clip has limited.
    """
    found = set()
    for array in arrays:
        array = np.asarray(array)
        if array.dtype.kind in "biu":
            continue
        array = np.ascontiguousarray(array, np.float32)
        sizes = np.abs(array[array != 0])
        if sizes.size and sizes.min() < sizes.max():
            found.add(_digest(array))
    return found


def prior_digest(prior):
    """The hash of a label prior, marked as one, because a prior has few numbers."""
    array = np.ascontiguousarray(np.asarray(prior, np.float64), np.float32)
    return "prior", _digest(array)


def _digest(array):
    return hashlib.blake2b(array.tobytes(), digest_size=16).digest()


def forget():
    """Forgets all numbers that are known to be from private data; for tests."""
    with _lock:
        _known.clear()
        _releases.clear()
        _records.clear()


def covers(clock, other):
    """Whether `clock` counts everything that `other` counts."""
    return all(clock.get(name, 0) >= count for name, count in other.items())


def merged(clock, other):
    """The clock of both counts together."""
    return {
        name: max(clock.get(name, 0), other.get(name, 0)) for name in {**clock, **other}
    }
