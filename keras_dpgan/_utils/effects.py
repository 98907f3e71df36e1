"""What a traced loss does beside computing tensors from its inputs."""

from keras_dpgan._utils import tensorflow_internals

# Stateful operations that keep nothing of a record. Functions, branches and loops are
# looked into.
HARMLESS = frozenset(
    """
    Assert If PrintV2 ReadVariableOp ResourceGather StatefulPartitionedCall
    VarHandleOp VariableShape While
    """.split()
)

# Code that cannot be looked into, though its author says that it keeps no state.
_OUT_OF_SIGHT = frozenset("MatchingFiles PyFuncStateless ReadFile".split())


def find_effect(graph):
    """The first operation that draws, or that changes or reads something outside.

    Such an operation may give a record's loss something of other records: random
    numbers that follow a user's seed and the row's place, or a variable that another
    record has changed.

    Args:
        graph: The graph of a traced function.

    Returns:
        A `tf.Operation`, or `None`. A call of a function that cannot be looked into
        counts as an effect.
    """
    return _find(graph, set())


def draws(operation):
    """Whether an operation that `find_effect` has found draws random numbers."""
    return any(word in operation.type for word in ("Random", "Rng", "Multinomial"))


def _find(graph, seen):
    for operation in graph.get_operations():
        kind = operation.type
        if tensorflow_internals.is_stateful(operation) and kind not in HARMLESS:
            return operation
        if kind in _OUT_OF_SIGHT:
            return operation
        for name in tensorflow_internals.called_functions(operation):
            if name in seen:
                continue
            seen.add(name)
            inside = tensorflow_internals.function_graph(operation, name)
            found = operation if inside is None else _find(inside, seen)
            if found is not None:
                return found
    return None
