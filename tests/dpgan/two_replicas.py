"""Trains on logical CPU devices and prints what came out as JSON.

A process of its own: TensorFlow fixes its devices when it starts.
"""

import json
import sys

import helpers
import keras
import numpy as np
import tensorflow as tf

from keras_dpgan import AdaptiveDiscriminatorSteps
from keras_dpgan.data import PoissonDataset

UPDATES = 20


def use_logical_devices(count):
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(
        cpu, [tf.config.LogicalDeviceConfiguration()] * count
    )
    return tf.distribute.MirroredStrategy([f"CPU:{i}" for i in range(count)])


def train(noise_multiplier, empty, discriminator_steps=10**6, **compile_arguments):
    keras.utils.set_random_seed(0)
    gan = helpers.make_gan(
        d_optimizer=helpers.make_d_optimizer(noise_multiplier),
        discriminator_steps=discriminator_steps,
        **compile_arguments,
    )
    helpers.ignore_latents(gan.generator)
    x, y = helpers.make_data()
    weights = [flat_weights(gan)]
    collecting = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: weights.append(flat_weights(gan))
    )
    probability = 1e-12 if empty else 0.1
    data = PoissonDataset(
        x, y, sampling_probability=probability, steps_per_epoch=UPDATES, seed=1
    )
    gan.fit(data, verbose=0, callbacks=[collecting])
    return gan, np.diff(weights, axis=0)


def flat_weights(gan):
    return np.concatenate([np.ravel(w) for w in gan.discriminator.get_weights()])


def main(replicas, mode, noise_multiplier="1"):
    strategy = use_logical_devices(int(replicas))
    with strategy.scope():
        if mode == "zero_noise":
            gan, moved = train(0.0, empty=False)
        elif mode == "noise":
            gan, moved = train(float(noise_multiplier), empty=True)
        elif mode == "adaptive":
            # Always behind: two updates, then three for each generator step.
            schedule = AdaptiveDiscriminatorSteps(1.0, (2, 3), patience=2)
            gan, moved = train(1.0, False, schedule, loss="non_saturating")
        else:
            gan, moved = train(1.0, False, 3, gradient_penalty=10.0)
    local = [
        [c.numpy() for c in strategy.experimental_local_results(weight.value)]
        for weight in gan.discriminator.trainable_variables
    ]
    print(
        json.dumps(
            {
                "moved_by_update": moved.tolist(),
                "updates": gan.num_discriminator_updates,
                "generator_steps": int(gan.g_optimizer.iterations.numpy()),
                "epsilon": gan.privacy_history.to_json(),
                "replicas_agree": all(
                    np.array_equal(ours[0], other) for ours in local for other in ours
                ),
                "finite": bool(np.all(np.isfinite(moved))),
                "expected_batch_size": gan._training_data.expected_batch_size,
            }
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
