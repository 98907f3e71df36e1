"""Files of arbitrary content, chosen by what they make the readers do.

`python fuzz.py idx CORPUS -runs=100000`, under Linux with atheris installed, begins at
the files in the folder CORPUS; `ledger`, `entry` and `card` are the other readers. Each
file is read or refused with a `ValueError`.
"""

import json
import pathlib
import sys
import tempfile

import atheris

with atheris.instrument_imports(include=["keras_dpgan"]):
    from keras_dpgan._utils.append_only_file import AppendOnlyFile
    from keras_dpgan.data import read_idx
    from keras_dpgan.export import read_card
    from keras_dpgan.export.card import CARD_NAME
    from keras_dpgan.privacy import Ledger


def read_ledger(path):
    print_all(Ledger.read(path))


def read_entry(path):
    """The content is an entry of a ledger, under a checksum that fits."""
    content = path.read_bytes()
    path.unlink()
    file = AppendOnlyFile(path, "ledger")
    try:
        file.append(json.loads(content))
    except RecursionError as error:  # Of this file's own parsing.
        raise ValueError("no JSON") from error
    finally:
        file.close()
    print_all(Ledger.read(path))


def print_all(contents):
    if not contents.report().replace("\n", "").isprintable():
        raise AssertionError("A report holds what a terminal would obey.")


READERS = {
    "idx": ("file", read_idx),
    "ledger": ("ledger", read_ledger),
    "entry": ("ledger", read_entry),
    "card": (CARD_NAME, lambda path: read_card(path.parent)),
}


def main(arguments):
    program, reader, *options = arguments
    name, read = READERS[reader]
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / name

        def read_or_refuse(content):
            path.write_bytes(content)
            try:
                read(path)
            except ValueError:
                pass
            finally:
                path.unlink(missing_ok=True)

        atheris.Setup([program, *options], read_or_refuse)
        atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv)
