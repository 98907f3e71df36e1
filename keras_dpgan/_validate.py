"""Argument checks that recur: each names the argument, its rule and its value."""

import math
import numbers
import warnings


def check_positive(name, value):
    """Raises unless `value` is a finite number above zero."""
    if not _is_finite(value) or value <= 0:
        raise ValueError(f"`{name}` must be a positive number. Received: {name}={value}")


def check_non_negative(name, value):
    """Raises unless `value` is a finite number of zero or more."""
    if not _is_finite(value) or value < 0:
        raise ValueError(
            f"`{name}` must be a number of zero or more. Received: {name}={value}"
        )


def check_probability(name, value):
    """Raises unless `value` is in (0, 1]."""
    if not _is_finite(value) or not 0 < value <= 1:
        raise ValueError(f"`{name}` must be in (0, 1]. Received: {name}={value}")


def check_int(name, value, minimum=None):
    """Raises unless `value` is an int, of `minimum` or more if that is given."""
    is_int = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not is_int or (minimum is not None and value < minimum):
        rule = "an int" if minimum is None else f"an int of {minimum} or more"
        raise ValueError(f"`{name}` must be {rule}. Received: {name}={value!r}")


def check_delta(delta, num_examples=None):
    """Raises unless `delta` is in (0, 1); warns at or above 1 / num_examples."""
    if not _is_finite(delta) or not 0 < delta < 1:
        raise ValueError(f"`delta` must be in (0, 1). Received: delta={delta}")
    if num_examples and delta >= 1 / num_examples:
        warnings.warn(
            f"`delta` should be well below 1 / n = {1 / num_examples:.1e}: at or "
            "above it, a mechanism that publishes a random record would pass. "
            f"Received: delta={delta}",
            stacklevel=3,
        )


def _is_finite(value):
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    return is_number and math.isfinite(value)
