"""Which layer of a model did what the row probe has found."""

import numpy as np

from keras_dpgan import _keras_internals
from keras_dpgan.privacy.repeatable_runs import variables_of


def layers_with_losses(model):
    """The innermost layers that have added a loss."""
    found = [layer for layer in _keras_internals.all_layers(model) if layer.losses]
    return [
        layer
        for layer in found
        if not any(
            inner in found
            for inner in _keras_internals.all_layers(layer)
            if inner is not layer
        )
    ]


def layers_whose_state_differs(model, state, other_state):
    """The innermost layers that own a variable of another value."""
    differing = {
        id(variable)
        for variable, a, b in zip(variables_of(model), state, other_state, strict=True)
        if not np.array_equal(a, b, equal_nan=True)
    }
    owners = {}
    for layer in _keras_internals.all_layers(model):  # The innermost come last.
        for variable in (*layer.variables, *layer.metrics_variables):
            if id(variable) in differing:
                owners[id(variable)] = layer
    return list(owners.values())


def first_mixing_layer(model, outputs, changed_outputs, others, tolerance):
    """The first layer whose outputs for the other rows differ, or the model.

    Args:
        model: A `keras.Model`.
        outputs: What `layer_outputs` gave.
        changed_outputs: The same after one row was changed.
        others: List of ints, the rows that were not.
        tolerance: Float, see `agree`.
    """
    num_rows = len(others) + 1
    pairs = zip(outputs, changed_outputs, strict=False)
    for (layer, first), (_, changed) in pairs:
        # What has no rows, or other ones, cannot be compared.
        if first.shape != changed.shape or first.shape[:1] != (num_rows,):
            continue
        if not agree([first[others]], [changed[others]], tolerance):
            return layer
    return model


def agree(arrays, others, tolerance):
    """Whether arrays are equal, up to a share of their largest number."""
    return all(
        np.allclose(a, b, rtol=0, atol=tolerance * _largest(a), equal_nan=True)
        for a, b in zip(arrays, others, strict=True)
    )


def _largest(array):
    return np.max(np.abs(array), initial=0.0, where=np.isfinite(array))
