"""The same update by TF Privacy's `DPModel`: `python tf_privacy_update.py --help`."""

import os
import pathlib
import sys

# TF Privacy is written for Keras 2, and imports estimators unless told not to.
os.environ["TF_USE_LEGACY_KERAS"] = "1"
sys.skip_tf_privacy_import = True

from absl import app
from absl import flags

sys.path.append(str(pathlib.Path(__file__).parent.parent))

ENGINE = flags.DEFINE_enum(
    "engine",
    "vectorized",
    ["plain", "vectorized", "fast"],
    "How it clips; `fast` is its ghost clipping, for dense layers alone.",
)
CRITIC = flags.DEFINE_enum("critic", "conv28", ["conv28", "conv32", "mlp"], "Network.")
LOSS = flags.DEFINE_enum("loss", "wasserstein", ["wasserstein", "non_saturating"], "")
BATCH = flags.DEFINE_integer("batch_size", 256, "Real rows; as many fake ones.")

SHAPES = {"conv28": (28, 28, 1), "conv32": (32, 32, 3), "mlp": (784,)}


def make_layers(keras):
    inputs = keras.layers.InputLayer(SHAPES[CRITIC.value])
    activation = keras.layers.LeakyReLU
    if CRITIC.value == "mlp":
        dense = keras.layers.Dense
        return [inputs, dense(512), activation(0.2), dense(512), activation(0.2)]
    layers = [inputs]
    for channels in (64, 128):
        layers.append(keras.layers.Conv2D(channels, 5, strides=2, padding="same"))
        layers.append(activation(0.2))
    return [*layers, keras.layers.Flatten()]


def make_update():
    """Real and fake rows are clipped one by one: it has no records of two rows."""
    import tensorflow as tf
    from tensorflow_privacy.privacy.fast_gradient_clipping import layer_registry
    from tensorflow_privacy.privacy.keras_models import dp_keras_model

    keras = tf.keras
    keras.utils.set_random_seed(0)
    layers = [*make_layers(keras), keras.layers.Dense(1)]
    if ENGINE.value == "plain":
        model = keras.Sequential(layers)
    else:
        registry = layer_registry.make_default_layer_registry()
        model = dp_keras_model.make_dp_model_class(keras.Sequential)(
            1.0,
            0.6,
            use_xla=False,
            layer_registry=registry if ENGINE.value == "fast" else None,
            layers=layers,
        )

    class PerRow(keras.losses.Loss):
        def call(self, signs, scores):
            values = signs * scores
            if LOSS.value == "non_saturating":
                values = tf.math.softplus(values)
            return tf.reduce_mean(values, -1)

    model.compile(keras.optimizers.Adam(5e-4, beta_1=0.5), PerRow())
    rows = tf.random.uniform((2 * BATCH.value, *SHAPES[CRITIC.value]), -1, 1)
    signs = tf.concat([-tf.ones((BATCH.value, 1)), tf.ones((BATCH.value, 1))], 0)
    step = tf.function(model.train_step)
    return lambda: step((rows, signs))


def main(_):
    import worker

    worker.serve(worker.repeated(make_update()))


if __name__ == "__main__":
    app.run(main)
