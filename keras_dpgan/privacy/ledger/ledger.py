"""The ledger that training writes."""

import datetime
import os
import secrets
import typing

from keras_dpgan._utils import validate
from keras_dpgan._utils.append_only_file import AppendOnlyFile
from keras_dpgan.privacy.ledger.contents import FORMAT
from keras_dpgan.privacy.ledger.contents import LedgerContents

if typing.TYPE_CHECKING:
    from keras_dpgan.privacy.history_entry import HistoryEntry


class Ledger(LedgerContents):
    """A file that never under-reports what was spent on private data.

    Updates are reserved in blocks, on disk, before they are made. So whatever a process
    may show of an update (a sample, a checkpoint, a metric) is counted, even if the
    process is killed the next moment. Updates that were reserved and never made count
    as spent: at most one block per kill.

    Use one ledger for one data set and for everything that is done with it, such as all
    models of a search for hyper-parameters and all restarts.

    After `fit`, a model's own history contains the whole ledger, because publishing the
    best of several models costs as much as all of them.

    The ledger identifies the data by a name that the user gives, and not by a hash,
    which would allow to confirm who is in the data. It detects accidents (a damaged,
    cut or missing line), not forgery. It contains only public facts on the runs, so it
    may be published.

    Examples:
        >>> entry = dpgan.privacy.HistoryEntry(
        ...     mechanism="gaussian", noise_multiplier=5.0
        ... )
        >>> with dpgan.privacy.Ledger("hospital.ledger", "hospital 2026") as ledger:
        ...     ledger.spend(entry.with_count(1), purpose="histogram")
        >>> dpgan.privacy.Ledger.read("hospital.ledger").total_updates
        1

        `gan.fit(x, y, ledger=ledger)` enters the updates of a training run.

    Args:
        path: The file, created if it does not exist. Its folder must exist.
        data_name: String, the name of the data.
        block_size: Int, the number of updates that are reserved at a time. With small
            blocks a kill loses less; large blocks take less time. Defaults to 100.

    Raises:
        RuntimeError: If the ledger is in use.
        ValueError: If the file is damaged, or belongs to other data.
    """

    def __init__(
        self, path: str | os.PathLike[str], data_name: str, block_size: int = 100
    ) -> None:
        self.block_size = validate.check_int("block_size", block_size, minimum=1)
        self._file = AppendOnlyFile(path, "ledger")
        try:
            super().__init__(self._file.path, self._file.entries, self._file.heads)
            self._check_name(data_name)
        except BaseException:
            self._file.close()
            raise

    def _check_name(self, data_name):
        if self.data_name is None:
            self._append(
                "ledger", **FORMAT.write(data_name=data_name, id=secrets.token_hex(8))
            )
        elif self.data_name != data_name:
            raise ValueError(
                "`data_name` must be the name with which the ledger was created, "
                f"{self.data_name!r}. Use a separate ledger for other data. "
                f"Received: data_name={data_name!r}"
            )

    @staticmethod
    def read(path: str | os.PathLike[str]) -> LedgerContents:
        """Reads a ledger, which may be in use at the same time.

        Args:
            path: The file.

        Returns:
            A `LedgerContents`, which prints as a table: runs, updates, mechanism,
            sampling, epsilon.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If it is damaged or is not a ledger.
        """
        return LedgerContents.of_file(os.fspath(path))

    def spend(self, entry: "HistoryEntry", purpose: str) -> None:
        """Enters uses of the data before they are made; they cannot be taken back.

        Args:
            entry: A `HistoryEntry` with its count.
            purpose: String: what the data are used for.

        Raises:
            OSError: If the file cannot be written. Do not use the data then.
        """
        run = self.start_run(entry, purpose)
        if entry.count:
            self.reserve(run, entry.count)

    def start_run(self, entry: "HistoryEntry", purpose: str = "training") -> int:
        """Begins a run, in which updates can be reserved until the next run begins.

        Args:
            entry: A `HistoryEntry`; its count does not matter.
            purpose: String. Defaults to `"training"`.

        Returns:
            Int, the run's number.
        """
        now = datetime.datetime.now(datetime.UTC)
        self._append(
            "run",
            run=len(self.runs) + 1,
            purpose=purpose,
            started=now.isoformat(timespec="seconds"),
            relation=entry.relation,
            entry=entry.with_count(0).to_dict(),
        )
        return len(self.runs)

    def reserve(self, run: int, updates: int) -> None:
        """Counts further updates of the last run, on disk, before it returns."""
        self._append("reserved", run=run, updates=updates)

    def release(self, run: int, updates: int) -> None:
        """Takes back reserved updates that were not made and never will be made."""
        self._append("released", run=run, updates=updates)

    def _append(self, kind, **values):
        line = {"kind": kind, **values}
        # This comes first, so that a line that does not fit never reaches the file.
        self._follow(line)
        self._file.append(line)

    def close(self) -> None:
        """Releases the file for other processes."""
        self._file.close()

    def __enter__(self) -> "Ledger":
        return self

    def __exit__(self, *exception):
        self.close()
