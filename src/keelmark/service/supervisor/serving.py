"""What `keelmark serve` runs: the folder made ready, the first key, then every process."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from keelmark.core.errors import InvalidInput, MissingExtra
from keelmark.engine.journal.access import is_url, journal_name
from keelmark.service.security.keys import KeyRing
from keelmark.service.supervisor.child import Plan
from keelmark.service.supervisor.lock import FolderLock
from keelmark.service.supervisor.supervisor import Supervisor
from keelmark.service.supervisor.voice import Voice
from keelmark.service.times import now_ms
from keelmark.service.venue import Execution, Venue, chosen_venue

PORT = 8420


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayRequest:
    """A replay to serve.

    Attributes:
        scenario: Which crash.
        speed: Seconds of it in a second.
        accounts: How many accounts are drawn.
        recorded: Folder of recorded data; `None` runs on built-in figures.
    """

    scenario: str
    speed: float = 1.0
    accounts: int = 20_000
    recorded: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeSettings:
    """What is served, and where.

    Attributes:
        data: Folder of the service.
        venue: Rulebook of a new folder; `None` is `generic`, or what the folder was begun with.
        journal: URL of a database; empty keeps the journal in the folder.
        host: Address to listen on.
        port: Port to listen on.
        execution: Who fills liquidation orders; `None` is `simulated`, or as begun.
        replay: A replay in place of a live feed.
        tls_cert, tls_key: Files of a certificate and its key.
    """

    data: Path
    venue: str | None = None
    journal: str = ""
    host: str = "127.0.0.1"
    port: int = PORT
    execution: Execution | None = None
    replay: ReplayRequest | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None

    def __post_init__(self) -> None:
        if (self.tls_cert is None) != (self.tls_key is None):
            msg = "TLS needs both files: --tls-cert and --tls-key"
            raise InvalidInput(msg)
        for file in (self.tls_cert, self.tls_key):
            if file is not None and not file.is_file():
                msg = f"there is no file {file}; name a certificate and its key in PEM"
                raise InvalidInput(msg)
        if self.replay is not None and not 0.0 < self.replay.speed <= SPEED_MAX:
            msg = f"speed {self.replay.speed}; give a number above 0, at most {SPEED_MAX:g}"
            raise InvalidInput(msg)

    @property
    def url(self) -> str:
        """Where a browser finds the service."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls_cert else 'http'}://{host}:{self.port}"


SPEED_MAX = 1e6


def serve(settings: ServeSettings, voice: Voice) -> int:
    """Serve until told to stop; return the exit code.

    Raises:
        MissingExtra: The extra `serve` is not installed.
        FolderInUse: Another service runs on the folder.
        OtherTerms: The folder was begun with another venue.
        StorageFailed: The folder cannot be used.
    """
    require_extra()
    with FolderLock(settings.data):
        venue = _venue(settings)
        _introduce(settings, venue, voice)
        return Supervisor(plans_of(settings), voice.hear).run()


def require_extra() -> None:
    """Refuse to begin without what the API needs.

    Raises:
        MissingExtra: With its install command.
    """
    missing = [name for name in ("fastapi", "uvicorn", "websockets") if find_spec(name) is None]
    if missing:
        msg = f"`keelmark serve` needs {', '.join(missing)}; pip install 'keelmark[serve]'"
        raise MissingExtra(msg)


def plans_of(settings: ServeSettings) -> list[Plan]:
    """Return the processes in the order they are started; they stop in the opposite one."""
    plans = [
        Plan(
            name="writer",
            module="keelmark.service.writer",
            settings={
                "data": str(settings.data),
                "journal": settings.journal,
                "time": "clock" if settings.replay is None else "marks",
            },
            is_vital=True,
            stop_s=60.0,
        )
    ]
    plans += [plan for plan in _others(settings) if _exists(plan.module)]
    return plans


def _exists(module: str) -> bool:
    return find_spec(module) is not None and find_spec(f"{module}.__main__") is not None


def _others(settings: ServeSettings) -> list[Plan]:
    common = {"data": str(settings.data), "journal": settings.journal}
    return [
        Plan(
            name="follower",
            module="keelmark.service.follower",
            settings=common,
            after="writer",
            stop_s=20.0,
        ),
        Plan(
            name="api",
            module="keelmark.service.api",
            settings={
                **common,
                "host": settings.host,
                "port": settings.port,
                "tls_cert": str(settings.tls_cert or ""),
                "tls_key": str(settings.tls_key or ""),
            },
            after="writer",
        ),
    ]


def _venue(settings: ServeSettings) -> Venue:
    return chosen_venue(settings.data, settings.venue, settings.execution)


def _introduce(settings: ServeSettings, venue: Venue, voice: Voice) -> None:
    """Say what runs where; print the first key, once and for all."""
    journal = journal_name(settings.journal) if is_url(settings.journal) else "journal.db"
    voice.plain(
        f"keelmark serve  {venue.reference} ({venue.rulebook}), {venue.execution} execution\n"
        f"  data      {settings.data}  journal {journal}\n"
        f"  page      {settings.url}/  stop with Ctrl-C",
        event="serving",
        data=str(settings.data),
        venue=venue.rulebook,
        journal=journal,
        url=settings.url,
    )
    key = KeyRing(settings.data / "keys.json").bootstrap(now_ms())
    if key is not None:
        voice.plain(
            f"  first key {settings.url}/#key={key.text}\n"
            "            a risk admin's, shown this once: keep it; make others on the page",
            event="first_key",
            url=f"{settings.url}/#key={key.text}",
        )
