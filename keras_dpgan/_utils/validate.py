"""Checks of arguments that recur in every room, and attributes that cannot be set.

Each returns the value in plain Python form, so that a constructor can write
`self.delta = check_delta(delta)`. Each raises `ValueError` that names the
argument, what it must be, and what it was.
"""

import contextlib
import math
import numbers
import warnings

import numpy as np


def check_positive(name, value):
    """Returns `value` as a float if it is a finite number above 0."""
    number = _finite(value)
    if number is None or number <= 0:
        raise ValueError(_message(name, "a finite number above 0", value))
    return number


def check_non_negative(name, value):
    """Returns `value` as a float if it is a finite number of at least 0."""
    number = _finite(value)
    if number is None or number < 0:
        raise ValueError(_message(name, "a finite number of at least 0", value))
    # Adding 0.0 turns -0.0 into 0.0.
    return number + 0.0


def check_probability(name, value):
    """Returns `value` as a float if it is in (0, 1]."""
    number = _finite(value)
    if number is None or not 0 < number <= 1:
        raise ValueError(_message(name, "in (0, 1]", value))
    return number


def check_delta(delta, num_examples=None):
    """Returns `delta` as a float if it is in (0, 1).

    Warns if it is at least one divided by the number of examples, because a mechanism
    that publishes one random row satisfies such a delta.

    Args:
        delta: The probability with which epsilon may be exceeded.
        num_examples: Number of rows of the private data, if it is known.

    Returns:
        A float.

    Raises:
        ValueError: If `delta` is outside (0, 1).
    """
    number = _finite(delta)
    if number is None or not 0 < number < 1:
        raise ValueError(_message("delta", "in (0, 1)", delta))
    if num_examples is not None and number >= 1 / num_examples:
        warnings.warn(
            "`delta` should be below 1 / num_examples. With a larger delta, "
            "publishing one whole row would count as private. "
            f"Received: delta={delta}, num_examples={num_examples}.",
            stacklevel=3,
        )
    return number


def check_int(name, value, minimum=None, maximum=None):
    """Returns `value` as an int if it is a whole number within the limits.

    Args:
        name: Name of the argument.
        value: The given value. A bool is not a whole number.
        minimum: Smallest value allowed, or `None`.
        maximum: Largest value allowed, or `None`.

    Returns:
        An int.

    Raises:
        ValueError: If `value` is anything else.
    """
    must_be = "an integer"
    if minimum is not None:
        must_be += f" of at least {minimum}"
    if maximum is not None:
        must_be += f"{' and' if minimum is not None else ' of'} at most {maximum}"
    if not isinstance(value, numbers.Integral) or isinstance(value, bool):
        raise ValueError(_message(name, must_be, value))
    below = minimum is not None and value < minimum
    above = maximum is not None and value > maximum
    if below or above:
        raise ValueError(_message(name, must_be, value))
    return int(value)


def check_bool(name, value):
    """Returns `value` if it is `True` or `False`."""
    if not isinstance(value, bool):
        raise ValueError(_message(name, "True or False", value))
    return value


def check_choice(name, value, choices):
    """Returns `value` if it is one of the strings in `choices`."""
    if not isinstance(value, str) or value not in choices:
        allowed = ", ".join(repr(choice) for choice in choices)
        raise ValueError(_message(name, f"one of {allowed}", value))
    return value


def _finite(value):
    """`value` as a float, or `None` if it is not a finite real number."""
    if not isinstance(value, numbers.Real) or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _message(name, must_be, value):
    return f"`{name}` must be {must_be}. Received: {name}={value!r}."


def check_scores(scores, truth, name, unit) -> tuple[np.ndarray, np.ndarray]:
    """An attack's scores as float64, and the bools that say which guess is right.

    Raises:
        ValueError: If they are not of one shape `(n,)`, or not finite and bool; the
            message calls the bools `name` and what has a score `unit`.
    """
    scores, truth = np.asarray(scores, np.float64), np.asarray(truth)
    if scores.ndim != 1 or not np.isfinite(scores).all():
        raise ValueError(
            f"`scores` must be finite numbers, one per {unit}. Received: scores of "
            f"shape {scores.shape}"
        )
    if truth.shape != scores.shape or truth.dtype != bool:
        raise ValueError(
            f"`{name}` must be bools of shape {scores.shape}. Received: {name} of "
            f"shape {truth.shape} and dtype {truth.dtype}"
        )
    return scores, truth


class ReadOnly:
    """Refuses to set an attribute again that is named in `_read_only`.

    Training must run exactly what was validated and is counted. This is a mixin, which
    must be the first of the base classes.

    Attributes:
        _read_only: Dict of the names to the remedy, a sentence.
    """

    _read_only: dict[str, str] = {}

    def __setattr__(self, name, value):
        remedy = self._read_only.get(name)
        is_unlocked = vars(self).get("_is_unlocked", False)
        if remedy is not None and not is_unlocked and hasattr(self, name):
            raise AttributeError(
                f"`{name}` of a `{type(self).__name__}` cannot be set. Training would "
                "continue with the value that was checked, and privacy would be "
                f"counted for another one. {remedy} Received: {name}={value!r:.80}"
            )
        super().__setattr__(name, value)


@contextlib.contextmanager
def unlocked(owner):
    """A scope in which the read-only attributes of `owner` can be set."""
    owner._is_unlocked = True
    try:
        yield
    finally:
        owner._is_unlocked = False
