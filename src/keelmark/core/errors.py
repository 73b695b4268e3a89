"""Every error Keelmark raises on purpose, as one tree.

```text
KeelmarkError
├── InvalidInput            the caller's data is wrong (exit code 64)
│   ├── UnknownInstrument
│   ├── UnknownAsset
│   ├── UnknownAccount
│   ├── UnknownUnit
│   ├── UnknownRulebook
│   ├── DuplicateId
│   ├── InvalidDocument     an account document, rulebook, scenario or population
│   ├── InvalidMark         NaN, infinite, zero or negative
│   ├── MissingNumber       a number that a margin reads and nobody gives
│   │   ├── MissingMarkPrice
│   │   ├── MissingTable    a contract whose bracket table is not known
│   │   └── CannotReprice   an option whose price after a move cannot be had
│   ├── OutOfScale          a price, size or amount the integer columns cannot carry
│   ├── UnreadableData      bars, depth, snapshots from outside
│   ├── MissingExtra        an optional dependency, with its install command
│   ├── PositionConflict    the journal has moved on: someone else appended
│   ├── NewerFormat         a file written by a newer release
│   └── OtherTerms          a journal or snapshot that was begun under other rules
├── VenueUnavailable        a venue that cannot be reached, or that refuses to answer
├── StorageFailed           the disk or its lock said no: nothing was half applied
│   ├── JournalLocked       another process is writing
│   └── OutcomeUnknown      a database went away in a write: open the journal again
├── Rejected                a rule said no: carries a `RejectionReason`, is journaled
└── InvariantViolated       our own bug: stop, keep the state (exit code 70)
    └── CorruptJournal      a record that was durable cannot be read back
```

A message says what is wrong, where, and how to fix it.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from enum import StrEnum


class KeelmarkError(Exception):
    """Base of every error raised on purpose.

    Attributes:
        index: Row of a batch that was refused, from 0; `None` where there is no batch.
    """

    index: int | None = None


class InvalidInput(KeelmarkError, ValueError):
    """The caller's data is wrong."""


class UnknownInstrument(InvalidInput):
    """An instrument the rulebook, market or unit does not hold."""


class UnknownAsset(InvalidInput):
    """An asset the rulebook or market does not hold."""


class UnknownAccount(InvalidInput):
    """An account id that was never opened."""


class UnknownUnit(InvalidInput):
    """A margin unit id that was never opened."""


class UnknownRulebook(InvalidInput):
    """A venue or a date for which no rulebook is known."""


class DuplicateId(InvalidInput):
    """An id that is already in use."""


class InvalidDocument(InvalidInput):
    """A document that does not follow its contract; lists every problem at once."""

    def __init__(self, title: str, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join((title, *(f"  - {problem}" for problem in self.problems))))


class InvalidMark(InvalidInput):
    """A price that is NaN, infinite, zero or negative."""


class MissingNumber(InvalidInput):
    """A number the margin of a unit reads and nobody gives: the margin is unknown."""


class MissingMarkPrice(MissingNumber):
    """A price the margin of a unit reads and the market does not hold."""


class MissingTable(MissingNumber):
    """A bracket table or a collateral weight that a margin reads and the rulebook does not hold."""


class CannotReprice(MissingNumber):
    """An option whose price after a move of the underlying cannot be had: no volatility or time."""


class OutOfScale(InvalidInput):
    """A price, size or amount that is off its grid or too large for the integer columns."""


class UnreadableData(InvalidInput):
    """A file of bars, depth, funding or brackets that cannot be used."""


class MissingExtra(InvalidInput):
    """An optional dependency that is not installed; the message names its install command."""


class PositionConflict(InvalidInput):
    """A journal that is not at the position the caller expects; nothing was appended.

    Attributes:
        expected: The position the caller named, in batches.
        actual: The position of the journal, in batches.
    """

    def __init__(self, message: str, *, expected: int, actual: int) -> None:
        self.expected = expected
        self.actual = actual
        super().__init__(message)


class NewerFormat(InvalidInput):
    """A file whose format this release does not know yet."""


class OtherTerms(InvalidInput):
    """A journal or snapshot that belongs to another rulebook, or to other terms of the same one."""


class VenueUnavailable(KeelmarkError):
    """A venue that cannot be reached or refuses; the message says what to do and holds no key."""


class StorageFailed(KeelmarkError):
    """The machine could not store or fetch: a full disk, a failing device, a missing permission."""


class JournalLocked(StorageFailed):
    """Another process holds the journal for writing; nothing was appended."""


class OutcomeUnknown(StorageFailed):
    """A database went away while it was writing: only opening the journal again tells the outcome.

    What was being written is there whole, once, or not at all.
    """


class RejectionReason(StrEnum):
    """Why a rule said no to a well-formed command."""

    ACCOUNT_CLOSED = "account_closed"
    AMOUNT_NOT_POSITIVE = "amount_not_positive"
    INSUFFICIENT_BALANCE = "insufficient_balance"
    INSUFFICIENT_INITIAL_MARGIN = "insufficient_initial_margin"
    REDUCE_ONLY = "reduce_only"
    UNIT_IN_LIQUIDATION = "unit_in_liquidation"
    MARKET_PAUSED = "market_paused"
    UNTRUSTED_MARK = "untrusted_mark"
    OUT_OF_SCALE = "out_of_scale"
    NOTHING_TO_CLOSE = "nothing_to_close"
    POSITION_MODE = "position_mode"
    NO_SUCH_ORDER = "no_such_order"
    NO_POSITION = "no_position"
    BEYOND_RESERVATION = "beyond_reservation"
    LEVERAGE_ABOVE_MAXIMUM = "leverage_above_maximum"
    OFF_MARK = "off_mark"
    KEY_REUSED = "key_reused"
    TIME_RUNS_BACKWARDS = "time_runs_backwards"
    TIME_OUT_OF_RANGE = "time_out_of_range"


class Rejected(KeelmarkError):
    """A rule said no. Nothing has changed.

    Attributes:
        reason: The machine-readable reason, journaled with the command.
    """

    def __init__(self, reason: RejectionReason, message: str) -> None:
        self.reason = reason
        super().__init__(f"{reason.value}: {message}")


class InvariantViolated(KeelmarkError):
    """Our own bug: processing stops and the state is kept for inspection."""


class CorruptJournal(InvariantViolated):
    """A journal whose durable part cannot be read back as it was written."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a hint `did you mean ...?` naming the closest known name, or the known names."""
    names = sorted(known)
    close = get_close_matches(name, names, n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    shown = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")  # noqa: PLR2004 a screenful
    return f"known: {shown or 'none'}"
