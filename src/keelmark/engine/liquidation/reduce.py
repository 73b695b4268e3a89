"""Reduce a unit in the market: size, order and price limit by the rulebook's policies.

No order may cost more than the maintenance it releases: the limit is the stricter of the policy's
and the price at which fee and slippage would take all that is released (INV-07).
"""

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from enum import Enum, auto

from keelmark.core.bankruptcy import zero_loss_value
from keelmark.core.margin import MarginReport, PositionMargin
from keelmark.core.numbers import ZERO, exact
from keelmark.core.process import FeeCap
from keelmark.engine import events as e
from keelmark.engine.entries import Case
from keelmark.engine.execution import Execution, LiquidationOrder
from keelmark.engine.liquidation.desk import Desk
from keelmark.engine.reduce.legs import Close, ReducePlan, ReducibleLeg, Shortfall, TierRow
from keelmark.engine.reduce.order import ORDER
from keelmark.engine.reduce.prices import LimitPrice, Slice, Unpriced, price_policy
from keelmark.engine.reduce.sizing import sizing_policy
from keelmark.engine.state import State

Legs = dict[tuple[str, int], ReducibleLeg]
"""What can be closed, by instrument and leg."""


class Progress(Enum):
    """What a stage answers."""

    DONE = auto()
    """The stage can do no more; the next one begins if the unit has not recovered."""
    WAITING = auto()
    """Nothing more at this snapshot; the stage is not exhausted."""


@dataclass(slots=True)
class Attempt:
    """What one round of orders did.

    Attributes:
        cooldown_s: For how long further orders are sized as inside a cool-down.
        is_filled: Whether anything was filled.
        is_limited: Whether the notional limit of the window cut an order short.
    """

    cooldown_s: int
    is_filled: bool = False
    is_limited: bool = False


def reduce_in_market(desk: Desk, case: Case) -> Progress:
    """Sell until the unit reaches its target, the attempts are used up, or nothing helps."""
    rules = desk.state.rules.reduce
    attempts = case.attempts
    while attempts < rules.attempts:
        progress = after_round(desk, case, attempts, _attempt(desk, case))
        if progress is not None:
            return progress
        attempts += 1
    return Progress.DONE


def after_round(desk: Desk, case: Case, attempts: int, done: Attempt) -> Progress | None:
    """Return what follows on a round of orders, `None` for another round at once.

    Args:
        desk: The desk.
        case: The liquidation.
        attempts: Rounds before this one.
        done: What the round did.
    """
    if desk.state.has_recovered(case.unit):
        return Progress.DONE
    if done.is_limited:  # an order cut short by the window is not an attempt that failed
        return _wait(desk, case, attempts, desk.state.sold_window_end(), "notional limit")
    pause_s = max(desk.state.rules.reduce.interval_s, 1 if done.cooldown_s else 0)
    if pause_s:
        until = desk.state.time_ms + 1000 * pause_s
        return _wait(desk, case, attempts + 1, until, "interval", done.cooldown_s)
    return None if done.is_filled else Progress.DONE


def planned(state: State, case: Case, legs: Legs) -> ReducePlan:
    """Return the round of orders that the rulebook's policies want for a unit now."""
    rules = state.rules.reduce
    report = state.report(case.unit)
    sizing = sizing_policy(rules.sizing, **rules.sizing_settings)
    shortfall = Shortfall(
        equity=report.equity,
        maintenance=report.maintenance_margin,
        buffer=rules.buffer,
        in_cooldown=state.time_ms < case.cooldown_ms,
    )
    return sizing(ORDER[rules.order](list(legs.values()), rules.seed), shortfall)


def _attempt(desk: Desk, case: Case) -> Attempt:
    """Plan and send one round of orders."""
    state = desk.state
    legs = reducible_legs(state, state.report(case.unit))
    plan = planned(state, case, legs)
    done = Attempt(cooldown_s=plan.cooldown_seconds)
    for close in plan.closes:
        room = window_lots(state, legs[close.instrument, close.leg])
        sold = _send(desk, case, close, min(close.lots, room)) if room else False
        done.is_filled |= sold
        if room < close.lots:
            done.is_limited |= sold or (room == 0 and has_price(state, case, close))
        if state.has_recovered(case.unit):
            break
    return done


def reducible_legs(state: State, report: MarginReport) -> Legs:
    """Return the positions of a unit as the policies read them, valuation units."""
    legs = {}
    with exact():
        for held in report.positions:
            row = state.universe.instrument_row(held.position.instrument)
            if state.is_paused(row):
                continue
            instrument = held.terms.instrument
            lots = int(held.position.size / instrument.lot)
            price = state.price_of(state.universe.asset_row(instrument.settle))
            legs[instrument.symbol, int(held.position.leg)] = ReducibleLeg(
                instrument=instrument.symbol,
                leg=int(held.position.leg),
                lots=lots,
                lot_notional=held.notional / abs(lots) * price,
                maintenance=held.maintenance_margin * price,
                maintenance_rate=_rate(held),
                tiers=_tier_rows(held, price),
                edge_upper=held.terms.maintenance.parameters().edge_upper,
                pnl=held.unrealized_pnl * price,
                fee_rate=fee_rate(state, report, held),
                impact=state.rules.reduce.impact_of(instrument.symbol),
                hedged_lots=_hedged(report, held),
            )
    return legs


def fee_rate(state: State, report: MarginReport, held: PositionMargin) -> Decimal:
    """Return the clearance fee on a position's notional, at the mark: at most its equity share.

    A fee that is capped by the surplus over the zero-loss value takes no more than the share of
    equity that belongs to what is closed.
    """
    fee = state.rules.clearance_fee
    if state.rules.clearance_fee_cap is FeeCap.NONE or report.maintenance_margin <= ZERO:
        return fee
    share = max(ZERO, report.equity) / report.maintenance_margin
    return min(fee, share * _rate(held))


def _rate(held: PositionMargin) -> Decimal:
    return held.maintenance_margin / held.notional


def _tier_rows(held: PositionMargin, price: Decimal) -> tuple[TierRow, ...]:
    """Return the bracket rows in valuation units, where the rule is a table of notionals."""
    rule = held.terms.maintenance
    face = rule.parameters()
    if (
        held.position.tier is not None
        or len(face.floors) == 1
        or not rule.breakpoints(held.position.size)
    ):
        return ()
    fee = held.close_fee / held.notional
    rows = zip(face.floors, face.rates, face.deductions, strict=True)
    return tuple(TierRow(f * price, r + fee, d * price) for f, r, d in rows)


def _hedged(report: MarginReport, held: PositionMargin) -> int:
    """Return how many lots an opposite leg of the instrument covers."""
    opposite = sum(
        (
            abs(p.position.size)
            for p in report.positions
            if p.position.instrument == held.position.instrument
            and p.position.size * held.position.size < ZERO
        ),
        ZERO,
    )
    return int(min(opposite, abs(held.position.size)) / held.terms.instrument.lot)


def _send(desk: Desk, case: Case, close: Close, lots: int) -> bool:
    """Order lots of a close within its limit; return whether anything was filled."""
    state = desk.state
    order = order_of(state, case, close, lots)
    if order is None:
        return False
    done = desk.market.execute(order)
    if done.lots == 0:
        return False
    report = state.report(case.unit)
    held = _position(report, close)
    fee = clearance_fee(state, report, held, done)
    _book_fill(desk, case, order.instrument, int(held.position.leg), done, fee)
    return True


def order_of(state: State, case: Case, close: Close, lots: int) -> LiquidationOrder | None:
    """Return the order of lots of a close within its limit, `None` if no price helps."""
    report = state.report(case.unit)
    held = _position(report, close)
    row = state.universe.instrument_row(close.instrument)
    limit = limit_ticks(state, report, held, lots)
    if limit is None:
        return None
    return LiquidationOrder(
        instrument=row,
        lots=-lots if held.position.size > ZERO else lots,
        mark_ticks=state.ticks(row),
        limit_ticks=limit,
        time_ms=state.time_ms,
    )


def clearance_fee(state: State, report: MarginReport, held: PositionMargin, done: Execution) -> int:
    """Return the fee of a fill in settle quanta, under the rulebook's cap."""
    row = state.universe.instrument_row(held.position.instrument)
    value = state.value(row, done.lots, done.ticks)
    with exact():
        fee = int((abs(value) * state.rules.clearance_fee).to_integral_value(ROUND_CEILING))
        if state.rules.clearance_fee_cap is FeeCap.NONE or report.maintenance_margin <= ZERO:
            return fee
        instrument = held.terms.instrument
        quantum = state.universe.quantum(state.universe.asset_row(instrument.settle))
        least = zero_loss_value(report, held, -done.lots * instrument.lot) / quantum
        return max(0, min(fee, int(-value - least)))


def _position(report: MarginReport, close: Close) -> PositionMargin:
    """Return the position that a close is of."""
    key = (close.instrument, close.leg)
    return next(p for p in report.positions if (p.position.instrument, int(p.position.leg)) == key)


def has_price(state: State, case: Case, close: Close) -> bool:
    """Whether there is a price at which a close would be ordered."""
    report = state.report(case.unit)
    return limit_ticks(state, report, _position(report, close), close.lots) is not None


def _book_fill(desk: Desk, case: Case, row: int, leg: int, done: Execution, fee: int) -> None:
    """Write a fill down with its clearance fee and the fund's share of it."""
    state = desk.state
    desk.emit(
        e.Filled(
            unit=case.unit,
            counterparty=state.liquidity,
            instrument=row,
            lots=done.lots,
            value=state.value(row, done.lots, done.ticks),
            leg=leg,
            fee=fee,
            ticks=done.ticks,
            reason="reduce",
            case=case.case,
        ),
    )
    for moved in share_of_fund(state, row, fee, case.case):
        desk.emit(moved)


def share_of_fund(state: State, row: int, fee: int, case: int) -> list[e.Transferred]:
    """Return the transfer of the fund's share of a clearance fee, if it has one."""
    with exact():
        to_fund = int(fee * state.rules.insurance.fee_share)
    if to_fund <= 0:
        return []
    return [
        e.Transferred(
            source=state.fees,
            target=state.fund_of(row),
            asset=state.settle_of(row),
            quanta=to_fund,
            reason="clearance_fee",
            case=case,
        ),
    ]


def limit_ticks(
    state: State,
    report: MarginReport,
    held: PositionMargin,
    lots: int,
) -> int | None:
    """Return the worst price of an order, in ticks towards the account; `None` if none helps."""
    with exact():
        limits = [_policy_limit(state, report, held, lots), _relief_limit(state, held, lots)]
        sells = held.position.size > ZERO
        mark = held.mark_price
        if Unpriced.NO_PRICE in limits:
            return None
        known = [limit for limit in limits if not isinstance(limit, Unpriced)]
        limit = (max(known) if sells else min(known)) if known else None
        if limit is None:
            return None
        if (limit > mark) if sells else (limit < mark):
            return None
        unit = held.terms.instrument.price_unit
        rounding = ROUND_CEILING if sells else ROUND_FLOOR
        return max(1, int((limit / unit).to_integral_value(rounding)))


def _policy_limit(
    state: State,
    report: MarginReport,
    held: PositionMargin,
    lots: int,
) -> LimitPrice:
    rules = state.rules.reduce
    instrument = held.terms.instrument
    share = lots * instrument.lot / abs(held.position.size)
    price = state.price_of(state.universe.asset_row(instrument.settle))
    if report.maintenance_margin <= ZERO:
        return Unpriced.ANY_PRICE
    part = Slice(
        mark=held.mark_price,
        size=held.position.size * share * instrument.contract_size,
        equity=report.equity / price,
        maintenance=report.maintenance_margin / price,
        maintenance_freed=held.maintenance_margin * share,
        inverse=instrument.is_inverse,
    )
    return price_policy(rules.price_limit, **rules.price_settings)(part)


def _relief_limit(state: State, held: PositionMargin, lots: int) -> LimitPrice:
    """Return the price at which fee and slippage take all the maintenance that is released.

    The release of a lot is taken at the smaller of its average over the close and the rate now,
    so that a partial fill raises the excess too.
    """
    instrument = held.terms.instrument
    size = lots * instrument.lot
    rest = abs(held.position.size) - size
    per_size = held.notional / abs(held.position.size)
    after = held.terms.maintenance.requirement(rest, rest * per_size).amount if rest else ZERO
    average = (held.maintenance.amount - after) / size
    released = min(average, held.maintenance.rate * per_size) + held.close_fee / abs(
        held.position.size,
    )
    capped = state.rules.clearance_fee_cap is FeeCap.SURPLUS  # it never takes what is released
    fee = ZERO if capped else state.rules.clearance_fee
    quantum = state.universe.quantum(state.universe.asset_row(instrument.settle))
    # a quantum that the excess must gain, and one each that value and fee may be rounded up by
    rounding = 3 * quantum / (instrument.lot if instrument.is_inverse or fee else size)
    cost = released / state.steepest(instrument.settle)
    value = instrument.value_per_size(held.mark_price)
    room = (cost - fee * abs(value) - rounding) / (1 + fee)
    value = value - room if held.position.size > ZERO else value + room
    limit = instrument.price_at(value)
    if limit is not None:
        return limit
    if room <= ZERO:
        return Unpriced.NO_PRICE
    return instrument.price_unit if held.position.size > ZERO else Unpriced.ANY_PRICE


def window_lots(state: State, leg: ReducibleLeg) -> int:
    """Return the lots that the notional limit of the window still allows.

    A lot that no window has room for is not held back by it: one of them is let through.
    """
    limit = state.rules.guards.notional_max
    if limit is None:
        return leg.size
    with exact():
        if leg.lot_notional > limit:
            return 1 if state.sold_left() >= limit else 0
        return max(0, int(state.sold_left() / leg.lot_notional))


def _wait(
    desk: Desk, case: Case, attempts: int, until_ms: int, reason: str, cooldown_s: int = 0
) -> Progress:
    desk.emit(
        e.Waiting(
            case=case.case,
            unit=case.unit,
            until_ms=until_ms,
            reason=reason,
            attempts=attempts,
            cooldown_ms=desk.state.time_ms + 1000 * cooldown_s if cooldown_s else 0,
        ),
    )
    return Progress.WAITING
