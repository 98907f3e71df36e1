"""What a client does: `flwr run`, or simulate.py, starts it."""

import task
from flwr.app import Message
from flwr.clientapp import ClientApp

from keras_dpgan.federated.flower import budget_votes
from keras_dpgan.federated.flower import client_updates
from keras_dpgan.federated.flower import contributions
from keras_dpgan.federated.flower import encrypted_sums
from keras_dpgan.federated.flower import local_records
from keras_dpgan.federated.flower import record_level
from keras_dpgan.federated.flower.masked_sums import MaskedSumClient

app = ClientApp()


@app.query("num_records")
def num_records(message, context):
    owner = task.record_owner(context)
    return Message(record_level.answer_num_records(owner), reply_to=message)


@app.train("record_sum")
def record_sum(message, context):
    task.check_mode(context, "record-level")
    content = record_level.answer_record_sum(
        message.content, task.record_owner(context), task.record_budget(context)
    )
    return Message(content, reply_to=message)


@app.train("local_records")
def train_locally(message, context):
    task.check_mode(context, "local-records")
    content = local_records.answer_local_records(
        message.content,
        task.local_training(context, private=True),
        task.record_budget(context),
    )
    task.keep_best(context, message.content)
    return Message(content, reply_to=message)


@app.train("client_update")
def client_update(message, context):
    task.check_mode(context, "local-clients")
    mechanism = task.mechanism(context)
    content = client_updates.answer_client_update(
        message.content,
        task.local_training(context, private=False),
        mechanism,
        task.round_budget(context, mechanism),
    )
    task.keep_best(context, message.content)
    return Message(content, reply_to=message)


@app.train("masked_keys")
def masked_keys(message, context):
    return Message(_masked(context).answer_keys(message.content), reply_to=message)


@app.train("masked_shares")
def masked_shares(message, context):
    return Message(_masked(context).answer_shares(message.content), reply_to=message)


@app.train("masked_update")
def masked_update(message, context):
    content = _masked(context).answer_update(
        message.content,
        contribution(context),
        task.round_budget(context, task.mechanism(context)),
    )
    return Message(content, reply_to=message)


@app.train("masked_reveal")
def masked_reveal(message, context):
    return Message(_masked(context).answer_reveal(message.content), reply_to=message)


def _masked(context):
    task.check_mode(context, "masked-sums", "masked-records")
    return MaskedSumClient(context.state, task.mechanism(context))


def contribution(context):
    """What this client hands to a hidden sum, by the mode that it has agreed to."""
    if task.agreed_mode(context) in task.MODES_OF_HIDDEN_RECORDS:
        owner = task.record_owner(context)
        return contributions.of_records(owner, task.mechanism(context))
    return contributions.of_training(task.local_training(context, private=False))


@app.train("encrypted_update")
def encrypted_update(message, context):
    task.check_mode(context, "encrypted-sums", "encrypted-records")
    mechanism = task.mechanism(context)
    content = encrypted_sums.answer_encrypted_update(
        message.content,
        contribution(context),
        mechanism,
        task.public_context(context),
        task.signing_key(context),
        task.round_budget(context, mechanism),
    )
    return Message(content, reply_to=message)


@app.query("budget_vote")
def budget_vote(message, context):
    task.check_mode(context, "encrypted-sums", "encrypted-records")
    mechanism = task.mechanism(context)
    content = budget_votes.answer_budget_vote(
        message.content,
        mechanism,
        task.public_context(context),
        task.signing_key(context),
        task.round_budget(context, mechanism),
    )
    return Message(content, reply_to=message)


@app.query("is_key_holder")
def is_key_holder(message, context):
    content = encrypted_sums.answer_is_key_holder(task.is_key_holder(context))
    return Message(content, reply_to=message)


@app.query("add_updates")
def add_updates(message, context):
    content = encrypted_sums.answer_add_updates(
        message.content, task.key_holder(context), context.state
    )
    return Message(content, reply_to=message)


@app.query("open_sum")
def open_sum(message, context):
    content = encrypted_sums.answer_open_sum(
        message.content, task.key_holder(context), context.state
    )
    return Message(content, reply_to=message)


@app.query("add_votes")
def add_votes(message, context):
    content = budget_votes.answer_add_votes(
        message.content, task.vote_counter(context), context.state
    )
    return Message(content, reply_to=message)


@app.query("count_votes")
def count_votes(message, context):
    content = budget_votes.answer_count_votes(
        message.content, task.vote_counter(context), context.state
    )
    return Message(content, reply_to=message)
