"""Each private name of Keras that is used, on the installed Keras."""

import keras
import numpy as np
import tensorflow as tf

from keras_dpgan._utils import keras_internals


def nested_model():
    inner = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)], name="inner")
    inputs = keras.Input((3,))
    hidden = inner(inputs)
    outputs = keras.layers.Dense(4, activation="tanh")(hidden)
    return keras.Model(inputs, keras.layers.Reshape((2, 2))(outputs))


def test_the_last_activation_is_read_through_layers_that_reshape():
    assert keras_internals.last_activation(nested_model()) == "tanh"
    inner = nested_model().get_layer("inner")
    assert keras_internals.last_activation(inner) == "linear"


def test_the_calls_of_a_model_are_read_in_order():
    def names(model):
        nodes = keras_internals.nodes_in_order(model)
        return [type(operation).__name__ for operation, _, _ in nodes]

    model = nested_model()
    assert names(model) == ["InputLayer", "Sequential", "Dense", "Reshape"]
    assert names(model.get_layer("inner")) == ["InputLayer", "Dense"]
    assert keras_internals.nodes_in_order(Trainer()) is None


def test_all_layers_are_found_in_nested_models():
    layers = keras_internals.all_layers(nested_model())
    assert sum(isinstance(layer, keras.layers.Dense) for layer in layers) == 2


def test_own_variables_are_those_of_the_layer_alone():
    model = nested_model()
    assert not keras_internals.own_variables(model)
    dense = model.get_layer("inner").layers[-1]
    assert len(keras_internals.own_variables(dense)) == 2


def test_the_variables_that_an_optimizer_was_built_for_are_known():
    variables = nested_model().trainable_variables
    optimizer = keras.optimizers.Adam()
    optimizer.build(variables)
    known = keras_internals.variables_of(optimizer)
    assert [id(v) for v in known] == [id(v) for v in variables]


def test_a_model_is_looked_at_before_keras_opens_an_hdf5_file(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(
        keras_internals.legacy_h5_format,
        "save_model_to_hdf5",
        lambda model, filepath, *_: asked.append("written"),
    )
    keras_internals.check_before_hdf5(lambda model, _: asked.append(model))
    model = nested_model()
    keras.saving.save_model(model, tmp_path / "model.h5")
    assert asked == [model, "written"]


def draws_of_one_step(model_class):
    with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
        model = model_class()
        model.compile()
    batches = Batches()
    model.fit(batches, verbose=0)
    return batches.num_drawn


def test_a_built_trainer_takes_no_batch_for_its_shapes():
    # One for the types, and one to train on; under a strategy Keras asks for more.
    assert draws_of_one_step(Trainer) == 2
    assert draws_of_one_step(StockTrainer) > 2


def test_the_epoch_of_a_resumed_fit_is_read():
    model = nested_model()
    assert keras_internals.resumed_epoch(model) is None
    keras_internals.set_initial_epoch(model, 3)
    assert keras_internals.resumed_epoch(model) == 3


class Batches(keras.utils.PyDataset):
    num_drawn = 0

    def __len__(self):
        return 1

    def __getitem__(self, index):
        self.num_drawn += 1
        return (np.zeros((2, 1), np.float32),)


class StockTrainer(keras.Model):
    def call(self, inputs):
        return inputs

    def train_step(self, data):
        return {"number": tf.constant(0.0)}


class Trainer(keras_internals.BuiltTrainer, StockTrainer):
    pass
