"""What `keelmark serve` runs: the folder made ready, the first key, then every process."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from keelmark.core.errors import InvalidInput, MissingExtra, OtherTerms
from keelmark.engine.journal.access import is_url, journal_name
from keelmark.service.folder import Folder
from keelmark.service.guard_terms import GuardTerms, guards_in_words
from keelmark.service.replay.request import kept_replay
from keelmark.service.security.keys import KeyRing
from keelmark.service.supervisor.child import Plan
from keelmark.service.supervisor.front import Front
from keelmark.service.supervisor.lock import FolderLock
from keelmark.service.supervisor.supervisor import Supervisor
from keelmark.service.supervisor.voice import Voice
from keelmark.service.times import now_ms
from keelmark.service.venue import (
    UNSAID,
    Execution,
    chosen_venue,
    has_venue,
    kept_rulebook,
    servable,
)

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
        guards: When prices are not believed, of a new folder.
        replay: A replay in place of a live feed.
        speed: Seconds in a second of the replay that a folder was begun with, where none is named;
            `None` is 1, and all that a folder without one may say.
        feed: Class of ccxt whose mark prices are streamed; empty for none.
        tls_cert, tls_key: Files of a certificate and its key.
        front: How it is reached from outside.
        alerts: The `[alerts]` part of the configuration; without one nobody is woken.
    """

    data: Path
    venue: str | None = None
    journal: str = ""
    host: str = "127.0.0.1"
    port: int = PORT
    execution: Execution | None = None
    guards: GuardTerms = UNSAID
    replay: ReplayRequest | None = None
    speed: float | None = None
    feed: str = ""
    tls_cert: Path | None = None
    tls_key: Path | None = None
    front: Front = field(default_factory=Front)
    alerts: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if self.replay is not None and self.feed:
            msg = "a replay brings its own prices; leave out --feed"
            raise InvalidInput(msg)
        if self.replay is not None and self.guards != UNSAID:
            msg = "a replay brings its own bars; leave out --stale-s, --band and --confirm-..."
            raise InvalidInput(msg)
        if (self.tls_cert is None) != (self.tls_key is None):
            msg = "TLS needs both files: --tls-cert and --tls-key"
            raise InvalidInput(msg)
        for file in (self.tls_cert, self.tls_key):
            if file is not None and not file.is_file():
                msg = f"there is no file {file}; name a certificate and its key in PEM"
                raise InvalidInput(msg)
        if self.replay is not None and self.execution == "external":
            msg = "a replay fills its orders itself; leave out --execution external"
            raise InvalidInput(msg)
        if self.replay is not None and not 0.0 < self.replay.speed <= SPEED_MAX:
            msg = f"speed {self.replay.speed}; give a number above 0, at most {SPEED_MAX:g}"
            raise InvalidInput(msg)

    @property
    def url(self) -> str:
        """Where a browser finds the service."""
        names = self.front.host_names
        if self.front.behind_tls and names:
            return f"https://{names[0]}"
        host = names[0] if names else f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls_cert else 'http'}://{host}:{self.port}"

    @property
    def local_url(self) -> str:
        """Where the API is found from this machine."""
        everywhere = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}  # noqa: S104 an answer to it
        host = f"[{self.host}]" if ":" in self.host else self.host
        host = everywhere.get(self.host, host)
        return f"{'https' if self.tls_cert else 'http'}://{host}:{self.port}"


SPEED_MAX = 1e6


def serve(settings: ServeSettings, voice: Voice) -> int:
    """Serve until told to stop; return the exit code.

    Raises:
        MissingExtra: The extra `serve` is not installed.
        InvalidInput: What is asked for cannot be served.
        FolderInUse: Another service runs on the folder.
        OtherTerms: The folder was begun with another venue.
        StorageFailed: The folder cannot be used.
    """
    require_extra()
    _require_servable(settings)
    with FolderLock(settings.data):
        settings = _as_begun(settings)
        _introduce(settings, _reference(settings), voice)
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
    data, replay = settings.data, settings.replay
    common = {"data": str(data), "journal": settings.journal}
    writer = Plan(
        name="writer",
        module="keelmark.service.writer",
        settings={**common, "time": "clock" if replay is None else "marks"},
        after="staging",
        is_vital=True,
        stop_s=60.0,
    )
    follower = Plan(
        name="follower",
        module="keelmark.service.follower",
        settings=common,
        after="api",  # it loads the whole fleet too, and nobody waits for it
        stop_s=20.0,
    )
    api = Plan(
        name="api",
        module="keelmark.service.api",
        settings={
            **common,
            "host": settings.host,
            "port": settings.port,
            "tls_cert": str(settings.tls_cert or ""),
            "tls_key": str(settings.tls_key or ""),
            **asdict(settings.front),
            "alerts": settings.alerts,
        },
        after="writer",
        is_early=True,
    )
    plans = [writer, api, follower, *_optional(settings)]
    if replay is not None:
        plans = [*_staging(settings, replay), *plans, _feed(settings, replay)]
    return [plan for plan in plans if _exists(plan.module)]


def _optional(settings: ServeSettings) -> list[Plan]:
    """Return the processes that were asked for: a venue's prices, and whoever wakes people."""
    plans = []
    if settings.feed:
        feed = {"data": str(settings.data), "exchange": settings.feed}
        plans.append(
            Plan(name="feed", module="keelmark.service.feeds", settings=feed, after="writer")
        )
    if settings.alerts is not None:
        guard = {
            "data": str(settings.data),
            "journal": settings.journal,
            "rules": settings.alerts,
            "api_url": settings.local_url,
        }
        plans.append(
            Plan(name="guard", module="keelmark.service.alerts", settings=guard, after="api")
        )
    return plans


def _staging(settings: ServeSettings, replay: ReplayRequest) -> list[Plan]:
    """Return the process that puts the accounts of a replay into a new folder."""
    if has_venue(settings.data):
        return []
    kept = {
        "scenario": replay.scenario,
        "accounts": replay.accounts,
        "recorded": str(replay.recorded or ""),
    }
    plan = Plan(
        name="staging",
        module="keelmark.service.replay.staging",
        settings={"data": str(settings.data), "journal": settings.journal, "replay": kept},
        is_vital=True,
        is_once=True,
    )
    return [plan]


def _feed(settings: ServeSettings, replay: ReplayRequest) -> Plan:
    return Plan(
        name="feed",
        module="keelmark.service.replay",
        settings={"data": str(settings.data), "speed": replay.speed},
        after="api" if _exists("keelmark.service.api") else "writer",
        is_once=True,
    )


def _exists(module: str) -> bool:
    """Whether a module can be run: a package needs its `__main__`."""
    found = find_spec(module)
    if found is None or found.submodule_search_locations is None:
        return found is not None
    return find_spec(f"{module}.__main__") is not None


def _require_servable(settings: ServeSettings) -> None:
    """Refuse what a new folder cannot be begun with, before there is one.

    Raises:
        InvalidInput: No engine can run the venue, or what only a replay has is said without one.
        UnknownRulebook: There is no such venue.
    """
    if has_venue(settings.data) or settings.replay is not None:
        return
    _require_no_speed(settings)
    servable(settings.venue, settings.guards)


def _require_no_speed(settings: ServeSettings) -> None:
    if settings.speed is not None:
        msg = (
            f"--speed is of a replay, and {settings.data} serves none; begin a new folder with "
            "one, as --replay oct10, or leave it out"
        )
        raise InvalidInput(msg)


def _as_begun(settings: ServeSettings) -> ServeSettings:
    """Return the settings with the replay a folder was begun with; it goes on where it stood.

    Raises:
        OtherTerms: Another replay is asked for, or one in a folder that serves none.
        InvalidInput: A speed is asked for in a folder that serves none.
    """
    if not has_venue(settings.data):
        return settings
    kept, asked = kept_replay(settings.data), settings.replay
    if kept is None and asked is not None:
        msg = f"{settings.data} serves a venue and no replay; name another --data folder"
        raise OtherTerms(msg)
    if kept is not None and asked is not None and asked.scenario != kept.scenario:
        msg = (
            f"{settings.data} replays {kept.scenario}, not {asked.scenario}; name another --data "
            "folder"
        )
        raise OtherTerms(msg)
    if kept is None:
        _require_no_speed(settings)
    if kept is None or asked is not None:
        return settings
    speed = 1.0 if settings.speed is None else settings.speed
    return replace(settings, replay=ReplayRequest(scenario=kept.scenario, speed=speed))


def _reference(settings: ServeSettings) -> str:
    """Return what runs, in words; a new folder that replays nothing is begun here."""
    replay = settings.replay
    if replay is not None and not has_venue(settings.data):
        return f"replay {replay.scenario} at {replay.speed:g}x, {replay.accounts:,} accounts"
    venue = chosen_venue(settings.data, settings.venue, settings.execution, settings.guards)
    speed = f" at {replay.speed:g}x" if replay is not None else ""
    return f"{venue.reference}{speed} ({venue.rulebook}), {venue.execution} execution"


def _introduce(settings: ServeSettings, reference: str, voice: Voice) -> None:
    """Say what runs where; print the first key, once and for all."""
    journal = journal_name(settings.journal) if is_url(settings.journal) else "journal.db"
    guards = ""
    if has_venue(settings.data):  # a replay that is new brings its own
        guards = guards_in_words(kept_rulebook(settings.data).liquidation.guards)
    guarded = f"  guards    {guards}\n" if guards else ""
    voice.plain(
        f"keelmark serve  {reference}\n"
        f"  data      {settings.data}  journal {journal}\n"
        f"{guarded}"
        f"  page      {settings.url}/  stop with Ctrl-C",
        event="serving",
        data=str(settings.data),
        venue=reference,
        journal=journal,
        guards=guards,
        url=settings.url,
    )
    key = KeyRing(Folder(settings.data).keys).bootstrap(now_ms())
    if key is not None:
        voice.plain(
            f"  first key {settings.url}/#key={key.text}\n"
            "            a risk admin's, shown this once: keep it; "
            "make others by POST /v1/admin/keys",
            event="first_key",
            url=f"{settings.url}/#key={key.text}",
        )
