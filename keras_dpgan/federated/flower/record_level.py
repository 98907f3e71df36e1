"""Mode 3 over Flower: one clipped sum per client and update."""

import dataclasses
import secrets

import numpy as np

from keras_dpgan import privacy
from keras_dpgan._utils import validate
from keras_dpgan.data.remote import RemoteRecords
from keras_dpgan.federated.flower import messages
from keras_dpgan.federated.flower.answered import enter_round

NUM_RECORDS = "query.num_records"
RECORD_SUM = "train.record_sum"

# No client is believed to have more: one that lies would thin out all others' samples.
_MOST_RECORDS = 10**8

TRUSTED_SERVER = (
    "TRUSTED SERVER: clients send clipped sums of their own records, over their "
    "connection to the server but without noise of their own. The guarantee holds "
    "for what the server publishes, not against the server."
)


@dataclasses.dataclass(frozen=True)
class RecordTerms:
    """What a client takes for granted of a server that it trusts with bare sums.

    Its sums count, in its own budget, as if they were noised so: that a server says it
    adds more makes nothing cheaper. The client draws the sample itself, and refuses a
    server that says it adds less noise, or wants a larger sample.

    Args:
        noise_multiplier: Positive float, the least noise of the server.
        sampling_probability: Float in (0, 1], the largest.
    """

    noise_multiplier: float
    sampling_probability: float

    def __post_init__(self):
        validate.check_positive("noise_multiplier", self.noise_multiplier)
        validate.check_probability("sampling_probability", self.sampling_probability)

    def entry(self, sampling_probability):
        """What one sum of a sample costs, as a `privacy.HistoryEntry`."""
        return privacy.HistoryEntry(
            mechanism="gaussian",
            noise_multiplier=self.noise_multiplier,
            sampling_probability=sampling_probability,
            count=1,
        )

    def check(self, noise_multiplier, sampling_probability):
        """Raises an `InvalidMessageError` where a server wants more than agreed."""
        if not self.noise_multiplier <= noise_multiplier:
            raise messages.InvalidMessageError("less noise than agreed")
        if not 0 < sampling_probability <= self.sampling_probability:
            raise messages.InvalidMessageError("a larger sample than agreed")


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
        self._run = secrets.token_hex(16)
        super().__init__(
            gan.row_shape,
            gan.num_classes,
            total,
            expected_batch_size / total,
            steps_per_epoch,
        )

    def clipped_sums(self, number, weights, pool, l2_norm_clip):
        facts = messages.facts_of(self._run, number, [pool, *weights])
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
            largest = self._num_records[node] * l2_norm_clip
            return messages.Form(shapes, np.float32, facts, largest)

        total = [np.zeros(shape) for shape in shapes]
        requests = dict.fromkeys(self._num_records, request)
        for _, arrays in self._group.answers(RECORD_SUM, requests, form_of):
            total = [t + a for t, a in zip(total, arrays, strict=True)]
        return total


def ask_num_records(group):
    """The number of records of each client, which is public.

    A number that cannot be is counted as a reply that fails.

    Raises:
        ValueError: If no client has said a number that can be.
    """
    form = messages.Form([(1,)], np.int64, {})
    answers = group.ask(
        NUM_RECORDS, messages.write([]), lambda node: form, len(group.node_ids)
    )
    numbers = {node: int(arrays[0][0]) for node, arrays in answers.items()}
    for node, number in list(numbers.items()):
        if not 1 <= number <= _MOST_RECORDS:
            group.leave_out(node, "wrong number of records")
            del numbers[node]
    if not numbers:
        raise ValueError(
            "The clients of `group` must have records. Received: no valid number of "
            f"records, for these reasons: {dict(group.num_left_out)}"
        )
    return numbers


def answer_num_records(owner):
    """What a client answers to `NUM_RECORDS`.

    Args:
        owner: A `RecordOwner` or a `LocalTraining`.

    Returns:
        The content of the reply.
    """
    return messages.write([np.array([owner.num_examples], np.int64)])


def answer_record_sum(content, owner, terms, state, budget=None):
    """What a client answers to `RECORD_SUM`, once a round.

    Args:
        content: The content of the request.
        owner: A `RecordOwner`.
        terms: The `RecordTerms` that the client has agreed to.
        state: The `flwr.app.RecordDict` of the client's context.
        budget: A `ClientBudget`; the client abstains where it is used up.
            Defaults to `None`.

    Returns:
        The content of the reply.

    Raises:
        InvalidMessageError: If the request is not what was agreed upon, or the
            round was answered.
    """
    arrays, facts = messages.read(content)
    messages.check_hash(arrays, facts)
    pool, *weights = arrays
    terms.check(facts["noise_multiplier"], facts["sampling_probability"])
    enter_round(state, facts["run"], facts["round"])
    entry = terms.entry(facts["sampling_probability"])
    if budget is not None and not budget.pay(entry):
        return messages.abstention()
    sums = owner.clipped_sums(
        facts["round"],
        weights,
        pool,
        facts["l2_norm_clip"],
        facts["sampling_probability"],
    )
    return messages.reply(sums, facts)
