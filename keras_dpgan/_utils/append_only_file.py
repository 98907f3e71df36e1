"""An append-only file whose lines are checked, chained and flushed to disk."""

import hashlib
import json
import os
import typing
import weakref

from keras_dpgan._utils import durable

# This is room for millions of lines. A sparse file may claim to be larger than memory.
_LARGEST = 2**30


class AppendOnlyFile:
    """Lines of JSON that only grow, held by one process at a time.

    Each line carries its number and a checksum over itself and all lines before
    it. `append` returns once its line is on disk. If a kill or a power loss has cut
    the last line short, that line is dropped, because what it announces has not
    begun. Any other line that does not fit is refused. A new file can be read by its
    owner alone. Checksums detect accidents, not forgery: whoever can write the file
    can also compute fitting checksums for other lines.

    Args:
        path: The file, created where there is none. Its folder must exist.
        kind: String, what the file is, for error messages: `"ledger"`, for example.

    Attributes:
        path: The path.
        entries: List of dicts, what the lines say.
        heads: List of strings: the checksum after each line.

    Raises:
        RuntimeError: If this process or another one has it open for writing.
        ValueError: If a line is damaged; names it.
    """

    def __init__(self, path, kind):
        self.path, self._kind = os.fspath(path), kind
        self._descriptor: typing.Any = None
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND
        # Only the owner may read what was spent, and on whose data.
        self._descriptor = os.open(self.path, flags, 0o600)
        _open_files.add(self)
        try:
            self._lock()
            content = _read(self._descriptor, self.path, kind)
            self.entries, self.heads, end = _parse(content, self.path, kind)
            self._repair(content, end)
        except BaseException:
            self.close()
            raise

    def _lock(self):
        # This is not imported at the top, because Windows has no such module.
        import fcntl

        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RuntimeError(
                f"The {self._kind} `{self.path}` is in use: this process or another "
                "one has opened it for writing. Only one writer is allowed at a time. "
                "Share the object that has it open, or call its `close()` first."
            ) from error

    def _repair(self, content, end):
        """Ends the file with a whole line; `end` is where the last one ends."""
        if end > len(content):
            self._write(b"\n")
        elif end < len(content):
            os.ftruncate(self._descriptor, end)
            os.fsync(self._descriptor)
        # A new file would be lost if its name did not reach the disk.
        durable.sync_folder(self.path)

    def append(self, entry):
        """Adds a line and waits until the disk has it.

        Args:
            entry: A dict of JSON values.

        Raises:
            OSError: If the line cannot be written. The file is closed then, since
                part of the line may be on disk.
        """
        if self._descriptor is None:
            raise RuntimeError(
                f"The {self._kind} `{self.path}` is closed. Open it again."
            )
        previous = self.heads[-1] if self.heads else ""
        checksum = _checksum(previous, entry)
        try:
            self._write(_line(len(self.entries), checksum, entry))
        except OSError as error:
            self.close()
            raise OSError(
                error.errno,
                f"{error.strerror}. The {self._kind} could not be written, so what "
                "the new line announces must not be done. Free some space on the disk "
                "and start again",
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


def read(path, kind):
    """Reads a file that may be open for writing at the same time.

    Args:
        path: The file.
        kind: String; see `AppendOnlyFile`.

    Returns:
        `(entries, heads)`; see `AppendOnlyFile`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a line is damaged; names it.
    """
    with open(path, "rb") as file:
        entries, heads, _ = _parse(_read(file.fileno(), path, kind), path, kind)
    return entries, heads


def _read(descriptor, path, kind):
    size = os.fstat(descriptor).st_size
    if size > _LARGEST:
        raise ValueError(
            f"The {kind} `{os.fspath(path)}` must have at most {_LARGEST} bytes. "
            f"Received: {size} bytes. Restore the file from a backup."
        )
    with open(descriptor, "rb", closefd=False) as file:
        return file.read()


def _parse(content, path, kind):
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
        previous = heads[-1] if heads else ""
        entry, checksum = _checked(line, number, previous, path, kind)
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


def _checked(line, number, previous, path, kind):
    """The entry of a line, which must give the same bytes when it is written again."""
    try:
        entry = json.loads(line)["entry"]
        checksum = _checksum(previous, entry)
        if _line(number, checksum, entry) == line + b"\n":
            return entry, checksum
    except (ValueError, TypeError, KeyError, RecursionError):
        pass
    raise ValueError(
        f"The {kind} `{os.fspath(path)}` is damaged in line {number + 1}: it does not "
        "fit its checksum and the lines before it. Neither that line nor any later one "
        "can be relied on. Restore the file from a backup. Do not repair or shorten it "
        "by hand, because what it has recorded would then no longer be counted."
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


# Otherwise a forked worker would hold the lock after its parent has ended.
os.register_at_fork(after_in_child=_close_in_child)
