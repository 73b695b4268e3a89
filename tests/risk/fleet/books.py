"""Small venue books drawn for tests: linear and inverse contracts, priced collateral, debts."""

from functools import lru_cache
from typing import Any

import numpy as np
from hypothesis import strategies as st

from keelmark.accounts.account import read_account
from keelmark.book.book import LIQUIDITY
from keelmark.book.records import FILL, OUTSIDE, POSTING, TRANSFER
from keelmark.core.bound import Factor, FactorKind
from keelmark.engine.apply import apply
from keelmark.engine.events import AccountsOpened, MarksSet, Posted
from keelmark.engine.state import State
from keelmark.risk.fleet import VenueBook
from keelmark.risk.scenarios import Scenarios, Shocks
from keelmark.rulebooks import Rulebook

SYMBOLS = ("BTCUSDT", "ETHUSDT", "BTCUSD")
MARKS = {"BTCUSDT": 60_000.0, "ETHUSDT": 3_000.0, "BTCUSD": 60_100.0}
PRICES = {"BTC": 60_000.0, "USDE": 1.0, "USDC": 1.0, "ETH": 3_000.0}
ALL_HELD = """
{"venue": "generic@2025-10",
 "collateral": [{"asset": "USDT", "balance": "1"}, {"asset": "USDE", "balance": "1"}],
 "prices": {"USDE": "1", "BTC": "60000"},
 "positions": [
  {"instrument": "BTCUSDT", "size": "1", "entry_price": "60000", "mark_price": "60000"},
  {"instrument": "ETHUSDT", "size": "1", "entry_price": "3000", "mark_price": "3000"},
  {"instrument": "BTCUSD", "size": "1", "entry_price": "60100", "mark_price": "60100"}]}
"""


@lru_cache(maxsize=1)
def rulebook() -> Rulebook:
    """Return the generic venue with the contracts."""
    return read_account(ALL_HELD, title="all").rulebook


def empty_state() -> State:
    """Return a state of the venue at its marks."""
    state = State(rulebook())
    prices = np.ones(len(state.universe.factors))
    for row, factor in enumerate(state.universe.factors):
        known = MARKS if factor.kind is FactorKind.MARK else PRICES
        prices[row] = known.get(factor.name, 1.0)
    marks = MarksSet(
        times_ms=np.array([1_000]),
        offsets=np.array([0, len(prices)]),
        factors=np.arange(len(prices), dtype=np.int32),
        prices=prices,
    )
    apply(state, marks)
    return state


def venue_book(accounts: list[dict[str, Any]]) -> VenueBook:
    """Return a book of accounts: `cash` by asset in whole units, `lots` by symbol with an entry."""
    state = empty_state()
    first = state.book.units_count
    apply(state, AccountsOpened(count=len(accounts), isolated=np.zeros(0, np.int64)))
    rows = [row for i, account in enumerate(accounts) for row in _rows(state, first + i, account)]
    if rows:
        apply(state, Posted(rows=np.concatenate(rows)))
    return VenueBook(universe=state.universe, book=state.book, prices=state.prices)


def _rows(state: State, unit: int, account: dict[str, Any]) -> list[Any]:
    return [
        *(_transfer(state, unit, asset, amount) for asset, amount in account["cash"].items()),
        *(_fill(state, unit, symbol, *trade) for symbol, trade in account["lots"].items()),
    ]


def _transfer(state: State, unit: int, asset: str, amount: int) -> Any:  # noqa: ANN401 records
    row = state.universe.asset_row(asset)
    quanta = round(amount / float(state.universe.quantum(row)))
    rows = np.zeros(1, POSTING)
    rows["kind"], rows["subject"], rows["value"] = TRANSFER, row, abs(quanta)
    rows["unit"] = unit if quanta < 0 else OUTSIDE
    rows["counterparty"] = OUTSIDE if quanta < 0 else unit
    return rows


def _fill(state: State, unit: int, symbol: str, lots: int, entry: float) -> Any:  # noqa: ANN401 records
    row = state.universe.instrument_row(symbol)
    terms = state.universe.instruments[row]
    ticks = round(MARKS[symbol] * entry / float(terms["price_unit"]))
    rows = np.zeros(1, POSTING)
    rows["kind"], rows["unit"], rows["counterparty"] = FILL, unit, LIQUIDITY
    rows["subject"], rows["lots"] = row, lots
    rows["value"] = state.value(row, lots, ticks)
    return rows


@st.composite
def accounts(draw: st.DrawFn) -> dict[str, Any]:
    """Draw an account between healthy and under water."""
    whole = st.integers(-20_000, 60_000)
    cash = {"USDT": draw(whole)}
    if draw(st.booleans()):
        cash |= {"USDE": draw(st.integers(0, 40_000)), "BTC": draw(st.integers(-1, 2))}
    lots = {}
    for symbol in draw(st.lists(st.sampled_from(SYMBOLS), max_size=3, unique=True)):
        size = 4_000 if symbol != "BTCUSD" else 200_000
        count = draw(st.integers(-size, size).filter(bool))
        lots[symbol] = (count, draw(st.sampled_from([0.9, 1.0, 1.1])))
    return {"cash": cash, "lots": lots}


@st.composite
def scenarios(draw: st.DrawFn, book: VenueBook, rows: int = 2) -> Scenarios:
    """Draw scenarios of everything a book reads."""

    def block(names: tuple[str, ...], reach: float) -> Shocks:
        shock = st.sampled_from([0.0, -reach, reach]) | st.floats(-reach, reach)
        count = rows * len(names)
        drawn = draw(st.lists(shock, min_size=count, max_size=count))
        return Shocks(names=names, values=np.array(drawn).reshape(rows, len(names)))

    coins, priced = book.coins, book.priced_assets
    return Scenarios(
        returns=block(coins, 0.8),
        basis=block(coins, 0.05) if draw(st.booleans()) else None,
        funding=block(coins, 0.05) if draw(st.booleans()) else None,
        collateral=block(priced, 0.5) if draw(st.booleans()) else None,
    )


def factor_of(book: VenueBook, name: str) -> int:
    """Return the row of an asset's price."""
    return book.universe.factor_row(Factor(FactorKind.ASSET, name))
