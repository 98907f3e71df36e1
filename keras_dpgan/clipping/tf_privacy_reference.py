"""TensorFlow Privacy's own per-record clipping: slow, and what ours must equal."""

import collections.abc
import typing

import keras
import tensorflow as tf

from keras_dpgan._utils.keras_internals import seeds_from
from keras_dpgan.clipping import contract
from keras_dpgan.clipping.row_layout import losses_problem
from keras_dpgan.clipping.vectorized import vectorized
from keras_dpgan.mechanisms import tf_privacy

if typing.TYPE_CHECKING:
    from keras_dpgan.clipping.contract import ClippedSum


def tf_privacy_reference(
    loss_fn: collections.abc.Callable[..., typing.Any],
    variables: collections.abc.Sequence[keras.Variable],
    records: typing.Any,
    l2_norm_clip: float | tf.Tensor,
    mask: tf.Tensor | None = None,
    seeds: tf.Tensor | None = None,
) -> "ClippedSum":
    """Clips and sums by TensorFlow Privacy's vectorized optimizer.

    It takes the Jacobian of the losses, which costs dozens of plain updates, and
    does not survive a record that is not finite. For tests and benchmarks. The losses
    are those of the whole batch, so they must be known to keep the records apart.

    Args:
        loss_fn: See `keras_dpgan.clipping.contract`.
        variables: List of variables.
        records: Structure of tensors of shape `(n, ...)`; `n` may be zero.
        l2_norm_clip: Positive scalar.
        mask: Bool tensor of shape `(n,)`, or `None`.
        seeds: Int64 tensor of shape `(n, 2)`, or `None`.

    Returns:
        A `ClippedSum`. Its count of unclipped records is our own.

    Raises:
        ValueError: If the loss is not known to keep the records apart.
    """
    tensors = [contract.as_tensor(v) for v in variables]
    n = contract.num_rows(records)
    seeds = contract.seeds_of_records(n) if seeds is None else seeds
    problem = losses_problem(loss_fn, records)
    if problem is not None:
        raise ValueError(
            f'`engine="tf_privacy"` cannot be used with this model: {problem}. Use '
            '`engine="vectorized"`, which computes each record\'s loss by itself.'
        )

    def clip_and_sum():
        with tf.GradientTape(persistent=True) as tape:
            with seeds_from(seeds[0]):
                losses = loss_fn(records)
            if mask is not None:
                losses = tf.where(mask, losses, tf.zeros_like(losses))
            # Its own clip has to be a number; ours may be a tensor.
            losses /= tf.cast(l2_norm_clip, losses.dtype)
        mean = tf_privacy.clipped_mean_of_losses(losses, tensors, tape, 1.0)
        sums = [tf.cast(n, m.dtype) * tf.cast(l2_norm_clip, m.dtype) * m for m in mean]
        counts = vectorized(loss_fn, variables, records, l2_norm_clip, mask, seeds)
        return counts._replace(sums=sums)

    return tf.cond(n > 0, clip_and_sum, lambda: contract.empty_sum(tensors))
