"""Folders that are either complete or not there."""

import contextlib
import pathlib
import shutil
import uuid


@contextlib.contextmanager
def complete_folder(path, overwrite, marker):
    """Gives an empty folder, which becomes `path` when the block has ended well.

    It is filled beside its place and renamed, so that a reader never sees half of
    one and whatever interrupts the block leaves the previous one.

    Args:
        path: The folder to make.
        overwrite: Whether a folder that is there is replaced.
        marker: Name of a file without which it is not, unless it is empty: a
            path given by mistake costs nothing.

    Yields:
        A `pathlib.Path` in the same parent folder.

    Raises:
        FileExistsError: If there is something at `path` and `overwrite` is
            `False`, or if it is no such folder.
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
    """Puts `folder` in the place of `path`; no name can hold two folders."""
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
