"""Every layer rule against a loop over single records."""

import keras
import numpy as np
import pytest
import single_records
import tensorflow as tf
from single_records import warning_that

from keras_dpgan.clipping import ghost
from keras_dpgan.clipping import register_layer_rule
from keras_dpgan.clipping.terms import ScaleTerm
from keras_dpgan.losses.gradient_penalty import GradientPenalty
from keras_dpgan.models import OneHotLabels

layers = keras.layers
IMAGE, SEQUENCE, VOLUME = (6, 5, 4), (7, 4), (4, 3, 4, 2)

LAYERS = {
    "dense": (IMAGE, lambda d: layers.Dense(3, activation="tanh", dtype=d)),
    "dense, no bias": (SEQUENCE, lambda d: layers.Dense(3, use_bias=False, dtype=d)),
    "dense on vectors": ((5,), lambda d: layers.Dense(40, dtype=d)),
    "einsum": (
        SEQUENCE,
        lambda d: layers.EinsumDense(
            "abc,cde->abde", (7, 2, 3), bias_axes="de", dtype=d
        ),
    ),
    "einsum, ellipsis": (
        IMAGE,
        lambda d: layers.EinsumDense("...x,xy->...y", 3, bias_axes="y", dtype=d),
    ),
    "einsum, weights per position": (
        SEQUENCE,
        lambda d: layers.EinsumDense("abc,bcd->abd", (7, 3), bias_axes="bd", dtype=d),
    ),
    "einsum over positions": (
        SEQUENCE,
        lambda d: layers.EinsumDense("abc,bd->adc", (3, 4), bias_axes="d", dtype=d),
    ),
    "conv1d": (SEQUENCE, lambda d: layers.Conv1D(3, 3, strides=2, dtype=d)),
    "conv1d, causal": (
        SEQUENCE,
        lambda d: layers.Conv1D(3, 3, dilation_rate=2, padding="causal", dtype=d),
    ),
    "conv1d, same": (
        SEQUENCE,
        lambda d: layers.Conv1D(12, 4, strides=3, padding="same", dtype=d),
    ),
    "conv2d": (IMAGE, lambda d: layers.Conv2D(3, (3, 2), dtype=d)),
    "conv2d, few channels": (
        (9, 8, 1),
        lambda d: layers.Conv2D(5, 3, strides=2, padding="same", dtype=d),
    ),
    "conv2d, many channels": (
        (5, 6, 24),
        lambda d: layers.Conv2D(24, 3, strides=2, padding="same", dtype=d),
    ),
    "conv2d, strides": (
        IMAGE,
        lambda d: layers.Conv2D(3, (5, 3), strides=(2, 3), padding="same", dtype=d),
    ),
    "conv2d, dilation": (
        IMAGE,
        lambda d: layers.Conv2D(3, 2, dilation_rate=(2, 1), padding="same", dtype=d),
    ),
    "conv3d": (
        VOLUME,
        lambda d: layers.Conv3D(
            3, (3, 2, 2), strides=(2, 1, 1), padding="same", dtype=d
        ),
    ),
    "conv1d transpose": (
        SEQUENCE,
        lambda d: layers.Conv1DTranspose(3, 4, strides=2, padding="same", dtype=d),
    ),
    "conv2d transpose": (
        IMAGE,
        lambda d: layers.Conv2DTranspose(3, 3, strides=2, padding="same", dtype=d),
    ),
    "conv2d transpose, valid": (
        IMAGE,
        lambda d: layers.Conv2DTranspose(2, (2, 3), strides=(3, 1), dtype=d),
    ),
    "conv3d transpose": (
        VOLUME,
        lambda d: layers.Conv3DTranspose(2, 2, strides=2, padding="same", dtype=d),
    ),
    "depthwise1d": (
        SEQUENCE,
        lambda d: layers.DepthwiseConv1D(3, depth_multiplier=2, dtype=d),
    ),
    "depthwise2d": (
        IMAGE,
        lambda d: layers.DepthwiseConv2D(
            3, strides=2, padding="same", depth_multiplier=2, dtype=d
        ),
    ),
    "separable1d": (
        SEQUENCE,
        lambda d: layers.SeparableConv1D(3, 3, strides=2, padding="same", dtype=d),
    ),
    "separable2d": (
        IMAGE,
        lambda d: layers.SeparableConv2D(
            3, 3, depth_multiplier=2, padding="same", activation="tanh", dtype=d
        ),
    ),
    "layer normalization": (IMAGE, lambda d: layers.LayerNormalization(dtype=d)),
    "layer normalization, two axes": (
        IMAGE,
        lambda d: layers.LayerNormalization(axis=[1, 3], dtype=d),
    ),
    "layer normalization, no offset": (
        IMAGE,
        lambda d: layers.LayerNormalization(center=False, dtype=d),
    ),
    "group normalization": (
        IMAGE,
        lambda d: layers.GroupNormalization(groups=2, dtype=d),
    ),
    "group normalization, no scale": (
        IMAGE,
        lambda d: layers.GroupNormalization(groups=2, scale=False, dtype=d),
    ),
    "rms normalization": (IMAGE, lambda d: layers.RMSNormalization(dtype=d)),
    "prelu": (IMAGE, lambda d: layers.PReLU(dtype=d)),
    "prelu, shared": (IMAGE, lambda d: layers.PReLU(shared_axes=[1, 2], dtype=d)),
    "dense with prelu": (
        IMAGE,
        lambda d: layers.Dense(3, activation=layers.PReLU(dtype=d), dtype=d),
    ),
}


def randomize(model, seed=0):
    rng = np.random.default_rng(seed)
    for variable in model.trainable_variables:
        variable.assign(rng.normal(scale=0.4, size=variable.shape) + 0.1)


def discriminator_with(layer, shape, dtype):
    inputs = keras.Input(shape, dtype=dtype)
    hidden = layer(layers.Activation("tanh", dtype=dtype)(inputs))
    hidden = layers.Activation("tanh", dtype=dtype)(layers.Flatten(dtype=dtype)(hidden))
    model = keras.Model(inputs, layers.Dense(1, dtype=dtype)(hidden))
    randomize(model)
    return model


def check(name, dtype, penalty, rtol):
    shape, make = LAYERS[name]
    model = discriminator_with(make(dtype), shape, dtype)
    single_records.check_engine(
        ghost,
        single_records.wasserstein(model, penalty),
        model.trainable_variables,
        single_records.make_records(3, shape, dtype),
        rtol,
    )


@pytest.mark.parametrize("penalty", [None, GradientPenalty(3.0)], ids=["", "penalty"])
@pytest.mark.parametrize("name", LAYERS)
def test_rule_equals_a_loop_over_single_records(name, penalty):
    check(name, "float64", penalty, 1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("name", LAYERS)
def test_rule_stays_just_below_the_clip_in_single_precision(name):
    check(name, "float32", GradientPenalty(3.0), 1e-4)


# TensorFlow compiles a grouped convolution anew for each batch size on a CPU.
def test_grouped_convolution_equals_a_loop_over_single_records():
    layer = layers.Conv2D(6, 3, groups=2, padding="same", dtype="float64")
    model = discriminator_with(layer, (4, 3, 4), "float64")
    single_records.check_engine(
        ghost,
        single_records.wasserstein(model, None),
        model.trainable_variables,
        single_records.make_records(3, (4, 3, 4), "float64"),
        1e-9,
    )


@pytest.mark.parametrize("table_size", [6, 400])
def test_embedding_equals_a_loop_over_single_records(table_size):
    tokens = keras.Input((5,), dtype="int32")
    hidden = layers.Embedding(table_size, 3, dtype="float64")(tokens)
    hidden = layers.Dense(4, activation="tanh", dtype="float64")(hidden)
    hidden = layers.Flatten(dtype="float64")(hidden)
    model = keras.Model(tokens, layers.Dense(1, dtype="float64")(hidden))
    randomize(model)
    rng = np.random.default_rng(0)
    records = {"tokens": tf.constant(rng.integers(0, 6, (4, 5)), tf.int32)}
    single_records.check_engine(
        ghost,
        lambda batch: tf.square(model(batch["tokens"])[:, 0]),
        model.trainable_variables,
        records,
        1e-9,
    )


def test_labels_through_a_one_hot_layer_equal_a_loop_over_single_records():
    rows = keras.Input((4,), dtype="float64")
    labels = keras.Input((), dtype="int32")
    one_hot = OneHotLabels(3, dtype="float64")(labels)
    hidden = layers.Concatenate(dtype="float64")([rows, one_hot])
    hidden = layers.Dense(5, activation="silu", dtype="float64")(hidden)
    model = keras.Model([rows, labels], layers.Dense(1, dtype="float64")(hidden))
    randomize(model)
    records = single_records.make_records(4, (4,), "float64")
    records["labels"] = tf.constant([0, 2, 1, 2])
    single_records.check_engine(
        ghost,
        single_records.wasserstein(model, GradientPenalty(3.0)),
        model.trainable_variables,
        records,
        1e-9,
    )


@keras.saving.register_keras_serializable(package="tests")
class Gain(keras.layers.Layer):
    def build(self, input_shape):
        self.gain = self.add_weight(shape=input_shape[-1:], name="gain")

    def call(self, inputs):
        return inputs * self.gain


class GainWithARule(Gain):
    pass


class GainWithABrokenRule(Gain):
    pass


@register_layer_rule(GainWithARule)
def gain(layer, inputs, record):
    return record(lambda x: x * layer.gain, inputs, [ScaleTerm(layer.gain)])


class _HalfOfIt(ScaleTerm):
    def gradient(self, inputs, gradients):
        return super().gradient(inputs, gradients) / 2


@register_layer_rule(GainWithABrokenRule)
def broken_gain(layer, inputs, record):
    return record(lambda x: x * layer.gain, inputs, [_HalfOfIt(layer.gain)])


def check_gain(layer_class):
    model = discriminator_with(layer_class(dtype="float64"), SEQUENCE, "float64")
    single_records.check_engine(
        ghost,
        single_records.wasserstein(model, GradientPenalty(3.0)),
        model.trainable_variables,
        single_records.make_records(3, SEQUENCE, "float64"),
        1e-9,
    )


def test_a_registered_rule_is_used_and_exact():
    check_gain(GainWithARule)


def test_a_broken_rule_is_seen_by_the_comparison():
    with pytest.raises(AssertionError):
        check_gain(GainWithABrokenRule)


def test_a_layer_without_a_rule_is_differentiated_alone_and_said_so():
    with warning_that("Gradients of layer 'gain"):
        check_gain(Gain)


def test_a_rule_does_not_hold_for_a_subclass():
    class Doubling(layers.Dense):
        def call(self, inputs):
            return super().call(2.0 * inputs)

    model = discriminator_with(Doubling(3, dtype="float64"), SEQUENCE, "float64")
    with warning_that("Gradients of layer 'doubling"):
        single_records.check_engine(
            ghost,
            single_records.wasserstein(model, GradientPenalty(3.0)),
            model.trainable_variables,
            single_records.make_records(3, SEQUENCE, "float64"),
            1e-9,
        )
