"""Clipped sums without per-record gradients, from one recorded pass of the batch."""

import collections.abc
import typing
import warnings

import keras
import numpy as np
import tensorflow as tf

from keras_dpgan._utils.keras_internals import seeds_from
from keras_dpgan.clipping import contract
from keras_dpgan.clipping.book_keeping import BookKeeping
from keras_dpgan.clipping.contract import as_tensor
from keras_dpgan.clipping.recording import Recorder
from keras_dpgan.clipping.row_layout import find_row_layout
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


class RecordedPass:
    """The losses of a batch, and their gradients at every recorded operation.

    Args:
        loss_fn: See `keras_dpgan.clipping.contract`.
        variables: List of variables.
        records: Structure of tensors of shape `(n, ...)`.
        seed: Int64 tensor of shape `(2,)`, of what layers draw for all records.

    Attributes:
        losses: Tensor of shape `(n,)`.
        uses: List of `Use`, those that the losses depend on.
        output_gradients: List, one for each use: a list with the losses' gradient
            at each of its outputs, or `None`.
        second_gradients: List, one for each use, of lists with one item for each
            of its backward uses: a list with the losses' gradient at each input
            gradient that left it, or `None`.
        problem: String, why the pass does not account for every use of every
            variable, or `None`. Where there is one, the others may be missing.
    """

    def __init__(self, loss_fn, variables, records, seed):
        def trace(records, seed):
            recorder = Recorder(variables)
            return recorder, recorder.losses(loss_fn, records, seed)

        layout = find_row_layout(trace, records)
        self.problem = layout.problem
        if self.problem is not None:
            return
        self._recorder = Recorder(variables, layout.calls)
        self.losses = self._recorder.losses(loss_fn, records, seed)
        self.uses = self._recorder.uses
        self.output_gradients, self.second_gradients, residual = self._differentiate(
            variables
        )
        self.problem = (
            self._recorder.problem
            or _rows_problem(layout.calls)
            or _residual_problem(variables, residual)
            or _mixed_problem(self.uses)
            or self._unreached_problem(loss_fn, records, seed)
        )

    def _differentiate(self, variables):
        sources = (
            [use.outputs for use in self.uses],
            [[backward.left for backward in use.backward] for use in self.uses],
            [as_tensor(v) for v in variables],
        )
        flat = tf.nest.flatten(sources)
        wanted = [t for t in flat if t is not None]
        found = iter(self._recorder.gradients(self.losses, wanted))
        gradients = [None if t is None else _unless_zero(next(found)) for t in flat]
        return tf.nest.pack_sequence_as(sources, gradients)

    def value(self, variable):
        """A variable's value, as the recorded operations have read it."""
        return self._recorder.value(variable)

    @property
    def layers_alone(self):
        """The names of the layers that were recorded as a whole."""
        return sorted({u.layer.name for u in self.uses if u.variables is not None})

    def _unreached_problem(self, loss_fn, records, seed):
        """Describes a recorded operation that has no gradient but should have one."""
        unreached = [
            use
            for use, gradients in zip(self.uses, self.output_gradients, strict=True)
            if not use.backward and all(g is None for g in gradients)
        ]
        by_id = {id(v): v for use in unreached for v in use.all_variables()}
        variables = list(by_id.values())
        if not variables or not _depends(loss_fn, variables, records, seed):
            return None
        names = sorted({use.layer.name for use in unreached})
        return f"the gradient does not reach layers {names} as they were called"


def _unless_zero(gradient):
    if gradient is None or is_zero(gradient):
        return None
    return tf.convert_to_tensor(gradient)


def _rows_problem(expected):
    names = sorted({layer.name for layer, blocks in expected if blocks is None})
    if not names:
        return None
    return (
        f"layers {names} draw random numbers, have no shape of their own, or are "
        "called on rows that are not the records' rows end to end"
    )


def _residual_problem(variables, gradients):
    names = [
        v.path if isinstance(v, keras.Variable) else v.name
        for v, gradient in zip(variables, gradients, strict=True)
        if gradient is not None
    ]
    if not names:
        return None
    return f"weights {names} are used elsewhere than in a layer with a rule"


def _mixed_problem(uses):
    alone = {v.path for u in uses if u.variables is not None for v in u.variables}
    ruled = {t.variable.path for u in uses for t in u.terms}
    if not alone & ruled:
        return None
    return (
        f"weights {sorted(alone & ruled)} are used both inside a layer without a rule "
        "and outside it"
    )


def _depends(loss_fn, variables, records, seed):
    """Whether the losses depend on any of the variables, as a plain tape sees it."""
    found: list = []

    def traced(records):
        tensors = [as_tensor(v) for v in variables]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(tensors)
            with seeds_from(seed):
                losses = loss_fn(records)
        found.extend(map(_unless_zero, tape.gradient(losses, tensors)))

    specs = tf.nest.map_structure(
        lambda t: tf.TensorSpec((None, *t.shape[1:]), t.dtype), records
    )
    tf.function(traced, autograph=False).get_concrete_function(specs)
    return any(g is not None for g in found)


# Operations whose output is zero where this input is.
_ZERO_IF_INPUT = {
    "AvgPool3DGrad": 1,
    "AvgPoolGrad": 1,
    "BroadcastTo": 0,
    "Cast": 0,
    "Conv2DBackpropInput": 2,
    "Conv3DBackpropInputV2": 2,
    "DepthwiseConv2dNativeBackpropInput": 2,
    "EluGrad": 0,
    "ExpandDims": 0,
    "Identity": 0,
    "LeakyReluGrad": 0,
    "MaxPoolGrad": 2,
    "Neg": 0,
    "Pad": 0,
    "RealDiv": 0,
    "Relu6Grad": 0,
    "ReluGrad": 0,
    "Reshape": 0,
    "SeluGrad": 0,
    "Slice": 0,
    "Squeeze": 0,
    "StridedSlice": 0,
    "StridedSliceGrad": 4,
    "Sum": 0,
    "Tile": 0,
    "Transpose": 0,
}

# Operations whose output is zero where any, or all, of their inputs are.
_ZERO_IF_ANY = {"BatchMatMulV2", "Einsum", "MatMul", "Mul"}
_ZERO_IF_ALL = {"Add", "AddN", "AddV2", "Sub"}


def is_zero(tensor):
    """Whether a tensor of a graph is zero by the way it is made.

    Args:
        tensor: Tensor. One that is not symbolic counts as not zero.

    Returns:
        Bool. `False` where it cannot be told.
    """
    return not tf.executing_eagerly() and _is_zero(tensor, {})


def _is_zero(tensor, known):
    if tensor.name not in known:
        # A loop cannot reach itself: it counts as not zero.
        known[tensor.name] = False
        known[tensor.name] = _made_zero(tensor, known)
    return known[tensor.name]


def _made_zero(tensor, known):
    operation = tensor.op
    kind, inputs = operation.type, operation.inputs
    if kind == "ZerosLike":
        return True
    if kind == "Const":
        return not np.any(tf.get_static_value(tensor))
    if kind == "Fill":
        value = tf.get_static_value(inputs[1])
        return value is not None and not np.any(value)
    if kind == "IdentityN":
        return _is_zero(inputs[tensor.value_index], known)
    if kind in _ZERO_IF_INPUT:
        return _is_zero(inputs[_ZERO_IF_INPUT[kind]], known)
    if kind in _ZERO_IF_ANY:
        return any(_is_zero(t, known) for t in inputs)
    if kind in _ZERO_IF_ALL:
        return all(_is_zero(t, known) for t in inputs)
    return False
