"""Files that are either complete or do not exist."""

import contextlib
import pathlib
import uuid

from keras_dpgan._utils import durable


@contextlib.contextmanager
def complete_file(path):
    """Gives a path to write to, which becomes `path` when the block ends without error.

    The file is written in the folder of `path`, which is created if necessary, and then
    renamed. So a reader never sees an incomplete file, and a crash keeps the old one.

    Args:
        path: The file to write or to replace.

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
