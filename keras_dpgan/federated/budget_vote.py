"""Whether enough clients can pay for a round, and no more about their budgets."""

import numpy as np

from keras_dpgan.federated import encryption
from keras_dpgan.federated import key_holder

_PURPOSE = "vote"


def cast(context, signing_key, run, number, can_pay):
    """A client's encrypted vote for a round.

    Args:
        context: Bytes, the key holder's public context.
        signing_key: Bytes, the client's own private key.
        run: String, the run's name.
        number: Int, the round.
        can_pay: Bool, whether the client's own budget allows the round.

    Returns:
        `(ciphertexts, signature)`, as `VoteCounter.enough_can_pay` takes them.
    """
    ciphertexts = encryption.encrypt(context, np.array([int(can_pay)]))
    signature = key_holder.sign(signing_key, run, number, ciphertexts, _PURPOSE)
    return ciphertexts, signature


class VoteCounter:
    """The key holder's side: adds votes up, and says one bit.

    Votes are opened as updates are, see `KeyHolder`: once for each round, and not
    of a few clients. A client could vote with another number than 0 and 1, which
    nobody sees: that may start a round or hold it up, but costs no other client
    anything, since each looks at its own budget again before it answers.

    Args:
        context: Bytes of `encryption.new_context`.
        verifying_keys: Dict from client to its public key.
        threshold: Int, public: the clients that must vote, and that must be able
            to pay.
        path: As in `KeyHolder`.

    Attributes:
        holder: The `KeyHolder` to `add` votes with.
    """

    def __init__(self, context, verifying_keys, threshold, path):
        self._threshold = threshold
        self.holder = key_holder.KeyHolder(
            context, verifying_keys, threshold, 1, path, purpose=_PURPOSE
        )

    def enough_can_pay(self, total):
        """Whether as many clients as the threshold can pay for a round.

        Args:
            total: `EncryptedTotal` of the votes.

        Returns:
            Bool.

        Raises:
            RefusedError: See `KeyHolder.open`.
        """
        (count,) = self.holder.open(total)
        return bool(count >= self._threshold)
