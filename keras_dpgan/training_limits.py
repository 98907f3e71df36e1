"""What the training graph reads about the budget."""

import numpy as np
import tensorflow as tf

UNLIMITED = np.iinfo(np.int64).max


class TrainingLimits:
    """The largest number of updates and a curve of epsilon, for the graph.

    They are TensorFlow variables, so that a new budget needs no new trace, and
    are no weights: nothing of them is saved.
    """

    def __init__(self):
        self._max_updates = tf.Variable(UNLIMITED, trainable=False, dtype=tf.int64)
        self._curve = tf.Variable(
            tf.zeros((3, 1), tf.float64), trainable=False, shape=(3, None)
        )
        self._max_count = tf.Variable(UNLIMITED, trainable=False, dtype=tf.int64)

    def set_max_updates(self, max_updates):
        """Sets the count at which updates stop; `None` for no limit."""
        self._max_updates.assign(UNLIMITED if max_updates is None else max_updates)

    @property
    def max_updates(self):
        """The count at which updates stop; `None` for no limit."""
        value = int(self._max_updates.numpy())
        return None if value == UNLIMITED else value

    def set_curve(self, curve):
        """Sets the `privacy.EpsilonCurve` that `epsilon` reads."""
        self._curve.assign(np.stack([curve.base, curve.per_update, curve.offset]))
        self._max_count.assign(
            UNLIMITED if curve.max_count is None else curve.max_count
        )

    def allow(self, count):
        """Whether one more update may be made after `count`, a bool tensor."""
        return count < self._max_updates

    def epsilon(self, count):
        """An upper bound of epsilon after `count` updates, a float32 scalar."""
        count = tf.cast(tf.minimum(count, self._max_count), tf.float64)
        base, per_update, offset = tf.unstack(self._curve)
        return tf.cast(
            tf.maximum(tf.reduce_min(base + count * per_update + offset), 0.0),
            tf.float32,
        )
