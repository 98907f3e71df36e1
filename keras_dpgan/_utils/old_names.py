"""Public names in British spelling, which work for one more version."""

import functools
import typing
import warnings


def warn(old, new, stacklevel=3) -> None:
    """Warns that a name has changed.

    Args:
        old: String, the name that was used.
        new: String, the name to use.
        stacklevel: Int, as in `warnings.warn`. Defaults to 3: the caller's caller.
    """
    warnings.warn(
        f"`{old}` is called `{new}` now. Use the new name: the next version will not "
        "have the old one.",
        DeprecationWarning,
        stacklevel=stacklevel,
    )


def function(old, new):
    """A function, or a method, under its old name.

    Args:
        old: String, the old name.
        new: The function itself, which has the new name.

    Returns:
        A function that warns and then calls `new`.
    """

    @functools.wraps(new)
    def warning(*args, **kwargs):
        warn(old, new.__name__)
        return new(*args, **kwargs)

    return warning


def attribute(old, new):
    """A read-only property that warns and then gives another attribute.

    Args:
        old: String, the old name.
        new: String, the new name.

    Returns:
        A property, to be set in the class body under the old name.
    """

    def value(self) -> typing.Any:
        warn(old, new)
        return getattr(self, new)

    return property(value)
