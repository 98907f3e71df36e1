"""Finds gradients that are always zero, for any values.

TensorFlow gives the second derivative of a piecewise linear activation as a
tensor of zeros, and carries it through the whole backward pass. A part of a
gradient that is zero by its very form need not be computed.
"""

import numpy as np
import tensorflow as tf

# Operations whose output is zero where this input is.
_ZERO_IF_INPUT = {
    "AvgPool3DGrad": 1,
    "AvgPoolGrad": 1,
    "BroadcastTo": 0,
    "Cast": 0,
    "Conv2DBackpropInput": 2,
    "Conv3DBackpropInputV2": 2,
    "DepthwiseConv2dNativeBackpropInput": 2,
    "EluGrad": 0,
    "ExpandDims": 0,
    "Identity": 0,
    "LeakyReluGrad": 0,
    "MaxPoolGrad": 2,
    "Neg": 0,
    "Pad": 0,
    "RealDiv": 0,
    "Relu6Grad": 0,
    "ReluGrad": 0,
    "Reshape": 0,
    "SeluGrad": 0,
    "Slice": 0,
    "Squeeze": 0,
    "StridedSlice": 0,
    "StridedSliceGrad": 4,
    "Sum": 0,
    "Tile": 0,
    "Transpose": 0,
}

# Operations whose output is zero where any, or all, of their inputs are.
_ZERO_IF_ANY = {"BatchMatMulV2", "Einsum", "MatMul", "Mul"}
_ZERO_IF_ALL = {"Add", "AddN", "AddV2", "Sub"}


def is_zero(tensor):
    """Whether a tensor of a graph is zero by the way it is made.

    Args:
        tensor: Tensor. One that is not symbolic counts as not zero.

    Returns:
        Bool. `False` where it cannot be told.
    """
    return not tf.executing_eagerly() and _is_zero(tensor, {})


def _is_zero(tensor, known):
    if tensor.name not in known:
        # A loop cannot reach itself: it counts as not zero.
        known[tensor.name] = False
        known[tensor.name] = _made_zero(tensor, known)
    return known[tensor.name]


def _made_zero(tensor, known):
    operation = tensor.op
    kind, inputs = operation.type, operation.inputs
    if kind == "ZerosLike":
        return True
    if kind == "Const":
        return not np.any(tf.get_static_value(tensor))
    if kind == "Fill":
        value = tf.get_static_value(inputs[1])
        return value is not None and not np.any(value)
    if kind == "IdentityN":
        return _is_zero(inputs[tensor.value_index], known)
    if kind in _ZERO_IF_INPUT:
        return _is_zero(inputs[_ZERO_IF_INPUT[kind]], known)
    if kind in _ZERO_IF_ANY:
        return any(_is_zero(t, known) for t in inputs)
    if kind in _ZERO_IF_ALL:
        return all(_is_zero(t, known) for t in inputs)
    return False
