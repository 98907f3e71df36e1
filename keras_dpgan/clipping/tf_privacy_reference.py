"""TensorFlow Privacy's own per-record clipping: slow, and what ours must equal."""

import tensorflow as tf

from keras_dpgan.clipping import contract
from keras_dpgan.clipping.vectorized import vectorized
from keras_dpgan.mechanisms import tf_privacy


def tf_privacy_reference(loss_fn, variables, records, l2_norm_clip, mask=None):
    """Clips and sums by TensorFlow Privacy's vectorized optimizer.

    It takes the Jacobian of the losses, which costs dozens of plain updates, and
    does not survive a record that is not finite. For tests and benchmarks.

    Args:
        loss_fn: See `keras_dpgan.clipping.contract`.
        variables: List of variables.
        records: Structure of tensors of shape `(n, ...)`; `n` may be zero.
        l2_norm_clip: Positive scalar.
        mask: Bool tensor of shape `(n,)`, or `None`.

    Returns:
        A `ClippedSum`. Its count of unclipped records is our own.
    """
    tensors = [contract.as_tensor(v) for v in variables]

    def clip_and_sum():
        with tf.GradientTape(persistent=True) as tape:
            losses = loss_fn(records)
            if mask is not None:
                losses = tf.where(mask, losses, tf.zeros_like(losses))
            # Its own clip has to be a number; ours may be a tensor.
            losses /= tf.cast(l2_norm_clip, losses.dtype)
        mean = tf_privacy.clipped_mean_of_losses(losses, tensors, tape, 1.0)
        n = contract.num_rows(records)
        sums = [tf.cast(n, m.dtype) * tf.cast(l2_norm_clip, m.dtype) * m for m in mean]
        counts = vectorized(loss_fn, variables, records, l2_norm_clip, mask)
        return counts._replace(sums=sums)

    return tf.cond(
        contract.num_rows(records) > 0,
        clip_and_sum,
        lambda: contract.empty_sum(tensors),
    )
