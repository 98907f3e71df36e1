"""A federation of hidden sums in this process: clients, a key holder, a server."""

import importlib.util

import grid_here
import pytest
from flwr.app import RecordDict

from keras_dpgan.federated import signatures
from keras_dpgan.federated.flower import masked_sums
from keras_dpgan.federated.flower.group import ClientGroup

TIMEOUT = 0.3  # Nodes that are here answer at once.
MODULUS = 4294828033


class Federation:
    """Clients, each with its own key and contribution, and what leads them.

    Args:
        mechanism: The `SharedNoise`; of `MODULUS`, sums are encrypted.
        contributions: List of functions of `flower.contributions`, one a client.
        folder: Where keys are, for encrypted sums.
        budgets: List of a `RoundBudget` for each client, or `None`.
        timeout: That of the group.

    Attributes:
        sums: The server's end.
        grid, group, holders: Its `GridHere`, and the groups of clients and key holder.
        nodes: Dict from a client's number to its node.
    """

    def __init__(
        self, mechanism, contributions, folder=None, budgets=None, timeout=TIMEOUT
    ):
        contributions = list(contributions)
        self.mechanism, self.folder = mechanism, folder
        self.encrypted = mechanism.modulus == MODULUS
        self.keys = [signatures.new_signing_key() for _ in contributions]
        self.registry = signatures.Registry(map(signatures.verifying_key, self.keys))
        self.states = [RecordDict() for _ in contributions]
        budgets = budgets or [None] * len(contributions)
        nodes = [
            self._node(place, *of)
            for place, of in enumerate(zip(contributions, budgets, strict=True))
        ]
        if self.encrypted:
            self._make_holder(folder)
            nodes.append(self._answer_of_holder)
        self.grid = grid_here.GridHere(nodes)
        everyone = ClientGroup(self.grid, len(nodes), timeout)
        clients = everyone.node_ids[: len(contributions)]
        self.group = everyone.only(clients)
        self.holders = everyone.without(clients)
        self.nodes = {
            self.registry.number_of(key): node
            for key, node in zip(self.keys, clients, strict=True)
        }
        self.sums = self.new_sums()

    def new_sums(self):
        """What a server that begins anew makes."""
        if not self.encrypted:
            return masked_sums.MaskedSums(self.group, self.mechanism, self.registry)
        from keras_dpgan.federated.flower import encrypted_sums

        return encrypted_sums.EncryptedSums(
            self.group, self.mechanism, self.registry, self.holders, self.public
        )

    def _make_holder(self, folder):
        if importlib.util.find_spec("tenseal") is None:
            pytest.skip("needs TenSEAL")
        from keras_dpgan.federated import budget_vote
        from keras_dpgan.federated import encryption
        from keras_dpgan.federated import key_holder
        from keras_dpgan.federated import masks

        self.context = encryption.new_context()
        self.public = encryption.public_part(self.context)
        private = masks.new_key()
        self.sealing_key = masks.public_key(private)
        size, threshold = (
            self.mechanism.num_parameters,
            self.mechanism.cohort.threshold,
        )
        self.holder = key_holder.KeyHolder(self.context, size, folder / "opened")
        self.counter = budget_vote.VoteCounter(
            private, self.registry, threshold, folder / "counted"
        )

    def client(self, number):
        """The client's side of the node at a place."""
        own = (
            self.states[number],
            self.mechanism,
            self.keys[number],
            self.registry,
        )
        if not self.encrypted:
            return masked_sums.MaskedSumClient(*own)
        from keras_dpgan.federated.flower import encrypted_sums

        return encrypted_sums.EncryptedSumClient(*own, self.public, self.sealing_key)

    def _node(self, place, contribution, budget):
        def answer(action, content):
            client = self.client(place)
            name = action.removeprefix("train.masked_")
            if name == "update":
                return client.answer_update(content, contribution, budget)
            if name == "parcels" and self.encrypted:
                return client.answer_parcels(content, budget)
            return getattr(client, f"answer_{name}")(content)

        return answer

    def _answer_of_holder(self, action, content):
        from keras_dpgan.federated.flower import encrypted_sums

        if action == encrypted_sums.COUNT_VOTES:
            return encrypted_sums.answer_count_votes(content, self.counter)
        return encrypted_sums.answer_open_sum(content, self.holder)

    def tamper(self, place, action, change):
        """Changes the replies of the client at a place, see `grid_here`."""
        self.grid.tamper[100 + place, action] = change

    def asked(self, action):
        """How often nodes were asked for something."""
        return sum(a == action for _, a, _ in self.grid.sent)
