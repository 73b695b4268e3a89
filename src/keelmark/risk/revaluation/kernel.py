"""One unit under every scenario, in float64: equity, maintenance, worth, and the part of each leg.

Each scenario writes its own slots, so the result is that of one thread. What a result differs from
`core` by is rounding: at most `ERROR` of the sum of the absolute terms, with three quanta a
contract whose venue computes in whole quanta. Where a notional lies within `ERROR` of a floor at
which the requirement jumps, either row may be taken.

Definition: `core.margin.margin_report` and `core.excess.worth` at `moved.scenario_market`.
"""

import math

import numba
import numpy as np

from keelmark.book.kernels.jit import inlined, njit
from keelmark.book.kernels.margin import Record
from keelmark.risk.revaluation.tables import Columns, Floats, Moves, Rows, Tables

ERROR = 1e-12
"""Error of a result, as a fraction of the sum of its absolute terms."""

STRETCH = 1024
"""Scenarios a thread takes at a time."""

EQUITY = 0
MAINTENANCE = 1
WORTH = 2

INVERSE = 1  # tables.INVERSE
ON_MARK = 0  # tables.ON_MARK
ON_INDEX = 1  # tables.ON_INDEX
NONE = -1
SQRT_2 = math.sqrt(2.0)


@inlined
def shock(values: Floats, columns: Columns, scenario: int, which: int) -> float:
    """Return a shock; zero where nothing moves."""
    column = columns[which]
    return 0.0 if column < 0 else values[scenario, column]


@inlined
def normal(x: float) -> float:
    """Return the standard normal distribution, accurate in its lower tail."""
    return math.erfc(-x / SQRT_2) / 2.0


@inlined
def model_premium(option: Record, forward: float, deviation: float) -> float:
    """Return the Black-76 premium, as `core.repricing.model_price`."""
    strike = option["strike"]
    gain = forward - strike if option["is_call"] else strike - forward
    quote = max(0.0, gain)
    if deviation > 0.0:
        shift = math.log(forward / strike) / deviation
        d1 = shift + deviation / 2.0
        d2 = shift - deviation / 2.0
        if forward <= strike:
            time_value = forward * normal(d1) - strike * normal(d2)
        else:
            time_value = strike * normal(-d2) - forward * normal(-d1)
        quote += max(0.0, time_value)
    return float(quote / forward if option["in_coin"] else quote)


@inlined
def premium(option: Record, ratio: float, volatility: float) -> float:
    """Return the mark of an option after its forward and its volatility moved."""
    deviation = option["deviation"] * (1.0 + volatility)
    model = model_premium(option, option["forward"] * ratio, deviation)
    return float(max(0.0, model + option["difference"]))


@inlined
def short_margin(option: Record, mark: float, ratio: float) -> float:
    """Return the maintenance of an option, as `core.option_rules`: of shorts alone."""
    if not option["is_short"]:
        return 0.0
    unit = 1.0 if option["in_coin"] else ratio
    share = max(option["share"] * unit, option["of_mark"] * mark)
    each = share * option["factor"] + mark + option["fee"] * unit
    return float(abs(option["units"]) * each)


@inlined
def row_amount(rows: Rows, leg: Record, notional: float) -> float:
    """Return the requirement on a notional: of the row that owns it, found from that of now."""
    row = leg["row_start"] + leg["row_now"]
    last = leg["row_start"] + leg["row_count"] - 1
    upper = leg["edge_upper"]
    while row < last and (
        notional > rows[row + 1]["floor"] or (upper and notional == rows[row + 1]["floor"])
    ):
        row += 1
    while row > leg["row_start"] and (
        notional < rows[row]["floor"] or (not upper and notional == rows[row]["floor"])
    ):
        row -= 1
    rate = rows[row]["rate"] + rows[row]["curve"] * notional
    return float(notional * rate - rows[row]["deduction"])


@inlined
def moved(kind: int, amount: float, ratio: float) -> float:
    """Return a value or notional after its price moved."""
    return amount / ratio if kind == INVERSE else amount * ratio


@inlined
def credit(groups: Rows, group: int, alone: float, ratio: float) -> float:
    """Return what options together are asked less than each by itself; not above zero."""
    if group < 0:
        return 0.0
    return float(min(0.0, groups[group]["loss"] + groups[group]["naked"] * ratio - alone))


@inlined
def collateral_value(segments: Rows, asset: Record, amount: float) -> float:
    """Return what an amount counts for: the smallest of its lines."""
    value = np.inf
    for row in range(asset["segment_start"], asset["segment_end"]):
        value = min(value, segments[row]["slope"] * amount + segments[row]["intercept"])
    return value


@inlined
def asset_price(asset: Record, at: int, moves: Moves, scenario: int) -> float:
    """Return the price of an asset after a scenario."""
    price = asset["price"] * (1.0 + shock(moves.collateral, moves.collateral_of, scenario, at))
    if asset["coin"] >= 0:
        price *= 1.0 + shock(moves.returns, moves.return_of, scenario, asset["coin"])
    return float(price)


@inlined
def future_margin(rows: Rows, leg: Record, ratio: float, on_mark: float) -> float:
    """Return the maintenance of a perpetual or a future, with its fee to close."""
    if leg["margin"] == ON_MARK:
        notional = moved(leg["kind"], leg["notional"], on_mark)
        return float(row_amount(rows, leg, notional) + leg["constant"])
    if leg["margin"] == ON_INDEX:
        notional = moved(leg["kind"], leg["notional"], ratio)
        return float(row_amount(rows, leg, notional) + leg["constant"])
    return float(leg["constant"])


@inlined
def asset_sums(
    tables: Tables, moves: Moves, scenario: int, at: int
) -> tuple[float, float, float, float, float]:
    """Return cash, gains, what of them counts, the counted profits, and what is required."""
    asset = tables.assets[at]
    cash = asset["cash"]
    gains = 0.0
    counted = 0.0
    positive = 0.0
    required = asset["gross"]
    group = NONE
    alone = 0.0
    group_ratio = 1.0
    for number in range(asset["leg_start"], asset["leg_end"]):
        leg = tables.legs[number]
        coin = leg["coin"]
        ratio = 1.0 + shock(moves.returns, moves.return_of, scenario, coin)
        if leg["option"] < 0:
            on_mark = ratio * (1.0 + shock(moves.basis, moves.basis_of, scenario, coin))
            gain = moved(leg["kind"], leg["value"], on_mark) - leg["cost"]
            gains += gain
            counted += min(gain, gain * tables.weight)
            positive += max(0.0, gain * tables.weight)
            cash -= leg["funding"] * shock(moves.funding, moves.funding_of, scenario, coin)
            required += future_margin(tables.rows, leg, ratio, on_mark)
            continue
        option = tables.options[leg["option"]]
        change = shock(moves.volatility, moves.volatility_of, scenario, coin)
        mark = premium(option, ratio, change)
        amount = short_margin(option, mark, ratio)
        gains += option["units"] * mark
        counted += option["units"] * mark * option["counts"]
        if leg["group"] != group:
            required += credit(tables.groups, group, alone, group_ratio)
            group = leg["group"]
            alone = 0.0
        alone += amount
        group_ratio = ratio
        required += amount
    required += credit(tables.groups, group, alone, group_ratio)
    return cash, gains, counted, positive, required


@njit
def values_kernel(
    tables: Tables,
    moves: Moves,
    values: Floats,  # (n, 3) equity, maintenance, worth; valuation currency, written
    first: int,
    end: int,
) -> None:
    """Write equity, maintenance and worth of the scenarios from `first` to `end`.

    Definition: `core.margin.margin_report` at `moved.scenario_market`.
    """
    for scenario in range(first, end):
        equity = 0.0
        maintenance = 0.0
        worth = 0.0
        capped = 0.0
        for at in range(tables.assets.shape[0]):
            asset = tables.assets[at]
            cash, gains, counted, positive, required = asset_sums(tables, moves, scenario, at)
            price = asset_price(asset, at, moves, scenario)
            apart = asset["apart"]
            weighed = cash if apart else cash + counted
            loan = max(0.0, -weighed * asset["loan_rate"])
            value = collateral_value(tables.segments, asset, weighed) + asset["ask"] * loan
            equity += (value + counted if apart else value) * price
            maintenance += (required + loan) * price * asset["ask"]
            worth += (cash + gains) * price
            capped += positive * price
        values[scenario, EQUITY] = equity - max(0.0, capped - tables.cap)
        values[scenario, MAINTENANCE] = maintenance
        values[scenario, WORTH] = worth


def _values_parallel(tables: Tables, moves: Moves, values: Floats) -> None:
    """Write what `values_kernel` writes for all scenarios, on every thread, a stretch at a time."""
    count = values.shape[0]
    for stretch in numba.prange((count + STRETCH - 1) // STRETCH):
        first = stretch * STRETCH
        values_kernel(tables, moves, values, first, min(first + STRETCH, count))


values_parallel = numba.njit(cache=True, error_model="numpy", fastmath=False, parallel=True)(
    _values_parallel,
)
"""Each scenario has its own slots, so the result is that of one thread."""


@njit
def leg_pnl_kernel(
    tables: Tables,
    moves: Moves,
    pnl: Floats,  # (n, legs + assets) valuation currency, written
) -> None:
    """Write what each leg and each asset adds to the change of worth.

    A leg's change counts at the asset's price after; an asset's change of price counts on what the
    unit has of it now, gains included. So the parts sum to the whole.

    Definition: `core.excess.worth` at `moved.scenario_market`.
    """
    count = tables.legs.shape[0]
    for scenario in range(pnl.shape[0]):
        for at in range(tables.assets.shape[0]):
            asset = tables.assets[at]
            price = asset_price(asset, at, moves, scenario)
            now = asset["cash"]
            for number in range(asset["leg_start"], asset["leg_end"]):
                leg = tables.legs[number]
                coin = leg["coin"]
                ratio = 1.0 + shock(moves.returns, moves.return_of, scenario, coin)
                if leg["option"] >= 0:
                    option = tables.options[leg["option"]]
                    change = shock(moves.volatility, moves.volatility_of, scenario, coin)
                    before = option["units"] * premium(option, 1.0, 0.0)
                    after = option["units"] * premium(option, ratio, change)
                    now += before
                else:
                    basis = 1.0 + shock(moves.basis, moves.basis_of, scenario, coin)
                    before = leg["value"]
                    after = moved(leg["kind"], before, ratio * basis)
                    after -= leg["funding"] * shock(moves.funding, moves.funding_of, scenario, coin)
                    now += before - leg["cost"]
                pnl[scenario, leg["position"]] = (after - before) * price
            pnl[scenario, count + at] = now * (price - asset["price"])
