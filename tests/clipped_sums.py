"""What records move: the clipped sum of an update, caught before the noise."""

import contextlib

import helpers
import keras
import numpy as np
import tensorflow as tf


@contextlib.contextmanager
def captured_sums(gan):
    """Catches each clipped sum on its way to the optimizer, and stops it there."""
    caught = []
    original = gan.d_optimizer.apply_clipped_sum
    gan.d_optimizer.apply_clipped_sum = lambda total, *_: caught.append(total)
    try:
        yield caught
    finally:
        gan.d_optimizer.apply_clipped_sum = original


def clipped_sum(gan, x, y=None):
    """The clipped sum of these records, in an update of the same number."""
    keras.utils.set_random_seed(5)
    gan.privacy_record.num_discriminator_updates.assign(1)
    with captured_sums(gan) as caught:
        train_on(gan, x, y)
    return np.concatenate([np.ravel(s) for s in caught[0].sums]).astype(np.float64)


def train_on(gan, x, y=None):
    """One eager step of the last `fit` on a batch that no data set has drawn."""
    gan.run_eagerly = True
    gan.make_train_function(force=True)
    batch = (x,) if y is None else (x, y)
    gan.train_function(iter([tuple(map(tf.constant, batch))]))


def make_hostile(x, y):
    """The last record, made as different as its range and labels allow."""
    changed, labels = x.copy(), y.copy()
    changed[-1] = -np.sign(changed[-1])
    labels[-1] = (labels[-1] + 1) % helpers.NUM_CLASSES
    return changed, labels
