"""Decide about one command: the events it leads to, or a rejection. Changes nothing."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from keelmark.book.records import AMOUNT_LIMIT, SIZE_LIMIT
from keelmark.book.views import PositionView
from keelmark.core.codes import Leg
from keelmark.core.errors import (
    DuplicateId,
    InvalidInput,
    OutOfScale,
    RejectionReason,
)
from keelmark.engine import commands as c
from keelmark.engine import events as e
from keelmark.engine.admission import (
    initial_excess,
    refuse,
    require_asset,
    require_client,
    require_free,
    require_in_full,
    require_instrument,
    require_left,
    require_legs,
    require_leverage,
    require_margin,
    require_mode,
    require_open,
    require_positive,
    require_price,
    require_priced,
    require_room_for,
    require_storable_leverage,
    require_trusted,
)
from keelmark.engine.closing import closing_events
from keelmark.engine.compatibility import require_compatible
from keelmark.engine.entries import Order
from keelmark.engine.fills import batch_events, fill_events
from keelmark.engine.protections import require_protection
from keelmark.engine.reports import (
    cancels,
    cancels_in,
    cancels_of,
    close_events,
    report_events,
)
from keelmark.engine.state import State
from keelmark.engine.trial import after_payment
from keelmark.rulebooks.load import read_rulebook

Events = list[Any]


def decide(state: State, command: c.Command) -> Events:
    """Return what a command does.

    Raises:
        Rejected: A rule says no.
        InvalidInput: It is no command, names something unknown, or cannot be carried.
    """
    decision = _DECIDE.get(type(command))
    if decision is None:
        msg = f"{command!r:.60} is no command; send one of keelmark.engine.commands"
        raise InvalidInput(msg)
    return decision(state, command)


def _open_account(state: State, command: c.OpenAccount) -> Events:
    if not command.name.strip():
        msg = f"an account named {command.name!r}; give it a name of its own"
        raise InvalidInput(msg)
    if command.name in state.names:
        msg = f"account {command.name!r} exists already; use another name"
        raise DuplicateId(msg)
    account, unit = state.book.accounts_count, state.book.units_count
    return [e.AccountOpened(account=account, unit=unit, name=command.name)]


def require_openings(state: State, event: e.AccountsOpened) -> None:
    """Refuse openings in bulk that name an account nobody opens; raises `InvalidInput`."""
    known = state.book.accounts_count
    accounts = known + max(0, event.count)
    wrong = [int(account) for account in event.isolated if not 0 <= account < accounts]
    for account in np.unique(event.isolated).tolist():
        if 0 <= account < known:
            require_open(state, state.book.cross_unit(account))
    if event.count < 0 or wrong:
        msg = (
            f"{event.count} accounts, isolated units of {wrong[:5]}; accounts are 0..{accounts - 1}"
        )
        raise InvalidInput(msg)


def _open_isolated(state: State, command: c.OpenIsolated) -> Events:
    require_open(state, state.book.cross_unit(command.account))
    return [e.IsolatedOpened(account=command.account, unit=state.book.units_count)]


def _deposit(state: State, command: c.Deposit) -> Events:
    view = require_open(state, command.unit)
    require_asset(state, command.asset)
    require_priced(state, view, command.asset)
    require_in_full(state, view, command.asset)
    require_positive(command.quanta, "a deposit")
    return [e.Deposited(unit=command.unit, asset=command.asset, quanta=command.quanta)]


def _withdraw(state: State, command: c.Withdraw) -> Events:
    _require_payable(state, command.unit, command.asset, command.quanta, "the withdrawal")
    return [e.Withdrawn(unit=command.unit, asset=command.asset, quanta=command.quanta)]


def _transfer(state: State, command: c.Transfer) -> Events:
    target = require_open(state, command.target)
    if command.source == command.target:
        msg = f"a transfer from unit {command.source} to itself; name two units"
        raise InvalidInput(msg)
    _require_payable(state, command.source, command.asset, command.quanta, "the transfer")
    require_priced(state, target, command.asset)
    require_in_full(state, target, command.asset)
    return [
        e.Transferred(
            source=command.source,
            target=command.target,
            asset=command.asset,
            quanta=command.quanta,
        ),
    ]


def _require_payable(state: State, unit: int, asset: int, quanta: int, what: str) -> None:
    """Refuse a payment that the balance or the initial margin does not allow."""
    view = require_free(state, unit)
    require_asset(state, asset)
    require_positive(quanta, what)
    held = view.balances.get(asset, 0)
    if held < quanta:
        raise refuse(
            RejectionReason.INSUFFICIENT_BALANCE,
            f"{what} of {quanta} quanta of {state.universe.assets[asset]}; "
            f"{state.book.unit_name(unit)} holds {held}",
        )
    require_left(state, after_payment(view, asset, -quanta), what)


def _set_leverage(state: State, command: c.SetLeverage) -> Events:
    require_client(state, command.unit)
    view = require_free(state, command.unit)
    require_instrument(state, command.instrument)
    require_legs(command.leg)
    require_storable_leverage(command.leverage)
    key = (command.instrument, command.leg)
    held = next((p for p in view.positions if (p.instrument, int(p.leg)) == key), None)
    if held is None:
        symbol = state.universe.symbols[command.instrument]
        raise refuse(
            RejectionReason.NO_POSITION,
            f"{state.book.unit_name(command.unit)} holds no {symbol} on leg {command.leg}; a "
            "leverage is one of a position: give it with the fill or the order that opens one",
        )
    chosen = replace(held, leverage=command.leverage)
    after = replace(view, positions=tuple(chosen if p is held else p for p in view.positions))
    require_trusted(state, after)
    require_leverage(state, after, chosen)
    now, then = (initial_excess(state, state.plain(row)) for row in (view, after))
    if then < now:
        require_margin(state, after, "the leverage")
    return [
        e.LeverageSet(
            unit=command.unit,
            instrument=command.instrument,
            leg=command.leg,
            leverage=command.leverage,
        ),
    ]


def _reserve(state: State, command: c.ReserveOrder) -> Events:
    require_client(state, command.unit)
    view = require_free(state, command.unit)
    require_instrument(state, command.instrument)
    require_price(state, command.instrument, command.lots, command.ticks)
    if command.order in state.orders.get(command.unit, {}):
        msg = f"order {command.order} of unit {command.unit} exists already; use another id"
        raise DuplicateId(msg)
    require_legs(command.leg)
    require_storable_leverage(command.leverage)
    ordered = PositionView(command.instrument, Leg(command.leg), command.lots, 0, 0)
    require_trusted(state, replace(view, positions=(*view.positions, ordered)))
    require_mode(state, view, ordered)
    order = Order(
        instrument=command.instrument,
        lots=command.lots,
        ticks=command.ticks,
        leg=command.leg,
        leverage=command.leverage,
        reduce_only=command.reduce_only,
    )
    require_room_for(state, command.unit, order)
    return [
        e.OrderReserved(
            unit=command.unit,
            order=command.order,
            instrument=command.instrument,
            lots=command.lots,
            ticks=command.ticks,
            leg=command.leg,
            leverage=command.leverage,
            reduce_only=command.reduce_only,
        ),
    ]


def _release(state: State, command: c.ReleaseOrder) -> Events:
    require_open(state, command.unit)
    order = state.orders.get(command.unit, {}).get(command.order)
    if order is None or not 0 <= command.lots <= abs(order.lots):
        raise refuse(
            RejectionReason.NO_SUCH_ORDER,
            f"unit {command.unit} has no order {command.order} with {command.lots} lots open",
        )
    rest = 0 if command.lots == 0 else abs(order.lots) - command.lots
    lots = rest if order.lots > 0 else -rest
    return [e.OrderReleased(unit=command.unit, order=command.order, lots=lots)]


def _funding(state: State, command: c.PostFunding) -> Events:
    _require_equal_lengths(command.instruments, command.rates, command.ticks)
    for instrument in command.instruments:
        require_instrument(state, instrument)
    _require_rows(command.instruments, command.rates, "funding")
    return [
        e.FundingPosted(
            instruments=command.instruments,
            rates=command.rates,
            ticks=command.ticks,
        ),
    ]


def _interest(state: State, command: c.PostInterest) -> Events:
    _require_equal_lengths(command.assets, command.rates)
    for asset in command.assets:
        require_asset(state, asset)
    _require_rows(command.assets, command.rates, "interest")
    return [e.InterestPosted(assets=command.assets, rates=command.rates)]


def _settle(state: State, command: c.Settle) -> Events:
    require_instrument(state, command.instrument)
    instrument = state.universe.instrument(command.instrument)
    if not instrument.kind.is_dated:
        msg = f"{instrument.symbol} is a perpetual; only dated futures are settled"
        raise InvalidInput(msg)
    if not 1 <= command.ticks <= SIZE_LIMIT:
        msg = f"settlement of {instrument.symbol} at {command.ticks} ticks; prices are positive"
        raise InvalidInput(msg)
    with_orders = [
        unit
        for unit, orders in sorted(state.orders.items())
        if any(order.instrument == command.instrument for order in orders.values())
    ]
    return [
        e.Settled(instrument=command.instrument, ticks=command.ticks),
        *(e.OrdersCancelled(unit=unit, instrument=command.instrument) for unit in with_orders),
        e.Paused(instrument=command.instrument, reason="settled"),
        *cancels_in(state, command.instrument),
    ]


def _set_rulebook(state: State, command: c.SetRulebook) -> Events:
    require_compatible(state, read_rulebook(command.text, title="the command"))
    return [e.RulebookSet(text=command.text)]


def _pause(state: State, command: c.Pause) -> Events:
    require_instrument(state, command.instrument, everything=True)
    paused = e.Paused(instrument=command.instrument, reason=command.reason)
    return [paused, *cancels_in(state, command.instrument)]


def _resume(state: State, command: c.Resume) -> Events:
    require_instrument(state, command.instrument, everything=True)
    return [e.Resumed(instrument=command.instrument, reason=command.reason)]


def _override(state: State, command: c.Override) -> Events:
    view = require_client(state, command.unit)
    if command.action not in {"release", "hold", "takeover"}:
        msg = f"override {command.action!r}; known: hold, release, takeover"
        raise InvalidInput(msg)
    if command.action == "takeover":
        require_trusted(state, view)
        if not view.positions and min(view.balances.values(), default=0) >= 0:
            raise refuse(
                RejectionReason.NOTHING_TO_CLOSE,
                f"{state.book.unit_name(command.unit)} holds no position and owes nothing",
            )
    decided = e.Overridden(
        unit=command.unit,
        action=command.action,
        operator=command.operator,
        reason=command.reason,
    )
    if command.action == "takeover":  # the orders become the backstop's
        return [decided]
    what = "held" if command.action == "hold" else "released"
    return [decided, *cancels(state, state.working.of(command.unit), what)]


def _close_account(state: State, command: c.CloseAccount) -> Events:
    return closing_events(state, command)


def _set_protection(state: State, command: c.SetProtection) -> Events:
    require_client(state, command.unit)
    require_protection(state, command)
    return [
        *cancels_of(state, command.unit, command.protection),
        e.ProtectionSet(
            unit=command.unit,
            protection=command.protection,
            kind=command.kind,
            instrument=command.instrument,
            trigger=command.trigger,
            source=command.source,
            asset=command.asset,
            target=command.target,
        ),
    ]


def _remove_protection(state: State, command: c.RemoveProtection) -> Events:
    require_open(state, command.unit)
    if command.protection not in state.protections.get(command.unit, {}):
        raise refuse(
            RejectionReason.NO_SUCH_ORDER,
            f"unit {command.unit} has no protection {command.protection}",
        )
    return [
        *cancels_of(state, command.unit, command.protection),
        e.ProtectionRemoved(unit=command.unit, protection=command.protection),
    ]


def _require_equal_lengths(*columns: tuple[int, ...]) -> None:
    if len({len(column) for column in columns}) > 1:
        msg = f"columns of {[len(column) for column in columns]} rows; give one value a row"
        raise InvalidInput(msg)


def _require_rows(rows: tuple[int, ...], rates: tuple[int, ...], what: str) -> None:
    """Refuse a row that is listed twice, or a rate that no column holds."""
    if len(set(rows)) < len(rows):
        msg = f"{what} of rows {list(rows)}; list each once"
        raise InvalidInput(msg)
    for rate in rates:
        if abs(rate) > AMOUNT_LIMIT:
            msg = f"{what} at a rate of {rate} parts per trillion; at most {AMOUNT_LIMIT} fit"
            raise OutOfScale(msg)


_DECIDE: dict[type, Callable[[State, Any], Events]] = {
    c.OpenAccount: _open_account,
    c.OpenIsolated: _open_isolated,
    c.Deposit: _deposit,
    c.Withdraw: _withdraw,
    c.Transfer: _transfer,
    c.Fill: fill_events,
    c.FillBatch: batch_events,
    c.SetLeverage: _set_leverage,
    c.ReserveOrder: _reserve,
    c.ReleaseOrder: _release,
    c.PostFunding: _funding,
    c.PostInterest: _interest,
    c.Settle: _settle,
    c.SetRulebook: _set_rulebook,
    c.Pause: _pause,
    c.Resume: _resume,
    c.Override: _override,
    c.CloseAccount: _close_account,
    c.SetProtection: _set_protection,
    c.RemoveProtection: _remove_protection,
    c.ReportExecution: report_events,
    c.CloseOrder: close_events,
}
