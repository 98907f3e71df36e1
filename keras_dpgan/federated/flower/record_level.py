"""Mode 3 over Flower: one clipped sum per client and update."""

import numpy as np

from keras_dpgan import privacy
from keras_dpgan.data.remote import RemoteRecords
from keras_dpgan.federated.flower import messages

NUM_RECORDS = "query.num_records"
RECORD_SUM = "train.record_sum"

TRUSTED_SERVER = (
    "TRUSTED SERVER: clients send clipped sums of their own records, over their "
    "connection to the server but without noise of their own. The guarantee holds "
    "for what the server publishes, not against the server."
)


class FlowerRecords(RemoteRecords):
    """The records of Flower clients, to be given to `DPGAN.fit`.

    ```python
    flower = dpgan.federated.flower
    group = flower.group.ClientGroup(grid, num_clients=10)
    records = flower.record_level.FlowerRecords(gan, group, expected_batch_size=64)
    gan.fit(records, epochs=20)
    ```

    A client that drops out, abstains or sends what fails a check is left out of
    an update's sum; the noise and the public divisor stay as they are, so that
    the accounting holds.

    Args:
        gan: The compiled `DPGAN`.
        group: A `ClientGroup`.
        expected_batch_size: Positive float, over all clients.
        steps_per_epoch: As in `RemoteRecords`.
    """

    statement_notes = (TRUSTED_SERVER,)

    def __init__(self, gan, group, expected_batch_size, steps_per_epoch=None):
        self._group = group
        self._noise_multiplier = float(gan.d_optimizer.noise_multiplier)
        self._num_records = ask_num_records(group)
        total = sum(self._num_records.values())
        super().__init__(
            gan.row_shape,
            gan.num_classes,
            total,
            expected_batch_size / total,
            steps_per_epoch,
        )

    def clipped_sums(self, number, weights, pool, l2_norm_clip):
        facts = {"round": number, "model_hash": messages.model_hash(weights)}
        request = messages.write(
            [pool, *weights],
            l2_norm_clip=l2_norm_clip,
            sampling_probability=self.sampling_probability,
            noise_multiplier=self._noise_multiplier,
            **facts,
        )
        shapes = [w.shape for w in weights]

        def form_of(node):
            # That many records, and no more, can be in a client's sum.
            largest = self._num_records.get(node, 0) * l2_norm_clip
            return messages.Form(shapes, np.float32, facts, largest)

        total = [np.zeros(shape) for shape in shapes]
        for _, arrays in self._group.answers(RECORD_SUM, request, form_of):
            total = [t + a for t, a in zip(total, arrays, strict=True)]
        return total


def ask_num_records(group):
    """The number of records of each client, which is public."""
    form = messages.Form([(1,)], np.int64, {})
    answers = group.ask(NUM_RECORDS, messages.write([]), lambda node: form)
    return {node: int(arrays[0][0]) for node, arrays in answers.items()}


def answer_num_records(owner):
    """What a client answers to `NUM_RECORDS`.

    Args:
        owner: A `RecordOwner`.

    Returns:
        The content of the reply.
    """
    return messages.write([np.array([owner.num_examples], np.int64)])


def answer_record_sum(content, owner, budget=None):
    """What a client answers to `RECORD_SUM`.

    Args:
        content: The content of the request.
        owner: A `RecordOwner`.
        budget: A `ClientBudget`; the client abstains where it is used up.
            Defaults to `None`.

    Returns:
        The content of the reply.

    Raises:
        InvalidMessageError: If the request's weights are not those of its hash.
    """
    (pool, *weights), facts = messages.read(content)
    if messages.model_hash(weights) != facts["model_hash"]:
        raise messages.InvalidMessageError("wrong model_hash")
    entry = privacy.HistoryEntry(
        mechanism="gaussian",
        noise_multiplier=facts["noise_multiplier"],
        sampling_probability=facts["sampling_probability"],
        count=1,
    )
    if budget is not None and not budget.pay(entry):
        return messages.abstention()
    sums = owner.clipped_sums(
        facts["round"],
        weights,
        pool,
        facts["l2_norm_clip"],
        facts["sampling_probability"],
    )
    return messages.write(sums, round=facts["round"], model_hash=facts["model_hash"])
