"""The API of a small venue on a real socket, in a thread of the test."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from keelmark.service.api.server import Place, server_of
from tests.service.api.venue_app import ApiVenue

WAIT_S = 20.0


class Live:
    """A served API.

    Attributes:
        api: What is served.
        port: Where, on this machine.
        loop: The loop it runs on.
    """

    def __init__(self, api: ApiVenue, port: int, loop: asyncio.AbstractEventLoop) -> None:
        self.api, self.port, self.loop = api, port, loop

    def call(self, act: Any) -> Any:  # noqa: ANN401 a coroutine and its result
        """Run something on the server's loop, between its own work; return its result."""
        return asyncio.run_coroutine_threadsafe(act, self.loop).result(WAIT_S)

    def connect(self, timeout_s: float = WAIT_S) -> socket.socket:
        """Return a raw connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout_s)


@contextmanager
def served(api: ApiVenue) -> Iterator[Live]:
    """Serve an API for a while."""
    server = server_of(api.app, Place(port=0), api.services.settings.limits)
    ready = threading.Event()
    found: list[Live] = []

    async def run() -> None:
        task = asyncio.create_task(server.serve())
        while not server.started and not task.done():  # noqa: ASYNC110 uvicorn tells nobody
            await asyncio.sleep(0.005)
        (listener,) = server.servers[0].sockets
        found.append(Live(api, listener.getsockname()[1], asyncio.get_running_loop()))
        ready.set()
        await task

    thread = threading.Thread(target=lambda: asyncio.run(run()), daemon=True)
    thread.start()
    assert ready.wait(WAIT_S)
    try:
        yield found[0]
    finally:
        server.should_exit = True
        thread.join(WAIT_S)
        assert not thread.is_alive()
