"""What is watched and what is told: readings in, alerts out. Times are milliseconds, UTC."""

from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b

import msgspec


class State(StrEnum):
    """What is known of a subject's margin."""

    KNOWN = "known"
    LIQUIDATABLE = "liquidatable"
    UNKNOWN = "unknown"


class Severity(StrEnum):
    """How ill a part of the service is."""

    DEGRADED = "degraded"
    FAILING = "failing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One look at a subject: an account, or a part of the service.

    Attributes:
        subject: Whose; alerts are kept apart by it.
        time_ms: When.
        state: What is known.
        distance: Nearest liquidating move, fraction of the price; `None` where none is reachable.
        usage: Maintenance over equity; above one, or without equity, it is liquidatable.
        probability: Chance of liquidation within the horizon of the rules; `None` if not asked.
        severity: How ill a part of the service is; `None` of one that is well, and of accounts.
        reason: Why nothing is known, or what is wrong.
    """

    subject: str
    time_ms: int
    state: State = State.KNOWN
    distance: float | None = None
    usage: float | None = None
    probability: float | None = None
    severity: Severity | None = None
    reason: str = ""


class Kind(StrEnum):
    """What an alert says about a subject."""

    RAISED = "raised"
    """It is worse than before."""
    AGAIN = "again"
    """It came back while the level was not yet armed again, and has stayed."""
    ESCALATED = "escalated"
    """Nobody acknowledged it in time."""
    RECOVERED = "recovered"
    """It is better than before."""
    EVENT = "event"
    """Something happened: collateral came in, a position was reduced by the venue."""


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to tell.

    Attributes:
        subject: Whose.
        kind: What it says.
        level: Name of the level, or of the event.
        rank: Place of the level, 0 the mildest; events have -1.
        since_ms: When the subject reached the level.
        time_ms: When it is told.
        text: In one line.
        channels: Where to.
        figures: What was read, as text.
    """

    subject: str
    kind: Kind
    level: str
    rank: int
    since_ms: int
    time_ms: int
    text: str
    channels: tuple[str, ...] = ()
    figures: dict[str, str] = msgspec.field(default_factory=dict)

    @property
    def alert_id(self) -> str:
        """The same for the same thing told twice: a receiver can drop the second."""
        parts = (self.subject, self.kind, self.level, str(self.since_ms), self.text)
        return blake2b("\x1f".join(parts).encode(), digest_size=12).hexdigest()
