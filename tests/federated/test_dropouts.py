"""Three clients of ten drop out of every round, in every mode."""

import grid_here
import helpers
import keras
import numpy as np
import pytest

pytest.importorskip("flwr")
pytest.importorskip("cryptography")

from federation_here import MODULUS
from federation_here import Federation
from flwr.app import RecordDict

from keras_dpgan import privacy
from keras_dpgan.federated import vectors
from keras_dpgan.federated.cohort import Cohort
from keras_dpgan.federated.flower import client_updates
from keras_dpgan.federated.flower import local_records
from keras_dpgan.federated.flower import masked_sums
from keras_dpgan.federated.flower import messages
from keras_dpgan.federated.flower import record_level
from keras_dpgan.federated.flower.group import ClientGroup
from keras_dpgan.federated.flower.hidden_updates import HiddenUpdates
from keras_dpgan.federated.flower.training import train_rounds
from keras_dpgan.federated.gaussian_update import GaussianUpdate
from keras_dpgan.federated.record_owner import RecordOwner
from keras_dpgan.federated.record_sum_noise import RecordSumNoise
from keras_dpgan.federated.shared_noise import SharedNoise

NUM_CLIENTS, DROPPED, SIZE = 10, 3, 20_000
COHORT = Cohort(NUM_CLIENTS, max_dropouts=DROPPED)
TIMEOUT = 0.3  # Nodes that are here answer at once.
NOISE, CLIP = 1.0, 1.0
MODEL = [np.zeros(SIZE, np.float32)]


def drop(grid, action, clients):
    for client in clients:
        grid.tamper[100 + client, action] = grid_here.drop_out


def update_of(client):
    """Each client's own, as long as the clip."""
    update = np.zeros(SIZE)
    update[client] = CLIP
    return [update]


def contribution_of(client):
    return lambda arrays, facts: update_of(client)


def update_noise(modulus=2**32):
    return SharedNoise(COHORT, CLIP, NOISE, SIZE, modulus)


def record_noise(modulus=2**32):
    return RecordSumNoise(
        COHORT,
        CLIP,
        NOISE,
        SIZE,
        modulus,
        sampling_probability=0.1,
        largest_sum=8 * CLIP,
    )


def federation_of(mechanism, folder=None):
    return Federation(mechanism, map(contribution_of, range(NUM_CLIENTS)), folder)


def check_sum(total, mechanism, gone):
    """It has the updates of those who stayed, and at least the noise accounted for."""
    (opened,) = mechanism.open(total, MODEL)
    stayed = [n for n in range(NUM_CLIENTS) if n not in gone]
    rest = opened - sum(update_of(n)[0] for n in stayed)
    # The noise of those whose shares are sure to be there, in units of the vector.
    accounted = NOISE * mechanism.sensitivity * mechanism.step
    expected = accounted * np.sqrt(len(stayed) / COHORT.threshold)
    assert np.std(rest) == pytest.approx(expected, rel=0.03)
    assert np.std(rest) >= accounted * 0.97
    assert np.max(np.abs(rest)) < 6 * expected


DROPPED_AT = {
    "keys": {masked_sums.KEYS: (2, 5, 9)},
    "shares": {masked_sums.SHARES: (0, 1, 2)},
    "parcels": {masked_sums.PARCELS: (0, 4, 8)},
    "updates": {masked_sums.UPDATE: (7, 8, 9)},
    "one at each": {
        masked_sums.KEYS: (3,),
        masked_sums.SHARES: (4,),
        masked_sums.UPDATE: (5,),
    },
}


@pytest.mark.parametrize("make", [update_noise, record_noise])
@pytest.mark.parametrize("dropped_at", DROPPED_AT)
def test_masked_sums(make, dropped_at):
    mechanism = make()
    federation = federation_of(mechanism)
    sums, grid = federation.sums, federation.grid
    gone = set()
    for action, clients in DROPPED_AT[dropped_at].items():
        drop(grid, action, clients)
        gone |= set(clients)
    for number in range(2):
        check_sum(sums.total(number, MODEL), mechanism, gone)


def test_masked_sums_are_opened_by_those_that_are_left():
    mechanism = update_noise()
    federation = federation_of(mechanism)
    sums, grid = federation.sums, federation.grid
    drop(grid, masked_sums.REVEAL, (0, 4, 9))
    check_sum(sums.total(0, MODEL), mechanism, gone=())


@pytest.mark.parametrize("action", list(DROPPED_AT)[:4])
def test_one_more_and_a_masked_sum_is_not_opened(action):
    federation = federation_of(update_noise())
    sums, grid = federation.sums, federation.grid
    ((step, clients),) = DROPPED_AT[action].items()
    drop(grid, step, (*clients, 6))
    assert sums.total(0, MODEL) is None


@pytest.mark.parametrize("make", [update_noise, record_noise])
def test_encrypted_sums(tmp_path, make):
    mechanism = make(MODULUS)
    federation = federation_of(mechanism, tmp_path)
    sums, grid = federation.sums, federation.grid
    # One is not there to vote, two do not hand in.
    drop(grid, masked_sums.PARCELS, (0,))
    drop(grid, masked_sums.UPDATE, (7, 8))
    check_sum(sums.total(0, MODEL), mechanism, gone={0, 7, 8})
    drop(grid, masked_sums.UPDATE, (6,))
    assert sums.total(1, MODEL) is None


def make_gan(private=True):
    keras.utils.set_random_seed(1)
    d_optimizer = keras.optimizers.SGD(0.1)
    if private:
        d_optimizer = helpers.make_d_optimizer(0.5, l2_norm_clip=0.5)
    return helpers.make_gan(
        d_optimizer=d_optimizer,
        private=private,
        run_eagerly=True,
        discriminator_steps=10**6,
    )


def test_client_level_rounds_are_charged_whoever_has_dropped_out():
    gan = make_gan()
    size = sum(v.numpy().size for v in gan.discriminator.trainable_variables)
    mechanism = SharedNoise(COHORT, CLIP, NOISE, size)

    def train(arrays, facts):
        split = facts["num_d_weights"]
        return [np.zeros_like(array) for array in arrays[:split]]

    federation = Federation(mechanism, [train] * NUM_CLIENTS)
    drop(federation.grid, masked_sums.UPDATE, (1, 2, 3))
    sums = federation.sums
    source = HiddenUpdates(sums, mechanism)
    results = train_rounds(gan, source, 3, generator_steps=1, batch_size=8, verbose=0)
    assert [result["opened"] for result in results] == [True] * 3
    assert gan.num_discriminator_updates == 3


def test_local_client_updates():
    mechanism = GaussianUpdate(CLIP, NOISE)

    def node(number):
        del number

        def answer(action, content):
            del action
            d_weights, _, facts = local_records.read_weights(content)
            update = mechanism.privatize([np.zeros_like(w) for w in d_weights])
            return messages.reply(update, facts)

        return answer

    gan = make_gan()
    grid = grid_here.GridHere(map(node, range(NUM_CLIENTS)))
    drop(grid, client_updates.CLIENT_UPDATE, (1, 2, 3))
    group = ClientGroup(grid, NUM_CLIENTS, TIMEOUT)
    source = client_updates.ClientUpdates(group, mechanism)
    weights = [v.numpy() for v in gan.discriminator.trainable_variables]
    new = source.next_weights(0, weights, gan.generator.get_weights())
    moved = vectors.flatten(new) - vectors.flatten(weights)
    stayed = NUM_CLIENTS - DROPPED
    # The noise of a mean of seven. Of the accounting nothing depends on who answers.
    assert np.std(moved) == pytest.approx(NOISE * CLIP / np.sqrt(stayed), rel=0.2)
    assert group.num_left_out == {"no reply": DROPPED}


def owners_grid(gan):
    owner = RecordOwner(gan, *helpers.make_data(20))
    terms = record_level.RecordTerms(0.5, sampling_probability=0.2)

    def answer(action, content):
        if action == record_level.NUM_RECORDS:
            return record_level.answer_num_records(owner)
        if action == local_records.LOCAL_RECORDS:
            d_weights, _, facts = local_records.read_weights(content)
            return messages.reply([w + 1 for w in d_weights], facts)
        # Another state each time: all clients are one here.
        return record_level.answer_record_sum(content, owner, terms, RecordDict())

    return grid_here.GridHere([answer] * NUM_CLIENTS)


def test_record_level_training_keeps_its_noise_and_its_divisor():
    gan = make_gan()
    grid = owners_grid(make_gan())
    group = ClientGroup(grid, NUM_CLIENTS, TIMEOUT)
    records = record_level.FlowerRecords(gan, group, 40.0, steps_per_epoch=3)
    drop(grid, record_level.RECORD_SUM, (1, 2, 3))
    gan.fit(records, verbose=0)
    assert gan.num_discriminator_updates == 3
    assert group.num_left_out == {"no reply": 3 * DROPPED}
    expected = privacy.HistoryEntry(
        mechanism="gaussian",
        noise_multiplier=0.5,
        sampling_probability=40 / (20 * NUM_CLIENTS),
        count=3,
    )
    assert gan.privacy_history.entries == (expected,)


def test_local_records():
    gan = make_gan()
    grid = owners_grid(make_gan())
    group = ClientGroup(grid, NUM_CLIENTS, TIMEOUT)
    source = local_records.LocalRecords(gan, group, 8.0, 2)
    drop(grid, local_records.LOCAL_RECORDS, (1, 2, 3))
    before = helpers.weights_of(gan.discriminator)
    results = train_rounds(gan, source, 3, generator_steps=0, batch_size=8, verbose=0)
    assert [result["opened"] for result in results] == [True] * 3
    assert group.num_left_out == {"no reply": 3 * DROPPED}
    (entry,) = gan.privacy_history.entries
    assert (entry.count, entry.sampling_probability) == (6, 8 / 20)
    for here, there in zip(before, helpers.weights_of(gan.discriminator), strict=True):
        np.testing.assert_allclose(there, here + 3, rtol=0, atol=1e-5)
