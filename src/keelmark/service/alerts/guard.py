"""The process that watches a venue for its operators: health, happenings, delivery.

It reads what is published and listens to the writer like anybody else, so it tells of a writer, a
journal or an API that is gone as well; a venue that nobody is told about costs nothing of this.
Up to where it has heard the journal is kept with what it told: a restart misses nothing, and tells
nothing twice.
"""

import os
import select
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import msgspec

from keelmark.core.errors import KeelmarkError
from keelmark.service.alerts.channels.build import build_channels
from keelmark.service.alerts.courier import Courier
from keelmark.service.alerts.hearing import Heard, Hearing, history_of
from keelmark.service.alerts.keeper import Keeper
from keelmark.service.alerts.price_news import PriceNews
from keelmark.service.alerts.rules import AlertRules
from keelmark.service.alerts.store import AlertStore
from keelmark.service.alerts.values import Alert
from keelmark.service.alerts.venue import Following, VenueGuard, read_venue_rules
from keelmark.service.child_process import stop_pipe
from keelmark.service.columns.replica import Replica
from keelmark.service.folder import Folder
from keelmark.service.health.laws import law_findings
from keelmark.service.health.observed import Observed
from keelmark.service.health.parts import part_findings
from keelmark.service.health.values import Finding, Health
from keelmark.service.link.sync_link import LinkLost, SyncLink
from keelmark.service.reading import Reader
from keelmark.service.times import now_ms
from keelmark.service.venue import kept_rulebook
from keelmark.service.writer.report import Report

TICK_S = 0.25
LAWS_S = 30.0
"""How often the laws are held against everybody; parts are looked at more often."""
FOLLOWED_S = 5.0
"""How often it is kept up to where everything was heard, while nothing is told."""
FOLLOWING = "following"
CONNECT_S = 1.0
PROBE_S = 3.0


class GuardSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the guard is run: one line of JSON on its standard input.

    Attributes:
        data: Folder of the service.
        journal: Address of the journal; empty is `journal.db` in the folder. It may hold a
            password, so it is never an argument of a process.
        rules: The `[alerts]` part of the configuration.
        api_url: Where the API answers; empty is not asked.
        look_s: How often the parts are looked at.
    """

    data: str
    journal: str = ""
    rules: dict[str, Any]
    api_url: str = ""
    look_s: float = 5.0

    @property
    def folder(self) -> Folder:
        """Folder of the service."""
        return Folder(Path(self.data))


@dataclass(slots=True, kw_only=True)
class Guard:
    """Looks, listens, tells.

    Attributes:
        settings: How it is run.
        rules: When to tell whom.
        reader: What is published.
        store: Where alerts are kept.
        probe: Whether the API answers; `None` where it is not asked.
        complained: Hears why what happened cannot be read.
    """

    settings: GuardSettings
    rules: AlertRules
    reader: Reader
    store: AlertStore
    probe: Callable[[], bool] | None = None
    complained: Callable[[str], None] = lambda _: None
    heard: "SimpleQueue[Heard]" = field(default_factory=SimpleQueue)
    connected: threading.Event = field(default_factory=threading.Event)
    stopped: threading.Event = field(default_factory=threading.Event)
    _laws: list[Finding] = field(default_factory=list)
    _laws_ms: int = 0
    _looked_ms: int = 0
    _followed_ms: int = 0
    _news: PriceNews = field(default_factory=PriceNews)
    _guard: VenueGuard = field(init=False)
    _keeper: Keeper = field(init=False)

    def __post_init__(self) -> None:
        note = self.store.note(FOLLOWING)
        following = (
            Following(position=self.reader.position)
            if note is None
            else msgspec.msgpack.decode(note, type=Following)
        )
        self._guard = VenueGuard(self.rules, self.store.standings(), following)
        self._keeper = Keeper(self._guard.book, self.store)

    @property
    def place(self) -> int:
        """Journal position up to which what happened is told, or gathered."""
        return self._guard.following.position

    def step(self, time_ms: int) -> list[Alert]:
        """Take note of what was heard, look where it is time to; keep and return what is told."""
        self._keeper.take()
        kept = self._keep(self._hear(time_ms), time_ms)  # before a look that may fail
        if time_ms - self._looked_ms >= 1000 * self.settings.look_s:
            self._looked_ms = time_ms
            kept += self._keep(self._guard.looked(self.findings(time_ms), time_ms), time_ms)
        return kept

    def _hear(self, time_ms: int) -> list[Alert]:
        alerts: list[Alert] = []
        with suppress(Empty):
            while True:
                heard = self.heard.get_nowait()
                for happening in heard.happenings:
                    alerts += self._guard.happened(happening, time_ms)
                self._guard.following.position = heard.position
        return alerts

    def _keep(self, alerts: list[Alert], time_ms: int) -> list[Alert]:
        """Keep what is told in one step with the place up to which it is; that also by itself."""
        if not alerts and time_ms - self._followed_ms < 1000 * FOLLOWED_S:
            return self._keeper.keep(())
        note = msgspec.msgpack.encode(self._guard.following)
        kept = self._keeper.keep(alerts, {FOLLOWING: note})
        self._followed_ms = time_ms
        return kept

    def findings(self, time_ms: int) -> list[Finding]:
        """Return how every part is; the laws are held from time to time."""
        observed = Observed(
            reader=self.reader,
            is_connected=self.connected.is_set,
            counters=self.settings.folder.counters,
            follower=self.settings.folder.follower,
        )
        if time_ms - self._laws_ms >= 1000 * LAWS_S:
            self._laws_ms, self._laws = time_ms, law_findings(self.reader)
        parts = observed.parts(observed.prices_read())
        news = self._news.findings(parts.untrusted, self._guard.book.standings)
        return [*part_findings(parts), *news, *self._laws, *self._api()]

    def _api(self) -> list[Finding]:
        if self.probe is None:
            return []
        if self.probe():
            return [Finding(name="api", health=Health.OK, detail="it answers")]
        detail = "it does not answer; the engine goes on without it: look at its log"
        return [Finding(name="api", health=Health.FAILING, detail=detail)]

    def listen(self) -> None:
        """Hear what happens until stopped: a thread's work; connects again by itself."""
        settings, folder = self.settings, self.settings.folder
        hearing = Hearing(
            reader=self.reader,
            history=history_of(folder.journal_or(settings.journal)),
            hear=self.heard.put,
            position=self.place,
            stopped=self.stopped,
            complained=self.complained,
        )
        while not self.stopped.is_set():
            try:
                with SyncLink(folder.socket, timeout_s=None) as link:
                    self.connected.set()
                    hearing.follow(link)
            except (LinkLost, OSError):
                self.connected.clear()
                self.stopped.wait(CONNECT_S)
            except KeelmarkError as error:  # columns that are between two writers
                self.complained(str(error))
                self.stopped.wait(CONNECT_S)
            self.connected.clear()


def serve_guard(settings: GuardSettings, report: Report) -> None:
    """Guard until told to stop.

    Raises:
        KeelmarkError: The rules cannot work, or a secret is missing.
    """
    rules = read_venue_rules(settings.rules)
    channels = build_channels(rules.channels, os.environ, now_ms)
    store = AlertStore(settings.folder.alerts)
    reader = Replica.open(settings.folder.run, kept_rulebook(settings.folder.path))
    probe = api_probe(settings.api_url) if settings.api_url else None

    def complained(problem: str) -> None:
        report("problem", reason=problem, level="warning")

    guard = Guard(
        settings=settings,
        rules=rules,
        reader=reader,
        store=store,
        probe=probe,
        complained=complained,
    )

    def undelivered(channel: str, problem: str) -> None:
        report("undelivered", reason=f"by {channel}: {problem}", level="warning")

    courier = Courier(rules, store, channels, undelivered)
    threads = [
        threading.Thread(target=guard.listen, name="listener", daemon=True),
        threading.Thread(target=_deliver, args=(guard, courier), name="courier", daemon=True),
    ]
    for thread in threads:
        thread.start()
    report("ready", pid=os.getpid())
    try:
        _guard_on(guard, report)
    finally:
        guard.stopped.set()
        threads[1].join(timeout=PROBE_S)
        store.close()
    report("stopped")


def _guard_on(guard: Guard, report: Report) -> None:
    signalled = stop_pipe()
    while True:
        ready, _, _ = select.select([signalled, sys.stdin.fileno()], [], [], TICK_S)
        if ready:
            return
        try:
            guard.step(now_ms())
        except KeelmarkError as error:  # columns that are between two writers, a full disk
            report("problem", reason=str(error), level="warning")
            guard.stopped.wait(CONNECT_S)


def _deliver(guard: Guard, courier: Courier) -> None:
    """Deliver what is due until the end: a thread's work."""
    store = guard.store.another()
    own = courier.over(store)
    try:
        while not guard.stopped.is_set():
            with suppress(KeelmarkError):
                own.run_due(now_ms())
            guard.stopped.wait(TICK_S)
        with suppress(KeelmarkError):
            own.finish(now_ms(), PROBE_S - 1.0)
    finally:
        store.close()


def api_probe(url: str) -> Callable[[], bool]:
    """Return what tells whether the API answers; its certificate is the operator's own affair."""
    import httpx  # noqa: PLC0415 an extra

    client = httpx.Client(verify=False, timeout=PROBE_S)  # noqa: S501 only whether it lives is asked

    def probe() -> bool:
        try:
            return client.get(f"{url}/live").is_success
        except httpx.HTTPError:
            return False

    return probe
