"""Coins that part: every one moves against the unit by the same fraction."""

from dataclasses import replace
from decimal import Decimal
from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from keelmark.core.adverse_move import adverse_move
from keelmark.core.joint_move import joint_move
from keelmark.core.liquidation_price import PriceStatus
from keelmark.core.margin import margin_report
from keelmark.core.numbers import ONE
from keelmark.core.unit import MarginUnit
from tests.core.test_joint_move import MARKET, MARKS, MODEL, RATES, held

D = Decimal
NEAR = D("1e-18")


def test_longs_fall_and_shorts_rise() -> None:
    pair = (held("BTCUSDT", "2"), held("ETHUSDT", "-48"))
    unit = MarginUnit(balances={"USDT": D(40_000)}, positions=pair)
    found = adverse_move(margin_report(unit, MARKET, MODEL), MARKET, MODEL)
    assert found is not None
    assert found.direction == {"BTCUSDT": -ONE, "ETHUSDT": ONE}
    # 40,000 - 240,000 x = 120,000 (1 - x) of Bitcoin and 120,000 (1 + x) of Ether at their rates
    btc, eth = D(RATES["BTCUSDT"]), D(RATES["ETHUSDT"])
    lost = D(240_000) + D(120_000) * (eth - btc)
    assert found.size is not None
    assert abs(found.size - (D(40_000) - D(120_000) * (btc + eth)) / lost) < NEAR


def test_one_sided_books_and_single_coins_have_none() -> None:
    long = (held("BTCUSDT", "1"), held("ETHUSDT", "5"))
    for positions in (long, long[:1], ()):
        unit = MarginUnit(balances={"USDT": D(40_000)}, positions=positions)
        assert adverse_move(margin_report(unit, MARKET, MODEL), MARKET, MODEL) is None


def test_a_short_against_collateral_of_another_coin_parts_from_it() -> None:
    unit = MarginUnit(balances={"BTC": D(1)}, positions=(held("ETHUSDT", "-10"),))
    found = adverse_move(margin_report(unit, MARKET, MODEL), MARKET, MODEL)
    assert found is not None
    assert found.direction == {"ETHUSDT": ONE, "BTC": -ONE}
    covered = MarginUnit(balances={"BTC": D(2)}, positions=(held("BTCUSDT", "-1"),))
    assert adverse_move(margin_report(covered, MARKET, MODEL), MARKET, MODEL) is None


@given(
    sizes=st.lists(st.integers(-50, 50).filter(bool), min_size=3, max_size=3),
    cash=st.integers(1, 500_000),
    btc=st.integers(0, 5),
)
def test_no_choice_of_sides_liquidates_sooner(sizes: list[int], cash: int, btc: int) -> None:
    positions = tuple(held(s, str(n)) for s, n in zip(MARKS, sizes, strict=True))
    unit = MarginUnit(balances={"USDT": D(cash), "BTC": D(btc)}, positions=positions)
    report = margin_report(unit, MARKET, MODEL)
    found = adverse_move(report, MARKET, MODEL)
    moves = [
        joint_move(unit, dict(zip(MARKS, map(D, sides), strict=True)), MARKET, MODEL)
        for sides in product((-1, 1), repeat=len(MARKS))
    ]
    sizes_found = [move.size for move in moves if move.size is not None]
    if found is not None and found.status is PriceStatus.PRICE and found.size is not None:
        assert all(found.size <= size + NEAR for size in sizes_found)
    mirrored = tuple(replace(p, size=-p.size, cost=-p.cost) for p in positions)
    if not btc:
        other = replace(unit, positions=mirrored)
        again = adverse_move(margin_report(other, MARKET, MODEL), MARKET, MODEL)
        assert (again is None) is (found is None)
