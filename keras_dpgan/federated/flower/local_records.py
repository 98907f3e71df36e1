"""Mode 1 over Flower: clients train with DP-SGD and send private weights."""

import itertools
import secrets

import numpy as np

from keras_dpgan.federated.flower import messages
from keras_dpgan.federated.flower.answered import enter_round
from keras_dpgan.federated.flower.record_level import ask_num_records
from keras_dpgan.federated.local_training import entry_of

LOCAL_RECORDS = "train.local_records"


def mean(parts):
    """The mean of lists of arrays, all with one weight, as they come."""
    first = next(parts)
    total, count = [array.astype(np.float64) for array in first], 1
    for arrays in parts:
        total = [t + array for t, array in zip(total, arrays, strict=True)]
        count += 1
    return [(t / count).astype(a.dtype) for t, a in zip(total, first, strict=True)]


def combined(answers, combine, min_clients):
    """What `combine` makes of answers as they come; `None` of too few.

    Args:
        answers: Iterator of pairs of a node and its arrays.
        combine: As in `LocalRecords`.
        min_clients: As in `LocalRecords`.
    """
    first = list(itertools.islice(answers, min_clients))
    if len(first) < min_clients:
        return None
    return combine(arrays for _, arrays in itertools.chain(first, answers))


class LocalRecords:
    """Averages discriminators that clients have trained privately.

    Each client trains with DP-SGD on its own records. Its sampling is secret, so
    it amplifies against the server, too. What it sends is private already, and
    all that is done with it is free. The unit of privacy is a record, which one
    client alone has.

    Args:
        gan: The compiled `DPGAN`.
        group: A `ClientGroup`.
        local_batch_size: Positive float, the expected batch size at each client.
        local_updates: Int, each client's updates in a round.
        min_clients: Int, the fewest answers that are averaged.
        combine: Function from an iterator of lists of arrays to a list of arrays.
            Defaults to `mean`; `flower.robust` has others.
    """

    def __init__(
        self, gan, group, local_batch_size, local_updates, min_clients=2, combine=mean
    ):
        self._group, self._combine, self._min_clients = group, combine, min_clients
        self._run = secrets.token_hex(16)
        # Of whom the number is not known, the cost is not, either: it is not asked.
        num_records = ask_num_records(group)
        self._nodes = list(num_records)
        smallest = min(num_records.values())
        # Of the client with the fewest records, which spends the most.
        rate = min(1.0, local_batch_size / smallest)
        self.entry = entry_of(gan.d_optimizer, rate, local_updates)

    def next_weights(self, number, d_weights, g_weights):
        """One round; see `train_rounds`."""
        all_weights = [*d_weights, *g_weights]
        facts = messages.facts_of(self._run, number, all_weights)
        request = messages.write(all_weights, num_d_weights=len(d_weights), **facts)
        requests = dict.fromkeys(self._nodes, request)
        form = messages.Form([w.shape for w in d_weights], np.float32, facts)
        answers = self._group.answers(LOCAL_RECORDS, requests, lambda node: form)
        return combined(answers, self._combine, self._min_clients)


def read_weights(content):
    """The two networks' weights in a request, checked against their hash.

    Returns:
        `(d_weights, g_weights, facts)`.

    Raises:
        InvalidMessageError: If they are not those of the hash.
    """
    weights, facts = messages.read(content)
    messages.check_hash(weights, facts)
    split = facts["num_d_weights"]
    return weights[:split], weights[split:], facts


def answer_local_records(content, training, state, budget=None):
    """What a client answers to `LOCAL_RECORDS`, once a round.

    Args:
        content: The content of the request.
        training: A `LocalTraining` of a private `DPGAN`.
        state: The `flwr.app.RecordDict` of the client's context.
        budget: A `ClientBudget`; the client abstains where it is used up.
            Defaults to `None`.

    Returns:
        The content of the reply.
    """
    d_weights, g_weights, facts = read_weights(content)
    enter_round(state, facts["run"], facts["round"])
    if budget is not None and not budget.pay(training.entry):
        return messages.abstention()
    new = training.weights_after(d_weights, g_weights)
    return messages.reply(new, facts)
