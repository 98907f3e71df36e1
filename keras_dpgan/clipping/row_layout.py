"""Which row of a tensor belongs to which record.

An engine that takes a batch apart by rows has to know whose row each is, and that the
loss of a record depends on that record alone. Here a loss is traced for a fixed number
of records, and its operations are followed one by one. Only operations that are known
to keep the records apart (`row_operations`) are believed; calls of functions, branches
and loops are looked into. It is traced for other numbers of records, too: what differs
depends on the number.
"""

import dataclasses
import functools
import math

import numpy as np
import tensorflow as tf

from keras_dpgan._utils import tensorflow_internals
from keras_dpgan._utils.keras_internals import seeds_from
from keras_dpgan._utils.tensorflow_internals import HARMLESS
from keras_dpgan._utils.tensorflow_internals import find_effect
from keras_dpgan.clipping import row_operations
from keras_dpgan.clipping.row_state import COUNT
from keras_dpgan.clipping.row_state import NUM_RECORDS
from keras_dpgan.clipping.row_state import OTHER_NUMBERS
from keras_dpgan.clipping.row_state import SECRET
from keras_dpgan.clipping.row_state import SHARED
from keras_dpgan.clipping.row_state import ListOf
from keras_dpgan.clipping.row_state import Rows
from keras_dpgan.clipping.row_state import Sizes
from keras_dpgan.clipping.row_state import Unknown
from keras_dpgan.clipping.row_state import filled
from keras_dpgan.clipping.row_state import is_free_of_records
from keras_dpgan.clipping.row_state import joined
from keras_dpgan.clipping.row_state import stronger

# Functions given to `tf.custom_gradient` whose gradient keeps the records apart.
KNOWN_GRADIENTS = frozenset(
    ["tensorflow.python.ops.nn_impl.swish.<locals>.swish_impl.<locals>.grad"]
)


@dataclasses.dataclass(frozen=True)
class RowLayout:
    """What was found.

    Attributes:
        calls: List of pairs, one for each recorded operation in order: its layer, and
            the rows per record, or `None` where these cannot be told apart.
        problem: String, why the losses are not known to be one for each record; `None`
            if they are.
    """

    calls: list
    problem: str | None


def find_row_layout(trace, records):
    """Follows the rows of the records through a loss.

    Args:
        trace: A function of records, and of the seed of what layers draw (an int64
            tensor of shape `(2,)`), that calls the loss. It returns the `Recorder`
            that has followed it, or `None`, and the losses.
        records: Structure of tensors of shape `(n, ...)`.

    Returns:
        A `RowLayout`.
    """
    try:
        graph, recorder, losses = _traced(trace, records, NUM_RECORDS)
        twins = [_traced(trace, records, n)[0] for n in OTHER_NUMBERS]
    except Exception as error:  # Such as an odd number of rows that are to be halved.
        return RowLayout(
            [],
            f"it cannot be traced for {NUM_RECORDS} and {OTHER_NUMBERS} records "
            f"({type(error).__name__}: {str(error)[:200]})",
        )
    shapes = [t.shape[1:] for t in tf.nest.flatten(records)]
    states = [_state_of_records((NUM_RECORDS, *shape)) for shape in shapes]
    followed = [
        _Followed(graph, twin, n, [SECRET, *states])
        for n, twin in zip(OTHER_NUMBERS, twins, strict=True)
    ]
    uses = [] if recorder is None else recorder.uses
    calls = [(use.layer, _agreed([_blocks(use, f) for f in followed])) for use in uses]
    problems = [_problem_of(f.state(losses)) for f in followed]
    return RowLayout(calls, _effect_of(graph) or next(filter(None, problems), None))


def _agreed(blocks):
    return blocks[0] if len(set(blocks)) == 1 else None


def _traced(trace, records, n):
    """The graph of a trace for a number of records, and what it has returned."""
    results = []

    def traced(seed, *flat):
        results.append(trace(tf.nest.pack_sequence_as(records, list(flat)), seed))
        return results[0][1]

    specs = [
        tf.TensorSpec((n, *t.shape[1:]), t.dtype) for t in tf.nest.flatten(records)
    ]
    concrete = tf.function(traced, autograph=False).get_concrete_function(
        tf.TensorSpec((2,), tf.int64), *specs
    )
    return concrete.graph, *results[0]


def _effect_of(graph):
    operation = find_effect(graph)
    if operation is None:
        return None
    return (
        f"operation {_named(operation)} draws random numbers of its own or changes "
        "something outside of the loss"
    )


def losses_problem(loss_fn, records):
    """Why losses are not known to be one for each record; `None` if they are.

    Args:
        loss_fn: See `keras_dpgan.clipping.contract`.
        records: Structure of tensors of shape `(n, ...)`.
    """

    def trace(records, seed):
        with seeds_from(seed):
            return None, loss_fn(records)

    return find_row_layout(trace, records).problem


def _state_of_records(shape):
    return Rows(tuple(shape), math.prod(shape[1:]))


def _problem_of(state):
    if isinstance(state, Rows) and state.shape == (NUM_RECORDS,):
        return None
    if isinstance(state, Unknown):
        return f"operation {state.operation} is not known to keep the records apart"
    return "the losses are not one number for each record"


def _blocks(use, known):
    inputs = tf.nest.flatten(use.inputs)
    outputs = tf.nest.flatten(use.outputs)
    states = [known.state(t) for t in [*inputs, *outputs]]
    blocks = {s.blocks if isinstance(s, Rows) else None for s in states}
    if len(blocks) != 1 or use.changes_state or use.draws:
        return None
    shapes = tuple(inputs[0].shape), tuple(outputs[0].shape)
    if not all(term.supports(*shapes) for term in use.terms):
        return None
    return blocks.pop()


class _Followed:
    """The states of all tensors of a graph.

    Args:
        graph: A graph with `inputs`.
        twin: The graph of the same function for another number of records.
        number: Int, that number.
        inputs: List of the states of its first inputs; the others, which it has
            captured from outside, see no record.
    """

    def __init__(self, graph, twin, number, inputs):
        self._graph = graph
        self._number = number
        self._states = {}
        captured = [SHARED] * (len(graph.inputs) - len(inputs))
        for tensor, state in zip(graph.inputs, [*inputs, *captured], strict=True):
            self._states[tensor.name] = state
        self._done = set()
        operations, others = graph.get_operations(), twin.get_operations()
        self._is_alike = _wiring(graph) == _wiring(twin)
        names = [operation.name for operation in operations]
        self._twins = dict(zip(names, others, strict=False))
        for operation in operations if self._is_alike else ():
            self._visit(operation)

    def _visit(self, operation):
        if operation.name not in self._done:
            self._done.add(operation.name)
            states = self._follow(operation)
            for i, (tensor, state) in enumerate(
                zip(operation.outputs, states, strict=True)
            ):
                twin = self._twins[operation.name]
                if state is COUNT:
                    state = _of_count(operation, twin, i)
                elif isinstance(state, Rows) and not self._grows(
                    state, twin.outputs[i]
                ):
                    reason = "whose size depends on the number of records"
                    state = Unknown(f"{_named(operation)}, {reason},")
                self._states.setdefault(tensor.name, state)

    def state(self, tensor):
        """The state of a tensor of the graph."""
        if tensor.graph is not self._graph:
            return Unknown(f"{_named(tensor.op)}, which is outside of the loss,")
        if not self._is_alike:
            return Unknown("of a kind that depends on the number of records")
        # A gradient gives a loop further inputs, which are made after the loop.
        self._visit(tensor.op)
        return self._states.get(tensor.name, Unknown(_named(tensor.op)))

    def _follow(self, operation):
        """The states of what an operation makes."""
        kind = operation.type
        states = [self.state(t) for t in operation.inputs]
        twin = self._twins[operation.name]
        if not _are_alike(operation, twin):
            reason = "which depends on the number of records,"
            return self._all_unknown(operation, reason)
        states = self._with_sizes(operation, twin, states)
        if kind == "Placeholder" or (
            tensorflow_internals.is_stateful(operation) and kind not in HARMLESS
        ):
            return self._all_unknown(operation)
        gradient = tensorflow_internals.own_gradient(operation)
        if gradient is not None and gradient not in KNOWN_GRADIENTS:
            return self._all_unknown(operation, "with a gradient of its own")
        if kind == "Const":
            return self._completed(operation, [], _of_constants(operation, twin))
        if kind in ("Shape", "ShapeN", "Size") and all(
            t.shape.is_fully_defined() for t in operation.inputs
        ):
            return [COUNT] * len(operation.outputs)
        inside = _INSIDE.get(kind)
        if inside is not None:
            found = inside(self, operation, twin, states)
        elif kind in _ON_LISTS and _is_about_lists(operation):
            found = _ON_LISTS[kind](operation, states)
        elif kind == "IdentityN":
            found = states
        else:
            found = _of_plain_operation(operation, states)
        return self._completed(operation, states, found)

    def _all_unknown(self, operation, reason=""):
        unknown = Unknown(f"{_named(operation)} {reason}".strip())
        return [unknown] * len(operation.outputs)

    def _completed(self, operation, states, found):
        """Fills in `Unknown`, with the first operation that it came from."""
        if not isinstance(found, list):
            found = [found] * len(operation.outputs)
        if None not in found:
            return found
        before = [s for s in states if isinstance(s, Unknown)]
        unknown = before[0] if before else Unknown(_named(operation))
        return [unknown if s is None else s for s in found]

    def _grows(self, rows, twin):
        """Whether a tensor has more rows for more records, and else is the same."""
        place, shape = rows.place, twin.shape
        if shape.rank != len(rows.shape):
            return shape.rank is None
        if place is None:
            size = None if None in rows.shape else math.prod(rows.shape)
            other = shape.num_elements()
            return None in (size, other) or size * self._number == other * NUM_RECORDS
        expected = list(rows.shape)
        expected[place.axis] = place.outer * self._number * place.inner
        return tf.TensorShape(expected).is_compatible_with(shape)

    def _with_sizes(self, operation, twin, states):
        """Makes `Sizes` of what only says how many rows a tensor has."""
        found = list(states)
        for i in row_operations.SIZES.get(operation.type, ()):
            if states[i] is COUNT:
                varying = _multiples(operation.inputs[i], twin.inputs[i], self._number)
                found[i] = COUNT if varying is None else Sizes(varying)
        return found

    def inside(self, operation, twin, attribute, states):
        """Follows a function that an operation calls; `None` if that cannot be."""
        graph, other = (
            tensorflow_internals.function_graph(o, o.get_attr(attribute).name)
            for o in (operation, twin)
        )
        if graph is None or other is None or len(graph.inputs) != len(states):
            return None
        known = _Followed(graph, other, self._number, states)
        return [known.state(t) for t in graph.outputs]


def _wiring(graph):
    """For each operation its type, and by number the operations that it takes from."""
    numbers = {op.name: i for i, op in enumerate(graph.get_operations())}
    wiring = [
        (op.type, [(numbers[t.op.name], t.value_index) for t in op.inputs])
        for op in graph.get_operations()
    ]
    outputs = getattr(graph, "outputs", [])
    return wiring, [(numbers[t.op.name], t.value_index) for t in outputs]


def _is_about_lists(operation):
    return any(t.dtype == tf.variant for t in (*operation.inputs, *operation.outputs))


def _named(operation):
    return f"{operation.type} ({operation.name})"


def _are_alike(operation, twin):
    """Whether an operation is the same for both numbers of records.

    Sizes and constants aside, which are looked at where they are used.
    """
    if len(operation.outputs) != len(twin.outputs):
        return False
    mine, other = operation.node_def.attr, twin.node_def.attr
    return all(
        mine[name] == other[name]
        for name in mine
        if not name.startswith("_")
        and mine[name].WhichOneof("value") in ("b", "f", "i", "s", "type")
    )


def _of_constants(operation, twin):
    """The state of a constant, which may be another for another number of records."""
    tensor, other = operation.outputs[0], twin.outputs[0]
    value, other_value = tf.get_static_value(tensor), tf.get_static_value(other)
    if value is None or other_value is None:
        return None
    if value.shape == other_value.shape:
        state = filled(value.shape)
        if isinstance(state, Rows):
            return None
        return SHARED if np.array_equal(value, other_value) else COUNT
    values = np.unique(np.concatenate([np.ravel(value), np.ravel(other_value)]))
    return filled(value.shape) if len(values) == 1 else None


def _of_count(operation, twin, i):
    """The state of what is computed from the number of records.

    What was taken from a shape is shared where it is not the number itself. A result
    of arithmetic may be the same for both numbers and another for others (a remainder,
    a threshold): such a one is not believed, not even as a size.
    """
    same = _same_values(operation.outputs[i], twin.outputs[i])
    if same is None or operation.type in ("ConcatV2", "Const", "Pack"):
        return COUNT
    if operation.type in row_operations.TAKING:
        return SHARED if np.all(same) else COUNT
    if operation.type in row_operations.ELEMENTWISE:
        pairs = zip(operation.inputs, twin.inputs, strict=True)
        known = [_same_values(*pair) for pair in pairs]
        different = [True if own is None else ~own for own in known]
        same = same & functools.reduce(np.logical_or, different)
    return Unknown(_named(operation)) if np.any(same) else COUNT


def _same_values(tensor, other):
    """Which numbers are known and the same for both numbers of records, as bools.

    `None` where that is not known, or where the two are not of one size.
    """
    if any(t.shape.rank is None or t.shape.rank > 1 for t in (tensor, other)):
        return None
    values = [row_operations.static_value(t) for t in (tensor, other)]
    if any(v is None for v in values) or np.shape(values[0]) != np.shape(values[1]):
        return None
    return np.equal(*values)


def _multiples(tensor, other, number):
    """The indices of sizes that are a multiple of the number of records.

    Returns:
        Frozenset of ints, or `None` if a size depends on the number in another way.
    """
    values = [row_operations.static_value(t) for t in (tensor, other)]
    if any(v is None for v in values) or values[0].shape != values[1].shape:
        return None
    mine, others = map(np.ravel, values)
    (varying,) = np.nonzero(mine != others)
    times, rest = np.divmod(mine[varying], NUM_RECORDS)
    if np.any(rest) or np.any(times * number != others[varying]):
        return None
    return frozenset(varying.tolist())


def _of_plain_operation(operation, states):
    if any(isinstance(s, Unknown | ListOf) for s in states):
        return None
    if not any(isinstance(s, Rows) for s in states):
        sizes = SHARED if operation.type in row_operations.MAKING_ROWS else COUNT
        plain = {sizes if isinstance(s, Sizes) else s for s in states}
        return row_operations.made_of_shared(operation, stronger(plain))
    places = row_operations.SIZES.get(operation.type, ())
    if any(isinstance(s, Sizes) and i not in places for i, s in enumerate(states)):
        return None
    if COUNT in states:
        return None
    handler = row_operations.handler_of(operation.type)
    return handler and handler(operation, states)


def _call(followed, operation, twin, states):
    return followed.inside(operation, twin, "f", states)


def _branches(followed, operation, twin, states):
    if not is_free_of_records(states[0]):
        return None
    results = [
        followed.inside(operation, twin, branch, states[1:])
        for branch in ("then_branch", "else_branch")
    ]
    if any(r is None for r in results):
        return None
    return [joined(list(several)) for several in zip(*results, strict=True)]


def _loop(followed, operation, twin, states):
    """Follows a loop's body until the states of its variables no longer change."""
    while True:
        after = followed.inside(operation, twin, "body", states)
        if after is None:
            return None
        unknown = next((s for s in after if isinstance(s, Unknown)), None)
        united = [
            joined([a, b]) or unknown or Unknown(_named(operation))
            for a, b in zip(states, after, strict=True)
        ]
        if united == states:
            break
        states = united
    (condition,) = followed.inside(operation, twin, "cond", states)
    return states if is_free_of_records(condition) else None


_INSIDE = {
    "If": _branches,
    "PartitionedCall": _call,
    "StatefulPartitionedCall": _call,
    "StatelessIf": _branches,
    "StatelessWhile": _loop,
    "While": _loop,
}


def _new_list(operation, states):
    return ListOf(None) if all(map(is_free_of_records, states)) else None


def _list_of_slices(operation, states):
    rows, shape = states
    if is_free_of_records(rows):
        return ListOf(rows)
    if not isinstance(rows, Rows) or not is_free_of_records(shape):
        return None
    place = rows.place
    if place is None or place.axis == 0:
        return None
    return ListOf(place.rows(rows.shape[1:], place.axis - 1))


def _set_item(operation, states):
    items, index, item = states[:3]
    if not isinstance(items, ListOf) or not is_free_of_records(index):
        return None
    if isinstance(item, Unknown | ListOf):
        return None
    return joined([items, ListOf(item)])


def _get_item(operation, states):
    items, *others = states
    if not isinstance(items, ListOf) or not all(map(is_free_of_records, others)):
        return None
    return _element(items, operation.outputs[0])


def _length(operation, states):
    return SHARED if isinstance(states[0], ListOf) else None


def _element_shape(operation, states):
    if not isinstance(states[0], ListOf):
        return None
    # It serves to make further lists of the same kind, and nothing else.
    return Sizes(frozenset())


def _element(items, output):
    """The state of an element; zeros stand where a list has none."""
    if items.element is not None:
        return items.element
    shape = row_operations.shape_of(output)
    return None if shape is None or None in shape else filled(shape)


def _push(operation, states):
    items, item = states
    if not isinstance(items, ListOf) or isinstance(item, Unknown):
        return None
    return joined([items, ListOf(item)])


def _pop(operation, states):
    items, shape = states
    if not isinstance(items, ListOf) or not is_free_of_records(shape):
        return None
    return [items, _element(items, operation.outputs[1])]


def _same_list(operation, states):
    return joined(states) if all(isinstance(s, ListOf) for s in states) else None


def _stacked(operation, states):
    items, shape = states
    if not isinstance(items, ListOf) or not is_free_of_records(shape):
        return None
    element = items.element
    if not isinstance(element, Rows):
        return element
    place, length = element.place, operation.outputs[0].shape
    length = length[0] if length.rank else None
    return place and place.rows((length, *element.shape), place.axis + 1)


_ON_LISTS = {
    "AddN": _same_list,
    "EmptyTensorList": _new_list,
    "Identity": _same_list,
    "TensorListFromTensor": _list_of_slices,
    "TensorListElementShape": _element_shape,
    "TensorListGetItem": _get_item,
    "TensorListLength": _length,
    "TensorListPopBack": _pop,
    "TensorListPushBack": _push,
    "TensorListReserve": _new_list,
    "TensorListSetItem": _set_item,
    "TensorListStack": _stacked,
    "ZerosLike": _same_list,
}
