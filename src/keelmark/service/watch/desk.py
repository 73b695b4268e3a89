"""Every watched account and what is known of it; one thread writes, others read whole values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from keelmark.accounts.account import Account
from keelmark.accounts.check import check
from keelmark.accounts.volatilities import Volatilities
from keelmark.core.errors import KeelmarkError
from keelmark.core.numbers import exact
from keelmark.service.alerts.book import AlertBook
from keelmark.service.alerts.happenings import LIQUIDATION, PARTIAL_LIQUIDATION, happenings
from keelmark.service.alerts.values import Alert, Reading, State
from keelmark.service.watch.config import WatchConfig, WatchedAccount
from keelmark.service.watch.look import Chance, Look, holdings_of, reading_of

CHANGED_SHARE = Decimal("0.1")
"""The chance of liquidation is kept while the distance changes by less than this share of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What is known of one account.

    Attributes:
        account: What the configuration says of it.
        look: The last good one; `None` before the first.
        read: The last one at what the venue itself said, with its own figures beside ours.
        problem: Why the last read brought nothing; empty where it did.
        as_of_ms: When what was read last was so; `None` before the first.
        failed: Reads in a row that brought nothing.
        since_ms: When it began to be watched.
        chance_ms: When the chance of liquidation was last worked out.
        chance_distance: Distance to liquidation then.
    """

    account: WatchedAccount
    since_ms: int
    look: Look | None = None
    read: Look | None = None
    as_of_ms: int | None = None
    problem: str = ""
    failed: int = 0
    chance_ms: int | None = None
    chance_distance: Decimal | None = None

    def age_s(self, time_ms: int) -> float:
        """Return how old what was read last is, or since when nothing was, in seconds."""
        last = self.since_ms if self.as_of_ms is None else self.as_of_ms
        return max(0.0, (time_ms - last) / 1000)

    def silence(self, time_ms: int) -> str:
        """Return since when nothing new is known, in words."""
        age = f"{self.age_s(time_ms):.0f} s"
        if self.account.document and self.read is not None and not self.problem:
            return f"its document is {age} old: is it still written anew?"
        return f"not read for {age}"

    def is_stale(self, time_ms: int) -> bool:
        """Whether what was read last is too old to say anything."""
        return self.age_s(time_ms) > self.account.stale_after_s


@dataclass(slots=True, kw_only=True)
class Desk:
    """The accounts of a desk.

    Attributes:
        config: What is watched and whom to wake.
        alerts: Who is at which level.
        chance: Works out the chance of liquidation.
        volatilities: What distances are told in standard deviations by.
        watched: By name; replaced whole, never changed.
    """

    config: WatchConfig
    alerts: AlertBook
    chance: Chance | None = None
    volatilities: Volatilities | None = None
    watched: Mapping[str, Watched] = field(default_factory=dict)

    def begin(self, time_ms: int) -> None:
        """Start to watch what the configuration names."""
        self.watched = {
            account.name: Watched(account=account, since_ms=time_ms)
            for account in self.config.accounts
        }
        for subject in self.alerts.standings.keys() - self.watched.keys():
            self.alerts.forget(subject)

    def read(
        self, name: str, account: Account, time_ms: int, *, as_of_ms: int | None = None
    ) -> list[Alert]:
        """Take note of an account that was read; return what has to be told.

        Args:
            name: Which.
            account: What was read.
            time_ms: When.
            as_of_ms: When that was so, where it is older than the read: a document's own time.
        """
        before = self.watched[name]
        now, look = self._looked(before, account, time_ms)
        as_of_ms = time_ms if as_of_ms is None else as_of_ms
        now = replace(now, read=look, as_of_ms=as_of_ms, problem="", failed=0)
        self.watched = {**self.watched, name: now}
        told = list(self._happened(name, before.read, look))
        if now.is_stale(time_ms):
            return [*told, *self._stale(now, time_ms)]
        return [*told, *self.alerts.observe(reading_of(name, look, time_ms))]

    def moved(self, name: str, account: Account, time_ms: int) -> list[Alert]:
        """Take note of an account at newer prices; it has not been read since."""
        before = self.watched[name]
        now, look = self._looked(before, account, time_ms)
        self.watched = {**self.watched, name: now}
        if before.is_stale(time_ms):
            return []
        return self.alerts.observe(reading_of(name, look, time_ms))

    def failed(self, name: str, error: KeelmarkError, time_ms: int) -> list[Alert]:
        """Take note of a read that brought nothing; return what has to be told."""
        before = self.watched[name]
        now = replace(before, problem=str(error), failed=before.failed + 1)
        self.watched = {**self.watched, name: now}
        return self._stale(now, time_ms)

    def tick(self, time_ms: int) -> list[Alert]:
        """Return what has become due by time alone."""
        stale = [alert for one in self.watched.values() for alert in self._stale(one, time_ms)]
        return [*stale, *self.alerts.tick(time_ms)]

    def _stale(self, watched: Watched, time_ms: int) -> list[Alert]:
        """Say that nothing is known of an account of which nothing new came for too long."""
        if not watched.is_stale(time_ms):
            return []
        reason = watched.silence(time_ms)
        return self.alerts.observe(
            Reading(
                subject=watched.account.name,
                time_ms=time_ms,
                state=State.UNKNOWN,
                reason=f"{reason}: {watched.problem}" if watched.problem else reason,
            )
        )

    def _happened(self, name: str, before: Look | None, now: Look) -> Sequence[Alert]:
        if before is None:
            return ()
        rules = self.config.alerts
        channels = {str(event): told for event, told in rules.events.items()}
        # Positions are gone: the levels, which are about what may come, say no more.
        worst = rules.levels[-1].channels if rules.levels else ()
        channels.setdefault(LIQUIDATION, channels.get(PARTIAL_LIQUIDATION, worst))
        return tuple(happenings(name, holdings_of(before), holdings_of(now), channels))

    def _looked(self, before: Watched, account: Account, time_ms: int) -> tuple[Watched, Look]:
        """Return what is known of an account after a look at it, and the look."""
        found = check(
            account,
            warn_distance=Decimal(repr(self.config.red)),
            amber_distance=Decimal(repr(self.config.amber)),
            volatilities=self.volatilities,
        )
        look = Look(time_ms=time_ms, check=found)
        chance_ms, at = before.chance_ms, before.chance_distance
        if self.chance is not None:
            if before.look is None or self._is_chance_due(before, look, time_ms):
                look = replace(look, probability=self.chance(account))
                chance_ms, at = time_ms, found.distance
            else:
                look = replace(look, probability=before.look.probability)
        return replace(before, look=look, chance_ms=chance_ms, chance_distance=at), look

    def _is_chance_due(self, before: Watched, look: Look, time_ms: int) -> bool:
        """Whether the chance is to be worked out anew: it is old, or of another account by now."""
        last = before.chance_ms
        if (
            before.look is None
            or last is None
            or time_ms - last >= 1000 * self.config.probability_s
        ):
            return True
        if not _same_sizes(before.look.check.account, look.check.account):
            return True
        return _has_moved(before.chance_distance, look.check.distance)


def _has_moved(before: Decimal | None, now: Decimal | None) -> bool:
    """Whether a distance has changed so much that a chance that was worked out at it is another."""
    if before is None or now is None:
        return before is not now
    with exact():
        return abs(now - before) > CHANGED_SHARE * abs(before)


def _same_sizes(one: Account, other: Account) -> bool:
    """Whether two accounts hold the same positions."""
    rows = [
        sorted((row.instrument, row.size) for row in account.document.positions)
        for account in (one, other)
    ]
    return rows[0] == rows[1]
