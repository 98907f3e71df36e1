"""How recurrent layers use their weights: their loops, unrolled.

A rule holds for a layer of a known and short length without dropout or initial state.
Any other goes record by record (`layer_rules.per_record_gradients`).
"""

import keras
import tensorflow as tf

from keras_dpgan.clipping.layer_rules import register_layer_rule
from keras_dpgan.clipping.terms import BiasTerm
from keras_dpgan.clipping.terms import MatrixTerm

# Each step is traced by itself.
_MOST_STEPS = 40


@register_layer_rule(keras.layers.SimpleRNN)
def simple_rnn(layer, inputs, record):
    def step(z, recurrent, states):
        h = layer.cell.activation(_sum(z, recurrent(states[0])))
        return h, [h]

    return _unrolled(layer, inputs, record, step, num_states=1)


@register_layer_rule(keras.layers.LSTM)
def lstm(layer, inputs, record):
    cell, units = layer.cell, layer.units

    def step(z, recurrent, states):
        h, c = states
        z = _sum(z, recurrent(h))
        z_if, z_g, z_o = tf.split(z, [2 * units, units, units], axis=1)
        i, f = _gates(cell, z_if)
        c = _sum(f * c, i * cell.activation(z_g))
        h = cell.recurrent_activation(z_o) * cell.activation(c)
        return h, [h, c]

    return _unrolled(layer, inputs, record, step, num_states=2)


@register_layer_rule(keras.layers.GRU)
def gru(layer, inputs, record):
    cell, units = layer.cell, layer.units

    def step(z, recurrent, states):
        (h,) = states
        x_gates, x_h = tf.split(z, [2 * units, units], axis=1)
        if cell.reset_after:
            h_gates, h_h = tf.split(recurrent(h), [2 * units, units], axis=1)
            update, reset = _gates(cell, _sum(x_gates, h_gates))
            h_h = reset * h_h
        else:
            h_gates = recurrent(h, 0, 2 * units)
            update, reset = _gates(cell, _sum(x_gates, h_gates))
            h_h = recurrent(reset * h, 2 * units, 3 * units)
        new = cell.activation(_sum(x_h, h_h))
        h = _sum(new, update * (h - new))
        return h, [h]

    return _unrolled(layer, inputs, record, step, num_states=1)


def _sum(x, y):
    """The sum of two tensors of one shape.

    The gradient of `x + y` asks at run time which of them was broadcast: ten
    operations more at each step, and again in the gradient of a penalty.
    """
    return tf.add_n([x, y])


def _gates(cell, z):
    """The two gates whose inputs are the halves of `z`."""
    if cell.recurrent_activation is keras.activations.sigmoid:
        return tf.split(tf.sigmoid(z), 2, axis=1)
    # It may not work on each number by itself.
    return [cell.recurrent_activation(half) for half in tf.split(z, 2, axis=1)]


def _unrolled(layer, inputs, record, step, num_states):
    """Runs a layer's loop, step by step.

    Args:
        layer: A `keras.layers.RNN`.
        inputs: Tensor of shape `(rows, steps, features)`.
        record: As a rule gets it.
        step: A function of a step's inputs times the kernel, of the function that
            multiplies by the recurrent kernel or some columns of it, and of the
            states, of which the first is the last outputs. It returns outputs and new
            states.
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

    columns = {}

    def recurrent(h, start=0, stop=cell.recurrent_kernel.shape[1]):
        # One term for all steps, which shows that they can be worked on together.
        if (start, stop) not in columns:
            columns[start, stop] = _ColumnsOf(cell.recurrent_kernel, start, stop)
        matrix = columns[start, stop]

        def product(h):
            z = keras.ops.matmul(h, matrix.value())
            return tf.nn.bias_add(z, recurrent_bias.value()) if num_biases == 2 else z

        return record(product, h, [matrix, *([recurrent_bias] * (num_biases == 2))])

    terms = [MatrixTerm(cell.kernel), *([bias] if num_biases else [])]
    z = tf.unstack(record(times_kernel, inputs, terms), axis=1)
    zero = tf.zeros((tf.shape(inputs)[0], layer.units), z[0].dtype)
    states, outputs = [zero] * num_states, []
    for one in z[::-1] if layer.go_backwards else z:
        h, states = step(one, recurrent, states)
        outputs.append(h)
    return tf.stack(outputs, axis=1) if layer.return_sequences else outputs[-1]


def _is_plain(layer):
    cell = layer.cell
    return not (
        layer.stateful or layer.return_state or cell.dropout or cell.recurrent_dropout
    )


class _ColumnsOf(MatrixTerm):
    """Some columns of a matrix that multiplies the last axis."""

    is_of_steps = True

    def __init__(self, variable, start, stop):
        super().__init__(variable)
        self._start, self._stop = start, stop

    def value(self):
        matrix = keras.ops.convert_to_tensor(self.variable)
        is_whole = (self._start, self._stop) == (0, matrix.shape[1])
        return matrix if is_whole else matrix[:, self._start : self._stop]

    def right(self, inputs, gradients):
        others = [self._start, self.variable.shape[1] - self._stop]
        none = [[0, 0]] * (gradients.shape.rank - 1)
        return super().right(inputs, tf.pad(gradients, [*none, others]))

    def sizes(self, inputs, gradients):
        return super().sizes(inputs, self.variable.shape)


class _BiasOf(BiasTerm):
    """A bias, or one row of a bias that has two."""

    is_of_steps = True

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
