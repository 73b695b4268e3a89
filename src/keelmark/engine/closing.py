"""Total account liquidation: every unit into cash, obligations in order, the rest to the owner.

Source: docs/model.md, "Total account liquidation". The order: positions are closed at the named
price source against the rest of the market; units' cash is brought together; debts are paid from
the account's other assets, exchanged with the backstop at the mark less the conversion haircut,
cheapest exchange first, what is received rounding down; what is still owed is a deficit, paid by
the fund and then borne by the backstop; the rest is paid out and the account ends for good.
"""

from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

from keelmark.book.records import SIZE_LIMIT
from keelmark.book.views import PositionView, UnitView
from keelmark.core.codes import Leg, UnitStatus
from keelmark.core.errors import InvalidInput, RejectionReason
from keelmark.core.numbers import ONE, exact
from keelmark.core.process import Stage
from keelmark.engine import commands as c
from keelmark.engine import events as e
from keelmark.engine import order_events as oe
from keelmark.engine.admission import refuse, require_open
from keelmark.engine.event_rows import Payment
from keelmark.engine.reports import cancels
from keelmark.engine.state import State
from keelmark.engine.trial import after_fill

REASONS = frozenset({"margin", "insolvency", "regulatory", "request"})


@dataclass(slots=True)
class _Closing:
    """The account as it would stand after the events so far."""

    state: State
    command: c.CloseAccount
    cross: int
    cash: dict[int, int] = field(default_factory=dict)
    spent: dict[int, int] = field(default_factory=dict)
    events: list[Any] = field(default_factory=list)
    statement: list[Payment] = field(default_factory=list)

    def pay(self, payee: str, asset: int, quanta: int) -> None:
        """Write a line of the statement."""
        self.statement.append(Payment(payee=payee, asset=asset, quanta=quanta))

    def move(self, source: int, target: int, asset: int, quanta: int, reason: str) -> None:
        """Move cash and keep count of the cross unit's."""
        self.events.append(
            e.Transferred(source=source, target=target, asset=asset, quanta=quanta, reason=reason),
        )
        for unit, sign in ((source, -1), (target, 1)):
            if unit == self.cross:
                self.cash[asset] = self.cash.get(asset, 0) + sign * quanta


def closing_events(state: State, command: c.CloseAccount) -> list[Any]:
    """Return what closing an account does.

    Raises:
        UnknownAccount: It was never opened.
        Rejected: It is closed already, or a price it needs is not trusted.
        InvalidInput: The reason is not one of the known.
    """
    if command.reason not in REASONS:
        msg = f"closing reason {command.reason!r}; known: {', '.join(sorted(REASONS))}"
        raise InvalidInput(msg)
    _require_prices(state, command)
    cross = state.book.cross_unit(command.account)
    require_open(state, cross)
    closing = _Closing(state, command, cross)
    for unit in state.book.units_of(command.account):
        _close_unit(closing, state.book.unit_view(unit))
    _pay_debts(closing)
    _pay_out(closing)
    closing.events.append(
        e.AccountClosed(
            account=command.account,
            reason=command.reason,
            price_source=command.price_source,
            statement=tuple(closing.statement),
        ),
    )
    return closing.events


def _require_prices(state: State, command: c.CloseAccount) -> None:
    """Refuse named prices that fit no instrument; raises `InvalidInput`."""
    if len(command.instruments) != len(command.ticks):
        msg = f"{len(command.instruments)} instruments with {len(command.ticks)} prices; one each"
        raise InvalidInput(msg)
    count = len(state.universe.symbols)
    for row, ticks in zip(command.instruments, command.ticks, strict=True):
        if not (0 <= row < count and 1 <= ticks <= SIZE_LIMIT):
            msg = (
                f"instrument row {row} at {ticks} ticks; rows are 0..{count - 1}, and a price is "
                f"1 to {SIZE_LIMIT} ticks"
            )
            raise InvalidInput(msg)


def _close_unit(closing: _Closing, view: UnitView) -> None:
    """Cancel orders, close positions, and bring the cash to the cross unit."""
    if view.status is UnitStatus.CLOSED:
        return
    state = closing.state
    case = state.cases.get(view.unit)
    if case is not None:
        closing.events.append(
            e.LiquidationEnded(
                case=case.case, unit=view.unit, time_ms=state.time_ms, outcome="released"
            ),
        )
    if state.orders.get(view.unit):
        closing.events.append(e.OrdersCancelled(unit=view.unit, instrument=-1))
    closing.events += _given_up(state, view.unit)
    for position in view.positions:
        view = _close_position(closing, view, position)
    for asset, quanta in sorted(view.balances.items()):
        if view.unit == closing.cross:
            closing.cash[asset] = closing.cash.get(asset, 0) + quanta
        elif quanta > 0:
            closing.move(view.unit, closing.cross, asset, quanta, "payout")
        elif quanta < 0:
            _cover(closing, view.unit, asset, -quanta)


def _given_up(state: State, unit: int) -> list[Any]:
    """Return what becomes of orders that work outside: they are cancelled, and the backstop's."""
    orders = state.working.of(unit)
    if not orders:
        return []
    passed = oe.OrdersPassed(
        case=0,
        unit=unit,
        receiver=state.backstop,
        orders=tuple(order.order for order in orders),
    )
    return [*cancels(state, orders, "account_closed"), passed]


def _close_position(closing: _Closing, view: UnitView, position: PositionView) -> UnitView:
    state = closing.state
    ticks = _closing_ticks(closing, position.instrument)
    value = state.value(position.instrument, -position.lots, ticks)
    settle = state.settle_of(position.instrument)
    with exact():
        fee = abs(value) * state.rules.taker_fee
        fee_quanta = int(fee.to_integral_value(ROUND_CEILING))
    closing.events.append(
        e.Filled(
            unit=view.unit,
            counterparty=state.liquidity,
            instrument=position.instrument,
            lots=-position.lots,
            value=value,
            leg=int(position.leg),
            fee=fee_quanta,
            ticks=ticks,
            reason="close",
        ),
    )
    closing.pay("fees", settle, fee_quanta)
    fill = PositionView(position.instrument, Leg(position.leg), -position.lots, value, 0)
    return after_fill(view, settle, fill, fee_quanta)


def _closing_ticks(closing: _Closing, instrument: int) -> int:
    """Return the price a position closes at: the named source's, else the mark."""
    named = dict(zip(closing.command.instruments, closing.command.ticks, strict=True))
    if instrument in named:
        return named[instrument]
    if closing.state.is_untrusted_instrument(instrument):
        symbol = closing.state.universe.symbols[instrument]
        raise refuse(
            RejectionReason.UNTRUSTED_MARK,
            f"{symbol} has no mark that can be trusted; name a price for it in `ticks`",
        )
    return closing.state.ticks(instrument)


def _pay_debts(closing: _Closing) -> None:
    """Pay what the cross unit owes: from its own assets, then the fund, then the backstop."""
    for debt_asset in sorted(a for a, quanta in closing.cash.items() if quanta < 0):
        for source in _sources(closing):
            _exchange(closing, source, debt_asset)
        owed = -closing.cash[debt_asset]
        if owed > 0:
            _cover(closing, closing.cross, debt_asset, owed)


def _sources(closing: _Closing) -> list[int]:
    """Return the assets that pay debts, cheapest exchange first."""
    able = (asset for asset, quanta in closing.cash.items() if quanta > 0)
    return sorted(able, key=lambda asset: (_haircut(closing.state, asset), asset))


def _haircut(state: State, asset: int) -> Decimal:
    """Return what the automatic exchange of an asset costs, fraction.

    An asset that has no such exchange (a haircut of one) goes last and at the mark: its owner is
    not paid out beside a debt.
    """
    return state.model.asset(state.universe.assets[asset]).conversion_haircut


def _cover(closing: _Closing, unit: int, asset: int, owed: int) -> None:
    """Pay a deficit of one unit: the fund where the venue runs one, then the backstop.

    An isolated unit's deficit stays its own: the account's other money is not touched.
    """
    state = closing.state
    fund = state.fund_of(-1)
    money = state.fund_money(fund, asset) if state.rules.runs(Stage.INSURANCE) else 0
    from_fund = min(owed, max(0, money - closing.spent.get(asset, 0)))
    if from_fund:
        closing.spent[asset] = closing.spent.get(asset, 0) + from_fund
        closing.move(fund, unit, asset, from_fund, "deficit")
        closing.pay("insurance fund", asset, -from_fund)
    if owed > from_fund:
        closing.move(state.backstop, unit, asset, owed - from_fund, "borne")
        closing.pay("backstop", asset, from_fund - owed)


def _exchange(closing: _Closing, source: int, debt_asset: int) -> None:
    """Sell `source` to the backstop for as much of `debt_asset` as is owed.

    At the mark less the conversion haircut, which the statement names.
    """
    state = closing.state
    owed, have = -closing.cash[debt_asset], closing.cash[source]
    if owed <= 0 or have <= 0:
        return
    for asset in (source, debt_asset):
        if int(state.universe.asset_rows[asset]["price_factor"]) in state.untrusted:
            raise refuse(
                RejectionReason.UNTRUSTED_MARK,
                f"the price of {state.universe.assets[asset]} cannot be trusted, and a debt is to "
                "be paid at it; wait for a good price",
            )
    with exact():
        per_quantum = state.universe.quantum(source) * state.price_of(source)
        at_mark = per_quantum / (state.universe.quantum(debt_asset) * state.price_of(debt_asset))
        haircut = _haircut(state, source)
        rate = at_mark * (ONE - haircut) if haircut < ONE else at_mark
        sold = min(have, int((owed / rate).to_integral_value(ROUND_CEILING)))
        bought = int((sold * rate).to_integral_value(ROUND_FLOOR))
        cost = int(sold * (at_mark - rate))
    if bought:
        if cost:
            closing.pay("exchange", debt_asset, cost)
        closing.move(closing.cross, state.backstop, source, sold, "conversion")
        closing.move(state.backstop, closing.cross, debt_asset, bought, "conversion")


def _pay_out(closing: _Closing) -> None:
    """Return what is left to the owner."""
    for asset, quanta in sorted(closing.cash.items()):
        if quanta > 0:
            closing.events.append(e.Withdrawn(unit=closing.cross, asset=asset, quanta=quanta))
            closing.pay("owner", asset, quanta)
