"""How each of Keras' layers uses its weights, one rule per layer."""

import collections.abc
import contextlib
import typing

import keras
import tensorflow as tf

from keras_dpgan._utils import keras_internals
from keras_dpgan.clipping.contract import at_least_float32
from keras_dpgan.clipping.contract import sum_dtype
from keras_dpgan.clipping.convolution_terms import ConvolutionTerm
from keras_dpgan.clipping.convolution_terms import DepthwiseConvolutionTerm
from keras_dpgan.clipping.convolution_terms import Sliding
from keras_dpgan.clipping.convolution_terms import TransposedConvolutionTerm
from keras_dpgan.clipping.terms import BiasTerm
from keras_dpgan.clipping.terms import EinsumTerm
from keras_dpgan.clipping.terms import EmbeddingTerm
from keras_dpgan.clipping.terms import MatrixTerm
from keras_dpgan.clipping.terms import ScaleTerm
from keras_dpgan.clipping.vectorized import map_records

_Rule = typing.TypeVar("_Rule", bound=collections.abc.Callable[..., typing.Any])

_RULES: dict[type[keras.layers.Layer], collections.abc.Callable[..., typing.Any]] = {}


def register_layer_rule(
    layer_class: type[keras.layers.Layer],
) -> collections.abc.Callable[[_Rule], _Rule]:
    """Registers how the `ghost` engine records the layers of a class.

    The decorated function `rule(layer, inputs, record)` runs the layer and
    returns its outputs. Each operation that uses weights goes through
    `record(operation, inputs, terms)`: `operation` is a function of `inputs`
    that is linear in them up to an added constant, reads the weights by
    `layer.name`, and returns one tensor; `terms` has one
    `keras_dpgan.clipping.terms.Term` per weight that it uses. What lies before
    and after, such as an activation, is ordinary code. A rule that does not cover how
    the layer is set up returns `NotImplemented`, before it has recorded anything; the
    layer is then differentiated record by record.

    A rule holds for the class itself and not for its subclasses, which may do
    something else in `call`. Where a layer has none, or a weight is used outside
    what its rule records, the engine says so and computes gradients record by
    record.

    Examples:
        >>> import keras
        >>> from keras_dpgan.clipping.terms import MatrixTerm
        >>> class LowRank(keras.layers.Layer):
        ...     def build(self, shape):
        ...         self.u = self.add_weight(shape=(shape[-1], 2))
        ...         self.v = self.add_weight(shape=(2, 4))
        ...     def call(self, inputs):
        ...         return inputs @ self.u @ self.v
        >>> @dpgan.clipping.register_layer_rule(LowRank)
        ... def low_rank(layer, inputs, record):
        ...     hidden = record(lambda x: x @ layer.u, inputs, [MatrixTerm(layer.u)])
        ...     return record(lambda x: x @ layer.v, hidden, [MatrixTerm(layer.v)])

    Args:
        layer_class: A subclass of `keras.layers.Layer`.

    Returns:
        A decorator.
    """

    def register(rule):
        _RULES[layer_class] = rule
        return rule

    return register


def find_layer_rule(layer):
    """The rule of a layer, or `None`."""
    return _RULES.get(type(layer))


def record_before_activation(layer, inputs, record, terms):
    """Records a layer's own `call`, all but its `activation`.

    Args:
        layer: A `keras.layers.Layer` with an attribute `activation`.
        inputs: Tensor.
        record: As a rule gets it.
        terms: List of `Term`.

    Returns:
        The layer's outputs.
    """

    def linear_part(x):
        with replaced_attributes(layer, activation=keras.activations.linear):
            return type(layer).call(layer, x)

    outputs = record(linear_part, inputs, terms)
    return outputs if layer.activation is None else layer.activation(outputs)


@contextlib.contextmanager
def replaced_attributes(layer, **attributes):
    """Sets attributes of a layer without Keras' tracking, and then restores them."""
    own = vars(layer)
    before = {name: own[name] for name in attributes if name in own}
    own.update(attributes)
    try:
        yield
    finally:
        for name in attributes:
            del own[name]
        own.update(before)


@register_layer_rule(keras.layers.Dense)
def dense(layer, inputs, record):
    terms = [MatrixTerm(layer.kernel), BiasTerm(layer.bias)]
    return record_before_activation(layer, inputs, record, terms)


@register_layer_rule(keras.layers.EinsumDense)
def einsum_dense(layer, inputs, record):
    terms = [EinsumTerm(layer.kernel, layer.equation), BiasTerm(layer.bias)]
    return record_before_activation(layer, inputs, record, terms)


@register_layer_rule(keras.layers.Embedding)
def embedding(layer, inputs, record):
    terms = [EmbeddingTerm(layer.embeddings)]
    return record(lambda tokens: type(layer).call(layer, tokens), inputs, terms)


@register_layer_rule(keras.layers.Conv1D)
@register_layer_rule(keras.layers.Conv2D)
@register_layer_rule(keras.layers.Conv3D)
def convolution(layer, inputs, record):
    kernel = ConvolutionTerm(layer.kernel, Sliding.of(layer), layer.groups)
    terms = [kernel, _channel_bias(layer)]
    return record_before_activation(layer, inputs, record, terms)


@register_layer_rule(keras.layers.Conv1DTranspose)
@register_layer_rule(keras.layers.Conv2DTranspose)
@register_layer_rule(keras.layers.Conv3DTranspose)
def transposed_convolution(layer, inputs, record):
    terms = [
        TransposedConvolutionTerm(layer.kernel, Sliding.of(layer)),
        _channel_bias(layer),
    ]
    return record_before_activation(layer, inputs, record, terms)


@register_layer_rule(keras.layers.DepthwiseConv1D)
@register_layer_rule(keras.layers.DepthwiseConv2D)
def depthwise_convolution(layer, inputs, record):
    terms = [
        DepthwiseConvolutionTerm(layer.kernel, Sliding.of(layer)),
        _channel_bias(layer),
    ]
    return record_before_activation(layer, inputs, record, terms)


@register_layer_rule(keras.layers.SeparableConv1D)
@register_layer_rule(keras.layers.SeparableConv2D)
def separable_convolution(layer, inputs, record):
    def depthwise(x):
        return keras.ops.depthwise_conv(
            x,
            layer.depthwise_kernel,
            layer.strides,
            layer.padding,
            layer.data_format,
            layer.dilation_rate,
        )

    def pointwise(x):
        outputs = keras.ops.conv(
            x, layer.pointwise_kernel, 1, "valid", layer.data_format
        )
        if layer.bias is None:
            return outputs
        return outputs + keras.ops.reshape(layer.bias, (1, *_bias_shape(layer)))

    sliding = Sliding.of(layer)
    size = (1,) * layer.rank
    at_one_pixel = Sliding(size, size, size, "valid", sliding.channels_first)
    filtered = record(
        depthwise, inputs, [DepthwiseConvolutionTerm(layer.depthwise_kernel, sliding)]
    )
    outputs = record(
        pointwise,
        filtered,
        [ConvolutionTerm(layer.pointwise_kernel, at_one_pixel), _channel_bias(layer)],
    )
    return outputs if layer.activation is None else layer.activation(outputs)


def _channel_bias(layer):
    return BiasTerm(layer.bias, None if layer.bias is None else _bias_shape(layer))


def _bias_shape(layer):
    """The shape in which a bias is added to one row of the outputs."""
    channels_first = layer.data_format == "channels_first"
    return (*layer.bias.shape, *((1,) * layer.rank if channels_first else ()))


@register_layer_rule(keras.layers.LayerNormalization)
def layer_normalization(layer, inputs, record):
    return _normalize_then_scale(layer, inputs, record, layer.gamma, layer.beta)


@register_layer_rule(keras.layers.GroupNormalization)
def group_normalization(layer, inputs, record):
    return _normalize_then_scale(layer, inputs, record, layer.gamma, layer.beta)


@register_layer_rule(keras.layers.RMSNormalization)
def rms_normalization(layer, inputs, record):
    return _normalize_then_scale(layer, inputs, record, layer.scale, None)


def _normalize_then_scale(layer, inputs, record, scale, offset):
    """Runs the layer without its weights, then records what they do."""
    neutral = [(v, tf.zeros(v.shape, v.dtype)) for v in [offset] if v is not None]
    neutral += [(v, tf.ones(v.shape, v.dtype)) for v in [scale] if v is not None]
    with keras.StatelessScope(state_mapping=neutral):
        normalized = type(layer).call(layer, inputs)
    axes = layer.axis if isinstance(layer.axis, list | tuple) else [layer.axis]
    axes = [axis % inputs.shape.rank for axis in axes]
    shape = tuple(
        size if axis in axes else 1 for axis, size in enumerate(inputs.shape)
    )[1:]

    def scale_and_shift(x):
        outputs = tf.cast(x, layer.variable_dtype)
        if scale is not None:
            outputs = outputs * tf.reshape(_value(scale), (1, *shape))
        if offset is not None:
            outputs = outputs + tf.reshape(_value(offset), (1, *shape))
        return tf.cast(outputs, x.dtype)

    terms = [ScaleTerm(scale, shape), BiasTerm(offset, shape)]
    return record(scale_and_shift, normalized, terms)


def _value(variable):
    return tf.cast(tf.convert_to_tensor(variable.value), variable.dtype)


@register_layer_rule(keras.layers.PReLU)
def prelu(layer, inputs, record):
    positive = keras.activations.relu(inputs)
    negative = -keras.activations.relu(-inputs)
    scaled = record(lambda x: x * layer.alpha, negative, [ScaleTerm(layer.alpha)])
    return positive + scaled


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
