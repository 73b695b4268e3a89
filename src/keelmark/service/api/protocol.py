"""HTTP on the wire: a request whose head is too large or too slow never reaches the application."""

import asyncio
from typing import Any, ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from keelmark.service.api.settings import Limits

_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: application/json\r\n"
    b"connection: close\r\ncontent-length: %d\r\n\r\n%s"
)
_BODY = (
    b'{"error":{"code":"headers_too_large","message":"headers and path are too large; send less",'
    b'"where":null,"fix":"send less"}}'
)


def bounded_protocol(limits: Limits) -> type[HttpToolsProtocol]:
    """Return the protocol with the limits of a request's head."""
    return type("Bounded", (BoundedProtocol,), {"limits": limits})


class BoundedProtocol(HttpToolsProtocol):
    """Counts what arrives before a head is whole, and how long it takes."""

    limits: ClassVar[Limits] = Limits()

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 as uvicorn calls it
        super().__init__(*args, **kwargs)
        self._head_bytes = 0
        self._in_head = False
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Give a new connection its time to say what it wants."""
        super().connection_made(transport)  # type: ignore[arg-type]  # a transport of a stream
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the deadline."""
        self._have_head()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Count from here, where requests follow each other without an answer between."""
        super().on_message_begin()
        if not self._in_head:
            self._await_head()

    def on_headers_complete(self) -> None:
        """Stop counting."""
        self._have_head()
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        """Take what arrived, unless the head has grown too large."""
        if not self._in_head and (self.cycle is None or self.cycle.response_complete):
            self._await_head()
        self._head_bytes += len(data)
        super().data_received(data)
        if self._in_head and self._head_bytes > self.limits.header_bytes:
            self._have_head()
            if not self.transport.is_closing():
                self.transport.write(_TOO_LARGE % (len(_BODY), _BODY))
                self.transport.close()

    def _await_head(self) -> None:
        self._have_head()
        self._in_head = True
        self._deadline = self.loop.call_later(self.limits.header_s, self._too_slow)

    def _have_head(self) -> None:
        self._in_head, self._head_bytes = False, 0
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_slow(self) -> None:
        self._deadline = None
        if self._in_head and not self.transport.is_closing():
            self.transport.abort()
