"""The contents of a ledger file."""

import collections.abc
import dataclasses
import os
import typing

from keras_dpgan._utils import append_only_file
from keras_dpgan._utils import validate
from keras_dpgan._utils.formats import Format
from keras_dpgan._utils.formats import advice
from keras_dpgan._version import __version__
from keras_dpgan.privacy.accountant import epsilon
from keras_dpgan.privacy.history import PrivacyHistory
from keras_dpgan.privacy.history import check_unit
from keras_dpgan.privacy.history_entry import HistoryEntry

FORMAT = Format("ledger", version=2, required=("data_name", "id"))


@dataclasses.dataclass(frozen=True)
class LedgerRun:
    """Consecutive uses of the data that are of the same kind.

    Examples:
        >>> entry = dpgan.privacy.HistoryEntry(
        ...     mechanism="gaussian", noise_multiplier=5.0
        ... )
        >>> with dpgan.privacy.Ledger("hospital.ledger", "hospital 2026") as ledger:
        ...     ledger.spend(entry.with_count(1), purpose="histogram")
        >>> run = dpgan.privacy.Ledger.read("hospital.ledger").runs[0]
        >>> run.purpose, run.entry.count
        ('histogram', 1)

    Attributes:
        purpose: What the data were used for: `"training"`, or what `Ledger.spend` got.
        started: The date and time, as ISO 8601 in UTC.
        entry: The `HistoryEntry`, counting every update that was reserved and
            not released.
    """

    purpose: str
    started: str
    entry: HistoryEntry

    def plus(self, updates):
        """The same run with additional updates."""
        count = self.entry.count + updates
        return dataclasses.replace(self, entry=self.entry.with_count(count))


class LedgerContents:
    """Everything that was spent on one private data set.

    Examples:
        >>> entry = dpgan.privacy.HistoryEntry(
        ...     mechanism="gaussian", noise_multiplier=5.0
        ... )
        >>> with dpgan.privacy.Ledger("hospital.ledger", "hospital 2026") as ledger:
        ...     ledger.spend(entry.with_count(1), purpose="histogram")
        >>> contents = dpgan.privacy.Ledger.read("hospital.ledger")
        >>> contents.data_name, round(contents.epsilon(delta=1e-5), 2)
        ('hospital 2026', 0.73)

    Args:
        path: The file, for messages.
        lines: List of dicts, the entries of an `AppendOnlyFile`.
        heads: List of strings, their checksums.

    Attributes:
        path: The file.
        data_name: The name that the user gave the data.

    Raises:
        ValueError: If a line does not belong to a ledger; the message names the line.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        lines: list[dict[str, typing.Any]],
        heads: list[str],
    ) -> None:
        self.path = path
        self._heads = heads
        self._runs: list[LedgerRun] = []
        self.data_name: typing.Any = None
        self._advice = ""
        for number, line in enumerate(lines, 1):
            try:
                self._follow(line)
            except (ValueError, TypeError, KeyError, IndexError) as error:
                raise ValueError(
                    f"Line {number} of `{path}` is not a line of a ledger that "
                    f"keras_dpgan {__version__} can read ({error!r:.300})."
                    f"{self._advice}"
                ) from error

    @classmethod
    def of_file(cls, path: str | os.PathLike[str]) -> "LedgerContents":
        """Reads a file that may be in use; see `Ledger.read`."""
        lines, heads = append_only_file.read(path, "ledger")
        if not lines:
            raise ValueError(f"`{path}` is empty. It does not contain a ledger.")
        return cls(path, lines, heads)

    def _follow(self, line):
        """Adds one line of the file to the contents."""
        values = dict(line)
        kind = values.pop("kind")
        if (kind == "ledger") != (self.data_name is None):
            raise ValueError("the first line, and no other, must name the data")
        _LINES[kind](self, **values)

    def _begin(self, **values):
        self._advice = advice(values)
        self.data_name = _checked_text("data_name", FORMAT.read(values)["data_name"])

    def _add_run(self, run, purpose, started, relation, entry):
        entry = HistoryEntry.from_dict(entry)
        if run != len(self._runs) + 1 or entry.relation != relation or entry.count:
            raise ValueError("the run does not fit the runs before it")
        check_unit([other.entry for other in self._runs], entry)
        _checked_text("purpose", purpose)
        _checked_text("started", started)
        self._runs.append(LedgerRun(purpose, started, entry))

    def _add_reserved(self, run, updates):
        self._add_updates(run, validate.check_int("updates", updates, minimum=1))

    def _add_released(self, run, updates):
        self._add_updates(run, -validate.check_int("updates", updates, minimum=1))

    def _add_updates(self, run, updates):
        if run != len(self._runs):
            raise ValueError(
                f"`run` must be the last one, {len(self._runs)}. Received: run={run}"
            )
        self._runs[run - 1] = self._runs[run - 1].plus(updates)

    @property
    def runs(self) -> tuple[LedgerRun, ...]:
        """Tuple of `LedgerRun`, in the order in which they began."""
        return tuple(self._runs)

    @property
    def head(self) -> tuple[int, str]:
        """`(number of lines, checksum)`, which identifies its present state."""
        return len(self._heads), self._heads[-1]

    @property
    def total_updates(self) -> int:
        """The number of updates of all runs, an int."""
        return sum(run.entry.count for run in self._runs)

    def history(self) -> PrivacyHistory:
        """The `PrivacyHistory` of all runs, including updates that a kill has lost."""
        return PrivacyHistory(run.entry for run in self._runs)

    def epsilon(self, delta: float, accountant: str = "pld") -> float:
        """Epsilon of everything that was spent on the data.

        Args:
            delta: Float in (0, 1).
            accountant: As in `keras_dpgan.privacy.epsilon`.

        Returns:
            Float, under `history().relation`, the neighboring relation under which the
            guarantee of every run holds.
        """
        return epsilon(self.history(), delta, accountant)

    def updates_between(self, start: int, stop: int) -> list[HistoryEntry]:
        """The updates from number `start` up to, but not including, number `stop`.

        Args:
            start: Int, at least 0.
            stop: Int, at most `total_updates`.

        Returns:
            List of `HistoryEntry`, one for each run that has such updates.
        """
        found, position = [], 0
        for run in self._runs:
            first, last = position, position + run.entry.count
            count = min(last, stop) - max(first, start)
            if count > 0:
                found.append(run.entry.with_count(count))
            position = last
        return found

    def check_head(self, head: tuple[int, str]) -> None:
        """Checks that this ledger continues the one that `head` identifies.

        Args:
            head: A `head` of an earlier time.

        Raises:
            ValueError: If it is another ledger, or has lost lines since then.
        """
        number, checksum = head
        if number > len(self._heads):
            raise ValueError(
                f"The ledger `{self.path}` has {len(self._heads)} lines, but it had "
                f"{number} lines when these weights were saved. Either lines are "
                "missing, whose updates would not be counted, or the weights belong to "
                "another ledger. Restore the file from a backup, or give `fit` the "
                "ledger of the weights."
            )
        if number < 1 or self._heads[number - 1] != checksum:
            raise ValueError(
                f"These weights were trained under another ledger than `{self.path}` "
                f"of {self.data_name!r}. Give `fit` the ledger of the weights. For "
                "other data, start with new networks."
            )

    def has_grown_from(self, head: tuple[int, str]) -> bool:
        """Whether `head` is an earlier head of this ledger; `False` for `None`."""
        if head is None or not 1 <= head[0] <= len(self._heads):
            return False
        return self._heads[head[0] - 1] == head[1]

    def __repr__(self):
        return self.report()

    def report(self, delta: float = 1e-5) -> str:
        """The ledger as a table, with epsilon at `delta`."""
        from keras_dpgan.privacy.ledger import report

        return report.text(self, delta)


def _checked_text(name, value):
    # A report is shown in terminals, which obey control characters.
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise ValueError(
            f"`{name}` must be a non-empty text of printable characters. "
            f"Received: {name}={value!r}"
        )
    return value


_LINES: dict[str, collections.abc.Callable[..., None]] = {
    "ledger": LedgerContents._begin,
    "run": LedgerContents._add_run,
    "reserved": LedgerContents._add_reserved,
    "released": LedgerContents._add_released,
}
