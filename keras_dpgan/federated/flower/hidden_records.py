"""Mode 3 over hidden sums: the server sees the noised sum of gradients alone."""

import numpy as np

from keras_dpgan.data.remote import RemoteRecords


class HiddenRecords(RemoteRecords):
    """The records of clients that hide their sums, to be given to `DPGAN.fit`.

    ```python
    flower = dpgan.federated.flower
    sums = flower.masked_sums.MaskedSums(group, mechanism, registry)
    records = flower.hidden_records.HiddenRecords(gan, sums, mechanism, 1500)
    gan.fit(records, epochs=20)
    print(gan.privacy_statement())
    ```

    The server is trusted with nothing. If the sum of an update cannot be opened, the
    update uses noise only. It still counts against the budget, because clients have
    already replied.

    Args:
        gan: A `DPGAN` whose `d_optimizer` has the clip of `mechanism` and a
            `noise_multiplier` of zero: the clients add the noise.
        sums: `MaskedSums` or `EncryptedSums`.
        mechanism: The `RecordSumNoise` that they have.
        num_examples: As in `RemoteRecords`, and so is `steps_per_epoch`.
        log: The `RoundLog` of the run, begun with `mechanism.entry`. Clients
            answer no number twice: it gives each update a number of its own, over
            every server that takes the run up. What a kill has lost is counted by
            the `ledger` of `fit`. Defaults to `None`: the model's count of updates
            is the number, and a run that was killed cannot go on.

    Attributes:
        num_unopened: Int, the updates whose sum was not opened.

    Raises:
        ValueError: If the optimizer has another clip, or noise of its own.
    """

    def __init__(
        self, gan, sums, mechanism, num_examples, steps_per_epoch=None, log=None
    ):
        _check_optimizer(gan.d_optimizer, mechanism)
        super().__init__(
            gan.row_shape,
            gan.num_classes,
            num_examples,
            mechanism.sampling_probability,
            steps_per_epoch,
        )
        self._gan, self._sums, self._mechanism = gan, sums, mechanism
        self._log = log
        self.entry = mechanism.entry
        self.num_unopened = 0

    def clipped_sums(self, number, weights, pool, l2_norm_clip):
        if self._log is not None:
            number = self._begin()
        total = self._sums.total(number, [pool, *weights])
        if total is None:
            self.num_unopened += 1
            return [np.zeros_like(w) for w in weights]
        return self._mechanism.open(total, weights)

    def _begin(self):
        number = self._log.begin()
        # The count of the update itself follows when it is made.
        if number > self._gan.privacy_history.total_updates:
            raise ValueError(
                f"`log` has {number} updates that were begun, and the model counts "
                f"{self._gan.privacy_history.total_updates}: what a kill has lost "
                "must be charged. Give `fit` the `ledger` of the run."
            )
        return number


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
