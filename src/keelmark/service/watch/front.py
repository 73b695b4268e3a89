"""The dashboard of a watch: the API in desk mode, on a thread beside the one that watches."""

import asyncio
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from threading import Thread

import uvicorn

from keelmark.core.errors import InvalidInput, MissingExtra
from keelmark.service.alerts.board import AlertBoard
from keelmark.service.alerts.values import Alert
from keelmark.service.api.app import create_app
from keelmark.service.api.logs import start_logs
from keelmark.service.api.server import Place, server_of
from keelmark.service.api.services import Clock, Services
from keelmark.service.api.settings import ApiSettings, StreamLimits
from keelmark.service.events_json.topics import Topic
from keelmark.service.folder import Folder
from keelmark.service.security.audit import AuditTrail
from keelmark.service.security.keys import KeyRing
from keelmark.service.times import iso_time
from keelmark.service.views.desk_routes import DeskViews, desk_router
from keelmark.service.watch.chance import DAY_S, TableChance
from keelmark.service.watch.config import Dashboard
from keelmark.service.watch.daemon import Daemon
from keelmark.service.watch.document import account_row
from keelmark.service.watch.hub import NO_LIMIT, Happened, WatchHub
from keelmark.service.watch.routes import watch_router
from keelmark.service.watch.views import WatchDesk

ANYWHERE = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 names that say nothing of this machine
STOP_S = 10.0


@dataclass(slots=True, kw_only=True)
class Front:
    """The dashboard of a watch.

    Attributes:
        url: Where it is.
        first_key: The first key, shown this once; empty where there has ever been one.
        services: What its routes work with.
    """

    url: str
    first_key: str
    services: Services
    _server: uvicorn.Server
    _socket: socket.socket
    _views: DeskViews
    _thread: Thread | None = field(default=None)

    def start(self) -> None:
        """Begin to serve."""
        self._thread = Thread(target=self._serve, name="dashboard", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End, in order."""
        self._server.should_exit = True
        if self._thread is not None:
            self._thread.join(STOP_S)
        self._socket.close()
        self._views.close()
        self.services.trail.close()

    def _serve(self) -> None:
        asyncio.run(self._server.serve(sockets=[self._socket]))


def open_front(daemon: Daemon, folder: Path) -> Front:
    """Return the dashboard of a watch, its port taken; the watch tells it what it does.

    Args:
        daemon: The watch.
        folder: Where its keys and its audit trail are kept.

    Raises:
        MissingExtra: The extra `serve` is not installed.
        InvalidInput: The port is taken.
        StorageFailed: The folder cannot be used.
    """
    require_extra()
    config = daemon.desk.config
    listener = _listener(config.dashboard)
    keys = KeyRing(Folder(folder).keys)
    settings = ApiSettings(
        hosts=_hosts(config.dashboard), mode="desk", streams=StreamLimits(catch_up=NO_LIMIT)
    )
    hub = WatchHub(settings.streams, daemon.clock)
    board = AlertBoard(rules=config.alerts, path=Folder(folder).alerts)
    services = Services(
        keys=keys,
        trail=AuditTrail(Folder(folder).trail, now_ms=daemon.clock()),
        settings=settings,
        clock=replace(Clock(), now_ms=daemon.clock),
        alerts=board,
        hub=hub,
    )
    desk = WatchDesk(daemon)
    views = DeskViews(desk)
    app = create_app(services, (watch_router(desk, board), desk_router(views)))
    start_logs("warning", access=False)
    if daemon.desk.chance is None:  # no level reads it: people do
        daemon.desk.chance = TableChance(days=config.alerts.horizon_s / DAY_S)
    _listen(daemon, hub)
    host, port = listener.getsockname()[:2]
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    first = keys.bootstrap(daemon.clock())
    return Front(
        url=url,
        first_key="" if first is None else first.text,
        services=services,
        _server=server_of(app, Place(port=port), settings.limits),
        _socket=listener,
        _views=views,
    )


@contextmanager
def served(daemon: Daemon, folder: Path) -> Iterator[Front | None]:
    """Serve the dashboard of a watch while the block runs; nothing where it wants none."""
    if not daemon.desk.config.dashboard.port:
        yield None
        return
    front = open_front(daemon, folder)
    front.start()
    try:
        yield front
    finally:
        front.stop()


def require_extra() -> None:
    """Refuse to begin without what the API needs.

    Raises:
        MissingExtra: With its install command.
    """
    missing = [name for name in ("fastapi", "uvicorn", "websockets") if find_spec(name) is None]
    if missing:
        msg = (
            f"the dashboard needs {', '.join(missing)}: `pip install 'keelmark[serve]'`; or set "
            "`port = 0` under [dashboard]"
        )
        raise MissingExtra(msg)


def _listen(daemon: Daemon, hub: WatchHub) -> None:
    """Let who looks at the page hear of every look and every alert."""
    before = daemon.told

    def told(alert: Alert) -> None:
        before(alert)
        hub.tell([_alerted(alert)])

    def looked(names: Sequence[str]) -> None:
        hub.tell([_looked(daemon, name) for name in names])

    daemon.told, daemon.looked = told, looked


def _alerted(alert: Alert) -> Happened:
    return Topic.ALERTS, {
        "type": "Alerted",
        "alert": alert.alert_id,
        "account": alert.subject,
        "kind": alert.kind.value,
        "level": alert.level,
        "since": iso_time(alert.since_ms),
        "text": alert.text,
    }


def _looked(daemon: Daemon, name: str) -> Happened:
    row = account_row(daemon.desk, daemon.desk.watched[name], daemon.clock())
    facts = {key: row.get(key) for key in ("level", "alert", "distance", "is_stale", "problem")}
    return Topic.HEALTH, {"type": "Looked", "account": name, **facts}


def _listener(place: Dashboard) -> socket.socket:
    """Take the port now: what is wrong with it is said before anything is watched.

    Raises:
        InvalidInput: It is taken, or the address is none of this machine.
    """
    family = socket.AF_INET6 if ":" in place.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((place.host, place.port))
    except OSError as error:
        listener.close()
        msg = (
            f"the dashboard cannot listen on {place.host} port {place.port} ({error.strerror}); "
            "name another under [dashboard], or 0 for none"
        )
        raise InvalidInput(msg) from error
    return listener


def _hosts(place: Dashboard) -> tuple[str, ...]:
    own = () if place.host in ANYWHERE else (place.host,)
    return (*own, *place.host_names)
