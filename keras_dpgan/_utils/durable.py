"""Files that are whole on disk, or not there."""

import os


def replace(beside, path):
    """Puts a finished file in the place of another, at once and for good.

    Until then the other stays as it is, whenever the process is killed or the
    power fails.

    Args:
        beside: The new file, in the folder of `path`.
        path: The name that it gets.
    """
    _sync(beside, os.O_RDWR)
    os.replace(beside, path)
    sync_folder(path)


def sync_folder(path):
    """Waits until the disk has the name `path`, as it has the file's content."""
    _sync(os.path.dirname(os.path.abspath(path)), os.O_RDONLY)


def _sync(path, flags):
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
