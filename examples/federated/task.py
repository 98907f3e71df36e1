"""The digits, how clients share them, and the GAN that they train."""

import functools
import json
import os
import pathlib
import tomllib

import keras
import numpy as np
from sklearn.svm import SVC

import keras_dpgan as dpgan
from keras_dpgan.federated import encryption
from keras_dpgan.federated.cohort import Cohort
from keras_dpgan.federated.gaussian_update import GaussianUpdate
from keras_dpgan.federated.kept_model import KeptModel
from keras_dpgan.federated.laplace_update import LaplaceUpdate
from keras_dpgan.federated.local_training import LocalTraining
from keras_dpgan.federated.record_owner import RecordOwner
from keras_dpgan.federated.record_sum_noise import RecordSumNoise
from keras_dpgan.federated.shared_noise import SharedNoise

SHAPE = (8, 8, 1)
NUM_CLASSES = 10
LATENT_DIM = 16
# No round has so many updates: the generator is the server's.
NEVER = 2**31

# Of more clients each has a digit or two.
FEW = 100

# Sums of record-level training that the server does not see.
MODES_OF_HIDDEN_RECORDS = ("masked-records", "encrypted-records")
MODES_OF_HIDDEN_SUMS = (*MODES_OF_HIDDEN_RECORDS, "masked-sums", "encrypted-sums")
# Those with a key holder beside the clients.
MODES_WITH_KEY_HOLDER = ("encrypted-sums", "encrypted-records")

# By which simulate.py hands its flags to the processes of simulated clients.
FLAGS = "KERAS_DPGAN_FEDERATED_FLAGS"


def default_config():
    """The settings in pyproject.toml."""
    path = pathlib.Path(__file__).parent / "pyproject.toml"
    return tomllib.loads(path.read_text())["tool"]["flwr"]["app"]["config"]


def config_of(context):
    """The server's settings of a run: `flwr run` has them in its context."""
    return {**default_config(), **_simulated(), **context.run_config}


def own_settings(context):
    """What a client says for itself, with `flower-supernode --node-config`.

    `partition-id` is its part of the digits. Everything else that it does not name
    is as in pyproject.toml: the `mode` that it agrees to, clip, noise and cohort, its
    limit (`epsilon` and `delta`). It names its `ledger` and the folder of its `keys`.
    It may name the share of its digits that is `held-out` to choose the shared model
    that it keeps in its folder `kept`. Simulated clients have all of it from
    simulate.py. The server's settings of the run are not among them.
    """
    own = {**default_config(), **_simulated(), **context.node_config}
    simulated = own.pop("simulated-clients", None)
    if simulated:
        folder = pathlib.Path(simulated["folder"])
        own["keys"] = str(folder / "keys")
        own["ledger"] = str(folder / f"client-{own['partition-id']}.ledger")
        if simulated["held-out"]:
            own["held-out"] = simulated["held-out"]
            own["kept"] = str(folder / f"client-{own['partition-id']}.kept")
        own["epsilon"] = simulated["epsilon"]
    return own


def _simulated():
    return json.loads(os.environ.get(FLAGS, "{}"))


def make_gan(config, private=True, discriminator_steps=NEVER):
    """A small discriminator: noise grows with the number of its weights."""
    discriminator = dpgan.models.vector_discriminator(64, NUM_CLASSES, hidden=(32,))
    inputs = [keras.Input(SHAPE), keras.Input((), dtype="int32")]
    flat = keras.layers.Flatten()(inputs[0])
    discriminator = keras.Model(inputs, discriminator([flat, inputs[1]]))
    vectors = dpgan.models.vector_generator(
        64, LATENT_DIM, NUM_CLASSES, hidden=(128, 128), output_activation="tanh"
    )
    images = keras.layers.Reshape(SHAPE)(vectors.output)
    gan = dpgan.DPGAN(discriminator, keras.Model(vectors.inputs, images))
    learning = {"learning_rate": config["d-learning-rate"], "beta_1": 0.0}
    d_optimizer = keras.optimizers.Adam(**learning)
    if private:
        # Where sums are hidden, clients have added the noise.
        hidden = config["mode"] in MODES_OF_HIDDEN_RECORDS
        noise = 0.0 if hidden else config["noise-multiplier"]
        d_optimizer = dpgan.optimizers.DPKerasAdamOptimizer(
            config["l2-norm-clip"], noise, **learning
        )
    gan.compile(
        d_optimizer=d_optimizer,
        g_optimizer=keras.optimizers.Adam(config["g-learning-rate"], beta_1=0.0),
        discriminator_steps=discriminator_steps,
        private=private,
    )
    return gan


def partition(number, num_clients):
    """One client's digits: unequal shares of the classes, or one or two digits."""
    (x, y), _ = dpgan.data.load_digits()
    rng = np.random.RandomState(0)
    if num_clients > FEW:
        mine = np.array_split(rng.permutation(len(x)), num_clients)[number]
        return x[mine], y[mine]
    shares = rng.dirichlet(np.ones(num_clients), NUM_CLASSES)
    mine = []
    for label, share in enumerate(shares):
        edges = (np.cumsum(share) * np.sum(y == label)).round().astype(int)
        start = 0 if number == 0 else edges[number - 1]
        mine.append(np.flatnonzero(y == label)[start : edges[number]])
    mine = np.concatenate(mine)
    return x[mine], y[mine]


def split(number, num_clients, held_out):
    """One client's digits to train with, and those to choose with."""
    x, y = partition(number, num_clients)
    order = np.random.RandomState(number).permutation(len(x))
    last = len(x) - int(held_out * len(x))
    return [(x[part], y[part]) for part in (order[:last], order[last:])]


def records_of(own):
    """What answers for the records of a client."""
    shared = {name: own[name] for name in default_config()}
    who = (
        own["partition-id"],
        own["num-clients"],
        own.get("held-out", 0.0),
        tuple(sorted(shared.items())),
    )
    if own["mode"] in ("record-level", *MODES_OF_HIDDEN_RECORDS):
        return _owner(*who)
    return _training(*who, own["mode"] == "local-records")


def keeper_of(own):
    """Lets a client choose, for itself alone, from the shared models that it gets."""
    if "held-out" not in own:
        return None
    _, (x, y) = split(own["partition-id"], own["num-clients"], own["held-out"])
    gan = make_gan(own, private=False)
    return KeptModel(gan, own["kept"], lambda gan: accuracy(gan, x, y)).offer


def accuracy(gan, x, y):
    """Accuracy, on real digits, of a classifier of generated ones."""
    generated, labels = gan.sample(4000, seed=0)
    classifier = SVC().fit(generated.reshape(len(generated), -1), labels)
    return classifier.score(x.reshape(len(x), -1), y)


# Built once in each process, which may serve many simulated clients.
@functools.lru_cache(maxsize=16)
def _owner(number, num_clients, held_out, config_items):
    records, _ = split(number, num_clients, held_out)
    return RecordOwner(make_gan(dict(config_items)), *records)


@functools.lru_cache(maxsize=1024)
def _training(number, num_clients, held_out, config_items, private):
    first = _first_training(num_clients, config_items, private)
    records, _ = split(number, num_clients, held_out)
    return first.with_records(*records)


@functools.cache
def _first_training(num_clients, config_items, private):
    config = dict(config_items)
    return LocalTraining(
        make_gan(config, private),
        *partition(0, num_clients),
        config["local-batch-size"],
        config["local-updates"],
    )


def mechanism_of(config):
    """The mechanism of settings; `None` where there is none beside the optimizer."""
    if config["mode"] in ("record-level", "local-records"):
        return None
    clip, noise = config["update-clip"], config["update-noise"]
    if config["mode"] == "local-clients":
        kinds = {"gaussian": GaussianUpdate, "laplace": LaplaceUpdate}
        return kinds[config["update-mechanism"]](clip, noise)
    cohort = Cohort(
        config["num-clients"], config["max-dropouts"], config["max-colluders"]
    )
    encrypted = config["mode"] in MODES_WITH_KEY_HOLDER
    modulus = encryption.MODULUS if encrypted else 2**32
    if config["mode"] in MODES_OF_HIDDEN_RECORDS:
        clip = config["l2-norm-clip"]
        return RecordSumNoise(
            cohort,
            clip,
            config["noise-multiplier"],
            _num_parameters(),
            modulus,
            sampling_probability=config["expected-batch-size"] / num_records(),
            # No sum is so long, but of a client with most of the records.
            largest_sum=config["expected-batch-size"] * clip,
        )
    return SharedNoise(cohort, clip, noise, _num_parameters(), modulus)


@functools.cache
def num_records():
    """The records of all clients, which is public."""
    (x, _), _ = dpgan.data.load_digits()
    return len(x)


@functools.cache
def _num_parameters():
    gan = make_gan(default_config())
    return sum(v.numpy().size for v in gan.discriminator.trainable_variables)


def largest_q(own):
    """The largest sample that a client takes; that of the run, and some are missing."""
    return min(1.0, 2 * own["expected-batch-size"] / num_records())


def is_key_holder(own):
    """The key holder is the node after the last client."""
    return own["partition-id"] == own["num-clients"]
