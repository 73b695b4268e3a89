"""The liquidation of one unit: a small state machine driven by the rulebook's stage list."""

from collections.abc import Callable

from keelmark.core.margin import AssetMargin, MarginReport
from keelmark.core.numbers import ONE
from keelmark.core.process import Stage
from keelmark.engine import events as e
from keelmark.engine.entries import Case
from keelmark.engine.event_rows import AssetRow, HoldingRow
from keelmark.engine.liquidation.convert import convert_collateral
from keelmark.engine.liquidation.desk import Desk
from keelmark.engine.liquidation.orders import pass_orders, request_cancels
from keelmark.engine.liquidation.reduce import Progress, reduce_in_market
from keelmark.engine.liquidation.resolve import close_at_the_mark, resolve
from keelmark.engine.liquidation.rounds import reduce_outside
from keelmark.engine.state import State

PAUSE_RETRY_MS = 60_000
"""How long a unit that could be resolved but for a pause is left alone."""


def liquidate(desk: Desk, unit: int) -> None:
    """Bring a unit one snapshot further: start, go on with, or end its liquidation.

    Nothing happens to a unit that is not at its trigger, is held by an operator, reads a price that
    is not trusted, has grace left, or waits. A unit that has recovered is let go before its wait
    is over.
    """
    state = desk.state
    if unit in state.held or must_wait(state, unit):
        return
    case = state.cases.get(unit)
    if case is None:
        report = state.report(unit)
        if not report.is_liquidatable:
            end_grace(desk, unit)
            return
        if not grace_is_over(desk, unit):
            return
        desk.emit(started(state, unit, report))
        case = state.cases[unit]
    elif state.has_recovered(unit):
        let_go(desk, case)
        return
    elif is_waiting(state, case) and not is_backstops(state, unit):
        return
    run_stages(desk, case)


def run_stages(desk: Desk, case: Case) -> None:
    """Run what the rulebook lists until the unit recovers, must wait, or is resolved."""
    state = desk.state
    for stage, step in STAGES.items():
        if not may_run(state, case, stage):
            continue
        if stage is Stage.REDUCE and is_backstops(state, case.unit):
            break
        if step(desk, case) is Progress.WAITING:
            return
        if state.has_recovered(case.unit):
            let_go(desk, case)
            return
        if stage is Stage.REDUCE:
            if leaves_to_market(state, case.unit):
                wait_for_market(desk, case)
                return
            reason = "attempts used up, or no order would raise the excess"
            desk.emit(
                e.StageExhausted(case=case.case, unit=case.unit, stage=stage.value, reason=reason),
            )
    if not state.report(case.unit).is_liquidatable:
        let_go(desk, case)
    elif holds_paused(state, case.unit):
        wait_for_resumption(desk, case)
    else:
        pass_orders(desk, case.unit, case.case)
        resolve(desk, case)


def may_run(state: State, case: Case, stage: Stage) -> bool:
    """Whether a stage is listed and can do something; in the middle of a round only its own."""
    if not state.rules.runs(stage) or stage.value in case.exhausted:
        return False
    return case.round is None or stage is Stage.REDUCE


def is_waiting(state: State, case: Case) -> bool:
    """Whether a liquidation waits: for an instant, or for an order that is executed outside."""
    return state.time_ms < case.wake_ms or state.working.awaits(case.unit)


def is_backstops(state: State, unit: int) -> bool:
    """Whether a unit at its trigger lies beyond the usage at which the market is left alone."""
    takeover = state.rules.takeover
    if takeover.usage == ONE:
        return False
    report = state.report(unit)
    return takeover.is_due(equity=report.equity, maintenance=report.maintenance_margin)


def leaves_to_market(state: State, unit: int) -> bool:
    """Whether a unit whose orders are used up is tried in the market again, and not taken yet."""
    holds = state.rules.takeover.usage > ONE
    return holds and state.report(unit).is_liquidatable and not is_backstops(state, unit)


def wait_for_market(desk: Desk, case: Case) -> None:
    """Give a unit new attempts, a second or the rulebook's interval from now."""
    pause_s = max(1, desk.state.rules.reduce.interval_s)
    desk.emit(
        e.Waiting(
            case=case.case,
            unit=case.unit,
            until_ms=desk.state.time_ms + 1000 * pause_s,
            reason="tried in the market until the backstop's level",
            attempts=0,
        ),
    )


def wait_for_resumption(desk: Desk, case: Case) -> None:
    """Withhold the end of a unit that holds a paused instrument, and say so."""
    desk.emit(
        e.Waiting(
            case=case.case,
            unit=case.unit,
            until_ms=desk.state.time_ms + PAUSE_RETRY_MS,
            reason="it holds a paused instrument",
            attempts=case.attempts,
        ),
    )


def cancel_orders(desk: Desk, case: Case) -> Progress:
    """Cancel every open order of the unit."""
    if desk.state.orders.get(case.unit):
        desk.emit(e.OrdersCancelled(unit=case.unit, instrument=-1, case=case.case))
    return Progress.DONE


def reduce(desk: Desk, case: Case) -> Progress:
    """Sell what the unit holds, in the built-in market or outside."""
    if desk.state.external is None:
        return reduce_in_market(desk, case)
    return reduce_outside(desk, case)


STAGES: dict[Stage, Callable[[Desk, Case], Progress]] = {
    Stage.CANCEL_ORDERS: cancel_orders,
    Stage.CONVERT_COLLATERAL: convert_collateral,
    Stage.REDUCE: reduce,
}


def let_go(desk: Desk, case: Case) -> None:
    """End a liquidation that has recovered, once nothing works for it any more outside."""
    orders = desk.state.working.of(case.unit)
    if not orders:
        end(desk, case, "recovered")
        return
    request_cancels(desk, orders, "recovered")
    if case.round is not None:
        desk.emit(
            e.Waiting(
                case=case.case,
                unit=case.unit,
                until_ms=desk.state.time_ms,
                reason="recovered; its orders are being cancelled",
                attempts=case.attempts,
            ),
        )


def end(desk: Desk, case: Case, outcome: str) -> None:
    """Write down that a liquidation is over without a deficit."""
    desk.emit(
        e.LiquidationEnded(
            case=case.case, unit=case.unit, time_ms=desk.state.time_ms, outcome=outcome
        ),
    )


def must_wait(state: State, unit: int) -> bool:
    """Whether nothing can be decided: everything is paused, or a price it reads is not trusted."""
    if -1 in state.paused:
        return True
    return bool(state.untrusted) and state.depends_on_untrusted(state.book.unit_view(unit))


def holds_paused(state: State, unit: int) -> bool:
    """Whether a unit holds an instrument that is paused."""
    if not state.paused:
        return False
    return any(state.is_paused(p.instrument) for p in state.book.unit_view(unit).positions)


def take_over(desk: Desk, unit: int) -> None:
    """Take a unit over at once, on an operator's word.

    Above its trigger only the positions go, at the mark, and the money stays its owner's.
    """
    state = desk.state
    report = state.report(unit)
    if unit not in state.cases:
        desk.emit(started(state, unit, report))
    case = state.cases[unit]
    pass_orders(desk, unit, case.case)
    if report.is_liquidatable:
        resolve(desk, case)
    else:
        close_at_the_mark(desk, case)


def grace_is_over(desk: Desk, unit: int) -> bool:
    """Whether a unit at its trigger has had its time; starts it where it has not."""
    state = desk.state
    grace_s = state.rules.margin_call.grace_s
    if grace_s == 0 or not state.rules.runs(Stage.MARGIN_CALL):
        return True
    until = state.grace.get(unit)
    if until is None:
        desk.emit(e.GraceStarted(unit=unit, until_ms=state.time_ms + 1000 * grace_s))
        return False
    return state.time_ms >= until


def end_grace(desk: Desk, unit: int) -> None:
    """Forget the grace of a unit that is above its trigger when its time is up."""
    until = desk.state.grace.get(unit)
    if until is not None and desk.state.time_ms >= until:
        desk.emit(e.GraceEnded(unit=unit))


def started(state: State, unit: int, report: MarginReport) -> e.LiquidationStarted:
    """Return the opening event: the decision with its working."""
    view = state.book.unit_view(unit)
    margins = {(p.position.instrument, p.position.leg): p for p in report.positions}
    rows = []
    for held in view.positions:
        margin = margins[state.universe.symbols[held.instrument], held.leg]
        rows.append(
            HoldingRow(
                instrument=held.instrument,
                leg=int(held.leg),
                lots=held.lots,
                cost=held.cost,
                mark=f"{margin.mark_price:f}",
                notional=f"{margin.notional:f}",
                maintenance=f"{margin.maintenance_margin:f}",
                tier=margin.maintenance.tier,
            ),
        )
    return e.LiquidationStarted(
        case=state.cases_count + 1,
        unit=unit,
        time_ms=state.time_ms,
        equity=f"{report.equity:f}",
        maintenance=f"{report.maintenance_margin:f}",
        holdings=tuple(rows),
        balances=tuple(sorted(view.balances.items())),
        assets=tuple(_asset_row(state, asset) for asset in report.assets),
    )


def _asset_row(state: State, asset: AssetMargin) -> AssetRow:
    return AssetRow(
        asset=state.universe.asset_row(asset.asset),
        counted=f"{asset.counted:f}",
        value=f"{asset.collateral_value:f}",
        maintenance=f"{asset.maintenance_margin:f}",
        price=f"{asset.price:f}",
    )
