"""How the API is run."""

from dataclasses import dataclass, field
from pathlib import Path

from keelmark.service.security.buckets import Rate
from keelmark.service.security.json_bodies import DEPTH_MAX
from keelmark.service.security.sessions import LIFE_MS

MEGABYTE = 2**20
REQUESTS = Rate(burst=10_000, per_second=5_000)
FAILURES = Rate(burst=10, per_second=0.1)
SIGN_INS = Rate(burst=30, per_second=0.2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one request, one key, one address may ask for.

    Attributes:
        body_bytes: Largest body.
        large_body_bytes: Largest body of the routes that take many rows, or a rulebook.
        json_depth: Deepest nesting of a body.
        header_bytes: All headers and the path of a request together.
        header_s: Time for the head of a request to arrive.
        body_s: Time for a body to arrive.
        batch_rows: Most commands in a batch.
        requests: Of one key.
        failures: Wrong keys from one address.
        sign_ins: Sessions opened with one key.
        connections: Open at once; beyond it the answer is 503.
    """

    body_bytes: int = 64 * 1024
    large_body_bytes: int = 8 * MEGABYTE
    json_depth: int = DEPTH_MAX
    header_bytes: int = 32 * 1024
    header_s: float = 10.0
    body_s: float = 15.0
    batch_rows: int = 20_000
    requests: Rate = REQUESTS
    failures: Rate = FAILURES
    sign_ins: Rate = SIGN_INS
    connections: int = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamLimits:
    """How streams are kept from costing more than they should.

    Attributes:
        clients: Most at once.
        clients_of_key: Most at once with one key.
        waiting_bytes: What may wait for one client; then it is dropped as too slow.
        send_s: How long one send may take; then the client is taken for dead.
        ping_s: Silence after which a sign of life is sent.
        catch_up: Batches that are read from the journal for a client that resumes; one farther
            behind is told to read `/v1/events`.
    """

    clients: int = 600
    clients_of_key: int = 600
    waiting_bytes: int = 4 * MEGABYTE
    send_s: float = 20.0
    ping_s: float = 15.0
    catch_up: int = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiSettings:
    """How the API is run.

    Attributes:
        hosts: Names it answers to, besides this machine's own.
        is_tls: Whether browsers reach it by https, directly or through a proxy.
        mode: `venue`, or `desk` where it shows accounts of `keelmark watch`.
        limits: Of requests.
        streams: Of streams.
        session_ms: How long a session lasts.
        dashboard: Folder of the page; `None` is the one that comes with the package.
    """

    hosts: tuple[str, ...] = ()
    is_tls: bool = False
    mode: str = "venue"
    limits: Limits = field(default_factory=Limits)
    streams: StreamLimits = field(default_factory=StreamLimits)
    session_ms: int = LIFE_MS
    dashboard: Path | None = None
