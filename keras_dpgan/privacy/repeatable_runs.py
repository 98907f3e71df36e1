"""Runs of a model that can be repeated and that do not change the model."""

import contextlib
import functools

import numpy as np
import tensorflow as tf

from keras_dpgan._utils import keras_internals
from keras_dpgan._utils.keras_internals import replaced_seeds


@contextlib.contextmanager
def repeatable(model):
    """A scope that fixes the layers' random numbers and restores variables."""
    with _fixed_seeds(), restored(model):
        yield


def variables_of(model):
    """Every variable of a model and its layers, metrics included, once."""
    layers = keras_internals.all_layers(model)
    variables = [
        v for layer in layers for v in (*layer.variables, *layer.metrics_variables)
    ]
    return list({id(v): v for v in variables}.values())


def layer_outputs(model, inputs, training):
    """Runs a model once and keeps the output of each layer inside it.

    Args:
        model: A `keras.Model`.
        inputs: The inputs of the model.
        training: Bool.

    Returns:
        List of pairs of a layer and a float64 array, in the order of computation.
    """
    made: list = []
    layers = keras_internals.all_layers(model)[1:]
    with repeatable(model), contextlib.ExitStack() as stack:
        for layer in layers:
            stack.enter_context(_recorded(layer, made))
        model(inputs, training=training)
    return made


@contextlib.contextmanager
def _recorded(layer, made):
    """Appends the results of a layer's calls to `made`."""
    call = layer.call

    @functools.wraps(call)
    def call_and_record(*args, **kwargs):
        outputs = call(*args, **kwargs)
        for tensor in tf.nest.flatten(outputs):
            if tf.is_tensor(tensor) and tensor.dtype.is_floating:
                made.append((layer, tf.cast(tensor, tf.float64).numpy()))
        return outputs

    layer.call = call_and_record
    try:
        yield
    finally:
        del layer.call


@contextlib.contextmanager
def restored(model):
    """Restores the values of a model's variables at the end of the scope."""
    variables = variables_of(model)
    values = [v.numpy() for v in variables]
    try:
        yield
    finally:
        for variable, value in zip(variables, values, strict=True):
            if not np.array_equal(variable.numpy(), value):
                variable.assign(value)


def _fixed_seeds():
    """Lets layers draw the same random numbers in each run of the probe."""
    return replaced_seeds(lambda number: tf.constant([0, number]))
