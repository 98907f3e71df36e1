"""Folders that are either complete or do not exist."""

import contextlib
import pathlib
import shutil
import uuid


@contextlib.contextmanager
def complete_folder(path, overwrite, marker):
    """Gives an empty folder, which becomes `path` when the block ends without an error.

    It is filled in the parent folder of `path` and then renamed. So a reader never sees
    an incomplete folder, and if the block is interrupted, the previous folder stays.

    Args:
        path: The folder to write.
        overwrite: Whether an existing folder is replaced.
        marker: Name of a file. An existing folder without it is not replaced, unless it
            is empty, so that a wrong path destroys nothing.

    Yields:
        A `pathlib.Path` in the same parent folder.

    Raises:
        FileExistsError: If `path` exists and `overwrite` is `False`, or if it is not
            such a folder.
    """
    path = pathlib.Path(path)
    _check_place(path, overwrite, marker)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}-{uuid.uuid4().hex}")
    beside.mkdir()
    try:
        yield beside
        _check_place(path, overwrite, marker)
        _move(beside, path)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _check_place(path, overwrite, marker):
    if not path.exists() or (overwrite and _is_replaceable(path, marker)):
        return
    if overwrite:
        remedy = f"`overwrite=True` replaces only a folder that holds {marker}."
    else:
        remedy = "Give another, or `overwrite=True`."
    raise FileExistsError(
        f"`filepath` must be a folder that does not exist. {remedy} Received: "
        f"filepath={str(path)!r}"
    )


def _is_replaceable(path, marker):
    return path.is_dir() and ((path / marker).is_file() or not any(path.iterdir()))


def _move(folder, path):
    """Puts `folder` in the place of `path`, after moving the old folder away."""
    if not path.exists():
        folder.rename(path)
        return
    previous = folder.with_name(f"{folder.name}-previous")
    path.rename(previous)
    try:
        folder.rename(path)
    except OSError:
        previous.rename(path)
        raise
    shutil.rmtree(previous)
