"""A use of a weight that no rule has recorded is never overlooked."""

import threading

import keras
import numpy as np
import pytest
import single_records
import tensorflow as tf
from single_records import warning_that

from keras_dpgan.clipping import ghost
from keras_dpgan.clipping import recording
from keras_dpgan.clipping.recording import InputGradientTape
from keras_dpgan.losses.gradient_penalty import GradientPenalty

layers = keras.layers
SHAPE = (4, 6)
PENALTY = GradientPenalty(3.0)


def randomize(model, seed=0):
    rng = np.random.default_rng(seed)
    for variable in model.trainable_variables:
        variable.assign(rng.normal(scale=0.4, size=variable.shape))
    return model


def dense(units, **arguments):
    return layers.Dense(units, dtype="float64", **arguments)


def check(model, loss_fn=None, records=None):
    """Compares with the loop, whatever the engine falls back to."""
    single_records.check_engine(
        ghost,
        loss_fn or single_records.wasserstein(model, None),
        model.trainable_variables,
        records or single_records.make_records(4, SHAPE, "float64"),
        1e-9,
    )


def check_falls_back(model, reason, loss_fn=None, records=None):
    with warning_that("Gradients are computed record by record"):
        check(model, loss_fn, records)
    with warning_that("") as caught:
        ghost(
            loss_fn or single_records.wasserstein(model, None),
            model.trainable_variables,
            records or single_records.make_records(2, SHAPE, "float64"),
            1.0,
        )
    assert any(reason in str(w.message) for w in caught)


class Model(keras.Model):
    """A subclassed model that is built on `SHAPE`."""

    def __init__(self):
        super().__init__(dtype="float64")
        self.hidden = dense(6, activation="tanh")
        self.head = dense(1)
        self(tf.zeros((2, *SHAPE), tf.float64))
        randomize(self)

    def call(self, inputs):
        x = self.mixed(inputs)
        return self.head(keras.ops.mean(x, axis=1))


def test_a_weight_used_directly_in_another_place():
    class Tied(Model):
        def mixed(self, x):
            x = self.hidden(x)
            return keras.ops.matmul(x, keras.ops.transpose(self.hidden.kernel))

    check_falls_back(Tied(), "used elsewhere")


def test_a_weight_used_in_a_direct_call_of_a_layers_method():
    class Direct(Model):
        def mixed(self, x):
            return self.hidden.call(self.hidden(x))

    check_falls_back(Direct(), "used elsewhere")


def test_another_axis_folded_into_the_rows():
    class Folding(Model):
        def mixed(self, x):
            x = self.hidden(keras.ops.reshape(x, (-1, 6)))
            return keras.ops.reshape(x, (-1, *SHAPE))

    check_falls_back(Folding(), "rows end to end")


def test_rows_that_belong_to_no_record():
    class Positions(Model):
        def mixed(self, x):
            positions = keras.ops.one_hot(keras.ops.arange(4), 6, dtype="float64")
            return x + self.hidden(positions)

    check_falls_back(Positions(), "rows end to end")


def test_rows_in_another_order():
    class Reversing(Model):
        def mixed(self, x):
            x = self.hidden(keras.ops.flip(x, axis=0))
            return keras.ops.flip(x, axis=0)

    check_falls_back(Reversing(), "ReverseV2")


def test_a_layer_inside_a_loop():
    class Looping(Model):
        def mixed(self, x):
            return tf.while_loop(
                lambda i, x: i < 2,
                lambda i, x: (i + 1, self.hidden(x)),
                (tf.constant(0), x),
                maximum_iterations=2,
            )[1]

    check_falls_back(Looping(), "used elsewhere")


def test_recomputed_activations():
    class Recomputing(Model):
        def mixed(self, x):
            return tf.recompute_grad(self.hidden)(x)

    check_falls_back(Recomputing(), "gradient of its own")


class Plain(Model):
    def mixed(self, x):
        return self.hidden(x)


def penalized(model, tape_class, order=1):
    """A loss with the input gradient of a given order in it."""

    def slope(x, order):
        with tape_class() as tape:
            tape.watch(x)
            if order == 1:
                total = tf.reduce_sum(model(x))
            else:
                total = tf.reduce_sum(tf.square(slope(x, order - 1)))
        return tape.gradient(total, x)

    def loss_fn(batch):
        x = batch["real"]
        return tf.reduce_sum(tf.square(slope(x, order)), [1, 2])

    return loss_fn


def test_an_input_gradient_by_a_plain_tape():
    model = Plain()
    check_falls_back(model, "another tape", penalized(model, tf.GradientTape))


def test_an_input_gradient_of_an_input_gradient():
    model = Plain()
    loss_fn = penalized(model, InputGradientTape, order=2)
    check_falls_back(model, "once more", loss_fn)


def test_two_input_gradients_are_both_followed():
    model = Plain()
    one = penalized(model, InputGradientTape)

    def loss_fn(batch):
        return one(batch) + one({**batch, "real": batch["fake"]})

    check(model, loss_fn)


def test_a_variable_that_belongs_to_no_layer():
    weight = tf.Variable(np.ones(6))
    records = single_records.make_records(3, (6,), "float64")

    def loss_fn(batch):
        return tf.square(tf.linalg.matvec(batch["real"], weight))

    with warning_that("Gradients are computed record by record"):
        single_records.check_engine(ghost, loss_fn, [weight], records, 1e-9)


def test_without_the_watch_on_input_gradients_norms_would_be_too_small(monkeypatch):
    model = Plain()
    monkeypatch.setattr(recording, "_watch", lambda tape, tensor: None)
    with pytest.raises(AssertionError):
        check(model, single_records.wasserstein(model, PENALTY))


def test_with_the_watch_they_are_exact():
    model = Plain()
    check(model, single_records.wasserstein(model, PENALTY))


def state_of(model):
    found = []
    for layer in [model, model.hidden, model.head]:
        found.append({k: id(v) for k, v in vars(layer).items() if k != "_called"})
    return found, keras.layers.Layer.__call__


def test_the_model_is_left_as_it_was():
    model = Plain()
    before = state_of(model)
    check(model)
    assert state_of(model) == before


def test_the_model_is_left_as_it_was_after_an_exception():
    model = Plain()
    before = state_of(model)

    def failing(x):
        raise RuntimeError("on purpose")

    model.hidden.activation = failing
    with (
        warning_that("Gradients are computed record by record"),
        pytest.raises(RuntimeError, match="on purpose"),
    ):
        ghost(
            single_records.wasserstein(model, None),
            model.trainable_variables,
            single_records.make_records(2, SHAPE, "float64"),
            1.0,
        )
    model.hidden.activation = keras.activations.tanh
    assert state_of(model) == before


def test_another_thread_is_not_recorded():
    model, other = Plain(), Plain()
    seen = []

    def loss_fn(batch):
        thread = threading.Thread(
            target=lambda: seen.append(other(tf.ones((2, *SHAPE), tf.float64)))
        )
        thread.start()
        thread.join()
        return single_records.wasserstein(model, None)(batch)

    check(model, loss_fn)
    assert seen


def test_each_replica_records_its_own_trace():
    strategy = tf.distribute.MirroredStrategy(["cpu:0"])
    with strategy.scope():
        model = Plain()
    records = single_records.make_records(4, SHAPE, "float64")
    loss_fn = single_records.wasserstein(model, PENALTY)

    @tf.function
    def clipped():
        run = strategy.run(
            lambda: ghost(loss_fn, model.trainable_variables, records, 1.0).sums
        )
        return strategy.experimental_local_results(run)[0]

    expected = ghost(loss_fn, model.trainable_variables, records, 1.0).sums
    for a, b in zip(clipped(), expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)
