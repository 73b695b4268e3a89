"""How old what an account document says is, and whether that is too old to act on."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from keelmark.accounts.document import AccountDocument

MAX_AGE = timedelta(minutes=5)
"""A snapshot older than this is called stale unless told otherwise."""

APART_MAX = timedelta(minutes=1)
"""Prices and positions whose instants lie further apart than this are told."""

UNDATED = "no time given"

_NONE = timedelta()
_SPANS = ((365 * 86_400, "year"), (86_400, "day"), (3_600, "hour"), (60, "minute"))
_IN_SECONDS_BELOW = 120


def utc_now() -> datetime:
    """Return the time of this machine's clock, UTC."""
    return datetime.now(UTC)  # noqa: TID251 the one place where a check reads the clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """How ages are judged.

    Attributes:
        max_age: What is older is called stale; zero turns it off.
        clock: What time it is, UTC.
        beside: What else a reader must know before acting, whatever the age: prices that are not
            believed.
    """

    max_age: timedelta = MAX_AGE
    clock: Callable[[], datetime] = field(default=utc_now, repr=False, compare=False)
    beside: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotAge:
    """How old a document is.

    Attributes:
        as_of: Its instant; `None` where it gives none.
        prices_as_of: The instant of its prices, where that is another.
        historical: Whether it says that a past instant is meant.
        now: When it was looked at.
        max_age: What is older is stale; zero where nothing is.
        beside: What else a reader must know before acting.
    """

    as_of: datetime | None
    prices_as_of: datetime | None
    historical: bool
    now: datetime
    max_age: timedelta
    beside: tuple[str, ...] = ()

    @classmethod
    def of(cls, document: AccountDocument, freshness: Freshness) -> "SnapshotAge":
        """Return the age of a document now."""
        return cls(
            as_of=document.as_of,
            prices_as_of=document.prices_as_of,
            historical=document.historical,
            now=freshness.clock(),
            max_age=freshness.max_age,
            beside=freshness.beside,
        )

    @property
    def oldest(self) -> datetime | None:
        """The older of its instants."""
        given = [time for time in (self.as_of, self.prices_as_of) if time is not None]
        return min(given, default=None)

    @property
    def age(self) -> timedelta | None:
        """How old its oldest part is; `None` without an instant, or where the past is meant."""
        oldest = self.oldest
        return None if oldest is None or self.historical else self.now - oldest

    @property
    def is_stale(self) -> bool | None:
        """Whether it is too old to act on; `None` where it has no age."""
        age = self.age
        return None if age is None else self.max_age > _NONE and age > self.max_age

    @property
    def words(self) -> str:
        """When it was, and how long ago; nothing where no instant is given of a past one."""
        shown = self.as_of or self.prices_as_of
        if shown is None:
            return "" if self.historical else UNDATED
        text = f"{shown:%Y-%m-%d %H:%M} UTC"
        return text if self.historical else f"{text}, {ago(self.now - shown)}"

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader must know before acting on it."""
        return tuple(self._warnings())

    def _warnings(self) -> Iterator[str]:
        yield from self.beside
        oldest, age = self.oldest, self.age
        if oldest is not None and age is not None and self.is_stale:
            yield (
                f"STALE: as of {oldest:%Y-%m-%d %H:%M} UTC, {ago(age)}; prices and positions have "
                'moved since: fetch it anew, or write "historical": true where the past is meant'
            )
        if age is not None and self.max_age > _NONE and -age > self.max_age:
            yield f"as of {oldest:%Y-%m-%d %H:%M} UTC, {ago(age)}: set the clock or as_of right"
        if self.as_of is None or self.prices_as_of is None:
            return
        apart = self.prices_as_of - self.as_of
        if abs(apart) > APART_MAX:
            than = "older" if apart < _NONE else "newer"
            yield (
                f"prices are {int(abs(apart).total_seconds())} s {than} than the positions: the "
                "margin is of no one instant; fetch them together"
            )


def ago(age: timedelta) -> str:
    """Return an age in words: seconds up to two minutes, then the largest whole unit."""
    seconds = int(abs(age).total_seconds())
    side = "ago" if age >= _NONE else "from now"
    if seconds < _IN_SECONDS_BELOW:
        return f"{seconds} s {side}"
    span, name = next((span, name) for span, name in _SPANS if seconds >= span)
    count = seconds // span
    return f"{count} {name}{'s' if count > 1 else ''} {side}"
