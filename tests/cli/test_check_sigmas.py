"""`keelmark check` in standard deviations: where a volatility is at hand, and only there."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

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
    # how the two move together is not known
    assert found["joint_move"]["distance_sigmas"] is None
    assert found["nearest_move"]["distance_sigmas"] is None
    assert found["distance_sigmas"] is None
    assert found["volatility"]["horizon"] == "a day"
    assert found["volatility"]["has_covariance"] is False
    assert found["volatility"]["by_coin"] == {"BTC": "0.03", "ETH": "0.04"}


def test_the_table_has_a_column_and_the_headline_says_it() -> None:
    done = invoke("--vol", "BTC=3%", "--vol", "ETH=0.04")
    lines = done.output.splitlines()
    (head,) = [line for line in lines if "instrument" in line]
    assert head.split()[-2:] == ["distance", "sigma"]
    (row,) = [line for line in lines if line.strip().startswith("BTCUSDT")]
    assert row.rstrip(" #=-").endswith(f"%  {BTC / 0.03:>5.1f}")
    assert "all together -6.2 % liquidates" in done.output
    assert "none for all together, which takes --returns" in " ".join(done.output.split())
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("symbols", [("BTC-USDT-SWAP",), ("BTC-USDT-SWAP", "SOL-USDT-SWAP")])
@pytest.mark.parametrize("mode", ["net", "hedge"])
@pytest.mark.parametrize("size", ["1", "40", "4000"])
def test_a_table_with_sigmas_in_another_currency_fits(
    symbols: tuple[str, ...], mode: str, size: str
) -> None:
    sizes = (size, f"-0.{size}") if mode == "hedge" else (size,)
    rows = [
        {"instrument": symbol, "size": leg, "entry_price": "61234.5", "mark_price": "60123.4"}
        | {"tier": {"maintenance_rate": "0.01"}}
        for symbol in symbols
        for leg in sizes
    ]
    content = {
        "venue": "okx-multi",
        "account_mode": "hedge" if mode == "hedge" else "one_way",
        "collateral": [{"asset": "USDT", "balance": f"{size}0000"}],
        "prices": {"USDT": "1"},
        "positions": rows,
    }
    for options in ((), ("--vol", "BTC=2%", "--vol", "SOL=5%")):
        done = invoke(*options, content=content)
        (head,) = [line for line in done.output.splitlines() if "instrument" in line]
        assert {"side", "distance"} <= set(head.split())
        assert ("sigma" in head) == bool(options)
        assert max(map(len, done.output.splitlines())) <= 80


def test_the_move_of_one_coin_says_whose_sigmas_it_is_told_in() -> None:
    short = {**BOOK["positions"][1], "size": "-10"}
    content = {**BOOK, "positions": [BOOK["positions"][0], short]}
    done = invoke("--vol", "BTC=3%", "--vol", "ETH=4%", content=content)
    found = json.loads(invoke("--json", "--vol", "BTC=3%", content=content).output)
    assert found["nearest_move"]["sigma_of"] == "BTC"
    sigmas = float(found["distance_sigmas"])
    assert f"BTCUSDT alone -9.3 % ({sigmas:.1f} sigma of BTC) liquidates" in done.output


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
    moved = np.array([BOTH, BOTH])
    length = float(np.sqrt(moved @ np.linalg.inv(np.cov(returns, rowvar=False)) @ moved))
    assert float(found["joint_move"]["distance_sigmas"]) == pytest.approx(length)
    assert found["nearest_move"]["sigma_of"] is None
    assert found["volatility"]["has_covariance"] is True
    joint = CliRunner().invoke(
        main, ["joint", "-", "--returns", str(path), "--json"], input=json.dumps(BOOK)
    )
    nearest = json.loads(joint.output)["nearest"]
    assert float(nearest["distance"]) <= length
    alone = nearest["alone"]
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


def test_a_coin_without_a_contract_is_in_the_measure_of_the_move_of_all() -> None:
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
    }
    apart = {("BTC", "BTC"): 0.0009, ("ETH", "ETH"): 0.0025}
    apart |= {("BTC", "ETH"): 0.0, ("ETH", "BTC"): 0.0}
    known = Volatilities(by_coin={"BTC": 0.03, "ETH": 0.05}, covariance=apart)
    (unit,) = km.check(km.read_account(json.dumps(content)), volatilities=known).units
    assert unit.joint_move is not None
    assert set(unit.joint_move.direction) == {"ETHUSDT", "BTC"}
    assert unit.together == pytest.approx((0.03**-2 + 0.05**-2) ** -0.5)


def test_coins_that_move_as_one_have_no_measure_of_a_move_of_all() -> None:
    as_one = {(one, other): 0.0009 for one in ("BTC", "ETH") for other in ("BTC", "ETH")}
    known = Volatilities(by_coin={"BTC": 0.03, "ETH": 0.03}, covariance=as_one)
    assert known.unit_of({"BTC": 1.0, "ETH": 1.0}) is None
    assert known.unit_of({"BTC": -2.0}) == pytest.approx(0.015)
    assert known.unit_of({"BTC": 0.0}) is None


@settings(max_examples=50)
@given(
    draws=st.lists(st.lists(st.floats(-1, 1), min_size=3, max_size=3), min_size=3, max_size=3),
    moves=st.lists(st.floats(-1, 1).filter(lambda x: abs(x) > 1e-3), min_size=3, max_size=3),
)
def test_a_move_is_as_long_as_the_inverse_covariance_says(
    draws: list[list[float]], moves: list[float]
) -> None:
    root = np.array(draws)
    matrix = root @ root.T + 0.01 * np.eye(3)
    coins = ("BTC", "ETH", "SOL")
    known = Volatilities(
        by_coin={coin: float(np.sqrt(matrix[i, i])) for i, coin in enumerate(coins)},
        covariance={
            (a, b): float(matrix[i, j]) for i, a in enumerate(coins) for j, b in enumerate(coins)
        },
    )
    point = np.array(moves)
    length = float(np.sqrt(point @ np.linalg.inv(matrix) @ point))
    assert known.unit_of(dict(zip(coins, moves, strict=True))) == pytest.approx(1 / length)


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
