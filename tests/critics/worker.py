"""Releases a critic and trains on several devices or workers; prints JSON.

A process of its own: TensorFlow fixes its devices when it starts.
"""

import json
import os
import sys

import keras
import numpy as np
import tensorflow as tf
from released_critics import make_data
from released_critics import make_gan
from released_critics import release


def main(replicas):
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(
        cpu, [tf.config.LogicalDeviceConfiguration()] * replicas
    )
    if "TF_CONFIG" in os.environ:
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
    else:
        names = [f"CPU:{i}" for i in range(replicas)]
        strategy = tf.distribute.MirroredStrategy(names)
    x, y = make_data()
    with strategy.scope():
        gan = make_gan()
        critic = release(gan, x, y, second_moments=3)
        gan.compile(critic=critic, g_optimizer=keras.optimizers.Adam(1e-3))
    logs = gan.fit(steps_per_epoch=20, epochs=2, batch_size=32, verbose=0).history
    weights = gan.generator.trainable_variables[0].numpy()
    print(
        json.dumps(
            {
                "means": np.round(critic.means.numpy(), 5).tolist(),
                "weights": np.round(weights, 5).ravel().tolist(),
                "g_loss": logs["g_loss"],
                "counts": [e.count for e in gan.privacy_history.entries],
            }
        )
    )


if __name__ == "__main__":
    main(int(sys.argv[1]))
