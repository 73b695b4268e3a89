"""Sell collateral for the asset a unit is short of: cheapest exchange first.

A debt counts in full and may carry margin of its own, collateral counts at its weight; exchanging
one for the other helps exactly where the exchange costs less than the haircut. Each exchange is
tried on plain values first and made only if it raises the excess (INV-07).
"""

from dataclasses import replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from keelmark.core.margin import AssetMargin, MarginReport, maintenance_excess
from keelmark.core.numbers import ONE, ZERO, exact
from keelmark.engine import events as e
from keelmark.engine.entries import Case
from keelmark.engine.liquidation.desk import Desk
from keelmark.engine.liquidation.reduce import Progress
from keelmark.engine.state import State


def convert_collateral(desk: Desk, case: Case) -> Progress:
    """Exchange collateral for what the unit is short of, as far as it helps."""
    state = desk.state
    report = state.report(case.unit)
    for short in [a for a in report.assets if a.counted < ZERO]:
        for source in sources(state, report):
            _exchange(desk, case, source, short.asset)
            if state.has_recovered(case.unit):
                return Progress.DONE
    return Progress.DONE


def sources(state: State, report: MarginReport) -> list[str]:
    """Return the assets that can be sold, cheapest exchange first."""
    haircuts = {a.asset: state.model.asset(a.asset).conversion_haircut for a in report.assets}
    able = [a.asset for a in report.assets if min(a.balance, a.counted) > ZERO]
    return sorted((a for a in able if haircuts[a] < ONE), key=lambda a: (haircuts[a], a))


def _exchange(desk: Desk, case: Case, source: str, target: str) -> None:
    """Sell as much of `source` as `target` is short of, if that helps."""
    state = desk.state
    amounts = _amounts(state, state.report(case.unit), source, target)
    if amounts is None or not _helps(state, case.unit, source, target, amounts):
        return
    sold, bought = amounts
    desk.emit(_moved(case, source, case.unit, state.liquidity, sold, state))
    desk.emit(_moved(case, target, state.liquidity, case.unit, bought, state))


def _amounts(
    state: State,
    report: MarginReport,
    source: str,
    target: str,
) -> tuple[int, int] | None:
    """Return (quanta sold, quanta bought); what is sold rounds up, what is bought down."""
    assets: dict[str, AssetMargin] = {a.asset: a for a in report.assets}
    row, target_row = state.universe.asset_row(source), state.universe.asset_row(target)
    with exact():
        kept = ONE - state.model.asset(source).conversion_haircut
        rate = assets[source].price * kept / assets[target].price
        wanted = -assets[target].counted
        have = min(assets[source].balance, assets[source].counted)
        if wanted <= ZERO or have <= ZERO:
            return None
        sold = min(have, wanted / rate)
        quanta = (sold / state.universe.quantum(row)).to_integral_value(ROUND_CEILING)
        held = (assets[source].balance / state.universe.quantum(row)).to_integral_value(ROUND_FLOOR)
        quanta = min(quanta, held)
        proceeds = quanta * state.universe.quantum(row) * rate / state.universe.quantum(target_row)
        bought = int(proceeds.to_integral_value(ROUND_FLOOR))
    return (int(quanta), bought) if bought > 0 else None


def _helps(
    state: State,
    unit: int,
    source: str,
    target: str,
    amounts: tuple[int, int],
) -> bool:
    """Whether the exchange raises the excess by at least one quantum of the target."""
    before = state.unit(unit)
    sold, bought = amounts
    quantum = state.universe.quantum(state.universe.asset_row(target))
    with exact():
        balances: dict[str, Decimal] = dict(before.balances)
        balances[source] -= sold * state.universe.quantum(state.universe.asset_row(source))
        balances[target] = balances.get(target, ZERO) + bought * quantum
        after = replace(before, balances=balances)
        gain = maintenance_excess(after, state.market, state.model) - maintenance_excess(
            before,
            state.market,
            state.model,
        )
        return gain >= quantum


def _moved(
    case: Case, asset: str, source: int, target: int, quanta: int, state: State
) -> e.Transferred:
    return e.Transferred(
        source=source,
        target=target,
        asset=state.universe.asset_row(asset),
        quanta=quanta,
        reason="conversion",
        case=case.case,
    )
