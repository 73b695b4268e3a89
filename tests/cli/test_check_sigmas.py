"""`keelmark check` in standard deviations: where a volatility is at hand, and only there."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner, Result

import keelmark as km
from keelmark.accounts import Volatilities
from keelmark.accounts.document import read_document
from keelmark.accounts.written import written
from keelmark.cli import main
from keelmark.cli.exit_codes import ExitCode

BOOK: dict[str, Any] = {
    "venue": "generic@2025-10",
    "collateral": [{"asset": "USDT", "balance": "6000"}],
    "positions": [
        {"instrument": "BTCUSDT", "size": "1", "entry_price": "60000", "mark_price": "60000"},
        {"instrument": "ETHUSDT", "size": "10", "entry_price": "3000", "mark_price": "3000"},
    ],
}
BTC, ETH = 5550 / (60000 * 0.995), 5550 / (30000 * 0.995)
BOTH = 5550 / (90000 * 0.995)
"""Excess 6000 - 450 over what a fall takes from it."""


def invoke(*options: str, content: object = BOOK) -> Result:
    return CliRunner().invoke(main, ["check", "-", *options], input=json.dumps(content))


def test_a_document_without_volatilities_shows_no_sigma() -> None:
    assert "sigma" not in invoke().output
    found = json.loads(invoke("--json").output)
    assert found["volatility"] is None
    assert found["distance_sigmas"] is None


def test_the_documents_own_volatilities_give_every_distance_in_sigmas() -> None:
    content = {**BOOK, "volatilities": {"BTC": "0.03", "ETH": "0.04"}}
    found = json.loads(invoke("--json", content=content).output)
    by_name = {row["instrument"]: float(row["distance_sigmas"]) for row in found["positions"]}
    assert by_name["BTCUSDT"] == pytest.approx(BTC / 0.03)
    assert by_name["ETHUSDT"] == pytest.approx(ETH / 0.04)
    # as if both moved as one: the mean of the two deviations
    assert float(found["joint_move"]["distance_sigmas"]) == pytest.approx(BOTH / 0.035)
    assert found["distance_sigmas"] == found["nearest_move"]["distance_sigmas"]
    assert found["volatility"]["horizon"] == "a day"
    assert found["volatility"]["by_coin"] == {"BTC": "0.03", "ETH": "0.04"}


def test_the_table_has_a_column_and_the_headline_says_it() -> None:
    done = invoke("--vol", "BTC=3%", "--vol", "ETH=0.04")
    lines = done.output.splitlines()
    (head,) = [line for line in lines if "instrument" in line]
    assert head.split()[-2:] == ["distance", "sigma"]
    (row,) = [line for line in lines if line.strip().startswith("BTCUSDT")]
    assert row.rstrip(" #=-").endswith(f"%  {BTC / 0.03:>5.1f}")
    assert f"all together -6.2 % ({BOTH / 0.035:.1f} sigma) liquidates" in done.output
    assert "as if they moved as one" in done.output
    assert max(map(len, lines)) <= 80


def test_a_coin_without_a_volatility_has_no_sigma_and_is_named() -> None:
    done = invoke("--vol", "BTC=3%")
    (row,) = [line for line in done.output.splitlines() if line.strip().startswith("ETHUSDT")]
    assert row.rstrip(" #=-").endswith("%")
    assert "none given for ETH" in done.output
    found = json.loads(invoke("--json", "--vol", "BTC=3%").output)
    assert found["joint_move"]["distance_sigmas"] is None


def test_returns_give_what_joint_takes_and_how_coins_move_together(tmp_path: Path) -> None:
    path = tmp_path / "bars.csv"
    draws = np.random.default_rng(3).standard_normal((300, 2)) * [0.02, 0.01]
    returns = np.column_stack([draws[:, 0], 1.2 * draws[:, 0] + draws[:, 1]])
    pl.DataFrame({"BTC": returns[:, 0], "ETH": returns[:, 1]}).write_csv(path)
    found = json.loads(invoke("--json", "--returns", str(path)).output)
    own = {row["instrument"]: float(row["distance_sigmas"]) for row in found["positions"]}
    assert own["BTCUSDT"] == pytest.approx(BTC / float(np.std(returns[:, 0], ddof=1)))
    mean = float(np.std(returns.mean(axis=1), ddof=1))
    assert float(found["joint_move"]["distance_sigmas"]) == pytest.approx(BOTH / mean)
    joint = CliRunner().invoke(
        main, ["joint", "-", "--returns", str(path), "--json"], input=json.dumps(BOOK)
    )
    alone = json.loads(joint.output)["nearest"]["alone"]
    assert float(alone["BTC"]) == pytest.approx(own["BTCUSDT"], rel=1e-9)


def test_a_coin_with_its_collateral_is_told_in_sigmas() -> None:
    content = {
        "venue": "bybit-uta@2025-10",
        "collateral": [{"asset": "BTC", "balance": "1"}],
        "prices": {"BTC": "60000"},
        "positions": [
            {"instrument": "BTCUSDT", "size": "2", "entry_price": "60000", "mark_price": "60000"}
        ],
        "volatilities": {"BTC": "0.03"},
    }
    found = json.loads(invoke("--json", content=content).output)
    (down,) = [c for c in found["coin_moves"] if c["direction"] == "down"]
    far = abs(float(down["distance"]))
    assert float(down["distance_sigmas"]) == pytest.approx(far / 0.03)


def test_a_coin_without_a_contract_that_moves_with_all_has_its_sigma() -> None:
    content = {
        "venue": "bybit-uta@2025-10",
        "collateral": [{"asset": "BTC", "balance": "1"}],
        "prices": {"BTC": "60000"},
        "positions": [
            {
                "instrument": "ETHUSDT",
                "size": "20",
                "entry_price": "3000",
                "mark_price": "3000",
                "tier": {"maintenance_rate": "0.01"},
            }
        ],
        "volatilities": {"BTC": "0.03", "ETH": "0.05"},
    }
    found = json.loads(invoke("--json", content=content).output)
    joint = found["joint_move"]
    assert set(joint["direction"]) == {"ETHUSDT", "BTC"}
    assert float(joint["distance_sigmas"]) == pytest.approx(float(joint["size"]) / 0.04)


def test_the_python_check_and_its_page_take_volatilities() -> None:
    account = km.read_account(json.dumps(BOOK))
    found = km.check(account, volatilities=Volatilities(by_coin={"BTC": 0.03, "ETH": 0.04}))
    assert [p.sigmas for p in found.positions] == pytest.approx([BTC / 0.03, ETH / 0.04])
    assert "<th>sigma</th>" in found._repr_html_()
    assert "<th>sigma</th>" not in km.check(account)._repr_html_()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--vol", "BTC"), "write COIN=0.03"),
        (("--vol", "BTC=0"), "above 0"),
        (("--vol", "BTC=x"), "is no fraction"),
        (("--vol", "BTC=3%", "--returns", "r.csv"), "one of the two"),
        (("--bulk", "--vol", "BTC=3%"), "volatilities"),
    ],
)
def test_bad_usage_is_named(options: tuple[str, ...], message: str) -> None:
    done = invoke(*options)
    assert done.exit_code == ExitCode.BAD_INPUT
    assert message in done.output


def test_a_volatility_that_is_none_is_refused_with_its_place() -> None:
    done = invoke(content={**BOOK, "volatilities": {"BTC": "-0.03"}})
    assert done.exit_code == ExitCode.BAD_INPUT
    assert "volatilities.BTC" in done.output


def test_volatilities_are_written_again() -> None:
    content = {**BOOK, "volatilities": {"BTC": "0.03"}}
    assert written(read_document(content, title="test"))["volatilities"] == {"BTC": "0.03"}
