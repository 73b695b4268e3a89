"""Alerts for people to look at: levels, what is open, what was told, and what became of it.

It reads the store of whoever decides, in this process or another, and leaves acknowledgements
there. Each question opens the file anew: it may be asked on any thread.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from keelmark.core.errors import KeelmarkError
from keelmark.service.alerts.book import NONE, Standing
from keelmark.service.alerts.rules import AlertRules
from keelmark.service.alerts.store import Acknowledgement, AlertStore, Delivery
from keelmark.service.alerts.values import Alert, Kind
from keelmark.service.alerts.words import level_text
from keelmark.service.times import iso_time, now_ms

Json = dict[str, Any]
HISTORY_MAX = 500
DAY_MS = 86_400_000
_LATEST = 50
"""Alerts of a subject among which the one about its present level is."""


class NoSuchAlert(KeelmarkError):
    """No alert has this id."""


class NotOpen(KeelmarkError):
    """The alert is over: its subject is at another level by now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Which part of the history is asked for.

    Attributes:
        subject: Whose; `None` is everybody's.
        before: Number of the last alert of the page before.
        limit: At most so many.
    """

    subject: str | None = None
    before: int | None = None
    limit: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertBoard:
    """Reads alerts, and acknowledges them.

    Attributes:
        rules: By which they are told; `None` where nobody guards.
        path: The store of whoever decides.
    """

    rules: AlertRules | None = None
    path: Path | None = None

    def document(self, wish: Wish, time_ms: int) -> Json:
        """Return levels, open alerts and history as of a time.

        Raises:
            StorageFailed: The store cannot be read.
        """
        head = {"is_on": self.rules is not None, "time": iso_time(time_ms), **_rules(self.rules)}
        if self.rules is None or self.path is None or not self.path.exists():
            return {**head, "deliveries": {}, "open": [], "history": [], "next": None}
        with closing(AlertStore(self.path)) as store:
            found = store.history(subject=wish.subject, before=wish.before, limit=wish.limit + 1)
            page = found[: wish.limit]
            return {
                **head,
                "deliveries": store.counts(),
                "open": [row for row, _ in self._open(store)],
                "history": [_told(n, a, store.deliveries(a.alert_id)) for n, a in page],
                "next": page[-1][0] if len(found) > wish.limit else None,
            }

    def counts(self) -> Mapping[str, int]:
        """Return deliveries of a day by what became of them; nothing where none can be told."""
        if self.path is None or not self.path.exists():
            return {}
        try:
            with closing(AlertStore(self.path)) as store:
                return store.counts(since_ms=now_ms() - DAY_MS)
        except KeelmarkError:
            return {}

    def acknowledge(self, alert_id: str, who: str, time_ms: int) -> Json:
        """Note that somebody takes care of what an alert is about; it escalates no more.

        Args:
            alert_id: Of an open alert, or of any that was told about the same level.
            who: Who; the first who says so is kept.
            time_ms: When.

        Raises:
            NoSuchAlert: There is none of this id.
            NotOpen: It is over.
            StorageFailed: It could not be written; nothing is acknowledged.
        """
        if self.rules is None or self.path is None or not self.path.exists():
            msg = f"no alert {alert_id[:40]!r}: nobody guards here; name [alerts] in --config"
            raise NoSuchAlert(msg)
        with closing(AlertStore(self.path)) as store:
            found = {row["id"]: meant for row, meant in self._open(store)}
            told = store.find(alert_id)
            meant = found.get(alert_id) or (told and (told.subject, told.since_ms))
            if not meant:
                msg = f"no alert {alert_id[:40]!r}; GET /v1/alerts lists them"
                raise NoSuchAlert(msg)
            if meant not in found.values():
                msg = f"the alert about {meant[0]} is over; GET /v1/alerts lists what is open"
                raise NotOpen(msg)
            said = Acknowledgement(subject=meant[0], since_ms=meant[1], who=who, time_ms=time_ms)
            store.acknowledge(said)
            return next(row for row, one in self._open(store) if one == meant)

    def _open(self, store: AlertStore) -> Iterator[tuple[Json, tuple[str, int]]]:
        """Yield what is at a level with its subject and since when, the worst first."""
        rules = self.rules
        if rules is None:
            return
        said = {(a.subject, a.since_ms): a for a in store.acknowledgements()}
        standings = store.standings().items()
        for subject, standing in sorted(standings, key=lambda one: (-one[1].rank, one[0])):
            if NONE < standing.rank < len(rules.levels):
                meant = subject, standing.since_ms
                told = store.history(subject=subject, limit=_LATEST)
                yield _open_row(rules, meant, standing, (told, said.get(meant))), meant


def standing_id(subject: str, since_ms: int) -> str:
    """Return the id of an open alert that has not been told yet."""
    return blake2b(f"{subject}\x1f{since_ms}".encode(), digest_size=12).hexdigest()


def _rules(rules: AlertRules | None) -> Json:
    if rules is None:
        return {"levels": [], "channels": [], "recovery": None, "rearm_seconds": None}
    return {
        "levels": [level.model_dump(mode="json", exclude_defaults=True) for level in rules.levels],
        "channels": [
            {"name": name, "kind": rule.kind, "digest_seconds": rule.digest_s}
            for name, rule in rules.channels.items()
        ],
        "recovery": rules.recovery,
        "rearm_seconds": rules.rearm_s,
    }


def _open_row(
    rules: AlertRules,
    meant: tuple[str, int],
    standing: Standing,
    noted: tuple[Sequence[tuple[int, Alert]], Acknowledgement | None],
) -> Json:
    (subject, since_ms), (history, said) = meant, noted
    level = rules.levels[standing.rank]
    told = [a for _, a in history if a.since_ms == since_ms and a.kind is not Kind.EVENT]
    is_awaited = level.escalate_after_s and not standing.is_escalated
    who = standing.acknowledged_by or (said.who if said is not None else "")
    escalates_ms = since_ms + int(1000 * level.escalate_after_s)
    return {
        "id": told[0].alert_id if told else standing_id(subject, since_ms),
        "subject": subject,
        "level": level.name,
        "rank": standing.rank,
        "since": iso_time(since_ms),
        "is_told": any(alert.channels for alert in told),
        "acknowledged_by": who or None,
        "acknowledged": None if said is None else iso_time(said.time_ms),
        "is_escalated": standing.is_escalated,
        "escalates": iso_time(escalates_ms) if is_awaited and not who else None,
        "text": level_text(subject, Kind.RAISED, level.name, standing.last),
        "figures": standing.last,
    }


def _told(number: int, alert: Alert, deliveries: Sequence[Delivery]) -> Json:
    return {
        "number": number,
        "id": alert.alert_id,
        "subject": alert.subject,
        "kind": alert.kind.value,
        "level": alert.level,
        "since": iso_time(alert.since_ms),
        "time": iso_time(alert.time_ms),
        "text": alert.text,
        "deliveries": [
            {
                "channel": one.channel,
                "state": one.state,
                "tries": one.tries,
                "tried": None if one.at_ms is None else iso_time(one.at_ms),
                "next": iso_time(one.next_ms) if one.state == "open" and one.tries else None,
                "problem": one.problem or None,
            }
            for one in deliveries
        ],
    }


__all__ = ["HISTORY_MAX", "AlertBoard", "NoSuchAlert", "NotOpen", "Wish"]
