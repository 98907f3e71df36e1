"""The one who can decrypt, and decrypts sums alone."""

import collections.abc
import contextlib
import dataclasses
import hashlib
import json
import os
import typing

import numpy as np
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from keras_dpgan._utils.formats import Format
from keras_dpgan.federated import encryption
from keras_dpgan.privacy.ledger.file import LedgerFile

# Of each line in the file of a `KeyHolder`.
_FORMAT = Format("opened_round", version=2, required=("opened", "purpose", "run"))


class RefusedError(ValueError):
    """The key holder does not decrypt; says why."""


def new_signing_key() -> bytes:
    """A fresh private key for signatures, 32 bytes."""
    return Ed25519PrivateKey.generate().private_bytes_raw()


def verifying_key(signing_key: bytes) -> bytes:
    """The public key that verifies the signatures of a private one, as bytes."""
    key = Ed25519PrivateKey.from_private_bytes(signing_key)
    return key.public_key().public_bytes_raw()


def sign(
    signing_key: bytes,
    run: str,
    number: int,
    ciphertexts: collections.abc.Sequence[bytes],
    purpose: str = "update",
) -> bytes:
    """Signs a client's ciphertexts for one round and one purpose, and no other.

    Args:
        signing_key: Bytes, the client's private key.
        run: String, the run's name.
        number: Int, the round.
        ciphertexts: List of bytes.
        purpose: String, what they are to be opened as; see `KeyHolder`.

    Returns:
        Bytes.
    """
    key = Ed25519PrivateKey.from_private_bytes(signing_key)
    return key.sign(_signed(run, number, ciphertexts, purpose))


def _signed(run, number, ciphertexts, purpose):
    digests = [hashlib.sha256(c).hexdigest() for c in ciphertexts]
    return json.dumps([purpose, run, number, digests]).encode()


@dataclasses.dataclass(frozen=True)
class EncryptedTotal:
    """The encrypted sum of a round so far, kept by the key holder alone.

    Attributes:
        run: String, the run's name.
        number: Int, the round.
        clients: Tuple of the clients whose vectors are in it.
        ciphertexts: Tuple of bytes, empty of no clients.
    """

    run: str
    number: int
    clients: tuple = ()
    ciphertexts: tuple = ()


class KeyHolder:
    """Holds the secret key, apart from the server, and opens each round once.

    It gets the clients' ciphertexts with their signatures, some at a time, so that
    the server can neither open one client's vector nor one that it made up, and adds
    them itself. It is trusted to decrypt nothing else. Rounds of a run are opened in
    order; which was last is on disk before anything is decrypted.

    Args:
        context: Bytes of `encryption.new_context`.
        verifying_keys: Dict from client to its public key.
        threshold: Int, the clients without whom a round is not opened; see
            `Cohort`.
        size: Int, the coordinates of a vector.
        path: The file of the rounds that were opened, of whatever run and purpose:
            there is one for the secret key.
        purpose: String: vectors that were signed for another are not opened.
            Defaults to `"update"`.

    Attributes:
        num_left_out: Int, the vectors that were left out, over all rounds.
    """

    def __init__(
        self,
        context: bytes,
        verifying_keys: dict[typing.Any, bytes],
        threshold: int,
        size: int,
        path: str | os.PathLike[str],
        purpose: str = "update",
    ) -> None:
        self._context = encryption.read_context(context)
        self._verifying_keys = verifying_keys
        self._threshold = threshold
        self._size = size
        self.num_left_out = 0
        self._path, self._purpose = path, purpose

    def add(
        self,
        total: EncryptedTotal,
        sent: dict[typing.Any, tuple[collections.abc.Sequence[bytes], bytes]],
    ) -> EncryptedTotal:
        """Adds vectors to the sum of a round.

        Those that are not signed by a known client for this run, round and purpose,
        that are no vectors of the agreed size, or whose client is in the sum already
        are left out.

        Args:
            total: `EncryptedTotal`.
            sent: Dict from client to `(ciphertexts, signature)`.

        Returns:
            `EncryptedTotal`.
        """
        clients, vectors = list(total.clients), []
        if total.ciphertexts:
            vectors.append(encryption.read(self._context, total.ciphertexts))
        for client, (ciphertexts, signature) in sent.items():
            vector = self._valid(total, client, ciphertexts, signature)
            if vector is None or client in clients:
                self.num_left_out += 1
                continue
            clients.append(client)
            vectors.append(vector)
        if not vectors:
            return total
        ciphertexts = encryption.write(encryption.add(vectors))
        return dataclasses.replace(
            total, clients=tuple(clients), ciphertexts=tuple(ciphertexts)
        )

    def open(self, total: EncryptedTotal) -> np.ndarray:
        """Decrypts the sum of a round.

        Args:
            total: `EncryptedTotal` of `add`.

        Returns:
            int64 array, the sum of the vectors modulo `encryption.MODULUS`.

        Raises:
            RefusedError: If the round, or a later one of the run, was opened before,
                or too few vectors are in the sum.
        """
        if len(total.clients) < self._threshold:
            raise RefusedError(
                f"Only {len(total.clients)} clients have sent a valid vector, and "
                f"{self._threshold} are needed."
            )
        self._enter(total.run, total.number)
        return encryption.decrypt(encryption.read(self._context, total.ciphertexts))

    def _valid(self, total, client, ciphertexts, signature):
        """The encrypted vector of a client; `None` where it has to be left out."""
        try:
            key = Ed25519PublicKey.from_public_bytes(self._verifying_keys[client])
            signed = _signed(total.run, total.number, ciphertexts, self._purpose)
            key.verify(signature, signed)
            vector = encryption.read(self._context, ciphertexts)
        except (KeyError, InvalidSignature, ValueError):
            return None
        return vector if encryption.size(vector) == self._size else None

    def _enter(self, run, number):
        of = {"purpose": self._purpose, "run": run}
        with contextlib.closing(LedgerFile(self._path)) as file:
            lines = [self._read(line) for line in file.entries]
            opened = [line["opened"] for line in lines if line.items() >= of.items()]
            if opened and number <= opened[-1]:
                raise RefusedError(
                    f"Round {number} cannot be opened: round {opened[-1]} of the run "
                    "was opened before."
                )
            file.append(_FORMAT.write(opened=number, **of))

    def _read(self, line):
        try:
            return _FORMAT.read(line)
        except ValueError as error:
            raise RefusedError(
                f"Nothing is opened: a line in `{self._path}` does not say which round "
                f"was opened. {error}"
            ) from error
