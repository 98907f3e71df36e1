"""Checksums of the files of a SavedModel."""

import hashlib

_FILES = ("saved_model.pb", "fingerprint.pb")
_FOLDERS = ("variables", "assets")


def checksums(folder):
    """SHA-256 of each file of a SavedModel.

    Args:
        folder: `pathlib.Path` of an export. Files that do not belong to the SavedModel
            (the card, pictures, requests to warm up a server) are left out.

    Returns:
        Dict from paths relative to `folder`, with forward slashes, to
        hexadecimal digests.
    """
    paths = [folder / name for name in _FILES]
    for name in _FOLDERS:
        paths.extend((folder / name).rglob("*"))
    return {
        path.relative_to(folder).as_posix(): _sha256(path)
        for path in sorted(paths)
        if path.is_file()
    }


def check_files(folder, expected):
    """Raises unless the files of a SavedModel are those that a card describes.

    Args:
        folder: `pathlib.Path` of an export.
        expected: What `checksums` returned when the card was written.

    Raises:
        ValueError: If a file is changed, missing or not in the card.
    """
    found = checksums(folder)
    differing = sorted(
        name
        for name in found.keys() | expected.keys()
        if found.get(name) != expected.get(name)
    )
    if differing:
        raise ValueError(
            "The privacy card does not belong to this SavedModel, but to another "
            "generator. Files that were changed, removed or added since the card was "
            f"written: {', '.join(differing)}. Export again, or copy the folder again. "
            f"Received: path={str(folder)!r}"
        )


def _sha256(path):
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
