"""The one who can decrypt the sum of what clients have encrypted."""

import collections.abc
import os

import numpy as np

from keras_dpgan.federated import encryption
from keras_dpgan.federated.opened_rounds import OpenedRounds
from keras_dpgan.federated.opened_rounds import RefusedError


class KeyHolder:
    """Holds the secret key, apart from the server, and opens one sum of each round.

    The server adds what clients have encrypted, and cannot read it. The key holder
    gets that sum alone. What clients encrypt is under their masks, which cancel out
    in the sum of a whole round and which neither the server nor the key holder knows:
    whatever a server makes of ciphertexts, a single vector that the key holder opens
    is random. So nothing depends on what it is asked to open, and a server that
    takes the secret key by ciphertexts of its own making (BFV does not withstand
    that) has what it would have had without encryption: masked vectors.

    Args:
        context: Bytes of `encryption.new_context`.
        size: Int, the coordinates of a vector.
        path: The file of the rounds that were opened: there is one for the key.
    """

    def __init__(self, context: bytes, size: int, path: str | os.PathLike[str]) -> None:
        self._context = encryption.read_context(context)
        self._size = size
        self._opened = OpenedRounds(path)

    def open(
        self, run: str, number: int, ciphertexts: collections.abc.Sequence[bytes]
    ) -> np.ndarray:
        """Decrypts the sum of a round.

        Args:
            run: String, the run's name.
            number: Int, the round.
            ciphertexts: List of bytes, the encrypted sum.

        Returns:
            int64 array of shape `(size,)`, modulo `encryption.MODULUS`. It is under
            masks.

        Raises:
            RefusedError: If the round, or a later one of the run, was opened before,
                or the sum is no vector of the agreed size.
        """
        try:
            vector = encryption.read(self._context, ciphertexts)
        except ValueError as error:
            raise RefusedError(f"The sum of round {number} is no vector.") from error
        size = encryption.size(vector)
        if size != self._size:
            raise RefusedError(
                f"A vector has {self._size} coordinates. Received: {size}"
            )
        self._opened.enter("update", run, number)
        return encryption.decrypt(vector)
