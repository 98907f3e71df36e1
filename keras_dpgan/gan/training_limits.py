"""What the training graph reads about the budget and the ledger."""

import numpy as np
import tensorflow as tf

UNLIMITED = np.iinfo(np.int64).max


class TrainingLimits:
    """How many updates may be made, and a curve of epsilon, for the graph.

    They are TensorFlow variables, so that a new budget needs no new trace. They are
    not weights: they are not saved, and loading weights does not reset them.
    """

    def __init__(self):
        self._max_updates = _integer(UNLIMITED)
        self._reserved = _integer(UNLIMITED)
        self._made = _integer(0)
        self._steps_to_skip = _integer(0)
        self._curve = tf.Variable(
            tf.zeros((3, 1), tf.float64), trainable=False, shape=(3, None)
        )
        self._max_count = _integer(UNLIMITED)

    def begin(self, reserved=None):
        """Begins a `fit` with that many reserved updates, or `None` for no limit."""
        self._reserved.assign(UNLIMITED if reserved is None else reserved)
        self._made.assign(0)
        self._steps_to_skip.assign(0)

    def reserve(self, updates):
        """Allows further updates."""
        self._reserved.assign_add(updates)

    @property
    def num_unused(self):
        """The number of reserved updates that were not made."""
        return int(self._reserved.numpy()) - int(self._made.numpy())

    def skip(self, steps):
        """Makes the next steps do nothing, since a resumed epoch already did them."""
        self._steps_to_skip.assign(steps)

    @property
    def num_steps_to_skip(self):
        """The number of coming steps that do nothing."""
        return int(self._steps_to_skip.numpy())

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

    def take_step(self, count):
        """Decides about one step, once, in cross-replica context.

        Args:
            count: Int64 scalar tensor: the updates made so far.

        Returns:
            A bool tensor: whether the step makes an update.
        """
        is_skipped = self._steps_to_skip > 0
        is_made = (
            ~is_skipped & (count < self._max_updates) & (self._made < self._reserved)
        )
        self._steps_to_skip.assign_sub(tf.cast(is_skipped, tf.int64))
        self._made.assign_add(tf.cast(is_made, tf.int64))
        return is_made

    def epsilon(self, count):
        """An upper bound of epsilon after `count` updates, a float32 scalar."""
        count = tf.cast(tf.minimum(count, self._max_count), tf.float64)
        base, per_update, offset = tf.unstack(self._curve)
        return tf.cast(
            tf.maximum(tf.reduce_min(base + count * per_update + offset), 0.0),
            tf.float32,
        )


def _integer(value):
    return tf.Variable(value, trainable=False, dtype=tf.int64)
