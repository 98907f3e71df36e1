"""The ghost engine on whole models, and what it must never get wrong."""

import keras
import numpy as np
import pytest
import single_records
import tensorflow as tf
from hypothesis import Phase
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from single_records import warning_that

from keras_dpgan.clipping import ghost
from keras_dpgan.losses.gradient_penalty import GradientPenalty

layers = keras.layers
IMAGE = (6, 6, 2)
PENALTY = GradientPenalty(3.0)
# Each smaller example would be traced anew, for minutes.
NO_SHRINKING = (Phase.explicit, Phase.reuse, Phase.generate)


def randomize(model, seed=0):
    rng = np.random.default_rng(seed)
    for variable in model.trainable_variables:
        variable.assign(rng.normal(scale=0.4, size=variable.shape))
    return model


def convolutional(dtype="float64", activation="tanh"):
    return randomize(
        keras.Sequential(
            [
                keras.Input(IMAGE, dtype=keras.DTypePolicy(dtype).compute_dtype),
                layers.Conv2D(
                    5, 3, 2, padding="same", activation=activation, dtype=dtype
                ),
                layers.Conv2D(12, 3, dtype=dtype),
                layers.LeakyReLU(dtype=dtype),
                layers.Flatten(dtype=dtype),
                layers.Dense(4, activation=activation, dtype=dtype),
                layers.Dense(1, dtype=dtype),
            ]
        )
    )


def check(model, shape=IMAGE, penalty=PENALTY, dtype="float64", rtol=1e-9):
    return single_records.check_engine(
        ghost,
        single_records.wasserstein(model, penalty),
        model.trainable_variables,
        single_records.make_records(4, shape, dtype),
        rtol,
    )


@pytest.mark.parametrize("activation", ["tanh", "silu", "gelu", "relu"])
@pytest.mark.parametrize("penalty", [None, PENALTY, GradientPenalty(2.0, on="both")])
def test_equals_a_loop_over_single_records(activation, penalty):
    check(convolutional(activation=activation), penalty=penalty)


@pytest.mark.parametrize("penalty", [None, PENALTY])
def test_stays_just_below_the_clip_in_single_precision(penalty):
    check(convolutional("float32"), penalty=penalty, dtype="float32", rtol=1e-4)


def test_is_the_same_run_eagerly():
    model = convolutional()
    loss_fn = single_records.wasserstein(model, PENALTY)
    records = single_records.make_records(4, IMAGE, "float64")
    variables = model.trainable_variables
    eager = ghost(loss_fn, variables, records, 1.0)
    traced = tf.function(lambda: ghost(loss_fn, variables, records, 1.0))()
    for a, b in zip(eager.sums, traced.sums, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


def test_a_shared_layer_counts_all_its_calls():
    shared = layers.Dense(6, activation="silu", dtype="float64")
    inputs = keras.Input((6,), dtype="float64")
    hidden = shared(shared(inputs)) + inputs
    model = keras.Model(inputs, layers.Dense(1, dtype="float64")(shared(hidden)))
    check(randomize(model), (6,))


def test_a_shared_convolution_counts_its_calls_on_other_sizes():
    shared = layers.Conv2D(2, 3, strides=2, padding="same", dtype="float64")
    inputs = keras.Input((8, 8, 2), dtype="float64")
    hidden = layers.Flatten(dtype="float64")(shared(shared(inputs)))
    model = keras.Model(inputs, layers.Dense(1, dtype="float64")(hidden))
    check(randomize(model), (8, 8, 2))


class Subclassed(keras.Model):
    """Nested models, a residual path and a layer list."""

    def __init__(self):
        super().__init__(dtype="float64")
        self.stem = keras.Sequential(
            [layers.Conv2D(3, 3, activation="tanh", dtype="float64")], name="stem"
        )
        self.blocks = [layers.Dense(3, dtype="float64") for _ in range(2)]
        self.norm = layers.LayerNormalization(dtype="float64")
        self.pool = layers.GlobalAveragePooling2D(dtype="float64")
        self.head = layers.Dense(1, dtype="float64")

    def call(self, inputs):
        x = self.stem(inputs)
        for block in self.blocks:
            x = x + keras.ops.tanh(block(self.norm(x)))
        return self.head(self.pool(x))


def test_a_subclassed_model_with_nested_models():
    model = Subclassed()
    model(tf.zeros((1, *IMAGE), tf.float64))
    check(randomize(model))


def test_several_inputs_and_outputs():
    images = keras.Input(IMAGE, dtype="float64")
    vectors = keras.Input((3,), dtype="float64")
    hidden = layers.Flatten(dtype="float64")(images)
    hidden = layers.Concatenate(dtype="float64")([hidden, vectors])
    hidden = layers.Dense(5, activation="tanh", dtype="float64")(hidden)
    outputs = [layers.Dense(1, dtype="float64")(hidden) for _ in range(3)]
    model = randomize(keras.Model([images, vectors], outputs))
    rng = np.random.default_rng(0)
    records = {
        "images": tf.constant(rng.normal(size=(4, *IMAGE))),
        "vectors": tf.constant(rng.normal(size=(4, 3))),
    }

    def loss_fn(batch):
        # The third output is not used: its weights have no gradient.
        first, second, _ = model([batch["images"], batch["vectors"]])
        return first[:, 0] * tf.tanh(second[:, 0])

    single_records.check_engine(
        ghost, loss_fn, model.trainable_variables, records, 1e-9
    )


def test_attention_is_recorded_by_its_inner_layers():
    inputs = keras.Input((4, 6), dtype="float64")
    hidden = layers.MultiHeadAttention(2, 3, dtype="float64")(inputs, inputs)
    hidden = layers.Flatten(dtype="float64")(hidden + inputs)
    model = keras.Model(inputs, layers.Dense(1, dtype="float64")(hidden))
    check(randomize(model), (4, 6))


def test_a_recurrent_layer_without_a_rule_is_differentiated_alone():
    inputs = keras.Input((4, 3), dtype="float64")
    masked = layers.Masking(dtype="float64")(inputs)
    hidden = layers.GRU(3, dtype="float64")(masked)
    model = keras.Model(inputs, layers.Dense(1, dtype="float64")(hidden))
    with warning_that("Gradients of layer 'gru"):
        check(randomize(model), (4, 3), penalty=None)


def test_frozen_weights_are_left_out():
    model = convolutional()
    model.layers[0].trainable = False
    model.layers[1].bias.trainable = False
    assert len(check(model).sums) == 5


def test_random_layers_are_the_same_in_norm_and_sum():
    model = keras.Sequential(
        [keras.Input((8,)), layers.Dense(16), layers.Dropout(0.5), layers.Dense(1)]
    )
    records = {"x": tf.random.normal((6, 8), seed=0)}
    variables = randomize(model).trainable_variables

    def loss_fn(batch):
        return 100.0 * model(batch["x"], training=True)[:, 0]

    for i in range(6):
        one = {"x": records["x"][i : i + 1]}
        norm = np.sqrt(
            sum(np.sum(np.square(s)) for s in ghost(loss_fn, variables, one, 1.0).sums)
        )
        assert 1.0 - 1e-4 <= norm <= 1.0


def test_no_records_give_zero_sums():
    model = convolutional()
    empty = single_records.make_records(0, IMAGE, "float64")
    loss_fn = single_records.wasserstein(model, PENALTY)

    @tf.function(reduce_retracing=True)
    def engine(records):
        return ghost(loss_fn, model.trainable_variables, records, 1.0)

    clipped = engine(empty)
    assert all(not np.any(s) for s in clipped.sums)
    assert int(clipped.num_records) == int(clipped.num_unclipped) == 0


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e300])
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_a_record_that_is_not_finite_leaves_the_others_as_they_are(bad, activation):
    model = convolutional(activation=activation)
    loss_fn = single_records.wasserstein(model, PENALTY)
    records = single_records.make_records(4, IMAGE, "float64")
    hostile = records["real"].numpy()
    hostile[2, 1:3, 1:3] = bad
    spoiled = ghost(
        loss_fn,
        model.trainable_variables,
        {**records, "real": tf.constant(hostile)},
        1.0,
    )
    others = tf.nest.map_structure(lambda t: tf.gather(t, [0, 1, 3]), records)
    without = ghost(loss_fn, model.trainable_variables, others, 1.0)
    if bad == 1e300 and activation == "tanh":
        assert all(np.all(np.isfinite(s)) for s in spoiled.sums)
        return
    for a, b in zip(spoiled.sums, without.sums, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


def test_masked_records_count_as_absent_even_if_not_finite():
    model = convolutional()
    loss_fn = single_records.wasserstein(model, PENALTY)
    records = single_records.make_records(5, IMAGE, "float64")
    spoiled = records["real"].numpy()
    spoiled[1] = np.nan
    with_nan = {**records, "real": tf.constant(spoiled)}
    mask = tf.constant([True, False, True, True, False])
    masked = ghost(loss_fn, model.trainable_variables, with_nan, 1.0, mask)
    chosen = tf.nest.map_structure(lambda t: tf.gather(t, [0, 2, 3]), records)
    expected = ghost(loss_fn, model.trainable_variables, chosen, 1.0)
    for a, b in zip(masked.sums, expected.sums, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)
    assert int(masked.num_records) == 3


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_layers_give_single_precision_sums_below_the_clip(policy):
    model = convolutional(policy)
    loss_fn = single_records.wasserstein(model, PENALTY)
    records = single_records.make_records(3, IMAGE)
    for i in range(3):
        one = tf.nest.map_structure(lambda t, i=i: t[i : i + 1], records)
        clipped = ghost(loss_fn, model.trainable_variables, one, 0.5)
        assert all(s.dtype == tf.float32 for s in clipped.sums)
        norm = np.sqrt(sum(np.sum(np.square(s)) for s in clipped.sums))
        # The norm and the sum are each computed from the same rounded tensors.
        assert 0.5 * (1 - 1e-3) <= norm <= 0.5


def image_layer(draw, dtype="float64"):
    # Normalized over one or two channels, gradients are differences of rounding.
    filters = draw(st.integers(3, 6))
    kernel = draw(st.integers(1, 3))
    activation = draw(st.sampled_from(["linear", "tanh", "silu", "relu"]))
    common = {"padding": "same", "activation": activation, "dtype": dtype}
    strides = draw(st.integers(1, 2))
    kind = draw(st.integers(0, 9))
    return [
        lambda: layers.Conv2D(filters, kernel, strides, **common),
        lambda: layers.Conv2DTranspose(filters, kernel, strides, **common),
        lambda: layers.DepthwiseConv2D(kernel, strides, **common),
        lambda: layers.SeparableConv2D(filters, kernel, strides, **common),
        lambda: layers.Dense(filters, activation=activation, dtype=dtype),
        lambda: layers.LayerNormalization(dtype=dtype),
        lambda: layers.GroupNormalization(groups=1, dtype=dtype),
        lambda: layers.RMSNormalization(dtype=dtype),
        lambda: layers.PReLU(dtype=dtype),
        lambda: layers.AveragePooling2D(2, padding="same", dtype=dtype),
    ][kind]()


def check_composition(draw, dtype="float64"):
    """One to four random layers, each of them shared or not."""
    inputs = x = keras.Input((5, 4, 3), dtype=dtype)
    for _ in range(draw(st.integers(1, 4))):
        layer = image_layer(draw)
        y = layer(x)
        if draw(st.booleans()) and y.shape == x.shape:
            y = layer(y) + x
        x = y
    x = layers.Activation("tanh", dtype=dtype)(layers.Flatten(dtype=dtype)(x))
    model = randomize(keras.Model(inputs, layers.Dense(1, dtype=dtype)(x)))
    check(model, (5, 4, 3), draw(st.sampled_from([None, PENALTY])))


@settings(max_examples=8, deadline=None, phases=NO_SHRINKING)
@given(data=st.data())
def test_random_compositions_equal_a_loop_over_single_records(data):
    check_composition(data.draw)


@pytest.mark.slow
@settings(max_examples=150, deadline=None, phases=NO_SHRINKING)
@given(data=st.data())
def test_many_random_compositions_equal_a_loop_over_single_records(data):
    check_composition(data.draw)
