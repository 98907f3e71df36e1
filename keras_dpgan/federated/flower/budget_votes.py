"""Encrypted votes over Flower: the go-ahead of a round."""

import numpy as np

from keras_dpgan.federated import budget_vote
from keras_dpgan.federated import key_holder
from keras_dpgan.federated.flower import messages
from keras_dpgan.federated.flower import signed
from keras_dpgan.federated.flower.client_updates import check_mechanism
from keras_dpgan.federated.flower.key_holding import SumAtHolder
from keras_dpgan.federated.flower.key_holding import TotalInState

BUDGET_VOTE = "query.budget_vote"
ADD_VOTES, COUNT_VOTES = "query.add_votes", "query.count_votes"


class BudgetVotes:
    """Asks whether enough clients can pay for a round, and learns that alone.

    Args:
        group: A `ClientGroup` of as many clients as the cohort has.
        holder: A `ClientGroup` of the key holder alone.
        mechanism: The `SharedNoise` of the round.
        run: String, the run's name, which no other has.
    """

    def __init__(self, group, holder, mechanism, run):
        self._group, self._holder = group, holder
        self._mechanism, self._run = mechanism, run

    def enough_can_pay(self, number):
        """The key holder's bit.

        Args:
            number: Int, the round; votes on none before the last are counted.

        Returns:
            Bool; `False` also where too few have voted, or nobody counts.
        """
        facts = {"run": self._run, "round": number}
        mechanism = messages.mechanism_text(self._mechanism)
        request = messages.write([], mechanism=mechanism, **facts)
        form = messages.Form(None, np.uint8, facts)
        at_holder = SumAtHolder(self._holder, (ADD_VOTES, COUNT_VOTES), facts)
        votes = self._group.answers(BUDGET_VOTE, request, lambda node: form)
        for _, arrays in votes:
            at_holder.add(arrays)
        if at_holder.num_clients < self._mechanism.cohort.threshold:
            return False
        enough = at_holder.open((1,), np.bool_)
        return enough is not None and bool(enough[0])


def answer_budget_vote(content, mechanism, context, signing_key, budget=None):
    """What a client answers to `BUDGET_VOTE`.

    Args:
        content: The content of the request.
        mechanism: The `SharedNoise` that the client has agreed to.
        context: Bytes, the key holder's public context.
        signing_key: Bytes, the client's own private key.
        budget: A `RoundBudget`, of which nothing is spent. Defaults to `None`:
            the client has no limit.

    Returns:
        The content of the reply: who, signature and ciphertext.
    """
    _, facts = messages.read(content)
    check_mechanism(facts, mechanism)
    can_pay = budget is None or budget.can_pay()
    run, number = facts["run"], facts["round"]
    ciphertexts, signature = budget_vote.cast(
        context, signing_key, run, number, can_pay
    )
    who = key_holder.verifying_key(signing_key)
    return signed.write(who, signature, ciphertexts, run=run, round=number)


def answer_add_votes(content, counter, state):
    """What the key holder answers to `ADD_VOTES`.

    Args:
        content: The content of the request.
        counter: A `VoteCounter` that knows clients by their public keys.
        state: The `flwr.app.RecordDict` of the key holder's context.

    Returns:
        The content of the reply.
    """
    return TotalInState(state, "votes").answer_add(content, counter.holder)


def answer_count_votes(content, counter, state):
    """What the key holder answers to `COUNT_VOTES`.

    Args:
        content: The content of the request.
        counter: As in `answer_add_votes`.
        state: As there.

    Returns:
        The content of the reply: one bit.

    Raises:
        RefusedError: See `KeyHolder.open`.
    """

    def bit_of(total):
        return np.array([counter.enough_can_pay(total)])

    return TotalInState(state, "votes").answer_open(content, bit_of)
