"""Arrays and facts in a message, and the checks of what comes in."""

import dataclasses
import hashlib
import json
import math
import re
import typing

import numpy as np
from flwr.app import ArrayRecord
from flwr.app import ConfigRecord
from flwr.app import RecordDict
from flwr.common.constant import SType

from keras_dpgan._utils.formats import Format
from keras_dpgan.federated import mechanism_fields

ABSTAINS = "abstains"

# Which other facts a message has is the matter of who asks for them.
_FORMAT = Format("message", version=2, required=())


class InvalidMessageError(ValueError):
    """What came in is not what was agreed upon; says why."""


def write(arrays, **facts):
    """The content of a message.

    Args:
        arrays: List of NumPy arrays.
        **facts: Strings, numbers and bools.

    Returns:
        A `flwr.app.RecordDict`.
    """
    return RecordDict(
        {
            "arrays": ArrayRecord([np.asarray(a, order="C") for a in arrays]),
            "facts": ConfigRecord(_FORMAT.write(**facts)),
        }
    )


def read(content):
    """Arrays and facts of a message's content.

    Returns:
        `(arrays, facts)`: a list of NumPy arrays and a dict.

    Raises:
        InvalidMessageError: If either cannot be read, or the message is of a later
            version than this one reads.
    """
    try:
        arrays = [_array(a) for a in content.array_records["arrays"].values()]
        facts = dict(content.config_records["facts"])
    except (AttributeError, KeyError, TypeError) as error:
        raise InvalidMessageError("unreadable") from error
    try:
        _FORMAT.check_header(facts)
    except ValueError as error:
        raise InvalidMessageError("of a later version") from error
    return arrays, {k: v for k, v in facts.items() if k not in _FORMAT.header()}


# What NumPy writes before the numbers of an array, and nothing else that it reads.
_HEADER = re.compile(
    rb"\x93NUMPY\x01\x00(?s:..)\{'descr': '([<|][biuf][1248]|[|]b1)', "
    rb"'fortran_order': False, 'shape': \(((?:\d{1,15}, ?){0,8}\d{0,15})\), \} *\n"
)


def _array(array):
    """The NumPy array in a record's entry; nothing is allocated that did not come.

    Flower's own reader takes archives, which need no room on their way, and lets
    NumPy allocate what a header claims and tokenize what it says.
    """
    data = array.data
    header = _HEADER.match(data) if array.stype == SType.NUMPY else None
    if header is None:
        raise InvalidMessageError("unreadable")
    dtype = np.dtype(header[1].decode())
    shape = tuple(int(size) for size in re.findall(rb"\d+", header[2]))
    if math.prod(shape) * dtype.itemsize != len(data) - header.end():
        raise InvalidMessageError("unreadable")
    return np.frombuffer(data, dtype, offset=header.end()).reshape(shape)


def facts_record(**facts):
    """Facts as a record that a context's state can hold."""
    return ConfigRecord(facts)


def mechanism_text(mechanism):
    """A mechanism as a fact of a message: its fields, as JSON."""
    return json.dumps(mechanism_fields.write(mechanism))


def is_mechanism(text, mechanism):
    """Whether a fact of a message is `mechanism`, as any version has written it."""
    try:
        written = json.loads(text)
    except (TypeError, ValueError, RecursionError):
        written = text  # Of version 0.1, which wrote no JSON.
    return mechanism_fields.are_of(written, mechanism)


def facts_of(run, number, arrays):
    """The facts of a request that its reply has, too; see `reply`."""
    return {"run": run, "round": number, "model_hash": model_hash(arrays)}


def reply(arrays, facts):
    """The content of a reply to a request with facts about a model."""
    named = {name: facts[name] for name in ("run", "round", "model_hash")}
    return write(arrays, **named)


def abstention():
    """The content of a reply that says that the client's limit is reached."""
    return write([], **{ABSTAINS: True})


def from_bytes(data):
    """Bytes as an array that a message can carry."""
    return np.frombuffer(data, np.uint8)


def model_hash(weights):
    """A hash of weights: of their shapes, dtypes and every bit.

    Args:
        weights: List of arrays.

    Returns:
        String of 64 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for array in weights:
        digest.update(f"{array.shape}{array.dtype.str}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def check_hash(arrays, facts):
    """Raises an `InvalidMessageError` where arrays are not those of their hash."""
    if model_hash(arrays) != facts["model_hash"]:
        raise InvalidMessageError("wrong model_hash")


@dataclasses.dataclass(frozen=True)
class Form:
    """What a valid reply looks like, as far as its receiver can see.

    Attributes:
        shapes: List of the arrays' shapes, `None` in the place of a size that may
            vary; `None` where the number of arrays may vary, too.
        dtypes: The arrays' NumPy dtype, or a list of each one's.
        facts: Dict of facts that must be as they are here: the number of the
            round, and the hash of the model that the request came with.
        largest_norm: Float, the largest joint L2 norm of the arrays; `None` if it
            has no bound.
    """

    shapes: list | None
    dtypes: typing.Any
    facts: dict
    largest_norm: float | None = None

    def read(self, content):
        """The arrays of a reply; `None` of a client that abstains.

        Raises:
            InvalidMessageError: If the reply does not fit; names the first reason.
        """
        arrays, facts = read(content)
        if facts.pop(ABSTAINS, False):
            return None
        for name, value in self.facts.items():
            if facts.get(name) != value:
                raise InvalidMessageError(f"wrong {name}")
        self._check_shapes(arrays)
        if not all(np.isfinite(a).all() for a in arrays):
            raise InvalidMessageError("not finite")
        if self.largest_norm is not None:
            norm = np.sqrt(sum(np.sum(np.square(a, dtype=np.float64)) for a in arrays))
            if norm > self.largest_norm * (1 + 1e-5):
                raise InvalidMessageError("norm too large")
        return arrays

    def _check_shapes(self, arrays):
        if self.shapes is not None and (
            len(arrays) != len(self.shapes)
            or not all(map(_has_shape, arrays, self.shapes))
        ):
            raise InvalidMessageError("wrong shapes")
        dtypes = self.dtypes
        if not isinstance(dtypes, list):
            dtypes = [dtypes] * len(arrays)
        if [a.dtype for a in arrays] != [np.dtype(dtype) for dtype in dtypes]:
            raise InvalidMessageError("wrong dtype")


def _has_shape(array, shape):
    return array.ndim == len(shape) and all(
        expected in (None, size)
        for size, expected in zip(array.shape, shape, strict=True)
    )
