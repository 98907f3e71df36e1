"""Models and losses that nobody has thought of: refused, or at most one clip a record.

Everything goes through `compile` and `fit`. Without noise, and with plain gradient
descent of rate one, the weights move by the clipped sum.
"""

import contextlib
import types
import warnings

import clipped_sums
import helpers
import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_dpgan import DPGAN
from keras_dpgan import GradientPenalty
from keras_dpgan import losses
from keras_dpgan.clipping import precision
from keras_dpgan.clipping import register_layer_rule
from keras_dpgan.clipping import row_operations
from keras_dpgan.clipping.row_state import SHARED
from keras_dpgan.clipping.row_state import filled
from keras_dpgan.clipping.terms import BiasTerm
from keras_dpgan.clipping.terms import MatrixTerm
from keras_dpgan.gan import arbiter
from keras_dpgan.gan.train_step import TrainingStep
from keras_dpgan.privacy import isolation
from keras_dpgan.privacy import validation

layers = keras.layers
ops = keras.ops
ROW = (4, 6)
N = 24


def make_gan(middle):
    keras.utils.set_random_seed(0)
    discriminator = keras.Sequential(
        [keras.Input(ROW), *middle, layers.Flatten(), layers.Dense(1)]
    )
    generator = keras.Sequential(
        [keras.Input((3,)), layers.Dense(24), layers.Reshape(ROW)]
    )
    return DPGAN(discriminator, generator)


def compile_gan(gan, **arguments):
    gan.compile(
        **{
            **helpers.compile_defaults(),
            "d_optimizer": helpers.make_d_optimizer(
                0.0, 1.0, learning_rate=1.0, insecure_noise_seed=0
            ),
            "discriminator_steps": 10**6,
            **arguments,
        }
    )
    return gan


def largest_move(gan):
    """How far the last of some records moves the weights in one `fit`, in clips."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(N, *ROW)) * rng.choice([0.05, 5.0], size=(N, 1, 1))
    rows = rows.astype(np.float32)

    def fit(rows):
        data = tf.data.Dataset.from_generator(
            lambda: iter([rows]),
            output_signature=tf.TensorSpec((None, *ROW), tf.float32),
        )
        gan.fit(data, expected_batch_size=1, steps_per_epoch=1, verbose=0)

    fit(rows[:1])
    before = gan.get_weights()

    def weights_after(rows):
        gan.set_weights(before)
        # What records meet is a function of the number of the update.
        gan.privacy_record.num_discriminator_updates.assign(1)
        fit(rows)
        weights = helpers.weights_of(gan.discriminator)
        return np.concatenate([np.ravel(w) for w in weights]).astype(np.float64)

    moves = []
    for last in range(N - 4, N):
        order = [i for i in range(N) if i != last] + [last]
        moves.append(weights_after(rows[order]) - weights_after(rows[order[:-1]]))
    return max(np.linalg.norm(move) for move in moves)


class HeadsFirst(layers.Layer):
    """Attention's heads before the rows, then a layer on all of them."""

    def __init__(self, by_einsum=False):
        super().__init__()
        self.dense = layers.Dense(5, activation="tanh")
        self.by_einsum = by_einsum

    def build(self, shape):
        self.dense.build((None, 3))

    def call(self, x):
        x = ops.reshape(x, (-1, 4, 2, 3))
        if self.by_einsum:
            x = ops.einsum("nthd->hntd", x)
        else:
            x = ops.transpose(x, (2, 0, 1, 3))
        x = self.dense(ops.reshape(x, (-1, 3)))
        x = ops.transpose(ops.reshape(x, (2, -1, 4, 5)), (1, 2, 0, 3))
        return ops.reshape(x, (-1, 40))


class FoldedInABranch(layers.Layer):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(6, activation="tanh")

    def build(self, shape):
        self.dense.build((None, 6))

    def call(self, x):
        n = tf.shape(x)[0]
        folded = tf.cond(
            n > 1, lambda: tf.reshape(x, (-1, 6)), lambda: tf.reshape(x, (-1, 6))
        )
        return tf.reshape(self.dense(tf.ensure_shape(folded, (None, 6))), (-1, *ROW))


class DropoutOfAKnownSeed(layers.Layer):
    def call(self, x):
        return keras.random.dropout(x, 0.5, seed=1337)


class NoiseOfAKnownSeed(layers.Layer):
    def call(self, x):
        return x + tf.random.stateless_normal(tf.shape(x), seed=[1, 2])


class RunsPython(layers.Layer):
    """Code that TensorFlow takes to have no state, as it is told."""

    def call(self, x):
        y = tf.numpy_function(lambda x: 0.5 * x, [x], tf.float32, stateful=False)
        return x + tf.ensure_shape(y, x.shape)


class NoiseOfTensorFlow(layers.Layer):
    def call(self, x):
        return x + tf.random.normal(tf.shape(x))


class DividesByTheNumberOfRows(layers.Layer):
    def call(self, x):
        return x / tf.cast(tf.shape(x)[0], x.dtype)


class KnowsItsPlace(layers.Layer):
    def call(self, x):
        n = tf.shape(x)[0]
        is_fourth = tf.range(n) % 4 == 3
        return x * tf.where(is_fourth[:, None, None], 3.0, 1.0)


class KnowsARemainder(layers.Layer):
    """Keras gives the number itself where it is known, so no sign of it is left."""

    def call(self, x):
        # Of twice as many rows as records: each record has its fake beside it.
        return x * (1.0 + 4.0 * ops.cast(ops.shape(x)[0] % 4, x.dtype))


class KnowsAThreshold(layers.Layer):
    def call(self, x):
        n = ops.shape(x)[0]
        return x * ops.cond(n > 8, lambda: 9.0, lambda: 1.0)


class MeanOfMoreThan(layers.Layer):
    def __init__(self, number):
        super().__init__()
        self.number = number

    def call(self, x):
        mean = tf.reduce_mean(x, 0, keepdims=True)
        return tf.cond(
            tf.shape(x)[0] > self.number, lambda: x - mean, lambda: tf.identity(x)
        )


class CapsTheNormOfTheBatch(layers.Layer):
    def call(self, x):
        return tf.clip_by_norm(x, 20.0)


class Counts(layers.Layer):
    def build(self, shape):
        self.count = self.add_weight(shape=(), initializer="zeros", trainable=False)

    def call(self, x):
        self.count.assign_add(1.0)
        return x / (1.0 + self.count)


class Relativistic(losses.AdversarialLoss):
    def discriminator(self, real_scores, fake_scores):
        return tf.nn.softplus(tf.reduce_mean(fake_scores) - real_scores) + (
            tf.nn.softplus(fake_scores - tf.reduce_mean(real_scores))
        )

    def on_fake(self, scores):
        return scores

    def generator(self, fake_scores):
        return -fake_scores


class NormalisedScores(losses.Wasserstein):
    def on_real(self, scores):
        return -scores / (1.0 + tf.norm(scores))


class LossWithNoise(losses.Wasserstein):
    def on_real(self, scores):
        return -scores * tf.random.uniform(tf.shape(scores))


class MeanPenalty(GradientPenalty):
    def __call__(self, gradients):
        penalty = super().__call__(gradients)
        return tf.sqrt(tf.reduce_mean(penalty)) + 0.0 * penalty


class KnowsMiddlingBatches(losses.Wasserstein):
    """Another loss for 11 to 23 rows, by arithmetic of which no sign is left."""

    def discriminator(self, real_scores, fake_scores):
        n = tf.shape(real_scores)[0]
        bump = tf.maximum(24 - n, 0) * tf.maximum(n - 10, 0)
        return (fake_scores - real_scores) * (1e-3 + tf.cast(bump, tf.float32))


class MeanOfMiddlingBatches(losses.Wasserstein):
    """The same for Keras, which knows how many rows there are where these are fixed."""

    def discriminator(self, real_scores, fake_scores):
        n = ops.shape(real_scores)[0]
        losses = 1e-3 * (fake_scores - real_scores)
        return ops.cond(
            ops.logical_and(n > 10, n < 24),
            lambda: losses + ops.mean(real_scores),
            lambda: losses,
        )


class SortedScores(losses.Wasserstein):
    def discriminator(self, real_scores, fake_scores):
        return fake_scores - tf.sort(real_scores)


def dense(*more):
    return [layers.Dense(6, activation="tanh"), *more]


# Per case: what makes the layers in the middle, and arguments of `compile`.
CASES = {
    "heads first": (lambda: [HeadsFirst()], {}),
    "heads first, by einsum": (lambda: [HeadsFirst(True)], {}),
    "folded in a branch": (lambda: [FoldedInABranch()], {}),
    "dropout of a known seed": (lambda: dense(DropoutOfAKnownSeed()), {}),
    "noise of a known seed": (lambda: dense(NoiseOfAKnownSeed()), {}),
    "code of Python": (lambda: dense(RunsPython()), {}),
    "noise of TensorFlow": (lambda: dense(NoiseOfTensorFlow()), {}),
    "divided by the rows": (lambda: dense(DividesByTheNumberOfRows()), {}),
    "divided, with dropout": (
        lambda: dense(layers.Dropout(0.4), DividesByTheNumberOfRows()),
        {},
    ),
    "a remainder, with dropout": (
        lambda: dense(layers.Dropout(0.4), KnowsARemainder()),
        {},
    ),
    "a threshold, with dropout": (
        lambda: dense(layers.Dropout(0.4), KnowsAThreshold()),
        {},
    ),
    "mean of more than four": (lambda: dense(MeanOfMoreThan(4)), {}),
    "mean of more than eleven": (lambda: dense(MeanOfMoreThan(11)), {}),
    "mean of more than 5,000": (lambda: dense(MeanOfMoreThan(5000)), {}),
    "norm of the batch": (lambda: dense(CapsTheNormOfTheBatch()), {}),
    "a counter": (lambda: dense(Counts()), {}),
    "relativistic": (dense, {"loss": Relativistic()}),
    "normalised scores": (dense, {"loss": NormalisedScores()}),
    "sorted scores": (dense, {"loss": SortedScores()}),
    "arithmetic in the loss": (dense, {"loss": KnowsMiddlingBatches()}),
    "a threshold in the loss": (dense, {"loss": MeanOfMiddlingBatches()}),
    "noise in the loss": (dense, {"loss": LossWithNoise()}),
    "mean penalty": (dense, {"gradient_penalty": MeanPenalty(10.0)}),
}

REFUSED = {
    "dropout of a known seed",
    "noise of a known seed",
    "code of Python",
    "noise of TensorFlow",
    "divided by the rows",
    "mean of more than four",
    "mean of more than eleven",
    "norm of the batch",
    "a counter",
    "noise in the loss",
}


@contextlib.contextmanager
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.mark.parametrize("engine", ["auto", "vectorized"])
@pytest.mark.parametrize("name", CASES)
def test_what_mixes_records_is_refused_or_computed_record_by_record(name, engine):
    middle, arguments = CASES[name]
    gan = make_gan(middle())
    with quiet():
        if name in REFUSED:
            with pytest.raises(ValueError, match="differential privacy"):
                compile_gan(gan, engine=engine, **arguments)
            return
        compile_gan(gan, engine=engine, **arguments)
        assert 0 < largest_move(gan) <= 1 + 1e-5


def test_the_reference_engine_refuses_what_it_cannot_keep_apart():
    with pytest.raises(ValueError, match="computed alone"), quiet():
        compile_gan(make_gan(dense()), engine="tf_privacy", loss=Relativistic())


def test_that_records_are_worked_on_one_by_one_is_said_once():
    gan = make_gan(dense())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        compile_gan(gan, loss=Relativistic())
        largest_move(gan)
    said = [w for w in caught if "record by record" in str(w.message)]
    assert len(said) == 1
    assert "Mean" in str(said[0].message)


def test_a_layer_of_half_precision_in_a_model_of_single_precision_stays_fast():
    half = [layers.Dense(6, "gelu", dtype="mixed_bfloat16") for _ in range(3)]
    gan = make_gan(half)
    compile_gan(gan, gradient_penalty=GradientPenalty(10.0))
    assert largest_move(gan) <= 1 + 1e-5


class RollsByANegativeAxis(layers.Layer):
    """For one record it changes nothing; `tf.vectorized_map` rolls over the records."""

    def call(self, x):
        return tf.roll(x[..., None], 1, axis=-1)[..., 0]


def test_a_record_by_record_engine_is_tried_on_many_records_with_dropout():
    gan = make_gan(dense(layers.Dropout(0.3), RollsByANegativeAxis()))
    with pytest.warns(UserWarning, match="record by record"):
        compile_gan(gan, engine="vectorized")
    assert largest_move(gan) <= 1 + 1e-5


# What would be, if a part of this were missing.


def believe_reshape(monkeypatch):
    """Rows are taken to be end to end, whatever was folded into them."""
    monkeypatch.setitem(
        row_operations._HANDLERS,
        "Reshape",
        lambda operation, states: filled(row_operations.shape_of(operation.outputs[0])),
    )


def believe_mean(monkeypatch):
    """A mean over the records is taken to be shared by them."""
    reduction = row_operations._reduction
    monkeypatch.setattr(
        row_operations, "_reduction", lambda *given: reduction(*given) or SHARED
    )


@pytest.mark.parametrize(
    ("believe", "middle", "arguments"),
    [
        (believe_reshape, HeadsFirst, {}),
        (believe_mean, layers.Flatten, {"loss": Relativistic()}),
    ],
)
def test_a_dangerous_operation_on_the_list_breaks_the_clip(
    believe, middle, arguments, monkeypatch
):
    def move():
        gan = make_gan([layers.Dense(6, activation="tanh"), middle()])
        with quiet():
            return largest_move(compile_gan(gan, **arguments))

    assert move() <= 1 + 1e-5
    believe(monkeypatch)
    # The list is the first of two lines of defence.
    assert move() <= 1 + 1e-5
    monkeypatch.setattr(arbiter._SingleRecords, "problem_of", lambda *_: None)
    assert move() > 1 + 1e-3


@pytest.mark.parametrize(
    ("layer", "left_out"),
    [
        (
            DividesByTheNumberOfRows(),
            {
                "alone",
                "with one removed",
                "in a large batch",
                "in a batch of 17",
            },
        ),
        (MeanOfMoreThan(100), {"in a large batch"}),
        (
            MeanOfMoreThan(16),
            {"in a large batch", "in a batch of 17"},
        ),
        (KnowsItsPlace(), {"at another place", "in a large batch"}),
    ],
    ids=lambda v: type(v).__name__,
)
def test_each_part_of_the_probe_sees_something(layer, left_out, monkeypatch):
    discriminator = make_gan(dense(layer)).discriminator
    assert validation.validate(discriminator)
    original = isolation._contexts

    def fewer(*arguments):
        return [c for c in original(*arguments) if c.name not in left_out]

    monkeypatch.setattr(isolation, "_contexts", fewer)
    assert not validation.validate(discriminator)


def test_the_penalty_is_held_to_account_with_the_rest(monkeypatch):
    def warned():
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            compile_gan(make_gan(dense()), gradient_penalty=MeanPenalty(10.0))
        return any("record by record" in str(w.message) for w in caught)

    assert warned()
    monkeypatch.setattr(TrainingStep, "record_losses", _without_penalty)
    assert not warned()


def test_a_wrong_rule_of_a_users_layer_is_seen():
    class Doubled(layers.Dense):
        def call(self, inputs):
            return 2.0 * super().call(inputs)

    @register_layer_rule(Doubled)
    def doubled(layer, inputs, record):
        terms = [MatrixTerm(layer.kernel), BiasTerm(layer.bias)]
        return record(lambda x: Doubled.call(layer, x), inputs, terms)

    gan = make_gan([Doubled(6)])
    with pytest.warns(UserWarning, match="record by record"):
        compile_gan(gan)
    assert largest_move(gan) <= 1 + 1e-5


def _without_penalty(step, records):
    scores = step.discriminator(records["real"], training=True)
    return tf.reshape(scores, [-1])


def test_tensor_float_32_is_turned_off_and_coarse_products_are_refused(monkeypatch):
    tf.config.experimental.enable_tensor_float_32_execution(True)
    compile_gan(make_gan(dense()))
    assert not tf.config.experimental.tensor_float_32_execution_enabled()

    exact = tf.matmul

    def coarse(a, b, **arguments):
        return exact(*(_rounded_to_ten_bits(t) for t in (a, b)), **arguments)

    parts = {
        name: getattr(tf, name) for name in ("config", "init_scope", "fill", "eye")
    }
    coarse_tf = types.SimpleNamespace(**parts, matmul=coarse)
    monkeypatch.setattr(precision, "tf", coarse_tf)
    with pytest.raises(ValueError, match="rounded to fewer bits"):
        compile_gan(make_gan(dense()))


def _rounded_to_ten_bits(tensor):
    bits = tf.bitcast(tensor, tf.uint32) + (1 << 12)
    return tf.bitcast(tf.bitwise.bitwise_and(bits, 0xFFFFE000), tf.float32)


def constant_fakes(value):
    """A generator whose rows are all the same, whatever its latents."""
    generator = keras.Sequential([keras.Input((3,)), layers.Dense(64)])
    generator.layers[0].set_weights([np.zeros((3, 64)), value])
    return generator


@pytest.mark.parametrize("size", [1e2, 1e6, 1e8])
def test_a_record_equal_to_its_fake_moves_the_sum_by_at_most_the_clip(size):
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    odd = (size * rng.normal(size=(1, 64))).astype(np.float32)
    discriminator = keras.Sequential(
        [keras.Input((64,)), layers.Dense(256, use_bias=False), layers.Dense(1)]
    )
    gan = DPGAN(discriminator, constant_fakes(odd[0]))
    compile_gan(gan)
    rows = rng.normal(size=(64, 64)).astype(np.float32)
    gan.fit(rows, batch_size=64, steps_per_epoch=1, verbose=0)
    without = clipped_sums.clipped_sum(gan, rows)
    moved = clipped_sums.clipped_sum(gan, np.concatenate([rows, odd])) - without
    assert np.linalg.norm(moved) <= 1 + 1e-5


class Tiny(losses.Wasserstein):
    def on_real(self, scores):
        return -1e-19 * scores

    def on_fake(self, scores):
        return 1e-19 * scores


@pytest.mark.parametrize("clip", [1e-18, 1e-20, 1e-25])
def test_a_tiny_clip_binds(clip):
    gan = make_gan(dense())
    d_optimizer = helpers.make_d_optimizer(0.0, clip, insecure_noise_seed=0)
    compile_gan(gan, d_optimizer=d_optimizer, loss=Tiny())
    rows = np.random.default_rng(0).normal(size=(8, *ROW)).astype(np.float32)
    gan.fit(rows, batch_size=8, steps_per_epoch=1, verbose=0)
    without = clipped_sums.clipped_sum(gan, rows[:-1])
    moved = clipped_sums.clipped_sum(gan, rows) - without
    assert np.linalg.norm(moved) <= clip * (1 + 1e-5)
