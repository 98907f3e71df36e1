"""Key agreement, and masks from the whole of a key.

Flower 1.27 folds each shared key into one seed of `np.random.RandomState`, of
which some 28 bits are free: its masks can be guessed. Here a mask is a ChaCha20
stream under the 256 bits that HKDF makes of an X25519 exchange.
"""

import numpy as np
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers import algorithms
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

# Each key encrypts one message, or makes one mask, so that its nonce may be fixed.
_NONCE = bytes(16)


def new_key():
    """A fresh private key, 32 bytes from the operating system."""
    return X25519PrivateKey.generate().private_bytes_raw()


def public_key(private):
    """The public key of a private one, as bytes."""
    key = X25519PrivateKey.from_private_bytes(private)
    return key.public_key().public_bytes_raw()


def shared_key(private, other_public, purpose):
    """The key that two parties share, and nobody else.

    Args:
        private: Bytes, one's own private key.
        other_public: Bytes, the other's public key.
        purpose: Bytes: keys for different purposes tell nothing of each other.

    Returns:
        32 bytes, the same for both.

    Raises:
        ValueError: If the public key is none that an exchange can be made with.
    """
    exchanged = X25519PrivateKey.from_private_bytes(private).exchange(
        X25519PublicKey.from_public_bytes(other_public)
    )
    return HKDF(hashes.SHA256(), 32, salt=None, info=purpose).derive(exchanged)


def mask(key, size, modulus=2**32):
    """A mask that cannot be told from random numbers without the key.

    Args:
        key: 32 bytes, used for one mask alone.
        size: Int.
        modulus: Int in (2**31, 2**32]. Defaults to `2**32`.

    Returns:
        int64 array of shape `(size,)`, uniform in [0, modulus).
    """
    stream = Cipher(algorithms.ChaCha20(key, _NONCE), mode=None).encryptor()
    numbers = np.zeros(0, np.uint32)
    while numbers.size < size:
        # Those beyond the modulus are left out: a remainder would not be uniform.
        drawn = np.frombuffer(stream.update(bytes(4 * (size + 64))), "<u4")
        numbers = np.concatenate([numbers, drawn[drawn < modulus]])
    return numbers[:size].astype(np.int64)


def encrypt(key, plain, context):
    """Encrypts and authenticates the one message of a key.

    Args:
        key: 32 bytes.
        plain: Bytes.
        context: Bytes that the receiver must know, too.

    Returns:
        Bytes.
    """
    return ChaCha20Poly1305(key).encrypt(_NONCE[:12], plain, context)


def decrypt(key, cipher, context):
    """Opposite of `encrypt`.

    Raises:
        cryptography.exceptions.InvalidTag: If anything was altered.
    """
    return ChaCha20Poly1305(key).decrypt(_NONCE[:12], cipher, context)
