"""The API as a process of the service: its settings, what it opens, how it begins and ends."""

import asyncio
import os
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
import uvicorn

from keelmark.core.errors import InvalidInput
from keelmark.engine.journal.open import Access, open_journal
from keelmark.service.alerts.board import AlertBoard
from keelmark.service.alerts.venue import read_venue_rules
from keelmark.service.api.app import create_app
from keelmark.service.api.logs import start_logs
from keelmark.service.api.routers import ReadingRoutes
from keelmark.service.api.server import Place, server_of
from keelmark.service.api.services import VenueServices
from keelmark.service.api.settings import ApiSettings
from keelmark.service.columns.replica import Replica
from keelmark.service.folder import Folder
from keelmark.service.link.async_link import AsyncLink
from keelmark.service.memory import settle
from keelmark.service.security.audit import AuditTrail
from keelmark.service.security.keys import KeyRing
from keelmark.service.times import now_ms
from keelmark.service.venue import kept_rulebook
from keelmark.service.writer.report import Report

ANYWHERE = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 names that say nothing of this machine


class ProcessSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How the API process is run: one line of JSON on its standard input.

    Attributes:
        data: Folder of the service.
        journal: Address of the journal; empty is `journal.db` in the folder. It may hold a
            password, so it is never an argument of a process.
        host: Address to listen on.
        port: Port to listen on; 0 is any that is free.
        tls_cert: TLS certificate chain, PEM; empty for plain HTTP.
        tls_key: Its private key.
        host_names: Names it answers to, besides this machine's own and its address.
        proxies: Addresses whose `X-Forwarded-For` is believed.
        behind_tls: Whether a proxy in front of it speaks TLS.
        mode: `venue` or `desk`.
        access_log: Whether every request is told.
        alerts: The `[alerts]` part of the configuration; `None` where nobody guards.
    """

    data: str
    journal: str = ""
    host: str = "127.0.0.1"
    port: int = 8420
    tls_cert: str = ""
    tls_key: str = ""
    host_names: tuple[str, ...] = ()
    proxies: tuple[str, ...] = ()
    behind_tls: bool = False
    mode: str = "venue"
    access_log: bool = False
    alerts: dict[str, Any] | None = None

    @property
    def api(self) -> ApiSettings:
        """How the application is run."""
        own = () if self.host in ANYWHERE else (_host_name(self.host),)
        is_tls = bool(self.tls_cert) or self.behind_tls
        return ApiSettings(hosts=(*own, *self.host_names), is_tls=is_tls, mode=self.mode)

    @property
    def place(self) -> Place:
        """Where it listens.

        Raises:
            InvalidInput: Of certificate and key only one is named.
        """
        if bool(self.tls_cert) != bool(self.tls_key):
            msg = "TLS needs both files: a certificate and its key"
            raise InvalidInput(msg)
        return Place(
            host=self.host,
            port=self.port,
            certificate=Path(self.tls_cert) if self.tls_cert else None,
            key=Path(self.tls_key) if self.tls_key else None,
            proxies=self.proxies,
        )


def run(settings: ProcessSettings, report: Report, parent: int | None = None) -> None:
    """Serve until told to stop.

    Args:
        settings: How.
        report: Told once the API answers, and when it stops.
        parent: File whose end means that whoever started this process is gone.

    Raises:
        KeelmarkError: Columns, journal, keys or trail cannot be used; says why.
    """
    start_logs(access=settings.access_log)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(settings, report, parent))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return what makes a fast loop; `None`, where it is not installed, is the usual one."""
    try:
        import uvloop  # noqa: PLC0415 there is none for Windows
    except ImportError:
        return None
    return uvloop.new_event_loop


async def _serve(settings: ProcessSettings, report: Report, parent: int | None) -> None:
    folder = Folder(Path(settings.data))
    with ExitStack() as stack:
        journal = open_journal(folder.journal_or(settings.journal), Access.READER)
        stack.callback(journal.close)
        trail = AuditTrail(folder.trail, now_ms=now_ms())
        stack.callback(trail.close)
        replica = Replica.open(folder.run, kept_rulebook(folder.path))
        async with AsyncLink(folder.socket) as link:
            services = VenueServices(
                reader=replica,
                link=link,
                history=lambda after: journal.read(after=after),
                keys=KeyRing(folder.keys),
                trail=trail,
                settings=settings.api,
                alerts=_board(settings.alerts, folder),
            )
            alerts = services.alerts.counts
            reading = ReadingRoutes.of(replica, journal, link, folder, alerts=alerts)
            stack.callback(reading.close)
            app = create_app(services, reading.routers)
            server = server_of(app, settings.place, services.settings.limits)
            settle()
            await _until_stopped(server, report, parent)
    report("stopped")


def _board(table: dict[str, Any] | None, folder: Folder) -> AlertBoard:
    """Return the alerts of a folder, by the rules its guard has."""
    if table is None:
        return AlertBoard()
    rules = read_venue_rules(table)
    return AlertBoard(rules=rules, path=folder.alerts)


async def _until_stopped(server: uvicorn.Server, report: Report, parent: int | None) -> None:
    """Run a server; say when it answers; stop it when its parent is gone."""
    loop = asyncio.get_running_loop()

    def stop() -> None:
        server.should_exit = True
        if parent is not None:
            loop.remove_reader(parent)

    if parent is not None:
        loop.add_reader(parent, _at_the_end(parent, stop))
    watcher = asyncio.create_task(_told_ready(server, report))
    try:
        await server.serve()
    finally:
        watcher.cancel()
    if not server.started:
        msg = "the API could not begin to listen; is the port in use? name another with --port"
        raise InvalidInput(msg)


def _at_the_end(file: int, stop: Callable[[], None]) -> Callable[[], None]:
    """Return what reads a file and stops at its end."""

    def read() -> None:
        if not os.read(file, 4096):
            stop()

    return read


async def _told_ready(server: uvicorn.Server, report: Report) -> None:
    """Say once that the server answers, and where."""
    while not server.started:  # noqa: ASYNC110 uvicorn tells nobody
        await asyncio.sleep(0.01)
    ports = [socket.getsockname()[1] for s in server.servers for socket in s.sockets]
    report("ready", pid=os.getpid(), port=ports[0] if ports else 0, python=sys.version_info[:2])


def _host_name(host: str) -> str:
    return f"[{host}]" if ":" in host else host
