"""Hyperliquid: recorded accounts give the venue's own liquidation prices, to its last digits."""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from keelmark.accounts import check
from keelmark.accounts.account import Account, build_account
from keelmark.accounts.check import AccountCheck
from keelmark.accounts.document import read_document
from keelmark.core.bankruptcy import held_maintenance_price
from keelmark.core.errors import KeelmarkError, UnknownRulebook
from keelmark.core.explain import explain
from keelmark.core.liquidation_price import PriceStatus
from keelmark.core.margin import maintenance_excess, margin_report
from keelmark.engine import events as e
from keelmark.rulebooks import load_rulebook
from tests.engine.venue import Venue

D = Decimal
Json = Mapping[str, Any]
REST = "REST"
"""Stands for positions that a recording leaves out: notional and requirement count, the price stays
at 1."""
VENUES = ["hyperliquid", "hyperliquid-unified", "hyperliquid@2023-03"]


def row(coin: str, size: str, price: str, entry: str | None = None, **more: object) -> Json:
    return {
        "instrument": coin,
        "size": size,
        "entry_price": entry or price,
        "mark_price": price,
        **more,
    }


def of_payload(position: Json, **more: object) -> Json:
    """Return a row of a document for a position of `clearinghouseState`."""
    mark = abs(D(position["positionValue"]) / D(position["szi"]))
    leverage = str(position["leverage"]["value"])
    fields = {"leverage": leverage, **more}
    return row(position["coin"], position["szi"], str(mark), position["entryPx"], **fields)


def cash(state: Json, rows: list[Json]) -> Decimal:
    """Return the balance that gives the account value the venue prints: raw USD is after cost."""
    costs = (D(r["size"]) * D(r["entry_price"]) for r in rows)
    return D(state["crossMarginSummary"]["totalRawUsd"]) + sum(costs, D(0))


def account(
    venue: str, rows: list[Json], balance: Decimal | str, reported: Json | None = None
) -> Account:
    content = {
        "venue": venue,
        "collateral": [{"asset": "USDC", "balance": str(balance)}],
        "positions": rows,
        "venue_reported": reported or {},
    }
    return build_account(read_document(content, title="account"))


def checked(*args: Any) -> AccountCheck:  # noqa: ANN401 as `account`
    return check(account(*args))


# --- recorded accounts --------------------------------------------------------------------------


def of_2023(data: Path) -> Json:
    text = (data / "accounts" / "hyperliquid_2023-03_12_positions.yaml").read_text()
    found = re.search(r"string: '(\{.*\})'", text)
    assert found
    state: Json = json.loads(found[1])
    return state


@pytest.mark.real_data
def test_twelve_positions_of_2023_have_the_prices_the_venue_showed(data: Path) -> None:
    state = of_2023(data)
    positions = [entry["position"] for entry in state["assetPositions"]]
    rows = [of_payload(p) for p in positions]
    prices = {p["coin"]: p["liquidationPx"] for p in positions if p["liquidationPx"]}
    reported = {
        "equity": state["crossMarginSummary"]["accountValue"],
        "initial_margin": state["crossMarginSummary"]["totalMarginUsed"],
        "withdrawable": state["withdrawable"],
        "liquidation_price": prices,
    }
    found = checked("hyperliquid@2023-03", rows, cash(state, rows), reported)
    assert len(prices) == 5
    assert len(found.positions_table.rows) == 12
    shown = {p.held.position.instrument: p.shown for p in found.positions}
    assert {coin for coin, p in shown.items() if p and p.status is PriceStatus.NONE} == {
        p["coin"] for p in positions if p["liquidationPx"] is None
    }
    sizes = {p.held.position.instrument: abs(p.held.position.size) for p in found.positions}
    for residual in found.residuals:  # the venue rounds maintenance to 1e-6 before it divides
        assert residual.difference is not None
        size = sizes.get(residual.number.partition(":")[2], D(1))
        assert abs(residual.difference) <= D("1e-6") / min(size, D(1)), residual
        assert residual.matches or (residual.likely and residual.likely.code == "rounding")
    assert {r.form is None for r in found.residuals if "price" in r.number} == {False}


@pytest.mark.real_data
def test_the_price_shown_in_2023_was_not_where_the_account_would_have_ended(data: Path) -> None:
    state = of_2023(data)
    rows = [of_payload(entry["position"]) for entry in state["assetPositions"]]
    found = checked("hyperliquid@2023-03", rows, cash(state, rows))
    (unit,) = found.units
    for position in found.positions:
        symbol, mark = position.held.position.instrument, position.held.mark_price
        true = position.liquidation.value
        if true is None:
            continue
        marks = {**found.account.market.marks, symbol: true}
        there = replace(found.account.market, marks=marks)
        assert abs(maintenance_excess(unit.unit, there, found.account.model)) < D("1e-40")
        shown = position.shown and position.shown.value
        assert isinstance(shown, Decimal)
        assert position.held.position.size < 0  # shorts: 1 % further away than the truth
        assert abs((shown - mark) / (true - mark) - D("1.01")) < D("1e-20")


@pytest.mark.real_data
def test_a_vault_of_2026_has_the_price_the_venue_shows(data: Path) -> None:
    """Three of its positions are known; the others stand for themselves as one held price.

    The vault has 50x on every coin, 1 % maintenance, which the payload says per position.
    """
    saved = json.loads((data / "accounts" / "hyperliquid_2026-07_vault.json").read_text())
    state = saved["selection"]
    tier = {"maintenance_rate": "0.01"}
    rows = [of_payload(p, tier=tier) for p in state["positions"]]
    assert {p["maxLeverage"] for p in state["positions"]} == {50}
    value = D(state["crossMarginSummary"]["totalNtlPos"])
    rest = value - sum(D(p["positionValue"]) for p in state["positions"])
    rows.append(row(REST, str(rest), "1", tier=tier, leverage="20"))
    equity = D(state["crossMarginSummary"]["accountValue"])
    profit = sum(D(r["size"]) * (D(r["mark_price"]) - D(r["entry_price"])) for r in rows)
    reported = {
        "equity": str(equity),
        "initial_margin": state["crossMarginSummary"]["totalMarginUsed"],
        "maintenance_margin": state["crossMaintenanceMarginUsed"],
        "liquidation_price": {"DYDX": "29.3180423289"},
    }
    found = checked("hyperliquid@2026-07", rows, equity - profit, reported)
    residuals = {r.number: r.difference for r in found.residuals}
    assert abs(residuals["liquidation_price:DYDX"] or D(1)) <= D("1e-9")
    assert abs(residuals["maintenance_margin"] or D(1)) <= D("1e-4")  # the venue rounds each down
    assert residuals["equity"] == 0
    by_coin = {p.held.position.instrument: p.liquidation.status for p in found.positions}
    assert by_coin["BTC"] is by_coin["ETH"] is PriceStatus.NONE  # null in the payload


@pytest.mark.real_data
def test_what_may_leave_a_vault_is_what_a_tenth_of_its_notional_leaves(data: Path) -> None:
    saved = json.loads((data / "accounts" / "hyperliquid_2026-09_unified.json").read_text())
    state = saved["vault_sample_2026-10-06"]
    value = D(state["marginSummary"]["totalNtlPos"])
    tier = {"maintenance_rate": "0.01"}
    rows = [row(REST, str(value), "1", tier=tier, leverage="20")]
    equity = state["marginSummary"]["accountValue"]
    reported = {"withdrawable": state["withdrawable"]}
    (residual,) = checked("hyperliquid", rows, equity, reported).residuals
    assert abs(residual.difference or D(1)) <= D("1e-3")
    assert residual.reported < D(equity) - D(state["marginSummary"]["totalMarginUsed"])


@pytest.mark.real_data
def test_a_unified_account_counts_its_spot_balance(data: Path) -> None:
    """Its price needs 8,346.91 more than perpetuals alone; the recording leaves spot out.

    Perpetuals alone are wrong by exactly that: the residual of the standard rulebook.
    """
    saved = json.loads((data / "accounts" / "hyperliquid_2026-09_unified.json").read_text())
    state = saved["clearinghouseState"]
    rows = [of_payload(entry["position"]) for entry in state["assetPositions"]]
    balance = cash(state, rows)
    reported = {
        "maintenance_margin": state["crossMaintenanceMarginUsed"],
        "liquidation_price": {"BTC": "74501.802790436"},
    }
    alone = checked("hyperliquid@2026-07", rows, balance, {**reported, "equity": "38252.7"})
    residuals = {r.number: r.difference for r in alone.residuals}
    assert residuals["equity"] == residuals["maintenance_margin"] == 0
    off = residuals["liquidation_price:BTC"]
    assert off is not None
    spot = -off * D("4.5") * (1 - D("0.0125"))
    assert round(spot, 2) == D("8346.91")
    unified = checked("hyperliquid-unified@2026-07", rows, balance + round(spot, 6), reported)
    for residual in unified.residuals:
        assert residual.difference is not None
        assert abs(residual.difference) <= D("1e-6")


def test_a_coin_of_a_unified_account_is_collateral_of_nothing_else() -> None:
    content = {
        "venue": "hyperliquid-unified",
        "collateral": [{"asset": "USDC", "balance": "100"}, {"asset": "HYPE", "balance": "50"}],
        "positions": [row("BTC", "1", "1000", leverage="20")],
    }
    found = build_account(read_document(content, title="account"))
    assert [dict(unit.balances) for unit in found.units] == [{"USDC": D(100)}, {"HYPE": D(50)}]
    assert margin_report(found.units[0], found.market, found.model).equity == 100


def test_a_coin_without_a_published_tier_is_unknown_until_the_position_says_its_rate() -> None:
    (unit,) = checked("hyperliquid", [row("TIA", "1", "1000")], "100").units
    assert unit.report is None
    assert "TIA" in (unit.reason or "")
    tier = {"maintenance_rate": "0.1"}
    (unit,) = checked("hyperliquid", [row("TIA", "1", "1000", tier=tier)], "100").units
    assert unit.report is not None
    assert unit.report.maintenance_margin == 100


# --- rules --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("coin", "notional", "margin"),
    [  # both sides of every published edge; margin by hand from the published leverages
        ("BTC", "150000000", "1875000"),
        ("BTC", "150000100", "1875002.5"),
        ("ETH", "100000000", "2000000"),
        ("ETH", "100000300", "2000010"),
        ("SOL", "70000000", "1750000"),
        ("SOL", "70000100", "1750005"),
        ("XRP", "40000100", "1000005"),
        ("HYPE", "20000000", "1000000"),
        ("kPEPE", "20000100", "1000010"),
        ("ARB", "3000000", "150000"),
        ("BNB", "3000100", "150010"),
        ("ATOM", "1000", "100"),
    ],
)
def test_maintenance_is_half_the_initial_rate_of_the_tiers_leverage(
    coin: str, notional: str, margin: str
) -> None:
    rule = load_rulebook("hyperliquid").model.instrument(coin).maintenance
    amount = rule.amount(D(1), D(notional))
    assert abs(amount - D(margin)) < D("1e-40")


@pytest.mark.parametrize(("notional", "leverage"), [("149999999", "40"), ("150000000", "20")])
def test_a_tier_begins_at_its_lower_bound(notional: str, leverage: str) -> None:
    rule = load_rulebook("hyperliquid").model.instrument("BTC").maintenance
    assert rule.leverage_max(D(1), D(notional)) == D(leverage)


@pytest.mark.parametrize(("leverage", "leaves"), [("5", "800"), ("20", "900")])
def test_money_leaves_down_to_initial_margin_or_a_tenth_of_the_notional(
    leverage: str, leaves: str
) -> None:
    # 1 BTC at 1,000, equity 1,000: 5x asks 200, 20x asks 50 but a tenth of the notional stays
    found = account("hyperliquid", [row("BTC", "1", "1000", leverage=leverage)], "1000")
    report = margin_report(found.units[0], found.market, found.model)
    assert report.withdrawable == D(leaves)
    working = explain(found.units[0], found.market, found.model, "withdrawable")
    assert working.value == D(leaves)
    assert ("margin to stay", D(100)) in working.inputs


def test_unrealised_profit_may_leave_too() -> None:
    found = account("hyperliquid", [row("BTC", "1", "1000", "900", leverage="5")], "100")
    report = margin_report(found.units[0], found.market, found.model)
    assert report.withdrawable == D(0)  # equity 200, margin 200
    found = account("hyperliquid", [row("BTC", "1", "1000", "400", leverage="5")], "100")
    report = margin_report(found.units[0], found.market, found.model)
    assert report.withdrawable == D(500)


@pytest.mark.parametrize("size", ["2", "-2"])
def test_a_held_maintenance_price_takes_equity_to_the_maintenance_of_now(size: str) -> None:
    found = account("hyperliquid@2023-03", [row("BTC", size, "1000")], "300")
    report = margin_report(found.units[0], found.market, found.model)
    price = held_maintenance_price(report, "BTC").value
    assert price is not None
    assert report.equity + D(size) * (price - 1000) == report.maintenance_margin


def test_a_date_between_the_tables_is_refused_and_not_given_an_old_rule() -> None:
    with pytest.raises(UnknownRulebook, match=r"holds until 2023-03.*hyperliquid@2026-07"):
        load_rulebook("hyperliquid@2025-10")
    assert load_rulebook("hyperliquid@2023-03").name == "hyperliquid@2023-03"


@pytest.mark.parametrize("symbol", ["xyz:NVDA", "BTC-PERP", ""])
def test_a_perpetual_of_a_builder_is_not_taken_for_one_of_the_venue(symbol: str) -> None:
    with pytest.raises(KeelmarkError):
        load_rulebook("hyperliquid").terms_for(symbol)


@pytest.mark.parametrize("name", VENUES)
def test_what_is_not_covered_is_said(name: str) -> None:
    assert load_rulebook(name).document.not_covered


# --- the process --------------------------------------------------------------------------------

PROCESS = load_rulebook("hyperliquid").document.liquidation
ROUND = {
    "liquidation": {
        "stages": ["cancel_orders", "reduce", "takeover", "auto_deleverage"],
        "deleverage": PROCESS.deleverage,
        "takeover": {"usage": str(PROCESS.takeover.usage)},
        "reduce": {
            "sizing": PROCESS.reduce.sizing,
            "sizing_settings": {k: str(v) for k, v in PROCESS.reduce.sizing_settings.items()},
            "price_limit": PROCESS.reduce.price_limit,
            "buffer": "0",
        },
    },
}
"""The venue's own process on the round venue: 5 % maintenance, whole quanta."""


def small(price: float) -> tuple[Venue, int]:
    """Return a venue and a unit of 10 lots at 1,000 with 1,100, after a move of the price."""
    venue = Venue(ROUND)
    venue.marks(A=1000.0, B=1000.0)
    unit = venue.open("unit", USDT=1_100)
    venue.trade(unit, venue.state.liquidity, "A", 10, 1000)
    venue.marks(A=price)
    return venue, unit


def test_below_two_thirds_of_maintenance_the_backstop_takes_the_account() -> None:
    # at 919: equity 290, maintenance 459.5, two thirds of it 306.3
    venue, unit = small(919.0)
    assert {event.reason for event in venue.of(e.Filled)} == {"fill", "takeover"}
    (ended,) = venue.of(e.LiquidationEnded)
    assert ended.outcome == "taken_over"
    assert venue.balance(unit) == 0
    venue.check(replay=True)


def test_above_two_thirds_the_market_has_the_account() -> None:
    # at 935: equity 450, maintenance 467.5
    venue, unit = small(935.0)
    (ended,) = venue.of(e.LiquidationEnded)
    assert ended.outcome == "recovered"
    assert venue.lots(unit, "A") == 0  # 10 lots are under 100,000: the order is for all of them
    assert venue.balance(unit) == 450
    venue.check(replay=True)
