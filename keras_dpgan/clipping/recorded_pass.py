"""A forward and a backward pass, and what each weight was applied to in them."""

import keras
import tensorflow as tf

from keras_dpgan._utils.layer_seeds import seeds_from
from keras_dpgan.clipping.contract import as_tensor
from keras_dpgan.clipping.recording import Recorder
from keras_dpgan.clipping.row_layout import find_row_layout
from keras_dpgan.clipping.zero_gradients import is_zero


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
