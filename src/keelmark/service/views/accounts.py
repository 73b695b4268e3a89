"""Accounts as the venue sees them: a list to search, and one of them whole."""

from collections.abc import Mapping
from decimal import Decimal

from keelmark.book.views import PositionView, UnitView
from keelmark.core.codes import Leg, UnitKind, UnitStatus
from keelmark.core.errors import InvalidInput, MissingNumber
from keelmark.core.margin import MarginReport, PositionMargin
from keelmark.core.numbers import exact
from keelmark.engine.entries import MILLION, PRICE_KINDS, USAGE_KINDS, Order, Protection
from keelmark.engine.state import State
from keelmark.service.reading import Reader
from keelmark.service.views.figures import (
    Json,
    amount,
    instant,
    maybe_instant,
    money,
    price_text,
    settle_row,
    size,
    text,
    tick_price,
)
from keelmark.service.views.names import Roster, account_number, page_of, unit_id
from keelmark.service.views.prices import (
    mark_of,
    price_of_asset,
    trust_of_asset,
    trust_of_instrument,
)
from keelmark.service.views.stages import level_name, stage_of, worst

LIMIT, LIMIT_MAX = 100, 1_000
QUERY_MAX = 100
"""Longest text that is searched for."""


# --- the list -----------------------------------------------------------------------------------


def accounts(
    reader: Reader,
    roster: Roster,
    *,
    after: int | None = None,
    limit: int = LIMIT,
    query: str = "",
) -> Json:
    """Return a page of accounts, by number; of those whose name holds a text, or of that number.

    Raises:
        InvalidInput: The page or the text is none.
    """
    _require_page(limit, query)
    position, state = reader.position, reader.state
    names, total = roster.of(state), state.book.accounts_count
    if query:
        wanted = _matching(names, query, total)
        later = [number for number in wanted if after is None or number > after]
        chosen, total = later[:limit], len(wanted)
        rest = len(later) > limit
    else:
        chosen = list(page_of(total, after, limit))
        rest = bool(chosen) and chosen[-1] + 1 < total
    return {
        "position": position,
        "time": maybe_instant(state.time_ms),
        "total": total,
        "next": chosen[-1] if rest else None,
        "accounts": [_summary(reader, state, number, names.get(number)) for number in chosen],
    }


def _require_page(limit: int, query: str) -> None:
    if not 1 <= limit <= LIMIT_MAX:
        msg = f"limit={limit}: a page has 1 to {LIMIT_MAX} accounts"
        raise InvalidInput(msg)
    if len(query) > QUERY_MAX:
        msg = f"a query of {len(query)} characters; {QUERY_MAX} are searched for at most"
        raise InvalidInput(msg)


def _matching(names: Mapping[int, str], query: str, total: int) -> list[int]:
    """Return the accounts whose name holds a text, and the one of that number, rising."""
    wanted = query.casefold()
    found = {number for number, name in names.items() if wanted in name.casefold()}
    if query.isascii() and query.isdigit() and len(query) < 12 and int(query) < total:  # noqa: PLR2004
        found.add(int(query))
    return sorted(found)


def _summary(reader: Reader, state: State, number: int, name: str | None) -> Json:
    """Return one row of the list."""
    views = [reader.view(unit) for unit in state.book.units_of(number)]
    levels = [state.levels.get(view.unit, 0) for view in views]
    units = [view.unit for view in views]
    return {
        "account": number,
        "name": name,
        "status": _status(views),
        "stage": worst([stage_of(state, view) for view in views]).value,
        "units": len(views),
        "positions": sum(len(view.positions) for view in views),
        "orders": sum(len(state.orders.get(unit, ())) for unit in units),
        "level": level_name(state, max(levels, default=0)),
        "cases": [state.cases[unit].case for unit in units if unit in state.cases],
        "is_held": any(unit in state.held for unit in units),
    }


def _status(views: list[UnitView]) -> str:
    is_closed = bool(views) and all(view.status is UnitStatus.CLOSED for view in views)
    return "closed" if is_closed else "active"


# --- one of them --------------------------------------------------------------------------------


def account(reader: Reader, roster: Roster, name: str) -> Json:
    """Return an account whole: units, balances, positions, orders, margin and what goes on.

    Raises:
        UnknownAccount: There is none of that name or number.
    """
    number = account_number(reader, name)
    state = reader.state
    reading = reader.read(state.book.units_of(number))
    reports: list[MarginReport | str] = []
    for place in range(len(reading.views)):
        try:
            reports.append(reading.report(place))
        except (MissingNumber, InvalidInput) as error:
            reports.append(str(error))
    views = list(reading.views)
    return {
        "position": reading.position,
        "time": maybe_instant(reading.time_ms),
        "account": number,
        "name": roster.of(state).get(number),
        "status": _status(views),
        "stage": worst([stage_of(state, view) for view in views]).value,
        "units": [_unit(state, view, report) for view, report in zip(views, reports, strict=True)],
    }


def _unit(state: State, view: UnitView, report: MarginReport | str) -> Json:
    unit, level = view.unit, state.levels.get(view.unit, 0)
    return {
        "unit": unit,
        "unit_id": unit_id(view, state),
        "kind": UnitKind(view.kind).name.lower(),
        "status": UnitStatus(view.status).name.lower(),
        "stage": stage_of(state, view).value,
        "balances": [_balance(state, asset, q) for asset, q in view.balances.items() if q],
        "positions": _positions(state, view, report),
        "orders": [
            _order(state, number, order)
            for number, order in sorted(state.orders.get(unit, {}).items())
        ],
        "protections": [
            _protection(state, number, kept)
            for number, kept in sorted(state.protections.get(unit, {}).items())
        ],
        "margin": margin_document(state, report),
        "level": {
            "level": level,
            "name": level_name(state, level),
            "usage": text(state.usages[level - 1]),
        }
        if 0 < level <= len(state.usages)
        else None,
        "grace_until": maybe_instant(state.grace.get(unit, 0)),
        "is_held": unit in state.held,
        "missing_prices": [state.universe.factors[row].name for row in missing_of(state, view)],
        "liquidation": _case(state, unit),
    }


def missing_of(state: State, view: UnitView) -> tuple[int, ...]:
    """Return the untrusted price rows that a unit with something at risk reads."""
    at_risk = bool(view.positions) or any(quanta < 0 for quanta in view.balances.values())
    if not state.untrusted or not at_risk:
        return ()
    rows = {int(state.universe.asset_rows[asset]["price_factor"]) for asset in view.balances}
    for position in view.positions:
        rows |= state.factors_of(position.instrument)
    return tuple(sorted(rows & state.untrusted))


def margin_document(state: State, report: MarginReport | str) -> Json:
    """Return totals, or why they are not known; ratios that do not exist carry their reason."""
    if isinstance(report, str):
        return {"status": "unknown", "reason": report}
    model = state.model
    currency = report.assets[0].asset if model.single_asset and report.assets else model.valuation
    table: Json = {
        "status": "known",
        "currency": currency,
        "equity": text(report.equity),
        "initial_margin": text(report.initial_margin),
        "maintenance_margin": text(report.maintenance_margin),
        "excess": text(report.maintenance_excess),
        "available": text(report.available),
        "withdrawable": text(report.withdrawable),
        "is_liquidatable": report.is_liquidatable,
    }
    ratios = {"margin_ratio": report.margin_ratio, "effective_leverage": report.effective_leverage}
    for name, ratio in ratios.items():
        table[name] = None if ratio.value is None else text(ratio.value)
        if ratio.reason is not None:
            table[f"{name}_reason"] = ratio.reason
    return table


def _balance(state: State, asset: int, quanta: int) -> Json:
    return {
        "asset": state.universe.assets[asset],
        "balance": money(state.universe, asset, quanta),
        "price": price_text(price_of_asset(state, asset)),
        "trust": trust_of_asset(state, asset).value,
    }


def _positions(state: State, view: UnitView, report: MarginReport | str) -> list[Json]:
    """Return the positions of a unit, with their margin where it is known."""
    known: dict[tuple[str, int], PositionMargin] = {}
    if not isinstance(report, str):
        known = {(p.position.instrument, int(p.position.leg)): p for p in report.positions}
    symbols = state.universe.symbols
    return [
        position_document(state, p, known.get((symbols[p.instrument], int(p.leg))))
        for p in view.positions
    ]


def position_document(state: State, position: PositionView, margin: PositionMargin | None) -> Json:
    """Return one position, amounts in its settle asset."""
    universe, row = state.universe, position.instrument
    instrument, mark = universe.instrument(row), mark_of(state, row)
    held = size(universe, row, position.lots)
    with exact():
        cost = amount(universe, settle_row(universe, row), position.cost)
        value = None if mark is None else instrument.value(held, mark)
        entry = instrument.price_at(cost / held)
        profit = None if value is None else value - cost
        return {
            "instrument": instrument.symbol,
            "side": "long" if position.lots > 0 else "short",
            "leg": Leg(position.leg).name.lower(),
            "settle": instrument.settle,
            "size": text(held),
            "entry_value": text(abs(cost)),
            "entry_price": None if entry is None else text(entry),
            "mark_price": price_text(mark),
            "trust": trust_of_instrument(state, row).value,
            "notional": None if value is None else text(abs(value)),
            "unrealized_pnl": None if profit is None else text(profit),
            "initial_margin": None if margin is None else text(margin.initial_margin),
            "maintenance_margin": None if margin is None else text(margin.maintenance_margin),
            "leverage": text(Decimal(position.leverage) / 100) if position.leverage else None,
        }


def _order(state: State, number: int, order: Order) -> Json:
    universe, row = state.universe, order.instrument
    return {
        "order": number,
        "instrument": universe.symbols[row],
        "side": "buy" if order.lots > 0 else "sell",
        "size": text(abs(size(universe, row, order.lots))),
        "price": text(tick_price(universe, row, order.ticks)),
        "leg": Leg(order.leg).name.lower(),
        "leverage": text(Decimal(order.leverage) / 100) if order.leverage else None,
        "reduce_only": order.reduce_only,
    }


def _protection(state: State, number: int, kept: Protection) -> Json:
    universe = state.universe
    if kept.kind in PRICE_KINDS:
        trigger, of = tick_price(universe, kept.instrument, kept.trigger), "price"
    elif kept.kind in USAGE_KINDS:
        trigger, of = Decimal(kept.trigger) / MILLION, "usage"
    else:
        trigger, of = amount(universe, max(0, kept.asset), kept.trigger), "equity"
    return {
        "protection": number,
        "kind": kept.kind,
        "instrument": universe.symbols[kept.instrument] if kept.instrument >= 0 else None,
        "trigger": text(trigger),
        "trigger_of": of,
        "asset": _asset_of(state, kept),
        "source_unit": kept.source if kept.source >= 0 else None,
        "target": text(Decimal(kept.target) / MILLION) if kept.target else None,
    }


def _asset_of(state: State, kept: Protection) -> str | None:
    """Return the asset a protection is in: of a top-up, and the one an equity floor is told in."""
    row = max(0, kept.asset) if kept.kind == "equity_floor" else kept.asset
    return state.universe.assets[row] if row >= 0 else None


def _case(state: State, unit: int) -> Json | None:
    case = state.cases.get(unit)
    if case is None:
        return None
    return {
        "case": case.case,
        "attempts": case.attempts,
        "wakes": instant(case.wake_ms) if case.wake_ms > state.time_ms else None,
        "cooldown": instant(case.cooldown_ms) if case.cooldown_ms > state.time_ms else None,
        "exhausted": sorted(case.exhausted),
    }


__all__ = ["account", "accounts", "margin_document", "missing_of", "position_document"]
