"""What one process measures for `scale.py`: prints JSON.

`scale_worker.py reduce SIZES` times all-reduces, `scale_worker.py train BATCHES`
updates, of the batch that all workers share. Workers find each other by TF_CONFIG.
"""

import json
import os
import statistics
import sys
import time

import critics
import keras
import numpy as np
import tensorflow as tf

from keras_dpgan import DPGAN
from keras_dpgan import optimizers
from keras_dpgan.data import PoissonDataset

NUM_RECORDS = 4096
STEPS = 12


def reduce_seconds(strategy, size):
    """Median seconds of an all-reduce of `size` float32 numbers."""

    @tf.function
    def step(numbers):
        def add_up(numbers):
            context = tf.distribute.get_replica_context()
            # A copy: an argument itself is on no device that a sum could be on.
            return context.all_reduce(tf.distribute.ReduceOp.SUM, tf.identity(numbers))

        return strategy.run(add_up, (numbers,))

    numbers = tf.random.normal((size,))
    seconds = []
    for _ in range(STEPS):
        start = time.perf_counter()
        np.asarray(strategy.experimental_local_results(step(numbers))[0])
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[2:])


def update_seconds(strategy, batch):
    """Median seconds of a discriminator update of a `DPGAN`."""
    with strategy.scope():
        critic = critics.make_critic("conv28")
        generator = keras.Sequential(
            [
                keras.Input((8,)),
                keras.layers.Dense(784, "tanh"),
                keras.layers.Reshape((28, 28, 1)),
            ]
        )
        gan = DPGAN(critic, generator)
        gan.compile(
            d_optimizer=optimizers.DPKerasAdamOptimizer(1.0, 1.0),
            g_optimizer=keras.optimizers.Adam(1e-3),
            discriminator_steps=10**6,
        )
    records = np.zeros((NUM_RECORDS, 28, 28, 1), np.float32)
    data = PoissonDataset(records, expected_batch_size=batch, steps_per_epoch=STEPS)
    clock = Clock()
    gan.fit(data, verbose=0, callbacks=[clock])
    return statistics.median(clock.seconds[2:])


class Clock(keras.callbacks.Callback):
    """Seconds of each step."""

    def __init__(self):
        super().__init__()
        self.seconds = []

    def on_train_batch_begin(self, batch, logs=None):
        self.start = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        self.seconds.append(time.perf_counter() - self.start)


def main(what, *sizes):
    measure = {"reduce": reduce_seconds, "train": update_seconds}[what]
    strategy = tf.distribute.get_strategy()
    if "TF_CONFIG" in os.environ:
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
    print(json.dumps({size: measure(strategy, int(size)) for size in sizes}))


if __name__ == "__main__":
    main(*sys.argv[1:])
