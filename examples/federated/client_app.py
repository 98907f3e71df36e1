"""What a client does: `flwr run`, or simulate.py, starts it."""

import task
from flwr.app import Message
from flwr.clientapp import ClientApp

from keras_dpgan.federated.flower import record_level

app = ClientApp()


@app.query("num_records")
def num_records(message, context):
    content = record_level.answer_num_records(task.record_owner(context))
    return Message(content, reply_to=message)


@app.train("record_sum")
def record_sum(message, context):
    content = record_level.answer_record_sum(
        message.content, task.record_owner(context), task.budget(context)
    )
    return Message(content, reply_to=message)
