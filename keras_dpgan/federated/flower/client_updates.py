"""Mode 1 over Flower, a whole client as the unit: noised updates."""

import secrets

import numpy as np

from keras_dpgan.federated.flower import messages
from keras_dpgan.federated.flower.answered import enter_round
from keras_dpgan.federated.flower.local_records import combined
from keras_dpgan.federated.flower.local_records import mean
from keras_dpgan.federated.flower.local_records import read_weights

CLIENT_UPDATE = "train.client_update"


class ClientUpdates:
    """Adds the mean of updates that clients have clipped and noised themselves.

    Args:
        group: A `ClientGroup`.
        mechanism: A `GaussianUpdate` or `LaplaceUpdate`; clients refuse another
            than their own.
        min_clients: Int, the fewest answers that are averaged.
        combine: As in `LocalRecords`.
    """

    def __init__(self, group, mechanism, min_clients=2, combine=mean):
        self._group, self._mechanism = group, mechanism
        self._min_clients, self._combine = min_clients, combine
        self._run = secrets.token_hex(16)
        self.entry = mechanism.entry

    def next_weights(self, number, d_weights, g_weights):
        """One round; see `train_rounds`."""
        all_weights = [*d_weights, *g_weights]
        facts = messages.facts_of(self._run, number, all_weights)
        request = messages.write(
            all_weights,
            num_d_weights=len(d_weights),
            mechanism=messages.mechanism_text(self._mechanism),
            **facts,
        )
        form = messages.Form([w.shape for w in d_weights], np.float32, facts)
        answers = self._group.answers(CLIENT_UPDATE, request, lambda node: form)
        update = combined(answers, self._combine, self._min_clients)
        if update is None:
            return None
        return [w + u for w, u in zip(d_weights, update, strict=True)]


def check_mechanism(facts, mechanism):
    """Raises an `InvalidMessageError` where a request wants another mechanism."""
    if not messages.is_mechanism(facts["mechanism"], mechanism):
        raise messages.InvalidMessageError("wrong mechanism")


def update_of(training, d_weights, g_weights):
    """What a round of local training adds to the discriminator's weights."""
    new = training.weights_after(d_weights, g_weights)
    return [after - before for after, before in zip(new, d_weights, strict=True)]


def answer_client_update(content, training, mechanism, state, budget=None):
    """What a client answers to `CLIENT_UPDATE`, once a round.

    Args:
        content: The content of the request.
        training: A `LocalTraining` of a `DPGAN` compiled with `private=False`.
        mechanism: The `GaussianUpdate` or `LaplaceUpdate` that the client has
            agreed to.
        state: The `flwr.app.RecordDict` of the client's context.
        budget: A `RoundBudget`; the client abstains where it is used up.
            Defaults to `None`.

    Returns:
        The content of the reply.
    """
    d_weights, g_weights, facts = read_weights(content)
    check_mechanism(facts, mechanism)
    enter_round(state, facts["run"], facts["round"])
    if budget is not None and not budget.pay():
        return messages.abstention()
    update = mechanism.privatize(update_of(training, d_weights, g_weights))
    return messages.reply(update, facts)
