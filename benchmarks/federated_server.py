"""Peak memory of a server in one round: `federated_server.py KIND CLIENTS SIZE`.

KIND is `averaged`, of updates that the server averages, or `encrypted`, of those that
it adds without reading them. Clients answer from memory of their own,
as others' machines do: a reply is made when the server pulls it.
"""

import pathlib
import resource
import sys
import types

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from keras_dpgan.federated import encryption
from keras_dpgan.federated.flower import local_records
from keras_dpgan.federated.flower import messages
from keras_dpgan.federated.flower.group import ClientGroup

FACTS = {"round": 0, "model_hash": "0" * 64}


class Grid:
    """Nodes that answer when they are asked."""

    def __init__(self, num_clients, arrays_of, **facts):
        self._nodes, self._arrays_of = range(num_clients), arrays_of
        self._facts = facts

    def get_node_ids(self):
        return self._nodes

    def push_messages(self, sent):
        return [str(message.metadata.dst_node_id) for message in sent]

    def pull_messages(self, numbers):
        return [self._reply(number) for number in list(numbers)]

    def _reply(self, number):
        return types.SimpleNamespace(
            metadata=types.SimpleNamespace(
                src_node_id=int(number), reply_to_message_id=number
            ),
            content=messages.write(self._arrays_of(int(number)), **self._facts),
            has_error=lambda: False,
        )


def average(num_clients, size):
    grid = Grid(num_clients, lambda n: [np.full(size, n, np.float32)], **FACTS)
    group = ClientGroup(grid, num_clients)
    form = messages.Form([(size,)], np.float32, FACTS)
    answers = group.answers("train", messages.write([]), lambda node: form)
    (mean,) = local_records.combined(answers, local_records.mean, min_clients=2)
    np.testing.assert_allclose(mean, (num_clients - 1) / 2, rtol=1e-6)


def add_up(num_clients, size):
    context = encryption.public_part(encryption.new_context())
    vector = np.arange(size) % encryption.MODULUS
    parts = [messages.from_bytes(p) for p in encryption.encrypt(context, vector)]
    group = ClientGroup(Grid(num_clients, lambda n: parts, **FACTS), num_clients)
    form = messages.Form([(None,)] * len(parts), np.uint8, FACTS)
    context, total = encryption.read_context(context), None
    for _, arrays in group.answers("train", messages.write([]), lambda node: form):
        read = encryption.read(context, [array.tobytes() for array in arrays])
        total = read if total is None else encryption.add([total, read])
    assert encryption.size(total) == size


def main(kind, num_clients, size):
    {"averaged": average, "encrypted": add_up}[kind](int(num_clients), int(size))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


if __name__ == "__main__":
    main(*sys.argv[1:])
