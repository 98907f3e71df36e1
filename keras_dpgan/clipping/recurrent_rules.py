"""How recurrent layers use their weights: their loops, unrolled.

A rule holds for a layer of a known and short length without dropout or initial state.
Any other goes record by record (`layer_alone`).
"""

import keras
import tensorflow as tf

from keras_dpgan.clipping.rule_registry import register_layer_rule
from keras_dpgan.clipping.terms import BiasTerm
from keras_dpgan.clipping.terms import MatrixTerm
from keras_dpgan.clipping.terms import Term

# Each step is traced by itself.
_MOST_STEPS = 40


@register_layer_rule(keras.layers.SimpleRNN)
def simple_rnn(layer, inputs, record):
    def step(z, recurrent, states):
        h = layer.cell.activation(z + recurrent)
        return h, [h]

    return _unrolled(layer, inputs, record, step, num_states=1)


@register_layer_rule(keras.layers.LSTM)
def lstm(layer, inputs, record):
    cell = layer.cell

    def step(z, recurrent, states):
        i, f, g, o = tf.split(z + recurrent, 4, axis=1)
        c = cell.recurrent_activation(f) * states[1]
        c += cell.recurrent_activation(i) * cell.activation(g)
        h = cell.recurrent_activation(o) * cell.activation(c)
        return h, [h, c]

    return _unrolled(layer, inputs, record, step, num_states=2)


@register_layer_rule(keras.layers.GRU)
def gru(layer, inputs, record):
    cell = layer.cell
    if not cell.reset_after:
        return NotImplemented

    def step(z, recurrent, states):
        x_z, x_r, x_h = tf.split(z, 3, axis=1)
        h_z, h_r, h_h = tf.split(recurrent, 3, axis=1)
        update = cell.recurrent_activation(x_z + h_z)
        reset = cell.recurrent_activation(x_r + h_r)
        h = update * states[0] + (1.0 - update) * cell.activation(x_h + reset * h_h)
        return h, [h]

    return _unrolled(layer, inputs, record, step, num_states=1)


def _unrolled(layer, inputs, record, step, num_states):
    """Runs a layer's loop, step by step.

    Args:
        layer: A `keras.layers.RNN`.
        inputs: Tensor of shape `(rows, steps, features)`.
        record: As a rule gets it.
        step: A function of a step's inputs times the kernel, the last outputs times
            the recurrent kernel, and the states. It returns outputs and new states.
        num_states: Int.

    Returns:
        The layer's outputs, or `NotImplemented`.
    """
    cell, steps = layer.cell, inputs.shape[1]
    if not _is_plain(layer) or steps is None or steps > _MOST_STEPS:
        return NotImplemented
    # A bias of two rows has one for each of the two products.
    num_biases = 0 if cell.bias is None else len(cell.bias.shape)
    bias, recurrent_bias = (_BiasOf(cell.bias, i) for i in range(2))

    def times_kernel(x):
        z = keras.ops.matmul(x, cell.kernel)
        return z + bias.value() if num_biases else z

    def times_recurrent_kernel(h):
        z = keras.ops.matmul(h, cell.recurrent_kernel)
        return z + recurrent_bias.value() if num_biases == 2 else z

    terms: list[Term] = [MatrixTerm(cell.kernel), *([bias] if num_biases else [])]
    recurrent_terms: list[Term] = [MatrixTerm(cell.recurrent_kernel)]
    recurrent_terms += [recurrent_bias] if num_biases == 2 else []
    z = tf.unstack(record(times_kernel, inputs, terms), axis=1)
    zero = tf.zeros((tf.shape(inputs)[0], layer.units), z[0].dtype)
    states, outputs = [zero] * num_states, []
    for one in z[::-1] if layer.go_backwards else z:
        recurrent = record(times_recurrent_kernel, states[0], recurrent_terms)
        h, states = step(one, recurrent, states)
        outputs.append(h)
    return tf.stack(outputs, axis=1) if layer.return_sequences else outputs[-1]


def _is_plain(layer):
    cell = layer.cell
    return not (
        layer.stateful or layer.return_state or cell.dropout or cell.recurrent_dropout
    )


class _BiasOf(BiasTerm):
    """A bias, or one row of a bias that has two."""

    def __init__(self, variable, row):
        super().__init__(variable)
        self._row = row
        self._is_row = variable is not None and len(variable.shape) == 2

    def value(self):
        bias = keras.ops.convert_to_tensor(self.variable)
        return bias[self._row] if self._is_row else bias

    def gradient(self, inputs, gradients):
        if not self._is_row:
            return super().gradient(inputs, gradients)
        axes = list(range(1, gradients.shape.rank - 1))
        row = tf.reduce_sum(gradients, axes)
        rows = [tf.zeros_like(row)] * 2
        rows[self._row] = row
        return tf.stack(rows, axis=1)
