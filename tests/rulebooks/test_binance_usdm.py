"""Binance USDⓈ-M: tables by date, single-asset mode, symbols without a table."""

import json
import os
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner

from keelmark.accounts.account import Account, read_account
from keelmark.accounts.check import Verdict, check
from keelmark.accounts.check_document import position_document
from keelmark.cli.check import check as check_command
from keelmark.cli.exit_codes import ExitCode
from keelmark.core.errors import MissingTable
from keelmark.core.instrument import InstrumentKind
from keelmark.core.liquidation_price import PriceStatus
from keelmark.core.margin import position_margin
from keelmark.core.rules import TieredRule
from keelmark.rulebooks import load_rulebook

DATES = ("2023-08", "2025-06", "2025-12", "2026-05")
DATA = Path(os.environ.get("KEELMARK_DATA", "../shared/data"))

TWO_POSITIONS: dict[str, object] = {
    "venue": "binance-usdm@2023-08",
    "collateral": [{"asset": "USDT", "balance": "1535443.01"}],
    "positions": [
        {
            "instrument": "ETHUSDT",
            "size": "3683.979",
            "entry_price": "1456.84",
            "mark_price": "1335.18",
            "tier": {"maintenance_rate": "0.1", "maintenance_amount": "135365"},
        },
        {
            "instrument": "BTCUSDT",
            "size": "109.488",
            "entry_price": "32481.98",
            "mark_price": "31967.27",
            "tier": {"maintenance_rate": "0.025", "maintenance_amount": "16300"},
        },
    ],
}


def account(document: dict[str, object]) -> Account:
    return read_account(json.dumps(document), toml=False)


def with_position(**changes: object) -> dict[str, object]:
    row = {"size": "2", "entry_price": "10", "mark_price": "11", **changes}
    return {
        "venue": "binance-usdm@2025-06",
        "collateral": [{"asset": "USDT", "balance": "100"}],
        "positions": [row],
    }


@pytest.mark.parametrize("date", DATES)
def test_every_date_lists_liquid_contracts_in_continuous_tables(date: str) -> None:
    rulebook = load_rulebook(f"binance-usdm@{date}")
    assert rulebook.name == f"binance-usdm@{date}"
    assert len(rulebook.model.instruments) > 30
    for terms in rulebook.model.instruments.values():
        assert isinstance(terms.maintenance, TieredRule)
        assert all(tier.leverage is not None for tier in terms.maintenance.tiers)


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("binance-usdm", "2026-05"),
        ("binance-usdm@2025-10", "2025-06"),
        ("binance-usdm@2025-11", "2025-06"),
        ("binance-usdm@2024-01", "2023-08"),
    ],
)
def test_the_newest_brackets_before_a_date_are_chosen(reference: str, name: str) -> None:
    assert load_rulebook(reference).name == f"binance-usdm@{name}"


@pytest.mark.real_data
@pytest.mark.parametrize("date", DATES)
def test_the_tables_are_those_the_venue_published(date: str) -> None:
    path = DATA / f"tiers/binance_usdm_brackets_{date}.parquet"
    if not path.is_file():
        pytest.skip(f"needs the recorded brackets of {date} (KEELMARK_DATA)")
    import polars as pl  # noqa: PLC0415 heavy

    recorded: dict[str, list[float]] = {}
    for symbol, *row in (
        pl.read_parquet(path)
        .sort("symbol", "bracket")
        .select(
            "symbol", "notional_floor", "maintenance_rate", "maintenance_amount", "max_leverage"
        )
        .iter_rows()
    ):
        if "-" not in symbol:  # 230929: a delivery contract
            recorded.setdefault(symbol.partition(":")[0].replace("/", ""), []).extend(row)
    for symbol, terms in load_rulebook(f"binance-usdm@{date}").model.instruments.items():
        rule = terms.maintenance
        assert isinstance(rule, TieredRule)
        ours = [
            float(x or 0) for t in rule.tiers for x in (t.floor, t.rate, t.deduction, t.leverage)
        ]
        assert ours == pytest.approx(recorded[symbol], abs=0.011), symbol


def test_the_published_cross_account_has_the_published_liquidation_prices() -> None:
    found = check(account(TWO_POSITIONS))
    prices = [p.liquidation.value for p in found.positions]
    assert [round(p or 0, 2) for p in prices] == [Decimal("1153.26"), Decimal("26316.89")]


def test_each_settle_asset_is_a_unit_of_its_own() -> None:
    document = TWO_POSITIONS | {
        "collateral": [
            {"asset": "USDT", "balance": "1535443.01"},
            {"asset": "USDC", "balance": "7"},
            {"asset": "BNB", "balance": "1"},
        ],
        "venue": "binance-usdm@2025-06",
    }
    units = account(document).units
    assert [unit.unit_id for unit in units] == ["cross:USDT", "cross:USDC", "cross:BNB"]


def test_a_symbol_without_a_table_has_unknown_requirements_and_known_figures() -> None:
    found = check(account(with_position(instrument="NEWCOINUSDT")))
    assert found.verdict is Verdict.UNKNOWN
    unit = found.units[0]
    assert "no bracket table for NEWCOINUSDT in binance-usdm@2025-06" in (unit.reason or "")
    assert "keelmark venues import FILE --venue binance-usdm" in (unit.reason or "")
    row = position_document(unit.positions[0])
    assert row["notional"] == "22"
    assert row["unrealized_pnl"] == "2"
    assert row["maintenance_margin"] is None
    assert row["initial_margin"] is None
    assert row["maintenance_rate"] is None
    assert unit.positions[0].liquidation.status is PriceStatus.UNKNOWN


def test_a_symbol_without_a_table_is_margined_on_the_row_its_position_carries() -> None:
    tier = {"maintenance_rate": "0.05", "maintenance_amount": "0"}
    found = check(account(with_position(instrument="NEWCOINUSDT", tier=tier, leverage="10")))
    assert found.verdict is Verdict.HEALTHY
    report = found.units[0].report
    assert report is not None
    assert (report.maintenance_margin, report.initial_margin) == (Decimal("1.1"), Decimal("2.2"))


def test_a_contract_without_a_table_is_never_margined_in_silence() -> None:
    held = account(with_position(instrument="NEWCOINUSDT"))
    with pytest.raises(MissingTable, match="NEWCOINUSDT"):
        position_margin(held.units[0].positions[0], held.market, held.model)


def test_a_delivery_contract_expires_on_the_day_in_its_name() -> None:
    instrument = load_rulebook("binance-usdm").terms_for("BTCUSDT_260925").instrument
    assert instrument.kind is InstrumentKind.LINEAR_FUTURE
    assert instrument.expiry == datetime(2026, 9, 25, 8, tzinfo=UTC)
    assert (instrument.base, instrument.settle) == ("BTC", "USDT")


def test_an_edge_belongs_to_the_bracket_below_it() -> None:
    rule = load_rulebook("binance-usdm@2025-06").model.instrument("BTCUSDT").maintenance
    assert rule.requirement(Decimal(1), Decimal(50_000)).tier == 0
    assert rule.requirement(Decimal(1), Decimal("50000.01")).tier == 1


def test_the_table_of_a_check_says_unknown_and_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "account.json"
    path.write_text(json.dumps(with_position(instrument="NEWCOINUSDT")), encoding="utf-8")
    result = CliRunner().invoke(check_command, [str(path)], standalone_mode=False)
    assert result.return_value == ExitCode.UNKNOWN
    line = next(row for row in result.output.splitlines() if "NEWCOINUSDT  long" in row)
    assert "unknown" in line
    assert "keelmark venues import" in " ".join(result.output.split())
