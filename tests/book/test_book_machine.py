"""Any order of postings, accepted or refused, keeps the book equal to plain dictionaries."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from keelmark.book.book import FEES, LIQUIDITY, Capacity
from keelmark.book.digest import digest
from keelmark.book.fleet import post_funding, post_interest, post_settlement
from keelmark.book.invariants import (
    open_interest_is_symmetric,
    rows_are_in_order,
    rows_are_owned_once,
    value_is_conserved,
)
from keelmark.book.postings import Fill, Transfer, post, posting_rows, take_over
from keelmark.book.records import OUTSIDE
from keelmark.book.snapshots import load_snapshot, write_snapshot
from keelmark.core.codes import Leg, UnitStatus
from keelmark.core.errors import InvalidInput
from tests.book.model import ASSETS, INSTRUMENTS, LOTS_MAX, QUANTA_MAX, Model, holdings, new_book

IN_HOUSE = 5
USERS = 6
UNITS = st.integers(0, IN_HOUSE + USERS - 1)
INSTRUMENT_IDS = st.integers(0, len(INSTRUMENTS) - 1)
ASSET_IDS = st.integers(0, len(ASSETS) - 1)


def signed(limit: int) -> st.SearchStrategy[int]:
    edges = (limit, limit - 1, limit + 1, limit // 2, limit // 2 + 1)
    extremes = st.sampled_from([*edges, *(-edge for edge in edges)])
    return st.one_of(st.integers(-9, 9), st.integers(-(10**6), 10**6), extremes)


TRANSFERS = st.builds(
    Transfer,
    unit=st.one_of(UNITS, st.just(OUTSIDE)),
    counterparty=UNITS,
    asset=ASSET_IDS,
    quanta=signed(QUANTA_MAX),
)
FILLS = st.builds(
    Fill,
    unit=UNITS,
    counterparty=st.one_of(UNITS, st.just(LIQUIDITY)),
    instrument=INSTRUMENT_IDS,
    lots=signed(LOTS_MAX),
    value=signed(QUANTA_MAX),
    fee=st.one_of(st.just(0), st.integers(-5, 5), signed(QUANTA_MAX)),
    counterparty_fee=st.one_of(st.just(0), st.integers(-5, 5)),
    leg=st.sampled_from([Leg.NET, Leg.NET, Leg.LONG, Leg.SHORT]),
    counterparty_leg=st.sampled_from([Leg.NET, Leg.NET, Leg.NET, Leg.SHORT]),
    reducing=st.sampled_from([0, 0, 0, 1, 2, 3]),
)
CALM_FILLS = st.builds(
    Fill,
    unit=st.integers(IN_HOUSE, IN_HOUSE + USERS - 1),
    counterparty=st.integers(LIQUIDITY, IN_HOUSE + USERS - 1),
    instrument=INSTRUMENT_IDS,
    lots=st.integers(-9, 9).filter(lambda lots: lots != 0),
    value=st.integers(-99, 99),
    fee=st.integers(0, 3),
)
TICKS = st.one_of(st.integers(1, 20), st.integers(1, 2**53), st.just(2**53))


class BookMachine(RuleBasedStateMachine):
    """The book beside the model; tables start at one row, so every growth is met."""

    @initialize()
    def open(self) -> None:
        self.book = new_book(Capacity(units=1, positions=1, balances=1))
        self.model = Model()
        self.book.open_accounts(USERS - 1)
        self.book.open_unit(0)

    def agree(self, accepted: bool, change: Callable[[], object]) -> None:  # noqa: FBT001 what the model said
        """Run `change` on the book: refused exactly where the model refused, then unchanged."""
        before = digest(self.book)
        try:
            change()
        except InvalidInput:
            assert not accepted
            assert digest(self.book) == before
        else:
            assert accepted

    @rule(movements=st.lists(st.one_of(TRANSFERS, FILLS, CALM_FILLS), min_size=1, max_size=6))
    def post_a_batch(self, movements: list[Fill | Transfer]) -> None:
        accepted = self.model.atomically(lambda model: model.post(movements))
        self.agree(accepted, lambda: post(self.book, posting_rows(movements)))

    @rule(movements=st.lists(CALM_FILLS, min_size=1, max_size=12))
    def post_a_calm_batch(self, movements: list[Fill]) -> None:
        accepted = self.model.atomically(lambda model: model.post([*movements]))
        self.agree(accepted, lambda: post(self.book, posting_rows(movements)))

    @rule(
        ticks=st.lists(TICKS, min_size=len(INSTRUMENTS), max_size=len(INSTRUMENTS)),
        rates=st.lists(
            st.one_of(
                st.just(0), st.integers(-(10**10), 10**10), st.sampled_from([10**12, -(10**12)])
            ),
            min_size=len(INSTRUMENTS),
            max_size=len(INSTRUMENTS),
        ),
    )
    def fund(self, ticks: list[int], rates: list[int]) -> None:
        accepted = self.model.atomically(
            lambda model: model.fund(dict(enumerate(ticks)), dict(enumerate(rates))),
        )
        self.agree(accepted, lambda: post_funding(self.book, np.array(ticks), np.array(rates)))

    @rule(asset=ASSET_IDS, rate=st.integers(0, 10**11), receiver=st.sampled_from([FEES, IN_HOUSE]))
    def charge_interest(self, asset: int, rate: int, receiver: int) -> None:
        rates = np.zeros(len(ASSETS), dtype=np.int64)
        rates[asset] = rate
        accepted = receiver not in self.model.closed and self.model.atomically(
            lambda model: model.charge(asset, rate, receiver, IN_HOUSE),
        )
        self.agree(accepted or rate == 0, lambda: post_interest(self.book, rates, receiver))

    @rule(instrument=INSTRUMENT_IDS, ticks=TICKS)
    def settle(self, instrument: int, ticks: int) -> None:
        accepted = self.model.atomically(lambda model: model.settle(instrument, ticks))
        self.agree(accepted, lambda: post_settlement(self.book, instrument, ticks))

    @rule(unit=UNITS, receiver=UNITS, value=st.integers(-99, 99))
    def take_a_unit_over(self, unit: int, receiver: int, value: int) -> None:
        held = self.book.unit_view(unit).positions
        if unit == receiver or {unit, receiver} & self.model.closed:
            return
        values = {(row.instrument, row.leg): value for row in held}
        accepted = self.model.atomically(lambda model: model.take_over(unit, receiver, value))
        self.agree(accepted, lambda: take_over(self.book, unit, receiver, values))
        if accepted:
            view = self.book.unit_view(unit)
            assert not view.positions
            assert not any(view.balances.values())

    @rule(unit=st.integers(IN_HOUSE, IN_HOUSE + USERS - 1))
    def close_a_unit(self, unit: int) -> None:
        view = self.book.unit_view(unit)
        empty = not view.positions and not any(view.balances.values())
        if empty:
            self.model.closed.add(unit)
        self.agree(empty, lambda: self.book.set_status(unit, UnitStatus.CLOSED))

    @rule()
    def restart_from_a_snapshot(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "book")
            written = write_snapshot(self.book, path, notes={"position": 7})
            loaded = load_snapshot(path, self.book.parameters)
        assert written == digest(self.book) == digest(loaded.book)
        assert loaded.notes == {"position": 7}
        for account in range(self.book.accounts_count):
            assert loaded.book.units_of(account) == self.book.units_of(account)
        self.book = loaded.book

    @invariant()
    def it_holds_what_the_model_holds(self) -> None:
        expected = self.model.holdings()
        for unit, held in holdings(self.book).items():
            assert held == expected.get(unit, ({}, {}))
        assert self.book.vault == list(self.model.vault.values())

    @invariant()
    def every_law_of_the_columns_holds(self) -> None:
        for law in (value_is_conserved, rows_are_owned_once, rows_are_in_order):
            assert law(self.book) is None
        assert open_interest_is_symmetric(self.book) is None


BookMachine.TestCase.settings = settings(max_examples=30, stateful_step_count=25)
TestBook = BookMachine.TestCase
