"""What was done to the private data: the only source of epsilon."""

import collections
import collections.abc
import dataclasses
import json

from keras_dpgan._utils import formats
from keras_dpgan._utils.formats import Format
from keras_dpgan._utils.formats import advice
from keras_dpgan.privacy.history_entry import ADD_OR_REMOVE_ONE
from keras_dpgan.privacy.history_entry import REPLACE_CLIENT
from keras_dpgan.privacy.history_entry import REPLACE_CLIENT_WITH_NULL
from keras_dpgan.privacy.history_entry import REPLACE_WITH_NULL
from keras_dpgan.privacy.history_entry import HistoryEntry

_FORMAT = Format("privacy_history", version=2, required=("entries",))


class PrivacyHistory:
    """The updates that were made with a private data set, as a run-length list.

    Examples:
        >>> history = dpgan.privacy.PrivacyHistory()
        >>> history.add(
        ...     dpgan.privacy.HistoryEntry(
        ...         mechanism="gaussian",
        ...         noise_multiplier=1.0,
        ...         sampling_probability=0.01,
        ...         count=500,
        ...     )
        ... )
        >>> history.total_updates
        500
        >>> round(dpgan.privacy.epsilon(history, delta=1e-5), 2)
        1.33

    Args:
        entries: Iterable of `HistoryEntry`, added one by one.
    """

    def __init__(self, entries: collections.abc.Iterable[HistoryEntry] = ()) -> None:
        self._entries: list[HistoryEntry] = []
        for entry in entries:
            self.add(entry)

    def add(self, entry: HistoryEntry) -> None:
        """Adds updates.

        They join the last entry if they are of its kind. Entries with declared
        `max_participations`, and those under random allocation, are never joined:
        each bound holds for its own updates, and a record may use each of them up.
        An entry of no updates changes nothing.

        Args:
            entry: A `HistoryEntry`.

        Raises:
            ValueError: If it is anything else, or protects another unit: epsilon of
                rows and epsilon of clients do not add up.
        """
        if not isinstance(entry, HistoryEntry):
            raise ValueError(
                f"`entry` must be a HistoryEntry. Received: entry={entry!r}."
            )
        if entry.count == 0:
            return
        check_unit(self._entries, entry)
        last = self._entries[-1] if self._entries else None
        if last is not None and entry.goes_on and last.with_count(entry.count) == entry:
            self._entries[-1] = last.with_count(last.count + entry.count)
        else:
            self._entries.append(entry)

    @property
    def entries(self) -> tuple[HistoryEntry, ...]:
        """Tuple of the entries, in order."""
        return tuple(self._entries)

    @property
    def total_updates(self) -> int:
        """The number of updates of all entries, an int."""
        return sum(entry.count for entry in self._entries)

    @property
    def relation(self) -> str:
        """The neighboring relation under which all entries are added up.

        See `keras_dpgan.privacy.epsilon` for why entries under Poisson sampling
        may be added to others.
        """
        relations = {entry.relation for entry in self._entries}
        if self.unit == "client":
            # A client may be replaced by any other, also by one whose update is zero.
            local = relations == {REPLACE_CLIENT}
            return REPLACE_CLIENT if local else REPLACE_CLIENT_WITH_NULL
        poisson = relations <= {ADD_OR_REMOVE_ONE}
        return ADD_OR_REMOVE_ONE if poisson else REPLACE_WITH_NULL

    @property
    def unit(self) -> str:
        """`"row"` or `"client"`: what is protected."""
        return self._entries[0].unit if self._entries else "row"

    def copy(self) -> "PrivacyHistory":
        """A history of its own with the same entries."""
        return PrivacyHistory(self._entries)

    def to_json(self) -> str:
        """The history as a JSON string."""
        entries = [entry.to_dict() for entry in self._entries]
        return json.dumps(_FORMAT.write(entries=entries))

    @classmethod
    def from_json(cls, text: str) -> "PrivacyHistory":
        """The history that `to_json` wrote.

        Args:
            text: A string.

        Returns:
            A `PrivacyHistory`.

        Raises:
            ValueError: If the text is not JSON, if a key is unknown, missing or
                given twice, or if a value is wrong.
        """
        values = formats.load_json(text, "A history", only_finite=False)
        entries = _FORMAT.read(values)["entries"]
        if not isinstance(entries, list):
            raise ValueError(
                f"`entries` must be a list. Received: entries={entries!r}."
            )
        try:
            return cls(HistoryEntry.from_dict(entry) for entry in entries)
        except ValueError as error:
            raise ValueError(f"{error}{advice(values)}") from error

    def __eq__(self, other):
        if not isinstance(other, PrivacyHistory):
            return NotImplemented
        return self._entries == other._entries

    def __repr__(self):
        return f"PrivacyHistory({self._entries!r})"


def difference(entries, others):
    """The updates of some entries without those that others have of the same kind.

    Args:
        entries: Iterable of `HistoryEntry`.
        others: Iterable of `HistoryEntry`.

    Returns:
        List of `HistoryEntry`.
    """
    left, others = [], list(others)
    for entry in entries:
        for i, other in enumerate(others):
            if other.with_count(0) == entry.with_count(0):
                both = min(entry.count, other.count)
                entry = entry.with_count(entry.count - both)
                others[i] = other.with_count(other.count - both)
        if entry.count:
            left.append(entry)
    return left


def check_unit(entries, entry):
    """Raises a `ValueError` unless an entry has the same unit as those before it."""
    if entries and entries[0].unit != entry.unit:
        raise ValueError(
            f"`entry` must protect the same unit as those before it, a "
            f"{entries[0].unit}: epsilon of rows and epsilon of clients do not add "
            f"up. Received: unit={entry.unit!r}. Give it a history, or a ledger, of "
            "its own."
        )


@dataclasses.dataclass(frozen=True)
class SampledGaussian:
    """Updates by a Gaussian mechanism on a secret Poisson sample.

    Attributes:
        sampling_probability: Float in (0, 1).
        noise_multiplier: Positive float.
        count: Positive int, the number of updates.
    """

    sampling_probability: float
    noise_multiplier: float
    count: int


@dataclasses.dataclass(frozen=True)
class AllocatedGaussian:
    """Updates by a Gaussian mechanism, of which each row is in one of several.

    Attributes:
        num_batches: Int, at least 2: the updates among which a row's is secret.
        noise_multiplier: Positive float.
        count: Positive int, how often rows were allocated.
    """

    num_batches: int
    noise_multiplier: float
    count: int


@dataclasses.dataclass(frozen=True)
class BoundedUpdates:
    """Updates for which only upper bounds on the Renyi divergence are known.

    Attributes:
        sampling_probability: Float in (0, 1]; 1 without amplification.
        noise_multiplier: Positive float.
        excess_divergence: Non-negative float; see `HistoryEntry`.
        count: Non-negative int, the number of updates that a row can be in.
    """

    sampling_probability: float
    noise_multiplier: float
    excess_divergence: float
    count: int


@dataclasses.dataclass(frozen=True)
class Composition:
    """Mechanisms whose costs add up to that of a history.

    Attributes:
        sampled: Tuple of `SampledGaussian`, no two of one kind.
        squared_shift: Float: the one Gaussian mechanism that all updates without
            amplification make together moves its mean by the root of this, in
            standard deviations. Gaussian mechanisms compose exactly (Dong, Roth
            and Su 2022, "Gaussian Differential Privacy", corollary 3.3).
        is_noiseless: Whether any update had no noise.
        allocated: Tuple of `AllocatedGaussian`, no two of one kind.
        bounded: Tuple of `BoundedUpdates`.
        laplace: Tuple of pairs of a positive float, the scale of Laplace noise on
            what moves by at most 1 in L1, and an int, how often it was added.
        pure: Tuple of pairs of a positive float, epsilon at a delta of zero, and an
            int, how often it was spent.
    """

    sampled: tuple
    squared_shift: float
    is_noiseless: bool
    allocated: tuple = ()
    bounded: tuple = ()
    laplace: tuple = ()
    pure: tuple = ()

    @property
    def is_gaussian(self):
        """Whether it is one Gaussian mechanism, which has a closed form."""
        return not (self.is_amplified or self.bounded or self.is_local)

    @property
    def is_amplified(self):
        """Whether it is secret which updates a row is in."""
        return bool(self.sampled or self.allocated)

    @property
    def is_local(self):
        """Whether there are mechanisms whose largest loss is finite."""
        return bool(self.laplace or self.pure)

    @property
    def num_sampled_updates(self):
        """The number of updates with amplification, an int; allocations as one."""
        return sum(step.count for step in (*self.sampled, *self.allocated))


def compose(history, group_size=1):
    """Adds up the entries of a history.

    Args:
        history: A `PrivacyHistory`.
        group_size: Int, the rows that change together. It multiplies the shift
            of updates without amplification. (Between them, k rows that each
            take part in p updates do most in p updates of k rows.) For two rows and
            more, updates under random allocation count as if it were known which
            those are.

    Returns:
        A `Composition`; what is in it of sampled and bounded updates is for one
        row, whatever the group.
    """
    counts: collections.Counter = collections.Counter()
    allocations: collections.Counter = collections.Counter()
    squared_shift = 0.0
    bounded, laplace, pure = [], [], []
    for entry in history.entries:
        noise_multiplier = entry.effective_noise_multiplier
        if noise_multiplier == 0:
            return Composition((), 0.0, is_noiseless=True)
        if entry.excess_divergence is not None:
            bounded.append(_bounded(entry))
        elif entry.mechanism == "laplace":
            laplace.append((noise_multiplier / group_size, entry.count))
        elif entry.mechanism == "pure":
            pure.append((1 / noise_multiplier, entry.count))
        elif is_sampled(entry):
            counts[entry.sampling_probability, noise_multiplier] += entry.count
        elif is_allocated(entry) and group_size == 1:
            kind = entry.allocation_batches, noise_multiplier
            allocations[kind] += entry.participations
        else:
            squared_shift += entry.participations * (group_size / noise_multiplier) ** 2
    sampled = tuple(
        SampledGaussian(q, noise_multiplier, count)
        for (q, noise_multiplier), count in counts.items()
    )
    allocated = tuple(
        AllocatedGaussian(num_batches, noise_multiplier, count)
        for (num_batches, noise_multiplier), count in allocations.items()
    )
    return Composition(
        sampled,
        squared_shift,
        False,
        allocated,
        tuple(bounded),
        tuple(laplace),
        tuple(pure),
    )


def _bounded(entry):
    q = entry.sampling_probability if entry.is_amplified else 1.0
    count = entry.count if entry.is_amplified else entry.participations
    return BoundedUpdates(q, entry.noise_multiplier, entry.excess_divergence, count)


def is_sampled(entry: HistoryEntry):
    """Whether sampling makes an entry cheaper. With q = 1 it draws every row."""
    q = entry.sampling_probability
    return entry.is_amplified and q is not None and q < 1


def is_allocated(entry: HistoryEntry):
    """Whether random allocation makes an entry cheaper. One batch has every row."""
    return entry.allocation_batches is not None and entry.allocation_batches > 1
