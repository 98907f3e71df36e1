"""A Flower grid without Flower: its nodes are functions in this process."""

import types


class GridHere:
    """A grid whose nodes are functions; `tamper` changes replies on their way."""

    def __init__(self, nodes):
        self.nodes = dict(enumerate(nodes, 100))
        self.tamper = {}
        self.sent = []
        self._number = 0
        self._replies = {}

    def get_node_ids(self):
        return self.nodes

    def push_messages(self, sent):
        """Nodes answer at once, in the order of what is sent."""
        for message in sent:
            node, action = message.metadata.dst_node_id, message.metadata.message_type
            self.sent.append((node, action, message.content))
            self._number += 1
            number = str(self._number)
            try:
                content = self.nodes[node](action, message.content)
                content = self.tamper.get((node, action), lambda c: c)(content)
                failed = False
            except Exception:  # noqa: BLE001
                content, failed = None, True
            if content is not None or failed:
                self._replies[number] = _reply(node, number, content, failed)
            yield number

    def pull_messages(self, numbers):
        return [self._replies.pop(n) for n in list(numbers) if n in self._replies]


def _reply(node, number, content, failed):
    return types.SimpleNamespace(
        metadata=types.SimpleNamespace(src_node_id=node, reply_to_message_id=number),
        content=content,
        has_error=lambda: failed,
    )


def drop_out(content):
    """A reply that does not come."""
    del content
