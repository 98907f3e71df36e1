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
from keras_dpgan.federated import keys
from keras_dpgan.federated.client_budget import ClientBudget
from keras_dpgan.federated.cohort import Cohort
from keras_dpgan.federated.flower import messages
from keras_dpgan.federated.gaussian_update import GaussianUpdate
from keras_dpgan.federated.kept_model import KeptModel
from keras_dpgan.federated.laplace_update import LaplaceUpdate
from keras_dpgan.federated.local_training import LocalTraining
from keras_dpgan.federated.record_owner import RecordOwner
from keras_dpgan.federated.record_sum_noise import RecordSumNoise
from keras_dpgan.federated.round_budget import RoundBudget
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
# Those with a key holder beside the clients.
MODES_WITH_KEY_HOLDER = ("encrypted-sums", "encrypted-records")

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


def own_settings(context):
    """What a client says for itself, with `flower-supernode --node-config`.

    `partition-id` is its part of the digits. It may name the `mode` that it
    agrees to, its limit (`epsilon` and `delta`), its `ledger`, the folder of its
    `keys`, and the share of its digits that is `held-out` to choose the shared model
    that it keeps in its folder `kept`. Simulated clients have them from simulate.py.
    """
    own = dict(context.node_config)
    simulated = json.loads(os.environ.get(FLAGS, "{}")).get("simulated-clients")
    if simulated:
        folder = pathlib.Path(simulated["folder"])
        own["keys"] = str(folder / "keys")
        own["ledger"] = str(folder / f"client-{own['partition-id']}.ledger")
        if simulated["held-out"]:
            own["held-out"] = simulated["held-out"]
            own["kept"] = str(folder / f"client-{own['partition-id']}.kept")
        if simulated["epsilon"]:
            own |= {"epsilon": simulated["epsilon"], "delta": simulated["delta"]}
    return own


def agreed_mode(context):
    """The mode that a client has agreed to."""
    return own_settings(context).get("mode", config_of(context)["mode"])


def check_mode(context, *modes):
    """A client is in no other mode than it has agreed to."""
    agreed = agreed_mode(context)
    if agreed not in modes:
        raise PermissionError(f"This client has agreed to {agreed}, not to {modes}.")


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


def record_owner(context):
    """The client of record-level training."""
    return _owner(*_who(context))


def local_training(context, private):
    """The client of the other modes."""
    return _training(*_who(context), private)


def _who(context):
    config = config_of(context)
    config.pop("simulated-clients", None)
    return (
        context.node_config["partition-id"],
        config["num-clients"],
        own_settings(context).get("held-out", 0.0),
        tuple(sorted(config.items())),
    )


def keep_best(context, content):
    """Lets a client choose, for itself alone, from the shared models that it gets."""
    own = own_settings(context)
    if "held-out" not in own:
        return
    number, num_clients, held_out, config_items = _who(context)
    _, (x, y) = split(number, num_clients, held_out)
    gan = make_gan(dict(config_items), private=False)
    kept = KeptModel(gan, own["kept"], lambda gan: accuracy(gan, x, y))
    arrays, facts = messages.read(content)
    first = facts["num_d_weights"]
    num_g_weights = len(gan.generator.get_weights())
    kept.offer(arrays[:first], arrays[first : first + num_g_weights])


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


def mechanism(context):
    """How what a client sends is privatized, where its model is not."""
    return mechanism_of(config_of(context))


def mechanism_of(config):
    """The mechanism of a run's settings."""
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


def record_budget(context):
    """The client's own limit for its records, if it has set one."""
    own = own_settings(context)
    if "epsilon" not in own:
        return None
    return ClientBudget(own["ledger"], "digits", own["epsilon"], own["delta"])


def round_budget(context, mechanism):
    """The client's own limit where it is the unit, if it has set one."""
    own = own_settings(context)
    if "epsilon" not in own:
        return None
    return RoundBudget(own["ledger"], mechanism, own["epsilon"], own["delta"])


def _keys(context):
    return pathlib.Path(own_settings(context)["keys"])


def public_context(context):
    """What clients encrypt with."""
    return (_keys(context) / "public.context").read_bytes()


def signing_key(context):
    """By which the key holder knows this client."""
    number = context.node_config["partition-id"]
    return (_keys(context) / f"client-{number}.signing").read_bytes()


def is_key_holder(context):
    """The key holder is the node after the last client."""
    return context.node_config["partition-id"] == config_of(context)["num-clients"]


def key_holder(context):
    """The key holder, with its file of opened rounds."""
    noise = mechanism(context)
    return keys.load_key_holder(
        _holder_folder(context), noise.cohort.threshold, noise.num_parameters
    )


def vote_counter(context):
    """The key holder as the one who counts votes."""
    return keys.load_vote_counter(
        _holder_folder(context), mechanism(context).cohort.threshold
    )


def _holder_folder(context):
    if not is_key_holder(context):
        raise PermissionError("This client holds no key.")
    return _keys(context)
