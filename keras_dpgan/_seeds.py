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
        yield
    finally:
        keras.random.SeedGenerator.next = original
