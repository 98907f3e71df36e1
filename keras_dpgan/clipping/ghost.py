"""Clipped sums without per-record gradients."""

import collections.abc
import typing
import warnings

import keras
import tensorflow as tf

from keras_dpgan.clipping import contract
from keras_dpgan.clipping.book_keeping import BookKeeping
from keras_dpgan.clipping.recorded_pass import RecordedPass
from keras_dpgan.clipping.vectorized import vectorized

if typing.TYPE_CHECKING:
    from keras_dpgan.clipping.contract import ClippedSum


def ghost(
    loss_fn: collections.abc.Callable[..., typing.Any],
    variables: collections.abc.Sequence[keras.Variable],
    records: typing.Any,
    l2_norm_clip: float | tf.Tensor,
    mask: tf.Tensor | None = None,
    seeds: tf.Tensor | None = None,
) -> "ClippedSum":
    """Clips and sums the records' gradients without computing each one.

    One forward and one backward pass of the whole batch, to the layers' outputs
    only. From these come the norm of each record's gradient, without the gradient
    itself, and then each weight's clipped sum, from output gradients scaled by
    each record's clip factor: there is no second backward pass. A gradient
    penalty made with `InputGradientTape` is followed through both uses of a
    weight. Sources: Li et al. 2022 for ghost clipping, Bu et al. 2022 for the
    choice between two forms of a norm, Bu et al. 2023, "Differentially Private
    Optimization on Large Model at Small Cost", for book-keeping.

    A layer without a rule (see `register_layer_rule`) is differentiated record by
    record, and so is the whole model where a weight is used outside of a
    rule. A warning says so in both cases.

    Examples:
        >>> import keras
        >>> import tensorflow as tf
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> def loss_fn(x):  # One loss per record, of shape `(n,)`.
        ...     return tf.square(model(x)[:, 0])
        >>> clipped = dpgan.clipping.ghost(
        ...     loss_fn, model.trainable_variables, tf.ones((8, 2)), l2_norm_clip=1.0
        ... )
        >>> [s.shape.as_list() for s in clipped.sums]
        [[2, 1], [1]]
        >>> int(clipped.num_records)
        8

    Args:
        loss_fn: See `keras_dpgan.clipping.contract`. It is traced twice.
        variables: List of variables.
        records: Structure of tensors of shape `(n, ...)`; `n` may be zero.
        l2_norm_clip: Positive scalar.
        mask: Bool tensor of shape `(n,)`, or `None`.
        seeds: Int64 tensor of shape `(n, 2)`, or `None`. What layers draw for all
            records comes from the first.

    Returns:
        A `ClippedSum`.
    """
    records = tf.nest.map_structure(tf.convert_to_tensor, records)
    n = contract.num_rows(records)
    seeds = contract.seeds_of_records(n) if seeds is None else seeds

    def clip_and_sum():
        return _clip_and_sum(loss_fn, variables, records, l2_norm_clip, mask, seeds)

    def nothing():
        return contract.empty_sum([contract.as_tensor(v) for v in variables])

    known = tf.get_static_value(n)
    if known is not None:
        return clip_and_sum() if known else nothing()
    return tf.cond(n > 0, clip_and_sum, nothing)


def _clip_and_sum(loss_fn, variables, records, l2_norm_clip, mask, seeds):
    recorded = RecordedPass(loss_fn, variables, records, seeds[0])
    if recorded.problem is not None:
        _warn(f"Gradients are computed record by record: {recorded.problem}.")
        return vectorized(loss_fn, variables, records, l2_norm_clip, mask, seeds)
    for name in recorded.layers_alone:
        _warn(
            f"Gradients of layer {name!r} are computed record by record: there is no "
            "rule for it. `keras_dpgan.clipping.register_layer_rule` takes one."
        )
    return _clipped_sum(recorded, variables, l2_norm_clip, mask)


# Converting this to a graph function by source would take longer than tracing it.
@tf.autograph.experimental.do_not_convert
def _clipped_sum(recorded, variables, l2_norm_clip, mask):
    n = tf.shape(recorded.losses)[0]
    books = BookKeeping(recorded, n)
    norms = books.norms()
    present = tf.ones((n,), tf.bool) if mask is None else tf.cast(mask, tf.bool)
    finite = tf.math.is_finite(norms) & tf.math.is_finite(
        tf.cast(recorded.losses, norms.dtype)
    )
    factors, unclipped = contract.clip_factors(norms, l2_norm_clip)
    factors = tf.where(present & finite, factors, tf.zeros_like(factors))
    return contract.ClippedSum(
        books.weighted_sums(variables, factors, l2_norm_clip, finite),
        tf.reduce_sum(tf.cast(present, tf.int32)),
        tf.reduce_sum(tf.cast(present & finite & unclipped, tf.int32)),
    )


def _warn(message):
    warnings.warn(message, stacklevel=2)
