"""A client's own limit, kept on its own disk."""

import os
import typing

from keras_dpgan import privacy
from keras_dpgan._utils import validate

if typing.TYPE_CHECKING:
    from keras_dpgan.privacy.history_entry import HistoryEntry


class ClientBudget:
    """Lets a client answer as long as its own limit allows.

    What an answer costs is in the client's `privacy.Ledger` before anything of
    it can leave. The ledger is opened for each payment: whoever is killed
    comes back and goes on from what is on disk.

    Examples:
        >>> mechanism = dpgan.federated.GaussianUpdate(1.0, noise_multiplier=10.0)
        >>> budget = dpgan.federated.ClientBudget(
        ...     "client.ledger", "hospital 7", epsilon=2.0, delta=1e-5
        ... )
        >>> budget.pay(mechanism.entry)
        True
        >>> dpgan.privacy.Ledger.read("client.ledger").total_updates
        1

    Args:
        path: The file of the ledger.
        data_name: String, the name of the client's data.
        epsilon: Positive float, the client's limit.
        delta: Float in (0, 1).
    """

    def __init__(
        self, path: str | os.PathLike[str], data_name: str, epsilon: float, delta: float
    ) -> None:
        self.path = os.fspath(path)
        self.data_name = data_name
        self.epsilon = validate.check_positive("epsilon", epsilon)
        self.delta = validate.check_delta(delta)

    def pay(self, entry: "HistoryEntry") -> bool:
        """Enters updates that are about to be made, if the limit allows them.

        Args:
            entry: A `privacy.HistoryEntry` with its count.

        Returns:
            Whether they may be made. If not, nothing was entered.
        """
        with privacy.Ledger(self.path, self.data_name) as ledger:
            history = ledger.history()
            history.add(entry)
            if not self._allows(history):
                return False
            if ledger.runs and ledger.runs[-1].entry.with_count(0) == (
                entry.with_count(0)
            ):
                ledger.reserve(len(ledger.runs), entry.count)
            else:
                ledger.spend(entry, purpose="federated training")
        return True

    def _allows(self, history):
        # The quick bound first: the exact figure takes a second.
        return any(
            privacy.epsilon(history, self.delta, accountant) <= self.epsilon
            for accountant in ("rdp", "pld")
        )
