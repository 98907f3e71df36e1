"""Which rounds a server has begun, kept on its disk."""

from keras_dpgan.privacy.ledger.file import LedgerFile


class RoundLog:
    """Numbers the rounds of a run, over every server that takes it up.

    A round is on disk before a client is asked. So a server that is killed and
    comes back begins none twice, and counts those whose result it has lost. The
    file is locked: two servers cannot lead one run.

    Args:
        path: The file, begun where there is none.
        entry: The `privacy.HistoryEntry` of one round. A file that was begun with
            another is refused.

    Raises:
        ValueError: If the file is of another run, or damaged.
    """

    def __init__(self, path, entry):
        self._file = LedgerFile(path)
        self._line = {"round": entry.to_dict()}
        for line in self._file.entries:
            if line != self._line:
                self._file.close()
                raise ValueError(
                    f"The rounds in `{path}` are not of this run: {line} is not "
                    f"{self._line}. Give the run a file of its own."
                )

    @property
    def begun(self):
        """Int, the rounds that were begun."""
        return len(self._file.entries)

    def begin(self):
        """Enters a round; returns its number, from 0."""
        self._file.append(self._line)
        return self.begun - 1

    def close(self):
        """Lets another process have the file."""
        self._file.close()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()
