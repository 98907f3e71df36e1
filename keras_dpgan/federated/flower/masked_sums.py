"""Secure aggregation over Flower: the server sees sums alone."""

import secrets

import numpy as np

from keras_dpgan.federated import masking_client
from keras_dpgan.federated import shamir
from keras_dpgan.federated import signatures
from keras_dpgan.federated.flower import messages
from keras_dpgan.federated.flower.answered import enter_round
from keras_dpgan.federated.flower.client_updates import check_mechanism
from keras_dpgan.federated.masked_sum import MaskedRound
from keras_dpgan.federated.masking_client import MaskingClient
from keras_dpgan.federated.masking_client import ProtocolError

KEYS, SHARES = "train.masked_keys", "train.masked_shares"
PARCELS, UPDATE = "train.masked_parcels", "train.masked_update"
CONFIRM, REVEAL = "train.masked_confirm", "train.masked_reveal"

_ANNOUNCEMENT = (masking_client.ANNOUNCEMENT_BYTES,)
_PARCELS = (None, masking_client.PARCEL_BYTES)
_DIGESTS = (None, masking_client.DIGEST_BYTES)
_SIGNATURE = (signatures.SIGNATURE_BYTES,)
_SHARES = (None, shamir.SHARE_BYTES)


class MaskedSums:
    """Opens the sum, and nothing else, of what clients hand in under masks.

    A round has six messages: keys, shares of secrets, the shares' arrival, masked
    vectors, whose have come, and what opens their sum; see `MaskingClient`. Every
    reply that is wrong is a client that has dropped out, counted by `group`; one that
    has shared shares of another secret costs its round, and is asked no more.

    Args:
        group: A `ClientGroup` of as many clients as the cohort has.
        mechanism: A `SharedNoise` with the modulus `2**32`.
        registry: The `signatures.Registry` of the clients.
    """

    modulus = 2**32

    def __init__(self, group, mechanism, registry):
        if mechanism.modulus != self.modulus:
            raise ValueError(
                f"`mechanism` must have the modulus {self.modulus}. Received: "
                f"{mechanism}"
            )
        masking_client.check_registry(registry, mechanism.cohort)
        self._group, self._mechanism, self._registry = group, mechanism, registry
        # It must be new, not secret: clients answer each round of it once.
        self._run = secrets.token_hex(16)
        self._faulty: set = set()

    def total(self, number, arrays, **facts):
        """Plays one round.

        Args:
            number: Int, the round; clients answer to none before their last.
            arrays: List of arrays, what clients are asked about.
            **facts: What else their contribution depends on.

        Returns:
            int64 array, the sum of the vectors modulo `modulus`; `None` where it
            is not opened.
        """
        played = _Round(self, number)
        try:
            opened = played.play(arrays, facts)
        except ProtocolError:
            opened = None
        for client, reason in played.server.faults.items():
            self._group.leave_out(played.nodes[client], reason)
            self._faulty.add(client)
        if opened is not None and not self._mechanism.is_possible(opened):
            self._group.num_left_out["impossible sum"] += 1
            return None
        return opened

    # What encrypted sums do otherwise.

    def _go_ahead(self, number, votes):
        return True

    def _vote_form(self):
        return []

    def _vector_form(self):
        return [(self._mechanism.num_parameters,)], [np.uint32]

    def _added(self, total, parts):
        (vector,) = parts
        return (vector if total is None else total + vector).astype(np.int64)

    def _opened_total(self, number, total):
        return total


class _Round:
    """One round over messages."""

    def __init__(self, sums, number):
        self._sums, self._group = sums, sums._group
        mechanism = sums._mechanism
        self._threshold = mechanism.cohort.threshold
        self._facts = {"run": sums._run, "round": number}
        self.server = MaskedRound(
            sums._registry, mechanism.cohort, sums._run, number, sums.modulus
        )
        self.nodes: dict = {}

    def play(self, arrays, facts):
        self._keys()
        self._need(self.server.directory)
        self._shares()
        self._need(self.server.shared)
        votes = self._parcels()
        self.server.settle()
        self._need(self.server.sharers)
        number = self._facts["round"]
        if not self._sums._go_ahead(number, votes):
            return None
        total = self._updates(arrays, facts)
        self._need(self.server.survivors)
        self._confirmations()
        self._need(self.server.confirmed)
        self._revealed()
        if not self.server.can_open:
            raise ProtocolError("Too few shares have come.")
        return self.server.open(self._sums._opened_total(number, total))

    def _need(self, clients):
        if len(clients) < self._threshold:
            raise ProtocolError(f"Only {len(clients)} clients are left.")

    def _ask(self, action, requests, shapes, dtypes, take):
        """Gives each valid reply to `take`, with its client; it may be wrong yet."""
        form = messages.Form(shapes, dtypes, self._facts)
        answers = self._group.answers(
            action, requests, lambda node: form, self._threshold
        )
        clients = {node: client for client, node in self.nodes.items()}
        for node, arrays in answers:
            try:
                take(clients.get(node, node), *arrays)
            except ProtocolError:
                self._group.leave_out(node, f"wrong {action.rpartition('_')[2]}")

    def _write(self, arrays, **facts):
        return messages.write(arrays, **self._facts, **facts)

    def _to(self, clients, request_of):
        return {self.nodes[client]: request_of(client) for client in clients}

    def _keys(self):
        def take(node, number, announcement):
            client = int(number[0])
            if client in self._sums._faulty:
                raise ProtocolError(f"Client {client} has spoiled a round.")
            self.server.admit(client, announcement.tobytes())
            self.nodes[client] = node

        shapes = [(1,), _ANNOUNCEMENT]
        self._ask(KEYS, self._write([]), shapes, [np.int64, np.uint8], take)

    def _shares(self):
        def take(client, holders, parcels, digests):
            names = _names(holders, len(parcels), len(digests))
            self.server.take_shares(
                client, _by_name(names, parcels), _by_name(names, digests)
            )

        directory = self.server.directory
        request = self._write(
            [np.array(list(directory), np.int64), _table(directory.values())]
        )
        shapes = [(None,), _PARCELS, _DIGESTS]
        requests = self._to(directory, lambda client: request)
        self._ask(SHARES, requests, shapes, [np.int64, np.uint8, np.uint8], take)

    def _parcels(self):
        votes = {}

        def take(client, complaints, *vote):
            self.server.take_complaints(client, complaints.tolist())
            votes[client] = vote

        def request_of(client):
            parcels = self.server.parcels_for(client)
            return self._write(
                [
                    np.array(list(parcels), np.int64),
                    _table((p for p, _ in parcels.values()), _PARCELS[1]),
                    _table((d for _, d in parcels.values()), _DIGESTS[1]),
                ],
                mechanism=messages.mechanism_text(self._sums._mechanism),
            )

        vote = self._sums._vote_form()
        requests = self._to(self.server.shared, request_of)
        shapes, dtypes = [(None,), *vote], [np.int64, *[np.uint8] * len(vote)]
        self._ask(PARCELS, requests, shapes, dtypes, take)
        return votes

    def _updates(self, arrays, facts):
        total = None

        def take(client, signature, *parts):
            nonlocal total
            added = self._sums._added(total, parts)
            self.server.take_masked(client, signature.tobytes())
            total = added

        request = self._write(
            [*arrays, np.array(self.server.sharers, np.int64)],
            model_hash=messages.model_hash(arrays),
            mechanism=messages.mechanism_text(self._sums._mechanism),
            **facts,
        )
        shapes, dtypes = self._sums._vector_form()
        requests = self._to(self.server.sharers, lambda client: request)
        shapes, dtypes = [_SIGNATURE, *shapes], [np.uint8, *dtypes]
        self._ask(UPDATE, requests, shapes, dtypes, take)
        return total

    def _confirmations(self):
        def take(client, signature):
            self.server.take_confirmation(client, signature.tobytes())

        survivors = self.server.survivors
        request = self._write([np.array(survivors, np.int64)])
        requests = self._to(survivors, lambda client: request)
        self._ask(CONFIRM, requests, [_SIGNATURE], np.uint8, take)

    def _revealed(self):
        def take(client, names, are_seeds, shares):
            if len(are_seeds) != len(shares):
                raise ProtocolError("Shares without their kinds.")
            kinds = ["seed" if is_seed else "key" for is_seed in are_seeds]
            names = _names(names, len(shares))
            rows = [row.tobytes() for row in shares]
            self.server.take_revealed(
                client, dict(zip(names, zip(kinds, rows, strict=True), strict=True))
            )

        confirmed = self.server.confirmed

        def request_of(client):
            masked = self.server.signatures_for(client)
            return self._write(
                [
                    np.array(list(confirmed), np.int64),
                    _table(confirmed.values()),
                    np.array(list(masked), np.int64),
                    _table(masked.values(), *_SIGNATURE),
                ]
            )

        # All who are there: each secret needs shares of its own neighbors.
        requests = self._to(confirmed, request_of)
        shapes = [(None,), (None,), _SHARES]
        self._ask(REVEAL, requests, shapes, [np.int64, np.uint8, np.uint8], take)


def _table(rows, width=None):
    """Bytes of one length as a uint8 array, a row each."""
    rows = [np.frombuffer(row, np.uint8) for row in rows]
    return np.stack(rows) if rows else np.zeros((0, width), np.uint8)


def _names(names, *lengths):
    names = names.tolist()
    if len(set(names)) != len(names) or any(len(names) != n for n in lengths):
        raise ProtocolError("Not one row for each client.")
    return names


def _by_name(names, table):
    return {name: row.tobytes() for name, row in zip(names, table, strict=True)}


class MaskedSumClient:
    """What a client answers to the six messages of a round.

    The secrets of a round are kept between messages in the context's state,
    which stays with the client.

    Args:
        state: The `flwr.app.RecordDict` of the client's context.
        mechanism: The `SharedNoise` that the client has agreed to.
        signing_key: Bytes, the client's own private key.
        registry: The `signatures.Registry` of the clients.
    """

    def __init__(self, state, mechanism, signing_key, registry):
        self._state, self._mechanism = state, mechanism
        self._own = signing_key, registry, mechanism.cohort

    def answer_keys(self, content):
        """Fresh keys, signed. A round that was answered before is refused."""
        _, facts = messages.read(content)
        run, number = facts["run"], facts["round"]
        enter_round(self._state, run, number)
        client = MaskingClient(*self._own, run, number, self._mechanism.modulus)
        self._save(client)
        announced = messages.from_bytes(client.announce())
        return self._write(client, [np.array([client.me], np.int64), announced])

    def answer_shares(self, content):
        """Shares of this client's secrets, for its neighbors to read."""
        (names, announcements), client = self._begin(content)
        directory = _by_name(_names(names, len(announcements)), announcements)
        parcels, digests = client.share(directory)
        self._save(client)
        return self._write(
            client,
            [
                np.array(list(parcels), np.int64),
                _table(parcels.values()),
                _table(digests[other] for other in parcels),
            ],
        )

    def answer_parcels(self, content):
        """Whose shares cannot be opened."""
        client, complaints = self._receive(content)
        return self._write(client, [complaints])

    def _receive(self, content):
        (names, parcels, digests), client = self._begin(content)
        names = _names(names, len(parcels), len(digests))
        digests = _by_name(names, digests)
        complaints = client.receive(
            {
                name: (parcel, digests[name])
                for name, parcel in _by_name(names, parcels).items()
            }
        )
        self._save(client)
        return client, np.array(complaints, np.int64)

    def answer_update(self, content, contribution, budget=None):
        """The client's contribution: clipped, rounded, noised and masked.

        Args:
            content: The content of the request.
            contribution: A function of `flower.contributions`.
            budget: A `RoundBudget`; the client abstains where it is used up.
                Defaults to `None`.
        """
        arrays, sharers, facts, client = self._begin_update(content)
        # Nothing is paid for a round that this client cannot mask for.
        client.check_sharers(sharers)
        if budget is not None and not budget.pay():
            return messages.abstention()
        vector = self._mechanism.privatize(contribution(arrays, facts))
        masked, signature = client.mask(sharers, vector)
        self._save(client)
        return self._write(client, [messages.from_bytes(signature), masked])

    def _begin_update(self, content):
        (*arrays, sharers), facts = messages.read(content)
        messages.check_hash(arrays, facts)
        check_mechanism(facts, self._mechanism)
        return arrays, sharers.tolist(), facts, self._load(facts)

    def answer_confirm(self, content):
        """The client's signature of whose masked vectors have come."""
        (survivors,), client = self._begin(content)
        signature = client.confirm(survivors.tolist())
        self._save(client)
        return self._write(client, [messages.from_bytes(signature)])

    def answer_reveal(self, content):
        """What opens the sum of those whose masked updates have come."""
        (names, confirmed, masked_names, masked), client = self._begin(content)
        shares = client.reveal(
            _by_name(_names(names, len(confirmed)), confirmed),
            _by_name(_names(masked_names, len(masked)), masked),
        )
        self._save(client)
        kinds = [kind == "seed" for kind, _ in shares.values()]
        return self._write(
            client,
            [
                np.array(list(shares), np.int64),
                np.array(kinds, np.uint8),
                _table((share for _, share in shares.values()), _SHARES[1]),
            ],
        )

    def _begin(self, content):
        arrays, facts = messages.read(content)
        return arrays, self._load(facts)

    def _write(self, client, arrays):
        return messages.write(arrays, run=client.run, round=client.number)

    def _load(self, facts):
        if "masking" not in self._state:
            raise ProtocolError("A round begins with keys.")
        text = self._state["masking"]["secrets"]
        client = MaskingClient.from_json(text, *self._own)
        if (client.run, client.number) != (facts["run"], facts["round"]):
            raise ProtocolError(
                f"Round {facts['round']} was asked for in round {client.number}."
            )
        return client

    def _save(self, client):
        self._state["masking"] = messages.facts_record(secrets=client.to_json())
