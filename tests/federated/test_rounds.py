"""Rounds of all modes between a server and clients in one process."""

import functools
import secrets

import grid_here
import helpers
import keras
import numpy as np
import pytest

pytest.importorskip("flwr")
pytest.importorskip("cryptography")

from federation_here import Federation
from flwr.app import RecordDict

from keras_dpgan import privacy
from keras_dpgan.federated.client_budget import ClientBudget
from keras_dpgan.federated.cohort import Cohort
from keras_dpgan.federated.flower import client_updates
from keras_dpgan.federated.flower import contributions
from keras_dpgan.federated.flower import local_records
from keras_dpgan.federated.flower import masked_sums
from keras_dpgan.federated.flower import messages
from keras_dpgan.federated.flower import record_level
from keras_dpgan.federated.flower import robust
from keras_dpgan.federated.flower.group import ClientGroup
from keras_dpgan.federated.flower.hidden_updates import HiddenUpdates
from keras_dpgan.federated.flower.training import train_rounds
from keras_dpgan.federated.gaussian_update import GaussianUpdate
from keras_dpgan.federated.local_training import LocalTraining
from keras_dpgan.federated.record_owner import RecordOwner
from keras_dpgan.federated.rounds import rounds_epsilon
from keras_dpgan.federated.shared_noise import SharedNoise
from keras_dpgan.optimizers import DPKerasSGDOptimizer
from keras_dpgan.privacy import origins

NUM_CLIENTS = 4
TIMEOUT = 0.3  # Nodes that are here answer at once.
# Those of `train_on_records`.
TERMS = record_level.RecordTerms(0.5, sampling_probability=0.4)


def part_of(number):
    return helpers.make_data(40, seed=number)


def make_gan(private=True, noise_multiplier=0.5):
    keras.utils.set_random_seed(1)
    d_optimizer = keras.optimizers.SGD(0.1)
    if private:
        d_optimizer = helpers.make_d_optimizer(noise_multiplier, l2_norm_clip=0.5)
    return helpers.make_gan(
        d_optimizer=d_optimizer,
        private=private,
        run_eagerly=True,
        discriminator_steps=10**6,
    )


def changed_arrays(change):
    """Tampers with the arrays of a reply and leaves the facts."""

    def tamper(content):
        arrays, facts = messages.read(content)
        return messages.write([change(a) for a in arrays], **facts)

    return tamper


def changed_facts(**changes):
    """Tampers with the facts of a reply and leaves the arrays."""

    def tamper(content):
        arrays, facts = messages.read(content)
        return messages.write(arrays, **{**facts, **changes})

    return tamper


TAMPERING = {
    "NaN": (changed_arrays(lambda a: a * np.nan), "not finite"),
    "wrong shape": (changed_arrays(lambda a: a.reshape(-1)), "wrong shapes"),
    "wrong dtype": (changed_arrays(lambda a: a.astype(np.float64)), "wrong dtype"),
    "replay": (changed_facts(round=0), "wrong round"),
    "wrong model": (changed_facts(model_hash="0" * 64), "wrong model_hash"),
    "scaled": (changed_arrays(lambda a: 1e5 * a), "norm too large"),
    "unreadable": (lambda content: RecordDict(), "unreadable"),
    "no reply": (grid_here.drop_out, "no reply"),
}


@pytest.fixture(scope="module")
def owners():
    return [RecordOwner(make_gan(), *part_of(n)) for n in range(NUM_CLIENTS)]


def record_grid(owners, budgets=None):
    budgets = budgets or [None] * len(owners)

    def node(owner, budget):
        state = RecordDict()

        def answer(action, content):
            if action == record_level.NUM_RECORDS:
                return record_level.answer_num_records(owner)
            return record_level.answer_record_sum(content, owner, TERMS, state, budget)

        return answer

    return grid_here.GridHere(
        [node(o, b) for o, b in zip(owners, budgets, strict=True)]
    )


def train_on_records(grid, updates=2):
    gan = make_gan()
    group = ClientGroup(grid, NUM_CLIENTS, TIMEOUT)
    records = record_level.FlowerRecords(gan, group, 40.0, steps_per_epoch=updates)
    gan.fit(records, verbose=0)
    return gan, group


def test_record_level_training_over_messages(owners):
    grid = record_grid(owners)
    gan, group = train_on_records(grid)
    assert gan.num_discriminator_updates == 2
    (entry,) = gan.privacy_history.entries
    assert entry.sampling_probability == 40 / 160
    assert not group.num_left_out
    assert str(gan.privacy_statement()).startswith("! TRUSTED SERVER")


@pytest.mark.parametrize("kind", TAMPERING)
def test_a_reply_that_fails_a_check_is_left_out_and_counted(owners, kind):
    tamper, reason = TAMPERING[kind]
    grid = record_grid(owners)
    grid.tamper[101, record_level.RECORD_SUM] = tamper
    gan, group = train_on_records(grid)
    assert gan.num_discriminator_updates == 2
    # The first round is round 0: there a replay looks like itself.
    assert group.num_left_out == {reason: 1 if kind == "replay" else 2}
    for weight in helpers.weights_of(gan.discriminator):
        assert np.isfinite(weight).all()


def test_a_client_checks_the_hash_of_the_model(owners):
    gan = make_gan()
    weights = [v.numpy() for v in gan.discriminator.trainable_variables]
    request = messages.write([weights[0], *weights], model_hash="0" * 64)
    with pytest.raises(messages.InvalidMessageError, match="model_hash"):
        record_level.answer_record_sum(request, owners[0], TERMS, RecordDict())


@pytest.mark.parametrize(
    "asked",
    [
        {"noise_multiplier": 0.4},
        {"noise_multiplier": 0.0},
        {"noise_multiplier": float("nan")},
        {"sampling_probability": 0.41},
        {"sampling_probability": 1.0},
        {"sampling_probability": 0.0},
        {"l2_norm_clip": 5.0},
    ],
)
def test_a_client_refuses_a_server_that_wants_more_than_agreed(owners, asked):
    with pytest.raises(ValueError, match="agreed"):
        record_level.answer_record_sum(
            record_request(0, **asked), owners[0], TERMS, RecordDict()
        )


@functools.cache
def pool_and_weights():
    variables = make_gan().discriminator.trainable_variables
    pool = np.zeros((40, *helpers.SHAPE), np.float32)
    return [pool, *(v.numpy() for v in variables)]


def record_request(number, run="a run", **asked):
    arrays = pool_and_weights()
    facts = {
        "l2_norm_clip": 0.5,
        "noise_multiplier": 0.5,
        "sampling_probability": 0.25,
        **messages.facts_of(run, number, arrays),
    }
    return messages.write(arrays, **{**facts, **asked})


def test_a_clients_limit_does_not_rest_on_what_the_server_claims(owners, tmp_path):
    """A server that claims much noise gets no more sums than one that does not."""
    limit = privacy.epsilon(
        privacy.PrivacyHistory([TERMS.entry(0.25).with_count(3)]), 1e-5
    )
    for name, claimed in (("true", 0.5), ("false", 1e6)):
        budget = ClientBudget(tmp_path / name, "mine", limit, 1e-5)
        state, given = RecordDict(), 0
        for number in range(12):
            request = record_request(number, noise_multiplier=claimed)
            answer = record_level.answer_record_sum(
                request, owners[0], TERMS, state, budget
            )
            given += bool(messages.read(answer)[0])
        assert given == 3


def test_a_client_answers_a_round_once_in_modes_that_show_what_it_sends(
    owners, plain_trainings, private_trainings
):
    mechanism = GaussianUpdate(0.5, 2.0)
    gan = make_gan()
    weights = [v.numpy() for v in gan.discriminator.trainable_variables]
    arrays = [*weights, *gan.generator.get_weights()]

    def of_networks(number, run="a run"):
        facts = messages.facts_of(run, number, arrays)
        return messages.write(
            arrays,
            num_d_weights=len(weights),
            mechanism=messages.mechanism_text(mechanism),
            **facts,
        )

    answers = {
        "record sum": lambda content, state: record_level.answer_record_sum(
            content, owners[0], TERMS, state
        ),
        "update": lambda content, state: client_updates.answer_client_update(
            content, plain_trainings[0], mechanism, state
        ),
        "weights": lambda content, state: local_records.answer_local_records(
            content, private_trainings[0], state
        ),
    }
    for name, answer in answers.items():
        request = record_request if name == "record sum" else of_networks
        state = RecordDict()
        answer(request(1), state)
        for number in (1, 0):
            with pytest.raises(messages.InvalidMessageError, match="was answered"):
                answer(request(number), state)
        answer(request(0, run="another"), state)


@pytest.mark.parametrize("claimed", [0, -5, 10**15])
def test_a_client_with_an_impossible_number_of_records_is_left_out(owners, claimed):
    # Models of one seed begin at weights that another test has trained.
    origins.forget()
    grid = record_grid(owners)
    wrong = changed_arrays(lambda a: np.array([claimed], np.int64))
    grid.tamper[101, record_level.NUM_RECORDS] = wrong
    gan, group = train_on_records(grid)
    assert group.left_out == {101: {"wrong number of records": 1}}
    (entry,) = gan.privacy_history.entries
    assert entry.sampling_probability == 40 / 120


def test_a_client_whose_limit_is_reached_stops_answering(owners, tmp_path):
    entry = privacy.HistoryEntry(
        mechanism="gaussian", noise_multiplier=0.5, sampling_probability=0.25, count=2
    )
    limit = privacy.epsilon(privacy.PrivacyHistory([entry]), 1e-5)
    budgets = [None] * (NUM_CLIENTS - 1)
    path = tmp_path / "ledger"
    budgets.append(ClientBudget(path, "mine", limit, 1e-5))
    _, group = train_on_records(record_grid(owners, budgets), updates=4)
    assert group.num_abstentions == 2
    with privacy.Ledger(path, "mine") as ledger:
        assert ledger.total_updates == 2
        assert ledger.epsilon(1e-5) <= limit


@pytest.fixture(scope="module")
def private_trainings():
    return [
        LocalTraining(make_gan(), *part_of(n), expected_batch_size=8, updates=3)
        for n in range(NUM_CLIENTS)
    ]


@pytest.fixture(scope="module")
def plain_trainings():
    return [
        LocalTraining(make_gan(False), *part_of(n), expected_batch_size=8, updates=3)
        for n in range(NUM_CLIENTS)
    ]


def test_private_weights_are_averaged_and_charged(private_trainings):
    def node(training):
        state = RecordDict()

        def answer(action, content):
            if action == record_level.NUM_RECORDS:
                return messages.write([np.array([40], np.int64)])
            replies.append(local_records.answer_local_records(content, training, state))
            return replies[-1]

        return answer

    replies = []
    gan = make_gan()
    generator = helpers.weights_of(gan.generator)
    group = ClientGroup(
        grid_here.GridHere(map(node, private_trainings)), NUM_CLIENTS, TIMEOUT
    )
    source = local_records.LocalRecords(gan, group, 8.0, 3)
    results = train_rounds(gan, source, 2, generator_steps=2, batch_size=8)
    assert count_lost(results) == 0
    (entry,) = gan.privacy_history.entries
    assert (entry.count, entry.sampling_probability) == (6, 0.2)
    assert not helpers.same(generator, helpers.weights_of(gan.generator))
    last = [messages.read(reply)[0] for reply in replies[-NUM_CLIENTS:]]
    for variable, parts in zip(
        gan.discriminator.trainable_variables, zip(*last, strict=True), strict=True
    ):
        np.testing.assert_allclose(variable.numpy(), np.mean(parts, 0), atol=1e-6)


def test_local_training_without_noise_has_no_guarantee(plain_trainings):
    with pytest.raises(ValueError, match="no guarantee"):
        _ = plain_trainings[0].entry


def test_noise_from_a_seed_is_said_in_the_entry_of_local_training():
    d_optimizer = DPKerasSGDOptimizer(
        0.5, 1.0, learning_rate=0.1, insecure_noise_seed=1
    )
    gan = helpers.make_gan(d_optimizer=d_optimizer, run_eagerly=True)
    training = LocalTraining(gan, *part_of(0), expected_batch_size=8, updates=3)
    assert training.entry.insecure_noise
    (entry, others) = (training.entry, helpers.make_gan().d_optimizer)
    assert entry.count == 3
    assert not others.has_insecure_noise


def test_nothing_is_left_of_a_round_of_local_training(monkeypatch):
    # Randomness that is fresh otherwise.
    monkeypatch.setattr(secrets, "randbelow", lambda limit: 7)
    adam = keras.optimizers.Adam(0.1)
    gan = helpers.make_gan(d_optimizer=adam, private=False, run_eagerly=True)
    training = LocalTraining(gan, *part_of(0), expected_batch_size=40, updates=2)
    d_weights = [v.numpy() for v in gan.discriminator.trainable_variables]
    g_weights = gan.generator.get_weights()
    first = training.weights_after(d_weights, g_weights)
    assert not helpers.same(d_weights, first)
    assert helpers.same(first, training.weights_after(d_weights, g_weights))


def count_lost(results):
    return sum(not result["opened"] for result in results)


def client_node(training, mechanism):
    state = RecordDict()

    def answer(action, content):
        del action
        return client_updates.answer_client_update(content, training, mechanism, state)

    return answer


def test_noised_updates_are_averaged_and_charged(plain_trainings):
    mechanism = GaussianUpdate(0.5, 2.0)
    nodes = [client_node(t, mechanism) for t in plain_trainings]
    gan = make_gan()
    group = ClientGroup(grid_here.GridHere(nodes), NUM_CLIENTS, TIMEOUT)
    source = client_updates.ClientUpdates(group, mechanism)
    results = train_rounds(gan, source, 2, generator_steps=1, batch_size=8)
    assert count_lost(results) == 0
    (entry,) = gan.privacy_history.entries
    # Twice the clip apart: the noise counts for half.
    assert (entry.noise_multiplier, entry.count) == (1.0, 2)


def test_a_client_refuses_another_mechanism_than_its_own(plain_trainings):
    weak, own = GaussianUpdate(0.5, 0.1), GaussianUpdate(0.5, 2.0)
    nodes = [client_node(t, own) for t in plain_trainings]
    group = ClientGroup(grid_here.GridHere(nodes), NUM_CLIENTS, TIMEOUT)
    gan = make_gan()
    before = helpers.weights_of(gan.discriminator)
    source = client_updates.ClientUpdates(group, weak)
    results = train_rounds(gan, source, 1, generator_steps=1, batch_size=8)
    assert count_lost(results) == 1
    assert group.num_left_out == {"error": NUM_CLIENTS}
    assert helpers.same(before, helpers.weights_of(gan.discriminator))


MASKED_ACTIONS = (
    masked_sums.KEYS,
    masked_sums.SHARES,
    masked_sums.PARCELS,
    masked_sums.UPDATE,
    masked_sums.CONFIRM,
    masked_sums.REVEAL,
)


def masked_federation(trainings, mechanism):
    return Federation(mechanism, map(contributions.of_training, trainings))


def hidden_updates_of(federation):
    return HiddenUpdates(federation.sums, federation.mechanism)


def masked_mechanism(gan, noise_multiplier=0.01):
    size = sum(v.numpy().size for v in gan.discriminator.trainable_variables)
    return SharedNoise(Cohort(NUM_CLIENTS, 1), 0.5, noise_multiplier, size)


@pytest.mark.parametrize("drops_out_at", [None, *MASKED_ACTIONS])
def test_masked_updates_are_added_whoever_drops_out(plain_trainings, drops_out_at):
    gan = make_gan()
    mechanism = masked_mechanism(gan)
    federation = masked_federation(plain_trainings, mechanism)
    if drops_out_at:
        federation.tamper(2, drops_out_at, grid_here.drop_out)
    before = [v.numpy() for v in gan.discriminator.trainable_variables]
    source = hidden_updates_of(federation)
    new = source.next_weights(0, before, gan.generator.get_weights())
    moved = np.sqrt(sum(np.sum((a - b) ** 2) for a, b in zip(new, before, strict=True)))
    # Updates of a few clients, each of norm 0.5 at most, over a public number.
    assert 1e-3 < moved <= 0.5 * 1.1


def test_what_masked_clients_send_looks_random(plain_trainings):
    gan = make_gan()
    mechanism = masked_mechanism(gan)
    federation = masked_federation(plain_trainings, mechanism)
    seen = []

    def listen(content):
        seen.append(messages.read(content)[0][1])
        return content

    for place in range(NUM_CLIENTS):
        federation.tamper(place, masked_sums.UPDATE, listen)
    source = hidden_updates_of(federation)
    weights = [v.numpy() for v in gan.discriminator.trainable_variables]
    source.next_weights(0, weights, gan.generator.get_weights())
    assert len(seen) == NUM_CLIENTS
    for vector in seen:
        size = len(vector)
        assert abs(np.mean(vector / 2**32) - 0.5) < 5 * 0.29 / np.sqrt(size)


def test_a_masked_round_with_too_few_clients_is_not_opened(plain_trainings):
    gan = make_gan()
    mechanism = masked_mechanism(gan)
    federation = masked_federation(plain_trainings, mechanism)
    for place in (1, 2):
        federation.tamper(place, masked_sums.UPDATE, grid_here.drop_out)
    source = hidden_updates_of(federation)
    results = train_rounds(gan, source, 1, generator_steps=0, batch_size=8)
    assert count_lost(results) == 1
    assert not federation.asked(masked_sums.CONFIRM)
    assert not federation.asked(masked_sums.REVEAL)


def test_a_server_that_would_open_a_round_twice_is_refused_by_the_clients(
    plain_trainings,
):
    gan = make_gan()
    honest = masked_mechanism(gan)
    federation = masked_federation(plain_trainings, honest)
    source = hidden_updates_of(federation)
    weights = [v.numpy() for v in gan.discriminator.trainable_variables]
    source.next_weights(0, weights, gan.generator.get_weights())
    (again,) = [
        content
        for node, action, content in federation.grid.sent
        if (node, action) == (100, masked_sums.REVEAL)
    ]
    with pytest.raises(ValueError, match="opened only once"):
        federation.grid.nodes[100](masked_sums.REVEAL, again)


def test_a_model_states_what_its_clients_are_guaranteed(plain_trainings):
    gan = make_gan()
    mechanism = masked_mechanism(gan, noise_multiplier=1.0)
    federation = masked_federation(plain_trainings, mechanism)
    source = hidden_updates_of(federation)
    train_rounds(gan, source, 2, generator_steps=0, batch_size=8)
    assert gan.epsilon(1e-5) == rounds_epsilon(mechanism, 2, 1e-5) > 1
    statement = gan.privacy_statement(1e-5)
    assert statement.has_guarantee
    assert "Unit of privacy: a client" in str(statement)
    assert gan.privacy_card()["guarantee"]["unit_of_privacy"] == "client"
    with pytest.raises(ValueError, match="do not add up"):
        gan.fit(*helpers.make_data(20), batch_size=10, verbose=0)


@pytest.mark.parametrize("combine", [robust.trimmed_mean(0.25), robust.krum(1)])
def test_robust_aggregation_leaves_out_a_client_that_sends_nonsense(
    plain_trainings, combine
):
    mechanism = GaussianUpdate(0.5, 0.01)
    grid = grid_here.GridHere([client_node(t, mechanism) for t in plain_trainings])
    scaled = changed_arrays(lambda a: 1000 * a)
    grid.tamper[101, client_updates.CLIENT_UPDATE] = scaled
    gan = make_gan()
    weights = [v.numpy() for v in gan.discriminator.trainable_variables]
    moved = {}
    for name, how in (("mean", local_records.mean), ("robust", combine)):
        group = ClientGroup(grid, NUM_CLIENTS, TIMEOUT)
        source = client_updates.ClientUpdates(group, mechanism, combine=how)
        new = source.next_weights(0, weights, gan.generator.get_weights())
        update = [a - b for a, b in zip(new, weights, strict=True)]
        moved[name] = np.sqrt(sum(np.sum(u**2) for u in update))
    assert moved["mean"] > 10
    assert moved["robust"] < 1
