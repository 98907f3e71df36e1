"""The client's side of a Flower app: which question has which answer."""

from flwr.app import Message
from flwr.clientapp import ClientApp

from keras_dpgan.federated.federated_client import FederatedKeyHolder
from keras_dpgan.federated.flower import client_updates
from keras_dpgan.federated.flower import contributions
from keras_dpgan.federated.flower import local_records
from keras_dpgan.federated.flower import masked_sums
from keras_dpgan.federated.flower import record_level

_RECORD_MODES = ("record-level", "local-records")
_MASKED_MODES = (
    "masked-records",
    "masked-sums",
    "encrypted-records",
    "encrypted-sums",
)


def app_of(make_party):
    """See `federated.client_app`."""
    app = ClientApp()
    for action in (*_OF_CLIENTS, *_OF_HOLDER, _IS_KEY_HOLDER):
        kind, _, name = action.partition(".")
        getattr(app, kind)(name)(_handler(action, make_party))
    return app


def _handler(action, make_party):
    def handle(message, context):
        party = make_party(context)
        content = _answer(action, party, message.content, context)
        return Message(content, reply_to=message)

    return handle


def _answer(action, party, content, context):
    is_holder = isinstance(party, FederatedKeyHolder)
    if action == _IS_KEY_HOLDER:
        from keras_dpgan.federated.flower import encrypted_sums

        key = party.signing_key if is_holder else None
        return encrypted_sums.answer_is_key_holder(content, context.node_id, key)
    if is_holder:
        if action not in _OF_HOLDER:
            raise PermissionError("The key holder has no records.")
        return _OF_HOLDER[action](content, party)
    if action in _OF_HOLDER:
        raise PermissionError("This client holds no key.")
    modes, answer = _OF_CLIENTS[action]
    if party.mode not in modes:
        raise PermissionError(
            f"This client has agreed to {party.mode}, not to {', '.join(modes)}."
        )
    return answer(content, party, context.state)


def _record_sum(content, client, state):
    return record_level.answer_record_sum(
        content, client.records(), client.terms, state, client.budget
    )


def _local_records(content, client, state):
    answer = local_records.answer_local_records(
        content, client.records(), state, client.budget
    )
    _offer(content, client)
    return answer


def _client_update(content, client, state):
    answer = client_updates.answer_client_update(
        content, client.records(), client.mechanism, state, client.budget
    )
    _offer(content, client)
    return answer


def _offer(content, client):
    if client.on_model is not None:
        d_weights, g_weights, _ = local_records.read_weights(content)
        client.on_model(d_weights, g_weights)


def _num_records(content, client, state):
    del content, state
    return record_level.answer_num_records(client.records())


def _hidden(client, state):
    own = state, client.mechanism, client.signing_key, client.registry
    if not client.is_encrypted:
        return masked_sums.MaskedSumClient(*own)
    from keras_dpgan.federated.flower import encrypted_sums

    keys = client.context, client.sealing_key
    return encrypted_sums.EncryptedSumClient(*own, *keys)


def _masked_step(name):
    def answer(content, client, state):
        return getattr(_hidden(client, state), f"answer_{name}")(content)

    return answer


def _masked_parcels(content, client, state):
    hidden = _hidden(client, state)
    if client.is_encrypted:
        return hidden.answer_parcels(content, client.budget)
    return hidden.answer_parcels(content)


def _masked_update(content, client, state):
    records = client.records()
    if client.mode.endswith("-records"):
        contribution = contributions.of_records(records, client.mechanism)
    else:
        contribution = contributions.of_training(records)
    hidden = _hidden(client, state)
    return hidden.answer_update(content, contribution, client.budget)


def _open_sum(content, party):
    from keras_dpgan.federated.flower import encrypted_sums

    return encrypted_sums.answer_open_sum(content, party.holder)


def _count_votes(content, party):
    from keras_dpgan.federated.flower import encrypted_sums

    return encrypted_sums.answer_count_votes(content, party.counter)


_OF_CLIENTS = {
    record_level.NUM_RECORDS: (_RECORD_MODES, _num_records),
    record_level.RECORD_SUM: (("record-level",), _record_sum),
    local_records.LOCAL_RECORDS: (("local-records",), _local_records),
    client_updates.CLIENT_UPDATE: (("local-clients",), _client_update),
    masked_sums.KEYS: (_MASKED_MODES, _masked_step("keys")),
    masked_sums.SHARES: (_MASKED_MODES, _masked_step("shares")),
    masked_sums.PARCELS: (_MASKED_MODES, _masked_parcels),
    masked_sums.UPDATE: (_MASKED_MODES, _masked_update),
    masked_sums.CONFIRM: (_MASKED_MODES, _masked_step("confirm")),
    masked_sums.REVEAL: (_MASKED_MODES, _masked_step("reveal")),
}
# Named here: their module needs TenSEAL.
_OF_HOLDER = {"query.open_sum": _open_sum, "query.count_votes": _count_votes}
_IS_KEY_HOLDER = "query.is_key_holder"
