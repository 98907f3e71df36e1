"""Shamir's secret sharing over a prime field, for secrets of 32 bytes.

Flower's splits a secret into blocks of 16 bytes and interpolates each by itself: at a
hundred clients three minutes a round. Here the weights of an interpolation are found
once for each set of holders.

Source: Shamir 1979, "How to Share a Secret".
"""

import functools
import secrets

# The smallest prime above 2**256.
PRIME = 2**256 + 297
SECRET_BYTES, SHARE_BYTES = 32, 33


def split(secret, threshold, holders):
    """Shares of a secret, of which fewer than the threshold say nothing.

    Args:
        secret: 32 bytes.
        threshold: Int of at least 1.
        holders: Iterable of non-negative ints, who get shares.

    Returns:
        Dict from holder to 33 bytes.
    """
    coefficients = [secrets.randbelow(PRIME) for _ in range(threshold - 1)]
    coefficients.append(int.from_bytes(secret, "big"))
    return {holder: _value_at(holder + 1, coefficients) for holder in holders}


def _value_at(point, coefficients):
    value = 0
    for coefficient in coefficients:
        value = (value * point + coefficient) % PRIME
    return value.to_bytes(SHARE_BYTES, "big")


def combine(shares):
    """The secret of as many shares as the threshold.

    Args:
        shares: Dict from holder to 33 bytes.

    Returns:
        32 bytes; `None` where the shares are those of no secret.
    """
    weights = _weights(tuple(sorted(shares)))
    total = sum(
        weight * int.from_bytes(shares[holder], "big")
        for holder, weight in weights.items()
    )
    secret = total % PRIME
    return secret.to_bytes(SECRET_BYTES, "big") if secret < 2**256 else None


@functools.lru_cache(maxsize=4096)
def _weights(holders):
    """What a share of each counts in the secret: Lagrange's coefficients at zero."""
    weights = {}
    for holder in holders:
        above, below = 1, 1
        for other in holders:
            if other != holder:
                above = above * (other + 1) % PRIME
                below = below * (other - holder) % PRIME
        weights[holder] = above * pow(below, -1, PRIME) % PRIME
    return weights
