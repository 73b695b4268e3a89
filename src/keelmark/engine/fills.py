"""Decide about trades, one or a batch of them: each on a trial of the state, all or none.

Both sides of a fill are checked like any new risk. Two things pass without initial margin: what
shrinks a position and keeps the excess, and what a reserved order was charged for when it was
placed (its side, its lots, its price or a better one, the ordinary fee).
"""

from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, Decimal
from typing import Any

from keelmark.book.book import FEES
from keelmark.book.records import AMOUNT_LIMIT, SIZE_LIMIT
from keelmark.book.views import PositionView, UnitView
from keelmark.core.codes import Leg, UnitKind, UnitStatus
from keelmark.core.errors import InvalidInput, KeelmarkError, OutOfScale, RejectionReason
from keelmark.core.margin import margin_report
from keelmark.core.model import MarginPurpose
from keelmark.core.numbers import exact
from keelmark.engine import commands as c
from keelmark.engine import events as e
from keelmark.engine.admission import (
    refuse,
    require_free,
    require_in_full,
    require_instrument,
    require_legs,
    require_leverage,
    require_margin,
    require_mode,
    require_open,
    require_price,
    require_storable_leverage,
    surely_keeps,
)
from keelmark.engine.entries import Order
from keelmark.engine.state import State
from keelmark.engine.trial import Trial, after_fill, after_payment

Events = list[Any]

UNTRUSTED_BAND = Decimal("0.05")
"""How far from the last good mark a fill may be while the mark is not trusted, where the rulebook
has no band of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One side of a fill.

    Attributes:
        unit: Who.
        fill: Lots it gains, their value as `cost`, its leg and the leverage it sets.
        fee: Quanta it pays.
        ticks: Price.
        order: Reserved order it executes, `None` for none.
    """

    unit: int
    fill: PositionView
    fee: int
    ticks: int
    order: int | None


def fill_events(state: State, command: c.Fill) -> Events:
    """Return what one fill does; raises as `decide`."""
    return _decided(Trial(state), command)


def batch_events(state: State, command: c.FillBatch) -> Events:
    """Return what a batch of fills does.

    Raises:
        Rejected: A rule says no to one of them; `index` says which.
        InvalidInput: One names something unknown or cannot be carried; or there are none.
    """
    if not command.fills:
        msg = "a batch of no fills; give at least one"
        raise InvalidInput(msg)
    trial, events = Trial(state), []
    with exact():
        for index, fill in enumerate(command.fills):
            try:
                events += _decided(trial, fill)
            except KeelmarkError as error:
                error.index = index
                error.args = (f"fill {index} of {len(command.fills)}: {error}",)
                raise
    return events


def _decided(trial: Trial, command: c.Fill) -> Events:
    """Return what a fill does, and let the trial be what it leaves."""
    state = trial.state
    if command.unit == command.counterparty:
        msg = f"a fill of unit {command.unit} with itself; name two units"
        raise InvalidInput(msg)
    require_instrument(state, command.instrument)
    require_legs(command.leg, command.counterparty_leg)
    require_price(state, command.instrument, command.lots, command.ticks)
    value = state.value(command.instrument, command.lots, command.ticks)
    _require_terms(command, value)
    require_near_mark(state, command.instrument, command.lots, value)
    sides = _sides(command, value)
    leverages = [_take_side(trial, side) for side in sides]
    _pay_fees(trial, state.settle_of(command.instrument), command.fee + command.counterparty_fee)
    filled = e.Filled(
        unit=command.unit,
        counterparty=command.counterparty,
        instrument=command.instrument,
        lots=command.lots,
        value=value,
        leg=command.leg,
        counterparty_leg=command.counterparty_leg,
        fee=command.fee,
        counterparty_fee=command.counterparty_fee,
        leverage=leverages[0],
        counterparty_leverage=leverages[1],
        ticks=command.ticks,
    )
    return [filled, *_released(trial, sides)]


def _sides(command: c.Fill, value: int) -> tuple[Side, Side]:
    row = command.instrument
    return (
        Side(
            unit=command.unit,
            fill=PositionView(row, Leg(command.leg), command.lots, value, command.leverage),
            fee=command.fee,
            ticks=command.ticks,
            order=command.order,
        ),
        Side(
            unit=command.counterparty,
            fill=PositionView(
                row,
                Leg(command.counterparty_leg),
                -command.lots,
                -value,
                command.counterparty_leverage,
            ),
            fee=command.counterparty_fee,
            ticks=command.ticks,
            order=command.counterparty_order,
        ),
    )


def _released(trial: Trial, sides: tuple[Side, Side]) -> Events:
    """Return what is left of the reservations that a fill executed."""
    rests = ((side, trial.orders[side.unit]) for side in sides if side.order is not None)
    return [
        e.OrderReleased(
            unit=side.unit,
            order=side.order,
            lots=orders[side.order].lots if side.order in orders else 0,
        )
        for side, orders in rests
        if side.order is not None
    ]


def _take_side(trial: Trial, side: Side) -> int:
    """Check one side and let the trial have it; return the leverage it sets.

    Raises:
        Rejected: With the reason.
    """
    state = trial.state
    view = trial.view(side.unit)
    if view.status is UnitStatus.CLOSED:
        require_open(state, side.unit)
    in_house = view.kind is UnitKind.IN_HOUSE
    if in_house:
        _require_trader(state, side.unit)
    elif side.unit in state.cases:
        require_free(state, side.unit)
    order = _reservation(trial, side)
    covered = _is_covered(state, side, order)
    fill = side.fill
    if order is not None and side.order is not None:
        trial.shrink(side.unit, side.order, fill.lots)
        fill = replace(fill, leverage=fill.leverage or order.leverage)
    after = after_fill(view, state.settle_of(fill.instrument), fill, side.fee)
    if not in_house:
        _require_leg(state, after, fill)
        require_mode(state, view, fill)
        require_in_full(state, view, state.settle_of(fill.instrument))
        if side.fill.leverage:
            require_leverage(state, after, fill)
        if not (
            covered or _has_room(trial, after) or _reduces(trial, (view, after), fill, side.fee)
        ):
            _require_room(trial, after)
    require_carried(state, after)
    trial.views[side.unit] = after
    return fill.leverage


def _has_room(trial: Trial, after: UnitView) -> bool:
    """Whether `_require_room` passes by the kernels' proof, whatever the fill does."""
    state = trial.state
    if state.is_reduce_only(after.unit) or state.depends_on_untrusted(after):
        return False
    return surely_keeps(state, after, trial.orders_of(after.unit).values())


def _require_room(trial: Trial, after: UnitView) -> None:
    """Refuse new risk past the margin call, or without the initial margin."""
    state = trial.state
    if state.is_reduce_only(after.unit):
        raise refuse(
            RejectionReason.REDUCE_ONLY,
            f"{state.book.unit_name(after.unit)} is past its margin call; only fills that shrink "
            "its positions pass until it recovers",
        )
    require_margin(state, after, "the fill", trial.orders_of(after.unit).values())


# --- reservations -------------------------------------------------------------------------------


def _reservation(trial: Trial, side: Side) -> Order | None:
    """Return the reserved order a side executes, if it names one.

    Raises:
        Rejected: There is none, or the fill is not within it.
    """
    if side.order is None:
        return None
    order = trial.orders_of(side.unit).get(side.order)
    if order is None:
        raise refuse(RejectionReason.NO_SUCH_ORDER, f"unit {side.unit} has no order {side.order}")
    fill = side.fill
    same = (order.instrument, order.leg) == (fill.instrument, int(fill.leg))
    within = order.lots * fill.lots > 0 and abs(fill.lots) <= abs(order.lots)
    worse = side.ticks > order.ticks if fill.lots > 0 else side.ticks < order.ticks
    if not (same and within) or worse:
        raise refuse(
            RejectionReason.BEYOND_RESERVATION,
            f"{fill.lots} lots at {side.ticks} ticks on leg {int(fill.leg)} of instrument row "
            f"{fill.instrument}, and order {side.order} of unit {side.unit} is {order.lots} lots "
            f"at {order.ticks} on leg {order.leg} of row {order.instrument}; fill it within that",
        )
    if order.reduce_only and not _shrinks(trial.view(side.unit), fill):
        raise refuse(
            RejectionReason.REDUCE_ONLY,
            f"order {side.order} of unit {side.unit} may only shrink its position; fill at most "
            "what is held",
        )
    return order


def _is_covered(state: State, side: Side, order: Order | None) -> bool:
    """Whether a side was charged for when its order was placed.

    Not a fee above the ordinary one, and no other leverage than the order's: those were not.
    """
    if order is None or not order.reserves or side.fill.leverage not in {0, order.leverage}:
        return False
    with exact():
        ordinary = abs(side.fill.cost) * state.rules.taker_fee
        return side.fee <= int(ordinary.to_integral_value(ROUND_CEILING))


# --- single rules -------------------------------------------------------------------------------


def _require_terms(command: c.Fill, value: int) -> None:
    """Refuse a leverage that cannot be stored and fees above the notional; raises `Rejected`."""
    require_storable_leverage(command.leverage)
    require_storable_leverage(command.counterparty_leverage)
    if max(abs(command.fee), abs(command.counterparty_fee)) > abs(value):
        raise refuse(
            RejectionReason.OUT_OF_SCALE,
            f"fees {command.fee} and {command.counterparty_fee} on a notional of {abs(value)} "
            "quanta; a fee or rebate is at most the notional",
        )


def _require_trader(state: State, unit: int) -> None:
    """Refuse a fill of an in-house unit that takes no positions."""
    if unit not in {state.liquidity, state.backstop}:
        msg = (
            f"a fill of {state.book.unit_name(unit)}; of the venue's own units only "
            f"{state.book.unit_name(state.liquidity)} and {state.book.unit_name(state.backstop)} "
            "hold positions"
        )
        raise InvalidInput(msg)


def require_near_mark(state: State, instrument: int, lots: int, value: int) -> None:
    """Refuse a fill far from the last good mark while the mark is not trusted.

    Without a price nobody can say what a fill at any price does to a unit: two fills that only
    shrink positions could move all of one unit's money to another.

    Raises:
        Rejected: There never was a mark, or the fill is outside the band round it.
    """
    if not state.is_untrusted_instrument(instrument):
        return
    symbol = state.universe.symbols[instrument]
    with exact():
        band = state.rules.guards.band or UNTRUSTED_BAND
        known = state.has_mark(instrument)
        at_mark = state.value(instrument, lots, state.ticks(instrument)) if known else 0
        if known and abs(value - at_mark) <= band * abs(at_mark):
            return
    raise refuse(
        RejectionReason.UNTRUSTED_MARK,
        f"{symbol} has no mark that can be trusted, and the fill is more than {band:%} from the "
        "last one that could; wait for a good price",
    )


def _require_leg(state: State, after: UnitView, fill: PositionView) -> None:
    """Refuse a hedge leg that would change sides."""
    held = _held(after, fill)
    if held is not None and held.lots * int(fill.leg) < 0:
        raise refuse(
            RejectionReason.NOTHING_TO_CLOSE,
            f"the {Leg(fill.leg).name.lower()} leg of {state.universe.symbols[fill.instrument]} "
            "would change sides; close at most what it holds",
        )


def require_carried(state: State, after: UnitView) -> None:
    """Refuse what the columns do not hold: a batch is posted fill by fill and must not stop.

    Raises:
        OutOfScale: Lots, a cost or a balance is too large.
    """
    too_large = any(
        abs(p.lots) > SIZE_LIMIT or abs(p.cost) > AMOUNT_LIMIT for p in after.positions
    ) or any(abs(quanta) > AMOUNT_LIMIT for quanta in after.balances.values())
    if too_large:
        msg = (
            f"{state.book.unit_name(after.unit)} would hold more than fits: at most {SIZE_LIMIT} "
            f"lots and {AMOUNT_LIMIT} quanta; use coarser lots or quanta, or split the account"
        )
        raise OutOfScale(msg)


def _pay_fees(trial: Trial, settle: int, quanta: int) -> None:
    """Let the trial's fees unit have the fees."""
    if quanta:
        after = after_payment(trial.view(FEES), settle, quanta)
        require_carried(trial.state, after)
        trial.views[FEES] = after


def _held(view: UnitView, fill: PositionView) -> PositionView | None:
    key = (fill.instrument, fill.leg)
    return next((p for p in view.positions if (p.instrument, p.leg) == key), None)


def _shrinks(view: UnitView, fill: PositionView) -> bool:
    """Whether a fill makes a position smaller, whatever it does to its leverage."""
    held = _held(view, fill)
    if held is None:
        return False
    return held.lots * fill.lots < 0 and abs(fill.lots) <= abs(held.lots)


def _reduces(trial: Trial, views: tuple[UnitView, UnitView], fill: PositionView, fee: int) -> bool:
    """Whether a fill only shrinks a position, and the excess falls by no more than its fee."""
    state = trial.state
    before, after = views
    held, left = _held(before, fill), _held(after, fill)
    if held is None or not _shrinks(before, fill):
        return False
    if left is not None and left.leverage != held.leverage:
        return False
    if state.depends_on_untrusted(before):
        return True  # what only shrinks must not wait for a price; `require_near_mark` bounds it
    settle = state.settle_of(fill.instrument)
    orders = trial.orders_of(before.unit).values()
    with exact():
        steepest = state.steepest(state.universe.assets[settle])
        paid = max(0, fee) * state.universe.quantum(settle)
        allowed = paid * steepest * state.price_of(settle)
        now = margin_report(state.plain(before, orders), state.market, state.model)
        then = margin_report(state.plain(after, orders), state.market, state.model)
        purpose = MarginPurpose.MAINTENANCE
        return then.excess(purpose) >= now.excess(purpose) - allowed
