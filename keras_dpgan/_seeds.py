"""Seeds of one's own for the layers that draw random numbers."""

import contextlib
import threading

import keras
import tensorflow as tf


@contextlib.contextmanager
def replaced_seeds(make_seed):
    """Within it, what this thread runs gets its seeds from elsewhere.

    Args:
        make_seed: Function of an int, the number of the draw from 1 on. Returns
            an int tensor of shape `(2,)`.

    Yields:
        A list of one int, the number of draws so far.
    """
    original = keras.random.SeedGenerator.next
    calls = [0]
    thread = threading.get_ident()

    def next_seed(generator, ordered=True):
        if threading.get_ident() != thread:
            return original(generator, ordered)
        calls[0] += 1
        return tf.cast(make_seed(calls[0]), generator.state.dtype)

    keras.random.SeedGenerator.next = next_seed
    try:
        yield calls
    finally:
        keras.random.SeedGenerator.next = original


def seeds_from(seed):
    """`replaced_seeds` in which each draw has a seed made from one seed.

    Args:
        seed: Int64 tensor of shape `(2,)`.
    """
    return replaced_seeds(lambda number: seed + [number, 0])
