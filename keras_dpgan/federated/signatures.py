"""Who takes part in a federation: keys of clients, and what they sign."""

import collections.abc
import dataclasses
import functools
import hashlib
import json
import typing

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

SIGNATURE_BYTES = 64


def new_signing_key() -> bytes:
    """A fresh private key for signatures, 32 bytes."""
    return Ed25519PrivateKey.generate().private_bytes_raw()


def verifying_key(signing_key: bytes) -> bytes:
    """The public key that verifies the signatures of a private one, as bytes."""
    key = Ed25519PrivateKey.from_private_bytes(signing_key)
    return key.public_key().public_bytes_raw()


def sign(signing_key: bytes, *statement: typing.Any) -> bytes:
    """Signs a statement.

    Args:
        signing_key: Bytes, the signer's private key.
        *statement: Strings, ints, bytes and lists of them: what it is for, the run,
            the round, and what is said.

    Returns:
        64 bytes.
    """
    key = Ed25519PrivateKey.from_private_bytes(signing_key)
    return key.sign(_encoded(statement))


def is_signed(public: bytes, signature: bytes, *statement: typing.Any) -> bool:
    """Whether the owner of a public key has signed a statement.

    Args:
        public: Bytes of `verifying_key`.
        signature: Bytes of `sign`.
        *statement: As in `sign`.

    Returns:
        Bool.
    """
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(
            signature, _encoded(statement)
        )
    except (InvalidSignature, ValueError):
        return False
    return True


def _encoded(statement):
    """Bytes that no other statement has."""
    return hashlib.sha256(json.dumps(statement, default=bytes.hex).encode()).digest()


@dataclasses.dataclass(frozen=True)
class Registry:
    """The public keys of all clients of a federation, the same at every party.

    A client's number is its key's place in the sorted list, so that no server can
    give a client another number, or add clients of its own making.

    Examples:
        >>> keys = [dpgan.federated.signatures.new_signing_key() for _ in range(3)]
        >>> registry = dpgan.federated.signatures.Registry(
        ...     map(dpgan.federated.signatures.verifying_key, keys)
        ... )
        >>> sorted(registry.number_of(key) for key in keys)
        [0, 1, 2]

    Args:
        verifying_keys: Iterable of bytes of `verifying_key`.

    Raises:
        ValueError: If a key is there twice, or none is.
    """

    verifying_keys: collections.abc.Iterable[bytes]

    def __post_init__(self):
        keys = tuple(sorted(self.verifying_keys))
        if not keys or len(set(keys)) != len(keys):
            raise ValueError(
                "`verifying_keys` must be public keys, each of another client. "
                f"Received: {len(keys)} keys, {len(set(keys))} of them different"
            )
        object.__setattr__(self, "verifying_keys", keys)

    def __len__(self) -> int:
        return len(self._numbers)

    @functools.cached_property
    def _numbers(self):
        return {key: number for number, key in enumerate(self.verifying_keys)}

    def number_of(self, signing_key: bytes) -> int:
        """The number of the client with a private key.

        Raises:
            ValueError: If it is none of these clients'.
        """
        number = self._numbers.get(verifying_key(signing_key))
        if number is None:
            raise ValueError(
                "`signing_key` must belong to a client of the registry. Received: a "
                "key whose public part is not in it. Add it at every party."
            )
        return number

    def is_signed(self, number: int, signature: bytes, *statement: typing.Any) -> bool:
        """Whether the client with a number has signed a statement.

        Args:
            number: Int; there may be no such client.
            signature: Bytes.
            *statement: As in `sign`.

        Returns:
            Bool.
        """
        keys = tuple(self.verifying_keys)
        known = 0 <= number < len(keys)
        return known and is_signed(keys[number], signature, *statement)
