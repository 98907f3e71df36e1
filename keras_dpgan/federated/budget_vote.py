"""Whether enough clients can pay for a round, and no more about their budgets."""

import os

from cryptography.exceptions import InvalidTag

from keras_dpgan.federated import masks
from keras_dpgan.federated import signatures
from keras_dpgan.federated.opened_rounds import OpenedRounds
from keras_dpgan.federated.opened_rounds import RefusedError

_PURPOSE = "vote"
# A fresh public key, the sealed byte, the signature.
_SEALED_BYTES = 32 + 1 + 16
VOTE_BYTES = _SEALED_BYTES + signatures.SIGNATURE_BYTES


def cast(
    sealing_key: bytes,
    signing_key: bytes,
    client: int,
    run: str,
    number: int,
    can_pay: bool,
) -> bytes:
    """A client's vote for a round, which the key holder alone can read.

    It is sealed by X25519, HKDF and ChaCha20-Poly1305 for its run, round, purpose and
    client: nobody can turn it into another, or count it elsewhere.

    Args:
        sealing_key: Bytes, the key holder's public key for votes.
        signing_key: Bytes, the client's own private key.
        client: Int, its number.
        run: String, the run's name.
        number: Int, the round.
        can_pay: Bool, whether the client's own budget allows the round.

    Returns:
        Bytes.
    """
    private = masks.new_key()
    purpose = _context(client, run, number)
    key = masks.shared_key(private, sealing_key, purpose)
    sealed = masks.encrypt(key, bytes([bool(can_pay)]), purpose)
    sealed = masks.public_key(private) + sealed
    return sealed + signatures.sign(signing_key, _PURPOSE, run, number, sealed)


def _context(client, run, number):
    return repr((_PURPOSE, run, number, client)).encode()


class VoteCounter:
    """The key holder's side: counts votes, and says one bit.

    Votes of a round are counted once, and not those of a few clients. It learns who
    can pay, and is trusted not to tell. Since each client looks at its own budget
    again before it answers, a wrong vote costs no other client anything.

    Args:
        private_key: Bytes, the key holder's private key for votes.
        registry: The `signatures.Registry` of the clients.
        threshold: Int, public: the clients that must vote, and that must be able
            to pay.
        path: The file of the rounds that were counted: there is one for the key.
    """

    def __init__(
        self,
        private_key: bytes,
        registry: signatures.Registry,
        threshold: int,
        path: str | os.PathLike[str],
    ) -> None:
        self._private_key, self._registry = private_key, registry
        self._threshold = threshold
        self._opened = OpenedRounds(path)

    def enough_can_pay(self, run: str, number: int, votes: dict[int, bytes]) -> bool:
        """Whether as many clients as the threshold can pay for a round.

        Args:
            run: String, the run's name.
            number: Int, the round.
            votes: Dict from a client's number to the bytes of `cast`. Those that are
                not valid do not count.

        Returns:
            Bool.

        Raises:
            RefusedError: If too few have voted, or the votes of this round, or of a
                later one, were counted before.
        """
        read = [self._read(*vote, run, number) for vote in votes.items()]
        valid = [can_pay for can_pay in read if can_pay is not None]
        if len(valid) < self._threshold:
            raise RefusedError(
                f"Only {len(valid)} clients have sent a valid vote, and "
                f"{self._threshold} are needed."
            )
        self._opened.enter(_PURPOSE, run, number)
        return sum(valid) >= self._threshold

    def _read(self, client, vote, run, number):
        """A vote; `None` of one that is not valid."""
        sealed, signature = vote[:_SEALED_BYTES], vote[_SEALED_BYTES:]
        if not self._registry.is_signed(
            client, signature, _PURPOSE, run, number, sealed
        ):
            return None
        purpose = _context(client, run, number)
        try:
            key = masks.shared_key(self._private_key, sealed[:32], purpose)
            return masks.decrypt(key, sealed[32:], purpose) == b"\x01"
        except (InvalidTag, ValueError):
            return None
