"""`ghost` as XLA compiles it is `ghost`."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_dpgan import GradientPenalty
from keras_dpgan.clipping import book_keeping
from keras_dpgan.clipping import ghost
from keras_dpgan.gan import networks

N = 7

# Per case: the layers after the input, and its shape.
CASES = {
    "dense": (lambda: [keras.layers.Dense(9, activation="tanh")], (8,)),
    "convolution": (
        lambda: [
            keras.layers.Conv2D(6, 3, 2, padding="same"),
            keras.layers.LeakyReLU(),
        ],
        (8, 8, 2),
    ),
    "depthwise": (lambda: [keras.layers.DepthwiseConv2D(3)], (6, 6, 3)),
    "normalized": (
        lambda: [keras.layers.Dense(9), keras.layers.LayerNormalization()],
        (8,),
    ),
}


def make_case(name, difference):
    make, shape = CASES[name]
    keras.utils.set_random_seed(0)
    layers = [keras.Input(shape), *make(), keras.layers.Flatten()]
    network = keras.Sequential([*layers, keras.layers.Dense(1)])
    rng = np.random.default_rng(0)
    real = rng.uniform(-1, 1, (N, *shape)).astype(np.float32)
    fake = real + np.float32(difference) * rng.normal(size=real.shape)
    records = {
        "real": real,
        "fake": fake.astype(np.float32),
        "mixing": rng.uniform(size=N).astype(np.float32),
    }
    return network, records


def sums(network, records, mask, jit_compile, clip, penalty=None):
    def losses(batch):
        real, fake, penalties = networks.scores_and_penalty(
            network, batch["real"], batch["fake"], None, batch["mixing"], penalty
        )
        return fake - real + penalties

    # As Keras traces a train function: for batches of any size.
    signature = tf.nest.map_structure(
        lambda x: tf.TensorSpec((None, *x.shape[1:]), x.dtype), (records, mask)
    )

    @tf.function(jit_compile=jit_compile, input_signature=signature)
    def run(records, mask):
        return ghost(losses, network.trainable_variables, records, clip, mask)

    total = run(*tf.nest.map_structure(tf.constant, (records, mask)))
    flat = np.concatenate([np.ravel(s) for s in total.sums])
    return flat, int(total.num_records), int(total.num_unclipped)


@pytest.mark.parametrize(
    ("name", "difference", "numbers"),
    [
        ("dense", 1.0, 1),
        ("convolution", 1.0, 1),
        ("convolution", 1e-3, 1),
        ("convolution", 1.0, 10**6),
        ("depthwise", 1.0, 1),
        ("normalized", 1e-3, 10**6),
    ],
)
def test_a_compiled_sum_is_the_uncompiled_one(name, difference, numbers, monkeypatch):
    # One record at a time, or all at once.
    monkeypatch.setattr(book_keeping, "_CHUNK_NUMBERS", numbers)
    network, records = make_case(name, difference)
    records["real"][2] = np.nan
    mask = np.arange(N) != 4
    penalty = GradientPenalty(10.0) if difference == 1.0 else None
    # Below the norms of most records.
    clip = 0.1 * difference
    plain, *counts = sums(network, records, mask, False, clip, penalty)
    compiled, *compiled_counts = sums(network, records, mask, True, clip, penalty)
    assert np.linalg.norm(plain) > clip
    np.testing.assert_allclose(compiled, plain, atol=1e-4 * clip)
    assert counts == compiled_counts


def test_records_that_are_added_alone_are_so_under_xla(monkeypatch):
    monkeypatch.setattr(book_keeping, "_MOST_CLIPS_TOGETHER", 1e-6)
    network, records = make_case("convolution", 1.0)
    mask = np.ones(N, bool)
    plain = sums(network, records, mask, False, 0.5)
    compiled = sums(network, records, mask, True, 0.5)
    np.testing.assert_allclose(compiled[0], plain[0], atol=1e-5)
    assert compiled[1:] == plain[1:]
