"""The clients of a run, as the server sees them."""

import collections
import copy
import time

from flwr.app import Message

from keras_dpgan._utils import validate
from keras_dpgan.federated.flower import messages

# Replies that are read at once.
_AT_ONCE = 16
# Seconds between looks for more: a quarter of the time that none has come. Where that
# is longer than the last, further requests are sent.
_FIRST_WAIT, _LONGEST_WAIT, _PATIENCE = 0.05, 3.0, 0.5
_GROWTH = 1.3


class ClientGroup:
    """Asks all clients at once and keeps the replies that are valid.

    A reply that fails a check, an error and a reply that does not come in time
    leave a client out of the round, and are counted.

    Args:
        grid: A `flwr.serverapp.Grid`.
        num_clients: Int, the clients to wait for before the first round.
        timeout: Float, the seconds that a round may take. Defaults to 600.
        max_in_flight: Int, the requests that wait for their replies at one time,
            unless none comes: the server's memory does not grow with the clients.
            Flower's simulation looks through all of them for each client: 16 is
            best there. Defaults to 64.

    Attributes:
        num_left_out: `collections.Counter` of the reasons for which replies were
            left out, over all rounds.
        num_abstentions: Int, the replies in which clients said that their limit
            was reached.
    """

    def __init__(self, grid, num_clients, timeout=600.0, max_in_flight=64):
        self._grid = grid
        self._max_in_flight = validate.check_int(
            "max_in_flight", max_in_flight, minimum=1
        )
        self._timeout = validate.check_positive("timeout", timeout)
        validate.check_int("num_clients", num_clients, minimum=1)
        self.node_ids = self._wait_for(num_clients)
        self.num_left_out: collections.Counter = collections.Counter()
        self.num_abstentions = 0

    def only(self, node_ids):
        """The group of some of the nodes, which counts for itself."""
        group = copy.copy(self)
        group.node_ids = [node for node in self.node_ids if node in node_ids]
        group.num_left_out = collections.Counter()
        group.num_abstentions = 0
        return group

    def without(self, node_ids):
        """The group of the other nodes."""
        return self.only(set(self.node_ids) - set(node_ids))

    def _wait_for(self, num_clients):
        deadline = time.monotonic() + self._timeout
        while True:
            node_ids = sorted(self._grid.get_node_ids())
            if len(node_ids) >= num_clients:
                return node_ids[:num_clients]
            if time.monotonic() > deadline:
                raise TimeoutError(
                    f"{num_clients} clients were expected, and {len(node_ids)} have "
                    f"come within {self._timeout:g} seconds."
                )
            time.sleep(0.5)

    def ask(self, action, requests, form_of):
        """Sends requests and reads all replies.

        Args:
            action: String, the client's function, such as `"train.record_sum"`.
            requests: The content that all get, or a dict from node to content.
            form_of: Function from a node to the `messages.Form` of its reply.

        Returns:
            Dict from node to the list of arrays of its valid reply.
        """
        return dict(sorted(self.answers(action, requests, form_of)))

    def answers(self, action, requests, form_of):
        """Sends requests and reads replies as they come, some at a time.

        What is done with one is over before many others are here. Clients that are
        slow hold up nobody: where no reply comes, the next requests are sent.

        Args:
            action: As in `ask`.
            requests: As in `ask`.
            form_of: As in `ask`.

        Yields:
            Pairs of a node and the list of arrays of its valid reply.
        """
        if not isinstance(requests, dict) or "facts" in requests:
            requests = dict.fromkeys(self.node_ids, requests)
        for reply in self._replies(action, requests):
            node = reply.metadata.src_node_id
            try:
                arrays = self._read(reply, form_of(node))
            except messages.InvalidMessageError as error:
                self.num_left_out[str(error)] += 1
                continue
            if arrays is None:
                self.num_abstentions += 1
            else:
                yield node, arrays

    def _replies(self, action, requests):
        unsent = list(requests.items())
        pending: list = []
        deadline = time.monotonic() + self._timeout
        num_replies, wait = 0, _FIRST_WAIT
        while (unsent or pending) and time.monotonic() < deadline:
            room = max(0, self._max_in_flight - len(pending))
            if wait > _PATIENCE:
                room = self._max_in_flight  # Those that are slow hold up nobody else.
            now, unsent = unsent[:room], unsent[room:]
            pending += self._send(action, now)
            before = len(pending)
            for some in _portions(pending):
                for reply in self._grid.pull_messages(some):
                    pending.remove(reply.metadata.reply_to_message_id)
                    num_replies += 1
                    yield reply
            wait = min(_GROWTH * wait, _LONGEST_WAIT)
            if len(pending) < before:
                wait = _FIRST_WAIT
            if pending:
                time.sleep(wait)
        missing = len(requests) - num_replies
        if missing:
            self.num_left_out["no reply"] += missing

    def _send(self, action, requests):
        sent = [
            Message(content=content, message_type=action, dst_node_id=node)
            for node, content in requests
        ]
        # Those that could not be sent have no identity.
        return [number for number in self._grid.push_messages(sent) if number]

    def _read(self, reply, form):
        if reply.has_error():
            raise messages.InvalidMessageError("error")
        return form.read(reply.content)


def _portions(items):
    return [items[i : i + _AT_ONCE] for i in range(0, len(items), _AT_ONCE)]
