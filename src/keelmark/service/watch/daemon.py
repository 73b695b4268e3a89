"""Run the watch: a thread an account reads, one thread looks, tells and keeps.

Reading waits for venues; it happens on threads of its own, and a venue that hangs holds up no
other. What they bring goes through one queue to the thread that called `run`, which alone writes
the desk and the store.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Event, Thread
from time import monotonic

from keelmark.accounts.account import Account
from keelmark.core.errors import KeelmarkError, StorageFailed
from keelmark.service.alerts.channels.port import Clock
from keelmark.service.alerts.courier import Courier
from keelmark.service.alerts.keeper import Keeper
from keelmark.service.alerts.store import AlertStore
from keelmark.service.alerts.values import Alert
from keelmark.service.watch.config import MISSED_READS, WatchedAccount
from keelmark.service.watch.desk import Desk
from keelmark.service.watch.repriced import repriced
from keelmark.service.watch.sources import FileSource, Source
from keelmark.service.watch.tape import Tape

TICK_S = 0.25
FINISH_S = 15.0
"""How long what is being delivered is waited for at the end."""
BEAT_S = 1.0
"""How often an account is looked at while prices stream."""

RETRY_MAX_S = 300.0
"""Longest pause between two reads of an account that cannot be read, where it is polled oftener."""

Told = Callable[[Alert], None]
"""Called with every alert, as soon as it is kept."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a read brought: an account, or why there is none.

    Attributes:
        is_moved: Whether it is the account as read before, at prices that were streamed since.
        as_of_ms: When what was read was so; `None` is now.
    """

    name: str
    found: Account | KeelmarkError
    time_ms: int
    is_moved: bool = False
    as_of_ms: int | None = None


def pause_after(account: WatchedAccount, failed: int) -> float:
    """Return how long an account is not read, after so many reads in a row that brought nothing.

    A venue is left in peace: twice as long after each, yet no longer than after which nothing is
    known of the account. A document is there to be read, and may be mended at any moment.
    """
    if account.document or failed <= 1:
        return account.poll_s
    longest = max(MISSED_READS * account.poll_s, account.stale_after_s)
    longest = max(min(longest, RETRY_MAX_S), account.poll_s)
    return float(min(account.poll_s * 2.0 ** min(failed, 10), longest))


@dataclass(slots=True, kw_only=True)
class Daemon:
    """Watches a desk until it is stopped.

    Attributes:
        desk: The accounts.
        sources: Where each is read, by name.
        tapes: Streams of prices between the reads, of those that have one.
        store: Where alerts are kept.
        courier: Who delivers them.
        clock: Milliseconds, UTC.
        told: Hears every alert.
        looked: Hears which accounts were looked at.
        complained: Hears why alerts cannot be kept, once for as long as it lasts.
        trouble: Why they cannot; empty while they can.
        stopped: Ends the watch when it is set.
    """

    desk: Desk
    sources: Mapping[str, Source]
    tapes: Mapping[str, Tape] = field(default_factory=dict)
    store: AlertStore
    courier: Courier
    clock: Clock
    told: Told = lambda _: None
    looked: Callable[[Sequence[str]], None] = lambda _: None
    complained: Callable[[str], None] = lambda _: None
    trouble: str = ""
    stopped: Event = field(default_factory=Event)
    _outcomes: "SimpleQueue[Outcome]" = field(default_factory=SimpleQueue)
    _keeper: Keeper = field(init=False)

    def __post_init__(self) -> None:
        self._keeper = Keeper(self.desk.alerts, self.store)

    def run(self) -> None:
        """Watch until `stopped` is set; what is due is delivered before it returns."""
        self.desk.begin(self.clock())
        for account in self.desk.config.accounts:
            # A read can hang in the network: the thread must not keep the process alive.
            Thread(target=self._read_on, args=(account,), name=account.name, daemon=True).start()
        courier = Thread(target=self._deliver_on, name="courier", daemon=True)
        courier.start()
        while not self.stopped.is_set():
            try:
                self.step(TICK_S)
                self.trouble = ""
            except StorageFailed as error:  # nothing is lost: it is written once it can be
                self._in_trouble(str(error))
        courier.join(timeout=RETRY_MAX_S)

    def _in_trouble(self, problem: str) -> None:
        """Say that the store cannot be used, once for as long as it lasts."""
        if not self.trouble:
            self.complained(problem)
        self.trouble = problem
        self.stopped.wait(BEAT_S)

    def step(self, wait_s: float) -> None:
        """Look at what has been read, at least at the clock; waits for it as long as is given."""
        alerts: list[Alert] = []
        names: list[str] = []
        for outcome in self._arrived(wait_s):
            alerts += self._look(outcome)
            names.append(outcome.name)
        try:
            self._keeper.take()
        finally:  # a store that cannot be read takes nothing away from what was looked at
            alerts += self.desk.tick(self.clock())
            kept = self._keeper.keep(alerts)
        for alert in kept:
            self.told(alert)
        self.looked(list(dict.fromkeys(names)))

    def _arrived(self, wait_s: float) -> Iterator[Outcome]:
        """Yield what has been read, after waiting for the first."""
        try:
            yield self._outcomes.get(timeout=wait_s)
            while True:
                yield self._outcomes.get_nowait()
        except Empty:
            return

    def _look(self, outcome: Outcome) -> list[Alert]:
        if isinstance(outcome.found, KeelmarkError):
            return self.desk.failed(outcome.name, outcome.found, outcome.time_ms)
        name, found, time_ms = outcome.name, outcome.found, outcome.time_ms
        try:
            if outcome.is_moved:
                return self.desk.moved(name, found, time_ms)
            return self.desk.read(name, found, time_ms, as_of_ms=outcome.as_of_ms)
        except KeelmarkError as error:
            return self.desk.failed(outcome.name, error, outcome.time_ms)

    def _read_on(self, account: WatchedAccount) -> None:
        """Read one account again and again, with patience where it cannot be read."""
        failed = 0
        tape = self.tapes.get(account.name)
        while not self.stopped.is_set():
            outcome = self.read(account.name)
            failed = failed + 1 if isinstance(outcome.found, KeelmarkError) else 0
            self._outcomes.put(outcome)
            pause_s = pause_after(account, failed)
            if tape is None or isinstance(outcome.found, KeelmarkError):
                self.stopped.wait(pause_s)
            else:
                self._follow(account.name, outcome.found, tape, pause_s)
        if tape is not None:
            tape.close()

    def _follow(self, name: str, account: Account, tape: Tape, for_s: float) -> None:
        """Look at an account at every new price, at most once a beat, until it is read again."""
        tape.follow(row.instrument for row in account.document.positions)
        until = monotonic() + for_s
        while (left := until - monotonic()) > 0 and not self.stopped.is_set():
            if not tape.wait(min(left, TICK_S)):
                continue
            try:
                found: Account | KeelmarkError = repriced(account, tape.latest)
            except KeelmarkError as error:
                found = error
            self._outcomes.put(Outcome(name, found, self.clock(), is_moved=True))
            self.stopped.wait(min(max(0.0, until - monotonic()), BEAT_S))

    def read(self, name: str) -> Outcome:
        """Read one account now; never raises."""
        source = self.sources[name]
        as_of_ms = None
        try:
            found: Account | KeelmarkError = source.read()
            if isinstance(source, FileSource) and isinstance(found, Account):
                as_of_ms = source.as_of_ms(found, self.clock())
        except KeelmarkError as error:
            found = error
        except Exception as error:  # noqa: BLE001 a reader must not end for what a venue says
            found = Unforeseen(f"{name}: {type(error).__name__}; report it")
        return Outcome(name, found, self.clock(), as_of_ms=as_of_ms)

    def _deliver_on(self) -> None:
        """Deliver what is due until the end, and once more then."""
        store = self.store.another()
        courier = self.courier.over(store)
        try:
            while not self.stopped.is_set():
                with suppress(StorageFailed):  # said by the thread that looks
                    courier.run_due(self.clock())
                self.stopped.wait(TICK_S)
            with suppress(StorageFailed):
                courier.finish(self.clock(), FINISH_S)
        finally:
            store.close()


class Unforeseen(KeelmarkError):
    """A read failed in a way nobody foresaw; its text is not shown, it may hold a key."""
