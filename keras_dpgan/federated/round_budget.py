"""A client's own limit where its whole data are one unit."""

import contextlib

from keras_dpgan.federated.rounds import max_rounds
from keras_dpgan.privacy.ledger.file import LedgerFile


class RoundBudget:
    """Counts, on the client's own disk, the rounds that it has answered.

    A round is on disk before anything of it can leave; the file is opened for
    each payment, so that whoever is killed goes on from there.

    Args:
        path: The file, begun where there is none.
        mechanism: What privatises the client's updates, such as
            `GaussianUpdate`. A file that was begun with another is refused.
        epsilon: Positive float, the client's limit.
        delta: Float in (0, 1).

    Attributes:
        max_rounds: Int, the rounds that the limit allows in all.
    """

    def __init__(self, path, mechanism, epsilon, delta):
        self._path = path
        self._mechanism = repr(mechanism)
        self.max_rounds = max_rounds(mechanism, epsilon, delta)

    def pay(self):
        """Enters a round, if the limit allows it.

        Returns:
            Whether the client may answer.

        Raises:
            ValueError: If the file is about another mechanism, or damaged.
        """
        with contextlib.closing(LedgerFile(self._path)) as file:
            if not self._allows(file.entries):
                return False
            file.append({"round": self._mechanism})
            return True

    def can_pay(self):
        """Whether `pay` would allow a round; enters nothing.

        Raises:
            ValueError: As `pay`.
        """
        with contextlib.closing(LedgerFile(self._path)) as file:
            return self._allows(file.entries)

    def _allows(self, entries):
        for entry in entries:
            if entry != {"round": self._mechanism}:
                raise ValueError(
                    f"The rounds in `{self._path}` were made with another "
                    f"mechanism, {entry}, than {self._mechanism}: they cannot "
                    "be counted together. Use the mechanism that the file was "
                    "begun with."
                )
        return len(entries) < self.max_rounds
