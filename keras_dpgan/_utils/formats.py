"""The header with which every file and message of this package names its format.

The rules are in `docs/formats.md`.
"""

import dataclasses
import json
import math

from keras_dpgan._version import __version__

# The version of files without a header, since keras_dpgan 0.1 wrote none.
_FIRST = 1
_HEADER = ("format", "version", "written_by", "may_ignore")


@dataclasses.dataclass(frozen=True)
class Format:
    """A format's name, its version and its fields.

    Args:
        name: String.
        version: Int, the version that is written. Earlier versions can be read.
        required: Tuple of strings: the fields that each version has.
        optional: Dict from the fields that are newer than the first version to their
            defaults in older files. A default must never make the reader report less
            than was spent. Defaults to no fields.
    """

    name: str
    version: int
    required: tuple
    optional: dict = dataclasses.field(default_factory=dict)

    def header(self):
        """The header of a file of this format, a dict."""
        return {
            "format": f"keras_dpgan.{self.name}",
            "version": self.version,
            "written_by": __version__,
        }

    def write(self, **fields):
        """The header and the fields, a dict of JSON values."""
        return {**self.header(), **fields}

    def read(self, values):
        """The fields in a dict that `write` of this or an earlier version has made.

        Args:
            values: A dict. Without a header it is of version 1.

        Returns:
            Dict of all fields, the required and the optional ones.

        Raises:
            ValueError: If it is of another format or a later version, if a field is
                missing, or if a field is unknown and the file does not allow readers
                to ignore it.
        """
        self.check_header(values)
        fields = {k: v for k, v in values.items() if k not in _HEADER}
        known = {*self.required, *self.optional}
        missing = sorted(set(self.required) - set(fields))
        unknown = sorted(set(fields) - known - set(values.get("may_ignore", ())))
        if missing or unknown:
            raise ValueError(
                f"A {self.name} must have the fields {sorted(known)}. Received: "
                f"unknown={unknown}, missing={missing}.{advice(values)}"
            )
        return {**self.optional, **{k: v for k, v in fields.items() if k in known}}

    def check_header(self, values):
        """Raises a `ValueError` unless this version can read a file with the header."""
        if not isinstance(values, dict):
            raise ValueError(f"A {self.name} must be a dict. Received: {values!r:.80}")
        name = values.get("format", self.header()["format"])
        if name != self.header()["format"]:
            raise ValueError(
                f"`format` must be {self.header()['format']!r}. Received: "
                f"format={name!r:.80}"
            )
        names = values.get("may_ignore", [])
        if not isinstance(names, list) or not all(isinstance(n, str) for n in names):
            raise ValueError(
                "`may_ignore` must be a list of the names of fields. Received: "
                f"may_ignore={names!r:.80}"
            )
        version = values.get("version", _FIRST)
        latest = self.version if "format" in values else _FIRST
        if type(version) is not int or not _FIRST <= version <= latest:
            raise ValueError(
                f"`version` of a {self.name} must be an int from {_FIRST} to {latest}, "
                f"which keras_dpgan {__version__} reads. Received: "
                f"version={version!r:.80}.{advice(values)}"
            )


def advice(values):
    """A sentence on which keras_dpgan reads a file, if another one has written it."""
    writer = values.get("written_by")
    if not isinstance(writer, str) or not writer.isprintable() or len(writer) > 40:
        return ""
    if writer == __version__:
        return ""
    return f" keras_dpgan {writer} has written it: use that version or a later one."


def load_json(text, name, only_finite=True):
    """The JSON values of a text in which no key is given twice.

    Args:
        text: String or bytes.
        name: String with which messages begin: `"The privacy card"`, for example.
        only_finite: Whether to refuse NaN and infinity here. Defaults to `True`;
            `False` is for callers that check each number and name its field.

    Raises:
        ValueError: If it is not such a text.
    """

    def unique_keys(pairs):
        values = dict(pairs)
        if len(values) != len(pairs):
            keys = [key for key, _ in pairs]
            raise ValueError(f"{name} gives a key twice. Received: keys={keys}.")
        return values

    def number(text):
        # NaN and infinity are not valid JSON, though Python reads and writes them.
        if only_finite and not math.isfinite(float(text)):
            raise ValueError(f"{name} must hold finite numbers. Received: {text:.20}.")
        return float(text)

    try:
        return json.loads(
            text,
            object_pairs_hook=unique_keys,
            parse_constant=number,
            parse_float=number,
        )
    except (TypeError, RecursionError) as error:
        raise ValueError(f"{name} must be valid JSON: {error}.") from error
