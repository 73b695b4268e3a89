"""HTTP/1.1 and WebSocket over plain sockets: a client that costs little beside what it measures."""

import base64
import os
import selectors
import socket
from collections.abc import Callable
from dataclasses import dataclass, field

READ_BYTES = 2**18
HEAD_END = b"\r\n\r\n"
OK = 200
SWITCHED = 101
PING, PONG = 9, 10
TWO_BYTES = 126
"""Length that says that it is in the next two bytes; one more: in the next eight."""


@dataclass(slots=True)
class Http:
    """One connection that is kept open, with one request under way at most.

    Attributes:
        port: Of the service, on this machine.
        key: Who asks.
    """

    port: int
    key: str
    sock: socket.socket = field(init=False)
    _left: bytes = field(init=False, default=b"")

    def __post_init__(self) -> None:
        self.sock = socket.create_connection(("127.0.0.1", self.port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, method: str, path: str, body: bytes = b"", more: str = "") -> None:
        """Send one request; `more` is of further header lines."""
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n"
            f"Authorization: Bearer {self.key}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n{more}\r\n"
        )
        self.sock.sendall(head.encode() + body)

    def receive(self) -> tuple[int, bytes]:
        """Return status and body of the next answer."""
        data = self._left
        while (end := data.find(HEAD_END)) < 0:
            data += self._some()
        head = data[:end].lower()
        at = head.index(b"content-length:") + len(b"content-length:")
        size = int(head[at:].split(b"\r\n", 1)[0])
        start = end + len(HEAD_END)
        while len(data) < start + size:
            data += self._some()
        self._left = data[start + size :]
        return int(head.split(b" ", 2)[1]), data[start : start + size]

    def ask(self, method: str, path: str, body: bytes = b"") -> bytes:
        """Return the body of a good answer.

        Raises:
            RuntimeError: It is none.
        """
        self.send(method, path, body)
        status, answer = self.receive()
        if status != OK:
            msg = f"{method} {path}: {status} {answer[:300]!r}"
            raise RuntimeError(msg)
        return answer

    def close(self) -> None:
        """Hang up."""
        self.sock.close()

    def _some(self) -> bytes:
        data = self.sock.recv(READ_BYTES)
        if not data:
            msg = "the service hung up"
            raise RuntimeError(msg)
        return data


@dataclass(slots=True)
class Listeners:
    """Many WebSocket clients that read everything, keep nothing and answer pings.

    Attributes:
        bytes: Read so far, of all of them.
        lost: Clients the service hung up on.
    """

    port: int
    key: str
    topics: str
    bytes: int = 0
    lost: int = 0
    _selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)
    _socks: list[socket.socket] = field(default_factory=list)
    _left: list[bytearray] = field(default_factory=list)

    def join(self, count: int) -> None:
        """Open so many connections."""
        for _ in range(count):
            sock = socket.create_connection(("127.0.0.1", self.port))
            self._shake_hands(sock)
            sock.settimeout(0.0)
            self._selector.register(sock, selectors.EVENT_READ, len(self._socks))
            self._socks.append(sock)
            self._left.append(bytearray())

    def read_until(self, is_over: Callable[[], bool]) -> None:
        """Read what comes until it is over."""
        while not is_over():
            for ready, _ in self._selector.select(0.05):
                self._read(ready.data)

    def close(self) -> None:
        """Hang up."""
        for sock in self._socks:
            sock.close()
        self._selector.close()

    def _read(self, number: int) -> None:
        sock = self._socks[number]
        data = sock.recv(READ_BYTES)
        self.bytes += len(data)
        self._left[number] += data
        _answer(sock, self._left[number])
        if not data:
            self.lost += 1
            self._selector.unregister(sock)
            sock.close()

    def _shake_hands(self, sock: socket.socket) -> None:
        nonce = base64.b64encode(os.urandom(16)).decode()
        sock.sendall(
            f"GET /v1/ws?topics={self.topics} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n"
            f"Authorization: Bearer {self.key}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {nonce}\r\n\r\n".encode()
        )
        answer = b""
        while HEAD_END not in answer:
            answer += sock.recv(READ_BYTES)
        if int(answer.split(b" ", 2)[1]) != SWITCHED:
            msg = f"no WebSocket: {answer[:200]!r}"
            raise RuntimeError(msg)


def _answer(sock: socket.socket, data: bytearray) -> None:
    """Answer the pings among some frames; take off all but the part of a last one."""
    at = 0
    while len(data) >= at + 2:
        head, size = at + 2, data[at + 1] & 127
        if size >= TWO_BYTES:
            head += 2 if size == TWO_BYTES else 8
            size = int.from_bytes(data[at + 2 : head])
        if len(data) < head + size:
            break
        if data[at] & 15 == PING:
            payload = data[head : head + size]
            sock.sendall(bytes((0x80 | PONG, 0x80 | size)) + bytes(4) + payload)  # masked by zeros
        at = head + size
    del data[:at]
