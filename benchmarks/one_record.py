"""How far one record moves the clipped sum, on this device, however it computes."""

import itertools

import keras
import numpy as np
import tensorflow as tf
from critics import SHAPES
from critics import make_critic

import keras_dpgan as dpgan
from keras_dpgan.sampling import randomness

POLICIES = ("float32", "mixed_float16", "mixed_bfloat16")
ENGINES = ("vectorized", "ghost")

# The fakes that records are paired with: far from them, or so near that what they have
# in common cancels, and with it digits of a norm.
DISTANCES = {"far": 1.0, "near": 1e-3}

# What adding up a batch in float32 may add to a move.
ROUNDING = 1e-5


def cells(num_rows, num_tried, width):
    """Measures every way to compute.

    Args:
        num_rows: Int, the records of a batch.
        num_tried: Int, of how many records the move is measured.
        width: Int, the channels of the critic's first layer.

    Yields:
        Dicts: what was measured, `moves` (the largest, in clips) or `refused` (in
        words), and by how much the sum is off that of `vectorized`.
    """
    for policy, xla in itertools.product(POLICIES, (False, True)):
        reference: dict = {}
        for engine in ENGINES:
            what = {"policy": policy, "xla": xla, "engine": engine}
            try:
                gan = make_gan(policy, xla, engine, width)
            except ValueError as error:
                yield {**what, "refused": str(error).split(". ")[0]}
                continue
            for tf32, (name, distance) in itertools.product(
                (False, True), DISTANCES.items()
            ):
                rows, fake = make_rows(num_rows, distance)
                set_tensor_float_32(gan, rows, tf32)
                total, moves = measure(gan, xla, rows, fake, num_tried)
                known = reference.setdefault((tf32, name), total)
                off = np.linalg.norm(total - known) / np.linalg.norm(known)
                yield {
                    **what,
                    "tensor_float_32": tf32,
                    "fakes": name,
                    "moves": moves,
                    "off_vectorized": float(off),
                    "holds": moves["alone"] <= 1 and moves["removed"] <= 1 + ROUNDING,
                }


def make_gan(policy, xla, engine, width):
    """A compiled GAN whose weights depend on the policy alone."""
    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy(policy)
    try:
        shape = SHAPES["conv28"]
        generator = keras.Sequential(
            [
                keras.Input((4,)),
                keras.layers.Dense(int(np.prod(shape)), activation="tanh"),
                keras.layers.Reshape(shape, dtype="float32"),
            ]
        )
        gan = dpgan.DPGAN(make_critic("conv28", width), generator)
    finally:
        keras.config.set_dtype_policy("float32")
    gan.compile(
        dpgan.optimizers.DPKerasSGDOptimizer(1.0, 1.0, learning_rate=0.0),
        keras.optimizers.SGD(0.0),
        loss="wasserstein",
        gradient_penalty=10.0,
        engine=engine,
        jit_compile=xla,
    )
    return gan


def make_rows(num_rows, distance):
    """Records, and the one fake that all of them are paired with."""
    rng = np.random.default_rng(0)
    shape = SHAPES["conv28"]
    fake = rng.uniform(-0.5, 0.5, (1, *shape)).astype(np.float32)
    noise = rng.uniform(-0.5, 0.5, (num_rows, *shape)).astype(np.float32)
    return fake + np.float32(distance) * noise, fake


def set_tensor_float_32(gan, rows, is_wanted):
    """Says what a user wants, and trains: the library has to see to the rest."""
    tf.config.experimental.enable_tensor_float_32_execution(is_wanted)
    gan.fit(rows, batch_size=len(rows), steps_per_epoch=1, verbose=0)


def measure(gan, xla, rows, fake, num_tried):
    """The clipped sum of all records, and the largest moves of a few, in clips."""
    step = gan.alternation.step

    @tf.function(jit_compile=xla)
    def total(mask):
        number = tf.constant(1, tf.int64)
        draws = randomness.PublicDraws(0, number, randomness.DISCRIMINATOR)
        clipped = step.clipped_sum(tf.constant(rows), None, mask, fake, draws)
        return tf.concat([tf.reshape(s, [-1]) for s in clipped.sums], 0)

    def sum_of(mask):
        return total(tf.constant(mask)).numpy().astype(np.float64)

    everyone = np.ones(len(rows), bool)
    of_all = sum_of(everyone)
    alone, removed = [], []
    for i in range(num_tried):
        only = np.arange(len(rows)) == i
        alone.append(np.linalg.norm(sum_of(only)))
        removed.append(np.linalg.norm(of_all - sum_of(everyone & ~only)))
    return of_all, {"alone": float(max(alone)), "removed": float(max(removed))}
