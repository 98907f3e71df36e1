"""What goes over this machine's loopback interface, byte for byte."""

import collections
import contextlib
import socket
import struct
import threading

_ALL_PROTOCOLS, _PACKET, _STATISTICS, _OUTGOING = 0x0003, 263, 6, 4
_BUFFER = 2**28


class Capture:
    """A context manager that keeps the TCP payload of some ports.

    Args:
        ports: Container of the servers' ports.

    Attributes:
        num_dropped: Int, the packets that the kernel has had no room for; known
            after the context.
    """

    def __init__(self, ports):
        self._ports = ports
        self._segments = collections.defaultdict(dict)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self.num_dropped = None

    def __enter__(self):
        self._socket = socket.socket(
            socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL_PROTOCOLS)
        )
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        with contextlib.suppress(PermissionError):
            self._socket.setsockopt(socket.SOL_SOCKET, 33, _BUFFER)
        self._socket.settimeout(0.5)
        self._socket.bind(("lo", 0))
        self._thread.start()
        return self

    def __exit__(self, *error):
        self._done.set()
        self._thread.join()
        statistics = self._socket.getsockopt(_PACKET, _STATISTICS, 8)
        self.num_dropped = struct.unpack("II", statistics)[1]
        self._socket.close()

    def streams(self, port):
        """What was sent in each connection with a server, and in each direction.

        Returns:
            Dict from `(source port, destination port)` to bytes.
        """
        return {
            ports: _joined(segments)
            for ports, segments in self._segments.items()
            if port in ports
        }

    def _read(self):
        while not self._done.is_set():
            try:
                packet, (_, _, kind, _, _) = self._socket.recvfrom(2**18)
            except TimeoutError:
                continue
            # On loopback each packet goes out and comes in.
            if kind != _OUTGOING:
                self._keep(packet[14:])

    def _keep(self, packet):
        if len(packet) < 40 or packet[0] >> 4 != 4 or packet[9] != socket.IPPROTO_TCP:
            return
        segment = packet[4 * (packet[0] & 15) : struct.unpack("!H", packet[2:4])[0]]
        source, destination, number = struct.unpack("!HHI", segment[:8])
        payload = segment[4 * (segment[12] >> 4) :]
        if payload and (source in self._ports or destination in self._ports):
            self._segments[source, destination].setdefault(number, payload)


def _joined(segments):
    """The payloads in order; what was sent twice is there twice."""
    first = next(iter(segments))
    ordered = sorted(segments, key=lambda n: (n - first + 2**31) % 2**32)
    return b"".join(segments[n] for n in ordered)


def permitted():
    """Whether this process may capture."""
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close()
    except (AttributeError, PermissionError):
        return False
    return True
