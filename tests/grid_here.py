"""A Flower grid without Flower: its nodes are functions in this process."""

import types


class GridHere:
    """A grid whose nodes are functions; `tamper` changes replies on their way."""

    def __init__(self, nodes):
        self.nodes = dict(enumerate(nodes, 100))
        self.tamper = {}
        self.sent = []

    def get_node_ids(self):
        return self.nodes

    def send_and_receive(self, sent, timeout=None):
        del timeout
        replies = []
        for message in sent:
            node, action = message.metadata.dst_node_id, message.metadata.message_type
            self.sent.append((node, action, message.content))
            try:
                content = self.nodes[node](action, message.content)
                content = self.tamper.get((node, action), lambda c: c)(content)
                failed = False
            except Exception:  # noqa: BLE001
                content, failed = None, True
            if content is not None or failed:
                replies.append(_reply(node, content, failed))
        return replies


def _reply(node, content, failed):
    return types.SimpleNamespace(
        metadata=types.SimpleNamespace(src_node_id=node),
        content=content,
        has_error=lambda: failed,
    )


def drop_out(content):
    """A reply that does not come."""
    del content
