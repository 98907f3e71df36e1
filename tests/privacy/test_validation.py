import contextlib
import time

import helpers
import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_dpgan import DPGAN
from keras_dpgan import models
from keras_dpgan.privacy import row_probe
from keras_dpgan.privacy import validation

layers = keras.layers


class MinusBatchMean(layers.Layer):
    def call(self, x):
        return x - keras.ops.mean(x, axis=0, keepdims=True)


class MinusBatchMeanInTraining(layers.Layer):
    def call(self, x, training=False):
        return x - keras.ops.mean(x, axis=0, keepdims=True) if training else x


class MixesGradients(layers.Layer):
    """Leaves outputs alone, and gives each row the mean of all gradients."""

    def call(self, x):
        @tf.custom_gradient
        def identity(t):
            return tf.identity(t), lambda g: tf.ones_like(g) * tf.reduce_mean(g, 0)

        return identity(x)


class MixesWeightGradients(layers.Layer):
    """Leaves outputs and their derivatives alone, and mixes its weight's gradient."""

    def build(self, shape):
        self.scale = self.add_weight(shape=(), initializer="ones")

    def call(self, x):
        @tf.custom_gradient
        def scaled(t, scale):
            def gradients(g):
                return scale * g, tf.reduce_sum(g) * tf.reduce_mean(t)

            return scale * t, gradients

        return scaled(x, tf.convert_to_tensor(self.scale))


class MixesRowsUnderItsOwnNoise(layers.Layer):
    """Draws from TensorFlow, so that no run equals another."""

    def call(self, x):
        return x + tf.random.normal(tf.shape(x)) + tf.reduce_sum(x, 0, keepdims=True)


class DrawsFromTensorFlow(layers.Layer):
    def call(self, x):
        return x + tf.random.normal(tf.shape(x))


class DrawsFromAGenerator(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.generator = tf.random.Generator.from_seed(1)

    def call(self, x):
        return x + self.generator.normal(tf.shape(x))


class DrawsFromNumPy(layers.Layer):
    def call(self, x):
        draw = tf.numpy_function(lambda: np.random.normal(size=5), [], tf.float64)
        return x + tf.ensure_shape(tf.cast(draw, x.dtype), (5,))


class DrawsAtAKnownSeed(layers.Layer):
    def call(self, x):
        return keras.random.dropout(x, 0.5, seed=1337)


class DividesByTheNumberOfRows(layers.Layer):
    def call(self, x):
        return x / tf.cast(tf.shape(x)[0], x.dtype)


class MeanOfMoreThanFour(layers.Layer):
    def call(self, x):
        mean = keras.ops.mean(x, axis=0, keepdims=True)
        return tf.where(tf.shape(x)[0] > 4, x - mean, x)


class CapsTheNormOfTheBatch(layers.Layer):
    def call(self, x):
        return tf.clip_by_norm(x, 30.0)


class ScalesManyRows(layers.Layer):
    def call(self, x):
        return x * tf.where(tf.shape(x)[0] > 100, 2.0, 1.0)


class KnowsTheLastRow(layers.Layer):
    def call(self, x):
        is_last = tf.range(tf.shape(x)[0]) == tf.shape(x)[0] - 1
        return x * tf.where(is_last[:, None], 3.0, 1.0)


class DrawsFromKeras(layers.Layer):
    def call(self, x):
        return x + keras.random.normal(keras.ops.shape(x))


class RunningMaximum(layers.Layer):
    def build(self, shape):
        self.seen = self.add_weight(shape=(), initializer="zeros", trainable=False)

    def call(self, x):
        self.seen.assign(keras.ops.maximum(self.seen, keras.ops.max(x)))
        return x


class CountsCalls(RunningMaximum):
    def call(self, x):
        self.seen.assign_add(1.0)
        return x


class MetricInside(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.mean = keras.metrics.Mean()

    def call(self, x):
        self.mean.update_state(x)
        return x


class BatchLoss(layers.Layer):
    def call(self, x):
        self.add_loss(keras.ops.mean(x))
        return x


def discriminator(*middle):
    return keras.Sequential(
        [keras.Input((6,)), layers.Dense(5, "tanh"), *middle, layers.Dense(1)],
        name="discriminator",
    )


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (MinusBatchMean(name="bad"), "mixes rows"),
        (MinusBatchMeanInTraining(name="bad"), "mixes rows"),
        (layers.BatchNormalization(name="bad"), "statistics over the batch"),
        (RunningMaximum(name="bad"), "stores information on the rows"),
        (MetricInside(name="bad"), "stores information on the rows"),
        (BatchLoss(name="bad"), "add_loss"),
        (layers.ActivityRegularization(0.1, name="bad"), "no record"),
        (layers.Dense(3, kernel_regularizer="l2", name="bad"), "belongs to no record"),
        (layers.SpectralNormalization(layers.Dense(3), name="bad"), "rewrites"),
        (DrawsFromTensorFlow(name="bad"), "random numbers from TensorFlow"),
        (DrawsFromAGenerator(name="bad"), "random numbers from TensorFlow"),
        (DrawsFromNumPy(name="bad"), "besides its inputs and weights"),
        (DrawsAtAKnownSeed(name="bad"), "mixes rows"),
        (CountsCalls(name="bad"), "besides its inputs and weights"),
        (DividesByTheNumberOfRows(name="bad"), "mixes rows"),
        (MeanOfMoreThanFour(name="bad"), "mixes rows"),
        (CapsTheNormOfTheBatch(name="bad"), "mixes rows"),
        (ScalesManyRows(name="bad"), "mixes rows"),
        (KnowsTheLastRow(name="bad"), "mixes rows"),
    ],
    ids=lambda v: type(v).__name__,
)
def test_a_layer_that_breaks_the_guarantee_is_named_with_reason_and_remedy(
    layer, reason
):
    (violation,) = validation.validate(discriminator(layer))
    assert violation.layer == "bad"
    assert reason in violation.reason
    assert violation.remedy


@pytest.mark.parametrize(
    "layer",
    [MixesGradients(), MixesWeightGradients(), MixesRowsUnderItsOwnNoise()],
    ids=lambda v: type(v).__name__,
)
def test_what_no_layer_can_be_named_for_is_said_of_the_model(layer):
    (violation,) = validation.validate(discriminator(layer))
    assert violation.layer == "discriminator"
    assert "mixes rows" in violation.reason


def test_a_normalization_adapted_on_the_data_is_refused_and_constants_are_not():
    adapted = layers.Normalization(name="adapted")
    adapted.adapt(np.arange(12.0).reshape(2, 6))
    model = keras.Sequential([keras.Input((6,)), adapted, layers.Dense(1)])
    (violation,) = validation.validate(model)
    assert violation.layer == "adapted"
    constant = layers.Normalization(mean=0.5, variance=4.0)
    model = keras.Sequential([keras.Input((6,)), constant, layers.Dense(1)])
    assert validation.validate(model) == []


@pytest.mark.parametrize(
    ("layer", "dtype"),
    [
        (layers.IntegerLookup(3, output_mode="multi_hot", name="bad"), "int32"),
        (layers.Discretization(num_bins=3, name="bad"), "float32"),
    ],
    ids=lambda v: type(v).__name__,
)
def test_what_looks_values_up_in_what_it_has_learnt_is_refused(layer, dtype):
    layer.adapt(np.arange(12).reshape(2, 6).astype(dtype))
    model = keras.Sequential([keras.Input((6,), dtype=dtype), layer, layers.Dense(1)])
    (violation,) = validation.validate(model)
    assert violation.layer == "bad"
    assert "`adapt`" in violation.reason


@pytest.mark.parametrize("layer", [layers.StringLookup, layers.TextVectorization])
def test_a_model_of_strings_is_refused_with_what_to_do(layer):
    lookup = layer(output_mode="multi_hot")
    lookup.adapt(np.array(["a", "b"]))
    rows = keras.Input((1,), dtype="string")
    model = keras.Model(rows, layers.Dense(1)(lookup(rows)))
    with pytest.raises(ValueError, match="takes strings. Encode them"):
        validation.validate(model)


def test_a_layer_that_mixes_images_for_augmentation_is_refused():
    model = keras.Sequential(
        [
            keras.Input((4, 4, 1)),
            layers.MixUp(name="bad"),
            layers.Flatten(),
            layers.Dense(1),
        ]
    )
    (violation,) = validation.validate(model)
    assert violation.layer == "bad"
    assert "mixes rows" in violation.reason


def test_a_stateful_rnn_is_refused_once():
    inputs = keras.Input(batch_shape=(4, 3, 2))
    model = keras.Model(inputs, layers.Dense(1)(layers.GRU(2, stateful=True)(inputs)))
    (violation,) = validation.validate(model)
    assert "from batch to batch" in violation.reason


@pytest.mark.parametrize(
    "layer",
    [
        layers.Dropout(0.5),
        layers.GaussianNoise(0.3),
        layers.AlphaDropout(0.3),
        DrawsFromKeras(),
        layers.LayerNormalization(),
        layers.UnitNormalization(),
        layers.Dense(4, kernel_constraint="max_norm"),
    ],
    ids=lambda v: type(v).__name__,
)
def test_a_layer_that_treats_each_row_by_itself_raises_no_alarm(layer):
    for _ in range(3):
        assert validation.validate(discriminator(layer)) == []


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16", "float64"])
def test_no_alarm_in_any_precision_and_no_miss(policy):
    keras.config.set_dtype_policy(policy)
    try:
        assert validation.validate(discriminator(layers.Dropout(0.5))) == []
        assert len(validation.validate(discriminator(MinusBatchMean()))) == 1
    finally:
        keras.config.set_dtype_policy("float32")


def test_convolutions_labels_and_recurrence_raise_no_alarm():
    image = models.image_discriminator((12, 12, 1), num_classes=3)
    inputs = keras.Input((4, 2))
    recurrent = keras.Model(inputs, layers.Dense(1)(layers.LSTM(3)(inputs)))
    for model in (image, recurrent, helpers.make_discriminator(dropout=True)):
        assert validation.validate(model) == []


def test_the_innermost_layer_is_named_and_the_model_left_as_it_was():
    block = keras.Sequential(
        [layers.Dense(5), RunningMaximum(name="bad")], name="block"
    )
    model = discriminator(block, layers.Dropout(0.5))
    before = [np.copy(v) for v in model.variables]
    keras.utils.set_random_seed(3)
    expected = tf.random.uniform(())
    keras.utils.set_random_seed(3)
    (violation,) = validation.validate(model)
    assert violation.layer == "bad"
    assert helpers.same(before, [np.copy(v) for v in model.variables])
    assert float(tf.random.uniform(())) == float(expected)
    assert all("call" not in vars(layer) for layer in model._flatten_layers())


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.mixing = MinusBatchMean(name="bad")
        self.scores = layers.Dense(1)

    def call(self, x):
        return self.scores(self.mixing(x))


def test_a_subclassed_model_is_probed_with_rows_that_are_given():
    model = Subclassed()
    with pytest.raises(ValueError, match="inputs"):
        validation.validate(model)
    model(np.zeros((2, 6), np.float32))
    (violation,) = validation.validate(model, row_probe.random_rows((6,)))
    assert violation.layer == "bad"


@keras.saving.register_keras_serializable(package="tests")
class SubclassedWithConfig(Subclassed):
    def get_config(self):
        return {}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


@pytest.mark.parametrize("inside", [True, False], ids=["inside", "afterwards"])
@pytest.mark.parametrize("subclassed", [True, False])
def test_the_probe_sees_a_model_of_a_distribution_strategy(inside, subclassed):
    inputs = row_probe.random_rows((6,))
    strategy = tf.distribute.MirroredStrategy(["CPU:0"])
    with strategy.scope():
        honest = discriminator(layers.Dropout(0.5))
        mixing = discriminator(MinusBatchMean(name="bad"))
        if subclassed:
            mixing = SubclassedWithConfig()
            mixing(inputs)
    before = helpers.weights_of(mixing)
    with strategy.scope() if inside else contextlib.nullcontext():
        (violation,) = validation.validate(mixing, inputs)
        assert validation.validate(honest) == []
    assert violation.layer == "bad"
    assert helpers.same(before, helpers.weights_of(mixing))


class SubclassedWithoutConfig(Subclassed):
    def get_config(self):
        raise NotImplementedError


def test_a_model_of_a_strategy_that_cannot_be_copied_is_refused():
    inputs = row_probe.random_rows((6,))
    with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
        model = SubclassedWithoutConfig()
        model(inputs)
        with pytest.raises(ValueError, match="cannot be copied"):
            validation.validate(model, inputs)


def test_compile_refuses_a_discriminator_that_mixes_rows():
    gan = DPGAN(discriminator(MinusBatchMean(name="bad")), helpers.make_generator(None))
    with pytest.raises(ValueError, match="'bad' mixes rows"):
        gan.compile(**helpers.compile_defaults())
    DPGAN(discriminator(layers.Dropout(0.5)), helpers.make_generator(None)).compile(
        **helpers.compile_defaults()
    )


def test_the_probe_is_cheap():
    model = models.image_discriminator((28, 28, 1), num_classes=10)
    validation.validate(model)
    start = time.process_time()
    validation.validate(model)
    assert time.process_time() - start < 2


@pytest.mark.parametrize("nested", [False, True])
def test_fix_puts_group_normalization_for_batch_normalization(nested):
    inputs = keras.Input((8, 8, 1))
    block = [layers.Conv2D(6, 3, name="conv"), layers.BatchNormalization(name="norm")]
    if nested:
        features = keras.Sequential(block, name="block")(inputs)
    else:
        features = block[1](block[0](inputs))
    features = layers.Flatten()(layers.ReLU()(features))
    model = keras.Model(inputs, layers.Dense(1, name="scores")(features))
    fixed = validation.fix(model)
    found = {layer.name: layer for layer in fixed._flatten_layers()}
    assert isinstance(found["norm"], layers.GroupNormalization)
    assert 6 % found["norm"].groups == 0
    assert validation.validate(fixed) == []
    assert validation.validate(model)
    for name in ("conv", "scores"):
        original = next(v for v in model._flatten_layers() if v.name == name)
        assert helpers.same(original.get_weights(), found[name].get_weights())


def test_fix_says_what_it_cannot_mend():
    with pytest.raises(ValueError, match="bad"):
        validation.fix(
            discriminator(layers.BatchNormalization(), MinusBatchMean(name="bad"))
        )
