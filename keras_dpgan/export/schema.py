"""The published schema of a privacy card, and a check against it.

The schema is a JSON Schema (draft 2020-12), which any validator can use. The check here
supports only the keywords that the schema uses, so that reading a card needs no further
package.
"""

import functools
import json
import pathlib
import re

from keras_dpgan._utils.formats import advice
from keras_dpgan._version import __version__

_NAMES = ("privacy_card_1.schema.json", "privacy_card.schema.json")

_TYPES = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "null": type(None),
}


def card_schema() -> dict:
    """The schema of the privacy cards that this version writes, a dict.

    Examples:
        >>> dpgan.export.card_schema()["type"]
        'object'
    """
    return _schemas()[-1]


@functools.cache
def _schemas():
    """The schemas of all versions, the oldest first."""
    folder = pathlib.Path(__file__).parent
    return [json.loads((folder / n).read_text(encoding="utf-8")) for n in _NAMES]


def check_card(card):
    """Raises a `ValueError` that names the first field that is wrong.

    Args:
        card: A card of any version.
    """
    for name, must_be, value in _faults(card, _schema_of(card), ""):
        raise ValueError(
            f"Invalid privacy card: `{name or 'card'}` must "
            f"{must_be}. Received: {value!r:.80}"
        )


def _schema_of(card):
    """The schema that a card names, or the newest schema."""
    name = card.get("schema") if isinstance(card, dict) else None
    known = {schema["$id"]: schema for schema in _schemas()}
    prefix, _, _ = card_schema()["$id"].rpartition(":")
    later = isinstance(name, str) and re.fullmatch(prefix + r":[0-9]{1,9}", name)
    if later and name not in known:
        raise ValueError(
            f"keras_dpgan {__version__} cannot read this version of a privacy card. "
            f"`schema` must be one of: {', '.join(known)}. Received: "
            f"{name}.{_writer(card)}"
        )
    return known.get(name, card_schema()) if isinstance(name, str) else card_schema()


def _writer(card):
    versions = card.get("versions")
    writer = versions.get("keras_dpgan") if isinstance(versions, dict) else None
    return advice({"written_by": writer})


def _faults(value, schema, name):
    """Yields `(name, what it must be, value)` for each fault."""
    types = schema.get("type")
    if types is not None:
        types = [types] if isinstance(types, str) else types
        if not any(_is_a(value, kind) for kind in types):
            yield name, f"be of type {' or '.join(types)}", value
            return
    if "const" in schema and not _same(value, schema["const"]):
        yield name, f"be {schema['const']!r}", value
    if "enum" in schema and not any(_same(value, e) for e in schema["enum"]):
        yield name, f"be one of {schema['enum']}", value
    if isinstance(value, dict):
        yield from _object_faults(value, schema, name)
    elif isinstance(value, list):
        yield from _array_faults(value, schema, name)
    elif isinstance(value, str):
        if not re.search(schema.get("pattern", ""), value):
            yield name, f"match {schema['pattern']}", value
    elif _is_a(value, "number"):
        yield from _number_faults(value, schema, name)
    if "if" in schema:
        holds = not any(_faults(value, schema["if"], name))
        yield from _faults(value, schema["then" if holds else "else"], name)


def _object_faults(value, schema, name):
    for key in schema.get("required", ()):
        if key not in value:
            yield name, f"have the key {key!r}", sorted(value)
    known = schema.get("properties", {})
    others = schema.get("additionalProperties", {})
    for key, entry in value.items():
        if key not in known and others is False:
            yield name, f"have no key but {sorted(known)}", key
        else:
            within = f"{name}.{key}" if name else key
            yield from _faults(entry, known.get(key, others), within)


def _array_faults(value, schema, name):
    if len(value) < schema.get("minItems", 0):
        yield name, f"have at least {schema['minItems']} items", value
    if len(value) > schema.get("maxItems", len(value)):
        yield name, f"have at most {schema['maxItems']} items", value
    for i, entry in enumerate(value):
        yield from _faults(entry, schema.get("items", {}), f"{name}[{i}]")


def _number_faults(value, schema, name):
    if value < schema.get("minimum", value):
        yield name, f"be at least {schema['minimum']}", value
    if value > schema.get("maximum", value):
        yield name, f"be at most {schema['maximum']}", value
    if "exclusiveMinimum" in schema and value <= schema["exclusiveMinimum"]:
        yield name, f"be above {schema['exclusiveMinimum']}", value
    if "exclusiveMaximum" in schema and value >= schema["exclusiveMaximum"]:
        yield name, f"be below {schema['exclusiveMaximum']}", value


def _is_a(value, kind):
    if kind in _TYPES:
        return isinstance(value, _TYPES[kind])
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return kind == "number" or value == int(value)


def _same(value, other):
    """Whether two values are equal as JSON, where `True` is not 1."""
    return type(value) is type(other) and value == other
