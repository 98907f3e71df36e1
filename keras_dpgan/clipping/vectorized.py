"""Per-record gradients by `tf.vectorized_map`: any model, more memory."""

import tensorflow as tf

from keras_dpgan._seeds import replaced_seeds
from keras_dpgan.clipping import contract


def vectorized(loss_fn, variables, records, l2_norm_clip, mask=None):
    """Clips and sums the records' gradients, each computed on its own.

    It holds every record's gradient at once, `n` times the weights in memory,
    and takes any model whose operations `tf.vectorized_map` knows. Source: Abadi
    et al. 2016, "Deep Learning with Differential Privacy", algorithm 1.

    Args:
        loss_fn: See `keras_dpgan.clipping.contract`.
        variables: List of variables.
        records: Structure of tensors of shape `(n, ...)`; `n` may be zero.
        l2_norm_clip: Positive scalar.
        mask: Bool tensor of shape `(n,)`, or `None`.

    Returns:
        A `ClippedSum`.
    """
    tensors = [contract.as_tensor(v) for v in variables]
    return tf.cond(
        contract.num_rows(records) > 0,
        lambda: _clip_and_sum(loss_fn, tensors, records, l2_norm_clip, mask),
        lambda: contract.empty_sum(tensors),
    )


def per_record_gradients(loss_fn, variables, records):
    """Each record's gradient, not clipped.

    Args:
        loss_fn: See `keras_dpgan.clipping.contract`.
        variables: List of variables.
        records: Structure of tensors of shape `(n, ...)`, `n` at least one.

    Returns:
        List of tensors of shape `(n,) + variable.shape`, in float32 or better.
    """
    variables = [contract.as_tensor(v) for v in variables]
    n = contract.num_rows(records)
    seeds = tf.random.uniform((n,), maxval=tf.int32.max, dtype=tf.int32)

    def gradients_of_one(args):
        record, seed = args
        batch = tf.nest.map_structure(lambda t: t[tf.newaxis], record)
        with _seeds_of_one_record(seed):
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(variables)
                loss = tf.reduce_sum(loss_fn(batch))
            return tape.gradient(
                loss, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO
            )

    gradients = tf.vectorized_map(
        gradients_of_one, (records, seeds), fallback_to_while_loop=True
    )
    return [contract.at_least_float32(g) for g in gradients]


def _clip_and_sum(loss_fn, variables, records, l2_norm_clip, mask):
    gradients = per_record_gradients(loss_fn, variables, records)
    n = contract.num_rows(records)
    present = tf.ones((n,), tf.bool) if mask is None else tf.cast(mask, tf.bool)
    flat = [tf.reshape(g, (n, -1)) for g in gradients]
    squares = tf.add_n([tf.reduce_sum(tf.square(g), axis=1) for g in flat])
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


def _seeds_of_one_record(seed):
    """Gives random layers a seed of the record's own.

    Inside `tf.vectorized_map` a `SeedGenerator` would hand every record the
    same dropout mask, and its state cannot be assigned there.
    """
    return replaced_seeds(lambda number: tf.stack([seed, tf.constant(number)]))
