"""Attributes that were checked once, and must not change behind the check."""

import contextlib


class ReadOnly:
    """Refuses to set an attribute again that is named in `_read_only`.

    What was validated and what is counted must be what runs. A mixin, which stands
    first among the base classes.

    Attributes:
        _read_only: Dict of the names to the remedy, a sentence.
    """

    _read_only: dict[str, str] = {}

    def __setattr__(self, name, value):
        remedy = self._read_only.get(name)
        is_unlocked = vars(self).get("_is_unlocked", False)
        if remedy is not None and not is_unlocked and hasattr(self, name):
            raise AttributeError(
                f"`{name}` of a `{type(self).__name__}` cannot be set: training would "
                "go on with what it was when it was checked, and privacy would be "
                f"counted for something else. {remedy} Received: {name}={value!r:.80}"
            )
        super().__setattr__(name, value)


@contextlib.contextmanager
def unlocked(owner):
    """Within it, the read-only attributes of `owner` can be set."""
    owner._is_unlocked = True
    try:
        yield
    finally:
        owner._is_unlocked = False
