"""Records, while a loss is traced, what each weight is applied to."""

import collections.abc
import contextlib
import dataclasses
import functools
import threading
import typing

import keras
import tensorflow as tf

from keras_dpgan._utils import keras_internals
from keras_dpgan._utils import tensorflow_internals
from keras_dpgan._utils.keras_internals import SharedPatch
from keras_dpgan._utils.keras_internals import seeds_from
from keras_dpgan.clipping import layer_rules
from keras_dpgan.clipping import recurrent_rules as recurrent_rules
from keras_dpgan.clipping.contract import as_tensor
from keras_dpgan.clipping.layer_rules import find_layer_rule
from keras_dpgan.clipping.layer_rules import replaced_attributes

_current = threading.local()


@contextlib.contextmanager
def recorder_scope(recorder):
    """A scope in which every `InputGradientTape` reports to `recorder`."""
    before = getattr(_current, "recorder", None)
    _current.recorder = recorder
    try:
        yield recorder
    finally:
        _current.recorder = before


class InputGradientTape:
    """A gradient by a network's input that can be differentiated once more.

    Gradient penalties use it instead of a plain `tf.GradientTape`, so that an
    engine which computes norms without gradients sees both uses of a weight:
    in the forward pass, and in the backward pass that makes the input gradient.
    The rows whose slope is wanted go through the network in a call of their own:
    rows that only sit beside them would go through the backward pass, too.

    ```python
    with dpgan.clipping.recording.InputGradientTape() as tape:
        tape.watch(interpolates)
        total = tf.reduce_sum(discriminator(interpolates))
    slopes = tape.gradient(total, interpolates)
    ```
    """

    def __init__(self):
        self._recorder = getattr(_current, "recorder", None)
        self._tape = tf.GradientTape(watch_accessed_variables=False)

    def __enter__(self):
        self._tape.__enter__()
        return self

    def __exit__(self, *exc_info):
        return self._tape.__exit__(*exc_info)

    def watch(self, tensor):
        """Makes `tensor` one that `gradient` can be asked for."""
        self._tape.watch(tensor)

    def gradient(self, target, source):
        """The gradient of `target` by `source`.

        Args:
            target: Scalar tensor: a sum of scores, each of which depends on its
                own row alone.
            source: A watched tensor, or a list of them.

        Returns:
            A tensor of the shape of `source`, or a list of them.
        """
        if self._recorder is None:
            return self._tape.gradient(target, source)
        with self._recorder.input_gradient():
            return self._tape.gradient(target, source)


_active = threading.local()


@dataclasses.dataclass(eq=False)
class Use:
    """One operation with weights, as it ran.

    Attributes:
        layer: The layer it belongs to.
        operation: A function of `inputs`, linear up to an added constant.
        terms: List of `Term`, those of the wanted variables.
        inputs: List of tensors of shape `(blocks * n, ...)`.
        outputs: List of tensors of shape `(blocks * n, ...)`.
        blocks: Int, the rows per record: row `j` belongs to record `j % n`.
        variables: List of variables, where a layer is recorded as a whole; then
            `terms` is empty.
        changes_state: Whether the operation assigns to variables: run once more, it
            would do something else.
        draws: Whether layers inside it draw random numbers: run once more, they would
            draw others.
        backward: List of `BackwardUse`, one for each input gradient.
    """

    layer: keras.layers.Layer
    operation: collections.abc.Callable
    terms: list
    inputs: list
    outputs: typing.Any
    blocks: int | None = None
    variables: list | None = None
    changes_state: bool = False
    draws: bool = False
    backward: list = dataclasses.field(default_factory=list)

    def all_variables(self):
        """The wanted variables that it may use."""
        if self.variables is not None:
            return self.variables
        return [term.variable for term in self.terms]

    def backward_use(self, number):
        """The `BackwardUse` of the input gradient of a number."""
        for backward in self.backward:
            if backward.number == number:
                return backward
        self.backward.append(
            BackwardUse(number, [None] * len(self.inputs), [None] * len(self.outputs))
        )
        return self.backward[-1]


@dataclasses.dataclass(eq=False)
class BackwardUse:
    """The same operation in the backward pass that made an input gradient.

    Attributes:
        number: Int, which input gradient it was.
        left: List of tensors or `None`: the gradients that left at the inputs.
        arrived: List of tensors or `None`: those that arrived at the outputs.
    """

    number: int
    left: list
    arrived: list


class Recorder:
    """Follows layers as they are called, and input gradients as they are made.

    Each recorded operation reads its weights as plain tensors, which no tape
    connects to the variables. So a gradient by a variable itself that is not
    `None` shows a use that no rule has recorded.

    Args:
        variables: List of variables whose uses are wanted.
        expected: List of pairs of a layer and an int, one for each operation in
            order: the rows per record, as `row_layout` found them, or `None` for
            an operation that cannot be recorded. Defaults to `None`: all are
            taken down, and none is tapped.
    """

    def __init__(self, variables, expected=None):
        self.variables = variables
        self.uses = []
        self.problem = None
        self.tape = tf.GradientTape(watch_accessed_variables=False)
        self._expected = expected
        self._graph = _current_graph()
        self._purpose = None
        self._suspended = False
        self._num_calls = 0
        self._num_draws = [0]
        self._num_input_gradients = 0
        self._values = {
            id(v): tf.convert_to_tensor(as_tensor(v))
            for v in variables
            if isinstance(v, keras.Variable)
        }

    def losses(self, loss_fn, records, seed):
        """Calls `loss_fn` and records what happens in it.

        Args:
            loss_fn: See `keras_dpgan.clipping.contract`.
            records: Structure of tensors of shape `(n, ...)`.
            seed: Int64 tensor of shape `(2,)`, of what layers draw for all records.
        """
        with (
            self.tape,
            recorder_scope(self),
            _recorded_layer_calls(self),
            seeds_from(seed) as self._num_draws,
        ):
            self.tape.watch([as_tensor(v) for v in self.variables])
            return loss_fn(records)

    @contextlib.contextmanager
    def input_gradient(self):
        """The scope in which an `InputGradientTape` makes its gradient."""
        self._num_input_gradients += 1
        with self._making("input gradient"):
            yield

    def gradients(self, losses, sources):
        """The final gradient of the losses' sum, by tensors and variables.

        It can be taken once.
        """
        with self._making("final gradient"):
            found = self.tape.gradient(losses, sources)
        if self._graph is not None:
            tensorflow_internals.forget_own_gradients(self._graph, __name__)
        return found

    @contextlib.contextmanager
    def _making(self, purpose):
        before, self._purpose = self._purpose, purpose
        try:
            yield
        finally:
            self._purpose = before

    def value(self, variable):
        """A variable's value as a tensor that no tape has watched."""
        return self._values[id(variable)]

    def wants(self, variable):
        return id(variable) in self._values

    def call_layer(self, layer, original_call, args, kwargs):
        """Replaces `Layer.__call__` while a loss is recorded."""
        rule = self._rule(layer)
        if rule is None:
            return original_call(layer, *args, **kwargs)
        call = functools.partial(self._run, rule, layer)
        with replaced_attributes(layer, call=call):
            return original_call(layer, *args, **kwargs)

    def _rule(self, layer):
        if self._suspended or _current_graph() is not self._graph:
            return None
        if keras_internals.has_special_call(layer):
            return None
        if not any(self.wants(v) for v in layer_rules.claimed_variables(layer)):
            return None
        rule = find_layer_rule(layer)
        return layer_rules.rule if rule is None else rule

    def _run(self, rule, layer, *args, **kwargs):
        if rule is layer_rules.rule:
            return layer_rules.rule(layer, args, kwargs, self)
        others = {k: v for k, v in kwargs.items() if k not in ("training", "mask")}
        is_plain = len(args) == 1 and all(v is None for v in others.values())
        if layer_rules.has_hidden_loop(layer):
            # Its loop applies the mask.
            is_plain = is_plain and kwargs.get("mask") is None
        elif not is_plain:
            return type(layer).call(layer, *args, **kwargs)
        if is_plain:
            record = functools.partial(self.record, layer)
            outputs = rule(layer, args[0], record)
            if outputs is not NotImplemented:
                return outputs
        return layer_rules.rule(layer, args, kwargs, self)

    def record(self, layer, operation, inputs, terms):
        """Runs an operation with weights, between two taps.

        Args:
            layer: The layer it belongs to.
            operation: A function of `inputs`.
            inputs: Tensor.
            terms: List of `Term`.

        Returns:
            What `operation` returns.
        """
        terms = [t for t in terms if t.variable is not None and self.wants(t.variable)]
        if not terms:
            return operation(inputs)
        use = Use(layer, operation, terms, [inputs], None)
        variables = [t.variable for t in terms]
        (outputs,) = self._run_tapped(
            use, variables, lambda inputs: [operation(*inputs)]
        )
        return outputs

    def record_whole(self, layer, own_call, operation, inputs, variables):
        """Runs a layer between taps, with all layers inside it.

        Args:
            layer: The layer.
            own_call: A function of a list of tensors: the layer's `call`.
            operation: A function of a list of tensors that calls the layer, and
                returns the list of its outputs.
            inputs: List of tensors.
            variables: List of the wanted variables that the layer may use.

        Returns:
            What `own_call` returns.
        """
        structure = []

        def run(inputs):
            with _attribute(self, "_suspended", True):
                structure.append(own_call(inputs))
            return tf.nest.flatten(structure[-1])

        use = Use(layer, operation, [], inputs, None, variables=variables)
        outputs = self._run_tapped(use, variables, run)
        return tf.nest.pack_sequence_as(structure[-1], outputs)

    def _run_tapped(self, use, variables, run):
        call = self._num_calls
        self._num_calls += 1
        values = [(v, self._values[id(v)]) for v in variables]
        draws_before = self._num_draws[0]
        scope = keras.StatelessScope(state_mapping=values)
        if self._expected is None:
            with scope:
                use.outputs = run(use.inputs)
            use.changes_state = len(scope.state_mapping) > len(values)
            use.draws = self._num_draws[0] > draws_before
            self.uses.append(use)
            return use.outputs
        use.blocks = self._blocks_of_call(call, use.layer)
        if use.blocks is None:
            return run(use.inputs)
        tapped = [self._tap_input(use, i, t) for i, t in enumerate(use.inputs)]
        with scope:
            outputs = run(tapped)
        use.outputs = [self._tap_output(use, i, t) for i, t in enumerate(outputs)]
        self.tape.watch(use.outputs)
        self.uses.append(use)
        return use.outputs

    def _blocks_of_call(self, call, layer):
        if call < len(self._expected):
            expected_layer, blocks = self._expected[call]
            if expected_layer is layer:
                return blocks
        return None

    def _tap_output(self, use, i, tensor):
        def catch(gradient):
            if self._purpose == "input gradient":
                use.backward_use(self._num_input_gradients).arrived[i] = gradient
            elif self._purpose is None:
                self._report(
                    f"layer {use.layer.name!r} is differentiated by another tape "
                    "than `InputGradientTape`"
                )
            return gradient

        return _identity(tensor, catch)

    def _tap_input(self, use, i, tensor):
        if not tensor.dtype.is_floating:
            return tensor

        def catch(gradient):
            if self._purpose == "input gradient":
                gradient = self._watched_gradient(use, gradient)
                use.backward_use(self._num_input_gradients).left[i] = gradient
            return gradient

        return _identity(tensor, catch)

    def _watched_gradient(self, use, gradient):
        def catch(second):
            if self._purpose != "final gradient":
                self._report(
                    f"the input gradient of layer {use.layer.name!r} is "
                    "differentiated by its input once more"
                )
            return second

        # Without the watch, the backward pass from a gradient that depends on no
        # watched tensor would be off the tape, and norms would come out too small.
        gradient = tf.identity(gradient)
        _watch(self.tape, gradient)
        return _identity(gradient, catch)

    def _report(self, problem):
        self.problem = self.problem or problem


def _watch(tape, tensor):
    tape.watch(tensor)


def _identity(tensor, on_gradient):
    @tf.custom_gradient
    def identity(t):
        return tf.identity(t), on_gradient

    return identity(tensor)


def _current_graph():
    return None if tf.executing_eagerly() else tf.compat.v1.get_default_graph()


@contextlib.contextmanager
def _attribute(target, name, value):
    before = getattr(target, name)
    setattr(target, name, value)
    try:
        yield
    finally:
        setattr(target, name, before)


@contextlib.contextmanager
def _recorded_layer_calls(recorder):
    """A scope in which this thread's layer calls go through `recorder`."""
    with _patched_layer_call, _attribute_of_thread(recorder):
        yield


@contextlib.contextmanager
def _attribute_of_thread(recorder):
    before = getattr(_active, "recorder", None)
    _active.recorder = recorder
    try:
        yield
    finally:
        _active.recorder = before


def _recording_call(original_call):
    @functools.wraps(original_call)
    def call(layer, *args, **kwargs):
        recorder = getattr(_active, "recorder", None)
        if recorder is None:
            return original_call(layer, *args, **kwargs)
        return recorder.call_layer(layer, original_call, args, kwargs)

    return call


_patched_layer_call = SharedPatch(keras.layers.Layer, "__call__", _recording_call)
