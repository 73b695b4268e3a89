"""Run the watch: a thread an account reads, one thread looks, tells and keeps.

Reading waits for venues; it happens on threads of its own, and a venue that hangs holds up no
other. What they bring goes through one queue to the thread that called `run`, which alone writes
the desk and the store.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Event, Thread

from keelmark.accounts.account import Account
from keelmark.core.errors import KeelmarkError
from keelmark.service.alerts.channels.port import Clock
from keelmark.service.alerts.courier import Courier
from keelmark.service.alerts.store import AlertStore
from keelmark.service.alerts.values import Alert
from keelmark.service.watch.config import WatchedAccount
from keelmark.service.watch.desk import Desk
from keelmark.service.watch.sources import Source

TICK_S = 0.25
RETRY_MAX_S = 300.0
"""Longest pause between two reads of an account that cannot be read."""

Told = Callable[[Alert], None]
"""Called with every alert, as soon as it is kept."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a read brought: an account, or why there is none."""

    name: str
    found: Account | KeelmarkError
    time_ms: int


@dataclass(slots=True, kw_only=True)
class Daemon:
    """Watches a desk until it is stopped.

    Attributes:
        desk: The accounts.
        sources: Where each is read, by name.
        store: Where alerts are kept.
        courier: Who delivers them.
        clock: Milliseconds, UTC.
        told: Hears every alert.
        stopped: Ends the watch when it is set.
    """

    desk: Desk
    sources: Mapping[str, Source]
    store: AlertStore
    courier: Courier
    clock: Clock
    told: Told = lambda _: None
    stopped: Event = field(default_factory=Event)
    _outcomes: "SimpleQueue[Outcome]" = field(default_factory=SimpleQueue)

    def run(self) -> None:
        """Watch until `stopped` is set; what is due is delivered before it returns."""
        self.desk.begin(self.clock())
        for account in self.desk.config.accounts:
            # A read can hang in the network: the thread must not keep the process alive.
            Thread(target=self._read_on, args=(account,), name=account.name, daemon=True).start()
        courier = Thread(target=self._deliver_on, name="courier", daemon=True)
        courier.start()
        while not self.stopped.is_set():
            self.step(TICK_S)
        courier.join(timeout=RETRY_MAX_S)

    def step(self, wait_s: float) -> None:
        """Look at what has been read, at least at the clock; waits for it as long as is given."""
        alerts: list[Alert] = []
        try:
            alerts += self._look(self._outcomes.get(timeout=wait_s))
            while True:
                alerts += self._look(self._outcomes.get_nowait())
        except Empty:
            pass
        alerts += self.desk.tick(self.clock())
        if alerts:
            subjects = {alert.subject for alert in alerts}
            standings = self.desk.alerts.standings
            self.store.keep(alerts, {s: standings[s] for s in subjects if s in standings})
            for alert in alerts:
                self.told(alert)

    def _look(self, outcome: Outcome) -> list[Alert]:
        if isinstance(outcome.found, KeelmarkError):
            return self.desk.failed(outcome.name, outcome.found, outcome.time_ms)
        try:
            return self.desk.read(outcome.name, outcome.found, outcome.time_ms)
        except KeelmarkError as error:
            return self.desk.failed(outcome.name, error, outcome.time_ms)

    def _read_on(self, account: WatchedAccount) -> None:
        """Read one account again and again, with patience where it cannot be read."""
        failed = 0
        while not self.stopped.is_set():
            outcome = self._read(account.name)
            failed = failed + 1 if isinstance(outcome.found, KeelmarkError) else 0
            self._outcomes.put(outcome)
            pause_s = min(account.poll_s * 2.0 ** min(failed, 10), RETRY_MAX_S)
            self.stopped.wait(pause_s if failed > 1 else account.poll_s)

    def _read(self, name: str) -> Outcome:
        try:
            found: Account | KeelmarkError = self.sources[name].read()
        except KeelmarkError as error:
            found = error
        except Exception as error:  # noqa: BLE001 a reader must not end for what a venue says
            found = Unforeseen(f"{name}: {type(error).__name__}; report it")
        return Outcome(name, found, self.clock())

    def _deliver_on(self) -> None:
        """Deliver what is due until the end, and once more then."""
        store = self.store.another()
        courier = self.courier.over(store)
        try:
            while not self.stopped.is_set():
                courier.run_due(self.clock())
                self.stopped.wait(TICK_S)
            courier.run_due(self.clock())
        finally:
            store.close()


class Unforeseen(KeelmarkError):
    """A read failed in a way nobody foresaw; its text is not shown, it may hold a key."""
