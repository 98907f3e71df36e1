"""Trains on several devices or workers and prints what came out as JSON.

A process of its own: TensorFlow fixes its devices when it starts. Workers find
each other by TF_CONFIG.
"""

import json
import os
import sys

import helpers
import keras
import numpy as np
import tensorflow as tf

from keras_dpgan import AdaptiveDiscriminatorSteps
from keras_dpgan.data import PoissonDataset

UPDATES = 20


def make_strategy(replicas):
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(
        cpu, [tf.config.LogicalDeviceConfiguration()] * replicas
    )
    if "TF_CONFIG" in os.environ:
        return tf.distribute.MultiWorkerMirroredStrategy()
    return tf.distribute.MirroredStrategy([f"CPU:{i}" for i in range(replicas)])


def train(
    strategy, noise_multiplier, empty, discriminator_steps=10**6, **compile_arguments
):
    """Trains for `UPDATES`.

    Returns:
        The GAN, and how far each update has moved its discriminator: an array of
        shape `(UPDATES, number of weights)`.
    """
    keras.utils.set_random_seed(0)
    with strategy.scope():
        gan = helpers.make_gan(
            d_optimizer=helpers.make_d_optimizer(noise_multiplier),
            discriminator_steps=discriminator_steps,
            **compile_arguments,
        )
    helpers.ignore_latents(gan.generator)
    weights = [flat_weights(gan)]
    collecting = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: weights.append(flat_weights(gan))
    )
    data = PoissonDataset(
        *helpers.make_data(),
        sampling_probability=1e-12 if empty else 0.1,
        steps_per_epoch=UPDATES // 2,
        seed=1,
    )
    gan.fit(data, epochs=2, verbose=0, callbacks=[collecting])
    return gan, np.diff(weights, axis=0)


def flat_weights(gan):
    return np.concatenate([np.ravel(w) for w in gan.discriminator.get_weights()])


def run(strategy, mode, noise_multiplier):
    if mode == "zero_noise":
        return train(strategy, 0.0, empty=False)
    if mode == "noise":
        return train(strategy, noise_multiplier, empty=True)
    if mode == "adaptive":
        # Always behind: two updates, then three for each generator step.
        with strategy.scope():
            schedule = AdaptiveDiscriminatorSteps(1.0, (2, 3), patience=2)
        return train(strategy, 1.0, False, schedule, loss="non_saturating")
    gan, moved = train(strategy, 1.0, False, 3, gradient_penalty=10.0)
    gan.evaluate(verbose=0)
    return gan, moved


def result_of(strategy, mode, noise_multiplier):
    gan, moved = run(strategy, mode, noise_multiplier)
    local = [
        [part.numpy() for part in strategy.experimental_local_results(weight.value)]
        for weight in gan.discriminator.weights + gan.generator.trainable_variables
    ]
    return {
        "moved_by_update": moved.tolist(),
        "updates": gan.num_discriminator_updates,
        "generator_steps": int(gan.g_optimizer.iterations.numpy()),
        "history": gan.privacy_history.to_json(),
        "epsilon": gan.epsilon(1e-5, accountant="rdp"),
        "replicas": strategy.num_replicas_in_sync,
        "replicas_agree": all(
            np.array_equal(ours[0], other) for ours in local for other in ours
        ),
        "of_generator": [
            float(np.sum(w.numpy())) for w in gan.generator.trainable_variables
        ],
        "schedule": [
            float(w.numpy()) for w in getattr(gan.discriminator_steps, "weights", ())
        ],
        "finite": bool(np.all(np.isfinite(moved))),
        "expected_batch_size": gan.session.data.expected_batch_size,
    }


def main(replicas, noise_multiplier, *modes):
    strategy = make_strategy(int(replicas))
    print(json.dumps([result_of(strategy, m, float(noise_multiplier)) for m in modes]))


if __name__ == "__main__":
    main(*sys.argv[1:])
