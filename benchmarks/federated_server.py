"""Peak memory of a server that averages updates: `federated_server.py CLIENTS SIZE`.

Clients answer from memory of their own, as others' machines do: a reply is made when
the server pulls it.
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

FACTS = {"round": 0, "model_hash": "0" * 64}


class Grid:
    """Nodes that answer when they are asked."""

    def __init__(self, num_clients, size):
        self._nodes, self._size = range(num_clients), size

    def get_node_ids(self):
        return self._nodes

    def push_messages(self, sent):
        return [str(message.metadata.dst_node_id) for message in sent]

    def pull_messages(self, numbers):
        return [self._reply(number) for number in list(numbers)]

    def _reply(self, number):
        update = np.full(self._size, int(number), np.float32)
        return types.SimpleNamespace(
            metadata=types.SimpleNamespace(
                src_node_id=int(number), reply_to_message_id=number
            ),
            content=messages.write([update], **FACTS),
            has_error=lambda: False,
        )


def main(num_clients, size):
    group = ClientGroup(Grid(num_clients, size), num_clients)
    form = messages.Form([(size,)], np.float32, FACTS)
    answers = group.answers("train", messages.write([]), lambda node: form)
    (mean,) = local_records.combined(answers, local_records.mean, min_clients=2)
    np.testing.assert_allclose(mean, (num_clients - 1) / 2, rtol=1e-6)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
