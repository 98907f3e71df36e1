"""Which row of a layer call belongs to which record.

An engine that takes a batch apart by rows has to know whose row each is. Here a
loss is traced once, for a number of records that no other size is likely to be a
multiple of, and its operations are followed. Row `j` of `k * n` belongs to record
`j % n` as long as rows were put end to end in whole blocks: `tf.concat` does so,
and folding another axis into the rows does not.
"""

import tensorflow as tf

# A prime larger than most sizes in a network.
_NUM_RECORDS = 10007


def blocks_of_calls(trace, records):
    """Finds how many rows per record each recorded operation has.

    Args:
        trace: A function of records that calls the loss under a `Recorder` and
            returns the recorder.
        records: Structure of tensors of shape `(n, ...)`.

    Returns:
        List of pairs, one for each recorded operation in order: its layer, and
        the rows per record, or `None` where these cannot be told apart.
    """
    recorders = []
    flat = tf.nest.flatten(records)

    def traced(*flat):
        recorders.append(trace(tf.nest.pack_sequence_as(records, list(flat))))

    specs = [tf.TensorSpec((_NUM_RECORDS, *t.shape[1:]), t.dtype) for t in flat]
    graph = tf.function(traced, autograph=False).get_concrete_function(*specs).graph
    folded = _folded_tensors(graph)
    return [(use.layer, _blocks(use, folded)) for use in recorders[0].uses]


def _blocks(use, folded):
    inputs = tf.nest.flatten(use.inputs)
    outputs = tf.nest.flatten(use.outputs)
    rows = {_num_rows(t) for t in [*inputs, *outputs]}
    whole = len(rows) == 1 and None not in rows and 0 not in rows
    if not whole or use.changes_state or any(t.name in folded for t in inputs):
        return None
    shapes = tuple(inputs[0].shape), tuple(outputs[0].shape)
    if not all(term.supports(*shapes) for term in use.terms):
        return None
    return rows.pop()


def _num_rows(tensor):
    """The rows per record; `None` if the first axis is something else."""
    if (
        tensor.dtype == tf.resource
        or tensor.shape.rank in (None, 0)
        or tensor.shape[0] is None
    ):
        return None
    blocks, rest = divmod(tensor.shape[0], _NUM_RECORDS)
    return None if rest else blocks


def _folded_tensors(graph):
    """The names of tensors whose rows are in no known order."""
    folded = set()
    for operation in graph.get_operations():
        rows = {t.name: _num_rows(t) for t in operation.inputs}
        spoiled = any(rows[name] and name in folded for name in rows)
        for output in operation.outputs:
            after = _num_rows(output)
            if after and (spoiled or _reorders(operation, rows, after)):
                if not _unfolds(operation, rows, after):
                    folded.add(output.name)
    return folded


def _reorders(operation, rows, after):
    """Whether an operation puts rows in another order than end to end."""
    before = rows[operation.inputs[0].name] if operation.inputs else None
    if not before:
        return False
    if operation.type == "Reshape":
        return after > before
    if operation.type == "GatherV2":
        axis = tf.get_static_value(operation.inputs[2])
        return axis is None or axis == 0
    if operation.type == "StridedSlice":
        begin, stride = (tf.get_static_value(operation.inputs[i]) for i in (1, 3))
        moved = begin is not None and begin.size and begin[0] % _NUM_RECORDS
        return bool(moved) or stride is None or stride[0] != 1
    return operation.type in ("GatherNd", "ReverseV2", "RandomShuffle", "Roll")


def _unfolds(operation, rows, after):
    """Whether an operation gives an axis back that was folded into the rows."""
    before = rows[operation.inputs[0].name] if operation.inputs else None
    return operation.type == "Reshape" and bool(before) and after < before
