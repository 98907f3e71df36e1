"""Rows that nearly cancel: the clip holds although digits are lost."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_dpgan.clipping import book_keeping
from keras_dpgan.clipping import ghost
from keras_dpgan.clipping import norms
from keras_dpgan.clipping import vectorized
from keras_dpgan.clipping.contract import ROUNDING_MARGIN

N = 6

# Per case: the layer, and its inputs' shape.
CASES = {
    "dense": (lambda: keras.layers.Dense(64, use_bias=False), (300,)),
    "dense on positions": (lambda: keras.layers.Dense(96, use_bias=False), (9, 200)),
    "convolution": (
        lambda: keras.layers.Conv2D(64, 5, 2, padding="same", use_bias=False),
        (9, 9, 32),
    ),
    "small convolution": (
        lambda: keras.layers.Conv2D(4, 3, padding="same", use_bias=False),
        (12, 12, 1),
    ),
}


def make_case(name, difference):
    """A layer, a linear loss of it, and records of a row and nearly its negative.

    The loss is linear, so that the gradients at the layer's outputs are known to
    the last digit, and only the norm's own rounding is seen.
    """
    make, shape = CASES[name]
    rng = np.random.default_rng(0)
    layer = make()
    real = rng.normal(size=(N, *shape)).astype(np.float32) + 1.0
    fake = real + difference * rng.normal(size=real.shape).astype(np.float32)
    layer.build(real.shape)
    outputs = layer(real)
    weights = rng.normal(size=outputs.shape[1:]).astype(np.float32)
    records = {"real": tf.constant(real), "fake": tf.constant(fake, real.dtype)}

    def loss_fn(batch, layer=layer):
        scores = layer(tf.concat([batch["real"], batch["fake"]], 0))
        scores *= tf.cast(weights, scores.dtype)
        real_scores, fake_scores = tf.split(scores, 2)
        axes = list(range(1, scores.shape.rank))
        return tf.reduce_sum(fake_scores - real_scores, axes)

    return layer, loss_fn, records


def exact_gradients(layer, loss_fn, records):
    """Each record's gradient in double precision; it depends on no weight."""
    double = type(layer).from_config({**layer.get_config(), "dtype": "float64"})
    double.build(records["real"].shape)
    result = []
    for i in range(N):
        one = {k: tf.cast(v[i : i + 1], tf.float64) for k, v in records.items()}
        with tf.GradientTape() as tape:
            loss = loss_fn(one, double)
        result.append(np.asarray(tape.gradient(loss, double.trainable_variables[0])))
    return np.stack(result)


def found_factors(layer, loss_fn, records, exact, clip):
    """By what each record's gradient was multiplied."""
    run = tf.function(
        lambda mask: ghost(loss_fn, layer.trainable_variables, records, clip, mask)
    )
    factors = []
    for i in range(N):
        part = run(tf.one_hot(i, N, on_value=True, off_value=False)).sums[0]
        part = np.asarray(part, np.float64)
        factors.append(np.sum(part * exact[i]) / np.sum(np.square(exact[i])))
    return np.array(factors)


def factors_and_norms(name, difference):
    layer, loss_fn, records = make_case(name, difference)
    exact = exact_gradients(layer, loss_fn, records)
    true = np.sqrt(np.sum(np.square(exact), axis=tuple(range(1, exact.ndim))))
    clip = 0.5 * float(np.min(true))
    return found_factors(layer, loss_fn, records, exact, clip), true, clip


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("difference", [1e-1, 1e-2, 1e-3, 3e-4])
def test_rows_that_nearly_cancel_stay_below_the_clip(name, difference):
    factors, true, clip = factors_and_norms(name, difference)
    assert np.all(factors * true <= clip * (1 + 1e-6))
    floor = 1 - 2 * ROUNDING_MARGIN - max(1e-4, 1e-5 / difference)
    assert np.all(factors * true >= clip * floor)


@pytest.mark.parametrize("name", ["dense", "dense on positions", "convolution"])
def test_without_the_bound_on_rounding_the_clip_would_break(name, monkeypatch):
    def no_error(weights, axes, *_):
        return tf.zeros_like(tf.reduce_sum(weights, axes))

    monkeypatch.setattr(norms, "_gram_error", no_error)
    factors, true, clip = factors_and_norms(name, 1e-2)
    print(factors * true / clip - 1)
    assert np.any(factors * true > clip * (1 + 1e-4))


def pair_of_rows(units=128, features=64):
    """A loss of a row and its fake, whose products cancel where they are equal."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((features,))
    hidden = keras.layers.Dense(units, use_bias=False)(inputs)
    model = keras.Model(inputs, keras.layers.Dense(1)(hidden))

    def loss_fn(records):
        rows = tf.concat([records["real"], records["fake"]], 0)
        real, fake = tf.split(tf.reshape(model(rows), [-1]), 2)
        return fake - real

    return model, loss_fn, (features,)


def positions_that_cancel():
    """A convolution whose two positions have opposite signs in the loss."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((2, 32))
    hidden = keras.layers.Conv1D(128, 1, use_bias=False)(inputs)
    score = keras.layers.Dense(1)(hidden[:, 0] - hidden[:, 1])
    model = keras.Model(inputs, score)
    return model, lambda records: tf.reshape(model(records["real"]), [-1]), (2, 32)


@pytest.mark.parametrize("make", [pair_of_rows, positions_that_cancel])
@pytest.mark.parametrize("size", [1e2, 1e4, 1e6, 1e15])
def test_a_record_that_cancels_takes_no_digits_from_the_others(make, size):
    moves = moves_of_a_record_that_cancels(make, size)
    assert max(moves) <= 1 + 1e-5


@pytest.mark.parametrize("size", [1e6, 1e8])
def test_added_up_with_the_others_it_would(size, monkeypatch):
    monkeypatch.setattr(book_keeping, "_MOST_CLIPS_TOGETHER", 1e30)
    assert max(moves_of_a_record_that_cancels(pair_of_rows, size)) > 1.05


def moves_of_a_record_that_cancels(make, size):
    model, loss_fn, shape = make()
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(2, 128, *shape)).astype(np.float32)
    odd = rng.normal(size=(1, *shape))
    if len(shape) == 2:
        odd = np.repeat(odd[:, :1], 2, axis=1)
    odd = (odd * size).astype(np.float32)

    @tf.function(reduce_retracing=True)
    def clipped(real, fake):
        records = {"real": real, "fake": fake}
        sums = ghost(loss_fn, model.trainable_variables, records, 1.0).sums
        return tf.concat([tf.reshape(s, [-1]) for s in sums], 0)

    without = clipped(*rows).numpy().astype(np.float64)
    moves = []
    for place in (3, 100):
        real, fake = (np.concatenate([r[:place], odd, r[place:]]) for r in rows)
        moves.append(np.linalg.norm(clipped(real, fake).numpy() - without))
    return moves


@pytest.mark.parametrize("engine", [ghost, vectorized])
@pytest.mark.parametrize(
    ("clip", "of_loss", "of_rows"),
    [
        (1e-12, 1.0, 1.0),
        (1e-18, 1.0, 1.0),
        (1e-20, 1e-19, 1.0),
        (1e-25, 1e-21, 1.0),
        (1e-36, 1e-30, 1.0),
        # The gradient is of ordinary size, and what it is made of is not.
        (1e-2, 1e-18, 1e18),
        (1e-2, 1e-19, 1e19),
        (1e-2, 1e-25, 1e25),
        (1e-2, 1e18, 1e-18),
        (1e18, 1e20, 1.0),
        (1e25, 1e27, 1.0),
    ],
)
def test_numbers_too_small_or_too_large_for_their_squares_break_no_clip(
    engine, clip, of_loss, of_rows
):
    model = keras.Sequential(
        [
            keras.Input((4, 16)),
            keras.layers.Dense(64, use_bias=False),
            keras.layers.Flatten(),
            keras.layers.Dense(1),
        ]
    )
    rng = np.random.default_rng(0)
    rows = tf.constant(of_rows * rng.normal(size=(1, 4, 16)), tf.float32)

    @tf.function
    def clipped(rows):
        return engine(
            lambda r: tf.constant(of_loss) * tf.reshape(model(r["x"]), [-1]),
            model.trainable_variables,
            {"x": rows},
            clip,
        ).sums

    sums = [np.asarray(s, np.float64) for s in clipped(rows)]
    assert np.sqrt(sum(np.sum(np.square(s)) for s in sums)) <= clip * (1 + 1e-5)
