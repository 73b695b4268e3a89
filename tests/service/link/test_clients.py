"""Both clients against a peer that answers, dawdles, lies and dies."""

import asyncio
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest

from keelmark.engine.commands import OpenAccount
from keelmark.service.link import messages as m
from keelmark.service.link.async_link import AsyncLink, NoWriter
from keelmark.service.link.commands import item
from keelmark.service.link.frames import FrameReader, framed
from keelmark.service.link.sync_link import LinkLost, SyncLink

HELLO = m.Hello(version=m.VERSION, position=7, rulebook="generic", pid=1)
DONE = m.Outcome(status="done", position=8)
ITEMS = [item(OpenAccount(name="alice"), key="a"), item(OpenAccount(name="bob"), key="b")]

Peer = Callable[[socket.socket], None]


def say(peer: socket.socket, *messages: m.Answer) -> None:
    peer.sendall(b"".join(framed(m.encoded_message(message)) for message in messages))


def heard(peer: socket.socket, count: int) -> list[m.Request]:
    frames = FrameReader()
    requests: list[m.Request] = []
    while len(requests) < count:
        piece = peer.recv(65_536)
        assert piece, "the client hung up"
        requests += [m.request_of(payload) for payload in frames.feed(piece)]
    return requests


@contextmanager
def peers(path: Path, *behaviours: Peer) -> Iterator[None]:
    """Answer one connection after the other, each in its own way."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(str(path))
        listening.listen()

        def run() -> None:
            for behave in behaviours:
                connection, _ = listening.accept()
                with connection:
                    behave(connection)

        thread = Thread(target=run)
        thread.start()
        yield
        thread.join(10)
        assert not thread.is_alive()


def answers_well(peer: socket.socket) -> None:
    say(peer, HELLO)
    (request,) = heard(peer, 1)
    assert isinstance(request, m.Submit)
    batch = m.Batch(position=8, time_ms=0, records=())
    say(peer, batch, m.Done(id=request.id, results=(DONE,) * len(request.items)))


def greets_and_hangs_up(peer: socket.socket) -> None:
    say(peer, HELLO)
    heard(peer, 1)
    say(peer, m.Bye(reason="you did not read"))


def sends(piece: bytes) -> Peer:
    def behave(peer: socket.socket) -> None:
        say(peer, HELLO)
        heard(peer, 1)
        peer.sendall(piece)

    return behave


def test_a_client_gets_its_answer_though_batches_come_between(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with peers(path, answers_well), SyncLink(path) as link:
        assert link.hello == HELLO
        assert link.submit(ITEMS) == (DONE, DONE)
        assert [batch.position for batch in link.batches()] == [8]


def test_a_client_without_a_writer_says_so(tmp_path: Path) -> None:
    with pytest.raises(LinkLost, match="is the service running"):
        SyncLink(tmp_path / "s")


def test_a_client_of_another_version_is_told(tmp_path: Path) -> None:
    def older(peer: socket.socket) -> None:
        say(peer, m.Hello(version=0, position=0, rulebook="x", pid=1))

    with peers(tmp_path / "s", older), pytest.raises(LinkLost, match="speaks link 0"):
        SyncLink(tmp_path / "s")


@pytest.mark.parametrize(
    ("behave", "why"),
    [
        (greets_and_hangs_up, "you did not read"),
        (sends(b""), "it hung up"),
        (sends(framed(m.encoded_message(m.Bye(reason="x")))[:-2]), "it hung up"),
        (sends(struct.pack("<I", 2**31)), "a frame of"),
        (sends(framed(b"\xc1")), "cannot be read"),
    ],
    ids=["a farewell", "no farewell", "half a farewell", "a huge frame", "no message"],
)
def test_a_lost_writer_is_an_unknown_outcome(tmp_path: Path, behave: Peer, why: str) -> None:
    path = tmp_path / "s"
    with (
        peers(path, behave),
        SyncLink(path) as link,
        pytest.raises(LinkLost, match=f"{why}.*same keys"),
    ):
        link.submit(ITEMS)


def test_an_asyncio_client_is_answered_and_connects_again(tmp_path: Path) -> None:
    path = tmp_path / "s"

    async def run() -> list[tuple[m.Outcome, ...]]:
        async with AsyncLink(path) as link:
            assert not link.is_connected
            found = [await link.submit(ITEMS)]
            with peers(path, greets_and_hangs_up, answers_well):
                assert await link.connected(5)
                found.append(await link.submit(ITEMS))
                await link.connected(5)
                found.append(await link.submit(ITEMS))
            return found

    nobody, lost, done = asyncio.run(run())
    assert [outcome.status for outcome in nobody] == ["behind"] * 2
    assert [outcome.status for outcome in lost] == ["unknown"] * 2
    assert lost[0].error is not None
    assert "you did not read" in lost[0].error.message
    assert "same key" in lost[0].error.message
    assert done == (DONE, DONE)


def test_many_requests_are_under_way_at_once_and_no_more_than_allowed(tmp_path: Path) -> None:
    path = tmp_path / "s"

    def answers_backwards(peer: socket.socket) -> None:
        say(peer, HELLO)
        asked = heard(peer, 3)
        for request in reversed(asked):
            outcome = m.Outcome(status="done", position=request.id)
            say(peer, m.Done(id=request.id, results=(outcome,)))

    async def run() -> list[str | int]:
        async with AsyncLink(path, pending_max=3) as link:
            with peers(path, answers_backwards):
                assert await link.connected(5)
                asked = [asyncio.create_task(link.submit(ITEMS[:1])) for _ in range(4)]
                outcomes = [(await task)[0] for task in asked]
        return [outcome.position or outcome.status for outcome in outcomes]

    assert asyncio.run(run()) == [1, 2, 3, "busy"]


def test_a_writer_that_hangs_is_waited_for_and_not_for_ever(tmp_path: Path) -> None:
    path = tmp_path / "s"

    def hangs(peer: socket.socket) -> None:
        say(peer, HELLO)
        (request,) = heard(peer, 1)
        (later,) = heard(peer, 1)
        say(peer, m.Done(id=request.id, results=(DONE,)), m.Done(id=later.id, results=(DONE,)))

    async def run() -> tuple[m.Outcome, m.Outcome]:
        async with AsyncLink(path, answer_s=0.05) as link:
            assert await link.connected(5)
            (first,) = await link.submit(ITEMS[:1])
            (second,) = await link.submit(ITEMS[:1])
            return first, second

    with peers(path, hangs):
        late, done = asyncio.run(run())
    assert late.status == "unknown"
    assert late.error is not None
    assert "did not answer within 0.05 s" in late.error.message
    assert "same key" in late.error.message
    assert done == DONE, "an answer that comes too late is nobody else's"


def test_a_request_too_large_for_a_frame_is_invalid_and_not_sent(tmp_path: Path) -> None:
    path = tmp_path / "s"
    large = [item(OpenAccount(name="x" * (17 * 2**20)))]

    def hears_nothing(peer: socket.socket) -> None:
        say(peer, HELLO)
        assert peer.recv(1) == b""

    async def run() -> m.Outcome:
        async with AsyncLink(path) as link:
            assert await link.connected(5)
            return (await link.submit(large))[0]

    with peers(path, hears_nothing):
        outcome = asyncio.run(run())
    assert outcome.status == "invalid"
    assert outcome.error is not None
    assert outcome.error.code == "too_large"


def test_a_status_without_a_writer_is_an_error(tmp_path: Path) -> None:
    async def run() -> None:
        async with AsyncLink(tmp_path / "s") as link:
            await link.status()

    with pytest.raises(NoWriter, match="no writer"):
        asyncio.run(run())


def test_batches_go_on_after_the_connection_was_lost(tmp_path: Path) -> None:
    path = tmp_path / "s"

    def streams(first: int) -> Peer:
        def behave(peer: socket.socket) -> None:
            say(peer, HELLO)
            (request,) = heard(peer, 1)
            say(peer, m.Subscribed(id=request.id, position=first))
            say(peer, m.Batch(position=first + 1, time_ms=0, records=None))

        return behave

    async def run() -> list[int]:
        found: list[int] = []
        link = AsyncLink(path)
        with peers(path, streams(3), streams(9)):
            async for message in link.batches():
                found.append(message.position)
                if len(found) == 4:
                    break
        return found

    assert asyncio.run(run()) == [3, 4, 9, 10]
