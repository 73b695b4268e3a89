"""Protections a user sets: stops on a price, on equity or on usage, top-ups, automatic de-leverage.

Usage protections are watched by the same wires as warnings, at their own multiple of maintenance.
Price protections cut a stream of marks at the first snapshot that reaches them; equity floors are
looked at after every snapshot. A protection ends when it has done its work: a stop when nothing is
left to close, the others when they have moved something.
"""

from collections.abc import Collection, Iterator
from decimal import ROUND_CEILING, Decimal

import numpy as np

from keelmark.core.codes import Leg
from keelmark.core.errors import InvalidInput, nearest
from keelmark.core.margin import MarginReport
from keelmark.core.numbers import ZERO, exact
from keelmark.engine import commands as c
from keelmark.engine import events as e
from keelmark.engine.entries import MILLION, PRICE_KINDS, USAGE_KINDS, Protection
from keelmark.engine.execution import LiquidationOrder
from keelmark.engine.liquidation.desk import Desk, Offer
from keelmark.engine.liquidation.reduce import reducible_legs
from keelmark.engine.reduce.legs import Shortfall
from keelmark.engine.reduce.sizing import sizing_policy
from keelmark.engine.state import State

KINDS = (*PRICE_KINDS, "equity_floor", *USAGE_KINDS)


def require_protection(state: State, command: c.SetProtection) -> None:
    """Refuse a protection that could never work.

    Raises:
        InvalidInput: Naming the field.
    """
    where = f"protection {command.protection} of unit {command.unit}"
    if command.kind not in KINDS:
        msg = f"{where}: kind {command.kind!r}; {nearest(command.kind, KINDS)}"
        raise InvalidInput(msg)
    if command.kind in PRICE_KINDS and not (
        0 <= command.instrument < len(state.universe.symbols) and command.trigger > 0
    ):
        msg = f"{where}: needs an instrument row and a positive trigger in ticks"
        raise InvalidInput(msg)
    if command.kind in USAGE_KINDS and not 0 < command.trigger <= MILLION:
        msg = f"{where}: trigger {command.trigger}; usage is 1 to 1,000,000 parts per million"
        raise InvalidInput(msg)
    if command.kind in {"top_up", "deleverage"} and not 0 < command.target < command.trigger:
        msg = f"{where}: target {command.target} must lie between 0 and its trigger"
        raise InvalidInput(msg)
    if command.kind == "top_up":
        rows = state.book.units["account"]
        own = rows[state.book.known(command.source)] == rows[command.unit]
        if command.source == command.unit or not own:
            msg = f"{where}: a top-up needs another unit of the same account as its source"
            raise InvalidInput(msg)
    if command.kind == "top_up" and not 0 <= command.asset < len(state.universe.assets):
        msg = f"{where}: a top-up needs an asset row, 0 to {len(state.universe.assets) - 1}"
        raise InvalidInput(msg)
    if command.kind == "equity_floor" and not -1 <= command.asset < len(state.universe.assets):
        msg = f"{where}: asset {command.asset} is not in the book; leave it out for the first one"
        raise InvalidInput(msg)


def first_price_trigger(state: State, marks: e.MarksSet, first: int, last: int) -> int:
    """Return the first snapshot in `[first, last]` at which a price protection is reached."""
    start, end = int(marks.offsets[first]), int(marks.offsets[last + 1])
    factors, prices = marks.factors[start:end], marks.prices[start:end]
    hit = np.zeros(end - start, np.bool_)
    for factor, low, high in price_triggers(state):
        rows = factors == factor
        hit |= rows & ((prices <= low) | (prices >= high))
    if not hit.any():
        return last
    row = start + int(np.argmax(hit))
    return int(np.searchsorted(marks.offsets, row, side="right")) - 1


def has_kind(state: State, kinds: Collection[str]) -> bool:
    """Whether any unit has a protection of one of these kinds."""
    return any(p.kind in kinds for rows in state.protections.values() for p in rows.values())


def price_triggers(state: State) -> Iterator[tuple[int, float, float]]:
    """Yield (factor, highest price that fires downwards, lowest that fires upwards)."""
    for unit, rows in state.protections.items():
        for protection in rows.values():
            if protection.kind not in PRICE_KINDS:
                continue
            lots = net_lots(state, unit, protection.instrument)
            if lots == 0:
                continue
            row = state.universe.instruments[protection.instrument]
            price = protection.trigger * float(row["price_unit"])
            slack = 0.25 * float(row["price_unit"])
            below = fires_below(protection, lots)
            low, high = (price + slack, np.inf) if below else (0.0, price - slack)
            yield int(row["mark_factor"]), low, high


def net_lots(state: State, unit: int, instrument: int) -> int:
    """Return the signed lots of a unit in an instrument, all legs together."""
    positions = state.book.unit_view(unit).positions
    return sum(p.lots for p in positions if p.instrument == instrument)


def fires_below(protection: Protection, lots: int) -> bool:
    """Whether a price protection of a position is reached by a falling price."""
    return (lots > 0) == (protection.kind == "stop_loss")


def run_protections(desk: Desk, unit: int) -> None:
    """Carry out every protection of a unit that is reached now."""
    state = desk.state
    if unit in state.cases or unit in state.held:
        return
    for number, protection in sorted(state.protections.get(unit, {}).items()):
        view = state.book.unit_view(unit)
        if state.depends_on_untrusted(view) or not view.positions:
            continue
        if is_reached(state, unit, protection) and _act(desk, unit, number):
            desk.emit(e.ProtectionRemoved(unit=unit, protection=number, fired=True))


def is_reached(state: State, unit: int, protection: Protection) -> bool:
    """Whether a protection's condition holds at the present snapshot."""
    if protection.kind in PRICE_KINDS:
        lots = net_lots(state, unit, protection.instrument)
        ticks = state.ticks(protection.instrument)
        below = fires_below(protection, lots)
        reached = ticks <= protection.trigger if below else ticks >= protection.trigger
        return lots != 0 and reached
    report = state.report(unit)
    if protection.kind == "equity_floor":
        return report.equity <= _floor(state, protection)
    with exact():
        return report.maintenance_margin * MILLION >= report.equity * protection.trigger


def _floor(state: State, protection: Protection) -> Decimal:
    asset = max(0, protection.asset)
    return protection.trigger * state.universe.quantum(asset) * state.price_of(asset)


# --- actions ------------------------------------------------------------------------------------


def _act(desk: Desk, unit: int, number: int) -> bool:
    """Do what a protection is for; return whether it has done its work."""
    protection = desk.state.protections[unit][number]
    if protection.kind == "top_up":
        return _top_up(desk, unit, protection)
    if protection.kind == "deleverage":
        return _deleverage(desk, unit, number)
    return _close(desk, unit, number)


def _close(desk: Desk, unit: int, number: int) -> bool:
    """Sell the instrument of a price protection, or everything; whether nothing of it is left."""
    protection = desk.state.protections[unit][number]
    chosen = protection.instrument if protection.kind in PRICE_KINDS else -1
    left = 0
    for held in desk.state.book.unit_view(unit).positions:
        if chosen in {-1, held.instrument}:
            left += abs(held.lots)
            left -= _send(desk, (unit, number), held.instrument, int(held.leg), -held.lots)
    return left == 0


def _top_up(desk: Desk, unit: int, protection: Protection) -> bool:
    """Move from the funding unit what brings usage to the target, as far as it has it."""
    state = desk.state
    with exact():
        short = _missing(state.report(unit), protection.target)
        price = state.universe.quantum(protection.asset) * state.price_of(protection.asset)
        weight = state.model.assets[state.universe.assets[protection.asset]].schedule
        held = state.book.balance(unit, protection.asset) * state.universe.quantum(protection.asset)
        marginal = max(weight.marginal_weight(held), Decimal("0.01"))
        wanted = int((short / (price * marginal)).to_integral_value(ROUND_CEILING))
    quanta = min(max(0, wanted), state.free_cash(protection.source, protection.asset))
    if quanta:
        desk.emit(
            e.Transferred(
                source=protection.source,
                target=unit,
                asset=protection.asset,
                quanta=quanta,
                reason="top_up",
            ),
        )
    return quanta > 0


def _deleverage(desk: Desk, unit: int, number: int) -> bool:
    """Sell, most maintenance first, until usage is at the target.

    Not while an order of the unit is out: its size is not known before that has come back.
    """
    state = desk.state
    if state.working.awaits(unit):
        return False
    report = state.report(unit)
    legs = sorted(reducible_legs(state, report).values(), key=lambda leg: -leg.maintenance)
    shortfall = Shortfall(
        equity=report.equity,
        maintenance=report.maintenance_margin,
        buffer=Decimal(MILLION) / state.protections[unit][number].target - 1,
    )
    sold = 0
    for close in sizing_policy("to_target")(legs, shortfall).closes:
        row = state.universe.instrument_row(close.instrument)
        held = state.book.lots(unit, row, Leg(close.leg))
        sold += _send(desk, (unit, number), row, close.leg, -close.lots if held > 0 else close.lots)
    return sold > 0


def _missing(report: MarginReport, target: int) -> Decimal:
    """Return the equity that brings usage to `target` parts per million."""
    return max(ZERO, report.maintenance_margin * MILLION / target - report.equity)


def _send(desk: Desk, owner: tuple[int, int], row: int, leg: int, lots: int) -> int:
    """Sell or buy in the market, without a limit, at the taker fee; return the lots filled.

    Args:
        desk: The desk.
        owner: The unit and the number of its protection.
        row: Row of the instrument.
        leg: Leg of the position.
        lots: Signed; of them, what no order works for yet.
    """
    state, (unit, number) = desk.state, owner
    free = min(abs(lots), state.free_lots(unit, row, Leg(leg)))
    if state.is_paused(row) or not free or state.working.rests(unit, state.time_ms):
        return 0
    lots = free if lots > 0 else -free
    order = LiquidationOrder(
        instrument=row,
        lots=lots,
        mark_ticks=state.ticks(row),
        limit_ticks=None,
        time_ms=state.time_ms,
    )
    offer = Offer(unit=unit, leg=leg, reason="protection", protection=number)
    done = desk.sell(order, offer)
    if done.lots == 0:
        return 0
    value = state.value(row, done.lots, done.ticks)
    with exact():
        fee = int((abs(value) * state.rules.taker_fee).to_integral_value(ROUND_CEILING))
    desk.emit(
        e.Filled(
            unit=unit,
            counterparty=state.liquidity,
            instrument=row,
            lots=done.lots,
            value=value,
            leg=leg,
            fee=fee,
            ticks=done.ticks,
            reason="protection",
        ),
    )
    return abs(done.lots)
