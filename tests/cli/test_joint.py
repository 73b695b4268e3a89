"""`keelmark joint`: the nearest joint move in words and in JSON."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner, Result

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


@pytest.fixture
def source(tmp_path: Path) -> str:
    path = tmp_path / "r.csv"
    draws = np.random.default_rng(3).standard_normal((300, 2)) * [0.02, 0.01]
    pl.DataFrame({"BTC": draws[:, 0], "ETH": 1.2 * draws[:, 0] + draws[:, 1]}).write_csv(path)
    return str(path)


def invoke(source: str, *options: str, content: object = BOOK) -> Result:
    args = ["joint", "-", "--returns", source, *options]
    return CliRunner().invoke(main, args, input=json.dumps(content))


def test_the_view_says_how_unusual_the_move_is(source: str) -> None:
    done = invoke(source)
    assert done.exit_code == ExitCode.OK
    assert "nearest joint move that liquidates: 2." in done.output
    assert "no nearer move does: proved" in done.output
    assert "BTC falls, betas followed: liquidated at 5." in done.output
    assert "BTC rises, betas followed: nothing liquidates" in done.output


def test_no_line_is_wider_than_eighty_columns_but_for_the_file_it_names(source: str) -> None:
    lines = [line for line in invoke(source).output.splitlines() if source not in line]
    assert max(map(len, lines)) <= 80


def test_the_json_holds_both_moves(source: str) -> None:
    found = json.loads(invoke(source, "--json", "--market", "ETH").output)
    assert found["nearest"]["is_proved"] is True
    assert set(found["nearest"]["moves"]) == {"BTC", "ETH"}
    assert found["betas"]["market"] == "ETH"
    assert found["betas"]["down"]["status"] == "price"


@pytest.mark.parametrize(
    ("options", "message"),
    [(("--market", "SOL"), "has no returns of SOL"), (("--unit", "x"), "known: cross")],
)
def test_bad_usage_is_named(source: str, options: tuple[str, ...], message: str) -> None:
    done = invoke(source, *options)
    assert done.exit_code == ExitCode.BAD_INPUT
    assert message in done.output


def test_a_peg_moves_where_its_deviation_is_given(source: str) -> None:
    pegged = {
        **BOOK,
        "collateral": [{"asset": "USDE", "balance": "12000"}],
        "prices": {"USDE": "1"},
    }
    done = invoke(source, "--peg", "USDE=4%", content=pegged)
    assert done.exit_code == ExitCode.OK
    assert ", USDE 0.9" in done.output
    assert "closing a tenth of it changes the distance by" in done.output
    assert "BTCUSDT  +" in done.output
    still = invoke(source, content=pegged)
    assert "USDE stands still: nothing says how its price moves" in still.output
    found = json.loads(invoke(source, "--peg", "USDE=0.04", "--json", content=pegged).output)
    assert float(found["nearest"]["pegs"]["USDE"]) < 0
    assert found["nearest"]["assets"][0]["name"] == "USDE"
    wrong = invoke(source, "--peg", "USDE", content=pegged)
    assert wrong.exit_code == ExitCode.BAD_INPUT
    assert "give each name once with a fraction" in wrong.output


def test_the_peg_of_bars_beside_bars_moves_with_the_coins(tmp_path: Path) -> None:
    draws = np.random.default_rng(5).standard_normal((60, 3)) * [0.02, 0.03, 0.01]
    paths = []
    for name, columns in (("coins", ("BTCUSDT", "ETHUSDT")), ("peg", ("USDEUSDT",))):
        start = 2 if name == "peg" else 0
        rows = [
            {"ts_ms": 1_700_000_000_000 + 300_000 * i, "symbol": symbol, "close": float(close)}
            for number, symbol in enumerate(columns)
            for i, close in enumerate(np.exp(np.cumsum(draws[:, start + number])))
        ]
        paths.append(str(tmp_path / f"{name}.parquet"))
        pl.DataFrame(rows).write_parquet(paths[-1])
    pegged = {
        **BOOK,
        "collateral": [{"asset": "USDE", "balance": "12000"}],
        "prices": {"USDE": "1"},
    }
    done = invoke(paths[0], "--returns", paths[1], "--every", "5m", "--json", content=pegged)
    assert done.exit_code == ExitCode.OK
    found = json.loads(done.output)["nearest"]
    assert set(found["deviations"]) == {"BTC", "ETH", "USDE"}
    assert found["still"] == []
