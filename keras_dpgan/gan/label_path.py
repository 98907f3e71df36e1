"""How many labels a network was made for, read off the first layer they reach."""

import keras

from keras_dpgan._utils import keras_internals

# Operations that pass each label on, in another shape or dtype.
_HANDING_ON_LAYERS = (
    keras.layers.Dropout,
    keras.layers.Flatten,
    keras.layers.Identity,
    keras.layers.Permute,
    keras.layers.RepeatVector,
    keras.layers.Reshape,
)
_HANDING_ON_OPERATIONS = {
    "BroadcastTo",
    "Cast",
    "Copy",
    "ExpandDims",
    "GetItem",
    "Identity",
    "Ravel",
    "Repeat",
    "Reshape",
    "Squeeze",
    "StopGradient",
    "Swapaxes",
    "Tile",
    "Transpose",
}


def declared_classes(model, position, through_functions=True):
    """Follows an input of labels to the layers that turn them into vectors.

    Args:
        model: A functional or sequential `keras.Model`.
        position: Int, which of its inputs takes the labels.
        through_functions: Whether the path may lead through a `Lambda`, which may
            also change the labels: what stands behind it is a guess. Defaults to
            `True`.

    Returns:
        The smallest number of labels that a layer was made for which they reach, an
        int; `None` where no such layer is found.
    """
    found, _ = _follow(model, {position}, through_functions)
    return min(found, default=None)


def _follow(model, positions, through_functions):
    """Follows the labels of some inputs of a model.

    Returns:
        `(found, outputs)`: the list of the numbers of labels, and the positions of the
        outputs that still are labels.
    """
    nodes = keras_internals.nodes_in_order(model)
    if nodes is None:
        return [], set()
    labels = {id(model.inputs[i]) for i in positions}
    found = []
    for operation, inputs, outputs in nodes:
        reached = {i for i, tensor in enumerate(inputs) if id(tensor) in labels}
        if reached:
            more, still_labels = _step(operation, reached, through_functions)
            found += more
            labels |= {id(outputs[i]) for i in still_labels}
    outputs = {i for i, tensor in enumerate(model.outputs) if id(tensor) in labels}
    return found, outputs


def _step(operation, positions, through_functions):
    """What an operation does with labels among its inputs; as `_follow`."""
    if isinstance(operation, keras.layers.TimeDistributed):
        return _step(operation.layer, positions, through_functions)
    if isinstance(operation, keras.Model):
        return _follow(operation, positions, through_functions)
    count = _number_of_labels(operation)
    if count is not None:
        return [count], set()
    if _hands_on(operation, through_functions):
        return [], {0}
    return [], set()


def _number_of_labels(operation):
    if isinstance(operation, keras.layers.Embedding):
        return operation.input_dim
    if isinstance(operation, keras.layers.CategoryEncoding):
        return operation.num_tokens
    # `keras.ops.one_hot` and the layers of `models`.
    count = getattr(operation, "num_classes", None)
    return count if isinstance(count, int) else None


def _hands_on(operation, through_functions):
    if isinstance(operation, keras.layers.Lambda):
        return through_functions
    if isinstance(operation, keras.layers.Layer):
        return isinstance(operation, _HANDING_ON_LAYERS)
    return type(operation).__name__ in _HANDING_ON_OPERATIONS
