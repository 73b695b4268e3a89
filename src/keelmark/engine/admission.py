"""Whether a command may add risk or take money out: checked against initial margin.

Allowed at any time is what shrinks the size of every leg it touches and does not lower the excess
beyond its fee, except while the unit is being liquidated.
"""

from dataclasses import replace
from decimal import Decimal

from keelmark.book.records import AMOUNT_LIMIT, SIZE_LIMIT
from keelmark.book.views import PositionView, UnitView
from keelmark.core.codes import Leg, UnitKind, UnitStatus
from keelmark.core.errors import InvalidInput, Rejected, RejectionReason
from keelmark.core.margin import margin_report
from keelmark.core.model import MarginPurpose
from keelmark.core.numbers import ZERO, exact
from keelmark.core.unit import MarginUnit
from keelmark.engine.entries import Order
from keelmark.engine.orders import open_orders
from keelmark.engine.state import State
from keelmark.engine.trial import after_fill

UNTRUSTED_BAND = Decimal("0.05")
"""How far from the last good mark a fill may be while the mark is not trusted, where the rulebook
has no band of its own."""


def refuse(reason: RejectionReason, message: str) -> Rejected:
    """Return the rejection to raise."""
    return Rejected(reason, message)


def require_open(state: State, unit: int) -> UnitView:
    """Return a unit that exists and is not closed.

    Raises:
        UnknownUnit: It was never opened.
        Rejected: Its account is closed.
    """
    view = state.book.unit_view(unit)
    if view.status is UnitStatus.CLOSED:
        raise refuse(
            RejectionReason.ACCOUNT_CLOSED,
            f"{state.book.unit_name(unit)} belongs to a closed account; open another account",
        )
    return view


def require_client(state: State, unit: int) -> UnitView:
    """Return an open unit of a client.

    Raises:
        InvalidInput: It is the venue's own.
        UnknownUnit: It was never opened.
        Rejected: Its account is closed.
    """
    view = require_open(state, unit)
    if view.kind is UnitKind.IN_HOUSE:
        msg = f"{state.book.unit_name(unit)} is the venue's own; name a unit of an account"
        raise InvalidInput(msg)
    return view


def require_free(state: State, unit: int) -> UnitView:
    """Return an open unit that is not being liquidated; raises `Rejected`."""
    view = require_open(state, unit)
    if unit in state.cases:
        raise refuse(
            RejectionReason.UNIT_IN_LIQUIDATION,
            f"{state.book.unit_name(unit)} is being liquidated; wait until it has ended",
        )
    return view


def require_positive(quanta: int, what: str) -> None:
    """Refuse an amount that is not positive or does not fit; raises `Rejected`."""
    if quanta <= 0:
        raise refuse(
            RejectionReason.AMOUNT_NOT_POSITIVE,
            f"{what} of {quanta} quanta; give a positive whole number",
        )
    if quanta > AMOUNT_LIMIT:
        raise refuse(
            RejectionReason.OUT_OF_SCALE,
            f"{what} of {quanta} quanta; at most {AMOUNT_LIMIT} fit: use a coarser quantum",
        )


def require_price(state: State, instrument: int, lots: int, ticks: int) -> None:
    """Refuse a size or price that the columns cannot carry, or a paused instrument."""
    if state.is_paused(instrument):
        symbol = state.universe.symbols[instrument]
        raise refuse(RejectionReason.MARKET_PAUSED, f"{symbol} is paused; wait for its resumption")
    if lots == 0 or abs(lots) > SIZE_LIMIT or not 1 <= ticks <= SIZE_LIMIT:
        raise refuse(
            RejectionReason.OUT_OF_SCALE,
            f"{lots} lots at {ticks} ticks; lots are 1 to {SIZE_LIMIT} either way, ticks too",
        )


def require_margin(state: State, after: UnitView, what: str) -> None:
    """Refuse what would leave the unit below its initial margin.

    Raises:
        Rejected: With what is missing.
        MissingMarkPrice: A price the check needs is not there.
    """
    require_trusted(state, after)
    excess = initial_excess(state, state.plain(after))
    if excess < ZERO:
        raise refuse(
            RejectionReason.INSUFFICIENT_INITIAL_MARGIN,
            f"{what} would leave {state.book.unit_name(after.unit)} {-excess:f} "
            f"{state.model.valuation} short of its initial margin; deposit or reduce first",
        )


def initial_excess(state: State, unit: MarginUnit) -> Decimal:
    """Return the excess over initial margin of a unit, or of one that might be."""
    return margin_report(unit, state.market, state.model).excess(MarginPurpose.INITIAL)


def require_room_for(state: State, unit: int, order: Order) -> None:
    """Refuse an order whose margin the unit does not have; one that takes no margin passes.

    Raises:
        Rejected: With what is missing, or because the unit is past its margin call.
    """
    orders = (*state.orders.get(unit, {}).values(), order)
    now = state.unit(unit)
    after = initial_excess(
        state,
        replace(now, orders=open_orders(state.universe, orders)),
    )
    if after >= initial_excess(state, now):
        return
    if state.is_reduce_only(unit):
        raise refuse(
            RejectionReason.REDUCE_ONLY,
            f"{state.book.unit_name(unit)} is past its margin call; no orders that take margin",
        )
    if after < ZERO:
        raise refuse(
            RejectionReason.INSUFFICIENT_INITIAL_MARGIN,
            f"the order would leave {state.book.unit_name(unit)} {-after:f} "
            f"{state.model.valuation} short of its initial margin; deposit or order less",
        )


def require_trusted(state: State, view: UnitView) -> None:
    """Refuse new risk on a price that is not trusted; raises `Rejected`."""
    if state.depends_on_untrusted(view):
        raise refuse(
            RejectionReason.UNTRUSTED_MARK,
            f"{state.book.unit_name(view.unit)} depends on a price that is missing, stale or out "
            "of its band; wait for a good price",
        )


def require_fill(state: State, view: UnitView, fill: PositionView, fee: int) -> None:
    """Refuse one side of a fill that the rules do not allow.

    Args:
        state: The state.
        view: The unit.
        fill: Lots it gains, their value as `cost`, its leg and leverage.
        fee: Quanta it pays.

    Raises:
        Rejected: With the reason.
    """
    if view.kind is UnitKind.IN_HOUSE:
        _require_trader(state, view.unit)
        return
    require_free(state, view.unit)
    settle = state.settle_of(fill.instrument)
    after = after_fill(view, settle, fill, fee)
    _require_leg(state, after, fill)
    _require_mode(state, view, fill)
    if _only_shrinks(view, fill) and _keeps_excess(state, view, after, settle, fee):
        return
    if state.is_reduce_only(view.unit):
        raise refuse(
            RejectionReason.REDUCE_ONLY,
            f"{state.book.unit_name(view.unit)} is past its margin call; only fills that shrink "
            "its positions pass until it recovers",
        )
    require_margin(state, after, "the fill")


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


def require_priced(state: State, view: UnitView, asset: int) -> None:
    """Refuse collateral without a price on a unit with positions: it would hide the unit's margin.

    Raises:
        Rejected: The asset's price is not trusted.
    """
    if view.positions and int(state.universe.asset_rows[asset]["price_factor"]) in state.untrusted:
        raise refuse(
            RejectionReason.UNTRUSTED_MARK,
            f"{state.universe.assets[asset]} has no price that can be trusted, and "
            f"{state.book.unit_name(view.unit)} holds positions; wait for a good price",
        )


def _require_mode(state: State, view: UnitView, fill: PositionView) -> None:
    """Refuse a position that would mix one-way and hedge mode in one instrument of a unit."""
    is_net = fill.leg == Leg.NET
    held = [p for p in view.positions if p.instrument == fill.instrument]
    if any(p.leg == fill.leg for p in held):
        return
    if any((p.leg == Leg.NET) != is_net for p in held):
        symbol = state.universe.symbols[fill.instrument]
        raise refuse(
            RejectionReason.POSITION_MODE,
            f"{state.book.unit_name(view.unit)} holds {symbol} in "
            f"{'hedge' if is_net else 'one-way'} mode; close that first, or name its leg",
        )


def _require_leg(state: State, after: UnitView, fill: PositionView) -> None:
    """Refuse a hedge leg that would change sides."""
    held = _lots(after, fill.instrument, fill.leg)
    if held * int(fill.leg) < 0:
        raise refuse(
            RejectionReason.NOTHING_TO_CLOSE,
            f"the {Leg(fill.leg).name.lower()} leg of {state.universe.symbols[fill.instrument]} "
            "would change sides; close at most what it holds",
        )


def _lots(view: UnitView, instrument: int, leg: int) -> int:
    rows = (p.lots for p in view.positions if (p.instrument, p.leg) == (instrument, leg))
    return next(rows, 0)


def _only_shrinks(view: UnitView, fill: PositionView) -> bool:
    held = _lots(view, fill.instrument, fill.leg)
    return held * fill.lots < 0 and abs(fill.lots) <= abs(held)


def _keeps_excess(
    state: State,
    before: UnitView,
    after: UnitView,
    settle: int,
    fee: int,
) -> bool:
    """Whether the excess falls by no more than the fee."""
    if state.depends_on_untrusted(before):
        return True  # what only shrinks must not wait for a price; `require_near_mark` bounds it
    with exact():
        steepest = state.steepest(state.universe.assets[settle])
        paid = max(0, fee) * state.universe.quantum(settle)
        allowed = paid * steepest * state.price_of(settle)
        now = margin_report(state.plain(before), state.market, state.model)
        then = margin_report(state.plain(after), state.market, state.model)
        purpose = MarginPurpose.MAINTENANCE
        return then.excess(purpose) >= now.excess(purpose) - allowed
