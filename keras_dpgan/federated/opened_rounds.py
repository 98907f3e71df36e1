"""Which rounds a key holder has opened: none twice."""

import contextlib
import os

from keras_dpgan._utils.append_only_file import AppendOnlyFile
from keras_dpgan._utils.formats import Format

_FORMAT = Format("opened_round", version=2, required=("opened", "purpose", "run"))
_KIND = "log of opened rounds"


class RefusedError(ValueError):
    """The key holder does not open what it was asked to; says why."""


class OpenedRounds:
    """The rounds that were opened, of whatever run and purpose, on the disk.

    Rounds of a run are opened in order, each before anything of it is decrypted.

    Args:
        path: The file, begun where there is none. There is one for a secret key.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = path

    def enter(self, purpose: str, run: str, number: int) -> None:
        """Enters a round as opened.

        Args:
            purpose: String, what is opened of it.
            run: String, the run's name.
            number: Int, the round.

        Raises:
            RefusedError: If this round of the run, or a later one, was opened for
                this purpose, or if the file cannot be read.
        """
        of = {"purpose": purpose, "run": run}
        with contextlib.closing(AppendOnlyFile(self._path, _KIND)) as file:
            lines = [self._read(line) for line in file.entries]
            opened = [line["opened"] for line in lines if line.items() >= of.items()]
            if opened and number <= opened[-1]:
                raise RefusedError(
                    f"Round {number} cannot be opened: round {opened[-1]} of the run "
                    "was opened before."
                )
            file.append(_FORMAT.write(opened=number, **of))

    def _read(self, line):
        try:
            return _FORMAT.read(line)
        except ValueError as error:
            raise RefusedError(
                f"Nothing is opened: a line in `{self._path}` does not say which round "
                f"was opened. {error}"
            ) from error
