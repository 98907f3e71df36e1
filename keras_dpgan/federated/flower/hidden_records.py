"""Mode 3 over hidden sums: the server sees the noised sum of gradients alone."""

import numpy as np

from keras_dpgan.data.remote import RemoteRecords
from keras_dpgan.federated.rounds import rounds_epsilon

NOISE_OF_CLIENTS = (
    "NOISE OF THE CLIENTS: each update's noise is in the sum before the server sees "
    "it, and this history counts the server's own noise, which is none. What holds, "
    "against the server too, is in `HiddenRecords.privacy_statement`."
)


class HiddenRecords(RemoteRecords):
    """The records of clients that hide their sums, to be given to `DPGAN.fit`.

    ```python
    records = HiddenRecords(gan, MaskedSums(group, mechanism), mechanism, 1500)
    gan.fit(records, epochs=20)
    records.epsilon(gan.num_discriminator_updates, delta=1e-5)
    ```

    The server need not be trusted with more than following the protocol. An
    update whose sum is not opened is made without records and charged: clients
    have answered.

    Args:
        gan: A `DPGAN` whose `d_optimizer` has the clip of `mechanism` and a
            `noise_multiplier` of zero: the clients add the noise.
        sums: `MaskedSums` or `EncryptedSums`.
        mechanism: The `RecordSumNoise` that they have.
        num_examples: As in `RemoteRecords`, and so is `steps_per_epoch`.

    Attributes:
        num_unopened: Int, the updates whose sum was not opened.

    Raises:
        ValueError: If the optimizer has another clip, or noise of its own.
    """

    statement_notes = (NOISE_OF_CLIENTS,)

    def __init__(self, gan, sums, mechanism, num_examples, steps_per_epoch=None):
        _check_optimizer(gan.d_optimizer, mechanism)
        super().__init__(
            gan.row_shape,
            gan.num_classes,
            num_examples,
            mechanism.sampling_probability,
            steps_per_epoch,
        )
        self._sums, self._mechanism = sums, mechanism
        self.num_unopened = 0

    def epsilon(self, updates, delta):
        """Epsilon of a number of updates, for one record added or removed.

        Args:
            updates: Non-negative int.
            delta: Float in (0, 1).

        Returns:
            Float, an upper bound.
        """
        return rounds_epsilon(self._mechanism, updates, delta)

    def privacy_statement(self, updates, delta):
        """What holds against whoever sees the opened sums, the server included.

        Args:
            updates: Non-negative int.
            delta: Float in (0, 1).

        Returns:
            String.
        """
        cohort, noise = self._mechanism.cohort, self._mechanism
        return (
            f"epsilon = {self.epsilon(updates, delta):.3f} at delta = {delta:g}, for "
            "one record added to or removed from one client's data, after "
            f"{updates} updates. It holds against the server, which sees the noised "
            "sum of all clients alone, and against those who get what it publishes, "
            f"as long as at most {cohort.max_colluders} of the "
            f"{cohort.num_clients} clients tell the server their noise. Each update: "
            f"a Poisson sample with q = {noise.sampling_probability:g}, drawn by each "
            f"client in secret; discrete Gaussian noise of {noise.noise_multiplier:g} "
            "times the clip, rounding included, in the shares of "
            f"{cohort.num_honest} honest clients. The server, and the key holder "
            "where there is one, follow the protocol. Accounting by Renyi "
            "divergences. The number of records counts as public; sums are added up "
            "in float32, whose rounding is not counted."
        )

    def clipped_sums(self, number, weights, pool, l2_norm_clip):
        total = self._sums.total(number, [pool, *weights])
        if total is None:
            self.num_unopened += 1
            return [np.zeros_like(w) for w in weights]
        return self._mechanism.open(total, weights)


def _check_optimizer(optimizer, mechanism):
    if float(optimizer.noise_multiplier) != 0.0:
        raise ValueError(
            "`gan` must have a `d_optimizer` with `noise_multiplier=0.0`: the clients "
            "add the noise. Received: "
            f"noise_multiplier={float(optimizer.noise_multiplier)}"
        )
    clip = float(optimizer.mechanism.initial_l2_norm_clip)
    if clip != mechanism.l2_norm_clip:
        raise ValueError(
            "`gan` must have a `d_optimizer` with the clip of `mechanism`, "
            f"{mechanism.l2_norm_clip}. Received: l2_norm_clip={clip}"
        )
