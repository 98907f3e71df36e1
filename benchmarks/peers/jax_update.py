"""The same update by `jax.vmap` of the gradient: `python jax_update.py --help`."""

import functools
import pathlib
import sys

from absl import app
from absl import flags

sys.path.append(str(pathlib.Path(__file__).parent.parent))

ENGINE = flags.DEFINE_enum("engine", "vmap", ["plain", "vmap"], "How it clips.")
CRITIC = flags.DEFINE_enum("critic", "conv28", ["conv28", "conv32", "mlp"], "Network.")
LOSS = flags.DEFINE_enum("loss", "wasserstein", ["wasserstein", "non_saturating"], "")
BATCH = flags.DEFINE_integer("batch_size", 256, "Real rows; as many fake ones.")

SHAPES = {"conv28": (28, 28, 1), "conv32": (32, 32, 3), "mlp": (784,)}


def make_parameters(jax, key):
    if CRITIC.value == "mlp":
        sizes = [(784, 512), (512, 512), (512, 1)]
    else:
        side, _, channels = SHAPES[CRITIC.value]
        sizes = [
            (5, 5, channels, 64),
            (5, 5, 64, 128),
            (128 * (side // 4) ** 2, 1),
        ]
    keys = jax.random.split(key, len(sizes))
    return [
        (0.05 * jax.random.normal(k, s), jax.numpy.zeros(s[-1]))
        for k, s in zip(keys, sizes, strict=True)
    ]


def scores(jax, parameters, x):
    jnp = jax.numpy
    for i, (kernel, bias) in enumerate(parameters):
        if kernel.ndim == 4:
            x = jax.lax.conv_general_dilated(
                x, kernel, (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
            )
        else:
            x = x.reshape(len(x), -1) @ kernel
        x = x + bias
        if i < len(parameters) - 1:
            x = jnp.where(x > 0, x, 0.2 * x)
    return x[:, 0]


def make_update():
    import jax
    import optax

    jnp = jax.numpy
    key = jax.random.key(0)
    parameters = make_parameters(jax, key)
    shape = (2, BATCH.value, *SHAPES[CRITIC.value])
    real, fake = jax.random.uniform(key, shape, minval=-1, maxval=1)
    optimizer = optax.adam(5e-4, b1=0.5)
    state = optimizer.init(parameters)

    def record_loss(parameters, real, fake):
        pair = scores(jax, parameters, jnp.stack([real, fake]))
        if LOSS.value == "wasserstein":
            return pair[1] - pair[0]
        return jax.nn.softplus(-pair[0]) + jax.nn.softplus(pair[1])

    def clipped(parameters, real, fake):
        gradient = jax.grad(record_loss)(parameters, real, fake)
        norm = optax.global_norm(gradient)
        return jax.tree.map(lambda g: g * jnp.minimum(1.0, 1.0 / norm), gradient)

    def mean_gradient(parameters, key):
        if ENGINE.value == "plain":

            def mean_loss(p):
                return jax.vmap(functools.partial(record_loss, p))(real, fake).mean()

            return jax.grad(mean_loss)(parameters)
        each = jax.vmap(clipped, (None, 0, 0))(parameters, real, fake)
        sums = jax.tree.map(lambda g: g.sum(0), each)
        leaves, tree = jax.tree.flatten(sums)
        keys = jax.random.split(key, len(leaves))
        noised = [
            g + 0.6 * jax.random.normal(k, g.shape)
            for g, k in zip(leaves, keys, strict=True)
        ]
        return jax.tree.unflatten(tree, [g / BATCH.value for g in noised])

    @jax.jit
    def step(parameters, state, key):
        key, now = jax.random.split(key)
        updates, state = optimizer.update(mean_gradient(parameters, now), state)
        return optax.apply_updates(parameters, updates), state, key

    box = [(parameters, state, key)]

    def update():
        box[0] = jax.block_until_ready(step(*box[0]))

    return update


def main(_):
    import worker

    worker.serve(worker.repeated(make_update()))


if __name__ == "__main__":
    app.run(main)
