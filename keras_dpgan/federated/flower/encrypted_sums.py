"""Sums over Flower by homomorphic encryption, with a separate key holder."""

import secrets

import numpy as np

from keras_dpgan.federated import encryption
from keras_dpgan.federated import key_holder
from keras_dpgan.federated.flower import messages
from keras_dpgan.federated.flower import signed
from keras_dpgan.federated.flower.budget_votes import BudgetVotes
from keras_dpgan.federated.flower.client_updates import check_mechanism
from keras_dpgan.federated.flower.group import ClientGroup
from keras_dpgan.federated.flower.key_holding import SumAtHolder
from keras_dpgan.federated.flower.key_holding import TotalInState

ENCRYPTED_UPDATE = "train.encrypted_update"
ADD_UPDATES, OPEN_SUM = "query.add_updates", "query.open_sum"
IS_KEY_HOLDER = "query.is_key_holder"


class EncryptedSums:
    """Opens the sum, and nothing else, of what clients encrypt.

    They encrypt it for the key holder, another Flower client, which sends back
    the decrypted sum alone.

    Args:
        group: A `ClientGroup` of as many clients as the cohort has.
        holder: A `ClientGroup` of the key holder alone.
        mechanism: A `SharedNoise` with the modulus `encryption.MODULUS`.
    """

    def __init__(self, group, holder, mechanism):
        if mechanism.modulus != encryption.MODULUS:
            raise ValueError(
                f"`mechanism` must have the modulus {encryption.MODULUS}. Received: "
                f"{mechanism}"
            )
        self._group, self._holder, self._mechanism = group, holder, mechanism
        # It must be new, not secret: in it the key holder opens a round once.
        self._run = secrets.token_hex(16)
        self._votes = BudgetVotes(group, holder, mechanism, self._run)

    def total(self, number, arrays, **facts):
        """Plays one round; see `MaskedSums.total`.

        There is none where the clients' votes say that too few can pay.
        """
        if not self._votes.enough_can_pay(number):
            return None
        expected = {
            "run": self._run,
            "round": number,
            "model_hash": messages.model_hash(arrays),
        }
        mechanism = messages.mechanism_text(self._mechanism)
        request = messages.write(arrays, mechanism=mechanism, **expected, **facts)
        form = messages.Form(None, np.uint8, expected)
        at_holder = SumAtHolder(
            self._holder,
            (ADD_UPDATES, OPEN_SUM),
            {"run": self._run, "round": number},
        )
        answers = self._group.answers(ENCRYPTED_UPDATE, request, lambda node: form)
        for _, arrays in answers:
            at_holder.add(arrays)
        if at_holder.num_clients < self._mechanism.cohort.threshold:
            return None
        return at_holder.open((self._mechanism.num_parameters,), np.int64)


def split_off_key_holder(grid, num_clients, **options):
    """Finds the key holder among the nodes.

    Args:
        grid: As in `ClientGroup`.
        num_clients: Int, the clients without the key holder.
        **options: Those of `ClientGroup`.

    Returns:
        `(group, holder)`: the `ClientGroup` of the clients, and that of the key
        holder alone.

    Raises:
        ValueError: If there is not exactly one.
    """
    everyone = ClientGroup(grid, num_clients + 1, **options)
    form = messages.Form([(1,)], np.int64, {})
    answers = everyone.ask(IS_KEY_HOLDER, messages.write([]), lambda node: form)
    holders = [node for node, (is_holder,) in answers.items() if is_holder[0]]
    if len(holders) != 1:
        raise ValueError(
            f"There must be exactly one key holder. Received: {len(holders)} among "
            f"{len(answers)} nodes"
        )
    return everyone.without(holders), everyone.only(holders)


def answer_is_key_holder(is_key_holder):
    """What every node answers to `IS_KEY_HOLDER`."""
    return messages.write([np.array([is_key_holder], np.int64)])


def answer_encrypted_update(
    content, contribution, mechanism, context, signing_key, budget=None
):
    """What a client answers to `ENCRYPTED_UPDATE`.

    Args:
        content: The content of the request.
        contribution: A function of `flower.contributions`.
        mechanism: The `SharedNoise` that the client has agreed to.
        context: Bytes, the key holder's public context.
        signing_key: Bytes, the client's own private key.
        budget: A `RoundBudget`. Where it is used up the client hands in its
            share of the noise alone, which nobody can tell from an update.
            Defaults to `None`.

    Returns:
        The content of the reply: who, signature and ciphertexts.
    """
    arrays, facts = messages.read(content)
    messages.check_hash(arrays, facts)
    check_mechanism(facts, mechanism)
    # Made in any case: how long an answer takes is seen, too.
    own = contribution(arrays, facts)
    if budget is not None and not budget.pay():
        own = [np.zeros_like(array) for array in own]
    ciphertexts = encryption.encrypt(context, mechanism.privatize(own))
    run, number = facts["run"], facts["round"]
    signature = key_holder.sign(signing_key, run, number, ciphertexts)
    return signed.write(
        key_holder.verifying_key(signing_key),
        signature,
        ciphertexts,
        run=run,
        round=number,
        model_hash=facts["model_hash"],
    )


def answer_add_updates(content, holder, state):
    """What the key holder answers to `ADD_UPDATES`.

    Args:
        content: The content of the request.
        holder: A `KeyHolder` that knows clients by their public keys.
        state: The `flwr.app.RecordDict` of the key holder's context.

    Returns:
        The content of the reply.
    """
    return TotalInState(state, "updates").answer_add(content, holder)


def answer_open_sum(content, holder, state):
    """What the key holder answers to `OPEN_SUM`.

    Args:
        content: The content of the request.
        holder: As in `answer_add_updates`.
        state: As there.

    Returns:
        The content of the reply.

    Raises:
        RefusedError: See `KeyHolder.open`.
    """
    return TotalInState(state, "updates").answer_open(content, holder.open)
