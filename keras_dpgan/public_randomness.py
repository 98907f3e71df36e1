"""Randomness that may be known to everyone: latents, labels, mixing weights."""

import numpy as np
import tensorflow as tf

DISCRIMINATOR, GENERATOR, EVALUATION = range(3)

_DRAWS_PER_PURPOSE = 16


class PublicDraws:
    """The random numbers of one step, a function of a seed and of its number.

    So a run that goes on from a checkpoint makes the fakes of a run that never
    stopped, with no state of a generator in the checkpoint. Noise and sampling
    are drawn elsewhere, afresh.

    Args:
        seed: Non-negative int below 2**31.
        number: Int64 scalar tensor.
        purpose: `DISCRIMINATOR`, `GENERATOR` or `EVALUATION`.
    """

    def __init__(self, seed, number, purpose):
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        self._key = (seed << 32) + 256 * tf.cast(replica, tf.int64)
        self._number = number
        self._next = purpose * _DRAWS_PER_PURPOSE

    def _seed(self):
        """A seed that is used for one draw alone."""
        seed = tf.stack([self._key + self._next, self._number])
        self._next += 1
        return seed

    def normal(self, shape):
        """Standard normal numbers, float32."""
        return tf.random.stateless_normal(shape, self._seed())

    def uniform(self, shape, dtype):
        """Numbers in [0, 1)."""
        return tf.random.stateless_uniform(shape, self._seed(), dtype=dtype)

    def integers(self, shape, maxval):
        """Whole numbers in [0, maxval), int32."""
        return tf.random.stateless_uniform(
            shape, self._seed(), minval=0, maxval=maxval, dtype=tf.int32
        )

    def categories(self, probabilities, n):
        """`n` indices of `probabilities`, int32."""
        # By hand: XLA has no `stateless_categorical`.
        cumulated = np.cumsum(probabilities)
        is_past = self.uniform((n, 1), tf.float64) >= cumulated / cumulated[-1]
        return tf.reduce_sum(tf.cast(is_past, tf.int32), axis=1)
