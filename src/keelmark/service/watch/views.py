"""What the dashboard asks of a watch: its accounts, each as an account to ask about, its health."""

from dataclasses import dataclass
from datetime import timedelta

from keelmark.accounts.snapshot_age import MAX_AGE, Freshness
from keelmark.core.errors import MissingNumber, UnknownAccount, nearest
from keelmark.service.alerts.board import AlertBoard
from keelmark.service.health.values import Finding, Health
from keelmark.service.views.desk import Found
from keelmark.service.views.figures import Json, moment
from keelmark.service.watch.daemon import Daemon
from keelmark.service.watch.desk import Watched
from keelmark.service.watch.document import account_row, instant, residual_rows, worst_first


class NotRead(MissingNumber):
    """An account has not been read yet."""


@dataclass(frozen=True, slots=True)
class WatchDesk:
    """The accounts of a watch as they were last read, at the prices that were streamed since.

    Attributes:
        daemon: Watches them.
    """

    daemon: Daemon

    def find(self, name: str) -> Found:
        """Return an account.

        Raises:
            UnknownAccount: None of that name is watched.
            NotRead: It has never been read; says why.
        """
        watched = self._watched(name)
        if watched.look is None:
            msg = f"{name!r} has not been read yet: {watched.problem or 'wait for the first read'}"
            raise NotRead(msg)
        now = moment(self.daemon.clock())
        max_age = max(MAX_AGE, timedelta(seconds=watched.account.stale_after_s))
        return Found(
            account=watched.look.check.account,
            name=name,
            position=None,
            time_ms=watched.look.time_ms,
            freshness=Freshness(max_age=max_age, clock=lambda: now),
        )

    def accounts(self, query: str = "") -> Json:
        """Return every account in short, the worst first; of those whose name holds a text."""
        wanted, desk, now = query.casefold(), self.daemon.desk, self.daemon.clock()
        rows = [account_row(desk, one, now) for one in desk.watched.values()]
        found = worst_first(row for row in rows if wanted in str(row["account"]).casefold())
        return {
            "position": None,
            "time": instant(now),
            "total": len(found),
            "next": None,
            "accounts": [{**row, "name": row["account"]} for row in found],
        }

    def account(self, name: str) -> Json:
        """Return one account in short, with the venue's own figures beside ours.

        Raises:
            UnknownAccount: None of that name is watched.
        """
        watched, now = self._watched(name), self.daemon.clock()
        row = account_row(self.daemon.desk, watched, now)
        figures = residual_rows(watched)
        return {"position": None, "time": instant(now), **row, "residuals_by_figure": figures}

    def findings(self, board: AlertBoard) -> list[Finding]:
        """Return how each account's reading is, how its stream is, and how alerts go out."""
        daemon, now = self.daemon, self.daemon.clock()
        found = [_read(one, now) for one in daemon.desk.watched.values()]
        found += [_stream(name, tape.problem) for name, tape in daemon.tapes.items()]
        return [*found, _store(daemon.trouble), _alerts(board)]

    def _watched(self, name: str) -> Watched:
        known = self.daemon.desk.watched
        if name not in known:
            msg = f"no account {name!r} is watched; {nearest(name, known)}"
            raise UnknownAccount(msg)
        return known[name]


def _read(watched: Watched, time_ms: int) -> Finding:
    name, age = f"account {watched.account.name}", watched.age_s(time_ms)
    if watched.is_stale(time_ms):
        why = f": {watched.problem}" if watched.problem else ""
        detail = f"{watched.silence(time_ms)}{why}"
        return Finding(name=name, health=Health.FAILING, detail=detail)
    if watched.read is None:
        detail = watched.problem or "not read yet"
        return Finding(name=name, health=Health.UNKNOWN, detail=detail)
    if watched.problem:
        detail = f"read {age:.0f} s ago; the last read failed: {watched.problem}"
        return Finding(name=name, health=Health.DEGRADED, detail=detail)
    return Finding(name=name, health=Health.OK, detail=f"read {age:.0f} s ago")


def _stream(name: str, problem: str) -> Finding:
    health = Health.DEGRADED if problem else Health.OK
    detail = f"{problem}; it is polled" if problem else "prices are followed"
    return Finding(name=f"stream {name}", health=health, detail=detail)


def _store(trouble: str) -> Finding:
    health = Health.FAILING if trouble else Health.OK
    return Finding(name="store", health=health, detail=trouble or "alerts are kept")


def _alerts(board: AlertBoard) -> Finding:
    failed = board.counts().get("failed", 0)
    health = Health.DEGRADED if failed else Health.OK
    detail = (
        f"{failed} of the last day could not be delivered; look at their channel"
        if failed
        else "none of the last day is undelivered"
    )
    return Finding(name="alerts", health=health, detail=detail)
