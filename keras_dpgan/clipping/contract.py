"""What every clipping engine takes and returns.

An engine is a callable

    engine(loss_fn, variables, records, l2_norm_clip, mask=None, seeds=None)
        -> ClippedSum

* `loss_fn(records)` returns one loss per record, shape `(n,)`. Loss `i` may
  depend on record `i` and on the variables, on nothing else. Inside it a
  layer may see several rows per record, as blocks: of the `k * n` rows of a
  call, row `j` belongs to record `j % n`. (`tf.concat([real, fake], 0)` is in
  that order.)
* `variables` is the list of `keras.Variable` (or `tf.Variable`) to
  differentiate by.
* `records` is a structure of tensors that share their first dimension `n`,
  which may be zero.
* `l2_norm_clip` is a positive scalar.
* `mask`, if given, has shape `(n,)`; records where it is false count as
  absent.
* `seeds`, if given, is an int64 tensor of shape `(n, 2)` of numbers below 2**32, one
  pair for each record, of what layers draw. A guarantee needs secret seeds;
  by default TensorFlow draws them, and a user's seed can repeat them.

A record whose loss or gradient is not finite counts as zero.
"""

import collections

import keras
import tensorflow as tf


class ClippedSum(
    collections.namedtuple("ClippedSum", ["sums", "num_records", "num_unclipped"])
):
    """The sum of the records' clipped gradients: what replicas and clients add.

    Examples:
        >>> import tensorflow as tf
        >>> clipped = dpgan.clipping.ClippedSum(
        ...     sums=[tf.zeros((2, 1))], num_records=8, num_unclipped=3
        ... )
        >>> clipped.sums[0].shape
        TensorShape([2, 1])

    Attributes:
        sums: List of float32 (or float64) tensors, one per variable, of the
            variable's shape. Adding or removing one record moves their joint
            L2 norm by at most `l2_norm_clip`.
        num_records: int32 scalar, the records that were present. Not private.
        num_unclipped: int32 scalar, the records whose gradient already had a
            norm of at most `l2_norm_clip`. Not private.
    """

    __slots__ = ()


# A float32 sum of k squares and the product by the clip factor round by a few
# units in the last place. The factor is shrunk by this much, so that what
# rounding leaves over never exceeds the clip.
ROUNDING_MARGIN = 1e-5


def clip_factors(norms, l2_norm_clip):
    """The factors, at most 1, that bring norms down to the clip.

    Args:
        norms: Tensor of shape `(n,)`: each record's gradient norm, or an upper
            bound of it.
        l2_norm_clip: Positive scalar.

    Returns:
        `(factors, unclipped)`: a float tensor and a bool tensor of shape
        `(n,)`. A norm that is not finite has factor zero.
    """
    # `tf.cast` alone would round a Python float to single precision first.
    if isinstance(l2_norm_clip, float | int):
        l2_norm_clip = tf.constant(l2_norm_clip, norms.dtype)
    clip = tf.cast(l2_norm_clip, norms.dtype)
    finite = tf.math.is_finite(norms)
    safe = tf.where(finite, norms, tf.ones_like(norms))
    bound = clip * (1.0 - ROUNDING_MARGIN)
    unclipped = finite & (safe <= bound)
    factors = tf.where(unclipped, tf.ones_like(safe), bound / safe)
    return tf.where(finite, factors, tf.zeros_like(factors)), unclipped


def num_rows(records):
    """The number of records in a structure, as an int32 scalar tensor."""
    first = tf.nest.flatten(records)[0]
    if first.shape[0] is not None:
        return tf.constant(first.shape[0], tf.int32)
    return tf.shape(first)[0]


def seeds_of_records(n):
    """Seeds for `n` records, drawn by TensorFlow: a user's seed can repeat them."""
    return tf.random.uniform((n, 2), maxval=2**32, dtype=tf.int64)


def empty_sum(variables):
    """The `ClippedSum` of no records."""
    zeros = [at_least_float32(tf.zeros(v.shape, v.dtype)) for v in variables]
    return ClippedSum(zeros, tf.constant(0), tf.constant(0))


def at_least_float32(tensor):
    """Casts half precision up; leaves float32 and float64 as they are."""
    return tf.cast(tensor, sum_dtype(tensor.dtype))


def sum_dtype(dtype):
    """The dtype in which gradients of a dtype are added: float32 or better."""
    dtype = tf.as_dtype(dtype)
    return tf.float32 if dtype in (tf.float16, tf.bfloat16) else dtype


def as_tensor(variable):
    """The tensor or variable of a `keras.Variable` that TensorFlow's tapes watch."""
    return variable.value if isinstance(variable, keras.Variable) else variable
