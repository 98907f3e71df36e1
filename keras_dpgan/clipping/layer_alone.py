"""The per-record gradients of one layer for which there is no rule."""

import keras
import tensorflow as tf

from keras_dpgan._utils import keras_internals
from keras_dpgan.clipping.contract import at_least_float32
from keras_dpgan.clipping.contract import sum_dtype
from keras_dpgan.clipping.vectorized import map_records


def claimed_variables(layer):
    """The weights that recording a layer accounts for.

    A recurrent layer runs its cell in a loop, which a recorder cannot see into, so
    that the cell's weights count as its own.
    """
    if has_hidden_loop(layer):
        return layer.trainable_variables
    return keras_internals.own_variables(layer)


def has_hidden_loop(layer):
    """Whether a layer runs other layers in a loop of the graph."""
    return isinstance(layer, keras.layers.RNN)


def rule(layer, args, kwargs, recorder):
    """Records a layer as a whole, with all layers inside it.

    Args:
        layer: The layer.
        args: What its `call` takes.
        kwargs: What its `call` takes by name.
        recorder: A `Recorder`.

    Returns:
        What its `call` returns.
    """
    structure = (args, kwargs)
    flat = tf.nest.flatten(structure)
    places = [i for i, x in enumerate(flat) if tf.is_tensor(x)]

    def arguments(tensors):
        filled = list(flat)
        for place, tensor in zip(places, tensors, strict=True):
            filled[place] = tensor
        return tf.nest.pack_sequence_as(structure, filled)

    def own_call(tensors):
        args, kwargs = arguments(tensors)
        return type(layer).call(layer, *args, **kwargs)

    def whole_layer(tensors):
        args, kwargs = arguments(tensors)
        return tf.nest.flatten(layer(*args, **kwargs))

    variables = [v for v in layer.trainable_variables if recorder.wants(v)]
    inputs = [flat[i] for i in places]
    return recorder.record_whole(layer, own_call, whole_layer, inputs, variables)


def per_record_gradients(use, values, gradients, backward, n):
    """Each record's gradient by a layer's weights, by `tf.vectorized_map`.

    Args:
        use: The `Use`.
        values: List of tensors, the values of `use.variables`.
        gradients: List of tensors or `None`: the gradients at `use.outputs`.
        backward: List of pairs `(r, v)` of such lists: at `use.inputs` the
            losses' gradients by the input gradient, and at `use.outputs` the
            gradient that it was made from.
        n: int32 scalar, the number of records.

    Returns:
        List of tensors of shape `(n, *variable.shape)`.
    """

    def by_record(tensor):
        if tensor is None:
            return None
        shape = tf.concat([[use.blocks, n], tf.shape(tensor)[1:]], 0)
        tensor = tf.reshape(tensor, shape)
        return tf.transpose(tensor, [1, 0, *range(2, tensor.shape.rank)])

    everything = (list(use.inputs), gradients, backward)
    present = [t is not None for t in tf.nest.flatten(everything)]
    tensors = [by_record(t) for t in tf.nest.flatten(everything) if t is not None]

    def gradients_of_one(tensors):
        tensors = iter(tensors)
        flat = [next(tensors) if there else None for there in present]
        inputs, gradients, backward = tf.nest.pack_sequence_as(everything, flat)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            weights = [tf.identity(v) for v in values]
            tape.watch(weights)
            targets, weighted = _targets(use, weights, inputs, gradients, backward)
        found = tape.gradient(
            targets,
            weights,
            output_gradients=weighted,
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        return [at_least_float32(tf.convert_to_tensor(g)) for g in found]

    dtypes = [sum_dtype(v.dtype) for v in values]
    return map_records(gradients_of_one, tensors, dtypes)


def _targets(use, weights, inputs, gradients, backward):
    """The tensors that depend on the weights, and the losses' gradients by them."""

    def run(inputs):
        mapping = list(zip(use.variables, weights, strict=True))
        with keras.StatelessScope(state_mapping=mapping):
            return use.operation(inputs)

    targets, weighted = [], []
    for output, gradient in zip(run(inputs), gradients, strict=True):
        if gradient is not None:
            targets.append(output)
            weighted.append(gradient)
    for second, arrived in backward:
        wanted = [i for i, r in enumerate(second) if r is not None]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            watched = [tf.identity(t) for t in inputs]
            tape.watch([watched[i] for i in wanted])
            outputs = run(watched)
        connected = [i for i, v in enumerate(arrived) if v is not None]
        left = tape.gradient(
            [outputs[i] for i in connected],
            [watched[i] for i in wanted],
            output_gradients=[arrived[i] for i in connected],
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        targets.extend(left)
        weighted.extend(second[i] for i in wanted)
    return targets, weighted
