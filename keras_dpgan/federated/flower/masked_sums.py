"""Secure aggregation over Flower: the server sees sums alone."""

import numpy as np

from keras_dpgan.federated.flower import messages
from keras_dpgan.federated.flower.client_updates import check_mechanism
from keras_dpgan.federated.masked_sum import open_sum
from keras_dpgan.federated.masking_client import MaskingClient
from keras_dpgan.federated.masking_client import ProtocolError

KEYS, SHARES = "train.masked_keys", "train.masked_shares"
UPDATE, REVEAL = "train.masked_update", "train.masked_reveal"


class MaskedSums:
    """Opens the sum, and nothing else, of what clients hand in under masks.

    A round has four messages: public keys, shares of secrets, masked vectors,
    and what opens their sum; see `MaskingClient`.

    Args:
        group: A `ClientGroup` of as many clients as the cohort has.
        mechanism: A `SharedNoise` with the modulus `2**32`.
    """

    def __init__(self, group, mechanism):
        self._group, self._mechanism = group, mechanism
        self._numbers = {node: i for i, node in enumerate(group.node_ids)}

    def total(self, number, arrays, **facts):
        """Plays one round.

        Args:
            number: Int, the round; clients answer to none before their last.
            arrays: List of arrays, what clients are asked about.
            **facts: What else their contribution depends on.

        Returns:
            uint32 array, the sum of the vectors; `None` where it is not opened.
        """
        threshold = self._mechanism.cohort.threshold
        try:
            directory = self._directory(number)
            parcels = self._parcels(number, directory)
            senders, masked = self._masked(number, parcels, arrays, facts)
            if len(senders) < threshold:
                return None
            revealed = self._revealed(number, senders)
            return open_sum(
                number, directory, set(parcels), senders, masked, revealed, threshold
            )
        except ProtocolError:
            return None

    def _ask(self, action, number, requests, dtype, shapes=None):
        form = messages.Form(shapes, dtype, {"round": number})
        answers = self._group.ask(action, requests, lambda node: form)
        return {self._numbers[node]: arrays for node, arrays in answers.items()}

    def _node(self, client):
        return self._group.node_ids[client]

    def _directory(self, number):
        request = messages.write([], round=number)
        answers = self._ask(KEYS, number, request, np.uint8, [(64,)])
        return {client: keys.tobytes() for client, (keys,) in answers.items()}

    def _parcels(self, number, directory):
        keys = [messages.from_bytes(key) for key in directory.values()]
        clients = np.array(list(directory), np.int64)
        requests = {
            self._node(client): messages.write(
                [clients, *keys], round=number, me=client
            )
            for client in directory
        }
        answers = self._ask(SHARES, number, requests, np.uint8)
        return {
            client: dict(zip(sorted(set(directory) - {client}), parcels, strict=True))
            for client, parcels in answers.items()
            if len(parcels) == len(directory) - 1
        }

    def _masked(self, number, parcels, arrays, facts):
        requests = {}
        for client in parcels:
            others = [other for other in parcels if other != client]
            requests[self._node(client)] = messages.write(
                [
                    *arrays,
                    np.array(others, np.int64),
                    *(parcels[other][client] for other in others),
                ],
                round=number,
                model_hash=messages.model_hash(arrays),
                num_arrays=len(arrays),
                mechanism=messages.mechanism_text(self._mechanism),
                **facts,
            )
        size = self._mechanism.num_parameters
        form = messages.Form([(size,)], np.uint32, {"round": number})
        senders, total = set(), np.zeros(size, np.uint32)
        for node, (vector,) in self._group.answers(UPDATE, requests, lambda node: form):
            senders.add(self._numbers[node])
            total += vector
        return senders, total

    def _revealed(self, number, senders):
        request = messages.write([np.array(sorted(senders), np.int64)], round=number)
        requests = {self._node(client): request for client in senders}
        answers = self._ask(REVEAL, number, requests, np.uint8)
        return [_read_shares(arrays) for arrays in answers.values()]


def _write_shares(shares):
    """Shares as arrays: client, kind and share in one each."""
    return [
        messages.from_bytes(
            client.to_bytes(8, "big") + (kind == "seed").to_bytes(1, "big") + share
        )
        for client, (kind, share) in shares.items()
    ]


def _read_shares(arrays):
    shares = {}
    for data in (array.tobytes() for array in arrays):
        client = int.from_bytes(data[:8], "big")
        shares[client] = ("seed" if data[8] else "key", data[9:])
    return shares


class MaskedSumClient:
    """What a client answers to the four messages of a round.

    The secrets of a round are kept between messages in the context's state,
    which stays with the client.

    Args:
        state: The `flwr.app.RecordDict` of the client's context.
        mechanism: The `SharedNoise` that the client has agreed to.
    """

    def __init__(self, state, mechanism):
        self._state, self._mechanism = state, mechanism

    def answer_keys(self, content):
        """A fresh pair of keys. A round that was answered before is refused."""
        _, facts = messages.read(content)
        if "masking" in self._state and facts["round"] <= self._load().number:
            raise ProtocolError("A round is begun once.")
        client = MaskingClient(facts["round"], self._mechanism.cohort.threshold)
        self._save(client)
        keys = messages.from_bytes(client.public_keys())
        return messages.write([keys], round=client.number)

    def answer_shares(self, content):
        """Shares of this client's secrets, for each of the others to read."""
        (numbers, *keys), facts = messages.read(content)
        client = self._load_round(facts)
        directory = {
            int(number): key.tobytes()
            for number, key in zip(numbers, keys, strict=True)
        }
        parcels = client.share(facts["me"], directory)
        self._save(client)
        ordered = [messages.from_bytes(parcels[n]) for n in sorted(parcels)]
        return messages.write(ordered, round=client.number)

    def answer_update(self, content, contribution, budget=None):
        """The client's contribution: clipped, rounded, noised and masked.

        Args:
            content: The content of the request.
            contribution: A function of `flower.contributions`.
            budget: A `RoundBudget`; the client abstains where it is used up.
                Defaults to `None`.
        """
        arrays, facts = messages.read(content)
        split = facts["num_arrays"]
        arrays, (numbers, *parcels) = arrays[:split], arrays[split:]
        messages.check_hash(arrays, facts)
        check_mechanism(facts, self._mechanism)
        client = self._load_round(facts)
        if budget is not None and not budget.pay():
            return messages.abstention()
        vector = self._mechanism.privatize(contribution(arrays, facts))
        masked = client.mask(
            {
                int(number): parcel.tobytes()
                for number, parcel in zip(numbers, parcels, strict=True)
            },
            vector,
        )
        self._save(client)
        return messages.write([masked], round=client.number)

    def answer_reveal(self, content):
        """What opens the sum of those whose masked updates have come."""
        (survivors,), facts = messages.read(content)
        client = self._load_round(facts)
        shares = client.reveal({int(number) for number in survivors})
        self._save(client)
        return messages.write(_write_shares(shares), round=client.number)

    def _load(self):
        return MaskingClient.from_json(self._state["masking"]["secrets"])

    def _load_round(self, facts):
        client = self._load()
        if client.number != facts["round"]:
            raise ProtocolError(
                f"Round {facts['round']} was asked for in round {client.number}."
            )
        return client

    def _save(self, client):
        self._state["masking"] = messages.facts_record(secrets=client.to_json())
