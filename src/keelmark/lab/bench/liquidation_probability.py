"""The chance of a liquidation from paths of ten coins, and of a rare one, against numpy's way."""

from decimal import Decimal
from math import log

import numpy as np
import numpy.typing as npt

from keelmark.accounts.account import build_account
from keelmark.accounts.document import AccountDocument, PositionRow
from keelmark.lab.bench.timing import Stopwatch, timed
from keelmark.lab.bench.values import Row, Size
from keelmark.lab.bench.watched import require
from keelmark.risk.liquidation.draws import Source
from keelmark.risk.liquidation.exit_points import exits_of, tilt_towards
from keelmark.risk.liquidation.one_barrier import Walk, met_by
from keelmark.risk.liquidation.piecewise import Book, book_of, look_at
from keelmark.risk.liquidation.plans import NO_TILT, Plan, Tilt, plan_of
from keelmark.risk.liquidation.simulation import (
    Estimate,
    Walker,
    kernel_walker,
    plain_walker,
    simulated,
)
from keelmark.risk.liquidation.walks import Dues, Start
from keelmark.risk.revaluation import UnitValuer

COINS = 10
STEPS = 48
PATHS = 200_000
RARE_PATHS = 100_000
SEED = 20251010
WEEK = 7.0
CASH = 150_000
"""Leaves a chance of about one in ten over a week."""
RARE_CASH = 350_000
"""Leaves about one in a million."""
SHORTS = (3, 7)
SAME = 1e-9

DATA = (
    f"{COINS} linear positions, two of them short, five tier rows each, coins of 3 to 6 % a day "
    "correlated by 0.6, a week"
)


def liquidation_probability_rows(size: Size) -> list[Row]:
    """Walk an account of ten coins; every result is held against another way to it."""
    book, plan = book_with(CASH), plan_of((WEEK,), STEPS, covariance())
    source = Source(seed=SEED, pairs=size.times(PATHS, 1_000) // 2)
    few = Source(seed=SEED, pairs=max(500, source.pairs // 10))
    walk = kernel_walker(book, plan)
    found = run(book, plan, walk, few)
    watch = timed(lambda: run(book, plan, walk, source), size.times(7, 1))
    by_numpy = Stopwatch()
    with by_numpy:
        slow = run(book, plan, numpy_walker(book, plan), few)
    close = np.abs(found.probability - slow.probability) <= SAME
    require(bool(np.all(close)), "the chance by kernel and numpy")
    return [
        Row(
            name="liquidation_probability",
            what=f"{PATHS:,} paths x {COINS} assets x {STEPS} steps: the chance of liquidation and "
            "its error, with a bridge between steps and a control variate",
            value=watch.median,
            unit="s",
            bar=size.bar("<=", 2.0, units=None),
            ratio=by_numpy.total * source.pairs / few.pairs / watch.median,
            against="numpy, 256 pairs of paths a step at a time, on as many threads; timed on a "
            "tenth of the paths",
            timings=watch.timings(1.0),
            data=DATA,
            checked="numpy on the same draws",
        ),
        rare_row(size),
    ]


def rare_row(size: Size) -> Row:
    """Measure how sure a chance of one in a million is from pulled draws."""
    book, plan = book_with(RARE_CASH), plan_of((WEEK,), STEPS, covariance())
    walk = kernel_walker(book, plan, pulled(book, plan))
    sources = [
        Source(seed=SEED + number, pairs=size.times(RARE_PATHS, 1_000) // 2) for number in range(2)
    ]
    one, other = (run(book, plan, walk, source) for source in sources)
    watch = timed(lambda: run(book, plan, walk, sources[0]), size.times(5, 1))
    (chance, again), (error, slack) = (
        [float(found[0, 0]) for found in (getattr(e, name) for e in (one, other))]
        for name in ("probability", "error")
    )
    require(abs(chance - again) <= 4.0 * (error + slack), "a rare chance by two seeds")
    require_closed_form(sources[0])
    return Row(
        name="liquidation_probability_rare",
        what=f"a chance of {chance:.2g} by {RARE_PATHS:,} pulled paths: its standard error, of it",
        value=100.0 * error / chance,
        unit="%",
        bar=size.bar("<=", 2.0, units=None),
        ratio=chance * (1.0 - chance) / one.paths / error**2,
        against="the variance of as many paths counted as they fall, `p (1 - p) / n`",
        timings=watch.timings(1.0, of="all paths, s"),
        data=DATA,
        checked="another seed; the closed form of one coin's barrier at 0.6 of its price",
    )


def require_closed_form(source: Source) -> None:
    """Hold pulled draws to the closed form: 80 % a year, a week, 28 steps."""
    variance = 0.8**2 / 365
    walk = Walk.of_price(variance**0.5)
    start, none = np.zeros((1, 1), dtype=np.int64), np.zeros((1, 1))
    ends = np.array([np.inf])
    book = Book(-np.array([0.6]), start, start, ends, none[0], np.ones(1), none[0], none)
    plan = plan_of((WEEK,), 28, np.array([[variance]]))
    found = run(book, plan, kernel_walker(book, plan, pulled(book, plan)), source)
    apart = abs(float(found.probability[0, 0]) - met_by(walk, log(0.6), WEEK))
    require(apart <= 4.0 * float(found.error[0, 0]), "a rare barrier and its closed form")


def run(book: Book, plan: Plan, walk: Walker, source: Source) -> Estimate:
    """Return what paths find of a book."""
    excess, slopes = look_at(book, np.ones((1, len(plan.drift))))
    return simulated(walk, Start.of(excess[0], slopes[0], plan.factor), plan, source)


def numpy_walker(book: Book, plan: Plan) -> Walker:
    """Return the way in arrays."""
    dues = Dues(flat=book.flat, carry=book.carry)
    return plain_walker(lambda ratios: look_at(book, ratios), dues, plan)


def pulled(book: Book, plan: Plan) -> Tilt:
    """Return the pull towards where the book most likely is liquidated."""
    dues = Dues(flat=book.flat, carry=book.carry)
    exits = exits_of([lambda ratios: look_at(book, ratios)], dues, plan, [WEEK])
    return tilt_towards(exits, plan) or NO_TILT


def covariance() -> npt.NDArray[np.float64]:
    """Return how the coins move in a day."""
    deviations = np.linspace(0.03, 0.06, COINS)
    joint: npt.NDArray[np.float64] = (0.6 + 0.4 * np.eye(COINS)) * np.outer(deviations, deviations)
    return joint


def book_with(cash: int) -> Book:
    """Return ten positions, two of them short, as lines."""
    rows = []
    for number in range(COINS):
        mark = Decimal(10) ** (number % 5)
        notional = (100_000 + 10_000 * number) * (-1 if number in SHORTS else 1)
        rows.append(
            PositionRow(
                path=f"positions[{number}]",
                instrument=f"C{number:02d}USDT",
                size=notional / mark,
                entry_price=mark,
                mark_price=mark,
                leverage=Decimal(5),
            )
        )
    collateral = {"USDT": Decimal(cash)}
    account = build_account(
        AccountDocument(venue="generic", collateral=collateral, positions=tuple(rows))
    )
    valuer = UnitValuer.of(account, account.units[0])
    return book_of([valuer], valuer.coins)
