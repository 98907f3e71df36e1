"""A client's own limit where its whole data are one unit."""

import contextlib
import os
import typing

from keras_dpgan._utils.append_only_file import AppendOnlyFile
from keras_dpgan._utils.formats import Format
from keras_dpgan.federated import mechanism_fields
from keras_dpgan.federated.rounds import max_rounds

# Of each line: it stands for one round. Version 0.1 wrote `{"round": text}`.
_FORMAT = Format("round_budget", version=2, required=("mechanism",))
# Of a vote whether a round can be paid for, and of an answer of noise alone.
_UNPAID = Format("unpaid_round", version=2, required=("unpaid",))
_KIND = "round budget"
_VOTE, _NOISE = "vote", "noise"
# Votes that no round has followed: what a vote says must not be asked without end.
_MOST_VOTES = 10


class RoundBudget:
    """Counts, on the client's own disk, the rounds that it has answered.

    A round is on disk before anything of it can leave; the file is opened for
    each payment, so that whoever is killed goes on from there.

    Examples:
        >>> mechanism = dpgan.federated.GaussianUpdate(1.0, noise_multiplier=10.0)
        >>> budget = dpgan.federated.RoundBudget(
        ...     "rounds.budget", mechanism, epsilon=8.0, delta=1e-5
        ... )
        >>> budget.can_pay()
        True
        >>> budget.pay()
        True

    Args:
        path: The file, begun where there is none.
        mechanism: What privatizes the client's updates, such as
            `GaussianUpdate`. A file that was begun with another is refused.
        epsilon: Positive float, the client's limit.
        delta: Float in (0, 1).

    Attributes:
        max_rounds: Int, the rounds that the limit allows in all.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        mechanism: typing.Any,
        epsilon: float,
        delta: float,
    ) -> None:
        self._path = path
        self._mechanism = mechanism
        self.max_rounds = max_rounds(mechanism, epsilon, delta)

    def pay(self) -> bool:
        """Enters a round, if the limit allows it.

        Returns:
            Whether the client may answer.

        Raises:
            ValueError: If the file is about another mechanism, or damaged.
        """
        with contextlib.closing(AppendOnlyFile(self._path, _KIND)) as file:
            if not self._allows(file.entries):
                return False
            fields = mechanism_fields.write(self._mechanism)
            file.append(_FORMAT.write(mechanism=fields))
            return True

    def vote(self) -> bool:
        """Whether `pay` would allow a round, for a vote, which is entered.

        Raises:
            RuntimeError: If ten votes were given that no answer has followed.
            ValueError: As `pay`.
        """
        with contextlib.closing(AppendOnlyFile(self._path, _KIND)) as file:
            votes = 0
            for entry in file.entries:
                votes = votes + 1 if _is_unpaid(entry, _VOTE) else 0
            if votes >= _MOST_VOTES:
                raise RuntimeError(
                    f"{votes} votes were given that no round has followed: no more "
                    "are given. Ask the server's operator why no round takes place."
                )
            allows = self._allows(file.entries)
            file.append(_UNPAID.write(unpaid=_VOTE))
            return allows

    def enter_noise(self) -> None:
        """Enters a round that was answered by noise alone, which costs nothing."""
        with contextlib.closing(AppendOnlyFile(self._path, _KIND)) as file:
            file.append(_UNPAID.write(unpaid=_NOISE))

    def can_pay(self) -> bool:
        """Whether `pay` would allow a round; enters nothing.

        Raises:
            ValueError: As `pay`.
        """
        with contextlib.closing(AppendOnlyFile(self._path, _KIND)) as file:
            return self._allows(file.entries)

    def _allows(self, entries):
        paid = [entry for entry in entries if not _is_unpaid(entry, _VOTE, _NOISE)]
        for entry in paid:
            written = _mechanism_of(entry, self._path)
            if not mechanism_fields.are_of(written, self._mechanism):
                raise ValueError(
                    f"The rounds in `{self._path}` were made with another "
                    f"mechanism, {written}, than {self._mechanism}: they cannot "
                    "be counted together. Use the mechanism that the file was "
                    "begun with."
                )
        return len(paid) < self.max_rounds


def _is_unpaid(entry, *kinds):
    """Whether a line is a vote or noise; any that cannot be read counts as paid."""
    try:
        return _UNPAID.read(entry)["unpaid"] in kinds
    except ValueError:
        return False


def _mechanism_of(entry, path):
    if isinstance(entry, dict) and set(entry) == {"round"}:
        return entry["round"]
    try:
        return _FORMAT.read(entry)["mechanism"]
    except ValueError as error:
        raise ValueError(
            f"`{path}` cannot be read as the file of a `RoundBudget`: {error}"
        ) from error
