"""Which rounds a server has begun and ended, kept on its disk."""

import os
import typing

from keras_dpgan._utils.append_only_file import AppendOnlyFile
from keras_dpgan._utils.formats import Format
from keras_dpgan.privacy.history_entry import HistoryEntry

# Of each line that begins a round, and of each that ends one.
_BEGUN = Format("round_log", version=2, required=("round",))
_ENDED = Format("round_result", version=2, required=("ended", "result"))


class RoundLog:
    """Numbers the rounds of a run, over every server that takes it up.

    A round is on disk before a client is asked. So a server that is killed and
    comes back begins none twice, and counts those whose result it has lost. The
    file is locked: two servers cannot lead one run.

    Examples:
        >>> entry = dpgan.federated.GaussianUpdate(1.0, noise_multiplier=10.0).entry
        >>> log = dpgan.federated.RoundLog("rounds.log", entry)
        >>> number = log.begin()
        >>> log.end(number, {"g_loss": 0.7})
        >>> log.begun, log.results
        (1, {0: {'g_loss': 0.7}})
        >>> log.close()

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
        self._file = AppendOnlyFile(path, "round log")
        self._entry = entry
        self.results: dict[int, typing.Any] = {}
        self.begun = 0
        for line in self._file.entries:
            try:
                self._take_up(line)
            except ValueError as error:
                self._file.close()
                raise ValueError(
                    f"The file `{path}` holds the rounds of another run: {error} Give "
                    "this run a file of its own."
                ) from error

    def _take_up(self, line):
        if "ended" in line:
            ended = _ENDED.read(line)
            self.results[ended["ended"]] = ended["result"]
            return
        entry = HistoryEntry.from_dict(_BEGUN.read(line)["round"])
        if entry != self._entry:
            raise ValueError(f"its rounds are {entry}, and this run has {self._entry}.")
        self.begun += 1

    def begin(self) -> int:
        """Enters a round; returns its number, from 0."""
        self._file.append(_BEGUN.write(round=self._entry.to_dict()))
        self.begun += 1
        return self.begun - 1

    def end(self, number: int, result: dict[str, typing.Any]) -> None:
        """Enters what a round has come to.

        Args:
            number: Int, the round.
            result: Dict of JSON values.
        """
        self._file.append(_ENDED.write(ended=number, result=result))
        self.results[number] = result

    def close(self) -> None:
        """Lets another process have the file."""
        self._file.close()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()
