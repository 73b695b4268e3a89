import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keelmark.book import fleet
from keelmark.book.book import FEES, LIQUIDITY, RESIDUE, Book
from keelmark.book.digest import digest
from keelmark.book.fleet import post_funding, post_interest, post_settlement
from keelmark.book.invariants import value_is_conserved
from keelmark.book.kernels.fleet import (
    RATE_SCALE,
    apply_kernel,
    check_kernel,
    funding_kernel,
    funding_payment,
    interest_kernel,
    remove_kernel,
    settlement_kernel,
)
from keelmark.book.kernels.jit import plain
from keelmark.book.postings import Fill, deposit, fill, post, posting_rows
from keelmark.book.records import AMOUNT_LIMIT, SIZE_LIMIT
from keelmark.core.codes import Leg
from keelmark.core.errors import InvalidInput, InvariantViolated, OutOfScale
from tests.book.model import INSTRUMENTS, Terms, holdings, new_book

ALICE, BOB = 5, 6
BTCUSDT, ETHUSDT, BTCUSD, DATED = range(len(INSTRUMENTS))
USDT, BTC = 0, 1


def book_of_two() -> Book:
    book = new_book()
    book.open_accounts(2)
    return book


def hold(book: Book, lots: int, value: int, instrument: int = BTCUSDT) -> None:
    trade = Fill(unit=ALICE, counterparty=BOB, instrument=instrument, lots=lots, value=value)
    fill(book, trade)


def columns(**by_instrument: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    row = np.zeros(len(INSTRUMENTS), dtype=np.int64)
    for name, number in by_instrument.items():
        row[[terms.name for terms in INSTRUMENTS].index(name)] = number
    return row


def test_longs_pay_up_and_shorts_receive_down() -> None:
    book = book_of_two()
    hold(book, 3, 0)
    ticks, rates = columns(BTCUSDT=7), columns(BTCUSDT=RATE_SCALE // 1000)
    changes = post_funding(book, ticks, rates)  # 3 * 7 * 100 = 2100 quanta, 2.1 each way
    assert [book.balance(unit, USDT) for unit in (ALICE, BOB, RESIDUE)] == [-3, 2, 1]
    assert changes.cash.tolist() == [(1, RESIDUE, USDT), (-3, ALICE, USDT), (2, BOB, USDT)]
    assert value_is_conserved(book) is None


def test_a_negative_rate_is_paid_by_shorts() -> None:
    book = book_of_two()
    hold(book, 3, 0)
    post_funding(book, columns(BTCUSDT=7), columns(BTCUSDT=-RATE_SCALE // 1000))
    assert [book.balance(unit, USDT) for unit in (ALICE, BOB, RESIDUE)] == [2, -3, 1]


def test_inverse_funding_is_in_coin_on_the_notional() -> None:
    book = book_of_two()
    hold(book, 3, 0, BTCUSD)
    post_funding(book, columns(BTCUSD=1_000_000), columns(BTCUSD=RATE_SCALE // 100))
    # 3 * 1e11 / 1e6 = 300 000 satoshi, 1 %
    assert [book.balance(unit, BTC) for unit in (ALICE, BOB)] == [-3000, 3000]


def test_funding_leaves_other_instruments_and_bad_prices_of_theirs_alone() -> None:
    book = book_of_two()
    hold(book, 3, 0)
    hold(book, 5, 0, ETHUSDT)
    post_funding(book, columns(BTCUSDT=10), columns(BTCUSDT=RATE_SCALE // 10))
    assert book.balance(ALICE, USDT) == -300


@pytest.mark.parametrize("ticks", [0, -5, SIZE_LIMIT + 1])
def test_funding_at_a_price_out_of_range_is_refused(ticks: int) -> None:
    book = book_of_two()
    hold(book, 3, 0)
    with pytest.raises(OutOfScale, match="funding of BTCUSDT"):
        post_funding(book, columns(BTCUSDT=ticks), columns(BTCUSDT=1))


def test_a_payment_that_does_not_fit_names_the_unit_and_posts_nothing() -> None:
    book = book_of_two()
    hold(book, 3, 0)
    hold(book, SIZE_LIMIT, 0, ETHUSDT)
    before = digest(book)
    ticks = columns(BTCUSDT=7, ETHUSDT=SIZE_LIMIT)
    with pytest.raises(OutOfScale, match=f"funding of unit {ALICE}"):
        post_funding(book, ticks, columns(BTCUSDT=RATE_SCALE, ETHUSDT=1))
    assert digest(book) == before


def test_a_balance_that_would_leave_its_bounds_posts_nothing() -> None:
    book = book_of_two()
    hold(book, 1, AMOUNT_LIMIT)
    hold(book, -1, 0)  # Alice has lost all that fits
    hold(book, 3, 0)
    before = holdings(book)
    with pytest.raises(OutOfScale, match=f"funding of unit {ALICE}"):
        post_funding(book, columns(BTCUSDT=7), columns(BTCUSDT=RATE_SCALE))
    assert holdings(book) == before


@given(
    lots=st.integers(-SIZE_LIMIT, SIZE_LIMIT).filter(lambda lots: lots != 0),
    ticks=st.integers(1, SIZE_LIMIT),
    terms=st.sampled_from(INSTRUMENTS),
    rate=st.integers(-RATE_SCALE, RATE_SCALE),
)
def test_a_payment_is_never_below_the_exact_one_nor_two_quanta_above(
    lots: int,
    ticks: int,
    terms: Terms,
    rate: int,
) -> None:
    exact = Fraction(abs(lots) * terms.unit_value, ticks if terms.inverse else 1)
    notional = exact if terms.inverse else exact * ticks
    payment = notional * rate * (1 if lots > 0 else -1) / RATE_SCALE
    arguments = (lots, ticks, terms.unit_value, int(terms.inverse), rate)
    found = funding_payment(*arguments)
    assert plain(funding_payment)(*arguments) == found
    if notional < 2**63 - 1:
        assert payment <= found < payment + 2
    else:
        assert found == -(2**63)


@pytest.mark.parametrize(("lots", "paid"), [(3, 1910), (-3, -1909)])
def test_an_inverse_notional_is_rounded_against_whoever_pays_or_receives(
    lots: int,
    paid: int,
) -> None:
    # 3 * 7000 / 11 = 1909.09 at a rate of one
    assert funding_payment(lots, 11, 7000, 1, RATE_SCALE) == paid
    assert funding_payment(-lots, 11, 7000, 1, -RATE_SCALE) == paid


def test_interest_is_charged_on_debts_up_and_lent_down() -> None:
    book = book_of_two()
    deposit(book, ALICE, USDT, 100)
    for unit, debt in ((ALICE, 1101), (BOB, 333)):
        trade = Fill(
            unit=unit,
            counterparty=LIQUIDITY,
            instrument=BTCUSDT,
            lots=1,
            value=0,
            fee=debt,
        )
        fill(book, trade)
    fees = book.balance(FEES, USDT)
    rates = np.array([RATE_SCALE // 1000, 0])
    changes = post_interest(book, rates, FEES)  # 1.001 and 0.333: 2 and 1; lent 1.334: 1
    assert [book.balance(unit, USDT) for unit in (ALICE, BOB)] == [-1003, -334]
    assert (book.balance(FEES, USDT) - fees, book.balance(RESIDUE, USDT)) == (1, 2)
    assert changes.cash["unit"].tolist() == [RESIDUE, FEES, ALICE, BOB]
    assert value_is_conserved(book) is None


def test_in_house_units_and_credits_bear_no_interest() -> None:
    book = book_of_two()
    deposit(book, BOB, USDT, 100)
    trade = Fill(unit=LIQUIDITY, counterparty=BOB, instrument=BTCUSDT, lots=1, value=0, fee=50)
    fill(book, trade)
    before = holdings(book)
    post_interest(book, np.array([RATE_SCALE // 10, 0]), FEES)
    assert holdings(book) == before
    with pytest.raises(InvalidInput, match="not negative"):
        post_interest(book, np.array([-1, 0]), FEES)


def test_a_settlement_pays_values_and_removes_both_legs() -> None:
    book = book_of_two()
    trades = [
        Fill(unit=ALICE, counterparty=BOB, instrument=DATED, lots=5, value=-9, leg=Leg.LONG),
        Fill(unit=ALICE, counterparty=BOB, instrument=DATED, lots=-2, value=3, leg=Leg.SHORT),
        Fill(unit=ALICE, counterparty=BOB, instrument=BTCUSDT, lots=1, value=100),
    ]
    post(book, posting_rows(trades))
    changes = post_settlement(book, DATED, 11_000)
    # values -5*7000/11000 = -3.18 -> -4 and 2*7000/11000 = 1.27 -> 1; Bob 3*7000/11000 = 1.9 -> 1
    assert book.balance(ALICE, BTC) == (-4 + 9) + (1 - 3)
    assert book.balance(BOB, BTC) == 1 - 6
    assert book.balance(RESIDUE, BTC) == 2
    assert [row.instrument for row in book.unit_view(ALICE).positions] == [BTCUSDT]
    assert changes.units.tolist() == [ALICE, BOB]
    assert value_is_conserved(book) is None


def test_a_settlement_out_of_range_posts_nothing() -> None:
    book = book_of_two()
    hold(book, SIZE_LIMIT, 0)
    before = holdings(book)
    for ticks in (0, SIZE_LIMIT + 1, SIZE_LIMIT):
        with pytest.raises(OutOfScale, match="settlement of BTCUSDT"):
            post_settlement(book, BTCUSDT, ticks)
    assert holdings(book) == before


def test_a_position_without_its_settle_balance_is_our_own_bug() -> None:
    book = book_of_two()
    hold(book, 3, 0)
    book.units["balances_count"][ALICE] = 0
    with pytest.raises(InvariantViolated, match="no balance row"):
        post_funding(book, columns(BTCUSDT=7), columns(BTCUSDT=1))


def scripted() -> Book:
    book = book_of_two()
    for instrument, lots in ((BTCUSDT, 3), (BTCUSD, -7), (DATED, 5)):
        hold(book, lots, 11 * lots, instrument)
    post_funding(book, columns(BTCUSDT=7, BTCUSD=990), columns(BTCUSDT=10**9, BTCUSD=-(10**8)))
    post_interest(book, np.array([RATE_SCALE // 7, RATE_SCALE // 9]), FEES)
    post_settlement(book, DATED, 12_345)
    return book


def test_the_python_behind_the_kernels_posts_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = digest(scripted())
    for kernel in (
        funding_kernel,
        interest_kernel,
        settlement_kernel,
        remove_kernel,
        check_kernel,
        apply_kernel,
    ):
        monkeypatch.setattr(fleet, kernel.__name__, plain(kernel))
    assert digest(scripted()) == expected


@given(st.lists(st.tuples(st.integers(1, 99), st.integers(-999, 999)), min_size=1, max_size=12))
def test_the_residue_never_pays(trades: list[tuple[int, int]]) -> None:
    book = new_book()
    first = book.cross_unit(book.open_accounts(len(trades)))
    for offset, (lots, value) in enumerate(trades):
        for instrument in (BTCUSDT, DATED):
            trade = Fill(
                unit=first + offset,
                counterparty=LIQUIDITY,
                instrument=instrument,
                lots=lots if value > 0 else -lots,
                value=value,
            )
            fill(book, trade)
    for rate in (10**9 + 7, -(10**9) - 7):
        post_funding(
            book, columns(BTCUSDT=17, **{"BTCUSD-DEC": 13}), np.full(4, rate) * [1, 0, 0, 1]
        )
    post_interest(book, np.array([10**8 + 1, 10**9 + 1]), FEES)
    post_settlement(book, DATED, 9_999)
    assert all(book.balance(RESIDUE, asset) >= 0 for asset in (USDT, BTC))
    assert book.balance(RESIDUE, BTC) < 4 * math.ceil(len(trades) + 3)
    assert value_is_conserved(book) is None
