"""Binance's public formulas: the published figures, and agreement with core."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keelmark.core.codes import Leg as Side
from keelmark.core.errors import InvalidInput
from keelmark.core.instrument import Instrument, InstrumentKind
from keelmark.core.liquidation_price import liquidation_prices
from keelmark.core.market import Market
from keelmark.core.model import AssetTerms, InstrumentTerms, MarginModel, Trigger
from keelmark.core.numbers import exact
from keelmark.core.rules import UnknownRule
from keelmark.core.unit import MarginUnit, Position, TierRow
from keelmark.rulebooks.formulas.binance import (
    AssetRates,
    Leg,
    MultiAsset,
    PortfolioAsset,
    UniMmrBand,
    Wallet,
    adl_margin_ratio,
    adl_quantile,
    adl_score,
    asset_rates,
    auto_exchange,
    auto_exchange_value,
    coin_liquidation_price,
    coin_notional,
    liquidation_price,
    maintenance_amount,
    maintenance_amounts,
    maintenance_margin,
    margin_initial,
    multi_assets_margin,
    uni_mmr,
)
from tests.strategies import on_grid

D = Decimal
CONTRACT_SIZE = D(100)


def model(*, inverse: bool) -> MarginModel:
    """One contract without a table: every position brings its row."""
    kind = InstrumentKind.INVERSE_PERPETUAL if inverse else InstrumentKind.LINEAR_PERPETUAL
    settle = "BTC" if inverse else "USDT"
    instrument = Instrument(
        symbol="X",
        kind=kind,
        base="BTC",
        settle=settle,
        contract_size=CONTRACT_SIZE if inverse else D(1),
    )
    return MarginModel(
        name="m",
        instruments={"X": InstrumentTerms(instrument=instrument, maintenance=UnknownRule(why=""))},
        assets={settle: AssetTerms(asset=settle)},
        trigger=Trigger.AT_OR_BELOW,
        single_asset=True,
    )


def unit(wallet: Wallet, legs: list[Leg], terms: MarginModel) -> MarginUnit:
    instrument = terms.instrument("X").instrument
    settle = instrument.settle
    hedged = len(legs) > 1
    with exact():
        return MarginUnit(
            balances={settle: wallet.free},
            positions=tuple(
                Position(
                    instrument="X",
                    size=leg.size,
                    cost=instrument.value(leg.size, leg.entry_price),
                    leg=(Side.LONG if leg.size > 0 else Side.SHORT) if hedged else Side.NET,
                    tier=TierRow(maintenance_rate=leg.rate, maintenance_amount=leg.amount),
                )
                for leg in legs
            ),
        )


sizes = on_grid(1, 5_000, "0.001")
entries = on_grid(1, 100_000, "0.5")
rates = on_grid(4, 500, "0.001")
shares = on_grid(0, 900, "0.001")


@st.composite
def legs_of(draw: st.DrawFn) -> list[Leg]:
    """One leg either way, or a long and a short one."""
    sides = draw(st.sampled_from([(1,), (-1,), (1, -1)]))
    entry = draw(entries)
    return [
        Leg(
            size=side * draw(sizes),
            entry_price=entry * draw(on_grid(90, 110, "0.01")),
            rate=draw(rates),
            amount=draw(st.sampled_from([D(0), D("0.5"), D(50)])),
        )
        for side in sides
    ]


def notional_at(leg: Leg, price: Decimal, *, inverse: bool) -> Decimal:
    return abs(leg.size) * (CONTRACT_SIZE / price if inverse else price)


@pytest.mark.parametrize("inverse", [False, True])
@given(legs=legs_of(), cash=on_grid(1, 100_000, "0.01"), other=on_grid(0, 100, "0.1"))
def test_the_printed_price_is_cores_wherever_its_rows_hold(
    legs: list[Leg], cash: Decimal, other: Decimal, *, inverse: bool
) -> None:
    """A row holds at a price where it asks for something: there both solve the same equation."""
    wallet = Wallet(balance=cash, other_maintenance=other, other_profit=other / 3)
    if inverse:
        printed = coin_liquidation_price(wallet, legs, CONTRACT_SIZE)
    else:
        printed = liquidation_price(wallet, legs)
    terms = model(inverse=inverse)
    market = Market(marks={"X": legs[0].entry_price})
    found = liquidation_prices(unit(wallet, legs, terms), "X", market, terms)
    if printed is None:
        return
    with exact():
        asked = [notional_at(leg, printed, inverse=inverse) * leg.rate - leg.amount for leg in legs]
    if all(amount > 0 for amount in asked) and printed > legs[0].entry_price / 10**8:
        assert any(abs(value - printed) <= printed * D("1e-40") for value in found.values)


def test_legs_that_cancel_have_no_price() -> None:
    """`abs(q) MMR` of both legs equals the sum of sizes: nothing divides."""
    legs = [
        Leg(size=D(3), entry_price=D(10), rate=D("0.25")),
        Leg(size=D(-1), entry_price=D(10), rate=D("1.25")),
    ]
    assert liquidation_price(Wallet(balance=D(1)), legs) is None
    assert liquidation_price(Wallet(balance=D(1000)), legs[:1]) is None


@pytest.mark.parametrize(("size", "price"), [("0", "1"), ("1", "0"), ("1", "-5")])
def test_a_leg_that_is_none_is_refused(size: str, price: str) -> None:
    with pytest.raises(InvalidInput, match="a leg of"):
        Leg(size=D(size), entry_price=D(price), rate=D(0))


def test_maintenance_amounts_continue_row_by_row() -> None:
    rows = [(D(0), D("0.004")), (D(5), D("0.005")), (D(10), D("0.01"))]
    assert maintenance_amounts(rows) == (D(0), D("0.005"), D("0.055"))
    assert maintenance_amount(D(50), D("0.05"), D("0.025"), D("0.56")) == D("1.81")


def test_maintenance_is_never_below_zero() -> None:
    assert maintenance_margin(D(-100), D("0.01"), D("0.5")) == D("0.5")
    assert maintenance_margin(D(10), D("0.01"), D(5)) == 0
    assert coin_notional(D(-100), D(100), D(25_000)) == D("0.4")


def test_a_loss_stands_last_in_the_queue() -> None:
    assert adl_score(D(-5), D(10), D("0.5")).leverage_pnl == 0
    assert adl_score(D(5), D("0.1"), D("0.5")).pnl_percent == 5
    assert adl_margin_ratio(D(1), D(3), D(1)) == D("0.25")
    assert adl_margin_ratio(D(1), D(3), D(-3)) == 0
    assert adl_quantile(3, 4) == D("0.75")
    with pytest.raises(InvalidInput, match="rank"):
        adl_quantile(5, 4)


def test_the_exchange_takes_assets_in_proportion() -> None:
    assert auto_exchange_value(D(5000), D("0.025")) == pytest.approx(D("5128.205"), abs=D("0.001"))
    sold = auto_exchange(D(90), {"BTC": D(150), "ETH": D(50)}, {"BTC": D("0.1"), "ETH": D("0.1")})
    assert sold == {"BTC": D(75), "ETH": D(25)}
    assert auto_exchange(D(999), {"BTC": D(100)}, {"BTC": D("0.1")}) == {"BTC": D(100)}
    assert auto_exchange(D(1), {}, {}) == {}


@given(
    deficit=on_grid(1, 1000, "1"), values=st.lists(on_grid(1, 1000, "1"), min_size=1, max_size=4)
)
def test_what_is_sold_covers_the_deficit_or_everything_is(
    deficit: Decimal, values: list[Decimal]
) -> None:
    collateral = {str(i): value for i, value in enumerate(values)}
    haircuts = {str(i): D(i) / 20 for i in range(len(values))}
    with exact():
        sold = auto_exchange(deficit, collateral, haircuts)
        raised = sum((value * (1 - haircuts[name]) for name, value in sold.items()), D(0))
        whole = sum((v * (1 - haircuts[n]) for n, v in collateral.items()), D(0))
        assert abs(raised - min(deficit, whole)) < D("1e-40")


USDT = asset_rates(D("0.99"), D("0.01"), D("0.005"))


def test_multi_assets_mode_counts_at_both_sides() -> None:
    """FAQ c983a926, its states without and with positions."""
    assert (USDT.bid, USDT.ask) == (D("0.9801"), D("0.99495"))
    usdc = AssetRates(bid=D(1), ask=D(1))
    rows = [
        MultiAsset(equity=D(200), rates=USDT, maintenance=D(80), initial=D(100)),
        MultiAsset(equity=D(220), rates=usdc, maintenance=D(120), initial=D(240)),
    ]
    found = multi_assets_margin(rows)
    assert found.equity == D("416.02")
    assert found.maintenance_margin == D("199.596")
    assert found.available == D("76.525")
    assert round(found.margin_ratio or 0, 4) == D("0.4798")


def test_a_debt_counts_at_the_ask() -> None:
    found = multi_assets_margin([MultiAsset(equity=D(-100), rates=USDT)])
    assert (found.equity, found.margin_ratio) == (D("-99.495"), None)


@pytest.mark.parametrize(
    ("equity", "band"),
    [
        ("1.51", UniMmrBand.NORMAL),
        ("1.5", UniMmrBand.REMINDER),
        ("1.2", UniMmrBand.REDUCE_ONLY),
        ("1.05", UniMmrBand.LIQUIDATION),
        ("1", UniMmrBand.CLAIM),
        ("-1", UniMmrBand.CLAIM),
    ],
)
def test_a_band_ends_where_the_next_begins(equity: str, band: UniMmrBand) -> None:
    found = uni_mmr([PortfolioAsset(margin_asset=D(equity), futures_maintenance=D(1))])
    assert (found.ratio, found.band) == (D(equity), band)


def test_a_negative_asset_is_not_discounted_and_open_losses_count() -> None:
    owed = PortfolioAsset(
        margin_loan=D(2), loan_rate=D("0.1"), index=D(10), collateral_rate=D("0.5")
    )
    held = PortfolioAsset(margin_asset=D(100), open_loss=D(5), collateral_rate=D("0.9"))
    found = uni_mmr([owed, held])
    assert (found.equity, found.adjusted_equity, found.maintenance_margin) == (D(70), D(65), D(2))
    assert uni_mmr([]).band is UniMmrBand.NORMAL


def test_a_loan_asks_initial_margin_by_leverage() -> None:
    assert margin_initial(D(100), D(5)) == 25
    with pytest.raises(InvalidInput, match="leverage 1"):
        margin_initial(D(100), D(1))
