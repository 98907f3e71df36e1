"""The digits, how clients share them, and the GAN that they train."""

import functools
import json
import os
import pathlib
import tomllib

import keras
import numpy as np

import keras_dpgan as dpgan
from keras_dpgan.federated.client_budget import ClientBudget
from keras_dpgan.federated.record_owner import RecordOwner

SHAPE = (8, 8, 1)
NUM_CLASSES = 10
LATENT_DIM = 16


# By which simulate.py hands its flags to the processes of simulated clients.
FLAGS = "KERAS_DPGAN_FEDERATED_FLAGS"


def default_config():
    """The settings in pyproject.toml."""
    path = pathlib.Path(__file__).parent / "pyproject.toml"
    return tomllib.loads(path.read_text())["tool"]["flwr"]["app"]["config"]


def config_of(context):
    """The settings of a run: `flwr run` has them in its context."""
    return {
        **default_config(),
        **json.loads(os.environ.get(FLAGS, "{}")),
        **context.run_config,
    }


def make_gan(config):
    """A small discriminator: noise grows with the number of its weights."""
    discriminator = dpgan.models.image_discriminator(
        SHAPE, num_classes=NUM_CLASSES, width=16
    )
    vectors = dpgan.models.vector_generator(
        64, LATENT_DIM, NUM_CLASSES, hidden=(128, 128), output_activation="tanh"
    )
    images = keras.layers.Reshape(SHAPE)(vectors.output)
    gan = dpgan.DPGAN(discriminator, keras.Model(vectors.inputs, images))
    gan.compile(
        d_optimizer=dpgan.optimizers.DPKerasAdamOptimizer(
            l2_norm_clip=config["l2-norm-clip"],
            noise_multiplier=config["noise-multiplier"],
            learning_rate=config["d-learning-rate"],
            beta_1=0.0,
        ),
        g_optimizer=keras.optimizers.Adam(config["g-learning-rate"], beta_1=0.0),
        discriminator_steps=config["discriminator-steps"],
    )
    return gan


def partition(number, num_clients):
    """One client's digits: clients hold unequal shares of the classes."""
    (x, y), _ = dpgan.data.load_digits()
    shares = np.random.RandomState(0).dirichlet(np.ones(num_clients), NUM_CLASSES)
    mine = []
    for label, share in enumerate(shares):
        edges = (np.cumsum(share) * np.sum(y == label)).round().astype(int)
        start = 0 if number == 0 else edges[number - 1]
        mine.append(np.flatnonzero(y == label)[start : edges[number]])
    mine = np.concatenate(mine)
    return x[mine], y[mine]


@functools.lru_cache(maxsize=4)
def _owner(number, num_clients, config_items):
    return RecordOwner(make_gan(dict(config_items)), *partition(number, num_clients))


def record_owner(context):
    """The `RecordOwner` that a client is; built once in each process."""
    config = config_of(context)
    number = context.node_config["partition-id"]
    num_clients = context.node_config["num-partitions"]
    return _owner(number, num_clients, tuple(sorted(config.items())))


def budget(context):
    """The client's own limit, if it has set one for itself."""
    node = context.node_config
    if "epsilon" not in node:
        return None
    return ClientBudget(
        node["ledger"], node["data-name"], node["epsilon"], node["delta"]
    )
