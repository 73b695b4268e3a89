"""The application on a socket: uvicorn with our limits, TLS by two files, a graceful stop."""

from dataclasses import dataclass
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from keelmark.service.api.protocol import bounded_protocol
from keelmark.service.api.settings import Limits

STOP_S = 5
"""Seconds that requests under way have when the service stops."""
FRAME_MAX = 4096
"""Largest message a WebSocket client may send; it has nothing to say but its topics."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the API listens.

    Attributes:
        host: Address; the default is reached from this machine alone.
        port: Port; 0 is any that is free.
        certificate: TLS certificate chain, PEM; `None` for plain HTTP.
        key: Its private key.
        proxies: Addresses whose `X-Forwarded-For` is believed; none by default.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    certificate: Path | None = None
    key: Path | None = None
    proxies: tuple[str, ...] = ()


def server_of(app: FastAPI, place: Place, limits: Limits) -> uvicorn.Server:
    """Return a server that listens once it is run."""
    config = uvicorn.Config(
        app,
        host=place.host,
        port=place.port,
        loop="asyncio",
        http=bounded_protocol(limits),
        ws="websockets-sansio",
        ws_max_size=FRAME_MAX,
        ws_per_message_deflate=False,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(place.proxies),
        forwarded_allow_ips=list(place.proxies) or None,
        limit_concurrency=limits.connections,
        timeout_graceful_shutdown=STOP_S,
        ssl_certfile=place.certificate,
        ssl_keyfile=place.key,
    )
    return uvicorn.Server(config)
