"""The go-ahead of a round: the server learns whether enough can pay, and no more."""

import importlib.util

import grid_here
import numpy as np
import pytest

if importlib.util.find_spec("tenseal") is None:
    pytest.skip("needs TenSEAL", allow_module_level=True)
pytest.importorskip("cryptography")
pytest.importorskip("flwr")

from flwr.app import RecordDict

from keras_dpgan.federated import budget_vote
from keras_dpgan.federated import encryption
from keras_dpgan.federated import key_holder
from keras_dpgan.federated.cohort import Cohort
from keras_dpgan.federated.flower import budget_votes
from keras_dpgan.federated.flower import encrypted_sums
from keras_dpgan.federated.flower import messages
from keras_dpgan.federated.flower.group import ClientGroup
from keras_dpgan.federated.round_budget import RoundBudget
from keras_dpgan.federated.rounds import rounds_epsilon
from keras_dpgan.federated.shared_noise import SharedNoise

NUM_CLIENTS, SIZE = 4, 10
COHORT = Cohort(NUM_CLIENTS, max_dropouts=1)
MECHANISM = SharedNoise(COHORT, 1.0, 0.1, SIZE, modulus=encryption.MODULUS)
DELTA = 1e-5
RUN = "a run"
ROUND_0 = {"run": RUN, "round": 0}


class Federation:
    """Clients, each with a limit of its own, a key holder, and a server's view."""

    def __init__(self, folder, max_rounds):
        context = encryption.new_context()
        self.public = encryption.public_part(context)
        self.keys = [key_holder.new_signing_key() for _ in max_rounds]
        known = {k: k for k in map(key_holder.verifying_key, self.keys)}
        threshold = COHORT.threshold
        self.state = RecordDict()
        self.counter = budget_vote.VoteCounter(
            context, known, threshold, folder / "opened"
        )
        self.holder = key_holder.KeyHolder(
            context, known, threshold, SIZE, folder / "opened"
        )
        self.budgets = [
            RoundBudget(folder / f"{n}", MECHANISM, limit_of(rounds), DELTA)
            for n, rounds in enumerate(max_rounds)
        ]
        nodes = [self._client(n) for n in range(len(max_rounds))]
        self.grid = grid_here.GridHere([*nodes, self._answer_of_key_holder])
        everyone = ClientGroup(self.grid, len(nodes) + 1)
        *clients, last = everyone.node_ids
        self.group, self.holders = everyone.only(clients), everyone.only([last])
        self.sums = encrypted_sums.EncryptedSums(self.group, self.holders, MECHANISM)
        self.votes = budget_votes.BudgetVotes(self.group, self.holders, MECHANISM, RUN)
        self.seen = []
        self.grid.tamper = {
            (node, action): self._listen
            for node in self.grid.nodes
            for action in (budget_votes.BUDGET_VOTE, budget_votes.COUNT_VOTES)
        }

    def _listen(self, content):
        self.seen.append(messages.read(content))
        return content

    def _client(self, n):
        def train(arrays, facts):
            del arrays, facts
            return [update_of(n)]

        def answer(action, content):
            own = (MECHANISM, self.public, self.keys[n], self.budgets[n])
            if action == budget_votes.BUDGET_VOTE:
                return budget_votes.answer_budget_vote(content, *own)
            return encrypted_sums.answer_encrypted_update(content, train, *own)

        return answer

    def _answer_of_key_holder(self, action, content):
        if action == budget_votes.ADD_VOTES:
            return budget_votes.answer_add_votes(content, self.counter, self.state)
        if action == budget_votes.COUNT_VOTES:
            return budget_votes.answer_count_votes(content, self.counter, self.state)
        if action == encrypted_sums.ADD_UPDATES:
            return encrypted_sums.answer_add_updates(content, self.holder, self.state)
        return encrypted_sums.answer_open_sum(content, self.holder, self.state)

    def play(self, number):
        """The opened sum of a round; `None` where there is none."""
        model = [np.zeros(SIZE, np.float32)]
        total = self.sums.total(number, model)
        return None if total is None else MECHANISM.open(total, model)[0]

    def asked(self, action):
        return sum(a == action for _, a, _ in self.grid.sent)


def count(counter, sent):
    total = counter.holder.add(key_holder.EncryptedTotal(RUN, 0), sent)
    return counter.enough_can_pay(total)


def limit_of(rounds):
    return rounds_epsilon(MECHANISM, rounds, DELTA) or 1e-6


def update_of(n):
    """An update along an axis of its own, as long as the clip."""
    return np.eye(SIZE, dtype=np.float32)[n]


@pytest.mark.parametrize(
    ("max_rounds", "enough"),
    [((1, 1, 1, 1), True), ((1, 0, 1, 1), True), ((1, 0, 1, 0), False)],
)
def test_the_go_ahead_is_whether_enough_can_pay(tmp_path, max_rounds, enough):
    federation = Federation(tmp_path, max_rounds)
    assert federation.votes.enough_can_pay(0) is enough


def test_the_server_gets_the_same_whether_all_can_pay_or_just_enough(tmp_path):
    replies = []
    for folder, max_rounds in (("a", (1, 1, 1, 1)), ("b", (1, 1, 1, 0))):
        (tmp_path / folder).mkdir()
        federation = Federation(tmp_path / folder, max_rounds)
        federation.votes.enough_can_pay(0)
        replies.append(federation.seen[-1])
    for (bit,), facts in replies:
        assert (bit.dtype, bit.tolist(), facts) == (bool, [True], ROUND_0)


def test_what_a_client_votes_cannot_be_seen(tmp_path):
    federation = Federation(tmp_path, (1, 1, 1, 0))
    federation.votes.enough_can_pay(0)
    *votes, _ = federation.seen
    public = encryption.read_context(federation.public)
    assert len(votes) == NUM_CLIENTS
    for (_, _, ciphertext), facts in votes:
        assert facts == ROUND_0
        # Fresh randomness: equal votes look no more alike than others.
        vector = encryption.read(public, [ciphertext.tobytes()])
        with pytest.raises(ValueError, match="secret"):
            encryption.decrypt(vector)
    ciphertexts = [arrays[2].tobytes() for arrays, _ in votes]
    assert len(set(ciphertexts)) == NUM_CLIENTS


def test_a_vote_spends_nothing_and_follows_what_was_spent(tmp_path):
    federation = Federation(tmp_path, (2, 2, 2, 2))
    for number in range(5):
        assert federation.votes.enough_can_pay(number)
    for budget in federation.budgets[:2]:
        assert budget.pay()
        assert budget.pay()
    assert not federation.votes.enough_can_pay(5)


def test_votes_of_a_round_are_counted_once_also_after_a_restart(tmp_path):
    federation = Federation(tmp_path, (1, 1, 1, 1))
    assert federation.votes.enough_can_pay(3)
    for number in (3, 2):
        assert not federation.votes.enough_can_pay(number)
    assert federation.holders.num_left_out == {"error": 2}


def test_votes_of_a_few_are_not_counted(tmp_path):
    federation = Federation(tmp_path, (1, 1, 1, 1))
    sent = {
        key_holder.verifying_key(key): budget_vote.cast(
            federation.public, key, RUN, 0, True
        )
        for key in federation.keys[:2]
    }
    with pytest.raises(key_holder.RefusedError, match="and 3 are needed"):
        count(federation.counter, sent)


def test_an_update_is_not_opened_as_a_vote(tmp_path):
    federation = Federation(tmp_path, (1, 1, 1, 1))
    sent = {}
    for key in federation.keys:
        ciphertexts = encryption.encrypt(federation.public, np.array([7]))
        signature = key_holder.sign(key, RUN, 0, ciphertexts)
        sent[key_holder.verifying_key(key)] = (ciphertexts, signature)
    with pytest.raises(key_holder.RefusedError, match="0 clients"):
        count(federation.counter, sent)


def test_nobody_trains_where_too_few_can_pay(tmp_path):
    federation = Federation(tmp_path, (1, 0, 1, 0))
    assert federation.play(0) is None
    assert federation.asked(encrypted_sums.ENCRYPTED_UPDATE) == 0
    assert all(budget.can_pay() for budget in federation.budgets[::2])


def test_a_client_that_cannot_pay_hands_in_noise_and_is_not_seen(tmp_path):
    federation = Federation(tmp_path, (1, 1, 0, 1))
    opened = federation.play(0)
    noise = MECHANISM.step * MECHANISM.share_stddev * np.sqrt(NUM_CLIENTS)
    expected = update_of(0) + update_of(1) + update_of(3)
    np.testing.assert_allclose(opened, expected, rtol=0, atol=6 * noise)
    assert np.any(opened[NUM_CLIENTS:])
    assert federation.group.num_abstentions == 0
    assert not federation.group.num_left_out
