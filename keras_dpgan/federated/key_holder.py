"""The one who can decrypt, and decrypts sums alone."""

import hashlib
import json

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from keras_dpgan.federated import encryption
from keras_dpgan.privacy.ledger.file import LedgerFile


class RefusedError(ValueError):
    """The key holder does not decrypt; says why."""


def new_signing_key():
    """A fresh private key for signatures, 32 bytes."""
    return Ed25519PrivateKey.generate().private_bytes_raw()


def verifying_key(signing_key):
    """The public key that verifies the signatures of a private one, as bytes."""
    key = Ed25519PrivateKey.from_private_bytes(signing_key)
    return key.public_key().public_bytes_raw()


def sign(signing_key, number, ciphertexts):
    """Signs a client's ciphertexts for one round and no other.

    Args:
        signing_key: Bytes, the client's private key.
        number: Int, the round.
        ciphertexts: List of bytes.

    Returns:
        Bytes.
    """
    key = Ed25519PrivateKey.from_private_bytes(signing_key)
    return key.sign(_signed(number, ciphertexts))


def _signed(number, ciphertexts):
    digests = [hashlib.sha256(c).hexdigest() for c in ciphertexts]
    return json.dumps([number, digests]).encode()


class KeyHolder:
    """Holds the secret key, apart from the server, and opens each round once.

    It gets the clients' ciphertexts with their signatures, so that the server
    can neither open one client's vector nor one that it made up, and adds them
    itself. It is trusted to decrypt nothing else. Rounds are opened in order;
    which was last is on disk before anything is decrypted.

    Args:
        context: Bytes of `encryption.new_context`.
        verifying_keys: Dict from client to its public key.
        threshold: Int, the clients without whom a round is not opened; see
            `Cohort`.
        size: Int, the coordinates of a vector.
        path: The file of the rounds that were opened: one for the key, not for
            a run, since signatures name the round alone.

    Attributes:
        num_left_out: Int, the vectors that were left out, over all rounds.
    """

    def __init__(self, context, verifying_keys, threshold, size, path):
        self._context = encryption.read_context(context)
        self._verifying_keys = verifying_keys
        self._threshold = threshold
        self._size = size
        self.num_left_out = 0
        self._path = path

    def open_sum(self, number, sent):
        """Decrypts the sum of a round.

        Vectors that are not signed by a known client for this round, or that are
        no vectors of the agreed size, are left out.

        Args:
            number: Int, the round.
            sent: Dict from client to `(ciphertexts, signature)`.

        Returns:
            int64 array, the sum of the valid vectors modulo `encryption.MODULUS`.

        Raises:
            RefusedError: If the round, or a later one, was opened before, or too
                few vectors are valid.
        """
        vectors = [self._valid(client, number, *sent[client]) for client in sent]
        vectors = [vector for vector in vectors if vector is not None]
        self.num_left_out += len(sent) - len(vectors)
        if len(vectors) < self._threshold:
            raise RefusedError(
                f"{len(vectors)} clients have sent a valid vector, fewer than "
                f"{self._threshold}."
            )
        self._enter(number)
        return encryption.decrypt(encryption.add(vectors))

    def _valid(self, client, number, ciphertexts, signature):
        """The encrypted vector of a client; `None` where it has to be left out."""
        try:
            key = Ed25519PublicKey.from_public_bytes(self._verifying_keys[client])
            key.verify(signature, _signed(number, ciphertexts))
            vector = encryption.read(self._context, ciphertexts)
        except (KeyError, InvalidSignature, ValueError):
            return None
        return vector if encryption.size(vector) == self._size else None

    def _enter(self, number):
        file = LedgerFile(self._path)
        try:
            last = file.entries[-1]["opened"] if file.entries else -1
            if number <= last:
                raise RefusedError(
                    f"Round {number} is not opened: round {last} was before."
                )
            file.append({"opened": number})
        finally:
            file.close()
