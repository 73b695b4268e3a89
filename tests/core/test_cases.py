"""Published examples, one row each: what a venue prints is what the core computes."""

import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from keelmark.core.bankruptcy import bankruptcy_price
from keelmark.core.collateral import CollateralSchedule, HaircutTier
from keelmark.core.errors import InvalidInput
from keelmark.core.instrument import Instrument, InstrumentKind
from keelmark.core.liquidation_price import liquidation_prices
from keelmark.core.margin import MarginReport, margin_report
from keelmark.core.market import Market
from keelmark.core.model import (
    AssetTerms,
    CloseFee,
    CloseFeeBasis,
    InitialRule,
    InstrumentTerms,
    MarginModel,
    MarginPrice,
    PositionFacts,
    RuleInitial,
)
from keelmark.core.numbers import exact
from keelmark.core.rules import (
    MaintenanceRule,
    SizeScaledRule,
    Tier,
    TieredRule,
    with_deductions,
)
from keelmark.core.unit import MarginUnit, Position, TierRow

D = Decimal
Case = dict[str, Any]
CASES = Path(__file__).with_name("cases")


def rows(file: str, key: str) -> list[Case]:
    return list(tomllib.loads((CASES / file).read_text("utf-8"))[key])


def named(case: Case) -> str:
    return str(case["name"])


def rule_of(case: Case) -> MaintenanceRule:
    if "scaled" in case:
        scaled = case["scaled"]
        return SizeScaledRule(base=D(scaled["base"]), slope=D(scaled["slope"]))
    brackets = case.get("brackets", [["0", "0"]])
    return TieredRule(tiers=with_deductions((D(floor), D(rate)) for floor, rate in brackets))


def terms_of(case: Case, row: Case) -> InstrumentTerms:
    inverse = row.get("kind") == "inverse"
    settle = next(iter(case["collateral"]))
    initial = InitialRule()
    if "scaled" in case:
        scaled = case["scaled"]
        schedule = SizeScaledRule(base=D(scaled["initial_base"]), slope=D(scaled["slope"]))
        initial = RuleInitial(schedule=schedule)
    fee = case.get("close_fee")
    return InstrumentTerms(
        instrument=Instrument(
            symbol=row["instrument"],
            kind=InstrumentKind.INVERSE_PERPETUAL if inverse else InstrumentKind.LINEAR_PERPETUAL,
            base=row["instrument"].removesuffix(settle),
            settle=settle,
            contract_size=D(row.get("contract_size", 1)),
        ),
        maintenance=rule_of(case),
        initial=initial,
        margin_price=MarginPrice(case.get("margin_price", "mark")),
        close_fee=fee and CloseFee(rate=D(fee["rate"]), basis=CloseFeeBasis(fee["basis"])),
    )


def position_of(row: Case, instrument: Instrument) -> Position:
    tier = None
    if "rate" in row:
        tier = TierRow(maintenance_rate=D(row["rate"]), maintenance_amount=D(row.get("amount", 0)))
    with exact():
        return Position(
            instrument=instrument.symbol,
            size=D(row["size"]),
            cost=instrument.value(D(row["size"]), D(row["entry"])),
            leverage=D(row["leverage"]) if "leverage" in row else None,
            tier=tier,
        )


def situation_of(case: Case) -> tuple[MarginUnit, Market, MarginModel]:
    held = {row["instrument"]: terms_of(case, row) for row in case["positions"]}
    (asset,) = case["collateral"]
    tiers = tuple(
        HaircutTier(floor=D(floor), weight=D(weight))
        for floor, weight in case.get("weights", [["0", "1"]])
    )
    unit = MarginUnit(
        balances={asset: D(case["collateral"][asset])},
        positions=tuple(
            position_of(row, held[row["instrument"]].instrument) for row in case["positions"]
        ),
    )
    schedule = CollateralSchedule(tiers=tiers)
    model = MarginModel(
        name=named(case),
        instruments=held,
        assets={asset: AssetTerms(asset=asset, schedule=schedule)},
        single_asset=True,
    )
    return unit, Market(marks={r["instrument"]: D(r["mark"]) for r in case["positions"]}), model


def figures(report: MarginReport) -> dict[str, Decimal]:
    """What venues print, by the name the tables use."""
    found = {"equity": report.equity, "initial_margin": report.initial_margin}
    found["maintenance_margin"] = report.maintenance_margin
    if report.health.value is not None:
        found["health"] = report.health.value
    for held in report.positions[:1]:
        found |= {
            "value": held.value,
            "cost": held.position.cost,
            "unrealized_pnl": held.unrealized_pnl,
            "close_fee": held.close_fee,
            "initial_without_fee": held.initial.amount,
            "maintenance_without_fee": held.maintenance.amount,
            "initial_rate": held.initial.rate,
            "maintenance_rate": held.maintenance.rate,
        }
    return found


@pytest.mark.parametrize("case", rows("units.toml", "case"), ids=named)
def test_a_unit_has_the_figures_its_venue_prints(case: Case) -> None:
    unit, market, model = situation_of(case)
    report = margin_report(unit, market, model)
    tolerance = D(case["tolerance"])
    expected = dict(case["expect"])
    for symbol, price in expected.pop("liquidation_price", {}).items():
        found = liquidation_prices(unit, symbol, market, model).value
        assert found is not None
        assert abs(found - D(price)) <= tolerance
        check_both_ticks(case, symbol, found)
    for symbol, price in expected.pop("bankruptcy_price", {}).items():
        found = bankruptcy_price(report, symbol).value
        assert found is not None
        assert abs(found - D(price)) <= tolerance
    computed = figures(report)
    for name, value in expected.items():
        assert abs(computed[name] - D(value)) <= tolerance, name


def check_both_ticks(case: Case, symbol: str, price: Decimal) -> None:
    """Not liquidatable a tick on the safe side of the price, liquidatable a tick beyond it."""
    unit, market, model = situation_of(case)
    tick = price * D("1e-6")
    long = next(p.size for p in unit.positions if p.instrument == symbol) > 0
    for step, liquidatable in ((tick, not long), (-tick, long)):
        there = Market(marks={**market.marks, symbol: price + step})
        assert margin_report(unit, there, model).is_liquidatable is liquidatable


@pytest.mark.parametrize("case", rows("tables.toml", "case"), ids=named)
def test_a_table_has_the_deductions_its_venue_prints(case: Case) -> None:
    table = with_deductions((D(floor), D(rate)) for floor, rate, _ in case["rows"])
    assert [tier.deduction for tier in table] == [D(row[2]) for row in case["rows"]]
    rule = TieredRule(tiers=table)
    for number, tier in enumerate(table[1:], start=1):
        with exact():
            below, above = tier.floor - D("0.01"), tier.floor + D("0.01")
        assert rule.requirement(D(1), below).tier == number - 1
        assert rule.requirement(D(1), tier.floor).tier == number - 1
        assert rule.requirement(D(1), above).tier == number


@pytest.mark.parametrize("case", rows("tables.toml", "case"), ids=named)
def test_a_deduction_one_cent_off_is_refused(case: Case) -> None:
    tiers = [Tier(floor=D(f), rate=D(r), deduction=D(d)) for f, r, d in case["rows"]]
    last = tiers[-1]
    wrong = Tier(floor=last.floor, rate=last.rate, deduction=last.deduction + D("0.01"))
    with pytest.raises(InvalidInput, match="does not continue"):
        TieredRule(tiers=(*tiers[:-1], wrong))


@pytest.mark.parametrize("case", rows("tables.toml", "rate"), ids=named)
def test_a_rate_is_the_one_its_venue_prints(case: Case) -> None:
    if "scaled" in case:
        rule = rule_of(case)
        assert rule.requirement(D(0), D(0)).rate == D(case["initial_rate"])
        assert rule.requirement(D(0), D(0)).amount == 0
        return
    table = TieredRule(tiers=(Tier(floor=D(0), rate=D(case["maintenance_rate"])),))
    facts = PositionFacts(
        symbol="X", size=D(1), notional=D(100), leverage=None, open_interest=None, rule=table
    )
    assert InitialRule().rate(facts) == 1 / D(case["leverage_max"])
