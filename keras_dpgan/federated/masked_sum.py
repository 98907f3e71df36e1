"""The server's side of secure aggregation."""

import collections

import numpy as np

from keras_dpgan.federated import masks
from keras_dpgan.federated import shamir
from keras_dpgan.federated.masking_client import ProtocolError
from keras_dpgan.federated.masking_client import check_announcement
from keras_dpgan.federated.masking_client import commitment
from keras_dpgan.federated.masking_client import graph_of
from keras_dpgan.federated.masking_client import mask_purpose
from keras_dpgan.federated.masking_client import share_digest


class MaskedRound:
    """One round at the server: checks what clients send, and opens their sum.

    Each step raises a `ProtocolError` where what one client sent is wrong; the round
    goes on without it. A client that cannot be caught before, since it has shared
    shares of no secret, is named in `faults`.

    Args:
        registry: The `signatures.Registry` of all clients.
        cohort: A `Cohort`.
        run: String, the run's name.
        number: Int, the round.
        modulus: Int, that of the masks.

    Attributes:
        directory: Dict from number to announcement, of those who take part.
        sharers: Sorted list of those whose masks are in the vectors; see `settle`.
        confirmed: Dict from number to signature of the survivors.
        masked: Dict from number to signature of `sharers`.
        faults: Dict from number to the reason.
    """

    def __init__(self, registry, cohort, run, number, modulus):
        self._registry, self._cohort = registry, cohort
        self._of = run, number
        self._modulus = modulus
        self.directory: dict = {}
        self._sent: dict = {}
        self._complaints: dict = {}
        self.sharers: list = []
        self.masked: dict = {}
        self.confirmed: dict = {}
        self._shares: dict = collections.defaultdict(dict)
        self.faults: dict = {}

    def admit(self, client, announcement):
        """Takes a client's keys."""
        check_announcement(self._registry, *self._of, client, announcement)
        if client in self.directory:
            raise ProtocolError(f"Client {client} has sent keys twice.")
        self.directory[client] = announcement

    def take_shares(self, client, parcels, digests):
        """Takes what a client has shared: dicts from its neighbors to bytes."""
        graph = graph_of(self._cohort, len(self.directory))
        if len(parcels) != graph.degree or not set(parcels) <= set(self.directory):
            raise ProtocolError(f"Client {client} has not shared with its neighbors.")
        if client in parcels:
            raise ProtocolError(f"Client {client} has shared with itself.")
        self._sent[client] = (parcels, digests)

    def parcels_for(self, client):
        """What others share with a client: dict from number to `(parcel, digests)`."""
        return {
            sender: (parcels[client], digests[client])
            for sender, (parcels, digests) in sorted(self._sent.items())
            if client in parcels
        }

    @property
    def shared(self):
        """Sorted list of those who have shared their secrets."""
        return sorted(self._sent)

    def take_complaints(self, client, about):
        """Takes the numbers of those whose parcels a client could not open."""
        if not set(about) <= set(self.parcels_for(client)):
            raise ProtocolError(f"Client {client} complains of what it did not get.")
        self._complaints[client] = set(about)

    def settle(self):
        """Fixes the sharers: those who answered, and whom few complain of.

        Colluders alone can complain of anybody; one of whom more complain has sent
        parcels that cannot be opened.
        """
        about = collections.Counter(
            client for complaints in self._complaints.values() for client in complaints
        )
        for client in self.shared:
            if about[client] > self._cohort.max_colluders:
                self.faults[client] = "wrong parcels"
        self.sharers = sorted(set(self._complaints) - set(self.faults))

    def take_masked(self, client, signature):
        """Takes the signature that came with a client's masked vector."""
        if not self._registry.is_signed(
            client, signature, "masked", *self._of, self.sharers
        ):
            raise ProtocolError(f"The vector of client {client} is not signed by it.")
        self.masked[client] = signature

    @property
    def survivors(self):
        """Sorted list of those whose masked vectors have come."""
        return sorted(self.masked)

    def take_confirmation(self, client, signature):
        """Takes a client's signature of the survivors."""
        if not self._registry.is_signed(
            client, signature, "survivors", *self._of, self.sharers, self.survivors
        ):
            raise ProtocolError(f"Client {client} has not signed the survivors.")
        self.confirmed[client] = signature

    def signatures_for(self, client):
        """Of the survivors whose shares a client may hold, the signatures of `mask`."""
        return {
            other: self.masked[other]
            for other in self.parcels_for(client)
            if other in self.masked
        }

    def take_revealed(self, client, shares):
        """Takes the shares that a client has revealed.

        Args:
            client: Int.
            shares: Dict from number to `(kind, share)`.
        """
        for other, (kind, share) in shares.items():
            parcels, digests = self._sent.get(other, ({}, {}))
            wanted = "seed" if other in self.masked else "key"
            if client not in parcels or other not in self.sharers or kind != wanted:
                raise ProtocolError(f"Client {client} reveals what nobody asked for.")
            of_key, of_seed = digests[client][:32], digests[client][32:]
            if share_digest(share) != (of_seed if kind == "seed" else of_key):
                raise ProtocolError(f"Client {client} has changed a share.")
        for other, (_, share) in shares.items():
            self._shares[other][client] = share

    @property
    def can_open(self):
        """Whether each secret has as many shares as are needed."""
        needed = graph_of(self._cohort, len(self.directory)).threshold
        return all(len(self._shares[client]) >= needed for client in self.sharers)

    def open(self, total):
        """Takes the masks off the sum of the survivors' masked vectors.

        Args:
            total: Integer array, the sum modulo `modulus`.

        Returns:
            int64 array: the sum of their vectors, in [0, modulus).

        Raises:
            ProtocolError: If too few shares have come, or a client has shared those
                of another secret, which `faults` names.
        """
        secrets = self._secrets()
        total = np.asarray(total).astype(np.int64)
        for client, secret in secrets.items():
            if client in self.masked:
                total = total - masks.mask(secret, total.size, self._modulus)
                continue
            # It dropped out: its neighbors' masks are left over in their vectors.
            for other in self._survivors_beside(client):
                purpose = mask_purpose(*self._of, client, other)
                key = masks.shared_key(secret, self.directory[other][:32], purpose)
                mask = masks.mask(key, total.size, self._modulus)
                total = total - mask if other < client else total + mask
        return total % self._modulus

    def _survivors_beside(self, client):
        return [
            other
            for other in self.survivors
            if other in self._sent[client][0] or client in self._sent[other][0]
        ]

    def _secrets(self):
        needed = graph_of(self._cohort, len(self.directory)).threshold
        secrets = {}
        for client in self.sharers:
            shares = self._shares[client]
            if len(shares) < needed:
                raise ProtocolError(
                    f"The round cannot be opened: {len(shares)} shares of client "
                    f"{client}'s secret have arrived, but {needed} are needed."
                )
            secret = shamir.combine(dict(sorted(shares.items())[:needed]))
            if not self._is_secret_of(client, secret):
                self.faults[client] = "shares of another secret"
                continue
            secrets[client] = secret
        if len(secrets) < len(self.sharers):
            raise ProtocolError(f"The round cannot be opened: {self.faults}")
        return secrets

    def _is_secret_of(self, client, secret):
        public, committed = self.directory[client][:32], self.directory[client][64:96]
        if secret is None:
            return False
        if client in self.masked:
            return commitment(secret) == committed
        return masks.public_key(secret) == public
