"""Recurrent layers: rules where they hold, and the last resort where they do not."""

import keras
import numpy as np
import pytest
import single_records
import tensorflow as tf
from single_records import warning_that

from keras_dpgan.clipping import ghost
from keras_dpgan.clipping import recording
from keras_dpgan.losses.gradient_penalty import GradientPenalty

layers = keras.layers
SHAPE = (3, 4)
PENALTY = GradientPenalty(3.0)

RULED = {
    "simple": lambda: layers.SimpleRNN(3, dtype="float64"),
    "lstm": lambda: layers.LSTM(3, dtype="float64"),
    "gru": lambda: layers.GRU(3, dtype="float64", return_sequences=True),
    "backwards, no bias": lambda: layers.GRU(
        3, dtype="float64", go_backwards=True, use_bias=False
    ),
    "reset before": lambda: layers.GRU(3, dtype="float64", reset_after=False),
    "gates that mix units": lambda: layers.LSTM(
        3, dtype="float64", recurrent_activation="softmax"
    ),
    "bidirectional": lambda: layers.Bidirectional(
        layers.LSTM(2, dtype="float64", return_sequences=True), dtype="float64"
    ),
}
ALONE = {
    "masked": lambda: keras.Sequential(
        [layers.Masking(dtype="float64"), layers.LSTM(3, dtype="float64")]
    ),
}


def model_of(layer):
    model = keras.Sequential(
        [
            keras.Input(SHAPE, dtype="float64"),
            layer,
            layers.Flatten(dtype="float64"),
            layers.Dense(1, dtype="float64"),
        ]
    )
    rng = np.random.default_rng(0)
    for variable in model.trainable_variables:
        variable.assign(rng.normal(scale=0.5, size=variable.shape))
    return model


def check(model, penalty):
    single_records.check_engine(
        ghost,
        single_records.wasserstein(model, penalty),
        model.trainable_variables,
        single_records.make_records(3, SHAPE, "float64"),
        1e-9,
    )


@pytest.mark.parametrize("penalty", [None, PENALTY], ids=["plain", "penalty"])
@pytest.mark.parametrize("name", RULED)
def test_a_recurrent_rule_equals_a_loop_over_single_records(name, penalty):
    # A warning, that records are worked on one by one, would be an error.
    check(model_of(RULED[name]()), penalty)


@pytest.mark.parametrize("name", RULED)
def test_a_recurrent_rule_computes_what_the_layer_does(name):
    model = model_of(RULED[name]())
    rows = tf.constant(np.random.default_rng(1).normal(size=(5, *SHAPE)))
    expected = model(rows)
    recorders = []

    @tf.function(autograph=False)
    def recorded(rows):
        recorders.append(recording.Recorder(model.trainable_variables))
        return recorders[0].losses(model, rows, tf.zeros((2,), tf.int64))

    found = recorded(rows)
    assert {t.variable.path for u in recorders[0].uses for t in u.terms} == {
        v.path for v in model.trainable_variables
    }
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("name", ALONE)
def test_other_recurrent_layers_are_differentiated_alone(name):
    with warning_that("Gradients of layer"):
        check(model_of(ALONE[name]()), None)


@pytest.mark.slow
def test_what_cannot_be_vectorized_is_worked_on_one_by_one():
    with warning_that("Records are worked on one after another"):
        check(model_of(ALONE["masked"]()), PENALTY)
