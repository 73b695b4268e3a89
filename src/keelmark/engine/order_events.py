"""What happened to orders that are executed outside: facts beside those of `engine.events`.

None of them moves a position or money; what an execution moves is in the `Filled` that follow it.
Lots are signed, negative for sales; `case` is 0 where no liquidation is meant.
"""

import msgspec

from keelmark.engine.events import Event


class CloseRow(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """Lots of one position that are to be closed, without sign."""

    instrument: int
    leg: int
    lots: int


class RoundPlanned(Event, frozen=True):
    """A round of orders was planned for a unit in liquidation; they go out one after the other.

    Attributes:
        attempts: Rounds that have ended before it.
        closes: What is to be closed, in order.
        cooldown_s: For how long further orders are sized as inside a cool-down.
    """

    case: int
    unit: int
    attempts: int
    closes: tuple[CloseRow, ...]
    cooldown_s: int = 0


class OrderSent(Event, frozen=True):
    """An order went out; the venue's matching engine is to execute it.

    Attributes:
        order: Its number, one more than the last.
        limit_ticks: Worst price; `None` for a market order.
        mark_ticks: Mark price it was decided at.
        expires_ms: When its cancellation will be requested.
        reason: `reduce`, `disposal` of the backstop, or `protection`.
        protection: Number of the protection that sent it.
        is_cut: Whether the notional limit of the window cut it short.
        is_limited: Whether that limit left nothing of an order of the round before it.
    """

    order: int
    case: int
    unit: int
    instrument: int
    leg: int
    lots: int
    limit_ticks: int | None
    mark_ticks: int
    time_ms: int
    expires_ms: int
    reason: str
    protection: int | None = None
    is_cut: bool = False
    is_limited: bool = False


class OrderFilled(Event, frozen=True):
    """An execution was reported; what it moves is in the `Filled` after it.

    Attributes:
        execution: The venue's own id of it.
        unit: Whose order it was.
        lots: What was executed.
        booked: Of them, what was booked on the unit; the backstop has the rest.
        fee: Fee that was reported, settle quanta; `None` for the rulebook's.
    """

    order: int
    execution: str
    case: int
    unit: int
    instrument: int
    lots: int
    ticks: int
    booked: int
    time_ms: int
    fee: int | None = None


class ExecutionFlagged(Event, frozen=True):
    """A reported execution is not what was ordered; it was booked as the fact it is.

    Attributes:
        reason: `beyond_lots`, `worse_than_limit`, `after_close` or `more_than_held`.
    """

    order: int
    execution: str
    case: int
    unit: int
    reason: str


class OrderTimedOut(Event, frozen=True):
    """The time of an order is up; nobody waits for it any more, and it may still be filled."""

    order: int
    case: int
    unit: int
    time_ms: int


class CancelRequested(Event, frozen=True):
    """An order is to be cancelled; it may still be filled until it is confirmed closed.

    Attributes:
        reason: `timed_out`, `recovered`, `beyond_position`, `paused`, `held`, `released`,
            `account_closed` or `protection_removed`.
    """

    order: int
    case: int
    unit: int
    reason: str
    time_ms: int


class OrderClosed(Event, frozen=True):
    """Nothing more will come of an order.

    Attributes:
        outcome: `cancelled`, `rejected`, `expired` or `done`.
        filled: What was executed of it.
        reason: The venue's words.
    """

    order: int
    case: int
    unit: int
    outcome: str
    filled: int
    time_ms: int
    reason: str = ""


class OrdersPassed(Event, frozen=True):
    """Orders of a unit are the backstop's from now on, and so is what is still filled of them."""

    case: int
    unit: int
    receiver: int
    orders: tuple[int, ...]


AnyOrderEvent = (
    RoundPlanned
    | OrderSent
    | OrderFilled
    | ExecutionFlagged
    | OrderTimedOut
    | CancelRequested
    | OrderClosed
    | OrdersPassed
)
