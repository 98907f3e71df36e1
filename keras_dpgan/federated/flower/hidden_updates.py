"""Mode 2 over Flower: updates of which the server sees the noised sum alone."""


class HiddenUpdates:
    """Adds the mean of updates whose sum alone is opened.

    It is divided by the number of clients that a round should have, whoever has
    dropped out.

    Args:
        sums: `MaskedSums` or `EncryptedSums`.
        mechanism: The `SharedNoise` that they have.
    """

    def __init__(self, sums, mechanism):
        self._sums, self._mechanism = sums, mechanism
        self.entry = mechanism.entry

    def next_weights(self, number, d_weights, g_weights):
        """One round; see `train_rounds`."""
        total = self._sums.total(
            number, [*d_weights, *g_weights], num_d_weights=len(d_weights)
        )
        if total is None:
            return None
        update = self._mechanism.open(total, d_weights)
        num_clients = self._mechanism.cohort.num_clients
        return [w + u / num_clients for w, u in zip(d_weights, update, strict=True)]
