"""The clients of a run, as the server sees them."""

import collections
import copy
import math
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
# When enough have answered, others have as long once more so many times, and no less
# than these seconds.
_TIMES_LONGER, _LONGER = 4.0, 10.0


class ClientGroup:
    """Asks all clients at once and keeps the replies that are valid.

    A reply that fails a check, an error and a reply that does not come in time
    leave a client out of the round, and are counted by client and reason. When enough
    have answered, the others have five times as long as these took, and at least ten
    seconds: one that is silent holds up nobody for the whole timeout.

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
        left_out: Dict from node to the `collections.Counter` of its own.
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
        self._begin_counts()

    def _begin_counts(self):
        self.num_left_out: collections.Counter = collections.Counter()
        self.left_out: dict = collections.defaultdict(collections.Counter)
        self.num_abstentions = 0

    def leave_out(self, node, reason):
        """Counts a reply that is left out.

        Args:
            node: Int, whose it is.
            reason: String, the same for all such replies.
        """
        self.num_left_out[reason] += 1
        self.left_out[node][reason] += 1

    def only(self, node_ids):
        """The group of some of the nodes, which counts for itself."""
        group = copy.copy(self)
        group.node_ids = [node for node in self.node_ids if node in node_ids]
        group._begin_counts()
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

    def ask(self, action, requests, form_of, enough=None):
        """Sends requests and reads all replies.

        Args:
            action: String, the client's function, such as `"train.record_sum"`.
            requests: The content that all get, or a dict from node to content.
            form_of: Function from a node to the `messages.Form` of its reply.
            enough: Int, the valid replies after which one does not wait for the
                others to the end. Defaults to `None`: half of them.

        Returns:
            Dict from node to the list of arrays of its valid reply.
        """
        return dict(sorted(self.answers(action, requests, form_of, enough)))

    def answers(self, action, requests, form_of, enough=None):
        """Sends requests and reads replies as they come, some at a time.

        What is done with one is over before many others are here. Clients that are
        slow hold up nobody: where no reply comes, the next requests are sent.

        Args:
            action: As in `ask`.
            requests: As in `ask`.
            form_of: As in `ask`.
            enough: As in `ask`.

        Yields:
            Pairs of a node and the list of arrays of its valid reply.
        """
        if not isinstance(requests, dict) or "facts" in requests:
            requests = dict.fromkeys(self.node_ids, requests)
        waiting = _Waiting(
            self._timeout, math.ceil(len(requests) / 2) if enough is None else enough
        )
        for node, reply in self._replies(action, requests, waiting):
            try:
                arrays = self._read(reply, form_of(node))
            except messages.InvalidMessageError as error:
                self.leave_out(node, str(error))
                continue
            waiting.count()
            if arrays is None:
                self.num_abstentions += 1
            else:
                yield node, arrays

    def _replies(self, action, requests, waiting):
        """Pairs of a node, as it was asked, and the one reply to what it was asked."""
        unsent = list(requests.items())
        pending: dict = {}
        wait = _FIRST_WAIT
        while (unsent or pending) and not waiting.is_over:
            room = max(0, self._max_in_flight - len(pending))
            if wait > _PATIENCE:
                room = self._max_in_flight  # Those that are slow hold up nobody else.
            now, unsent = unsent[:room], unsent[room:]
            pending |= self._send(action, now)
            before = len(pending)
            for some in _portions(list(pending)):
                for reply in self._grid.pull_messages(some):
                    node = pending.pop(reply.metadata.reply_to_message_id, None)
                    if node is not None:
                        yield node, reply
            wait = min(_GROWTH * wait, _LONGEST_WAIT)
            if len(pending) < before:
                wait = _FIRST_WAIT
            if pending:
                time.sleep(wait)
        for node in (*pending.values(), *(node for node, _ in unsent)):
            self.leave_out(node, "no reply")

    def _send(self, action, requests):
        """Dict from the identity of what was sent to whom."""
        sent = [
            Message(content=content, message_type=action, dst_node_id=node)
            for node, content in requests
        ]
        pending = {}
        numbers = list(self._grid.push_messages(sent))
        # What could not be sent has no identity; where nothing could, there is none.
        numbers += [None] * (len(sent) - len(numbers))
        for (node, _), number in zip(requests, numbers, strict=True):
            if number:
                pending[number] = node
            else:
                self.leave_out(node, "no reply")
        return pending

    def _read(self, reply, form):
        if reply.has_error():
            raise messages.InvalidMessageError("error")
        return form.read(reply.content)


class _Waiting:
    """Until when replies are waited for."""

    def __init__(self, timeout, enough):
        self._began = time.monotonic()
        self._deadline = self._began + timeout
        self._enough, self._num_valid = enough, 0

    def count(self):
        """Counts a valid reply."""
        self._num_valid += 1
        if self._num_valid == self._enough:
            now = time.monotonic()
            longer = max(_LONGER, _TIMES_LONGER * (now - self._began))
            self._deadline = min(self._deadline, now + longer)

    @property
    def is_over(self):
        """Whether no more are waited for."""
        return time.monotonic() >= self._deadline


def _portions(items):
    return [items[i : i + _AT_ONCE] for i in range(0, len(items), _AT_ONCE)]
