"""Options in a margin unit: what counts, what is asked of shorts, groups, orders, gaps."""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keelmark.core.bound import Factor, FactorKind, excess_bound, reads
from keelmark.core.errors import InvalidInput, InvalidMark, InvariantViolated, MissingMarkPrice
from keelmark.core.excess import worth
from keelmark.core.groups import ExpiryOffset
from keelmark.core.instrument import Instrument, InstrumentKind
from keelmark.core.margin import maintenance_excess, margin_report
from keelmark.core.market import Market
from keelmark.core.model import InstrumentTerms, MarginModel
from keelmark.core.numbers import ONE, exact
from keelmark.core.option_rules import NoTable, OptionTerms, ShortOptionRule, SizeFactor
from keelmark.core.payoff import Right, Vanilla
from keelmark.core.rules import SizeScaledRule
from keelmark.core.unit import MarginUnit, OpenOrders
from tests.option_books import (
    BYBIT,
    DERIBIT,
    DERIVE,
    EXPIRY,
    held,
    market_at,
    model_of,
    option,
    perpetual,
    unit_of,
)
from tests.strategies import Situation, situations

D = Decimal
OFFSET = ExpiryOffset(naked_initial=D("1.2"), naked_maintenance=D("1.1"))


def marked(marks: dict[str, str], index: str | None = None, forward: str | None = None) -> Market:
    return Market(
        marks={symbol: D(mark) for symbol, mark in marks.items()},
        indices={} if index is None else {"BTC": D(index)},
        forwards={} if forward is None else dict.fromkeys(marks, D(forward)),
    )


def test_a_short_put_asks_what_bybit_prints() -> None:
    """Bybit, Introduction to USDC options margin: put 18500, index 20250, mark 290, sold at 280."""
    put = option("put", "18500", rule=BYBIT)
    unit = unit_of("5000", held(put, "-1", "280"))
    report = margin_report(unit, marked({"18500-P": "290"}, index="20250"), model_of(put))
    assert report.maintenance_margin == D(938)
    assert report.initial_margin == D(2315)


def test_a_short_call_asks_what_bybit_prints() -> None:
    """Bybit, Initial and Maintenance Margin Calculation (Options), example 1: mark 300."""
    call = option("call", "31000", rule=BYBIT)
    unit = unit_of("10000", held(call, "-1", "300"))
    report = margin_report(unit, marked({"31000-C": "300"}, index="30000"), model_of(call))
    assert report.maintenance_margin == D(1260)
    assert report.margin_ratio.value == D("0.126")


def test_short_calls_ask_what_derive_prints() -> None:
    """Derive, Standard Margin, example 1: ETH at 1900, three short 1800 calls at 120."""
    call = option("call", "1800", rule=DERIVE)
    unit = unit_of("2000", held(call, "-3", "120"))
    report = margin_report(unit, marked({"1800-C": "120"}, index="1900"), model_of(call))
    assert (report.initial_margin, report.maintenance_margin) == (D(1215), D(873))
    with exact():
        assert report.equity_initial - report.initial_margin == D(785)
        assert report.maintenance_excess == D(1127)


def spread() -> tuple[MarginUnit, Market, MarginModel]:
    short, long = option("call", "1700", rule=DERIVE), option("call", "1900", rule=DERIVE)
    model = replace(model_of(short, long), group=OFFSET)
    unit = unit_of("2000", held(short, "-8", "425"), held(long, "8", "250"))
    return unit, marked({"1700-C": "425", "1900-C": "250"}, "2100", "2105"), model


def test_a_spread_is_offset_as_derive_prints() -> None:
    """Derive, Standard Margin, example 2: ETH at 2100, forward 2105, a short call spread."""
    unit, market, model = spread()
    report = margin_report(unit, market, model)
    alone = margin_report(unit, market, replace(model, group=None))
    assert (alone.initial_margin, alone.maintenance_margin) == (D(5920), D(4912))
    assert (report.initial_margin, report.maintenance_margin) == (D(1600), D(1600))
    assert report.maintenance_excess == D(400)
    assert maintenance_excess(unit, market, model) == D(400)
    (group,) = report.groups
    assert (group.name, group.initial, group.maintenance) == ("BTC 2025-01-31", D(-4320), D(-3312))


def test_an_uncovered_call_is_asked_for_at_the_forward() -> None:
    """Two of eight short calls uncovered: 1600 for the spread and 2 * 2105 * 1.1."""
    unit, market, model = spread()
    long = replace(unit.positions[1], size=D(6), cost=D(1500))
    covered = replace(unit, positions=(unit.positions[0], long))
    report = margin_report(covered, market, model)
    assert report.maintenance_margin == D(4912)  # 1600 + 4631 would be more
    cheap = replace(market, forwards=dict.fromkeys(market.forwards, D(100)))
    assert margin_report(covered, cheap, model).maintenance_margin == D(1600) + D(220)


def test_without_a_forward_an_uncovered_call_gets_no_credit() -> None:
    unit, market, model = spread()
    short = replace(unit, positions=unit.positions[:1])
    report = margin_report(short, replace(market, forwards={}), model)
    assert (report.groups, report.maintenance_margin) == ((), D(4912))


@pytest.mark.parametrize(
    ("right", "strike", "initial", "maintenance"),
    [
        ("call", "50000", "0.17", "0.095"),  # at the money: 0.15 + 0.02
        ("call", "51000", "0.15", "0.095"),  # out by 0.02 of the forward
        ("call", "60000", "0.12", "0.095"),  # the floor of 0.10
        ("put", "49000", "0.15", "0.095"),
        ("put", "60000", "0.17", "0.095"),  # in the money
    ],
)
def test_an_inverse_short_asks_a_share_of_its_coin(
    right: str, strike: str, initial: str, maintenance: str
) -> None:
    terms = option(right, strike, inverse=True)
    unit = unit_of("1", held(terms, "-1", "0.02"), asset="BTC")
    market = marked({terms.instrument.symbol: "0.02"}, forward="50000")
    report = margin_report(unit, market, model_of(terms))
    assert (report.initial_margin, report.maintenance_margin) == (D(initial), D(maintenance))


def test_a_deep_put_is_asked_a_share_of_its_mark() -> None:
    put = option("put", "200000", inverse=True)
    unit = unit_of("10", held(put, "-1", "3"), asset="BTC")
    report = margin_report(unit, marked({"200000-P-BTC": "3"}, forward="50000"), model_of(put))
    assert report.maintenance_margin == D("3.225")
    assert report.initial_margin == D("3.225")  # at least its maintenance: 0.15 + 3 is less


def test_the_share_rises_with_the_size() -> None:
    """OKX: a factor by position tier multiplies the share of the underlying, not the mark."""
    tiers = (SizeFactor(floor=D(0), factor=ONE), SizeFactor(floor=D(10), factor=D("1.02")))
    rule = ShortOptionRule(
        initial_share=D("0.15"),
        initial_floor=D("0.1"),
        maintenance_share=D("0.03"),
        factors=tiers,
    )
    call = option("call", "50000", rule=rule, inverse=True)
    market = marked({"50000-C-BTC": "0.02"}, forward="50000")
    small = margin_report(
        unit_of("9", held(call, "-10", "0.02"), asset="BTC"), market, model_of(call)
    )
    large = margin_report(
        unit_of("9", held(call, "-11", "0.02"), asset="BTC"), market, model_of(call)
    )
    assert small.maintenance_margin == D("0.5")
    assert large.maintenance_margin == 11 * (D("0.0306") + D("0.02"))


@given(st.sampled_from(["call", "put"]), st.booleans(), st.booleans())
def test_a_long_option_is_asked_for_nothing(right: str, inverse: bool, counts: bool) -> None:  # noqa: FBT001
    terms = option(right, "50000", inverse=inverse, counts_value=counts)
    settle = terms.instrument.settle
    unit = unit_of("1", held(terms, "2", "0.03"), asset=settle)
    report = margin_report(unit, market_at("50000", terms), model_of(terms))
    assert (report.initial_margin, report.maintenance_margin) == (D(0), D(0))
    assert not report.is_liquidatable


def test_equity_counts_the_value_and_profit_is_told() -> None:
    call = option("call", "50000", counts_value=True)
    unit = unit_of("1000", held(call, "2", "3000"))
    report = margin_report(unit, marked({"50000-C": "3500"}, "50000", "50000"), model_of(call))
    assert (report.equity, report.equity_raw) == (D(8000), D(8000))
    assert report.positions[0].unrealized_pnl == D(1000)
    assert report.assets[0].option_value == D(7000)
    assert report.withdrawable == D(1000)  # the value is no cash


def test_where_the_value_stands_apart_only_what_the_unit_is_worth_counts_it() -> None:
    call = option("call", "50000")
    unit = unit_of("9000", held(call, "-2", "3000"))
    report = margin_report(unit, marked({"50000-C": "3500"}, "50000", "50000"), model_of(call))
    assert (report.equity, report.equity_raw) == (D(9000), D(2000))
    assert report.maintenance_margin == 2 * (D(3750) + D(3500))
    assert report.positions[0].unrealized_pnl == D(-1000)


@given(
    st.sampled_from(["-2", "1.5"]),
    st.sampled_from([True, False]),
    st.integers(30_000, 80_000),
)
def test_the_excess_alone_is_that_of_the_report(size: str, counts: bool, price: int) -> None:  # noqa: FBT001
    call, perp = option("call", "50000", counts_value=counts), perpetual()
    unit = unit_of("20000", held(call, size, "3000"), held(perp, "-0.5", "50000"))
    market = market_at(str(price), call, perp)
    model = model_of(call, perp)
    assert (
        maintenance_excess(unit, market, model)
        == margin_report(unit, market, model).maintenance_excess
    )


def test_leverage_is_taken_on_the_underlying() -> None:
    call = option("call", "50000")
    unit = unit_of("10000", held(call, "-1", "3000"))
    market = marked({"50000-C": "3500"}, "50000", "51000")
    report = margin_report(unit, market, model_of(call))
    assert report.effective_leverage.value == D("5.1")
    dark = margin_report(
        unit_of("10000", held(call, "1", "3000")), marked({"50000-C": "3500"}), model_of(call)
    )
    assert dark.equity == D(10000)
    assert dark.effective_leverage.reason == "no price of the underlying of 50000-C"


def test_a_missing_price_of_the_underlying_is_named() -> None:
    call = option("call", "50000")
    unit = unit_of("10000", held(call, "-1", "3000"))
    with pytest.raises(MissingMarkPrice, match="no index price for 50000-C"):
        margin_report(unit, marked({"50000-C": "3500"}), model_of(call))
    with pytest.raises(MissingMarkPrice, match="no forward price for 50000-C"):
        margin_report(unit, marked({"50000-C": "3500"}, index="50000"), model_of(call))


def test_a_premium_may_be_zero_and_not_negative() -> None:
    put = option("put", "10000")
    unit = unit_of("10000", held(put, "-1", "5"))
    report = margin_report(unit, marked({"10000-P": "0"}, "50000", "50000"), model_of(put))
    assert report.maintenance_margin == D(3750)
    with pytest.raises(InvalidMark):
        margin_report(unit, marked({"10000-P": "-1"}, "50000", "50000"), model_of(put))


def orders(
    *, buy_size: str = "0", buy_value: str = "0", sell_size: str = "0", sell_value: str = "0"
) -> OpenOrders:
    return OpenOrders(
        instrument="50000-C",
        buy_size=D(buy_size),
        buy_value=D(buy_value),
        sell_size=D(sell_size),
        sell_value=D(sell_value),
    )


def contract(
    kind: InstrumentKind, *, payoff: Vanilla | None = None, expiry: datetime | None = None
) -> Instrument:
    return Instrument(symbol="X", kind=kind, base="X", settle="USDC", payoff=payoff, expiry=expiry)


@pytest.mark.parametrize(
    ("position", "order", "initial"),
    [
        (None, orders(sell_size="1", sell_value="4000"), "11500"),  # 0.15 * 50000 + 4000
        (None, orders(sell_size="1", sell_value="3000"), "11000"),  # at the mark of 3500
        (None, orders(buy_size="1", buy_value="3000"), "3000"),
        (None, orders(buy_size="2"), "7000"),
        ("-1", orders(sell_size="1", sell_value="3500"), "22000"),
        ("2", orders(sell_size="1", sell_value="3500"), "0"),
    ],
    ids=["sells", "sells below the mark", "buys", "buys at market", "adds", "closes"],
)
def test_orders_are_asked_for_as_shorts_or_premiums(
    position: str | None, order: OpenOrders, initial: str
) -> None:
    call = option("call", "50000")
    positions = () if position is None else (held(call, position, "3000"),)
    unit = replace(unit_of("50000", *positions), orders=(order,))
    report = margin_report(unit, marked({"50000-C": "3500"}, "50000", "50000"), model_of(call))
    assert report.initial_margin == D(initial)
    assert report.orders[0].maintenance == 0


def test_a_unit_with_options_has_no_bound_and_reads_what_its_rule_reads() -> None:
    linear, coin = option("call", "50000"), option("call", "50000", inverse=True)
    unit = unit_of("9", held(linear, "-1", "3000"))
    market = market_at("50000", linear)
    assert excess_bound(unit, {}, market, model_of(linear)) is None
    assert Factor(FactorKind.INDEX, "BTC") in reads(unit, model_of(linear))
    inverse = unit_of("9", held(coin, "-1", "0.1"), asset="BTC")
    assert reads(inverse, model_of(coin)) == {Factor(FactorKind.MARK, "50000-C-BTC")}


def test_an_option_needs_its_payoff_and_its_rule_and_nothing_else_has_one() -> None:
    payoff = Vanilla(right=Right.CALL, strike=D(1))
    with pytest.raises(InvalidInput, match="needs `strike` and `right`"):
        contract(InstrumentKind.LINEAR_OPTION, expiry=EXPIRY)
    with pytest.raises(InvalidInput, match="has no `strike`"):
        contract(InstrumentKind.LINEAR_PERPETUAL, payoff=payoff)
    with pytest.raises(InvalidInput, match="needs `expiry`"):
        contract(InstrumentKind.LINEAR_OPTION, payoff=payoff)
    listed = option("call", "1").instrument
    with pytest.raises(InvalidInput, match="no rule for its margin"):
        InstrumentTerms(instrument=listed, maintenance=NoTable())
    with pytest.raises(InvalidInput, match="and is none"):
        InstrumentTerms(
            instrument=perpetual().instrument,
            maintenance=SizeScaledRule(base=D("0.01")),
            option=OptionTerms(rule=DERIBIT),
        )
    with pytest.raises(InvalidInput, match="strike is 0"):
        Vanilla(right=Right.CALL, strike=D(0))
    with pytest.raises(InvalidInput, match="maintenance_share must be"):
        ShortOptionRule(initial_share=D(0), initial_floor=D(0), maintenance_share=D(-1))


def test_an_option_is_never_margined_by_a_table() -> None:
    with pytest.raises(InvariantViolated, match="margined by a table"):
        NoTable().amount(D(1), D(100))


@given(situations())
def test_what_a_unit_is_worth_needs_no_report(situation: Situation) -> None:
    unit, market, model = situation.unit, situation.market, situation.model
    with exact():
        alone = worth(unit, market, model)
        report = margin_report(unit, market, model)
        terms = ((abs(a.balance) + abs(a.unrealized_pnl)) * a.price for a in report.assets)
        assert abs(alone - report.equity_raw) <= D("1e-50") * sum(terms, D(1))


def test_the_worth_of_a_unit_counts_its_options() -> None:
    call, perp = option("call", "50000"), perpetual()
    unit = unit_of("20000", held(call, "-2", "3000"), held(perp, "1", "48000"))
    market, model = market_at("50000", call, perp), model_of(call, perp)
    with exact():
        assert worth(unit, market, model) == margin_report(unit, market, model).equity_raw
