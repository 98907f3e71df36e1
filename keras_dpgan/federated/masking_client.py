"""A client's side of secure aggregation."""

import collections.abc
import hashlib
import json
import os
import secrets
import typing

import numpy as np
from cryptography.exceptions import InvalidTag

from keras_dpgan._utils.formats import Format
from keras_dpgan.federated import masks
from keras_dpgan.federated import shamir
from keras_dpgan.federated import signatures
from keras_dpgan.federated.mask_graph import mask_graph

# Public keys of masks and of channels, the commitment to the seed, the signature.
ANNOUNCEMENT_BYTES = 3 * 32 + signatures.SIGNATURE_BYTES
# Two shares and what authenticates them; the digests of the two.
PARCEL_BYTES, DIGEST_BYTES = 2 * shamir.SHARE_BYTES + 16, 2 * 32

_SECRETS = ("mask_key", "channel_key", "own_seed")
_BY_CLIENT = ("directory", "held")
_LISTS = ("neighbors", "senders", "sharers", "survivors")
_STATE = ("received", "revealed", *_BY_CLIENT, *_LISTS)
_FORMAT = Format(
    "masking_client",
    version=3,
    required=("run", "number", "modulus", *_SECRETS, *_STATE),
)


class ProtocolError(ValueError):
    """The server asked for what the protocol forbids; the client does not answer."""


class MaskingClient:
    """One round of one client: its vector leaves under masks that cancel out.

    1. `announce`: fresh keys and a commitment, signed by the client.
    2. `share`: it chooses neighbors, and shares its secrets out to them.
    3. `receive`: it opens what others have shared with it, and complains of what is
       wrong.
    4. `mask`: its vector, under a mask with each neighbor, which one adds and the
       other subtracts, and one mask of its own; and its signature of with whom.
    5. `confirm`: its signature of whose vectors have come, once.
    6. `reveal`: where as many have confirmed the same as the cohort needs, the shares
       that open the own masks of those whose vectors have come, and the masks of
       those who have dropped out: never both of one client.

    A client trusts no server and no other client. Keys count if they are signed by a
    client of the registry, whose numbers a server cannot change. Two different lists
    of survivors cannot both be confirmed, since `num_clients` exceeds
    `2 * max_dropouts + max_colluders`. Who holds a share of a survivor's seed
    gives it only with the survivor's own signature of whom it has masked with, so that
    a mask between the two is in the survivor's vector.

    Sources: Bonawitz et al. 2017, "Practical Secure Aggregation for Privacy-Preserving
    Machine Learning", with its signatures and its check of consistency (figure 4);
    Bell et al. 2020, for whom one masks with (see `mask_graph`).

    Args:
        signing_key: Bytes, the client's private key.
        registry: The `signatures.Registry` of all clients.
        cohort: A `Cohort`.
        run: String, the run's name.
        number: Int, the round.
        modulus: Int of at most `2**32`: vectors are masked modulo it.
    """

    def __init__(self, signing_key, registry, cohort, run, number, modulus=2**32):
        check_registry(registry, cohort)
        self._signing_key, self._registry, self._cohort = signing_key, registry, cohort
        self.run, self.number, self.modulus = run, number, modulus
        self.me = registry.number_of(signing_key)
        self._mask_key, self._channel_key = masks.new_key(), masks.new_key()
        self._own_seed = os.urandom(32)
        self._directory: dict = {}
        self._neighbors: list = []
        # Whose parcels came, and the shares in those that could be opened.
        self._senders: list = []
        self._held: dict = {}
        self._sharers: typing.Any = None
        self._survivors: typing.Any = None
        self._received = self._revealed = False

    def _sign(self, purpose, *statement):
        return signatures.sign(
            self._signing_key, purpose, self.run, self.number, *statement
        )

    def _is_signed(self, client, signature, purpose, *statement):
        return self._registry.is_signed(
            client, signature, purpose, self.run, self.number, *statement
        )

    def announce(self) -> bytes:
        """Signed public keys of masks and channels, and a commitment to the seed."""
        content = (
            masks.public_key(self._mask_key)
            + masks.public_key(self._channel_key)
            + commitment(self._own_seed)
        )
        return content + self._sign("keys", content)

    def share(
        self, directory: dict[int, bytes]
    ) -> tuple[dict[int, bytes], dict[int, bytes]]:
        """Shares the secrets of one's masks out to neighbors chosen at random.

        Args:
            directory: Dict from number to announcement of all who take part, this
                client included.

        Returns:
            `(parcels, digests)`: dicts from the neighbors' numbers to bytes, the
            first of which only they can read.

        Raises:
            ProtocolError: If too few take part, or an announcement is not signed by
                its client.
        """
        if self._directory:
            raise ProtocolError("The secrets of a round can be shared only once.")
        if len(directory) < self._cohort.threshold:
            raise ProtocolError(
                f"Only {len(directory)} clients take part, and "
                f"{self._cohort.threshold} are needed."
            )
        if directory.get(self.me, b"")[:96] != self.announce()[:96]:
            raise ProtocolError(
                "The directory does not hold the keys that this client has sent."
            )
        for client, announcement in directory.items():
            check_announcement(
                self._registry, self.run, self.number, client, announcement
            )
        self._directory = dict(directory)
        graph = graph_of(self._cohort, len(directory))
        others = sorted(set(directory) - {self.me})
        self._neighbors = sorted(secrets.SystemRandom().sample(others, graph.degree))
        of_key = shamir.split(self._mask_key, graph.threshold, self._neighbors)
        of_seed = shamir.split(self._own_seed, graph.threshold, self._neighbors)
        parcels, digests = {}, {}
        for other in self._neighbors:
            shares = of_key[other], of_seed[other]
            digests[other] = b"".join(map(share_digest, shares))
            parcels[other] = masks.encrypt(
                self._channel(self.me, other),
                b"".join(shares),
                self._context(self.me, other),
            )
        return parcels, digests

    def _channel(self, sender, receiver):
        other = receiver if sender == self.me else sender
        purpose = self._context(sender, receiver) + b" channel"
        return masks.shared_key(
            self._channel_key, self._directory[other][32:64], purpose
        )

    def _context(self, sender, receiver):
        return json.dumps([self.run, self.number, sender, receiver]).encode()

    def receive(self, parcels: dict[int, tuple[bytes, bytes]]) -> list[int]:
        """Opens what others have shared with this client.

        Args:
            parcels: Dict from their numbers to `(parcel, digests)`.

        Returns:
            List of those whose parcel cannot be opened, or has other shares than
            their digests say.

        Raises:
            ProtocolError: If it was done before, or somebody does not take part.
        """
        if not self._directory or self._received:
            raise ProtocolError("Parcels are received once, after secrets are shared.")
        if not set(parcels) <= set(self._directory) - {self.me}:
            raise ProtocolError("A parcel is from nobody who takes part.")
        self._received, self._senders = True, sorted(parcels)
        for sender, (parcel, digests) in parcels.items():
            try:
                plain = masks.decrypt(
                    self._channel(sender, self.me),
                    parcel,
                    self._context(sender, self.me),
                )
            except InvalidTag:
                continue
            shares = plain[: shamir.SHARE_BYTES], plain[shamir.SHARE_BYTES :]
            if b"".join(map(share_digest, shares)) == digests:
                self._held[sender] = shares
        return [sender for sender in self._senders if sender not in self._held]

    def mask(
        self, sharers: collections.abc.Iterable[int], vector: np.ndarray
    ) -> tuple[np.ndarray, bytes]:
        """The vector under the masks with all neighbors whose secrets have come.

        Args:
            sharers: The numbers of those who have shared their secrets, this client
                included.
            vector: Integer array of shape `(d,)`, modulo `modulus`.

        Returns:
            `(masked, signature)`: a uint32 array of shape `(d,)`, and the signature
            of `sharers`.

        Raises:
            ProtocolError: If too few have shared theirs, or a vector was masked.
        """
        sharers = self.check_sharers(sharers)
        self._sharers = sharers
        total = np.asarray(vector).astype(np.int64)
        total = total + masks.mask(self._own_seed, total.size, self.modulus)
        for other in sorted({*self._neighbors, *self._senders} & set(sharers)):
            key = masks.shared_key(
                self._mask_key,
                self._directory[other][:32],
                mask_purpose(self.run, self.number, self.me, other),
            )
            mask = masks.mask(key, total.size, self.modulus)
            total = total + mask if self.me < other else total - mask
        masked = (total % self.modulus).astype(np.uint32)
        return masked, self._sign("masked", sharers)

    def check_sharers(self, sharers: collections.abc.Iterable[int]) -> list[int]:
        """The sorted list, if `mask` takes it; a client looks before it pays.

        Raises:
            ProtocolError: As `mask` does.
        """
        sharers = sorted(sharers)
        if not self._received or self._sharers is not None:
            raise ProtocolError(
                "A vector can be masked only once, after secrets are shared."
            )
        if len(set(sharers)) != len(sharers) or not set(sharers) <= set(
            self._directory
        ):
            raise ProtocolError("A sharer is nobody who takes part.")
        if self.me not in sharers or len(sharers) < self._cohort.threshold:
            raise ProtocolError(
                f"Only {len(sharers)} clients have shared their secrets, and "
                f"{self._cohort.threshold} are needed, this client among them."
            )
        return sharers

    def confirm(self, survivors: collections.abc.Iterable[int]) -> bytes:
        """Signs whose masked vectors have come, once.

        Args:
            survivors: Their numbers, this client's included.

        Returns:
            Bytes, the signature.

        Raises:
            ProtocolError: If they are too few, or others were confirmed before.
        """
        survivors = sorted(survivors)
        if self._sharers is None or self._survivors is not None:
            raise ProtocolError("A list is confirmed once, after a vector is masked.")
        if len(survivors) < self._cohort.threshold or self.me not in survivors:
            raise ProtocolError(
                f"Only {len(survivors)} clients are left, and "
                f"{self._cohort.threshold} are needed, this client among them."
            )
        if len(set(survivors)) != len(survivors) or not set(survivors) <= set(
            self._sharers
        ):
            raise ProtocolError("A client that is left has not shared its secrets.")
        self._survivors = survivors
        return self._sign("survivors", self._sharers, survivors)

    @property
    def holds(self) -> list[int]:
        """The numbers of those whose shares this client has."""
        return sorted(self._held)

    def reveal(
        self, confirmed: dict[int, bytes], masked: dict[int, bytes]
    ) -> dict[int, tuple[str, bytes]]:
        """Shares by which the sum of the survivors, and no other, can be opened.

        Args:
            confirmed: Dict from number to the signature of `confirm`, of as many as
                the cohort needs.
            masked: Dict from number to the signature of `mask`, of those survivors
                whose shares this client holds.

        Returns:
            Dict from number to `(kind, share)`: `"seed"` for a survivor, `"key"`
            for one that dropped out after it had shared its secrets.

        Raises:
            ProtocolError: If too few have confirmed the same, or the round was
                opened before.
        """
        if self._survivors is None or self._revealed:
            raise ProtocolError(
                "A round can be opened only once, when it is confirmed."
            )
        agreed = [
            client
            for client, signature in confirmed.items()
            if self._is_signed(
                client, signature, "survivors", self._sharers, self._survivors
            )
        ]
        if len(agreed) < self._cohort.threshold:
            raise ProtocolError(
                f"Only {len(agreed)} clients have confirmed the same survivors, and "
                f"{self._cohort.threshold} are needed."
            )
        self._revealed = True
        revealed = {}
        for client in set(self._held) & set(self._sharers):
            of_key, of_seed = self._held[client]
            if client not in self._survivors:
                revealed[client] = ("key", of_key)
            elif self._is_signed(
                client, masked.get(client, b""), "masked", self._sharers
            ):
                revealed[client] = ("seed", of_seed)
        return revealed

    def to_json(self) -> str:
        """The secrets of the round, for the client itself to keep between messages."""
        state = {name: getattr(self, f"_{name}") for name in (*_SECRETS, *_STATE)}
        for name in _BY_CLIENT:
            state[name] = [[client, value] for client, value in state[name].items()]
        return json.dumps(
            _FORMAT.write(
                run=self.run, number=self.number, modulus=self.modulus, **state
            ),
            default=bytes.hex,
        )

    @classmethod
    def from_json(
        cls, text: str, signing_key: bytes, registry: typing.Any, cohort: typing.Any
    ) -> "MaskingClient":
        """The client that `to_json` wrote.

        Raises:
            ValueError: If another version has written it, or it is damaged.
        """
        values = _FORMAT.read(json.loads(text))
        client = cls(
            signing_key,
            registry,
            cohort,
            *(values[name] for name in ("run", "number", "modulus")),
        )
        for name in _STATE:
            setattr(client, f"_{name}", values[name])
        for name in _SECRETS:
            setattr(client, f"_{name}", bytes.fromhex(values[name]))
        client._directory = {n: bytes.fromhex(key) for n, key in values["directory"]}
        client._held = {
            n: tuple(map(bytes.fromhex, shares)) for n, shares in values["held"]
        }
        return client


def check_registry(registry, cohort):
    """Raises a `ValueError` unless a registry is of the clients of a cohort.

    With more clients, two lists of survivors could both be confirmed.
    """
    if len(registry) != cohort.num_clients:
        raise ValueError(
            "`registry` must have the keys of the clients of the cohort, "
            f"{cohort.num_clients}. Received: {len(registry)} keys"
        )


def graph_of(cohort, num_present):
    """The `MaskGraph` where so many of a cohort take part."""
    missing = cohort.num_clients - num_present
    return mask_graph(
        num_present, max(0, cohort.max_dropouts - missing), cohort.max_colluders
    )


def commitment(secret):
    """What a secret of 32 random bytes is committed to with."""
    return hashlib.sha256(b"seed" + secret).digest()


def share_digest(share):
    """By which a share is known that its sharer has made."""
    return hashlib.sha256(b"share" + share).digest()


def check_announcement(registry, run, number, client, announcement):
    """Raises a `ProtocolError` unless a client's keys are its own, and can be used."""
    content = announcement[:-64]
    if len(announcement) != ANNOUNCEMENT_BYTES or not registry.is_signed(
        client, announcement[-64:], "keys", run, number, content
    ):
        raise ProtocolError(f"The keys of client {client} are not signed by it.")
    try:
        for public in (content[:32], content[32:64]):
            masks.shared_key(masks.new_key(), public, b"")
    except ValueError as error:
        raise ProtocolError(
            f"The keys of client {client} are none to exchange with."
        ) from error


def mask_purpose(run, number, one, other):
    """What the shared key of two clients' mask is bound to."""
    return json.dumps(["mask", run, number, min(one, other), max(one, other)]).encode()
