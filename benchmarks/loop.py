"""What `fit` adds to its updates: `python loop.py --help`."""

import contextlib
import os

import worker
from absl import app
from absl import flags

LOOP = flags.DEFINE_enum(
    "loop",
    "fit",
    ["fit", "bare"],
    "`fit` with Poisson batches, an epsilon tracker and a progress bar; or the same "
    "traced step on one batch that lies ready.",
)
BATCH = flags.DEFINE_integer("batch_size", 256, "Expected real rows.")
ROWS = flags.DEFINE_integer("num_examples", 60_000, "Rows to draw from.")


def make_run():
    import keras
    import numpy as np
    import tensorflow as tf

    import keras_dpgan as dpgan

    keras.utils.set_random_seed(0)
    gan = dpgan.DPGAN(
        dpgan.models.image_discriminator((28, 28, 1)),
        dpgan.models.image_generator((28, 28, 1), latent_dim=64),
    )
    gan.compile(
        dpgan.optimizers.DPKerasAdamOptimizer(1.0, 0.6, learning_rate=5e-4),
        keras.optimizers.Adam(5e-4),
        discriminator_steps=10,
    )
    x = np.random.default_rng(0).uniform(-1, 1, (ROWS.value, 28, 28, 1))
    data = dpgan.data.PoissonDataset(
        x.astype(np.float32), expected_batch_size=BATCH.value
    )

    def fit(count):
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
            gan.fit(
                data,
                steps_per_epoch=count,
                callbacks=[dpgan.callbacks.EpsilonTracker(delta=1e-5)],
            )

    if LOOP.value == "fit":
        return fit
    fit(1)
    rows = tf.constant(x[: BATCH.value], tf.float32)
    spec = tf.TensorSpec((None, 28, 28, 1), tf.float32)
    batches = tf.data.Dataset.from_generator(
        lambda: iter(lambda: (rows,), None), output_signature=(spec,)
    )
    iterator = iter(batches)
    gan.make_train_function()
    return worker.repeated(lambda: gan.train_function(iterator))


def main(_):
    worker.serve(make_run())


if __name__ == "__main__":
    app.run(main)
