"""Binance's other modes through account documents: multi-assets, COIN-M, portfolio margin."""

import json
from dataclasses import replace
from decimal import Decimal

import pytest

from keelmark.accounts.account import Account, read_account
from keelmark.accounts.check import Verdict, check
from keelmark.accounts.document import read_document
from keelmark.accounts.gauge import gauge_of
from keelmark.accounts.written import written
from keelmark.book.universe import Universe
from keelmark.core.errors import InvalidDocument, InvalidInput
from keelmark.core.margin import maintenance_excess, margin_report
from keelmark.core.model import HaircutBase
from keelmark.core.process import Stage
from keelmark.risk import MovePrice, whatif
from keelmark.risk.edits import Change
from keelmark.rulebooks import load_rulebook, rulebook_names
from keelmark.rulebooks.formulas.binance import (
    MultiAsset,
    PortfolioAsset,
    asset_rates,
    multi_assets_margin,
    uni_mmr,
)

D = Decimal
BINANCE = [name for name in rulebook_names() if name.startswith("binance")]


def account(venue: str, **parts: object) -> Account:
    document = {"venue": venue, "collateral": [], "positions": [], **parts}
    return read_account(json.dumps(document), toml=False)


def held(symbol: str, size: str, entry: str, mark: str, **more: object) -> dict[str, object]:
    return {"instrument": symbol, "size": size, "entry_price": entry, "mark_price": mark, **more}


@pytest.mark.parametrize("name", BINANCE)
def test_an_engine_runs_every_rulebook_but_portfolio_margin(name: str) -> None:
    model = load_rulebook(name).model
    if name.startswith("binance-pm"):
        with pytest.raises(InvalidInput, match=r"1\.05 times maintenance"):
            Universe.build(model)
        with pytest.raises(InvalidInput, match="what is borrowed"):
            Universe.build(replace(model, trigger_level=D(1)))
    else:
        assert Universe.build(model).symbols == tuple(model.instruments)


def test_only_multi_assets_mode_exchanges_collateral_in_a_liquidation() -> None:
    stages = {name: load_rulebook(name).liquidation.stages for name in BINANCE}
    exchanging = {name for name, found in stages.items() if Stage.CONVERT_COLLATERAL in found}
    assert exchanging == {name for name in BINANCE if "multi" in name}


def test_multi_assets_mode_shares_profit_and_collateral_across_settle_assets() -> None:
    found = account(
        "binance-usdm-multi@2025-06",
        collateral=[{"asset": "USDT", "balance": "1000"}, {"asset": "BTC", "balance": "0.1"}],
        prices={"USDT": "1", "USDC": "1", "BTC": "60000"},
        positions=[held("ETHUSDC", "2", "2000", "1500", leverage="10")],
    )
    (unit,) = found.units
    report = margin_report(unit, found.market, found.model)
    # debts count in full, credits at the bid; asset equity includes the loss of 1000 USDC
    assert report.equity == D("999.9") + D(5700) - 1000
    assert all(t.haircut_base is HaircutBase.EQUITY for t in found.model.assets.values())


def test_multi_assets_mode_agrees_with_the_formula_where_the_ask_buffer_is_nothing() -> None:
    found = account(
        "binance-usdm-multi@2025-06",
        collateral=[{"asset": "USDT", "balance": "900"}, {"asset": "BNB", "balance": "3"}],
        prices={"USDT": "0.999", "BNB": "600"},
        positions=[held("ETHUSDT", "-1", "2000", "2100", leverage="20")],
    )
    report = margin_report(found.units[0], found.market, found.model)
    formula = multi_assets_margin(
        [
            MultiAsset(
                equity=D(800),
                rates=asset_rates(D("0.999"), D("0.0001"), D(0)),
                maintenance=report.assets[0].maintenance_margin,
            ),
            MultiAsset(equity=D(3), rates=asset_rates(D(600), D("0.05"), D(0))),
        ]
    )
    assert report.equity == formula.equity
    assert report.maintenance_margin == formula.maintenance_margin


def asked(**buffers: str) -> Account:
    """Return an account that owes USDT, holds BNB and needs margin in both USDT and USDC."""
    return account(
        "binance-usdm-multi@2025-06",
        collateral=[{"asset": "USDT", "balance": "-500"}, {"asset": "BNB", "balance": "3"}],
        prices={"USDT": "0.999", "BNB": "600", "USDC": "1.001"},
        ask_buffers=buffers,
        positions=[
            held("ETHUSDT", "-1", "2000", "2100", leverage="20"),
            held("ETHUSDC", "0.5", "2000", "2100", leverage="20"),
        ],
    )


def test_multi_assets_mode_agrees_with_the_formula_at_bid_and_ask() -> None:
    found = asked(USDT="0.005", BNB="0.05", USDC="0.002")
    report = margin_report(found.units[0], found.market, found.model)
    buffers = {"USDT": ("0.0001", "0.005"), "BNB": ("0.05", "0.05"), "USDC": ("0.0001", "0.002")}
    equity = {"USDT": D(-600), "BNB": D(3), "USDC": D(50)}
    formula = multi_assets_margin(
        [
            MultiAsset(
                equity=equity[asset.asset],
                rates=asset_rates(asset.price, *map(D, buffers[asset.asset])),
                maintenance=asset.maintenance_margin,
                initial=asset.initial_margin,
            )
            for asset in report.assets
        ]
    )
    assert report.equity == formula.equity
    assert report.maintenance_margin == formula.maintenance_margin
    assert report.available == formula.available
    at_one_price = asked()
    before = margin_report(at_one_price.units[0], at_one_price.market, at_one_price.model)
    assert before.equity > report.equity
    assert before.maintenance_margin < report.maintenance_margin
    said = "no ask of BNB, USDC, USDT: what is owed and required is priced as what is held"
    assert any(note.startswith(said) for note in at_one_price.notes)
    assert not any(note.startswith("no ask of") for note in found.notes)


def test_prices_that_end_a_unit_are_of_debts_at_the_ask() -> None:
    found = asked(USDT="0.005", BNB="0.05", USDC="0.002")
    prices = [
        next(p.liquidation.value for p in check(a).positions if p.unit_id == "cross")
        for a in (found, asked())
    ]
    price, at_one_price = prices
    assert price is not None
    assert at_one_price is not None
    assert price < at_one_price  # of the short
    there = replace(found.market, marks={**found.market.marks, "ETHUSDT": price})
    assert abs(maintenance_excess(found.units[0], there, found.model)) < D("1e-40")


def test_the_ask_moves_with_the_price_in_a_what_if() -> None:
    found = asked(USDT="0.005", BNB="0.05", USDC="0.002")
    moved = whatif(found, MovePrice(name="USDT", change=Change(by=D("0.01")))).document
    assert moved.ask_buffers == found.document.ask_buffers
    assert moved.prices["USDT"] == D("0.999") * D("1.01")
    assert read_document(written(moved), title="again") == moved


def test_an_ask_buffer_is_a_fraction_and_only_of_venues_with_two_sides() -> None:
    with pytest.raises(InvalidDocument, match=r"ask_buffers: found 1.005 of USDT"):
        asked(USDT="1.005")
    pm = account("binance-usdm@2025-06", collateral=[], ask_buffers={"USDT": "0.1"})
    assert any("ask_buffers mean nothing" in note for note in pm.notes)


def test_an_asset_that_is_no_margin_counts_nothing() -> None:
    found = account(
        "binance-usdm-multi@2025-06",
        collateral=[{"asset": "AVAX", "balance": "10"}],
        prices={"AVAX": "30"},
    )
    assert margin_report(found.units[0], found.market, found.model).equity == 0


def test_multi_assets_mode_has_no_isolated_positions() -> None:
    isolated = held("ETHUSDT", "1", "2000", "2000", margin_mode="isolated", isolated_margin="100")
    with pytest.raises(InvalidDocument, match=r"positions\[0\]\.margin_mode: .*cross only"):
        account("binance-usdm-multi@2025-06", positions=[isolated])


def test_each_coin_of_coin_margined_futures_stands_alone() -> None:
    found = account(
        "binance-coinm@2025-10",
        collateral=[{"asset": "BTC", "balance": "1"}, {"asset": "SOL", "balance": "100"}],
        positions=[
            held("BTCUSD_PERP", "600", "60000", "50000", leverage="20"),
            held("SOLUSD_PERP", "1000", "200", "200", leverage="20"),
        ],
    )
    btc, sol = check(found).units
    assert (btc.currency, sol.currency) == ("BTC", "SOL")
    assert btc.report is not None
    assert btc.report.maintenance_margin == D("1.2") * D("0.004")
    assert sol.report is not None
    assert sol.report.maintenance_margin == D(50) * D("0.01")


def test_a_coin_margined_symbol_without_a_table_is_unknown() -> None:
    found = check(
        account(
            "binance-coinm@2025-10",
            collateral=[{"asset": "ETH", "balance": "1"}],
            positions=[held("ETHUSD_PERP", "10", "2000", "2000")],
        )
    )
    assert found.verdict is Verdict.UNKNOWN
    assert found.positions.__next__().held.notional == D("0.05")


PM: dict[str, object] = {
    "collateral": [{"asset": "USDT", "balance": "6000"}, {"asset": "BTC", "balance": "0.2"}],
    "liabilities": [{"asset": "BTC", "amount": "0.04"}],
    "prices": {"USDT": "1", "BTC": "40000"},
    "positions": [
        held("BTCUSDT", "-0.05", "52000", "40000", leverage="10"),
        held("BTCUSD_PERP", "100", "50000", "40000", leverage="10"),
    ],
}


def test_health_under_portfolio_margin_is_the_unimmr() -> None:
    found = account("binance-pm", **PM)
    (unit,) = found.units
    report = margin_report(unit, found.market, found.model)
    formula = uni_mmr(
        [
            PortfolioAsset(
                margin_asset=D(1000),
                futures_asset=D(5000),
                futures_pnl=D(600),
                futures_maintenance=D(2000) * D("0.004"),
            ),
            PortfolioAsset(
                margin_asset=D("0.1"),
                margin_loan=D("0.04"),
                futures_asset=D("0.1"),
                futures_pnl=D(10_000) * (1 / D(50_000) - 1 / D(40_000)),
                futures_maintenance=D("0.25") * D("0.004"),
                loan_rate=D("0.1"),
                index=D(40_000),
                collateral_rate=D("0.95"),
            ),
        ]
    )
    assert report.equity == formula.equity
    assert report.maintenance_margin == formula.maintenance_margin
    assert report.health.value == pytest.approx(formula.ratio)


def test_portfolio_margin_liquidates_at_a_unimmr_of_105_percent() -> None:
    for ratio, is_due in (("1.06", False), ("1.05", True)):
        found = account(
            "binance-pm",
            collateral=[{"asset": "USDT", "balance": str(D(100) * D(ratio))}],
            prices={"USDT": "1"},
            positions=[
                held(
                    "NEWUSDT",
                    "1",
                    "1000",
                    "1000",
                    tier={"maintenance_rate": "0.1", "maintenance_amount": "0"},
                )
            ],
        )
        assert check(found).is_liquidatable is is_due


def test_the_gauge_of_portfolio_margin_has_the_bands_of_the_unimmr() -> None:
    (unit,) = check(account("binance-pm", **PM)).units
    gauge = gauge_of(unit.report, load_rulebook("binance-pm").liquidation)
    assert gauge is not None
    bands = {mark.name: round(1 / mark.usage, 3) for mark in gauge.marks}
    assert bands.pop("initial margin") > 2
    assert bands == {"liquidation": D("1.05"), "margin call": D("1.2"), "warning": D("1.5")}


@pytest.mark.parametrize("asset", ["ETH", "BNB"])
def test_a_credit_whose_ratio_is_in_no_source_is_unknown_until_it_is_given(asset: str) -> None:
    row = {"asset": asset, "balance": "2"}
    found = check(account("binance-pm", collateral=[row], prices={asset: "1000"}))
    assert found.verdict is Verdict.UNKNOWN
    given = check(
        account("binance-pm", collateral=[{**row, "weight": "0.9"}], prices={asset: "1000"})
    )
    report = given.units[0].report
    assert report is not None
    assert report.equity == 1800


def test_coin_margined_contracts_keep_their_size_under_portfolio_margin() -> None:
    model = load_rulebook("binance-pm")
    sizes = [model.terms_for(s).instrument.contract_size for s in ("ETHUSD_PERP", "NEWUSDT")]
    assert sizes == [10, 1]
