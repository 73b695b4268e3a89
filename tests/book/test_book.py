import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keelmark.book.book import FEES, LIQUIDITY, RESIDUE, Book, Capacity, InHouse
from keelmark.book.invariants import (
    open_interest_is_symmetric,
    rows_are_in_order,
    rows_are_owned_once,
    value_is_conserved,
)
from keelmark.book.kernels.jit import plain
from keelmark.book.kernels.totals import totals_kernel
from keelmark.book.kernels.wide import wide_sum, wide_sum_kernel, wide_value
from keelmark.book.parameters import Parameters
from keelmark.book.postings import Fill, deposit, fill, withdraw
from keelmark.book.records import ASSET, INSTRUMENT, TIER
from keelmark.book.totals import totals
from keelmark.core.codes import UnitKind, UnitStatus
from keelmark.core.errors import (
    InvalidInput,
    UnknownAccount,
    UnknownAsset,
    UnknownInstrument,
    UnknownUnit,
)
from tests.book.model import new_book


def test_in_house_units_come_first_and_have_names() -> None:
    book = Book(
        new_book().parameters,
        in_house=InHouse(funds=("major", "alt"), backstops=("hlp",)),
    )
    names = ["residue", "fees", "liquidity", "fund:major", "fund:alt", "backstop:hlp"]
    assert list(book.in_house) == names
    assert [book.in_house[name] for name in names] == list(range(6))
    assert (RESIDUE, FEES, LIQUIDITY) == (0, 1, 2)
    assert {book.unit_view(unit).kind for unit in range(6)} == {UnitKind.IN_HOUSE}
    assert book.unit_name(3) == "fund:major"
    assert book.unit_name(6) == "unit 6"


@given(st.lists(st.integers(1, 5), min_size=1, max_size=8))
def test_accounts_have_a_cross_unit_and_as_many_more_as_were_opened(batches: list[int]) -> None:
    book = new_book(Capacity(units=1, positions=1, balances=1))
    expected: list[tuple[int, ...]] = []
    for count in batches:
        first = book.open_accounts(count)
        assert first == len(expected)
        expected += [(book.units_count - count + offset,) for offset in range(count)]
        account = (first * 7 + count) % len(expected)
        expected[account] += (book.open_unit(account),)
    assert [book.units_of(account) for account in range(len(expected))] == expected
    assert all(book.account_of(unit) == a for a, units in enumerate(expected) for unit in units)
    for account, units in enumerate(expected):
        assert [book.unit_view(unit).account for unit in units] == [account] * len(units)
        kinds = [book.unit_view(unit).kind for unit in units]
        assert kinds == [UnitKind.CROSS] + [UnitKind.ISOLATED] * (len(units) - 1)


def test_unknown_accounts_and_units_are_refused() -> None:
    book = new_book()
    with pytest.raises(UnknownAccount, match="account 0"):
        book.cross_unit(0)
    with pytest.raises(UnknownAccount):
        book.open_unit(3)
    with pytest.raises(UnknownUnit, match="unit 44"):
        book.unit_view(44)
    with pytest.raises(UnknownUnit):
        book.balance(-1, 0)


def test_a_status_is_stored_and_a_closed_unit_returns_its_blocks() -> None:
    book = new_book()
    unit = book.cross_unit(book.open_account())
    book.set_status(unit, UnitStatus.REDUCE_ONLY)
    assert book.unit_view(unit).status is UnitStatus.REDUCE_ONLY
    trade = Fill(unit=unit, counterparty=LIQUIDITY, instrument=0, lots=1, value=5)
    fill(book, trade)
    fill(book, Fill(unit=unit, counterparty=LIQUIDITY, instrument=0, lots=-1, value=-5))
    used = book.positions.used
    book.set_status(unit, UnitStatus.CLOSED)
    assert rows_are_owned_once(book) is None
    assert sum(map(len, book.positions.free_blocks().values())) == 1
    other = book.cross_unit(book.open_account())
    fill(book, Fill(unit=other, counterparty=LIQUIDITY, instrument=0, lots=1, value=5))
    assert book.positions.used == used


def test_names_find_indices() -> None:
    parameters = new_book().parameters
    assert parameters.instrument("ETHUSDT") == 1
    assert parameters.asset("BTC") == 1
    with pytest.raises(UnknownInstrument, match="ETHUSDT"):
        parameters.instrument("ETHUSD_")
    with pytest.raises(UnknownAsset, match="USDT"):
        parameters.asset("USDX")


def test_tables_of_the_wrong_kind_are_refused() -> None:
    instruments, assets = np.zeros(1, dtype=INSTRUMENT), np.zeros(1, dtype=ASSET)
    with pytest.raises(InvalidInput, match="own name"):
        Parameters(
            instrument_names=("A", "B"),
            asset_names=("X",),
            instruments=instruments,
            assets=assets,
        )
    with pytest.raises(InvalidInput, match="records"):
        Parameters(
            instrument_names=("A",),
            asset_names=("X",),
            instruments=np.zeros(1, dtype=TIER),
            assets=assets,
        )
    instruments["settle"] = 1
    with pytest.raises(UnknownAsset, match="asset 1"):
        Parameters(
            instrument_names=("A",),
            asset_names=("X",),
            instruments=instruments,
            assets=assets,
        )


@given(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=60))
def test_a_wide_sum_is_pythons_sum(numbers: list[int]) -> None:
    column = np.array(numbers, dtype=np.int64)
    sums = np.zeros(2, dtype=np.int64)
    plain(wide_sum_kernel)(column, sums)
    assert wide_sum(column) == wide_value(sums) == sum(numbers)


def test_totals_are_sums_over_every_unit() -> None:
    book = new_book()
    unit = book.cross_unit(book.open_accounts(2))
    deposit(book, unit, 0, 2**62)
    deposit(book, unit + 1, 0, 2**62)
    fill(book, Fill(unit=unit, counterparty=unit + 1, instrument=0, lots=5, value=70))
    fill(book, Fill(unit=LIQUIDITY, counterparty=unit, instrument=2, lots=3, value=-9))
    sums = totals(book)
    assert sums.balances == (2**63, 0)
    assert sums.vault == (2**63, 0)
    assert sums.longs == (5, 0, 3, 0)
    assert sums.shorts == (-5, 0, -3, 0)
    assert sums.costs == (0, 0)
    assert sums.residuals == (0, 0)
    columns = [np.zeros(2 * size, dtype=np.int64) for size in (2, 2, 4, 4)]
    tables = (book.units, book.positions.rows, book.balances.rows, book.parameters.settle)
    plain(totals_kernel)(*tables, *columns)
    assert tuple(wide_value(columns[0], asset) for asset in range(2)) == sums.balances
    assert tuple(wide_value(columns[3], row) for row in range(4)) == sums.shorts


def test_the_laws_say_how_they_fail() -> None:
    book = new_book()
    unit = book.cross_unit(book.open_account())
    trade = Fill(unit=unit, counterparty=LIQUIDITY, instrument=0, lots=5, value=70)
    fill(book, trade)
    deposit(book, unit, 1, 4)
    withdraw(book, unit, 1, 1)
    row = book.position_row(unit, 0)
    book.vault[1] += 2
    book.positions.rows["lots"][row] = 6
    assert "BTC" in str(value_is_conserved(book))
    assert "BTCUSDT" in str(open_interest_is_symmetric(book))
    book.positions.rows["lots"][row] = 0
    assert "flat" in str(rows_are_in_order(book))
    book.positions.rows["lots"][row] = 5
    book.units["balances_count"][unit] = 0
    assert "no balance of {0}" in str(rows_are_in_order(book))
    book.units["positions_start"][unit] = book.units["positions_start"][LIQUIDITY]
    assert "owners" in str(rows_are_owned_once(book))
    book.units["positions_start"][unit] = 77
    assert "a block of 1 rows at 77" in str(rows_are_owned_once(book))
