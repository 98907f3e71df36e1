"""The source of the noise: the operating system, never a user's seed.

A stream is Philox4x32-10, with a key and a position from 192 bits of `os.urandom`.
TensorFlow's own generators are not suitable: `tf.random.normal` repeats itself after
`keras.utils.set_random_seed`, and its "non-deterministic" state starts from only 32
bits. Only this module holds the state, so that no weight file, checkpoint or export
can contain it.
"""

import hashlib
import os
import threading

import numpy as np
import tensorflow as tf

_PHILOX = 1
_STATE_WORDS = 3  # Two words of counter, one of key.


class NoiseStream:
    """A stream of standard normal numbers, usable in graphs and under XLA.

    Args:
        insecure_seed: Int, to repeat a stream when you look for a bug. There is no
            privacy against someone who knows it. Defaults to `None`: the operating
            system's entropy is used.
    """

    def __init__(self, insecure_seed=None):
        words = _fresh_words()
        if insecure_seed is not None:
            key = hashlib.sha256(str(insecure_seed).encode()).digest()
            words = np.frombuffer(key, np.int64, count=_STATE_WORDS)
        self._state = in_plain_eager_thread(
            lambda: tf.Variable(words, trainable=False, dtype=tf.int64)
        )

    def renew(self):
        """Continues at a new random place, which does not depend on earlier draws."""
        words = _fresh_words()
        in_plain_eager_thread(lambda: self._state.assign(words))

    def normal(self, shapes, dtype=tf.float32):
        """Draws fresh standard normal tensors, all at once.

        Args:
            shapes: List of fully defined shapes.
            dtype: `tf.float32` or `tf.float64`.

        Returns:
            List of tensors of these shapes.
        """
        sizes = [int(np.prod(shape, dtype=np.int64)) for shape in shapes]
        total = sum(sizes)
        flat = tf.raw_ops.StatelessRandomNormalV2(
            shape=[total], dtype=dtype, **self._skip(total)
        )
        return [
            tf.reshape(part, shape)
            for part, shape in zip(tf.split(flat, sizes), shapes, strict=True)
        ]

    def seed(self):
        """Draws a fresh seed for TensorFlow's stateless functions.

        Returns:
            Int64 tensor of shape `(2,)`.
        """
        return tf.raw_ops.StatelessRandomUniformFullIntV2(
            shape=[2], dtype=tf.int64, **self._skip(2)
        )

    def _skip(self, count):
        """Reserves the place of the next `count` numbers for one draw."""
        state = tf.raw_ops.RngReadAndSkip(
            resource=self._state.handle,
            alg=tf.constant(_PHILOX),
            delta=tf.constant(count, tf.uint64),
        )
        state = tf.bitcast(state, tf.uint64)
        return {
            "key": state[2:],
            "counter": state[:2],
            "alg": tf.constant(_PHILOX),
        }


def _fresh_words():
    return np.frombuffer(os.urandom(8 * _STATE_WORDS), np.int64)


_lock = threading.Lock()
_streams: list = []
# Functions that the parent has traced draw from its streams in a forked child, too.
_inherited: list = []


def process_stream():
    """The stream of this process, which all optimizers and mechanisms share."""
    with _lock:
        if not _streams:
            _streams.append(NoiseStream())
        return _streams[0]


def standard_normals(shape):
    """Normal numbers of this process's stream, for sums that are released once.

    Args:
        shape: Tuple of ints.

    Returns:
        Float64 NumPy array.
    """
    (normals,) = process_stream().normal([shape], tf.float64)
    return normals.numpy()


def renew_after_fork():
    """Makes functions that were traced before a fork draw new noise in each child.

    Call it before you run traced functions. It is not done during the fork, because
    another thread may be using TensorFlow then, and the child would hang.
    """
    while _inherited:
        _inherited.pop().renew()


def _leave_streams():
    _inherited.extend(_streams)
    _streams.clear()


# A forked child must not repeat its parent's noise.
os.register_at_fork(after_in_child=_leave_streams)


def in_plain_eager_thread(create):
    """Runs `create` outside every graph and distribution strategy.

    Both are thread-local. Under `MirroredStrategy` a variable that is created in the
    calling thread would be mirrored, and each replica would have its own handle.
    """
    result = []
    thread = threading.Thread(target=lambda: result.append(create()))
    thread.start()
    thread.join()
    return result[0]
