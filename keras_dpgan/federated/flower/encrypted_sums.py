"""Sums over Flower by homomorphic encryption, with a separate key holder."""

import secrets

import numpy as np

from keras_dpgan.federated import budget_vote
from keras_dpgan.federated import encryption
from keras_dpgan.federated import signatures
from keras_dpgan.federated.flower import messages
from keras_dpgan.federated.flower.client_updates import check_mechanism
from keras_dpgan.federated.flower.group import ClientGroup
from keras_dpgan.federated.flower.masked_sums import MaskedSumClient
from keras_dpgan.federated.flower.masked_sums import MaskedSums
from keras_dpgan.federated.masking_client import ProtocolError

OPEN_SUM, COUNT_VOTES = "query.open_sum", "query.count_votes"
IS_KEY_HOLDER = "query.is_key_holder"
_VOTE = (budget_vote.VOTE_BYTES,)


class EncryptedSums(MaskedSums):
    """Opens the sum, and nothing else, of what clients mask and encrypt.

    The messages are those of `MaskedSums`. Beside them, clients vote with the third
    whether they can pay, and encrypt their masked vectors for the key holder,
    another Flower client. The server adds ciphertexts, which it cannot read; the key
    holder decrypts their sum alone, which is under masks until the clients have
    revealed what takes them off.

    Args:
        group: A `ClientGroup` of as many clients as the cohort has.
        mechanism: A `SharedNoise` with the modulus `encryption.MODULUS`.
        registry: The `signatures.Registry` of the clients.
        holder: A `ClientGroup` of the key holder alone.
        context: Bytes, the key holder's public context.
    """

    modulus = encryption.MODULUS

    def __init__(self, group, mechanism, registry, holder, context):
        super().__init__(group, mechanism, registry)
        self._holder = holder
        self._context = encryption.read_context(context)

    def _go_ahead(self, number, votes):
        cast = {c: vote.tobytes() for c, (vote,) in votes.items()}
        names = np.array(list(cast), np.int64)
        table = np.stack([np.frombuffer(v, np.uint8) for v in cast.values()])
        enough = self._ask_holder(COUNT_VOTES, number, [names, table], (1,), np.bool_)
        return enough is not None and bool(enough[0])

    def _vote_form(self):
        return [_VOTE]

    def _vector_form(self):
        parts = encryption.num_ciphertexts(self._mechanism.num_parameters)
        return [(None,)] * parts, [np.uint8] * parts

    def _added(self, total, parts):
        try:
            vector = encryption.read(self._context, [p.tobytes() for p in parts])
            if encryption.size(vector) != self._mechanism.num_parameters:
                raise ProtocolError("A vector of another size.")
            return vector if total is None else encryption.add([total, vector])
        except ValueError as error:
            raise ProtocolError("What is no ciphertext.") from error

    def _opened_total(self, number, total):
        parts = [messages.from_bytes(part) for part in encryption.write(total)]
        size = self._mechanism.num_parameters
        opened = self._ask_holder(OPEN_SUM, number, parts, (size,), np.int64)
        if opened is None:
            raise ProtocolError("The key holder has not opened the sum.")
        return opened

    def _ask_holder(self, action, number, arrays, shape, dtype):
        facts = {"run": self._run, "round": number}
        form = messages.Form([shape], dtype, facts)
        request = messages.write(arrays, **facts)
        answers = self._holder.ask(action, request, lambda node: form)
        return next((arrays[0] for arrays in answers.values()), None)


class EncryptedSumClient(MaskedSumClient):
    """What a client answers to the six messages of a round.

    Args:
        state: As in `MaskedSumClient`, and so are `mechanism`, `signing_key` and
            `registry`.
        context: Bytes, the key holder's public context.
        sealing_key: Bytes, its public key for votes.
    """

    def __init__(self, state, mechanism, signing_key, registry, context, sealing_key):
        super().__init__(state, mechanism, signing_key, registry)
        self._signing_key = signing_key
        self._context, self._sealing_key = context, sealing_key

    def answer_parcels(self, content, budget=None):
        """Whose shares cannot be opened, and a vote whether this client can pay.

        Args:
            content: The content of the request.
            budget: A `RoundBudget`, of which nothing is spent. Defaults to `None`:
                the client has no limit.
        """
        _, facts = messages.read(content)
        check_mechanism(facts, self._mechanism)
        client, complaints = self._receive(content)
        vote = budget_vote.cast(
            self._sealing_key,
            self._signing_key,
            client.me,
            client.run,
            client.number,
            budget is None or budget.vote(),
        )
        return self._write(client, [complaints, messages.from_bytes(vote)])

    def answer_update(self, content, contribution, budget=None):
        """The client's contribution: clipped, rounded, noised, masked and encrypted.

        Args:
            content: The content of the request.
            contribution: A function of `flower.contributions`.
            budget: A `RoundBudget`. Where it is used up the client hands in its
                share of the noise alone, which nobody can tell from an update.
                Defaults to `None`.
        """
        arrays, sharers, facts, client = self._begin_update(content)
        client.check_sharers(sharers)
        # Made in any case: how long an answer takes is seen, too.
        own = contribution(arrays, facts)
        if budget is not None and not budget.pay():
            budget.enter_noise()
            own = [np.zeros_like(array) for array in own]
        masked, signature = client.mask(sharers, self._mechanism.privatize(own))
        self._save(client)
        parts = [signature, *encryption.encrypt(self._context, masked)]
        return self._write(client, [messages.from_bytes(part) for part in parts])


def split_off_key_holder(grid, num_clients, holder_key, **options):
    """Finds the key holder among the nodes.

    Args:
        grid: As in `ClientGroup`.
        num_clients: Int, the clients without the key holder.
        holder_key: Bytes, the key holder's public key. Whoever else claims to be the
            key holder is left out, and counted.
        **options: Those of `ClientGroup`.

    Returns:
        `(group, holder)`: the `ClientGroup` of the clients, and that of the key
        holder alone.

    Raises:
        ValueError: If nobody has the key holder's key.
    """
    everyone = ClientGroup(grid, num_clients + 1, **options)
    form = messages.Form([(signatures.SIGNATURE_BYTES,)], np.uint8, {})
    nonce = secrets.token_hex(16)
    request = messages.write([], nonce=nonce)
    answers = everyone.ask(
        IS_KEY_HOLDER, request, lambda node: form, len(everyone.node_ids)
    )
    holder = None
    for node, (signature,) in answers.items():
        claims = bool(signature.any())
        if signatures.is_signed(holder_key, signature.tobytes(), "holder", nonce, node):
            holder = node
        elif claims:
            everyone.leave_out(node, "claims to be the key holder")
    if holder is None:
        raise ValueError(
            "The key holder must be among the nodes. Received: none with its key "
            f"among {len(answers)} that answered. Start its node."
        )
    return everyone.without([holder]), everyone.only([holder])


def answer_is_key_holder(content, node_id, signing_key=None):
    """What every node answers to `IS_KEY_HOLDER`.

    Args:
        content: The content of the request.
        node_id: Int, this node's.
        signing_key: Bytes, the key holder's own private key. Defaults to `None`: of
            a client.
    """
    if signing_key is None:
        return messages.write([np.zeros(signatures.SIGNATURE_BYTES, np.uint8)])
    _, facts = messages.read(content)
    signature = signatures.sign(signing_key, "holder", facts["nonce"], node_id)
    return messages.write([messages.from_bytes(signature)])


def answer_open_sum(content, holder):
    """What the key holder answers to `OPEN_SUM`.

    Args:
        content: The content of the request.
        holder: A `KeyHolder`.

    Returns:
        The content of the reply.

    Raises:
        RefusedError: See `KeyHolder.open`.
    """
    arrays, facts = messages.read(content)
    of = {name: facts[name] for name in ("run", "round")}
    ciphertexts = [array.tobytes() for array in arrays]
    return messages.write([holder.open(*of.values(), ciphertexts)], **of)


def answer_count_votes(content, counter):
    """What the key holder answers to `COUNT_VOTES`: one bit.

    Args:
        content: The content of the request.
        counter: A `VoteCounter`.

    Returns:
        The content of the reply.

    Raises:
        RefusedError: See `VoteCounter.enough_can_pay`.
    """
    (names, table), facts = messages.read(content)
    of = {name: facts[name] for name in ("run", "round")}
    votes = {int(name): row.tobytes() for name, row in zip(names, table, strict=True)}
    return messages.write(
        [np.array([counter.enough_can_pay(*of.values(), votes)])], **of
    )
