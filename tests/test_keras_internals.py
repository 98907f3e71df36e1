"""Each private name of Keras that is used, on the installed Keras."""

import keras

from keras_dpgan import _keras_internals


def nested_model():
    inner = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)], name="inner")
    inputs = keras.Input((3,))
    hidden = inner(inputs)
    outputs = keras.layers.Dense(4, activation="tanh")(hidden)
    return keras.Model(inputs, keras.layers.Reshape((2, 2))(outputs))


def test_the_last_activation_is_read_through_layers_that_reshape():
    assert _keras_internals.last_activation(nested_model()) == "tanh"
    inner = nested_model().get_layer("inner")
    assert _keras_internals.last_activation(inner) == "linear"


def test_all_layers_are_found_in_nested_models():
    layers = _keras_internals.all_layers(nested_model())
    assert sum(isinstance(layer, keras.layers.Dense) for layer in layers) == 2


def test_own_variables_are_those_of_the_layer_alone():
    model = nested_model()
    assert not _keras_internals.own_variables(model)
    dense = model.get_layer("inner").layers[-1]
    assert len(_keras_internals.own_variables(dense)) == 2


def test_random_state_is_told_from_weights():
    dropout = keras.layers.Dropout(0.5)
    dropout.build((None, 3))
    assert _keras_internals.has_random_state(dropout)
    assert not _keras_internals.has_random_state(keras.layers.Flatten())
