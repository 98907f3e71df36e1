"""Finds out whether a batch of a data set may contain one record twice."""

import tensorflow as tf

from keras_dpgan._utils import tensorflow_internals


def may_repeat_in_a_batch(dataset):
    """Whether a `tf.data.Dataset` repeats, or mixes data sets, before it batches.

    A batch at the boundary of two epochs may then contain the same record twice. It
    cannot be seen what a function or a generator of the user does.

    Args:
        dataset: Any data.

    Returns:
        Bool.
    """
    if not isinstance(dataset, tf.data.Dataset):
        return False
    return _repeats(dataset, below_batches=False)


def _repeats(dataset, below_batches):
    name = type(dataset).__name__
    below_batches = below_batches or "Batch" in name
    repeats = "Repeat" in name or "DirectedInterleave" in name
    return (below_batches and repeats) or any(
        _repeats(source, below_batches)
        for source in tensorflow_internals.input_datasets(dataset)
    )
