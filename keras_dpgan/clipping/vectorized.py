"""Per-record gradients by `tf.vectorized_map`: any model, more memory."""

import collections.abc
import typing
import warnings

import keras
import tensorflow as tf

from keras_dpgan._utils.keras_internals import seeds_from
from keras_dpgan.clipping import contract
from keras_dpgan.clipping import norms

if typing.TYPE_CHECKING:
    from keras_dpgan.clipping.contract import ClippedSum


def vectorized(
    loss_fn: collections.abc.Callable[..., typing.Any],
    variables: collections.abc.Sequence[keras.Variable],
    records: typing.Any,
    l2_norm_clip: float | tf.Tensor,
    mask: tf.Tensor | None = None,
    seeds: tf.Tensor | None = None,
) -> "ClippedSum":
    """Clips and sums the records' gradients, each computed on its own.

    It holds every record's gradient at once, `n` times the weights in memory. The loss
    of a record is computed on a batch of that record alone, so that no other can have
    a part in it. Source: Abadi et al. 2016, "Deep Learning with Differential Privacy",
    algorithm 1.

    Examples:
        >>> import keras
        >>> import tensorflow as tf
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> def loss_fn(x):  # One loss per record, of shape `(n,)`.
        ...     return tf.square(model(x)[:, 0])
        >>> clipped = dpgan.clipping.vectorized(
        ...     loss_fn, model.trainable_variables, tf.ones((8, 2)), l2_norm_clip=1.0
        ... )
        >>> [s.shape.as_list() for s in clipped.sums]
        [[2, 1], [1]]

    Args:
        loss_fn: See `keras_dpgan.clipping.contract`.
        variables: List of variables.
        records: Structure of tensors of shape `(n, ...)`; `n` may be zero.
        l2_norm_clip: Positive scalar.
        mask: Bool tensor of shape `(n,)`, or `None`.
        seeds: Int64 tensor of shape `(n, 2)`, or `None`.

    Returns:
        A `ClippedSum`.
    """
    return _by_record(
        map_records, loss_fn, variables, records, l2_norm_clip, mask, seeds
    )


def one_by_one(
    loss_fn: collections.abc.Callable[..., typing.Any],
    variables: collections.abc.Sequence[keras.Variable],
    records: typing.Any,
    l2_norm_clip: float | tf.Tensor,
    mask: tf.Tensor | None = None,
    seeds: tf.Tensor | None = None,
) -> "ClippedSum":
    """As `vectorized`, but one record after the other: slow, for any model.

    Args:
        loss_fn: See `vectorized`.
        variables: See there.
        records: See there.
        l2_norm_clip: See there.
        mask: See there.
        seeds: See there.

    Returns:
        A `ClippedSum`.
    """
    return _by_record(
        _in_a_loop, loss_fn, variables, records, l2_norm_clip, mask, seeds
    )


def _by_record(map_fn, loss_fn, variables, records, l2_norm_clip, mask, seeds):
    tensors = [contract.as_tensor(v) for v in variables]
    n = contract.num_rows(records)
    seeds = contract.seeds_of_records(n) if seeds is None else seeds

    def clip_and_sum():
        gradients = per_record_gradients(loss_fn, variables, records, seeds, map_fn)
        return _clipped_sum(gradients, tensors, n, l2_norm_clip, mask)

    return tf.cond(n > 0, clip_and_sum, lambda: contract.empty_sum(tensors))


def per_record_gradients(loss_fn, variables, records, seeds, map_fn):
    """Each record's gradient, not clipped.

    Args:
        loss_fn: See `keras_dpgan.clipping.contract`.
        variables: List of variables.
        records: Structure of tensors of shape `(n, ...)`, `n` at least one.
        seeds: Int64 tensor of shape `(n, 2)`.
        map_fn: `map_records`, or another that does the same.

    Returns:
        List of tensors of shape `(n,) + variable.shape`, in float32 or better.
    """
    variables = [contract.as_tensor(v) for v in variables]

    def gradients_of_one(args):
        record, seed = args
        batch = tf.nest.map_structure(lambda t: t[tf.newaxis], record)
        with seeds_from(seed):
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(variables)
                loss = tf.reduce_sum(loss_fn(batch))
            found = tape.gradient(
                loss, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO
            )
        return [contract.at_least_float32(tf.convert_to_tensor(g)) for g in found]

    dtypes = [contract.sum_dtype(v.dtype) for v in variables]
    return map_fn(gradients_of_one, (records, seeds), dtypes)


def map_records(function, records, dtypes):
    """Applies a function to each record by itself.

    Args:
        function: A function of the structure of one record's tensors, which returns a
            list of tensors.
        records: Structure of tensors of shape `(n, ...)`, `n` at least one.
        dtypes: List of the results' dtypes.

    Returns:
        List of tensors of shape `(n, ...)`.
    """
    try:
        return tf.vectorized_map(function, records, fallback_to_while_loop=True)
    # Any kind of error can mean that it cannot be vectorized.
    except Exception as error:
        warnings.warn(
            "Records are worked on one after another, which is slow: "
            f"`tf.vectorized_map` cannot take this loss ({type(error).__name__}: "
            f"{str(error)[:200]}).",
            stacklevel=2,
        )
        return _in_a_loop(function, records, dtypes)


def _in_a_loop(function, records, dtypes):
    return tf.map_fn(function, records, fn_output_signature=dtypes)


def _clipped_sum(gradients, variables, n, l2_norm_clip, mask):
    present = tf.ones((n,), tf.bool) if mask is None else tf.cast(mask, tf.bool)
    flat = [tf.reshape(g, (n, -1)) for g in gradients]
    squares = tf.add_n([tf.square(norms.of_rows(g)) for g in flat])
    factors, unclipped = contract.clip_factors(tf.sqrt(squares), l2_norm_clip)
    kept = present & (factors > 0)
    factors = tf.where(kept, factors, tf.zeros_like(factors))
    # A gradient that is not finite is removed before the product: 0 * NaN is NaN.
    sums = [
        tf.reshape(
            tf.linalg.matvec(
                tf.where(kept[:, tf.newaxis], g, tf.zeros_like(g)),
                factors,
                transpose_a=True,
            ),
            v.shape,
        )
        for g, v in zip(flat, variables, strict=False)
    ]
    return contract.ClippedSum(
        sums,
        tf.reduce_sum(tf.cast(present, tf.int32)),
        tf.reduce_sum(tf.cast(present & unclipped, tf.int32)),
    )
