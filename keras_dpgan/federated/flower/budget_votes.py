"""Encrypted votes over Flower: the go-ahead of a round."""

import numpy as np

from keras_dpgan.federated import budget_vote
from keras_dpgan.federated import key_holder
from keras_dpgan.federated.flower import messages
from keras_dpgan.federated.flower import signed
from keras_dpgan.federated.flower.client_updates import check_mechanism

BUDGET_VOTE = "query.budget_vote"
COUNT_VOTES = "query.count_votes"


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
        request = messages.write([], mechanism=repr(self._mechanism), **facts)
        form = messages.Form(None, np.uint8, facts)
        votes = self._group.ask(BUDGET_VOTE, request, lambda node: form)
        if len(votes) < self._mechanism.cohort.threshold:
            return False
        request = signed.join(list(votes.values()), **facts)
        form = messages.Form([(1,)], np.bool_, facts)
        counted = self._holder.ask(COUNT_VOTES, request, lambda node: form)
        return any(bool(enough[0]) for (enough,) in counted.values())


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


def answer_count_votes(content, counter):
    """What the key holder answers to `COUNT_VOTES`.

    Args:
        content: The content of the request.
        counter: A `VoteCounter` that knows clients by their public keys.

    Returns:
        The content of the reply: one bit.

    Raises:
        RefusedError: See `KeyHolder.open_sum`.
    """
    sent, facts = signed.read(content)
    run, number = facts["run"], facts["round"]
    enough = counter.enough_can_pay(run, number, sent)
    return messages.write([np.array([enough])], run=run, round=number)
