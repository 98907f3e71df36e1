"""What privatizes a client's updates, as fields that a file or a message carries."""

import ast
import dataclasses


def write(mechanism):
    """The class and the fields of a mechanism.

    Args:
        mechanism: A `GaussianUpdate`, `LaplaceUpdate`, `SharedNoise` or
            `RecordSumNoise`.

    Returns:
        Dict of JSON values: `"mechanism"`, the name of its class, and its fields.
    """
    return {"mechanism": type(mechanism).__name__, **dataclasses.asdict(mechanism)}


def are_of(written, mechanism):
    """Whether fields are those of a mechanism.

    A field that they lack stands for its default: it is newer than they are.

    Args:
        written: What `write` has made, or the text that version 0.1 wrote instead.
        mechanism: As in `write`.

    Returns:
        Bool.
    """
    if isinstance(written, str):
        written = _read_text(written)
    if not isinstance(written, dict):
        return False
    return _completed(written, mechanism) == write(mechanism)


def _completed(written, mechanism):
    """The fields with the defaults of those that are missing."""
    completed = dict(written)
    for field in dataclasses.fields(mechanism):
        value = getattr(mechanism, field.name)
        if field.name not in completed:
            if field.default is not dataclasses.MISSING:
                completed[field.name] = field.default
        elif dataclasses.is_dataclass(value) and isinstance(written[field.name], dict):
            completed[field.name] = _completed(written[field.name], value)
    return completed


def _read_text(text):
    """The fields in `GaussianUpdate(l2_norm_clip=0.5, ...)`; `None` in other text."""
    try:
        call = ast.parse(text, mode="eval").body
        return {"mechanism": call.func.id, **_arguments(call)}
    except (AttributeError, SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _arguments(call):
    return {
        argument.arg: _arguments(argument.value)
        if isinstance(argument.value, ast.Call)
        else ast.literal_eval(argument.value)
        for argument in call.keywords
    }
