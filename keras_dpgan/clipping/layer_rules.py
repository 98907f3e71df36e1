"""How each of Keras' layers uses its weights, one rule per layer."""

import contextlib

import keras
import tensorflow as tf

from keras_dpgan.clipping.convolution_terms import ConvolutionTerm
from keras_dpgan.clipping.convolution_terms import DepthwiseConvolutionTerm
from keras_dpgan.clipping.convolution_terms import Sliding
from keras_dpgan.clipping.convolution_terms import TransposedConvolutionTerm
from keras_dpgan.clipping.rule_registry import register_layer_rule
from keras_dpgan.clipping.terms import BiasTerm
from keras_dpgan.clipping.terms import EinsumTerm
from keras_dpgan.clipping.terms import EmbeddingTerm
from keras_dpgan.clipping.terms import MatrixTerm
from keras_dpgan.clipping.terms import ScaleTerm


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
