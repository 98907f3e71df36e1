"""Whether a batch of a data set can hold one record twice, as far as that shows."""

import tensorflow as tf

from keras_dpgan._utils import tensorflow_internals


def may_repeat_in_a_batch(dataset):
    """Whether a `tf.data.Dataset` repeats, or mixes data sets, before it batches.

    A batch over the boundary of two epochs then holds a record of each. What a
    function of the user's or a generator does cannot be seen.

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
