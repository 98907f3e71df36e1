"""Peak memory of a server in one round: `federated_server.py KIND CLIENTS SIZE`.

KIND is `averaged`, of updates that the server averages, or `encrypted`, of those that
it passes on to the key holder. Clients and key holder answer from memory of their own,
as others' machines do: a reply is made when the server pulls it.
"""

import pathlib
import resource
import sys
import types

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from keras_dpgan.federated.flower import local_records
from keras_dpgan.federated.flower import messages
from keras_dpgan.federated.flower.group import ClientGroup
from keras_dpgan.federated.flower.key_holding import SumAtHolder

FACTS = {"round": 0, "model_hash": "0" * 64}
# Of 4,096 coordinates.
CIPHERTEXT_BYTES = 88_600


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


def pass_on(num_clients, size):
    facts = {"run": "a", "round": 0}

    def ciphertexts(number):
        parts = [np.full(CIPHERTEXT_BYTES, number % 256, np.uint8)] * (size // 4096 + 1)
        return [np.zeros(32, np.uint8), np.zeros(64, np.uint8), *parts]

    group = ClientGroup(Grid(num_clients, ciphertexts, **facts), num_clients)
    holder = ClientGroup(Grid(1, lambda n: [np.array([n], np.int64)], **facts), 1)
    at_holder = SumAtHolder(holder, ("query.add", "query.open"), facts)
    form = messages.Form(None, np.uint8, facts)
    for _, arrays in group.answers("train", messages.write([]), lambda node: form):
        at_holder.add(arrays)
    assert at_holder.num_clients == num_clients
    assert at_holder.open((1,), np.int64) is not None


def main(kind, num_clients, size):
    {"averaged": average, "encrypted": pass_on}[kind](int(num_clients), int(size))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


if __name__ == "__main__":
    main(*sys.argv[1:])
