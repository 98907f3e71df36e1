"""Finds the layer that caused a finding of the row probe."""

import re

import numpy as np

from keras_dpgan._utils import keras_internals
from keras_dpgan.privacy.repeatable_runs import variables_of


def layers_with_losses(model):
    """The innermost layers that have added a loss."""
    found = [layer for layer in keras_internals.all_layers(model) if layer.losses]
    return [
        layer
        for layer in found
        if not any(
            inner in found
            for inner in keras_internals.all_layers(layer)
            if inner is not layer
        )
    ]


def layers_whose_state_differs(model, state, other_state):
    """The innermost layers that own a variable whose value differs."""
    differing = {
        id(variable)
        for variable, a, b in zip(variables_of(model), state, other_state, strict=True)
        if not np.array_equal(a, b, equal_nan=True)
    }
    owners = {}
    for layer in keras_internals.all_layers(model):  # The innermost come last.
        for variable in (*layer.variables, *layer.metrics_variables):
            if id(variable) in differing:
                owners[id(variable)] = layer
    return list(owners.values())


def first_mixing_layer(model, outputs, other_outputs, rows, other_rows, tolerance):
    """The first layer whose outputs for the same rows differ, or the model.

    Args:
        model: A `keras.Model`.
        outputs: The result of `layer_outputs` for one batch.
        other_outputs: The same for another batch.
        rows: List of ints, the rows of the first batch that are in the other, too.
        other_rows: List of ints, the places of these rows in the other batch.
        tolerance: Float, see `agree`.
    """
    for (layer, first), (_, other) in zip(outputs, other_outputs, strict=False):
        # Outputs without rows, or with too few of them, cannot be compared.
        if first.shape[1:] != other.shape[1:] or first.ndim == 0:
            continue
        if len(first) <= max(rows) or len(other) <= max(other_rows):
            continue
        if not agree([first[rows]], [other[other_rows]], tolerance):
            return layer
    return model


def layer_of_operation(model, name):
    """The innermost layer whose call has made an operation, or the model.

    Args:
        model: A `keras.Model`.
        name: String, the operation's name, which consists of scopes and slashes.
    """
    scopes = name.split("/")
    found = model
    for layer in keras_internals.all_layers(model):
        # If a scope is entered again, its name gets a number at the end.
        if any(re.fullmatch(re.escape(layer.name) + r"(_\d+)?", s) for s in scopes):
            found = layer
    return found


def agree(arrays, others, tolerance):
    """Whether arrays are equal, up to a share of their largest number."""
    return all(
        np.allclose(a, b, rtol=0, atol=tolerance * _largest(a), equal_nan=True)
        for a, b in zip(arrays, others, strict=True)
    )


def _largest(array):
    return np.max(np.abs(array), initial=0.0, where=np.isfinite(array))
