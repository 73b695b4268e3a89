"""Small random books on a venue with one of everything, and how views are asked about them."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import numpy as np

from keelmark.core.errors import KeelmarkError
from keelmark.engine import commands as c
from keelmark.service.reading import EngineReader
from tests.engine.market_of_all import EVERYTHING
from tests.engine.venue import Venue

MARKS: dict[str, float] = {
    "BTCUSDT": 50_000.0,
    "ETHUSDT": 2_500.0,
    "BTCUSD": 50_010.0,
    "BTCUSDC": 50_005.0,
    "BTCDEC": 50_500.0,
    "index_ETH": 2_501.5,
    "asset_USDC": 0.9995,
    "asset_BTC": 50_001.0,
}


def quiet(venue: Venue) -> None:
    """Leave the invariants to the engine's own tests: here books are only read."""
    venue.check = lambda **_: None  # type: ignore[method-assign]


def a_book(seed: int, changes: Mapping[str, Any] | None = None, accounts: int = 6) -> Venue:
    """Return a venue with random accounts, at most some of them close to their end."""
    rng = np.random.default_rng(seed)
    venue = Venue(changes, base=EVERYTHING)
    quiet(venue)
    venue.stream([MARKS])
    venue.deposit(venue.state.fund_of(-1), 10**11)
    for number in range(accounts):
        _open(venue, f"client {number}", rng)
    moved = {name: price * float(rng.uniform(0.97, 1.03)) for name, price in MARKS.items()}
    venue.stream([moved])
    return venue


def _open(venue: Venue, name: str, rng: np.random.Generator) -> None:
    unit = venue.open(name, USDT=int(rng.integers(5_000, 200_000)) * 10**6)
    if rng.random() < 0.5:
        venue.deposit(unit, int(rng.integers(1, 60_000)) * 10**6, "USDC")
    if rng.random() < 0.5:
        venue.deposit(unit, int(rng.integers(1, 4 * 10**8)), "BTC")
    units = [unit]
    symbols = rng.permutation(venue.state.universe.symbols).tolist()
    if rng.random() < 0.5:
        settle = venue.state.universe.instrument(venue.row(symbols[3])).settle
        margin = 10**8 if settle == "BTC" else int(rng.integers(1_000, 50_000)) * 10**6
        units.append(venue.isolated(name, **{settle: margin}))
    for one, wanted in zip(units, (symbols[:3], symbols[3:4]), strict=False):
        for symbol in wanted:
            with suppress(KeelmarkError):
                _trade(venue, one, symbol, rng)
    if rng.random() < 0.5:
        row = venue.row(symbols[0])
        ticks = round(
            0.98 * MARKS[symbols[0]] / float(venue.state.universe.instrument(row).price_unit)
        )
        with suppress(KeelmarkError):
            venue.do(c.ReserveOrder(unit=unit, order=7, instrument=row, lots=5, ticks=ticks))


def _trade(venue: Venue, unit: int, symbol: str, rng: np.random.Generator) -> None:
    row = venue.row(symbol)
    contract = venue.state.universe.instrument(row)
    price = MARKS[symbol]
    size = float(rng.uniform(1_000, 150_000)) / (100 if contract.is_inverse else price)
    lots = max(1, round(size / float(contract.lot)))
    ticks = round(price * float(rng.uniform(0.99, 1.01)) / float(contract.price_unit))
    side = 1 if rng.random() < 0.5 else -1
    leverage = int(rng.choice([0, 300, 1000]))
    venue.trade(unit, venue.state.liquidity, symbol, side * lots, ticks, leverage=leverage)


def reader_of(venue: Venue) -> EngineReader:
    return EngineReader(venue.engine)
