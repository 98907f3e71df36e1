"""Integer vectors under homomorphic encryption: BFV, which is exact."""

import numpy as np

from keras_dpgan.federated import tenseal_library

ts = tenseal_library.load()

# Parameters with 128 bits of security that leave room for sums of some hundred
# ciphertexts. CKKS is no choice: what it decrypts to can give its key away (Li and
# Micciancio 2021).
_RING = 4096
MODULUS = 1032193


def new_context():
    """A fresh pair of keys, with the secret one inside, as bytes."""
    context = ts.context(
        ts.SCHEME_TYPE.BFV, poly_modulus_degree=_RING, plain_modulus=MODULUS
    )
    return _serialize(context, save_secret_key=True)


def public_part(context):
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


def read_context(context):
    """The TenSEAL context that bytes stand for."""
    return ts.context_from(context)


def encrypt(context, vector):
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


def add(context, sums, ciphertexts):
    """Adds a vector's ciphertexts to a sum that may be empty.

    Args:
        context: A TenSEAL context.
        sums: List of TenSEAL vectors, or `None`.
        ciphertexts: List of bytes.

    Returns:
        List of TenSEAL vectors.

    Raises:
        ValueError: If they are no ciphertexts, or of another length.
    """
    added = [ts.bfv_vector_from(context, c) for c in ciphertexts]
    if sums is None:
        return added
    if [v.size() for v in sums] != [v.size() for v in added]:
        raise ValueError(
            "All vectors of a sum must have one length. Received: "
            f"{sum(v.size() for v in added)} coordinates after "
            f"{sum(v.size() for v in sums)}."
        )
    return [a + b for a, b in zip(sums, added, strict=True)]


def decrypt(sums):
    """The sum modulo MODULUS, an int64 array; needs the secret key."""
    values = [v.decrypt() for v in sums]
    return np.concatenate(values).astype(np.int64) % MODULUS
