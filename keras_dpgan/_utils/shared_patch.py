"""A method of Keras that is replaced for as long as any thread needs it."""

import threading


class SharedPatch:
    """Replaces a method of a class while at least one thread is inside.

    What replaces it is the same for all threads, and has to tell by itself which of
    them it is for. The last one to leave puts the method back.

    Args:
        owner: The class.
        name: String, the method's name.
        wrap: Function of the method that returns what replaces it.
    """

    def __init__(self, owner, name, wrap):
        self._owner, self._name, self._wrap = owner, name, wrap
        self._lock = threading.Lock()
        self._count = 0
        self._original = None

    def __enter__(self):
        with self._lock:
            if self._count == 0:
                self._original = getattr(self._owner, self._name)
                setattr(self._owner, self._name, self._wrap(self._original))
            self._count += 1

    def __exit__(self, *error):
        with self._lock:
            self._count -= 1
            if self._count == 0:
                setattr(self._owner, self._name, self._original)
