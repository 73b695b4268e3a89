"""Requirements on the entry price: they stand still while prices move."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keelmark.core.codes import Leg
from keelmark.core.explain import explain
from keelmark.core.instrument import Instrument, InstrumentKind
from keelmark.core.margin import margin_report
from keelmark.core.market import Market
from keelmark.core.model import AssetTerms, InstrumentTerms, MarginModel, MarginPrice
from keelmark.core.rules import SizeScaledRule
from keelmark.core.unit import MarginUnit, OpenOrders, Position
from tests.strategies import Shape, Situation, situations

D = Decimal
TERMS = InstrumentTerms(
    instrument=Instrument(
        symbol="BTCUSDT", kind=InstrumentKind.LINEAR_PERPETUAL, base="BTC", settle="USDT"
    ),
    maintenance=SizeScaledRule(base=D("0.005")),
    margin_price=MarginPrice.ENTRY,
)
MODEL = MarginModel(
    name="entry",
    instruments={"BTCUSDT": TERMS},
    assets={"USDT": AssetTerms(asset="USDT")},
    single_asset=True,
)


def held(size: str, entry: str, leg: Leg = Leg.NET) -> Position:
    return Position(
        instrument="BTCUSDT", size=D(size), cost=D(size) * D(entry), leg=leg, leverage=D(50)
    )


def orders_of(buys: tuple[str, str], sells: tuple[str, str]) -> OpenOrders:
    (bought, bid), (sold, asked) = buys, sells
    return OpenOrders(
        instrument="BTCUSDT",
        buy_size=D(bought),
        sell_size=D(sold),
        buy_value=D(bought) * D(bid),
        sell_value=D(sold) * D(asked),
        leverage=D(50),
    )


@given(
    situations(Shape(single_asset=True, positions_min=1)),
    st.sampled_from([D("0.5"), D("1.7")]),
)
def test_no_move_of_the_mark_changes_a_requirement(situation: Situation, share: Decimal) -> None:
    model = situation.model
    on_entry = replace(
        model,
        instruments={
            symbol: replace(terms, margin_price=MarginPrice.ENTRY)
            for symbol, terms in model.instruments.items()
        },
    )
    moved = replace(
        situation.market, marks={s: p * share for s, p in situation.market.marks.items()}
    )
    before = margin_report(situation.unit, situation.market, on_entry).positions
    after = margin_report(situation.unit, moved, on_entry).positions
    assert [p.maintenance for p in before] == [p.maintenance for p in after]
    assert [p.initial for p in before] == [p.initial for p in after]
    assert [p.notional for p in before] == [p.position.cost.copy_abs() for p in before]


@pytest.mark.parametrize(
    ("positions", "orders", "notional"),
    [
        (("1", "20000"), orders_of(("0", "0"), ("0.5", "30000")), "20000"),
        (("1", "20000"), orders_of(("0.5", "10000"), ("0", "0")), "25000"),
        (("1", "20000"), orders_of(("0", "0"), ("3", "30000")), "60000"),
        (("-1", "20000"), orders_of(("3", "10000"), ("0.5", "30000")), "20000"),
        (("-1", "20000"), orders_of(("0", "0"), ("2", "30000")), "80000"),
    ],
    ids=["closes", "adds", "flips", "flips a short", "adds to a short"],
)
def test_orders_count_at_their_own_prices(
    positions: tuple[str, str], orders: OpenOrders, notional: str
) -> None:
    unit = MarginUnit(balances={"USDT": D(1000)}, positions=(held(*positions),), orders=(orders,))
    report = margin_report(unit, Market(marks={"BTCUSDT": D(22000)}), MODEL)
    assert report.orders[0].notional == D(notional)
    assert report.initial_margin == D(notional) / 50


def test_an_order_without_a_price_counts_at_the_mark() -> None:
    orders = OpenOrders(instrument="BTCUSDT", buy_size=D(2), leverage=D(50))
    unit = MarginUnit(balances={"USDT": D(1000)}, orders=(orders,))
    report = margin_report(unit, Market(marks={"BTCUSDT": D(22000)}), MODEL)
    assert report.orders[0].notional == D(44000)


def test_hedge_legs_are_taken_each_at_its_own_entry() -> None:
    legs = (held("1", "20000", Leg.LONG), held("-2", "25000", Leg.SHORT))
    orders = orders_of(("1", "19000"), ("1", "26000"))
    unit = MarginUnit(balances={"USDT": D(9000)}, positions=legs, orders=(orders,))
    report = margin_report(unit, Market(marks={"BTCUSDT": D(22000)}), MODEL)
    assert [p.notional for p in report.positions] == [D(20000), D(50000)]
    assert report.orders[0].notional == D(115000)


def test_the_working_names_the_entry_price() -> None:
    unit = MarginUnit(balances={"USDT": D(1000)}, positions=(held("2", "20000"),))
    work = explain(unit, Market(marks={"BTCUSDT": D(22000)}), MODEL, "position:BTCUSDT.notional")
    assert work.formula == "abs(value at the entry)"
    assert dict(work.inputs)["entry"] == D(20000)
