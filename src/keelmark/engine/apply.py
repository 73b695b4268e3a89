"""Apply events to the state: the fold. Nothing here decides, nothing here rejects.

Every function moves the state by one fact and returns what it touched in the book, so that whoever
watches units can be told.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from keelmark.book.fleet import FleetChanges, post_funding, post_interest, post_settlement
from keelmark.book.postings import (
    Fill,
    Transfer,
    auto_deleverage,
    post,
    posting_rows,
)
from keelmark.book.records import OUTSIDE
from keelmark.core.codes import Leg, UnitStatus
from keelmark.core.numbers import exact
from keelmark.engine import events as e
from keelmark.engine.apply_orders import APPLY_ORDERS
from keelmark.engine.entries import Case, Doubt, LossWindow, Order, Protection, SoldWindow
from keelmark.engine.state import State
from keelmark.rulebooks.load import read_rulebook

Rows = npt.NDArray[np.void]
Int32s = npt.NDArray[np.int32]
NOBODY: Int32s = np.zeros(0, np.int32)


@dataclass(frozen=True, slots=True)
class Touched:
    """What an event touched in the book.

    Attributes:
        units: Units whose rows changed.
        cash: `CASH` records of balances that moved in bulk and nothing else.
        levels: Units that may be watched at another level now.
        standing: Units whose rows did not change, but whether they can be closed against.
    """

    units: Int32s
    cash: Rows | None = None
    levels: tuple[int, ...] = ()
    standing: tuple[int, ...] = ()


NOTHING = Touched(NOBODY)


class Follower(Protocol):
    """Whoever keeps a copy of the state: told of every event but marks, once it is applied."""

    def note(self, event: Any, touched: Touched) -> None:  # noqa: ANN401 an event
        """Remember what an event touched; it is not durable yet."""


ORDER_EVENTS = (e.OrderReserved, e.OrderReleased, e.OrdersCancelled)
"""Events that change a unit's margin and none of its rows."""

STANDING_EVENTS = (*ORDER_EVENTS, e.LiquidationStarted, e.LiquidationEnded)
"""Events that change whether, or how far, a unit can be closed against, and none of its rows."""


def apply(state: State, event: Any) -> Touched:  # noqa: ANN401 one of the event types below
    """Move the state by one event; return what the book says was touched."""
    touched = _APPLY[type(event)](state, event)
    if touched.cash is not None:
        state.forget_reports()
    if len(touched.units):
        state.forget_reports_of(touched.units.tolist())
    if isinstance(event, ORDER_EVENTS):
        state.forget_reports_of((event.unit,))
    if isinstance(event, STANDING_EVENTS):
        return replace(touched, standing=(event.unit,))
    return touched


def _touched(*units: int) -> Touched:
    return Touched(np.array(units, np.int32))


def _opened(state: State, event: e.JournalOpened) -> Touched:
    state.external = event.external  # its other terms are checked by recovery
    return NOTHING


def _ordered(state: State, event: Any) -> Touched:  # noqa: ANN401 an event of an order
    APPLY_ORDERS[type(event)](state, event)
    return NOTHING


def _keyed(state: State, event: e.Keyed) -> Touched:
    state.keys.add(event.stamp, event.position)
    return NOTHING


# --- accounts and money -------------------------------------------------------------------------


def _account_opened(state: State, event: e.AccountOpened) -> Touched:
    state.names[event.name] = state.book.open_account()
    return _touched(event.unit)


def _accounts_opened(state: State, event: e.AccountsOpened) -> Touched:
    first = state.book.units_count
    state.book.open_accounts(event.count)
    for account in event.isolated:
        state.book.open_unit(int(account))
    return Touched(np.arange(first, state.book.units_count, dtype=np.int32))


def _isolated_opened(state: State, event: e.IsolatedOpened) -> Touched:
    state.book.open_unit(event.account)
    return _touched(event.unit)


def _cash(state: State, unit: int, counterparty: int, asset: int, quanta: int) -> Touched:
    move = Transfer(unit=unit, counterparty=counterparty, asset=asset, quanta=quanta)
    post(state.book, posting_rows([move]))
    return _touched(*(side for side in (unit, counterparty) if side != OUTSIDE))


def _deposited(state: State, event: e.Deposited) -> Touched:
    return _cash(state, OUTSIDE, event.unit, event.asset, event.quanta)


def _withdrawn(state: State, event: e.Withdrawn) -> Touched:
    return _cash(state, event.unit, OUTSIDE, event.asset, event.quanta)


def _transferred(state: State, event: e.Transferred) -> Touched:
    _note_fund_spending(state, event)
    return _cash(state, event.source, event.target, event.asset, event.quanta)


def _note_fund_spending(state: State, event: e.Transferred) -> None:
    if event.reason == "deficit":
        window = state.fund_window(event.source, event.asset)
        window.spent += event.quanta
        state.fund_windows[event.source, event.asset] = window


def _filled(state: State, event: e.Filled) -> Touched:
    fill = Fill(
        unit=event.unit,
        counterparty=event.counterparty,
        instrument=event.instrument,
        lots=event.lots,
        value=event.value,
        fee=event.fee,
        counterparty_fee=event.counterparty_fee,
        leg=Leg(event.leg),
        counterparty_leg=Leg(event.counterparty_leg),
        leverage=event.leverage,
        counterparty_leverage=event.counterparty_leverage,
    )
    if event.reason == "reduce":
        _note_sold(state, event)
    elif event.reason == "takeover":
        _note_takeover(state)
    post(state.book, posting_rows([fill]))
    return _touched(event.unit, event.counterparty)


def _leverage_set(state: State, event: e.LeverageSet) -> Touched:
    state.book.set_leverage(event.unit, event.instrument, event.leverage, leg=Leg(event.leg))
    return _touched(event.unit)


def _note_sold(state: State, event: e.Filled) -> None:
    if state.rules.guards.notional_max is None:
        return
    if state.time_ms >= state.sold_window_end():
        state.sold_window = SoldWindow(start_ms=state.time_ms)
    settle = state.settle_of(event.instrument)
    with exact():
        worth = abs(event.value) * state.universe.quantum(settle) * state.price_of(settle)
        state.sold_window.notional += worth


def _note_takeover(state: State) -> None:
    if not state.book.units[state.backstop]["positions_count"]:
        state.disposed_ms = state.time_ms  # the first disposal is one interval away
    rules = state.rules.takeover
    window = state.loss_window
    if rules.loss_max is None or state.time_ms - window.start_ms < 1000 * rules.loss_window_s:
        return
    state.loss_window = LossWindow(start_ms=state.time_ms, equity=state.backstop_equity())


def _deleveraged(state: State, event: e.Deleveraged) -> Touched:
    closes = [
        Fill(
            unit=event.unit,
            counterparty=victim,
            instrument=event.instrument,
            lots=lots,
            value=value,
            leg=Leg(event.leg),
            counterparty_leg=Leg(leg),
        )
        for victim, leg, lots, value in zip(
            event.victims,
            event.victim_legs,
            event.lots,
            event.values,
            strict=True,
        )
    ]
    auto_deleverage(state.book, closes)
    return _touched(event.unit, *event.victims)


def _socialised(state: State, event: e.LossSocialised) -> Touched:
    moves = [
        Transfer(unit=payer, counterparty=event.unit, asset=event.asset, quanta=quanta)
        for payer, quanta in zip(event.payers, event.quanta, strict=True)
    ]
    post(state.book, posting_rows(moves))
    return _touched(event.unit, *event.payers)


def _posted(state: State, event: e.Posted) -> Touched:
    changes = post(state.book, event.rows)
    return Touched(changes.units, changes.cash)


def _checked(state: State, event: e.Checked) -> Touched:
    state.keys.add(event.stamps.tobytes(), event.position)
    return _posted(state, event)


def _funding(state: State, event: e.FundingPosted) -> Touched:
    count = len(state.universe.symbols)
    rows = list(event.instruments)
    return _fleet(
        post_funding(
            state.book, _column(count, rows, event.ticks), _column(count, rows, event.rates)
        )
    )


def _column(count: int, rows: list[int], values: tuple[int, ...]) -> npt.NDArray[np.int64]:
    column = np.zeros(count, np.int64)
    column[rows] = values
    return column


def _fleet(changes: FleetChanges) -> Touched:
    return Touched(changes.units, changes.cash)


def _interest(state: State, event: e.InterestPosted) -> Touched:
    rates = _column(len(state.universe.assets), list(event.assets), event.rates)
    changes = _fleet(post_interest(state.book, rates, state.fees))
    state.posted_ms = state.time_ms
    state.prices[-1] = 0.0
    state.prices_changed()
    return changes


def _settled(state: State, event: e.Settled) -> Touched:
    return _fleet(post_settlement(state.book, event.instrument, event.ticks))


# --- orders, rules, time ------------------------------------------------------------------------


def _order_reserved(state: State, event: e.OrderReserved) -> Touched:
    state.orders[event.unit][event.order] = Order(
        instrument=event.instrument,
        lots=event.lots,
        ticks=event.ticks,
        leg=event.leg,
        leverage=event.leverage,
        reduce_only=event.reduce_only,
    )
    return NOTHING


def _order_released(state: State, event: e.OrderReleased) -> Touched:
    orders = state.orders[event.unit]
    if event.lots == 0:
        del orders[event.order]
    else:
        orders[event.order].lots = event.lots
    return NOTHING


def _orders_cancelled(state: State, event: e.OrdersCancelled) -> Touched:
    orders = state.orders.get(event.unit, {})
    for order in [o for o, row in orders.items() if event.instrument in {-1, row.instrument}]:
        del orders[order]
    return NOTHING


def _rulebook_set(state: State, event: e.RulebookSet) -> Touched:
    state.set_rulebook(read_rulebook(event.text, title="journal"), event.text)
    return Touched(np.arange(state.book.units_count, dtype=np.int32))


def _time_advanced(state: State, event: e.TimeAdvanced) -> Touched:
    set_time(state, event.time_ms)
    return NOTHING


def set_time(state: State, time_ms: int) -> None:
    """Move the clock; unposted interest accrues with it."""
    state.time_ms = time_ms
    state.prices[-1] = (time_ms - state.posted_ms) / 1000
    state.prices_changed()


def _work_done(state: State, event: e.WorkDone) -> Touched:
    if event.work == "recheck":
        state.rechecked_ms = event.time_ms
    elif event.work == "deleverage":
        state.deleveraged_ms = event.time_ms
    else:
        state.disposed_ms = event.time_ms
    return NOTHING


def _marks_set(state: State, event: e.MarksSet) -> Touched:
    """Write the last good price of every factor of all snapshots."""
    good = np.isfinite(event.prices) & (event.prices > 0)
    state.prices[event.factors[good]] = event.prices[good]
    if len(event.times_ms):
        _note_trust(state, event, good)
        if state.time_ms == 0:
            state.posted_ms = int(event.times_ms[0])
        set_time(state, int(event.times_ms[-1]))
    return NOTHING


def _note_trust(state: State, event: e.MarksSet, good: npt.NDArray[np.bool_]) -> None:
    """A factor is trusted while its latest price is good; and was seen then."""
    backwards = event.factors[::-1]
    factors, latest = np.unique(backwards, return_index=True)
    is_good = good[::-1][latest]
    state.untrusted -= set(factors[is_good].tolist())
    state.untrusted |= set(factors[~is_good].tolist())
    snapshots = np.searchsorted(event.offsets, np.flatnonzero(good), side="right") - 1
    np.maximum.at(state.seen_ms, event.factors[good], event.times_ms[snapshots])
    for factor in state.doubts.keys() & set(factors.tolist()):
        del state.doubts[factor]  # an event after this one says so where it is in doubt still
    if state.rebased:
        state.rebased -= set(event.factors[good].tolist())


def _mark_refused(state: State, event: e.MarkRefused) -> Touched:  # noqa: ARG001 the price is a NaN
    return NOTHING


def _mark_doubted(state: State, event: e.MarkDoubted) -> Touched:
    state.doubts[event.factor] = Doubt(
        price=event.price, marks=event.marks, since_ms=event.since_ms
    )
    return NOTHING


def _told(state: State, event: e.Event) -> Touched:  # noqa: ARG001 told, and follows from the state
    return NOTHING


def _paused(state: State, event: e.Paused) -> Touched:
    state.paused.add(event.instrument)
    return NOTHING


def _resumed(state: State, event: e.Resumed) -> Touched:
    """Lift a pause; the next price of what was paused is believed whatever its step."""
    state.paused.discard(event.instrument)
    state.rebased |= state.factors_of(event.instrument)
    return NOTHING


# --- warnings and liquidation -------------------------------------------------------------------


def _warned(state: State, event: e.Warned) -> Touched:
    if not state.levels:
        state.rechecked_ms = state.time_ms  # the first recheck is one interval away
    for unit in event.units:
        state.levels[unit] = event.level
    return Touched(NOBODY, levels=event.units)


def _warning_cleared(state: State, event: e.WarningCleared) -> Touched:
    for unit in event.units:
        if event.level == 0:
            state.levels.pop(unit, None)
        else:
            state.levels[unit] = event.level
    return Touched(NOBODY, levels=event.units)


def _grace_started(state: State, event: e.GraceStarted) -> Touched:
    state.grace[event.unit] = event.until_ms
    return NOTHING


def _grace_ended(state: State, event: e.GraceEnded) -> Touched:
    state.grace.pop(event.unit, None)
    return NOTHING


def _liquidation_started(state: State, event: e.LiquidationStarted) -> Touched:
    state.cases[event.unit] = Case(case=event.case, unit=event.unit)
    state.cases_count = max(state.cases_count, event.case)
    state.grace.pop(event.unit, None)
    state.book.set_status(event.unit, UnitStatus.IN_LIQUIDATION)
    return NOTHING


def _waiting(state: State, event: e.Waiting) -> Touched:
    case = state.cases[event.unit]
    case.wake_ms, case.attempts = event.until_ms, event.attempts
    case.cooldown_ms = max(case.cooldown_ms, event.cooldown_ms)
    case.round = None
    return NOTHING


def _stage_exhausted(state: State, event: e.StageExhausted) -> Touched:
    case = state.cases[event.unit]
    case.exhausted.add(event.stage)
    case.round = None
    return NOTHING


def _liquidation_ended(state: State, event: e.LiquidationEnded) -> Touched:
    del state.cases[event.unit]
    state.book.set_status(event.unit, UnitStatus.ACTIVE)
    return NOTHING


# --- protections and the end --------------------------------------------------------------------


def _protection_set(state: State, event: e.ProtectionSet) -> Touched:
    state.working.detach(event.unit, event.protection)
    state.protections[event.unit][event.protection] = Protection(
        kind=event.kind,
        instrument=event.instrument,
        trigger=event.trigger,
        source=event.source,
        asset=event.asset,
        target=event.target,
    )
    return Touched(NOBODY, levels=(event.unit,))


def _protection_removed(state: State, event: e.ProtectionRemoved) -> Touched:
    state.working.detach(event.unit, event.protection)
    del state.protections[event.unit][event.protection]
    if not state.protections[event.unit]:
        del state.protections[event.unit]
    return Touched(NOBODY, levels=(event.unit,))


def _overridden(state: State, event: e.Overridden) -> Touched:
    if event.action == "hold":
        state.held.add(event.unit)
    else:
        state.held.discard(event.unit)
    return _touched(event.unit)


def _account_closed(state: State, event: e.AccountClosed) -> Touched:
    units = state.book.units_of(event.account)
    for unit in units:
        for table in (state.orders, state.protections, state.cases, state.grace, state.levels):
            table.pop(unit, None)
        state.held.discard(unit)
        state.working.retry_ms.pop(unit, None)
        state.book.set_status(unit, UnitStatus.CLOSED)
    return Touched(np.array(units, np.int32), levels=units)


_APPLY: dict[type, Callable[[State, Any], Touched]] = {
    e.JournalOpened: _opened,
    e.Keyed: _keyed,
    e.AccountOpened: _account_opened,
    e.AccountsOpened: _accounts_opened,
    e.IsolatedOpened: _isolated_opened,
    e.Deposited: _deposited,
    e.Withdrawn: _withdrawn,
    e.Transferred: _transferred,
    e.Filled: _filled,
    e.LeverageSet: _leverage_set,
    e.Deleveraged: _deleveraged,
    e.LossSocialised: _socialised,
    e.Posted: _posted,
    e.Checked: _checked,
    e.FundingPosted: _funding,
    e.InterestPosted: _interest,
    e.Settled: _settled,
    e.OrderReserved: _order_reserved,
    e.OrderReleased: _order_released,
    e.OrdersCancelled: _orders_cancelled,
    e.RulebookSet: _rulebook_set,
    e.TimeAdvanced: _time_advanced,
    e.WorkDone: _work_done,
    e.MarksSet: _marks_set,
    e.MarkRefused: _mark_refused,
    e.MarkDoubted: _mark_doubted,
    e.MarkConfirmed: _told,
    e.HealthUnknown: _told,
    e.HealthKnown: _told,
    e.Paused: _paused,
    e.Resumed: _resumed,
    e.Warned: _warned,
    e.WarningCleared: _warning_cleared,
    e.GraceStarted: _grace_started,
    e.GraceEnded: _grace_ended,
    e.LiquidationStarted: _liquidation_started,
    e.Waiting: _waiting,
    e.StageExhausted: _stage_exhausted,
    e.LiquidationEnded: _liquidation_ended,
    e.ProtectionSet: _protection_set,
    e.ProtectionRemoved: _protection_removed,
    e.Overridden: _overridden,
    e.AccountClosed: _account_closed,
    **dict.fromkeys(APPLY_ORDERS, _ordered),
}
