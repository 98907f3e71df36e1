"""Every use of a name that TensorFlow does not promise to keep.

`tests/test_tensorflow_internals.py` runs each of them on the installed TensorFlow, so
that a release that moves a name fails there and nowhere else.
"""

import contextlib
import gc
import threading

import tensorflow as tf
from tensorflow.python.framework import op_callbacks
from tensorflow.python.framework import ops


def function_graph(operation, name):
    """The graph of a function that an operation calls.

    Args:
        operation: A `tf.Operation` of a graph that is traced.
        name: String, the function's name.

    Returns:
        A graph with `inputs` and `outputs`, or `None` if it is not available.
    """
    find = getattr(operation.graph, "_get_function", None)
    return find and getattr(find(name), "graph", None)


def called_functions(operation):
    """The names of the functions that an operation calls."""
    attributes = operation.node_def.attr.values()
    functions = [f for a in attributes for f in (a.func, *a.list.func) if f.name]
    return [f.name for f in functions]


def is_stateful(operation):
    """Whether an operation may give different results each time, or has an effect."""
    return operation.op_def.is_stateful


@contextlib.contextmanager
def replaced_outputs(replace):
    """A scope in which operations that this thread traces get other output tensors.

    Enter it while a function is being traced.

    Args:
        replace: A function of an operation's type (a string), its inputs and its
            outputs (lists of tensors). It returns the tensors that replace the
            outputs, or `None` to keep them.
    """

    def callback(kind, inputs, attributes, outputs, op_name=None, graph=None):
        del attributes, op_name, graph
        return replace(kind, inputs, outputs)

    op_callbacks.add_op_callback(callback)
    try:
        yield
    finally:
        op_callbacks.remove_op_callback(callback)


def is_computed_from(tensor, source):
    """Whether a traced tensor depends on another one, as far as the graph shows.

    Args:
        tensor: A tensor of a graph.
        source: A tensor of that graph or of one around it.
    """
    seen, found = set(), [tensor]
    while found:
        tensor = found.pop()
        if tensor is source:
            return True
        if id(tensor) in seen or tf.is_tensor(tensor) and not hasattr(tensor, "graph"):
            continue
        seen.add(id(tensor))
        found.extend(tensor.op.inputs)
        captures = getattr(tensor.graph, "captures", [])
        found.extend(outer for outer, inner in captures if inner is tensor)
    return False


def own_gradient(operation):
    """The gradient that a user has given to an operation.

    Args:
        operation: A `tf.Operation`.

    Returns:
        `None` if it has TensorFlow's own gradient. Otherwise the qualified name of the
        function given to `tf.custom_gradient`, with its module; an empty string if
        that is unknown.
    """
    if "_gradient_op_type" not in operation.node_def.attr:
        return None
    name = operation.get_attr("_gradient_op_type")
    function = ops.gradient_registry.lookup(name.decode())
    for variable in ("tape_grad_fn", "grad_fn"):
        function = _closed_over(function, variable)
    if function is None:
        return ""
    module = getattr(function, "__module__", None)
    return f"{module}.{getattr(function, '__qualname__', '')}"


def forget_own_gradients(graph, module):
    """Releases the gradients that a module has given to a graph's operations.

    TensorFlow never releases a function given to `tf.custom_gradient`, nor the graph in
    which it was traced. Call this when the gradients have been computed.

    Args:
        graph: A graph.
        module: String, the name of the module that has defined the functions.
    """
    registered = getattr(ops.gradient_registry, "_registry", {})
    for operation in graph.get_operations():
        if (own_gradient(operation) or "").startswith(f"{module}."):
            name = operation.get_attr("_gradient_op_type").decode()
            registered.pop(name, None)


def _closed_over(function, variable):
    """The value of a variable that a function closes over, or `None`."""
    code = getattr(function, "__code__", None)
    if code is None or variable not in code.co_freevars:
        return None
    return function.__closure__[code.co_freevars.index(variable)].cell_contents


def input_datasets(dataset):
    """The data sets from which a `tf.data.Dataset` is made; none if unknown."""
    inputs = getattr(dataset, "_inputs", None)
    return list(inputs()) if inputs else []


# Stateful operations that store nothing of a record. The operations inside functions,
# branches and loops are examined separately.
HARMLESS = frozenset(
    """
    Assert If PrintV2 ReadVariableOp ResourceGather StatefulPartitionedCall
    VarHandleOp VariableShape While
    """.split()
)

# Code that cannot be examined, although its author says that it keeps no state.
_OUT_OF_SIGHT = frozenset("MatchingFiles PyFuncStateless ReadFile".split())


def find_effect(graph):
    """The first operation that draws, or that changes or reads something outside.

    Such an operation may let other records influence a record's loss: by random numbers
    that depend on a user's seed and on the row's place, or by a variable that another
    record has changed.

    Args:
        graph: The graph of a traced function.

    Returns:
        A `tf.Operation`, or `None`. A call of a function that cannot be examined counts
        as an effect.
    """
    return _find(graph, set())


def draws(operation):
    """Whether an operation that `find_effect` has found draws random numbers."""
    return any(word in operation.type for word in ("Random", "Rng", "Multinomial"))


def _find(graph, seen):
    for operation in graph.get_operations():
        kind = operation.type
        if is_stateful(operation) and kind not in HARMLESS:
            return operation
        if kind in _OUT_OF_SIGHT:
            return operation
        for name in called_functions(operation):
            if name in seen:
                continue
            seen.add(name)
            inside = function_graph(operation, name)
            found = operation if inside is None else _find(inside, seen)
            if found is not None:
                return found
    return None


class _FewRuns:
    """See `few_runs`."""

    _OFF = "disable_meta_optimizer"

    def __init__(self):
        self._lock = threading.Lock()
        self._count = 0
        self._collects = self._was_off = False

    def __enter__(self):
        with self._lock:
            if self._count == 0:
                options = tf.config.optimizer.get_experimental_options()
                self._was_off = options.get(self._OFF, False)
                self._collects = gc.isenabled()
                tf.config.optimizer.set_experimental_options({self._OFF: True})
                gc.disable()
            self._count += 1

    def __exit__(self, *error):
        with self._lock:
            self._count -= 1
            if self._count == 0:
                tf.config.optimizer.set_experimental_options({self._OFF: self._was_off})
                if self._collects:
                    gc.enable()


few_runs = _FewRuns()
"""A scope for functions that are traced to be run a few times.

Optimizing their graphs takes longer than running them. Collecting garbage while a
function is traced takes a third of a second and frees nothing, because the results of
tracing are kept. The last thread to leave restores both settings.
"""
