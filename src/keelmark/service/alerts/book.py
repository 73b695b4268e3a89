"""Who is at which level, and what has to be told: a fold over readings, without a clock.

A subject rises as soon as a level is reached and falls only when its figures are clear of the
threshold (hysteresis). A level that was told rests for the re-arm time: what returns to it sooner
is told once that time is over, if it is still there. What nobody acknowledges escalates once.

Not to know is neither better nor worse than any figure: what comes out of it is compared with the
level that was held before, and telling it says nothing of the levels that figures reach.
"""

from collections.abc import Iterator, Mapping

import msgspec

from keelmark.service.alerts.rules import AlertRules, LevelRule
from keelmark.service.alerts.values import Alert, Kind, Reading, State
from keelmark.service.alerts.words import figures_of, level_text

NONE = -1
"""Rank of a subject that is at no level."""


class Standing(msgspec.Struct, kw_only=True):
    """Where a subject stands.

    Attributes:
        rank: Its level; `NONE` for none.
        since_ms: Since when.
        told_ms: When each level was last told, by its name.
        owed: A rise to this rank was not told because its level rested; `NONE` for none.
        acknowledged_by: Who took it on; empty for nobody.
        is_escalated: Whether the present rise has been escalated.
        last: What was read last, for messages that come later.
        known: Its level when its margin was last known; only of use while it is not.
        is_known_owed: Whether that level had still to be told.
    """

    rank: int = NONE
    since_ms: int = 0
    told_ms: dict[str, int] = msgspec.field(default_factory=dict)
    owed: int = NONE
    acknowledged_by: str = ""
    is_escalated: bool = False
    last: dict[str, str] = msgspec.field(default_factory=dict)
    known: int = NONE
    is_known_owed: bool = False

    @property
    def is_unknown(self) -> bool:
        """Whether the margin was not known when it was last looked at."""
        return self.last.get("state") == State.UNKNOWN


class AlertBook:
    """The standings of all subjects.

    Attributes:
        rules: When to tell whom.
        standings: By subject; plain values that a store keeps.
        changed: Subjects whose standing is not as it was when `changed` was last emptied.
        gone: Subjects that were forgotten since.
    """

    def __init__(self, rules: AlertRules, standings: Mapping[str, Standing] | None = None) -> None:
        self.rules = rules
        self.standings: dict[str, Standing] = dict(standings or {})
        self.changed: set[str] = set()
        self.gone: set[str] = set()
        last = len(rules.levels) - 1
        for standing in self.standings.values():  # the rules may have fewer levels than before
            standing.rank, standing.owed = min(standing.rank, last), min(standing.owed, last)
            standing.known = min(standing.known, last)

    def observe(self, reading: Reading) -> list[Alert]:
        """Take note of a reading; return what has to be told now."""
        standing = self.standings.setdefault(reading.subject, Standing())
        before, told = self._compared(reading, standing)
        after = self._rank(reading, before)
        standing.last = figures_of(reading)
        alerts: list[Alert] = []
        if after > standing.rank or (after > told and after != standing.rank):
            alerts += self._risen(reading, standing, after)
        elif after < standing.rank:
            alerts += self._fallen(reading, standing, after)
        return [*alerts, *self._due(reading.subject, standing, reading.time_ms)]

    def tick(self, time_ms: int) -> list[Alert]:
        """Return what has become due by time alone: rests that are over, escalations."""
        due = [self._due(subject, s, time_ms) for subject, s in self.standings.items()]
        return [alert for alerts in due for alert in alerts]

    def acknowledge(self, subject: str, who: str, *, since_ms: int | None = None) -> bool:
        """Note that somebody takes care of a subject; return whether there was anything to.

        Args:
            subject: Which.
            who: Who.
            since_ms: Of the level that is meant: one the subject reached later is another.
        """
        standing = self.standings.get(subject)
        if standing is None or standing.rank == NONE:
            return False
        if since_ms not in {None, standing.since_ms}:
            return False
        standing.acknowledged_by = who
        self.changed.add(subject)
        return True

    def forget(self, subject: str) -> None:
        """Drop a subject that is watched no more."""
        if self.standings.pop(subject, None) is not None:
            self.gone.add(subject)
            self.changed.discard(subject)

    def _compared(self, reading: Reading, standing: Standing) -> tuple[int, int]:
        """Return the level a reading is compared with, and the one above which it is told."""
        is_unknown = reading.state is State.UNKNOWN
        if is_unknown == standing.is_unknown:
            return standing.rank, standing.rank
        self.changed.add(reading.subject)
        if is_unknown:
            standing.known = standing.rank
            standing.is_known_owed = standing.owed != NONE and standing.owed == standing.rank
            return standing.rank, standing.rank
        return standing.known, standing.known - standing.is_known_owed

    def _rank(self, reading: Reading, before: int) -> int:
        """Return the level of a reading: reached, or held by hysteresis.

        What is unknown is no better than it was: a subject rises to the level for it, or stays.
        """
        reached = _last(r for r, level in enumerate(self.rules.levels) if level.is_reached(reading))
        held = _last(
            rank
            for rank, level in enumerate(self.rules.levels)
            if rank <= before and level.is_held(reading)
        )
        return max(reached, before if reading.state is State.UNKNOWN else held)

    def _risen(self, reading: Reading, standing: Standing, rank: int) -> Iterator[Alert]:
        level = self.rules.levels[rank]
        self.changed.add(reading.subject)
        standing.rank, standing.since_ms = rank, reading.time_ms
        standing.acknowledged_by, standing.is_escalated = "", False
        if self._rests(standing, level, reading.time_ms):
            standing.owed = rank
            return
        yield self._told(reading.subject, standing, Kind.RAISED, reading.time_ms)

    def _fallen(self, reading: Reading, standing: Standing, rank: int) -> Iterator[Alert]:
        left = self.rules.levels[standing.rank]
        self.changed.add(reading.subject)
        standing.rank, standing.since_ms = rank, reading.time_ms
        if standing.owed > rank:
            standing.owed = NONE
        standing.is_escalated = False
        if rank == NONE:
            standing.acknowledged_by = ""
        name = "none" if rank == NONE else self.rules.levels[rank].name
        yield Alert(
            subject=reading.subject,
            kind=Kind.RECOVERED,
            level=name,
            rank=rank,
            since_ms=reading.time_ms,
            time_ms=reading.time_ms,
            text=level_text(reading.subject, Kind.RECOVERED, name, standing.last),
            channels=left.channels if self.rules.recovery == "told" else (),
            figures=dict(standing.last),
        )

    def _due(self, subject: str, standing: Standing, time_ms: int) -> list[Alert]:
        alerts = []
        if standing.owed != NONE and standing.owed == standing.rank:
            level = self.rules.levels[standing.owed]
            if not self._rests(standing, level, time_ms):
                alerts.append(self._told(subject, standing, Kind.AGAIN, time_ms))
        if self._escalates(standing, time_ms):
            standing.is_escalated = True
            self.changed.add(subject)
            alerts.append(self._alert(subject, standing, Kind.ESCALATED, time_ms))
        return alerts

    def _escalates(self, standing: Standing, time_ms: int) -> bool:
        if standing.rank == NONE or standing.is_escalated or standing.acknowledged_by:
            return False
        after_s = self.rules.levels[standing.rank].escalate_after_s
        return bool(after_s) and time_ms - standing.since_ms >= 1000 * after_s

    def _rests(self, standing: Standing, level: LevelRule, time_ms: int) -> bool:
        told = standing.told_ms.get(level.name)
        return told is not None and time_ms - told < 1000 * self.rules.rearm_s

    def _told(self, subject: str, standing: Standing, kind: Kind, time_ms: int) -> Alert:
        standing.owed = NONE
        self.changed.add(subject)
        standing.told_ms[self.rules.levels[standing.rank].name] = time_ms
        if not standing.is_unknown:  # a worse level says the milder too
            for level in self.rules.levels[: standing.rank]:
                if not level.is_blind:
                    standing.told_ms[level.name] = time_ms
        return self._alert(subject, standing, kind, time_ms)

    def _alert(self, subject: str, standing: Standing, kind: Kind, time_ms: int) -> Alert:
        level = self.rules.levels[standing.rank]
        return Alert(
            subject=subject,
            kind=kind,
            level=level.name,
            rank=standing.rank,
            since_ms=standing.since_ms,
            time_ms=time_ms,
            text=level_text(subject, kind, level.name, standing.last),
            channels=level.escalate_to if kind is Kind.ESCALATED else level.channels,
            figures=dict(standing.last),
        )


def _last(ranks: Iterator[int]) -> int:
    return max(ranks, default=NONE)
