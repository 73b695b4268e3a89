"""Deribit standard margin: rates that grow with size, on the index, for both kinds of contract."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keelmark.accounts.account import Account, build_account
from keelmark.accounts.document import read_document
from keelmark.core.bound import Interval, excess_bound, reads
from keelmark.core.codes import RuleKind
from keelmark.core.coin_rule import CoinScaledRule
from keelmark.core.errors import InvalidInput
from keelmark.core.explain import explain
from keelmark.core.joint_move import joint_moves
from keelmark.core.line import parabola_roots
from keelmark.core.liquidation_price import PriceStatus, liquidation_prices
from keelmark.core.margin import maintenance_excess, margin_report
from keelmark.core.market import Market
from keelmark.core.numbers import exact
from keelmark.rulebooks import load_rulebook

D = Decimal
Json = Mapping[str, Any]
BTC = "BTC-PERPETUAL"


def account(
    symbol: str, size: str, price: str, balance: str, index: str | None = None, **more: str
) -> Account:
    settle = symbol.partition("-")[0].partition("_")[2] or "BTC"
    row = {"instrument": symbol, "size": size, "entry_price": price, "mark_price": price, **more}
    content: dict[str, Any] = {
        "venue": "deribit-sm",
        "collateral": [{"asset": settle, "balance": balance}],
        "positions": [row],
        "prices": {} if index is None else {symbol[:3]: index},
    }
    return build_account(read_document(content, title="account"))


@pytest.mark.parametrize(
    ("symbol", "size", "index", "initial", "maintenance"),
    [  # support.deribit.com 25944738177565: 2 % + 0.005 % a BTC, 4 % + 0.0005 % a SOL
        ("BTC_USDC-PERPETUAL", "25", "100000", "53125", "28125"),
        ("BTC_USDC-PERPETUAL", "-25", "100000", "53125", "28125"),
        ("SOL_USDC-PERPETUAL", "25", "200", "200.625", "100.625"),
    ],
)
def test_linear_margins_are_those_of_the_page(
    symbol: str, size: str, index: str, initial: str, maintenance: str
) -> None:
    found = account(symbol, size, "90000", "1000000", index)
    report = margin_report(found.units[0], found.market, found.model)
    assert (report.initial_margin, report.maintenance_margin) == (D(initial), D(maintenance))


def test_an_inverse_margin_grows_with_the_size_in_coin() -> None:
    # 1,000,000 USD at 50,000 are 20 BTC: 1 % + 20 * 0.005 % = 1.1 %
    found = account(BTC, "1000000", "50000", "5")
    report = margin_report(found.units[0], found.market, found.model)
    assert report.maintenance_margin == D("0.22")
    assert report.initial_margin == D("0.42")
    assert any("the mark of BTC-PERPETUAL stands for it" in note for note in found.notes)
    working = explain(found.units[0], found.market, found.model, f"position:{BTC}.maintenance")
    assert working.formula == "notional * (base + slope * notional)"


@given(
    size=st.integers(-(10**7), 10**7).filter(lambda x: abs(x) > 10),
    price=st.integers(10**3, 10**6),
    balance=st.integers(-(10**9), 10**9),
    ratio=st.integers(90, 110),
)
def test_an_inverse_liquidation_price_is_where_the_status_changes(
    size: int, price: int, balance: int, ratio: int
) -> None:
    found = account(BTC, str(size), str(price), str(balance * D("1e-6")), str(price * ratio / 100))
    unit, model = found.units[0], found.model
    prices = liquidation_prices(unit, BTC, found.market, model)
    assert prices.status is not PriceStatus.UNKNOWN

    def falls(there: Decimal) -> bool:
        return maintenance_excess(unit, moved(found.market, there), model) < 0

    def moved(market: Market, there: Decimal) -> Market:
        index = market.indices["BTC"] * there / market.marks[BTC]
        return replace(market, marks={BTC: there}, indices={"BTC": index})

    edges = sorted(prices.values)
    with exact():
        for edge in edges:
            assert falls(edge * D("0.999999")) != falls(edge * D("1.000001")), edge
        middles = [(a + b) / 2 for a, b in pairwise(edges)]
        ends = [edges[0] / 3, *middles, edges[-1] * 3] if edges else []
        for low, high in pairwise(ends):
            assert falls(low) != falls(high)


@given(
    size=st.integers(-(10**7), 10**7).filter(bool),
    price=st.integers(10**3, 10**6),
    low=st.integers(1, 100),
    width=st.integers(0, 300),
    at=st.integers(0, 100),
)
def test_no_point_of_a_box_lies_below_its_bound(
    size: int, price: int, low: int, width: int, at: int
) -> None:
    found = account(BTC, str(size), str(price), "10")
    unit = found.units[0]
    with exact():
        ends = price * D(low) / 100, price * D(low + width) / 100
        there = ends[0] + (ends[1] - ends[0]) * at / 100
        box = {f: Interval(low=ends[0], high=ends[1]) for f in reads(unit, found.model)}
    bound = excess_bound(unit, box, found.market, found.model)
    market = Market(marks={BTC: there}, indices={"BTC": there})
    assert bound is not None
    assert maintenance_excess(unit, market, found.model) >= bound


def test_a_box_without_an_end_has_no_bound() -> None:
    found = account(BTC, "1000000", "50000", "5")
    unit = found.units[0]
    box = {f: Interval(low=D(0), high=D(60_000)) for f in reads(unit, found.model)}
    assert excess_bound(unit, box, found.market, found.model) is None


def test_a_joint_move_of_a_curved_book_reaches_its_liquidation_price() -> None:
    found = account(BTC, "1000000", "50000", "2")
    unit, market, model = found.units[0], found.market, found.model
    price = liquidation_prices(unit, BTC, market, model).value
    falls = [m for m in joint_moves(unit, market, model) if next(iter(m.direction.values())) < 0]
    assert price is not None
    assert falls[0].size is not None
    assert abs(50_000 * (1 - falls[0].size) - price) < D("1e-6")


def test_such_a_rule_has_no_kernel_and_must_grow() -> None:
    rule = load_rulebook("deribit-sm").model.instrument(BTC).maintenance
    assert rule.parameters().kind is RuleKind.CORE_ONLY
    assert rule.leverage_max(D(1), D(1)) is None
    with pytest.raises(InvalidInput, match="slope"):
        CoinScaledRule(base=D("0.01"), slope=D(0))


@given(
    a=st.integers(-50, 50), b=st.integers(-50, 50), c=st.integers(-50, 50), low=st.integers(1, 9)
)
def test_a_parabola_is_nothing_at_its_roots(a: int, b: int, c: int, low: int) -> None:
    def parabola(x: Decimal) -> Decimal:
        return a * x * x + b * x + c

    with exact():
        roots = parabola_roots(parabola, D(low), D(low + 5))
        for root in roots:
            assert abs(parabola(root)) < D("1e-20")
            assert low <= root <= low + 5
        signs = {parabola(D(low) + D(step) / 100) > 0 for step in range(1, 500)}
    if len(signs) == 2:  # it changes its sign inside: at a root
        assert roots


def test_each_currency_stands_by_itself() -> None:
    content = {
        "venue": "deribit-sm",
        "collateral": [{"asset": "BTC", "balance": "1"}, {"asset": "USDC", "balance": "5000"}],
        "positions": [
            {"instrument": BTC, "size": "1000", "entry_price": "50000", "mark_price": "50000"},
        ],
    }
    found = build_account(read_document(content, title="account"))
    assert [dict(unit.balances) for unit in found.units] == [{"BTC": D(1)}, {"USDC": D(5000)}]
