"""Files that are either complete on disk or do not exist."""

import os


def replace(beside, path):
    """Replaces a file by a finished one, in one step that survives a power failure.

    If the process is killed or the power fails before, the old file is unchanged.

    Args:
        beside: The new file, in the folder of `path`.
        path: The name that it gets.
    """
    _sync(beside, os.O_RDWR)
    os.replace(beside, path)
    sync_folder(path)


def sync_folder(path):
    """Waits until the name `path` is on disk, and not only the file's content."""
    _sync(os.path.dirname(os.path.abspath(path)), os.O_RDONLY)


def _sync(path, flags):
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
