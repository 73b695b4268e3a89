"""What an import takes apart, cross balance and isolated margins, adds up to the venue's equity."""

from decimal import Decimal

from keelmark.accounts import check
from keelmark.accounts.importers import import_account
from keelmark.core.numbers import ZERO
from tests.accounts.importers.answers import BINANCE_ACCOUNT
from tests.accounts.importers.hyperliquid_answers import MIXED
from tests.accounts.importers.other_answers import (
    OKX_BALANCE,
    OKX_CONFIG,
    OKX_INSTRUMENTS,
    OKX_POSITIONS,
    OKX_USDT,
    okx,
)
from tests.accounts.importers.reading import as_payload, imported


def held(*answers: object, asset: str) -> Decimal:
    """Return the cash of an asset and every isolated margin, profit left out."""
    document = imported(*answers)
    rows = {row["asset"]: Decimal(row["balance"]) for row in document["collateral"]}
    margins = (Decimal(row.get("isolated_margin", 0)) for row in document["positions"])
    return rows[asset] + sum(margins, ZERO)


def test_binance_adds_up_to_its_whole_wallet() -> None:
    wallets = {row["asset"]: row["walletBalance"] for row in BINANCE_ACCOUNT["assets"]}
    assert held(BINANCE_ACCOUNT, asset="USDT") == Decimal(wallets["USDT"])


def test_okx_adds_up_to_the_equity_of_the_currency() -> None:
    currency = {
        **OKX_USDT,
        "stgyEq": "0",
        "cashBal": "1000",
        "upl": "0",
        "isoEq": "110",
        "eq": "1110",
    }
    alone = {"margin": "100", "mgnMode": "isolated", "pos": "1", "upl": "10"}
    position = {**OKX_POSITIONS["data"][0], **alone}
    balance = okx({**OKX_BALANCE["data"][0], "details": [currency]})
    answers = (OKX_CONFIG, balance, okx(position), OKX_INSTRUMENTS)
    assert held(*answers, asset="USDT") + Decimal(10) == Decimal(currency["eq"])


def test_hyperliquid_adds_up_to_its_account_value() -> None:
    mode = as_payload("disabled", kind="hyperliquid:mode")
    spot = {"balances": [], "time": MIXED["time"]}
    answers = [as_payload(MIXED), as_payload(spot, kind="hyperliquid:spot"), mode]
    result = check(import_account(answers).account())
    reports = [unit.report for unit in result.units]
    equity = sum((report.equity for report in reports if report is not None), ZERO)
    assert None not in reports
    assert abs(equity - Decimal(MIXED["marginSummary"]["accountValue"])) < Decimal("1e-5")
