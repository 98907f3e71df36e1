"""Which rounds a server has begun and ended, kept on its disk."""

import os
import typing

from keras_dpgan._utils.formats import Format
from keras_dpgan.privacy.history_entry import HistoryEntry
from keras_dpgan.privacy.ledger.file import LedgerFile

# Of each line that begins a round; one that ends it holds its number and its result.
_FORMAT = Format("round_log", version=2, required=("round",))


class RoundLog:
    """Numbers the rounds of a run, over every server that takes it up.

    A round is on disk before a client is asked. So a server that is killed and
    comes back begins none twice, and counts those whose result it has lost. The
    file is locked: two servers cannot lead one run.

    Args:
        path: The file, begun where there is none.
        entry: The `privacy.HistoryEntry` of one round. A file that was begun with
            another is refused.

    Attributes:
        begun: Int, the rounds that were begun.
        results: Dict from the number of each that has ended to its result.

    Raises:
        ValueError: If the file is of another run, or damaged.
    """

    def __init__(self, path: str | os.PathLike[str], entry: HistoryEntry) -> None:
        self._file = LedgerFile(path)
        self._entry = entry
        self.results = {}
        self.begun = 0
        for line in self._file.entries:
            if "ended" in line:
                self.results[line["ended"]] = line["result"]
                continue
            try:
                self._check(line)
            except ValueError as error:
                self._file.close()
                raise ValueError(
                    f"The rounds in `{path}` are not of this run: {error} Give the "
                    "run a file of its own."
                ) from error
            self.begun += 1

    def _check(self, line):
        entry = HistoryEntry.from_dict(_FORMAT.read(line)["round"])
        if entry != self._entry:
            raise ValueError(f"{entry} is not {self._entry}.")

    def begin(self) -> int:
        """Enters a round; returns its number, from 0."""
        self._file.append(_FORMAT.write(round=self._entry.to_dict()))
        self.begun += 1
        return self.begun - 1

    def end(self, number: int, result: dict[str, typing.Any]) -> None:
        """Enters what a round has come to.

        Args:
            number: Int, the round.
            result: Dict of JSON values.
        """
        self._file.append({"ended": number, "result": result})
        self.results[number] = result

    def close(self) -> None:
        """Lets another process have the file."""
        self._file.close()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()
