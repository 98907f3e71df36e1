"""The go-ahead of a round: the server learns whether enough can pay, and no more."""

import numpy as np
import pytest

pytest.importorskip("cryptography")
pytest.importorskip("flwr")

from federation_here import MODULUS
from federation_here import Federation

from keras_dpgan.federated import budget_vote
from keras_dpgan.federated import masks
from keras_dpgan.federated import signatures
from keras_dpgan.federated.cohort import Cohort
from keras_dpgan.federated.flower import masked_sums
from keras_dpgan.federated.flower import messages
from keras_dpgan.federated.opened_rounds import RefusedError
from keras_dpgan.federated.round_budget import RoundBudget
from keras_dpgan.federated.rounds import rounds_epsilon
from keras_dpgan.federated.shared_noise import SharedNoise

NUM_CLIENTS, SIZE = 4, 10
COHORT = Cohort(NUM_CLIENTS, max_dropouts=1)
MECHANISM = SharedNoise(COHORT, 1.0, 0.1, SIZE, modulus=MODULUS)
DELTA, RUN = 1e-5, "a run"
MODEL = [np.zeros(SIZE, np.float32)]
COUNT_VOTES = "query.count_votes"


def limit_of(rounds):
    return rounds_epsilon(MECHANISM, rounds, DELTA) or 1e-6


def update_of(place):
    """An update along an axis of its own, as long as the clip."""
    return np.eye(SIZE, dtype=np.float32)[place]


@pytest.fixture
def make(tmp_path):
    def make(max_rounds, folder=tmp_path):
        budgets = [
            RoundBudget(folder / f"{place}", MECHANISM, limit_of(rounds), DELTA)
            for place, rounds in enumerate(max_rounds)
        ]
        contributions = [
            lambda arrays, facts, place=place: [update_of(place)]
            for place in range(len(max_rounds))
        ]
        federation = Federation(MECHANISM, contributions, folder, budgets)
        federation.budgets = budgets
        return federation

    return make


def said_by_holder(federation):
    """What the server gets of the key holder's counts."""
    seen = []

    def listen(content):
        seen.append(messages.read(content))
        return content

    federation.grid.tamper[100 + NUM_CLIENTS, COUNT_VOTES] = listen
    return seen


def open_round(federation, number=0):
    total = federation.sums.total(number, MODEL)
    return None if total is None else MECHANISM.open(total, MODEL)[0]


@pytest.mark.parametrize(
    ("max_rounds", "enough"),
    [((1, 1, 1, 1), True), ((1, 0, 1, 1), True), ((1, 0, 1, 0), False)],
)
def test_the_go_ahead_is_whether_enough_can_pay(make, max_rounds, enough):
    federation = make(max_rounds)
    seen = said_by_holder(federation)
    assert (open_round(federation) is not None) is enough
    ((bit,), facts) = seen[0]
    assert (bit.dtype, bit.tolist(), set(facts)) == (bool, [enough], {"run", "round"})
    # Nobody trains where too few can pay, and nobody pays.
    assert federation.asked(masked_sums.UPDATE) == (NUM_CLIENTS if enough else 0)
    assert federation.budgets[0].can_pay() is not enough


def test_a_client_that_cannot_pay_hands_in_noise_and_is_not_seen(make):
    federation = make((1, 1, 0, 1))
    opened = open_round(federation)
    noise = MECHANISM.step * MECHANISM.share_stddev * np.sqrt(NUM_CLIENTS)
    expected = update_of(0) + update_of(1) + update_of(3)
    np.testing.assert_allclose(opened, expected, rtol=0, atol=6 * noise)
    assert np.any(opened[NUM_CLIENTS:])
    assert federation.group.num_abstentions == 0
    assert not federation.group.num_left_out


def test_votes_look_alike_and_are_as_long(make):
    federation = make((1, 1, 1, 0))
    votes = []
    for place in range(NUM_CLIENTS):

        def listen(content):
            votes.append(messages.read(content)[0][1].tobytes())
            return content

        federation.tamper(place, masked_sums.PARCELS, listen)
    open_round(federation)
    assert len(set(votes)) == NUM_CLIENTS
    assert {len(vote) for vote in votes} == {budget_vote.VOTE_BYTES}


def test_a_vote_spends_nothing_and_ten_that_no_round_follows_are_the_last(tmp_path):
    budget = RoundBudget(tmp_path / "budget", MECHANISM, limit_of(2), DELTA)
    assert [budget.vote() for _ in range(9)] == [True] * 9
    assert budget.pay()
    assert budget.pay()
    assert not budget.pay()
    budget = RoundBudget(tmp_path / "budget", MECHANISM, limit_of(2), DELTA)
    assert [budget.vote() for _ in range(10)] == [False] * 10
    with pytest.raises(RuntimeError, match="10 votes were given that no round has"):
        budget.vote()
    # One that has answered by noise goes on voting: nobody sees that it cannot pay.
    budget.enter_noise()
    assert not budget.vote()


def test_a_server_that_asks_for_votes_without_end_gets_no_more(make):
    federation = make((1, 0, 1, 0))
    for number in range(10):
        assert open_round(federation, number) is None
    assert not federation.group.num_left_out
    federation.sums = federation.new_sums()
    assert open_round(federation) is None
    assert federation.group.num_left_out == {"error": NUM_CLIENTS}


class Poll:
    """Clients' votes, and who counts them."""

    def __init__(self, path):
        self.keys = [signatures.new_signing_key() for _ in range(NUM_CLIENTS)]
        registry = signatures.Registry(map(signatures.verifying_key, self.keys))
        self.keys.sort(key=registry.number_of)
        private = masks.new_key()
        self.sealing_key = masks.public_key(private)
        self.make_counter = lambda: budget_vote.VoteCounter(
            private, registry, COHORT.threshold, path
        )
        self.counter = self.make_counter()

    def votes(self, number=0, run=RUN, clients=range(NUM_CLIENTS), can_pay=True):
        return {
            n: budget_vote.cast(self.sealing_key, self.keys[n], n, run, number, can_pay)
            for n in clients
        }


@pytest.fixture
def poll(tmp_path):
    return Poll(tmp_path / "counted")


def test_votes_are_counted(poll):
    yes = poll.votes(clients=(0, 1, 2))
    no = poll.votes(clients=(3,), can_pay=False)
    assert poll.counter.enough_can_pay(RUN, 0, yes | no)
    yes, no = (
        poll.votes(1, clients=(0, 1)),
        poll.votes(1, clients=(2, 3), can_pay=False),
    )
    assert not poll.counter.enough_can_pay(RUN, 1, yes | no)


def test_votes_of_a_round_are_counted_once_also_after_a_restart(poll):
    assert poll.counter.enough_can_pay(RUN, 3, poll.votes(3))
    for number in (3, 2):
        with pytest.raises(RefusedError, match="opened before"):
            poll.make_counter().enough_can_pay(RUN, number, poll.votes(number))
    assert poll.counter.enough_can_pay(RUN, 4, poll.votes(4))


def forged(poll, kind):
    votes = poll.votes(clients=(0, 1))
    if kind == "of another round":
        return votes | poll.votes(1, clients=(2, 3))
    if kind == "of another run":
        return votes | poll.votes(run="another", clients=(2, 3))
    if kind == "of one client under another's number":
        return votes | {2: votes[0], 3: votes[1], -1: votes[0], 4: votes[0]}
    if kind == "copied":
        # Counted, two copies of a vote would tell what it was.
        sealed = votes[0][: -signatures.SIGNATURE_BYTES]
        return votes | {
            n: sealed + signatures.sign(poll.keys[n], "vote", RUN, 0, sealed)
            for n in (2, 3)
        }
    if kind == "made by the server":
        server = signatures.new_signing_key()
        return votes | {
            n: budget_vote.cast(poll.sealing_key, server, n, RUN, 0, can_pay=True)
            for n in (2, 3)
        }
    if kind == "too short":
        return votes | {2: b"", 3: votes[1][:40]}
    other = Poll("unused")
    return votes | other.votes(clients=(2, 3))


@pytest.mark.parametrize(
    "kind",
    [
        "of another round",
        "of another run",
        "of one client under another's number",
        "copied",
        "made by the server",
        "too short",
        "of a stranger",
    ],
)
def test_votes_that_are_not_valid_do_not_count(poll, kind):
    with pytest.raises(RefusedError, match="2 clients have sent a valid vote, and 3"):
        poll.counter.enough_can_pay(RUN, 0, forged(poll, kind))
