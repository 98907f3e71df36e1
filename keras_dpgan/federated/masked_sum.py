"""The server's side of secure aggregation."""

from flwr.common.secure_aggregation.crypto.shamir import combine_shares

from keras_dpgan.federated import masks
from keras_dpgan.federated.masking_client import ProtocolError
from keras_dpgan.federated.masking_client import mask_purpose


def open_sum(number, directory, sharers, senders, total, revealed, threshold):
    """Takes the masks off the sum of masked vectors.

    Args:
        number: Int, the round.
        directory: Dict from client to public keys; see `MaskingClient`.
        sharers: Set of the clients whose secrets were shared out.
        senders: Set of the clients whose masked vectors have come.
        total: uint32 array, the sum of these vectors modulo `2**32`.
        revealed: List of what clients returned from `reveal`.
        threshold: Int; see `Cohort`.

    Returns:
        uint32 array: the sum of the vectors of `senders`, modulo `2**32`, without
        their masks.

    Raises:
        ProtocolError: If too few have sent vectors or shares, or shares are wrong.
    """
    if len(senders) < threshold or len(revealed) < threshold:
        raise ProtocolError(
            f"The round cannot be opened: {len(senders)} vectors and {len(revealed)} "
            f"shares of each secret have arrived, but {threshold} are needed."
        )
    size = len(total)
    total = total.copy()
    for client in sorted(sharers):
        secret = _recover(client, client in senders, revealed, threshold)
        if client in senders:
            total -= masks.mask(secret, size)
            continue
        if masks.public_key(secret) != directory[client][:32]:
            raise ProtocolError(f"The shares of client {client}'s key are wrong.")
        # It dropped out: its pairs' masks are left over in the others' vectors.
        for other in senders:
            purpose = mask_purpose(number, client, other)
            key = masks.shared_key(secret, directory[other][:32], purpose)
            mask = masks.mask(key, size)
            total = total - mask if other < client else total + mask
    return total


def _recover(client, survived, revealed, threshold):
    wanted = "seed" if survived else "key"
    shares = [
        share
        for answer in revealed
        for kind, share in [answer.get(client, (None, b""))]
        if kind == wanted
    ]
    if len(shares) < threshold:
        raise ProtocolError(
            f"The round cannot be opened: {len(shares)} shares of client {client}'s "
            f"secret have arrived, but {threshold} are needed."
        )
    try:
        secret = combine_shares(shares[:threshold])
    except ValueError as error:
        raise ProtocolError(
            f"The shares of client {client}'s secret are wrong."
        ) from error
    if len(secret) != 32:
        raise ProtocolError(f"The shares of client {client}'s secret are wrong.")
    return secret
