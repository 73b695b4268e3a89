"""The venue's own money: insurance funds and what they may still spend, fees, the backstop."""

from decimal import Decimal

import numpy as np

from keelmark.book.totals import Totals, totals
from keelmark.book.views import UnitView
from keelmark.core.numbers import exact
from keelmark.core.process import Stage
from keelmark.engine.entries import FundWindow
from keelmark.engine.state import DEFAULT_FUND, State
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
)
from keelmark.service.views.moment import state_of
from keelmark.service.views.prices import mark_of

RESIDUE, FEES = "residue", "fees"


def fund(reader: Reader) -> Json:
    """Return the venue's own money, and what the whole book adds up to.

    Asks for the fleet: call it where a pass over every account is no harm.
    """
    return own_money(reader) | book_totals(reader)


def own_money(reader: Reader) -> Json:
    """Return funds by segment with their windows, fees, residue and the backstop."""
    position, state = reader.position, reader.state
    rules = state.rules
    segments = rules.insurance.segments
    return {
        "position": position,
        "time": maybe_instant(state.time_ms),
        "valuation": state.model.valuation,
        "segments": [
            {
                "segment": name,
                "instruments": None if name == DEFAULT_FUND else list(segments[name]),
                "assets": _fund(reader, state, state.book.in_house[f"fund:{name}"]),
            }
            for name in (DEFAULT_FUND, *segments)
        ],
        "fees": _balances(state, reader.view(state.book.in_house[FEES])),
        "residue": _balances(state, reader.view(state.book.in_house[RESIDUE])),
        "backstop": _backstop(reader, state),
        "sold_window": _sold(state),
    }


def book_totals(reader: Reader) -> Json:
    """Return open interest, and what the vault holds beyond every claim on it: zero (INV-01)."""
    glimpse = reader.fleet()
    state = state_of(glimpse, reader.state)
    sums = totals(state.book)
    return {
        "totals_position": glimpse.position,
        "totals_time": maybe_instant(glimpse.time_ms),
        "open_interest": [_open_interest(state, row, sums) for row in range(len(sums.longs))],
        "conservation": _conservation(state, sums, glimpse.vault),
    }


def _open_interest(state: State, row: int, sums: Totals) -> Json:
    instrument, mark = state.universe.instrument(row), mark_of(state, row)
    held = size(state.universe, row, sums.longs[row])
    with exact():
        notional = None if mark is None else text(abs(instrument.value(held, mark)))
        worth = text(held)
    return {
        "instrument": instrument.symbol,
        "settle": instrument.settle,
        "size": worth,
        "notional": notional,
        "is_symmetric": sums.longs[row] == -sums.shorts[row],
    }


def _conservation(state: State, sums: Totals, vault: tuple[int, ...] | None) -> list[Json]:
    """Return the residual by asset; unknown where the vault of that very moment is not known."""
    rows = []
    for asset, name in enumerate(state.universe.assets):
        claims = sums.balances[asset] - sums.costs[asset]
        known = None if vault is None else vault[asset]
        rows.append(
            {
                "asset": name,
                "claims": money(state.universe, asset, claims),
                "vault": None if known is None else money(state.universe, asset, known),
                "residual": None if known is None else money(state.universe, asset, known - claims),
            }
        )
    return rows


def _fund(reader: Reader, state: State, unit: int) -> list[Json]:
    view = reader.view(unit)
    known = {asset for spent, asset in list(state.fund_windows) if spent == unit}
    rows = sorted({*(a for a, quanta in view.balances.items() if quanta), *known})
    return [
        {
            "asset": state.universe.assets[asset],
            "balance": money(state.universe, asset, view.balances.get(asset, 0)),
            "window": _window(state, unit, asset, view.balances.get(asset, 0)),
        }
        for asset in rows
    ]


def _window(state: State, unit: int, asset: int, balance: int) -> Json:
    """Return what a fund spent of what its present window allows; `State.fund_money` of one."""
    rules, universe = state.rules.insurance, state.universe
    window = state.fund_windows.get((unit, asset))
    if window is None or state.time_ms - window.start_ms >= 1000 * rules.window_s:
        window = FundWindow(start_ms=state.time_ms, base=max(0, balance))
    with exact():
        allowed = int(window.base * rules.window_share)
    left = max(0, min(max(0, balance), allowed - window.spent))
    return {
        "start": maybe_instant(window.start_ms),
        "ends": maybe_instant(window.start_ms and window.start_ms + 1000 * rules.window_s),
        "base": money(universe, asset, window.base),
        "allowed": money(universe, asset, allowed),
        "spent": money(universe, asset, window.spent),
        "left": money(universe, asset, left),
    }


def _balances(state: State, view: UnitView) -> list[Json]:
    universe = state.universe
    return [
        {"asset": universe.assets[asset], "balance": money(universe, asset, quanta)}
        for asset, quanta in view.balances.items()
        if quanta
    ]


def _backstop(reader: Reader, state: State) -> Json:
    """Return what the backstop holds and what it may still lose; unknown where a price lacks."""
    view, rules = reader.view(state.backstop), state.rules.takeover
    missing = [
        state.universe.symbols[p.instrument]
        for p in view.positions
        if mark_of(state, p.instrument) is None
    ]
    report = None if missing else reader.report(state.backstop)
    notional = None
    if report is not None:
        prices = {a.asset: a.price for a in report.assets}
        with exact():
            notional = sum((p.notional * prices[p.settle] for p in report.positions), Decimal(0))
    return {
        "runs": state.rules.runs(Stage.TAKEOVER),
        "equity": None if report is None else text(report.equity),
        "reason": f"no price of {', '.join(missing)} yet" if missing else None,
        "balances": _balances(state, view),
        "inventory": None if notional is None else text(notional),
        "inventory_max": None if rules.inventory_max is None else text(rules.inventory_max),
        "positions": [_held(state, view, place) for place in range(len(view.positions))],
        "loss_window": _loss_window(state, None if report is None else report.equity),
        "deleverage_below": None
        if rules.deleverage_below is None
        else text(rules.deleverage_below),
    }


def _held(state: State, view: UnitView, place: int) -> Json:
    """Return one position of the backstop."""
    position, universe = view.positions[place], state.universe
    instrument, mark = universe.instrument(position.instrument), mark_of(state, position.instrument)
    held = size(universe, position.instrument, position.lots)
    profit = None
    with exact():
        value = None if mark is None else instrument.value(held, mark)
        if value is not None:
            cost = amount(universe, settle_row(universe, position.instrument), position.cost)
            profit = text(value - cost)
    return {
        "instrument": instrument.symbol,
        "side": "long" if position.lots > 0 else "short",
        "size": text(held),
        "mark_price": price_text(mark),
        "notional": None if value is None else text(abs(value)),
        "unrealized_pnl": profit,
    }


def _loss_window(state: State, equity: Decimal | None) -> Json | None:
    """Return what the backstop lost in its window; nothing where its loss is not capped."""
    rules, window = state.rules.takeover, state.loss_window
    if rules.loss_max is None:
        return None
    ends_ms = window.start_ms + 1000 * rules.loss_window_s
    is_open = state.time_ms < ends_ms and window.start_ms > 0
    began = Decimal(repr(window.equity)) if np.isfinite(window.equity) else None
    lost = None
    if is_open and equity is not None and began is not None:
        with exact():
            lost = began - equity
    return {
        "start": instant(window.start_ms) if is_open else None,
        "ends": instant(ends_ms) if is_open else None,
        "equity": text(began) if is_open and began is not None else None,
        "lost": None if lost is None else text(lost),
        "loss_max": text(rules.loss_max),
        "is_spent": lost is not None and lost >= rules.loss_max,
    }


def _sold(state: State) -> Json | None:
    """Return what liquidations sold in the present window; nothing where that is not limited."""
    limit = state.rules.guards.notional_max
    if limit is None:
        return None
    is_open = state.time_ms < state.sold_window_end()
    with exact():
        left = state.sold_left()
        return {
            "ends": instant(state.sold_window_end()) if is_open else None,
            "sold": text(state.sold_window.notional) if is_open else "0",
            "left": text(left),
            "limit": text(limit),
        }
