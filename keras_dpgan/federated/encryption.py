"""Integer vectors under homomorphic encryption: BFV, which is exact."""

import collections.abc
import typing

import numpy as np

from keras_dpgan.federated import tenseal_library

ts = tenseal_library.load()

# Parameters with 128 bits of security that leave room for sums of thousands of
# ciphertexts. CKKS is no choice: what it decrypts to can give its key away (Li and
# Micciancio 2021).
_RING = 4096
# The largest prime below 2**32 that is 1 modulo twice the ring.
MODULUS = 4294828033


def new_context() -> bytes:
    """A fresh pair of keys, with the secret one inside, as bytes."""
    context = ts.context(
        ts.SCHEME_TYPE.BFV, poly_modulus_degree=_RING, plain_modulus=MODULUS
    )
    return _serialize(context, save_secret_key=True)


def public_part(context: bytes) -> bytes:
    """What clients and server may have of a context: the public key alone."""
    public = ts.context_from(context)
    public.make_context_public()
    return _serialize(public, save_secret_key=False)


def _serialize(context, save_secret_key):
    return context.serialize(
        save_public_key=True,
        save_secret_key=save_secret_key,
        save_galois_keys=False,
        save_relin_keys=False,
    )


def read_context(context: bytes) -> typing.Any:
    """The TenSEAL context that bytes stand for."""
    return ts.context_from(context)


def encrypt(context: bytes, vector: np.ndarray) -> list[bytes]:
    """Encrypts a vector.

    Args:
        context: Bytes, a public context.
        vector: Integer array of shape `(d,)` in [0, MODULUS).

    Returns:
        List of bytes, one ciphertext for each 4,096 coordinates.
    """
    context = ts.context_from(context)
    return [
        ts.bfv_vector(context, vector[i : i + _RING].tolist()).serialize()
        for i in range(0, len(vector), _RING)
    ]


def num_ciphertexts(size: int) -> int:
    """Of a vector with so many coordinates."""
    return -(-size // _RING)


def write(vector: list) -> list[bytes]:
    """Opposite of `read`."""
    return [part.serialize() for part in vector]


def read(context: typing.Any, ciphertexts: collections.abc.Sequence[bytes]) -> list:
    """The encrypted vector that a list of bytes stands for.

    Args:
        context: The TenSEAL context that it is to be read in.
        ciphertexts: List of bytes.

    Returns:
        List of TenSEAL vectors.

    Raises:
        ValueError: If they are no ciphertexts.
    """
    try:
        vector = [ts.bfv_vector_from(context, c) for c in ciphertexts]
    except (RuntimeError, TypeError) as error:
        raise ValueError("These bytes are no ciphertexts.") from error
    # A claim, too: what is added or decrypted must be of the sizes of `encrypt`.
    if any(part.size() != _RING for part in vector[:-1]) or not all(
        0 < part.size() <= _RING for part in vector
    ):
        raise ValueError("These bytes are no ciphertexts of a vector.")
    return vector


def size(vector: list) -> int:
    """The number of coordinates of an encrypted vector."""
    return sum(part.size() for part in vector)


def add(vectors: collections.abc.Sequence[list]) -> list:
    """The encrypted sum of encrypted vectors of one size."""
    return [sum(parts[1:], parts[0]) for parts in zip(*vectors, strict=True)]


def decrypt(vector: list) -> np.ndarray:
    """An encrypted vector modulo MODULUS, an int64 array; needs the secret key."""
    values = [part.decrypt() for part in vector]
    return np.concatenate(values).astype(np.int64) % MODULUS
