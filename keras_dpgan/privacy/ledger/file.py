"""An append-only file whose lines are checked, chained and flushed to disk."""

import hashlib
import json
import os
import typing
import weakref

from keras_dpgan._utils import durable

# Millions of lines. A sparse file may claim more than there is memory.
_LARGEST = 2**30


class LedgerFile:
    """Lines of JSON that only grow, held by one process at a time.

    Each line carries its number and a checksum over itself and all lines before
    it. `append` returns once its line is on disk. A last line that a kill or a
    power loss has cut short is dropped: what it would have said has not begun.
    Any other line that does not fit is refused. Checksums detect accidents, not
    forgery: who can write the file can write other lines with fitting ones. A new
    file is readable by its owner alone.

    Args:
        path: The file, created where there is none. Its folder must exist.

    Attributes:
        path: The path.
        entries: List of dicts, what the lines say.
        heads: List of strings: the checksum after each line.

    Raises:
        RuntimeError: If another process, or this one, has it open for writing.
        ValueError: If a line is damaged; names it.
    """

    def __init__(self, path):
        self.path = os.fspath(path)
        self._descriptor: typing.Any = None
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND
        # What was spent, and on whose data, is the owner's business alone.
        self._descriptor = os.open(self.path, flags, 0o600)
        _open_files.add(self)
        try:
            self._lock()
            content = _read(self._descriptor, self.path)
            self.entries, self.heads, end = _parse(content, self.path)
            self._repair(content, end)
        except BaseException:
            self.close()
            raise

    def _lock(self):
        # Not at the top: the module must be importable where there is none.
        import fcntl

        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RuntimeError(
                f"The ledger `{self.path}` is in use by another process, or by "
                "another `Ledger` of this one. Only one may write: share the "
                "object, or `close()` it first."
            ) from error

    def _repair(self, content, end):
        """Ends the file with a whole line; `end` is where the last one ends."""
        if end > len(content):
            self._write(b"\n")
        elif end < len(content):
            os.ftruncate(self._descriptor, end)
            os.fsync(self._descriptor)
        # A file that was just created is lost with its name.
        durable.sync_folder(self.path)

    def append(self, entry):
        """Adds a line and waits until the disk has it.

        Args:
            entry: A dict of JSON values.

        Raises:
            OSError: If the disk takes no more. The file is closed then, since
                the line may have been written in part.
        """
        if self._descriptor is None:
            raise RuntimeError(f"The ledger `{self.path}` is closed: open it again.")
        previous = self.heads[-1] if self.heads else ""
        checksum = _checksum(previous, entry)
        try:
            self._write(_line(len(self.entries), checksum, entry))
        except OSError as error:
            self.close()
            raise OSError(
                error.errno,
                f"{error.strerror}. The ledger could not be written, so no further "
                "update may be made; free some space and start again",
                self.path,
            ) from error
        self.entries.append(entry)
        self.heads.append(checksum)

    def _write(self, data):
        while data:
            data = data[os.write(self._descriptor, data) :]
        os.fsync(self._descriptor)

    def close(self):
        """Releases the file. Closing it twice is not an error."""
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            os.close(descriptor)

    def __del__(self):
        self.close()


def read(path):
    """Reads a ledger that may be in use.

    Args:
        path: The file.

    Returns:
        `(entries, heads)`; see `LedgerFile`.

    Raises:
        FileNotFoundError: If there is none.
        ValueError: If a line is damaged; names it.
    """
    with open(path, "rb") as file:
        entries, heads, _ = _parse(_read(file.fileno(), path), path)
    return entries, heads


def _read(descriptor, path):
    size = os.fstat(descriptor).st_size
    if size > _LARGEST:
        raise ValueError(
            f"The ledger `{os.fspath(path)}` must have at most {_LARGEST} bytes. "
            f"Received: {size} bytes. Restore the file from a backup."
        )
    with open(descriptor, "rb", closefd=False) as file:
        return file.read()


def _parse(content, path):
    """Reads lines and checks them.

    Returns:
        `(entries, heads, end)`: where the last whole line ends, which is one
        past the content if it lacks nothing but its line feed.
    """
    *lines, tail = content.split(b"\n")
    if _is_whole(tail):
        lines.append(tail)
    entries: list[dict] = []
    heads: list[str] = []
    end = 0
    for number, line in enumerate(lines):
        entry, checksum = _checked(line, number, heads[-1] if heads else "", path)
        entries.append(entry)
        heads.append(checksum)
        end += len(line) + 1
    return entries, heads, end


def _is_whole(tail):
    """Whether the text after the last line feed is a complete line."""
    try:
        json.JSONDecoder().raw_decode(tail.decode(errors="replace"))
    except (ValueError, RecursionError):
        return False
    return True


def _checked(line, number, previous, path):
    """The entry of a line: to write it anew must give the same bytes."""
    try:
        entry = json.loads(line)["entry"]
        checksum = _checksum(previous, entry)
        if _line(number, checksum, entry) == line + b"\n":
            return entry, checksum
    except (ValueError, TypeError, KeyError, RecursionError):
        pass
    raise ValueError(
        f"The ledger `{os.fspath(path)}` is damaged in line {number + 1}: it does "
        "not fit its checksum and the lines before it. Nothing from that line on "
        "can be relied on. Restore the file from a backup. Do not repair or shorten it "
        "by hand: that would hide what was spent."
    )


def _line(number, checksum, entry):
    fields = {"line": number + 1, "checksum": checksum, "entry": entry}
    return json.dumps(fields, allow_nan=False).encode() + b"\n"


def _checksum(previous, entry):
    text = json.dumps([previous, entry], allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


_open_files: weakref.WeakSet = weakref.WeakSet()


def _close_in_child():
    for file in list(_open_files):
        file.close()


# A forked worker would hold the lock beyond its parent's end.
os.register_at_fork(after_in_child=_close_in_child)
