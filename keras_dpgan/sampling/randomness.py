"""Randomness of the training step, except the noise and the sampling."""

import abc

import numpy as np
import tensorflow as tf

DISCRIMINATOR, GENERATOR, EVALUATION = range(3)

_DRAWS_PER_PURPOSE = 2**14
_DRAWS_PER_REPLICA = 2**16


class Draws(abc.ABC):
    """Random numbers, each from a seed that is used for only one draw."""

    @abc.abstractmethod
    def seed(self):
        """The seed of a draw, an int64 tensor of shape `(2,)`."""

    def normal(self, shape):
        """Standard normal numbers, float32."""
        return tf.random.stateless_normal(shape, self.seed())

    def uniform(self, shape, dtype):
        """Numbers in [0, 1)."""
        return tf.random.stateless_uniform(shape, self.seed(), dtype=dtype)

    def integers(self, shape, maxval, dtype=tf.int32):
        """Whole numbers in [0, maxval)."""
        return tf.random.stateless_uniform(
            shape, self.seed(), minval=0, maxval=maxval, dtype=dtype
        )

    def categories(self, probabilities, n):
        """`n` indices of `probabilities`, int32."""
        # This is computed by hand, because XLA has no `stateless_categorical`.
        cumulated = np.cumsum(probabilities)
        is_past = self.uniform((n, 1), tf.float64) >= cumulated / cumulated[-1]
        return tf.reduce_sum(tf.cast(is_past, tf.int32), axis=1)


class PublicDraws(Draws):
    """Draws that everyone may know: latents, labels, pools of fakes.

    They are a function of a seed and of the step's number. So a run that continues
    from a checkpoint makes the same fakes as a run that never stopped, and the
    checkpoint needs no state of a random generator.

    Args:
        seed: Non-negative int below 2**31.
        number: Int64 scalar tensor.
        purpose: `DISCRIMINATOR`, `GENERATOR` or `EVALUATION`.
    """

    def __init__(self, seed, number, purpose):
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        self._key = (seed << 32) + _DRAWS_PER_REPLICA * tf.cast(replica, tf.int64)
        self._number = number
        self._next = purpose * _DRAWS_PER_PURPOSE

    def seed(self):
        seed = tf.stack([self._key + self._next, self._number])
        self._next += 1
        return seed


class SecretDraws(Draws):
    """Draws for a record: which fake it is compared with, how it is mixed, dropout.

    A record receives its draws by its place in the batch, and that place depends on
    the other records. If an attacker could reproduce these draws, adding one record
    would change the fake of every later record, and the clipped sum could change by
    more than the clip. Because nobody can reproduce them, they are independent of
    everything else, which the proof needs.

    Args:
        stream: A `NoiseStream`.
    """

    def __init__(self, stream):
        self._stream = stream

    def seed(self):
        return self._stream.seed()
