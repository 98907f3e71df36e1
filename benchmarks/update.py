"""One discriminator update, by one way of clipping: `python update.py --help`."""

import critics
import worker
from absl import app
from absl import flags

ENGINE = flags.DEFINE_enum(
    "engine",
    "plain",
    ["plain", "ghost", "vectorized", "tf_privacy"],
    "How gradients are clipped; `plain` is the same model without privacy.",
)
NOISE = flags.DEFINE_enum(
    "noise_source", "default", ["default", "secure"], "Of a DP optimizer."
)
CRITIC = flags.DEFINE_enum("critic", "conv28", list(critics.SHAPES), "Network.")
LOSS = flags.DEFINE_enum(
    "loss", "wasserstein", ["wasserstein", "non_saturating", "wasserstein_gp"], "Loss."
)
BATCH = flags.DEFINE_integer("batch_size", 256, "Real rows; as many fake ones.")
POLICY = flags.DEFINE_string("policy", "float32", "Of the network: Keras' dtypes.")
JIT = flags.DEFINE_bool("jit_compile", False, "Compile by XLA.")
CHUNK = flags.DEFINE_integer("physical_batch_size", None, "The most rows at once.")
WIDTH = flags.DEFINE_integer("width", 64, "Channels of the first layer.")
DEPTH = flags.DEFINE_integer("depth", 2, "Number of layers before the last.")


def make_update():
    """The update as a callable that returns when it is done."""
    import keras
    import tensorflow as tf

    from keras_dpgan import clipping
    from keras_dpgan import optimizers
    from keras_dpgan.gan import networks

    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy(POLICY.value)
    network = critics.make_critic(CRITIC.value, WIDTH.value, DEPTH.value)
    keras.config.set_dtype_policy("float32")
    loss, penalty = critics.make_loss(LOSS.value)
    shape = (BATCH.value, *critics.SHAPES[CRITIC.value])
    records = {
        "real": tf.random.uniform(shape, -1, 1),
        "fake": tf.random.uniform(shape, -1, 1),
        "mixing": tf.random.uniform((BATCH.value,)),
    }
    variables = network.trainable_variables

    def record_losses(batch):
        real, fake, penalties = networks.scores_and_penalty(
            network, batch["real"], batch["fake"], None, batch["mixing"], penalty
        )
        return loss.discriminator(real, fake) + penalties

    if ENGINE.value == "plain":
        optimizer = keras.optimizers.Adam(5e-4, beta_1=0.5)
        optimizer.build(variables)

        def step(batch):
            with tf.GradientTape() as tape:
                total = tf.reduce_mean(record_losses(batch))
            optimizer.apply(tape.gradient(total, variables), variables)

    else:
        engine = clipping.get_engine(ENGINE.value, CHUNK.value)
        optimizer = optimizers.DPKerasAdamOptimizer(
            1.0, 0.6, learning_rate=5e-4, beta_1=0.5, noise_source=NOISE.value
        )
        optimizer.build(variables)

        def step(batch):
            total = engine(record_losses, variables, batch, 1.0)
            optimizer.apply_clipped_sum(total, variables, float(BATCH.value))

    def step_and_read(batch):
        step(batch)
        return variables[-1].value[0]

    # Under XLA the shapes are fixed.
    n = BATCH.value if JIT.value else None
    spec = tf.nest.map_structure(lambda t: tf.TensorSpec((n, *t.shape[1:])), records)
    traced = tf.function(
        step_and_read, input_signature=[spec], jit_compile=JIT.value or None
    )

    def update():
        # An accelerator is done when a number can be read.
        traced(records).numpy()

    return update


def main(_):
    worker.serve(worker.repeated(make_update()))


if __name__ == "__main__":
    app.run(main)
