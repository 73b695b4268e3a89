"""Who is connected: accept, read, answer, fan out; a slow or hostile peer harms itself alone."""

import selectors
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from keelmark.core.errors import InvalidInput
from keelmark.service.link import messages as m
from keelmark.service.link.frames import BadFrame, framed
from keelmark.service.writer.meters import Meters
from keelmark.service.writer.peer import Peer
from keelmark.service.writer.tap import Durable

PEERS_MAX = 256
"""Connections at once; more are told so and hung up on."""

BACKLOG = 64
PATH_MAX = 100
"""Longest path of a socket, bytes: the system's own limit is a little above."""

UNDER_WAY_MAX = 1_024
"""Requests of one peer that wait; while they do, it is not read from."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A request that came in, and its size in bytes."""

    peer: Peer
    request: m.Request
    size: int


class Hall:
    """The listening socket and all connections."""

    def __init__(self, path: Path, meters: Meters) -> None:
        self._path = path
        self._meters = meters
        self._selector = selectors.DefaultSelector()
        self._listening: socket.socket | None = _listening(path)
        self._selector.register(self._listening, selectors.EVENT_READ)
        self._peers: dict[int, Peer] = {}
        self._hello: m.Hello | None = None

    def greet_with(self, hello: m.Hello) -> None:
        """Say this to whoever connects from now on."""
        self._hello = hello

    def watch(self, file: int, called: Callable[[], None]) -> None:
        """Call somebody, once, when there is something to read from a file, or its end."""
        self._selector.register(file, selectors.EVENT_READ, called)

    def wait(self, timeout_s: float | None) -> list[Heard]:
        """Wait until something comes in, or for so long; return what did."""
        heard: list[Heard] = []
        for key, mask in self._selector.select(timeout_s):
            if key.fileobj is self._listening:
                self._accept()
                continue
            if key.data is not None:
                self._selector.unregister(key.fileobj)
                key.data()
                continue
            peer = self._peers.get(key.fd)
            if peer is None:
                continue
            if mask & selectors.EVENT_WRITE:
                peer.send()
            if mask & selectors.EVENT_READ:
                heard += self._read(peer)
            self._settle(peer)
        return heard

    def answer(self, peer: Peer, message: m.Answer) -> None:
        """Answer one request of a peer."""
        peer.under_way -= 1
        peer.say(message)
        self._push(peer)

    def finish(self, peer: Peer, done: m.Done) -> None:
        """Answer a request with its outcomes; events that fit no frame are left out."""
        peer.under_way -= 1
        try:
            frame = framed(m.encoded_message(done))
        except BadFrame:
            bare = tuple(m.Outcome(status=x.status, position=x.position) for x in done.results)
            frame = framed(m.encoded_message(m.Done(id=done.id, results=bare)))
        peer.say_frame(frame)
        self._push(peer)

    def fan_out(self, durable: Sequence[Durable], time_ms: int) -> None:
        """Let every subscriber hear what has become durable."""
        listening = [peer for peer in self._peers.values() if peer.is_subscribed]
        if not listening:
            return
        frames = [_frame_of(batch, time_ms) for batch in durable]
        for peer in listening:
            for frame in frames:
                peer.say_frame(frame)
            if peer.is_leaving:
                peer.is_subscribed = False
                self._meters.count("subscribers_dropped")
            self._push(peer)

    def drop_subscribers(self, reason: str) -> None:
        """Hang up on everybody who hears batches."""
        for peer in list(self._peers.values()):
            if peer.is_subscribed:
                self._meters.count("subscribers_dropped")
                peer.leave(reason)
                self._push(peer)

    def close_door(self) -> None:
        """Accept nobody any more, and read from nobody."""
        if self._listening is None:
            return
        self._selector.unregister(self._listening)
        self._listening.close()
        self._listening = None
        self._path.unlink(missing_ok=True)
        for peer in list(self._peers.values()):
            self._settle(peer)

    def say_goodbye(self, reason: str) -> None:
        """Hang up on everybody once they have read what waits for them."""
        for peer in list(self._peers.values()):
            peer.say(m.Bye(reason=reason))
            peer.is_leaving = True
            self._push(peer)

    @property
    def has_output(self) -> bool:
        """Whether somebody has not read everything yet."""
        return any(peer.has_output for peer in self._peers.values())

    def close(self) -> None:
        """Let go of everything."""
        self.close_door()
        for peer in list(self._peers.values()):
            self._remove(peer)
        self._selector.close()

    def count(self) -> None:
        """Count who is here."""
        self._meters.set("peers", len(self._peers))
        self._meters.set("subscribers", sum(peer.is_subscribed for peer in self._peers.values()))

    # --- inside ---------------------------------------------------------------------------------

    def _accept(self) -> None:
        if self._listening is None:
            return
        try:
            connection, _ = self._listening.accept()
        except OSError:  # the other end is gone again, or there are no more files
            return
        peer = Peer(connection)
        self._peers[connection.fileno()] = peer
        self._selector.register(connection, selectors.EVENT_READ)
        if self._hello is not None:
            peer.say(self._hello)
        if len(self._peers) > PEERS_MAX:
            self._hang_up(peer, f"{PEERS_MAX} connections are open; close some")
        self._push(peer)

    def _read(self, peer: Peer) -> Iterator[Heard]:
        try:
            for payload in peer.received():
                request = m.request_of(payload)
                peer.under_way += 1
                yield Heard(peer, request, len(payload))
        except (BadFrame, m.BadMessage) as error:
            self._hang_up(peer, str(error))

    def _hang_up(self, peer: Peer, reason: str) -> None:
        self._meters.count("peers_refused")
        peer.leave(reason)

    def _push(self, peer: Peer) -> None:
        """Send what can be sent now."""
        peer.send()
        self._settle(peer)

    def _settle(self, peer: Peer) -> None:
        """Wait for what a peer can do next, or let go of it."""
        if peer.socket.fileno() < 0:
            return
        if peer.is_gone or (peer.is_leaving and not peer.has_output):
            self._remove(peer)
            return
        mask = selectors.EVENT_WRITE if peer.has_output else 0
        is_open = self._listening is not None
        if is_open and not peer.is_leaving and peer.under_way < UNDER_WAY_MAX:
            mask |= selectors.EVENT_READ
        key = self._selector.get_map().get(peer.socket)
        if not mask:
            if key is not None:
                self._selector.unregister(peer.socket)
        elif key is None:
            self._selector.register(peer.socket, mask)
        elif key.events != mask:
            self._selector.modify(peer.socket, mask)

    def _remove(self, peer: Peer) -> None:
        number = peer.socket.fileno()
        if number < 0:
            return
        self._peers.pop(number, None)
        with suppress(KeyError):
            self._selector.unregister(peer.socket)
        peer.close()


def _frame_of(batch: Durable, time_ms: int) -> bytes:
    try:
        whole = m.Batch(position=batch.position, time_ms=time_ms, records=batch.records)
        return framed(m.encoded_message(whole))
    except BadFrame:
        bare = m.Batch(position=batch.position, time_ms=time_ms, records=None)
        return framed(m.encoded_message(bare))


def require_short(path: Path) -> None:
    """Refuse a path at which no socket can listen.

    Raises:
        InvalidInput: It is too long.
    """
    if len(str(path).encode()) > PATH_MAX:
        msg = f"{path} is too long for a socket, at most {PATH_MAX} bytes; use a shorter --data"
        raise InvalidInput(msg)


def _listening(path: Path) -> socket.socket:
    """Return a socket for us alone that listens at a path, which no live writer has."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.unlink(missing_ok=True)  # of a writer that was killed: the folder's lock is ours
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listening.bind(str(path))
        path.chmod(0o600)
        listening.listen(BACKLOG)
        listening.setblocking(False)  # noqa: FBT003 the name says it
    except BaseException:
        listening.close()
        raise
    return listening
