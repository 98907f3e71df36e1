"""Files that are either complete or not there."""

import contextlib
import pathlib
import uuid

from keras_dpgan._utils import durable


@contextlib.contextmanager
def complete_file(path):
    """Gives a path to write to; it becomes `path` when the block has ended well.

    The file is written beside its place and renamed, so that a reader never sees
    half of one and a crash leaves the previous one. The folder is made.

    Args:
        path: The file to make or to replace.

    Yields:
        A `pathlib.Path` in the same folder and with the same suffix.
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.stem}-{uuid.uuid4().hex}{path.suffix}")
    try:
        yield beside
        durable.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
