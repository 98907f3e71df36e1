"""Seeds of one's own for the layers that draw random numbers."""

import contextlib
import functools
import threading

import keras
import tensorflow as tf

from keras_dpgan._utils.shared_patch import SharedPatch

_active = threading.local()


@contextlib.contextmanager
def replaced_seeds(make_seed):
    """Within it, what this thread runs gets its seeds from elsewhere.

    Other threads draw as ever, also those that are inside a `replaced_seeds` of
    their own, and the last of them to leave takes the patch of Keras away.

    Args:
        make_seed: Function of an int, the number of the draw from 1 on. Returns
            an int tensor of shape `(2,)`.

    Yields:
        A list of one int, the number of draws so far.
    """
    calls = [0]

    def draw(generator):
        calls[0] += 1
        return tf.cast(make_seed(calls[0]), generator.state.dtype)

    before = getattr(_active, "draw", None)
    with _patched_next:
        _active.draw = draw
        try:
            yield calls
        finally:
            _active.draw = before


def seeds_from(seed):
    """`replaced_seeds` in which each draw has a seed made from one seed.

    Args:
        seed: Int64 tensor of shape `(2,)`.
    """
    return replaced_seeds(lambda number: seed + [number, 0])


def _next_of_thread(original):
    @functools.wraps(original)
    def next_seed(generator, ordered=True):
        draw = getattr(_active, "draw", None)
        return original(generator, ordered) if draw is None else draw(generator)

    return next_seed


_patched_next = SharedPatch(keras.random.SeedGenerator, "next", _next_of_thread)
