from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keelmark.book import postings
from keelmark.book.book import FEES, LIQUIDITY, Book, Capacity
from keelmark.book.digest import digest
from keelmark.book.invariants import (
    open_interest_is_symmetric,
    rows_are_owned_once,
    value_is_conserved,
)
from keelmark.book.kernels.blocks import CLASSES, allocate
from keelmark.book.kernels.jit import plain
from keelmark.book.kernels.postings import post_kernel
from keelmark.book.kernels.rows import ROWS_LIMIT
from keelmark.book.kernels.undo import roll_back_kernel
from keelmark.book.postings import (
    Changes,
    Fill,
    Transfer,
    auto_deleverage,
    cut_claims,
    deposit,
    fill,
    fill_value,
    fill_values,
    post,
    posting_rows,
    take_over,
    transfer,
    withdraw,
)
from keelmark.book.records import (
    AMOUNT_LIMIT,
    REDUCING_UNIT,
    SIZE_LIMIT,
)
from keelmark.core.codes import Leg, UnitStatus
from keelmark.core.errors import InvalidInput, OutOfScale, UnknownAsset, UnknownInstrument
from keelmark.core.errors import UnknownUnit as NoSuchUnit
from keelmark.core.numbers import Rounding, mul_div
from tests.book.model import INSTRUMENTS, Model, holdings, new_book

ALICE, BOB, CAROL = 5, 6, 7
BTCUSDT, ETHUSDT, BTCUSD, _ = range(len(INSTRUMENTS))
USDT, BTC = 0, 1


def book_of_three(capacity: Capacity | None = None) -> Book:
    book = new_book(capacity)
    book.open_accounts(3)
    return book


def trade(lots: int, value: int, **more: int) -> Fill:
    unit, counterparty = more.pop("unit", ALICE), more.pop("counterparty", BOB)
    return Fill(
        unit=unit,
        counterparty=counterparty,
        instrument=more.pop("instrument", BTCUSDT),
        lots=lots,
        value=value,
        fee=more.pop("fee", 0),
        counterparty_fee=more.pop("counterparty_fee", 0),
        leg=Leg(more.pop("leg", 0)),
        counterparty_leg=Leg(more.pop("counterparty_leg", 0)),
        leverage=more.pop("leverage", 0),
        reducing=more.pop("reducing", 0),
    )


def state(book: Book, unit: int, instrument: int = BTCUSDT) -> tuple[int, int, int]:
    """Return lots, cost and settle balance."""
    view = book.unit_view(unit)
    held = [(row.lots, row.cost) for row in view.positions if row.instrument == instrument]
    lots, cost = held[0] if held else (0, 0)
    return lots, cost, view.balances.get(INSTRUMENTS[instrument].settle, 0)


def test_a_deposit_and_a_withdrawal_move_the_vault() -> None:
    book = book_of_three()
    deposit(book, ALICE, USDT, 100)
    withdraw(book, ALICE, USDT, 30)
    assert book.balance(ALICE, USDT) == 70
    assert book.vault == [70, 0]


def test_a_transfer_leaves_the_vault_alone() -> None:
    book = book_of_three()
    deposit(book, ALICE, BTC, 100)
    changes = transfer(book, Transfer(unit=ALICE, counterparty=BOB, asset=BTC, quanta=40))
    assert (book.balance(ALICE, BTC), book.balance(BOB, BTC), book.vault[BTC]) == (60, 40, 100)
    assert changes.cash.tolist() == [(-40, ALICE, BTC), (40, BOB, BTC)]
    assert changes.units.tolist() == []


@pytest.mark.parametrize(
    ("fills", "lots", "cost", "balance"),
    [
        ([(10, 1000)], 10, 1000, 0),
        ([(10, 1000), (5, 600)], 15, 1600, 0),
        ([(10, 1000), (-4, -480)], 6, 600, 80),  # 400 released, 480 received
        ([(10, 1000), (-10, -900)], 0, 0, -100),
        ([(3, 100), (-1, -33)], 2, 66, -1),  # 100/3 released upwards: 34
        ([(-3, -100), (1, 33)], -2, -67, 0),  # -100/3 released upwards: -33
        ([(10, 1000), (-15, -1500)], -5, -500, 0),  # close 10 at 1000, open 5 short at 500
        ([(2, 10), (-3, -10)], -1, -4, -4),  # -20/3 rounded up: 6 received for two lots
    ],
)
def test_a_fill_opens_grows_shrinks_closes_and_flips(
    fills: list[tuple[int, int]],
    lots: int,
    cost: int,
    balance: int,
) -> None:
    book = book_of_three()
    for size, value in fills:
        fill(book, trade(size, value))
    assert state(book, ALICE) == (lots, cost, balance)
    assert value_is_conserved(book) is None
    assert open_interest_is_symmetric(book) is None


def test_a_flat_position_leaves_no_row_but_its_settle_balance() -> None:
    book = book_of_three()
    fill(book, trade(10, 1000))
    fill(book, trade(-10, -1000))
    view = book.unit_view(ALICE)
    assert view.positions == ()
    assert view.balances == {USDT: 0}


def test_fees_of_both_sides_go_to_the_fees_unit() -> None:
    book = book_of_three()
    changes = fill(book, trade(10, 1000, fee=7, counterparty_fee=-2))
    assert book.balance(ALICE, USDT) == -7
    assert book.balance(BOB, USDT) == 2
    assert book.balance(FEES, USDT) == 5
    assert changes.units.tolist() == [ALICE, BOB, FEES]


def test_a_leverage_is_that_of_the_whole_position_and_none_leaves_it() -> None:
    book = book_of_three()
    fill(book, trade(10, 1000, leverage=2000))
    fill(book, trade(1, 100, leverage=500))
    assert book.unit_view(ALICE).positions[0].leverage == 500
    fill(book, trade(-1, -100))
    assert book.unit_view(ALICE).positions[0].leverage == 500
    fill(book, trade(-12, -1200))  # changes sides
    assert book.unit_view(ALICE).positions[0].leverage == 500
    fill(book, trade(-1, -100, leverage=300))
    assert book.unit_view(ALICE).positions[0].leverage == 300
    book.set_leverage(ALICE, BTCUSDT, 125)
    assert book.unit_view(ALICE).positions[0].leverage == 125
    with pytest.raises(InvalidInput, match="held position"):
        book.set_leverage(ALICE, ETHUSDT, 125)


def test_hedge_legs_are_two_positions() -> None:
    book = book_of_three()
    fill(book, trade(10, 1000, leg=1))
    fill(book, trade(-4, -400, leg=-1))
    legs = [(row.leg, row.lots) for row in book.unit_view(ALICE).positions]
    assert legs == [(Leg.SHORT, -4), (Leg.LONG, 10)]
    assert book.lots(ALICE, BTCUSDT, Leg.LONG) == 10


LIMITS = pytest.mark.parametrize(
    ("before", "bad", "error", "text"),
    [
        ([], trade(SIZE_LIMIT + 1, 1), OutOfScale, "coarser lot"),
        ([trade(SIZE_LIMIT, 1)], trade(1, 1), OutOfScale, "coarser lot"),
        ([], trade(1, AMOUNT_LIMIT + 1), OutOfScale, "value is out of range"),
        ([trade(1, AMOUNT_LIMIT)], trade(1, 1), OutOfScale, "cost of a position"),
        ([trade(1, -AMOUNT_LIMIT)], trade(-1, -1), OutOfScale, "amount that moves"),
        ([trade(1, 0)], trade(-1, AMOUNT_LIMIT, fee=1), OutOfScale, "amount that moves"),
        ([], trade(1, 1, fee=AMOUNT_LIMIT + 1), OutOfScale, "amount that moves"),
        ([trade(1, 0, fee=-AMOUNT_LIMIT)], trade(1, 0, fee=-1), OutOfScale, "a balance is out"),
        ([], trade(1, 1, unit=99), NoSuchUnit, "unit 99"),
        ([], trade(1, 1, counterparty=-1), NoSuchUnit, "never opened"),
        ([], trade(1, 1, instrument=44), UnknownInstrument, "index 44"),
        ([], trade(0, 1), InvalidInput, "leave the row out"),
        ([], trade(-1, 1, leg=1), InvalidInput, "change sides"),
        ([trade(2, 2, leg=1)], trade(-3, 1, leg=1), InvalidInput, "change sides"),
        ([], trade(1, 1, reducing=REDUCING_UNIT), InvalidInput, "only shrink"),
        ([trade(2, 2)], trade(1, 1, reducing=REDUCING_UNIT), InvalidInput, "only shrink"),
        ([trade(2, 2)], trade(-3, 1, reducing=REDUCING_UNIT), InvalidInput, "only shrink"),
        (
            [],
            Transfer(unit=ALICE, counterparty=BOB, asset=7, quanta=1),
            UnknownAsset,
            "index 7",
        ),
        (
            [],
            Transfer(unit=ALICE, counterparty=BOB, asset=0, quanta=AMOUNT_LIMIT + 1),
            OutOfScale,
            "coarser quantum",
        ),
    ],
)


@LIMITS
def test_a_bad_row_is_named_and_nothing_of_its_batch_is_posted(
    before: list[Fill],
    bad: Fill | Transfer,
    error: type[InvalidInput],
    text: str,
) -> None:
    book = book_of_three()
    deposit(book, CAROL, USDT, 5)
    for one in before:
        fill(book, one)
    state_before, held = digest(book), holdings(book)
    good = trade(1, 10, unit=CAROL, counterparty=LIQUIDITY, fee=1)
    with pytest.raises(error, match=text) as caught:
        post(book, posting_rows([good, good, bad, good]))
    assert "posting 2" in str(caught.value)
    assert digest(book) == state_before
    assert holdings(book) == held


def test_a_unit_refuses_the_row_after_its_32767th() -> None:
    book = book_of_three()
    table = book.positions
    table.reserve(2**15)
    start = allocate(table.next_free, table.heads, CLASSES - 1)
    alice = book.units[ALICE]
    alice["positions_class"], alice["positions_start"] = CLASSES - 1, start
    alice["positions_count"] = ROWS_LIMIT - 1
    table.rows["instrument"][start : start + ROWS_LIMIT] = ETHUSDT  # none of the two below
    fill(book, trade(1, 1))
    assert int(alice["positions_count"]) == ROWS_LIMIT == 32767
    with pytest.raises(OutOfScale, match="32767 rows at most"):
        fill(book, trade(1, 1, instrument=BTCUSD))
    assert int(alice["positions_count"]) == ROWS_LIMIT
    assert book.lots(BOB, BTCUSD) == 0


def test_a_number_beyond_its_column_is_refused_by_name() -> None:
    with pytest.raises(OutOfScale, match="63 bits"):
        posting_rows([trade(1, 2**64)])


def test_a_closed_unit_takes_nothing() -> None:
    book = book_of_three()
    deposit(book, ALICE, USDT, 1)
    with pytest.raises(InvalidInput, match="still holds"):
        book.set_status(ALICE, UnitStatus.CLOSED)
    withdraw(book, ALICE, USDT, 1)
    book.set_status(ALICE, UnitStatus.CLOSED)
    with pytest.raises(InvalidInput, match="is closed"):
        deposit(book, ALICE, USDT, 1)
    with pytest.raises(InvalidInput, match="is closed"):
        fill(book, trade(1, 1, unit=BOB, counterparty=ALICE))
    with pytest.raises(InvalidInput, match="stays closed"):
        book.set_status(ALICE, UnitStatus.ACTIVE)


SMALL_FILLS = st.lists(
    st.builds(
        Fill,
        unit=st.integers(ALICE, CAROL),
        counterparty=st.integers(LIQUIDITY, CAROL),
        instrument=st.integers(0, len(INSTRUMENTS) - 1),
        lots=st.sampled_from([-2, -1, 1, 2]),
        value=st.integers(-50, 50),
        fee=st.integers(-1, 2),
        leg=st.just(Leg.NET),
    ),
    min_size=1,
    max_size=30,
)


@given(before=SMALL_FILLS, batch=SMALL_FILLS)
def test_a_refused_batch_restores_every_row_it_opened_changed_or_removed(
    before: list[Fill],
    batch: list[Fill],
) -> None:
    book = book_of_three(Capacity(units=1, positions=1, balances=1))
    post(book, posting_rows(before))
    held = holdings(book)
    with pytest.raises(InvalidInput):
        post(book, posting_rows([*batch, trade(0, 0)]))
    assert holdings(book) == held
    assert rows_are_owned_once(book) is None
    post(book, posting_rows(batch))
    assert value_is_conserved(book) is None


@given(fills=SMALL_FILLS, cut=st.integers(1, 29))
def test_a_batch_and_its_rows_one_by_one_give_the_same_book(fills: list[Fill], cut: int) -> None:
    together, apart = book_of_three(), book_of_three()
    post(together, posting_rows(fills[:cut]))
    post(together, posting_rows(fills[cut:]))
    for one in fills:
        fill(apart, one)
    assert digest(together) == digest(apart)


AMOUNTS = st.integers(-(2**60), 2**60)


@given(
    held=st.integers(-(2**40), 2**40),
    cost=AMOUNTS,
    lots=st.integers(-(2**40), 2**40),
    value=AMOUNTS,
    part=st.integers(0, 2**40),
    part_value=AMOUNTS,
)
def test_splitting_a_fill_moves_at_most_a_quantum_between_realised_and_unrealised(
    held: int,
    cost: int,
    lots: int,
    value: int,
    part: int,
    part_value: int,
) -> None:
    first = part % abs(lots) if lots else 0
    if held == 0 or lots == 0 or first == 0 or (held * lots < 0 and abs(lots) > abs(held)):
        return  # a flip is close then open by definition
    first = first if lots > 0 else -first
    once, twice = book_of_three(), book_of_three()
    for book in (once, twice):
        fill(book, trade(held, cost))
    fill(once, trade(lots, value))
    fill(twice, trade(first, part_value))
    fill(twice, trade(lots - first, value - part_value))
    for unit in (ALICE, BOB):
        size, cost_once, balance_once = state(once, unit)
        size_twice, cost_twice, balance_twice = state(twice, unit)
        assert size_twice == size
        assert balance_twice - cost_twice == balance_once - cost_once
        assert abs(balance_twice - balance_once) <= 1


@given(held=st.integers(1, 2**50), cost=AMOUNTS, data=st.data())
def test_rounding_never_realises_more_than_the_exact_share(
    held: int,
    cost: int,
    data: st.DataObject,
) -> None:
    closed = data.draw(st.integers(1, held))
    value = data.draw(AMOUNTS)
    book = book_of_three()
    fill(book, trade(held, cost))
    fill(book, trade(-closed, value))
    _, _, balance = state(book, ALICE)
    exact_times_held = -value * held - cost * closed
    assert 0 <= exact_times_held - balance * held < held


@contextmanager
def interpreted() -> Iterator[None]:
    """Post through the Python behind the kernels."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(postings, "post_kernel", plain(post_kernel))
        patch.setattr(postings, "roll_back_kernel", plain(roll_back_kernel))
        yield


@given(fills=SMALL_FILLS)
def test_the_python_behind_the_kernel_posts_the_same(fills: list[Fill]) -> None:
    compiled, slow = (book_of_three(Capacity(positions=1, balances=1)) for _ in range(2))
    post(compiled, posting_rows(fills))
    with interpreted():
        post(slow, posting_rows(fills))
        deposit(slow, ALICE, USDT, 5)
        with pytest.raises(InvalidInput):
            post(slow, posting_rows([*fills, trade(0, 0)]))
        withdraw(slow, ALICE, USDT, 5)
    assert digest(slow) == digest(compiled)


@given(
    lots=st.integers(-SIZE_LIMIT, SIZE_LIMIT),
    ticks=st.integers(1, SIZE_LIMIT),
    instrument=st.sampled_from(range(len(INSTRUMENTS))),
    rounding=st.sampled_from(Rounding),
)
def test_a_value_is_exact_or_rounded_once_or_refused(
    lots: int,
    ticks: int,
    instrument: int,
    rounding: Rounding,
) -> None:
    book, terms = new_book(), INSTRUMENTS[instrument]
    expected = lots * ticks * terms.unit_value
    if terms.inverse:
        expected = mul_div(-lots, terms.unit_value, ticks, rounding)
    rows = (np.array([instrument], np.int32), np.array([lots]), np.array([ticks]))
    if abs(expected) < 2**63:
        assert fill_value(book, instrument, lots, ticks, rounding) == expected
        assert fill_values(book, *rows, rounding).tolist() == [expected]
    else:
        with pytest.raises(OutOfScale, match=terms.name):
            fill_value(book, instrument, lots, ticks, rounding)
        with pytest.raises(OutOfScale, match=terms.name):
            fill_values(book, *rows, rounding)


@pytest.mark.parametrize("ticks", [0, -1, SIZE_LIMIT + 1])
def test_a_price_out_of_range_has_no_value(ticks: int) -> None:
    with pytest.raises(OutOfScale):
        fill_value(new_book(), BTCUSDT, 1, ticks)


def test_a_takeover_leaves_nothing_behind() -> None:
    book = book_of_three()
    deposit(book, ALICE, USDT, 500)
    deposit(book, ALICE, BTC, 3)
    fill(book, trade(10, 1000))
    fill(book, trade(-7, 40, instrument=BTCUSD))
    values = {(BTCUSDT, Leg.NET): 600, (BTCUSD, Leg.NET): 37}
    take_over(book, ALICE, CAROL, values)
    view = book.unit_view(ALICE)
    assert view.positions == ()
    assert not any(view.balances.values())
    assert state(book, CAROL) == (10, 600, 100)  # 500 less the loss of 400
    assert state(book, CAROL, BTCUSD) == (-7, 37, 0)  # 3 less 3
    assert value_is_conserved(book) is None


def test_a_takeover_needs_a_value_for_every_position_and_no_other() -> None:
    book = book_of_three()
    fill(book, trade(10, 1000))
    with pytest.raises(InvalidInput, match="exactly the held positions"):
        take_over(book, ALICE, CAROL, {})
    with pytest.raises(InvalidInput, match="exactly the held positions"):
        take_over(book, ALICE, CAROL, {(BTCUSDT, Leg.NET): 1, (ETHUSDT, Leg.NET): 1})


def test_auto_deleveraging_closes_the_victim_and_nothing_more() -> None:
    book = book_of_three()
    fill(book, trade(10, 1000))  # Alice long, Bob short
    auto_deleverage(book, [trade(-6, -540, unit=ALICE, counterparty=BOB)])
    assert state(book, ALICE) == (4, 400, -60)
    assert state(book, BOB) == (-4, -400, 60)
    before = digest(book)
    with pytest.raises(InvalidInput, match="only shrink"):
        auto_deleverage(book, [trade(-1, -90), trade(-6, -540)])
    with pytest.raises(InvalidInput, match="no fee"):
        auto_deleverage(book, [trade(-1, -90, fee=1)])
    assert digest(book) == before


def test_a_socialised_loss_takes_claims_and_covers_one_unit() -> None:
    book = book_of_three()
    deposit(book, BOB, USDT, 70)
    deposit(book, CAROL, USDT, 30)
    cut_claims(book, USDT, {BOB: 7, CAROL: 3}, ALICE)
    assert [book.balance(unit, USDT) for unit in (ALICE, BOB, CAROL)] == [10, 63, 27]
    with pytest.raises(InvalidInput, match="positive amount"):
        cut_claims(book, USDT, {BOB: 7, CAROL: 0}, ALICE)
    assert book.balance(BOB, USDT) == 63


@pytest.mark.parametrize("movement", [deposit, withdraw])
def test_an_amount_is_positive(movement: Callable[[Book, int, int, int], Changes]) -> None:
    with pytest.raises(InvalidInput, match="positive amount"):
        movement(book_of_three(), ALICE, USDT, 0)


def test_the_largest_amounts_are_carried_exactly() -> None:
    book, model = book_of_three(), Model()
    fills = [
        trade(SIZE_LIMIT, AMOUNT_LIMIT),
        trade(-(SIZE_LIMIT - 1), -AMOUNT_LIMIT),
        trade(-1, AMOUNT_LIMIT - 512),
    ]
    for one in fills:
        fill(book, one)
    assert model.atomically(lambda trial: trial.post([*fills]))
    expected = model.holdings()
    found = holdings(book)
    assert {unit: found[unit] for unit in expected} == expected
