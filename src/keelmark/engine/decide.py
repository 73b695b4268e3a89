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
    UnknownAsset,
)
from keelmark.engine import commands as c
from keelmark.engine import events as e
from keelmark.engine.admission import (
    refuse,
    require_client,
    require_fill,
    require_free,
    require_margin,
    require_near_mark,
    require_open,
    require_positive,
    require_price,
    require_priced,
    require_room_for,
    require_trusted,
)
from keelmark.engine.closing import closing_events
from keelmark.engine.compatibility import require_compatible
from keelmark.engine.entries import Order
from keelmark.engine.protections import require_protection
from keelmark.engine.state import State
from keelmark.engine.trial import after_payment
from keelmark.rulebooks.load import read_rulebook

Events = list[Any]

LEVERAGE_MAX = 2**16 - 1
"""Largest leverage the columns hold, hundredths."""


def decide(state: State, command: c.Command) -> Events:
    """Return what a command does.

    Raises:
        Rejected: A rule says no.
        InvalidInput: It names something unknown, or cannot be carried.
    """
    return _DECIDE[type(command)](state, command)


def _open_account(state: State, command: c.OpenAccount) -> Events:
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
    _require_asset(state, command.asset)
    require_priced(state, view, command.asset)
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
    _require_asset(state, asset)
    require_positive(quanta, what)
    held = view.balances.get(asset, 0)
    if held < quanta:
        raise refuse(
            RejectionReason.INSUFFICIENT_BALANCE,
            f"{what} of {quanta} quanta of {state.universe.assets[asset]}; "
            f"{state.book.unit_name(unit)} holds {held}",
        )
    after = after_payment(view, asset, -quanta)
    indebted = any(amount < 0 for amount in after.balances.values())
    if after.positions or indebted or state.orders.get(unit):
        require_margin(state, after, what)


def _fill(state: State, command: c.Fill) -> Events:
    if command.unit == command.counterparty:
        msg = f"a fill of unit {command.unit} with itself; name two units"
        raise InvalidInput(msg)
    _require_instrument(state, command.instrument)
    _require_legs(command.leg, command.counterparty_leg)
    require_price(state, command.instrument, command.lots, command.ticks)
    value = state.value(command.instrument, command.lots, command.ticks)
    _require_terms(command, value)
    require_near_mark(state, command.instrument, command.lots, value)
    sides = (
        (command.unit, command.leg, 1, command.fee, command.leverage),
        (command.counterparty, command.counterparty_leg, -1, command.counterparty_fee, 0),
    )
    for unit, leg, sign, fee, leverage in sides:
        view = require_open(state, unit)
        lots = sign * command.lots
        side = PositionView(command.instrument, Leg(leg), lots, sign * value, leverage)
        require_fill(state, view, side, fee)
    return [
        e.Filled(
            unit=command.unit,
            counterparty=command.counterparty,
            instrument=command.instrument,
            lots=command.lots,
            value=value,
            leg=command.leg,
            counterparty_leg=command.counterparty_leg,
            fee=command.fee,
            counterparty_fee=command.counterparty_fee,
            leverage=command.leverage,
            ticks=command.ticks,
        ),
    ]


def _require_terms(command: c.Fill, value: int) -> None:
    """Refuse a leverage that cannot be stored and fees above the notional; raises `Rejected`."""
    if not 0 <= command.leverage <= LEVERAGE_MAX:
        raise refuse(
            RejectionReason.OUT_OF_SCALE,
            f"leverage {command.leverage}; give hundredths, 0 to {LEVERAGE_MAX} (0 leaves it)",
        )
    if max(abs(command.fee), abs(command.counterparty_fee)) > abs(value):
        raise refuse(
            RejectionReason.OUT_OF_SCALE,
            f"fees {command.fee} and {command.counterparty_fee} on a notional of {abs(value)} "
            "quanta; a fee or rebate is at most the notional",
        )


def _reserve(state: State, command: c.ReserveOrder) -> Events:
    require_client(state, command.unit)
    view = require_free(state, command.unit)
    _require_instrument(state, command.instrument)
    require_price(state, command.instrument, command.lots, command.ticks)
    if command.order in state.orders.get(command.unit, {}):
        msg = f"order {command.order} of unit {command.unit} exists already; use another id"
        raise DuplicateId(msg)
    ordered = PositionView(command.instrument, Leg.NET, command.lots, 0, 0)
    require_trusted(state, replace(view, positions=(*view.positions, ordered)))
    order = Order(instrument=command.instrument, lots=command.lots, ticks=command.ticks)
    require_room_for(state, command.unit, order)
    return [
        e.OrderReserved(
            unit=command.unit,
            order=command.order,
            instrument=command.instrument,
            lots=command.lots,
            ticks=command.ticks,
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
        _require_instrument(state, instrument)
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
        _require_asset(state, asset)
    _require_rows(command.assets, command.rates, "interest")
    return [e.InterestPosted(assets=command.assets, rates=command.rates)]


def _settle(state: State, command: c.Settle) -> Events:
    _require_instrument(state, command.instrument)
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
    ]


def _set_rulebook(state: State, command: c.SetRulebook) -> Events:
    require_compatible(state, read_rulebook(command.text, title="the command"))
    return [e.RulebookSet(text=command.text)]


def _pause(state: State, command: c.Pause) -> Events:
    _require_instrument(state, command.instrument, everything=True)
    return [e.Paused(instrument=command.instrument, reason=command.reason)]


def _resume(state: State, command: c.Resume) -> Events:
    _require_instrument(state, command.instrument, everything=True)
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
    return [
        e.Overridden(
            unit=command.unit,
            action=command.action,
            operator=command.operator,
            reason=command.reason,
        ),
    ]


def _close_account(state: State, command: c.CloseAccount) -> Events:
    return closing_events(state, command)


def _set_protection(state: State, command: c.SetProtection) -> Events:
    require_client(state, command.unit)
    require_protection(state, command)
    return [
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
    return [e.ProtectionRemoved(unit=command.unit, protection=command.protection)]


def _require_asset(state: State, asset: int) -> None:
    if not 0 <= asset < len(state.universe.assets):
        msg = f"asset {asset} is not in the book; rows are 0..{len(state.universe.assets) - 1}"
        raise UnknownAsset(msg)


def _require_instrument(state: State, instrument: int, *, everything: bool = False) -> None:
    if everything and instrument == -1:
        return
    if not 0 <= instrument < len(state.universe.symbols):
        state.universe.instrument_row(f"row {instrument}")


def _require_equal_lengths(*columns: tuple[int, ...]) -> None:
    if len({len(column) for column in columns}) > 1:
        msg = f"columns of {[len(column) for column in columns]} rows; give one value a row"
        raise InvalidInput(msg)


def _require_legs(*legs: int) -> None:
    known = [int(leg) for leg in Leg]
    for leg in legs:
        if leg not in known:
            msg = f"leg {leg}; 0 is one-way, 1 the long and -1 the short leg of hedge mode"
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
    c.Fill: _fill,
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
}
