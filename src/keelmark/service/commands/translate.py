"""Forms as commands of the engine."""

from collections.abc import Callable
from typing import Any

from keelmark.engine import commands as c
from keelmark.engine.state import State
from keelmark.service.commands import forms as f
from keelmark.service.commands.grid import (
    LEGS,
    Grid,
    WrongField,
    columns,
    leverage,
    rate,
    require_plain_name,
    usage,
)
from keelmark.service.times import time_ms_of

EVERYTHING = -1
PRICE_KINDS = frozenset({"stop_loss", "take_profit"})


def command_of(form: f.Form, grid: Grid, state: State) -> c.Command:
    """Return a form as a command of the engine.

    Args:
        form: One of `forms`.
        grid: Names and steps of the venue.
        state: The same state as the grid's.

    Raises:
        WrongField: A name is unknown, or an amount is not on the venue's grid.
        InvalidInput: An instant cannot be read.
    """
    make = _MAKE.get(type(form))
    return make(form, grid) if make is not None else _EXTERNAL[type(form)](form, grid, state)


def admin_command(form: f.Form, grid: Grid, operator: str) -> c.Command:
    """Return an operator's form as a command of the engine.

    Args:
        form: One of `forms.AnyAdmin`.
        grid: Names and steps of the venue.
        operator: Who decides.

    Raises:
        WrongField: A name is unknown, or a price is not on the venue's grid.
    """
    return _ADMIN[type(form)](form, grid, operator)


def _deposit(form: f.Deposit, grid: Grid) -> c.Command:
    asset = grid.asset(form.asset)
    unit = grid.unit(form.account, form.unit)
    return c.Deposit(unit=unit, asset=asset, quanta=grid.quanta(asset, form.amount))


def _withdraw(form: f.Withdraw, grid: Grid) -> c.Command:
    asset = grid.asset(form.asset)
    unit = grid.unit(form.account, form.unit)
    return c.Withdraw(unit=unit, asset=asset, quanta=grid.quanta(asset, form.amount))


def _transfer(form: f.Transfer, grid: Grid) -> c.Command:
    asset = grid.asset(form.asset)
    return c.Transfer(
        source=grid.unit(form.source.account, form.source.unit, "source"),
        target=grid.unit(form.target.account, form.target.unit, "target"),
        asset=asset,
        quanta=grid.quanta(asset, form.amount),
    )


def _open_account(form: f.OpenAccount, _: Grid) -> c.Command:
    require_plain_name(form.name)
    return c.OpenAccount(name=form.name)


def _open_isolated(form: f.OpenIsolated, grid: Grid) -> c.Command:
    return c.OpenIsolated(account=grid.account(form.account))


def fill_of(form: f.Fill | f.FillRow, grid: Grid, where: str = "") -> c.Fill:
    """Return a trade as the engine takes it."""
    prefix = f"{where}." if where else ""
    row = grid.instrument(form.instrument, f"{prefix}instrument")
    settle = grid.settle(row)
    other = form.counterparty
    if other is None:
        counterparty = grid.unit(None, "liquidity")
    else:
        counterparty = grid.unit(other.account, other.unit, f"{prefix}counterparty")
    return c.Fill(
        unit=grid.unit(form.account, form.unit, where),
        counterparty=counterparty,
        instrument=row,
        lots=grid.lots(row, form.size, f"{prefix}size"),
        ticks=grid.ticks(row, form.price, f"{prefix}price"),
        leg=LEGS[form.leg],
        counterparty_leg=LEGS[form.counterparty_leg],
        fee=grid.quanta(settle, form.fee, f"{prefix}fee"),
        counterparty_fee=grid.quanta(settle, form.counterparty_fee, f"{prefix}counterparty_fee"),
        leverage=leverage(form.leverage, f"{prefix}leverage"),
        counterparty_leverage=leverage(
            form.counterparty_leverage, f"{prefix}counterparty_leverage"
        ),
        order=form.order,
        counterparty_order=form.counterparty_order,
    )


def _fills(form: f.FillBatch, grid: Grid) -> c.Command:
    rows = (fill_of(row, grid, f"fills[{at}]") for at, row in enumerate(form.fills))
    return c.FillBatch(fills=tuple(rows))


def _set_leverage(form: f.SetLeverage, grid: Grid) -> c.Command:
    return c.SetLeverage(
        unit=grid.unit(form.account, form.unit),
        instrument=grid.instrument(form.instrument),
        leverage=leverage(form.leverage),
        leg=LEGS[form.leg],
    )


def _reserve(form: f.ReserveOrder, grid: Grid) -> c.Command:
    row = grid.instrument(form.instrument)
    return c.ReserveOrder(
        unit=grid.unit(form.account, form.unit),
        order=form.order,
        instrument=row,
        lots=grid.lots(row, form.size),
        ticks=grid.ticks(row, form.price),
        leg=LEGS[form.leg],
        leverage=leverage(form.leverage),
        reduce_only=form.reduce_only,
    )


def _release(form: f.ReleaseOrder, grid: Grid) -> c.Command:
    lots = 0
    if form.size is not None:
        if form.instrument is None:
            msg = "a part of an order needs its instrument, which says how large a lot is"
            raise WrongField(msg, where="instrument")
        lots = grid.lots(grid.instrument(form.instrument), form.size)
        if lots <= 0:
            msg = f"a part of {form.size}; give a positive size, or none for the whole order"
            raise WrongField(msg, where="size")
    return c.ReleaseOrder(unit=grid.unit(form.account, form.unit), order=form.order, lots=lots)


def _funding(form: f.PostFunding, grid: Grid) -> c.Command:
    found = []
    for at, line in enumerate(form.rows):
        row = grid.instrument(line.instrument, f"rows[{at}].instrument")
        ticks = grid.ticks(row, line.price, f"rows[{at}].price")
        found.append((row, rate(line.rate, f"rows[{at}].rate"), ticks))
    instruments, rates, prices = columns(found)
    return c.PostFunding(instruments=instruments, rates=rates, ticks=prices)


def _interest(form: f.PostInterest, grid: Grid) -> c.Command:
    assets, rates = columns(
        (grid.asset(line.asset, f"rows[{at}].asset"), rate(line.rate, f"rows[{at}].rate"))
        for at, line in enumerate(form.rows)
    )
    return c.PostInterest(assets=assets, rates=rates)


def _settle(form: f.Settle, grid: Grid) -> c.Command:
    row = grid.instrument(form.instrument)
    return c.Settle(instrument=row, ticks=grid.ticks(row, form.price))


def _advance_time(form: f.AdvanceTime, _: Grid) -> c.Command:
    return c.AdvanceTime(time_ms=time_ms_of(form.time))


def _set_protection(form: f.SetProtection, grid: Grid) -> c.Command:
    row = EVERYTHING if form.instrument is None else grid.instrument(form.instrument)
    asset = EVERYTHING if form.asset is None else grid.asset(form.asset)
    if form.kind in PRICE_KINDS:
        if form.instrument is None:
            msg = f"a {form.kind} is of an instrument; name it"
            raise WrongField(msg, where="instrument")
        trigger = grid.ticks(row, form.trigger, "trigger")
    elif form.kind == "equity_floor":
        trigger = grid.quanta(max(0, asset), form.trigger, "trigger")
    else:
        trigger = usage(form.trigger, "trigger")
    source = form.source
    return c.SetProtection(
        unit=grid.unit(form.account, form.unit),
        protection=form.protection,
        kind=form.kind,
        trigger=trigger,
        instrument=row,
        source=EVERYTHING if source is None else grid.unit(source.account, source.unit, "source"),
        asset=asset,
        target=0 if form.target is None else usage(form.target, "target"),
    )


def _remove_protection(form: f.RemoveProtection, grid: Grid) -> c.Command:
    unit = grid.unit(form.account, form.unit)
    return c.RemoveProtection(unit=unit, protection=form.protection)


# --- what a market reports ------------------------------------------------------------------------


def _execution(form: f.ReportExecution, grid: Grid, state: State) -> c.Command:
    row = grid.instrument(form.instrument)
    known = state.working.find(form.order)
    if known is not None and known.instrument != row:
        symbol = state.universe.symbols[known.instrument]
        msg = f"order {form.order} is one of {symbol}, not of {form.instrument}"
        raise WrongField(msg, where="instrument")
    return c.ReportExecution(
        order=form.order,
        execution=form.execution,
        lots=grid.lots(row, form.size),
        ticks=grid.ticks(row, form.price),
        fee=None if form.fee is None else grid.quanta(grid.settle(row), form.fee, "fee"),
    )


def _close_order(form: f.CloseOrder, *_: object) -> c.Command:
    return c.CloseOrder(order=form.order, outcome=form.outcome, reason=form.reason)


# --- operators ------------------------------------------------------------------------------------


def _everything_or(instrument: str | None, grid: Grid) -> int:
    return EVERYTHING if instrument is None else grid.instrument(instrument)


def _pause(form: f.Pause, grid: Grid, _: str) -> c.Command:
    return c.Pause(instrument=_everything_or(form.instrument, grid), reason=form.reason)


def _resume(form: f.Resume, grid: Grid, _: str) -> c.Command:
    return c.Resume(instrument=_everything_or(form.instrument, grid), reason=form.reason)


def _override(form: f.Override, grid: Grid, operator: str) -> c.Command:
    unit = grid.unit(form.account, form.unit)
    return c.Override(unit=unit, action=form.action, operator=operator, reason=form.reason)


def _close_account(form: f.CloseAccount, grid: Grid, _: str) -> c.Command:
    prices: dict[int, int] = {}
    for name, price in form.prices.items():
        where = f"prices.{name}"
        row = grid.instrument(name, where)
        prices[row] = grid.ticks(row, price, where)
        if not form.force:
            grid.require_near_mark(row, prices[row], where)
    return c.CloseAccount(
        account=grid.account(form.account),
        reason=form.cause,
        price_source=form.price_source,
        instruments=tuple(prices),
        ticks=tuple(prices.values()),
    )


def _set_rulebook(form: f.SetRulebook, *_: object) -> c.Command:
    return c.SetRulebook(text=form.text)


_MAKE: dict[type, Callable[[Any, Grid], c.Command]] = {
    f.OpenAccount: _open_account,
    f.OpenIsolated: _open_isolated,
    f.Deposit: _deposit,
    f.Withdraw: _withdraw,
    f.Transfer: _transfer,
    f.Fill: fill_of,
    f.FillBatch: _fills,
    f.SetLeverage: _set_leverage,
    f.ReserveOrder: _reserve,
    f.ReleaseOrder: _release,
    f.PostFunding: _funding,
    f.PostInterest: _interest,
    f.Settle: _settle,
    f.AdvanceTime: _advance_time,
    f.SetProtection: _set_protection,
    f.RemoveProtection: _remove_protection,
}
_EXTERNAL: dict[type, Callable[[Any, Grid, State], c.Command]] = {
    f.ReportExecution: _execution,
    f.CloseOrder: _close_order,
}
_ADMIN: dict[type, Callable[[Any, Grid, str], c.Command]] = {
    f.Pause: _pause,
    f.Resume: _resume,
    f.Override: _override,
    f.CloseAccount: _close_account,
    f.SetRulebook: _set_rulebook,
}
