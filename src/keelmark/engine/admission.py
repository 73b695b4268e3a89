"""Whether a command may add risk or take money out: checked against initial margin.

Allowed at any time is what shrinks the size of every leg it touches and does not lower the excess
beyond its fee, except while the unit is being liquidated.
"""

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

from keelmark.book.records import AMOUNT_LIMIT, SIZE_LIMIT
from keelmark.book.views import PositionView, UnitView
from keelmark.core.codes import Leg, UnitKind, UnitStatus
from keelmark.core.errors import InvalidInput, Rejected, RejectionReason, UnknownAsset
from keelmark.core.margin import MarginReport, margin_report, position_margin
from keelmark.core.model import MarginPurpose
from keelmark.core.numbers import ZERO, exact
from keelmark.core.unit import MarginUnit
from keelmark.engine.entries import Order
from keelmark.engine.orders import open_orders
from keelmark.engine.state import State

LEVERAGE_MAX = 2**16 - 1
"""Largest leverage the columns hold, hundredths."""


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


def require_margin(
    state: State,
    after: UnitView,
    what: str,
    orders: Iterable[Order] | None = None,
) -> None:
    """Refuse what would leave the unit below its initial margin.

    Args:
        state: The state.
        after: The unit as it would be.
        what: Names it in the message.
        orders: Its reservations as they would be, `None` for those it has.

    Raises:
        Rejected: With what is missing.
        MissingMarkPrice: A price the check needs is not there.
    """
    require_trusted(state, after)
    if surely_keeps(state, after, orders):
        return
    excess = initial_excess(state, state.plain(after, orders))
    if excess < ZERO:
        raise refuse(
            RejectionReason.INSUFFICIENT_INITIAL_MARGIN,
            f"{what} would leave {state.book.unit_name(after.unit)} {-excess:f} "
            f"{state.model.valuation} short of its initial margin; deposit or reduce first",
        )


def surely_keeps(
    state: State, after: UnitView, orders: Iterable[Order] | None = None, *, leaving: bool = False
) -> bool:
    """Whether the kernels prove that a unit keeps its initial margin: `core` need not be asked.

    Arguments as `require_margin`; every price the unit reads is trusted. With `leaving`, the proof
    of `require_left`.
    """
    if tuple(state.orders.get(after.unit, {}).values() if orders is None else orders):
        return False
    return state.screen.keeps(after, state.prices, leaving=leaving)


def require_left(state: State, after: UnitView, what: str) -> None:
    """Refuse a payment that leaves less than initial margin without unrealised profit.

    Where the rulebook lets profit leave (`withdraw_profit`), the profit counts.

    Raises:
        Rejected: With what is missing.
        MissingMarkPrice: A price the check needs is not there.
    """
    indebted = any(amount < 0 for amount in after.balances.values())
    if not (after.positions or indebted or state.orders.get(after.unit)):
        return
    require_trusted(state, after)
    if surely_keeps(state, after, leaving=True):
        return
    report = margin_report(state.plain(after), state.market, state.model)
    if report.excess_to_leave < ZERO:
        profit = "" if report.withdraws_profit else "; unrealised profit does not leave"
        raise refuse(
            RejectionReason.INSUFFICIENT_INITIAL_MARGIN,
            f"{what} would leave {state.book.unit_name(after.unit)} {-report.excess_to_leave:f} "
            f"{state.model.valuation} short of its initial margin{profit}; deposit or reduce first",
        )


def require_leverage(state: State, after: UnitView, position: PositionView) -> None:
    """Refuse a leverage above what the tier of the position allows.

    Args:
        state: The state.
        after: The unit as it would be.
        position: Names instrument and leg, and the leverage set for them.

    Raises:
        Rejected: With the largest that is allowed.
    """
    key = (position.instrument, position.leg)
    held = next((p for p in after.positions if (p.instrument, p.leg) == key), None)
    if held is None or position.leverage == 0:
        return
    require_trusted(state, after)
    whole = replace(after, positions=(held,), balances={})
    report = position_margin(state.plain(whole, ()).positions[0], state.market, state.model)
    size = abs(report.position.size)
    allowed = report.terms.maintenance.leverage_max(size, report.notional)
    _require_allowed(state, position, report.notional, allowed)


def _require_allowed(
    state: State, chosen: PositionView, notional: Decimal, allowed: Decimal | None
) -> None:
    with exact():
        if allowed is None or chosen.leverage <= 100 * allowed:
            return
    symbol = state.universe.symbols[chosen.instrument]
    raise refuse(
        RejectionReason.LEVERAGE_ABOVE_MAXIMUM,
        f"a leverage of {Decimal(chosen.leverage) / 100:f} in {symbol} at a notional of "
        f"{notional:f}; its tier allows at most {allowed:f}",
    )


def require_storable_leverage(leverage: int) -> None:
    """Refuse a leverage the columns do not hold; raises `Rejected`."""
    if not 0 <= leverage <= LEVERAGE_MAX:
        raise refuse(
            RejectionReason.OUT_OF_SCALE,
            f"leverage {leverage}; give hundredths, 0 to {LEVERAGE_MAX}",
        )


def require_legs(*legs: int) -> None:
    """Refuse a leg that is none; raises `InvalidInput`."""
    known = [int(leg) for leg in Leg]
    for leg in legs:
        if leg not in known:
            msg = f"leg {leg}; 0 is one-way, 1 the long and -1 the short leg of hedge mode"
            raise InvalidInput(msg)


def require_mode(state: State, view: UnitView, added: PositionView) -> None:
    """Refuse a hedge leg where the venue nets, and a mix of modes in one instrument of a unit."""
    is_net = added.leg == Leg.NET
    if not is_net and not state.rulebook.document.hedge_mode:
        raise refuse(
            RejectionReason.POSITION_MODE,
            f"{state.rulebook.name} nets both sides of an instrument; fill with leg 0",
        )
    held = [p for p in view.positions if p.instrument == added.instrument]
    if any(p.leg == added.leg for p in held):
        return
    if any((p.leg == Leg.NET) != is_net for p in held):
        symbol = state.universe.symbols[added.instrument]
        raise refuse(
            RejectionReason.POSITION_MODE,
            f"{state.book.unit_name(view.unit)} holds {symbol} in "
            f"{'hedge' if is_net else 'one-way'} mode; close that first, or name its leg",
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
    then = margin_report(
        replace(now, orders=open_orders(state.universe, orders)), state.market, state.model
    )
    _require_order_leverage(state, order, then)
    after = then.excess(MarginPurpose.INITIAL)
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


def _require_order_leverage(state: State, order: Order, then: MarginReport) -> None:
    """Refuse a leverage above what is allowed if all orders of the instrument are filled."""
    symbol = state.universe.symbols[order.instrument]
    whole = next((row for row in then.orders if row.orders.instrument == symbol), None)
    if whole is None or not order.leverage or not order.reserves:
        return
    terms = state.model.instrument(symbol)
    with exact():
        allowed = terms.maintenance.leverage_max(whole.exposure, whole.notional)
    chosen = PositionView(order.instrument, Leg(order.leg), order.lots, 0, order.leverage)
    _require_allowed(state, chosen, whole.notional, allowed)


def require_trusted(state: State, view: UnitView) -> None:
    """Refuse new risk on a price that is not trusted; raises `Rejected`."""
    if state.depends_on_untrusted(view):
        raise refuse(
            RejectionReason.UNTRUSTED_MARK,
            f"{state.book.unit_name(view.unit)} depends on a price that is missing, stale or out "
            "of its band; wait for a good price",
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


def require_in_full(state: State, view: UnitView, asset: int) -> None:
    """Refuse an isolated unit in a coin that its venue counts in full and the columns at a weight.

    Raises:
        InvalidInput: Naming the asset.
    """
    if view.kind is not UnitKind.ISOLATED or not state.rulebook.document.isolated_in_full:
        return
    name = state.universe.assets[asset]
    if not state.model.asset(name).schedule.is_identity:
        msg = (
            f"{state.book.unit_name(view.unit)}: {state.rulebook.name} counts {name} in full "
            "behind an isolated position, the book at its collateral weight; take the cross unit, "
            "or check the account as a document"
        )
        raise InvalidInput(msg)


def require_asset(state: State, asset: int) -> None:
    """Refuse an asset the book does not know; raises `UnknownAsset`."""
    if not 0 <= asset < len(state.universe.assets):
        msg = f"asset {asset} is not in the book; rows are 0..{len(state.universe.assets) - 1}"
        raise UnknownAsset(msg)


def require_instrument(state: State, instrument: int, *, everything: bool = False) -> None:
    """Refuse an instrument the book does not know; raises `UnknownInstrument`."""
    if everything and instrument == -1:
        return
    if not 0 <= instrument < len(state.universe.symbols):
        state.universe.instrument_row(f"row {instrument}")
