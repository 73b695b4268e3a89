"""A venue's whole book under twelve joint scenarios, against the same columns with numpy alone."""

import numpy as np

from keelmark.lab.bench.fleet import fleet_state, positions_count
from keelmark.lab.bench.plain import Layout, layout, plain_values
from keelmark.lab.bench.timing import timed
from keelmark.lab.bench.values import Row, Size
from keelmark.lab.bench.venue import Shape
from keelmark.lab.bench.watched import require
from keelmark.risk.fleet import BookStress, VenueBook, book_stress
from keelmark.risk.fleet.prices import book_moves
from keelmark.risk.scenarios import Scenarios, Shocks

SCENARIOS = 12
SEED = 20251010
COMMON, OWN = 0.12, 0.06
"""Standard deviations of what all coins share and of what each has alone."""
BAR_UNITS = 100_000


def book_stress_rows(size: Size) -> list[Row]:
    """Stress the fleet; who falls and what is missing are what the plain pass finds."""
    shape = Shape(units=size.units)
    state = fleet_state(shape)
    book = VenueBook(universe=state.universe, book=state.book, prices=state.prices)
    scenarios = drawn(book)
    where = layout(book.tables)
    fast = timed(lambda: book_stress(book, scenarios), size.times(7, 1))
    slow = timed(lambda: plain_stress(book, scenarios, where), size.times(3, 1))
    found, plain = book_stress(book, scenarios), plain_stress(book, scenarios, where)
    check(found, *plain)
    return [
        Row(
            name="book_stress",
            what=f"`book_stress` of a whole book under {SCENARIOS} joint scenarios",
            value=fast.median,
            unit="s",
            bar=size.bar("<=", 5, units=BAR_UNITS),
            ratio=slow.median / fast.median,
            against="the excess and worth of every unit by numpy columns, without verdicts by core",
            timings=fast.timings(1.0),
            data=f"{shape}; {positions_count(state):,} positions",
            checked="units that fall and their deficit, of every scenario, equal the numpy pass's",
            note=f"{int(found.decided_by_core.sum())} verdicts were core's",
        )
    ]


def drawn(book: VenueBook) -> Scenarios:
    """Return seeded falls and rises of all coins, mostly falls."""
    rng = np.random.default_rng(np.random.SeedSequence([SEED, 0]))
    common = rng.normal(-COMMON, COMMON, (SCENARIOS, 1))
    own = rng.normal(0.0, OWN, (SCENARIOS, len(book.coins)))
    return Scenarios(returns=Shocks(names=book.coins, values=np.expm1(common + own)))


def plain_stress(
    book: VenueBook, scenarios: Scenarios, where: Layout
) -> tuple[list[int], list[float]]:
    """Return how many units fall and what is missing, by numpy alone."""
    moves = book_moves(book, scenarios, 0.0)
    units, deficits = [], []
    for prices in moves.prices:
        excess, worth = plain_values(book.tables._replace(prices=prices), where)
        down = book.held & (excess < 0.0)
        units.append(int(down.sum()))
        deficits.append(float(np.maximum(0.0, -worth[down]).sum()))
    return units, deficits


def check(found: BookStress, units: list[int], deficits: list[float]) -> None:
    """Refuse results that differ from the plain pass's."""
    require(found.units.tolist() == units, "units that fall in a stressed book")
    require(np.allclose(found.deficit, deficits, rtol=1e-9), "the deficit of a stressed book")
