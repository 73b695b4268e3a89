"""Units as lines, accounts as JSON, and how their coins move, for tests of probabilities."""

import json
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from keelmark.accounts import Account, read_account
from keelmark.accounts.volatilities import Volatilities
from keelmark.risk.liquidation.draws import Source
from keelmark.risk.liquidation.exit_points import exits_of, tilt_towards
from keelmark.risk.liquidation.piecewise import Book, alone, look_at
from keelmark.risk.liquidation.plans import NO_TILT, Plan, Tilt
from keelmark.risk.liquidation.simulation import Estimate, kernel_walker, simulated
from keelmark.risk.liquidation.walks import Dues, Look, Start

Array = npt.NDArray[np.float64]

DEVIATIONS = {"BTC": 0.03, "ETH": 0.04, "SOL": 0.055}
MARKS = {"BTC": 60_000.0, "ETH": 3_000.0, "SOL": 150.0}


def volatilities(correlation: float = 0.7, scale: float = 1.0) -> Volatilities:
    """Deviations of a day of three coins, equally correlated."""
    found = {coin: scale * own for coin, own in DEVIATIONS.items()}
    joint = {
        (one, other): (1.0 if one == other else correlation) * a * b
        for one, a in found.items()
        for other, b in found.items()
    }
    return Volatilities(by_coin=found, covariance=joint)


def account_of(
    sizes: dict[str, str],
    cash: str,
    *,
    venue: str = "generic@2025-10",
    isolated: Mapping[str, str] | None = None,
) -> Account:
    """Perpetuals at their marks, entered there; `isolated` gives margins by coin."""
    rows: list[dict[str, str]] = []
    for coin, size in sizes.items():
        mark = f"{MARKS[coin]:g}"
        row = {"instrument": f"{coin}USDT", "size": size, "entry_price": mark, "mark_price": mark}
        if isolated and coin in isolated:
            row |= {"margin_mode": "isolated", "isolated_margin": isolated[coin]}
        rows.append(row)
    collateral = [{"asset": "USDT", "balance": cash}]
    document = {"venue": venue, "collateral": collateral, "positions": rows}
    return read_account(json.dumps(document))


def one_barrier(ratio: float, flat: float = 0.0) -> Book:
    """One long of one coin, liquidated where its price is this ratio of now."""
    start = np.zeros((1, 1), dtype=np.int64)
    return Book(
        constant=np.array([-ratio]),
        first=start,
        now=start,
        ends=np.array([np.inf]),
        levels=np.zeros(1),
        slopes=np.ones(1),
        flat=np.array([flat]),
        carry=np.zeros((1, 1)),
    )


@st.composite
def books(draw: st.DrawFn) -> Book:
    """One to three units on one to three coins, with one to three lines by unit and coin."""
    units, coins = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    size = st.floats(-2.0, 2.0)
    first, now = (np.zeros((units, coins), dtype=np.int64) for _ in range(2))
    ends: list[float] = []
    slopes: list[float] = []
    levels: list[float] = []
    constant = np.zeros(units)
    for unit in range(units):
        for coin in range(coins):
            cuts = sorted(draw(st.sets(st.sampled_from([0.8, 0.95, 1.0, 1.1]), max_size=2)))
            first[unit, coin] = len(ends)
            now[unit, coin] = len(ends) + sum(cut < 1.0 for cut in cuts)
            level, slope = 0.0, draw(size)
            for at, end in enumerate([*cuts, np.inf]):
                if at:
                    bend = draw(st.floats(-0.3, 0.0))
                    level -= bend * cuts[at - 1]
                    slope += bend
                ends.append(end)
                slopes.append(slope)
                levels.append(level)
        constant[unit] = draw(st.floats(0.01, 0.4))
    book = Book(
        constant=constant,
        first=first,
        now=now,
        ends=np.array(ends),
        levels=np.array(levels),
        slopes=np.array(slopes),
        flat=np.array(draw(st.lists(st.floats(0, 0.01), min_size=units, max_size=units))),
        carry=np.full((units, coins), draw(st.floats(-0.01, 0.01))),
    )
    excess, _ = look_at(book, np.ones((1, coins)))
    return book._replace(constant=2.0 * constant - excess[0])


def look_of(book: Book) -> Look:
    """The look at lines."""
    return lambda ratios: look_at(book, ratios)


def dues_of(book: Book) -> Dues:
    """What a book pays."""
    return Dues(flat=book.flat, carry=book.carry)


def tilt_of_book(book: Book, plan: Plan) -> Tilt:
    """The pull towards the nearest liquidating points."""
    ends = np.cumsum(plan.days)[plan.horizon >= 0]
    looks = [look_of(alone(book, unit)) for unit in range(len(book.constant))]
    exits = exits_of(looks, dues_of(book), plan, [float(day) for day in ends])
    return tilt_towards(exits, plan) or NO_TILT


def estimate(book: Book, plan: Plan, source: Source, *, is_pulled: bool = True) -> Estimate:
    """What the kernel finds."""
    tilt = tilt_of_book(book, plan) if is_pulled else NO_TILT
    excess, slopes = look_at(book, np.ones((1, len(plan.drift))))
    start = Start.of(excess[0], slopes[0], plan.factor)
    return simulated(kernel_walker(book, plan, tilt), start, plan, source)
