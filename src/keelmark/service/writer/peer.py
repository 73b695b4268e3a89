"""One connection of the writer; it never waits for the other end."""

import socket
from collections import deque

from keelmark.service.link import messages as m
from keelmark.service.link.frames import BadFrame, FrameReader, framed

READ_BYTES = 2**18
OUT_MAX = 32 * 2**20
"""Bytes that wait to be read by the other end at most; beyond it a connection is given up."""


class Peer:
    """A connection.

    Attributes:
        socket: Non-blocking.
        is_subscribed: Whether it hears every batch.
        is_leaving: Whether it is closed as soon as what waits has been read.
        is_gone: Whether the other end has hung up.
        under_way: Requests of it that are not answered yet.
    """

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)  # noqa: FBT003 the name says it
        self.socket = connection
        self.is_subscribed = self.is_leaving = self.is_gone = False
        self.under_way = 0
        self._frames = FrameReader()
        self._out: deque[bytes] = deque()
        self._sent = 0  # bytes of the first frame
        self._waiting = 0

    @property
    def has_output(self) -> bool:
        """Whether something waits to be read."""
        return bool(self._out)

    def received(self) -> list[bytes]:
        """Return the payloads that have come in; sets `is_gone` at the end of the stream.

        Raises:
            BadFrame: What has come in is no frame, or ends inside one.
        """
        try:
            piece = self.socket.recv(READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return []
        except OSError:
            piece = b""
        if piece:
            return list(self._frames.feed(piece))
        self.is_gone = True
        if self._frames.is_torn:
            msg = "the stream ended inside a frame"
            raise BadFrame(msg)
        return []

    def say(self, message: m.Answer) -> None:
        """Let a message wait to be read."""
        self.say_frame(framed(m.encoded_message(message)))

    def say_frame(self, frame: bytes) -> None:
        """Let a frame wait to be read; nothing is said to who leaves, or has left too much."""
        if self.is_leaving or self.is_gone:
            return
        if self._waiting + len(frame) > OUT_MAX:
            self.leave(f"{self._waiting} bytes were not read in time; read the gap in the journal")
            return
        self._out.append(frame)
        self._waiting += len(frame)

    def leave(self, reason: str) -> None:
        """Say why and hang up, as soon as the frame that is half sent has been read."""
        if self.is_leaving:
            return
        while len(self._out) > 1:
            self._out.pop()
        if self._out and not self._sent:
            self._out.clear()
        self._out.append(framed(m.encoded_message(m.Bye(reason=reason))))
        self._waiting = sum(map(len, self._out))
        self.is_leaving = True

    def send(self) -> None:
        """Send what the other end takes now."""
        try:
            while self._out:
                first = self._out[0]
                self._sent += self.socket.send(memoryview(first)[self._sent :])
                if self._sent < len(first):
                    return
                self._waiting -= len(self._out.popleft())
                self._sent = 0
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self.is_gone = True
            self._out.clear()

    def close(self) -> None:
        """Let go of the socket."""
        self.is_gone = True
        self.socket.close()
