"""Everything the engine remembers beside the columns, as one plain value.

The digest hashes it, a snapshot stores it, recovery restores it: what is missing here is missing
in all three. Idempotency keys are columns of their own, `engine.keys`: there are too many of them.
"""

from dataclasses import astuple
from decimal import Decimal

import msgspec
import numpy as np

from keelmark.engine.entries import (
    Case,
    Doubt,
    FundWindow,
    LossWindow,
    Order,
    Protection,
    Round,
    SoldWindow,
)
from keelmark.engine.order_events import CloseRow
from keelmark.engine.state import State
from keelmark.engine.working import ExternalTerms, WorkingOrder

SCHEMA = 5

OrderRow = tuple[int, int, int, int, int, int, int, bool]
ProtectionRow = tuple[int, int, str, int, int, int, int, int]
CaseRow = tuple[int, int, int, int, int, tuple[str, ...]]
DoubtRow = tuple[int, float, int, int]
FundRow = tuple[int, int, int, int, int]
RoundRow = tuple[int, tuple[CloseRow, ...], int, bool, bool]


class Outside(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is known of a market of the user's; absent where the market is built in.

    Attributes:
        terms: How orders are executed there.
        sent: Orders ever sent.
        working: Orders that work, by number.
        closed: Orders that were closed, in that order.
        retries: (unit, until when its protections wait).
        rounds: (unit, closes not yet ordered, cool-down, is filled, is limited).
    """

    terms: ExternalTerms
    sent: int
    working: tuple[WorkingOrder, ...]
    closed: tuple[WorkingOrder, ...]
    retries: tuple[tuple[int, int], ...]
    rounds: tuple[RoundRow, ...]


class Remembered(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
):
    """The state beside the columns; rows in a fixed order, amounts as whole numbers or text.

    Attributes:
        orders: (unit, order, instrument, lots, ticks, leg, leverage, reduce-only).
        protections: (unit, protection, kind, instrument, trigger, source, asset, target).
        cases: (case, unit, attempts, wake, cool-down, exhausted stages).
        doubts: (price row, price, marks, since).
        funds: (unit, asset, start, base, spent).
    """

    schema: int
    terms: str
    time_ms: int
    posted_ms: int
    rechecked_ms: int
    disposed_ms: int
    deleveraged_ms: int
    seen_ms: tuple[int, ...]
    names: tuple[tuple[str, int], ...]
    orders: tuple[OrderRow, ...]
    protections: tuple[ProtectionRow, ...]
    cases: tuple[CaseRow, ...]
    cases_count: int
    grace: tuple[tuple[int, int], ...]
    levels: tuple[tuple[int, int], ...]
    paused: tuple[int, ...]
    held: tuple[int, ...]
    untrusted: tuple[int, ...]
    rebased: tuple[int, ...]
    doubts: tuple[DoubtRow, ...]
    funds: tuple[FundRow, ...]
    sold: tuple[int, str]
    loss: tuple[int, float]
    outside: Outside | None = None


def remembered(state: State) -> Remembered:
    """Return what a state holds beside the columns."""
    return Remembered(
        schema=SCHEMA,
        terms=state.terms,
        time_ms=state.time_ms,
        posted_ms=state.posted_ms,
        rechecked_ms=state.rechecked_ms,
        disposed_ms=state.disposed_ms,
        deleveraged_ms=state.deleveraged_ms,
        seen_ms=tuple(state.seen_ms.tolist()),
        names=tuple(sorted(state.names.items())),
        orders=tuple(
            (unit, number, *astuple(order))
            for unit, orders in sorted(state.orders.items())
            for number, order in sorted(orders.items())
        ),
        protections=tuple(
            (unit, number, *astuple(protection))
            for unit, rows in sorted(state.protections.items())
            for number, protection in sorted(rows.items())
        ),
        cases=tuple(
            (c.case, c.unit, c.attempts, c.wake_ms, c.cooldown_ms, tuple(sorted(c.exhausted)))
            for _, c in sorted(state.cases.items())
        ),
        cases_count=state.cases_count,
        grace=tuple(sorted(state.grace.items())),
        levels=tuple(sorted(state.levels.items())),
        paused=tuple(sorted(state.paused)),
        held=tuple(sorted(state.held)),
        untrusted=tuple(sorted(state.untrusted)),
        rebased=tuple(sorted(state.rebased)),
        doubts=tuple((f, d.price, d.marks, d.since_ms) for f, d in sorted(state.doubts.items())),
        funds=tuple(
            (*key, w.start_ms, w.base, w.spent) for key, w in sorted(state.fund_windows.items())
        ),
        sold=(state.sold_window.start_ms, str(state.sold_window.notional)),
        loss=(state.loss_window.start_ms, state.loss_window.equity),
        outside=_outside(state),
    )


def _outside(state: State) -> Outside | None:
    if state.external is None:
        return None
    working = state.working
    rounds = ((unit, case.round) for unit, case in sorted(state.cases.items()))
    return Outside(
        terms=state.external,
        sent=working.sent,
        working=tuple(row.copy() for row in working.rows()),
        closed=tuple(row.copy() for row in working.closed.values()),
        retries=tuple(sorted(working.retry_ms.items())),
        rounds=tuple((unit, *astuple(row)) for unit, row in rounds if row is not None),
    )


def restore(state: State, memory: Remembered) -> None:
    """Let a new state remember what another one did."""
    state.time_ms, state.posted_ms = memory.time_ms, memory.posted_ms
    state.rechecked_ms, state.disposed_ms = memory.rechecked_ms, memory.disposed_ms
    state.deleveraged_ms = memory.deleveraged_ms
    state.seen_ms = np.array(memory.seen_ms, np.int64)
    state.names = dict(memory.names)
    for unit, number, instrument, lots, ticks, leg, leverage, reduce_only in memory.orders:
        state.orders[unit][number] = Order(
            instrument=instrument,
            lots=lots,
            ticks=ticks,
            leg=leg,
            leverage=leverage,
            reduce_only=reduce_only,
        )
    for unit, number, kind, instrument, trigger, source, asset, target in memory.protections:
        state.protections[unit][number] = Protection(
            kind=kind,
            instrument=instrument,
            trigger=trigger,
            source=source,
            asset=asset,
            target=target,
        )
    _restore_processes(state, memory)
    state.prices_changed()


def _restore_processes(state: State, memory: Remembered) -> None:
    state.cases = {
        unit: Case(
            case=case,
            unit=unit,
            attempts=attempts,
            wake_ms=wake_ms,
            cooldown_ms=cooldown_ms,
            exhausted=set(exhausted),
        )
        for case, unit, attempts, wake_ms, cooldown_ms, exhausted in memory.cases
    }
    state.cases_count = memory.cases_count
    state.grace, state.levels = dict(memory.grace), dict(memory.levels)
    state.paused, state.held = set(memory.paused), set(memory.held)
    state.untrusted, state.rebased = set(memory.untrusted), set(memory.rebased)
    state.doubts = {
        factor: Doubt(price=price, marks=marks, since_ms=since_ms)
        for factor, price, marks, since_ms in memory.doubts
    }
    state.fund_windows = {
        (unit, asset): FundWindow(start_ms=start_ms, base=base, spent=spent)
        for unit, asset, start_ms, base, spent in memory.funds
    }
    state.sold_window = SoldWindow(start_ms=memory.sold[0], notional=Decimal(memory.sold[1]))
    state.loss_window = LossWindow(start_ms=memory.loss[0], equity=memory.loss[1])
    if memory.outside is not None:
        _restore_outside(state, memory.outside)


def _restore_outside(state: State, memory: Outside) -> None:
    state.external = memory.terms
    for row in memory.working:
        state.working.add(row.copy())
    state.working.closed = {row.order: row.copy() for row in memory.closed}
    state.working.sent = memory.sent
    state.working.retry_ms = dict(memory.retries)
    for unit, closes, cooldown_s, is_filled, is_limited in memory.rounds:
        state.cases[unit].round = Round(
            closes=closes, cooldown_s=cooldown_s, is_filled=is_filled, is_limited=is_limited
        )
