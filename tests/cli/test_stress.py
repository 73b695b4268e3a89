"""`keelmark stress`: the list, one account, one scenario in full, and a book."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from keelmark.cli import main
from keelmark.cli.exit_codes import ExitCode

ROOT = Path(__file__).resolve().parents[2]
NEUTRAL = str(ROOT / "docs/examples/usde_delta_neutral.json")
OWN = """
[sources.mine]
text = "my own view"
read = "2026-11-21"

[[scenarios]]
name = "mine"
title = "everything falls a fifth"

[scenarios.returns]
source = "mine"
other = -0.2
other_is = "every coin"
"""
LONG: dict[str, Any] = {
    "venue": "generic@2025-10",
    "collateral": [{"asset": "USDT", "balance": "10000"}],
    "positions": [
        {"instrument": "BTCUSDT", "size": "1", "entry_price": "60000", "mark_price": "60000"},
    ],
}


def invoke(*args: str, content: object = LONG) -> Result:
    return CliRunner().invoke(main, ["stress", *args], input=json.dumps(content))


def test_the_table_says_who_is_liquidated_and_what_loses_most() -> None:
    done = invoke(NEUTRAL)
    assert done.exit_code == ExitCode.OK
    assert "liquidated in 2 of 36" in done.output
    october = next(line for line in done.output.splitlines() if "october-2025 " in line)
    assert "-2.100 M" in october
    assert "gone" in october
    assert "USDE" in october
    assert done.output.rstrip().endswith("october-2025`")


def test_every_view_fits_eighty_columns_but_for_addresses(tmp_path: Path) -> None:
    book = tmp_path / "book.jsonl"
    book.write_text("\n".join([json.dumps(LONG)] * 3), encoding="utf-8")
    views = (
        (NEUTRAL,),
        (NEUTRAL, "october-2025"),
        (str(ROOT / "docs/examples/isolated.json"),),
        ("--list",),
        ("--list", "october-2025"),
        (str(book), "march-2020"),
    )
    for view in views:
        lines = [ln for ln in invoke(*view).output.splitlines() if "`" not in ln]
        assert max(len(ln) for ln in lines if "http" not in ln) <= 80, view


def test_one_scenario_shows_now_and_after_its_shocks_and_sources() -> None:
    out = invoke(NEUTRAL, "october-2025").output
    assert "now   |#---" in out
    assert "LIQUIDATABLE" in out
    assert "collateral: USDE -35.0 %" in out
    assert "source: own measurement from Binance USDS-M 5 min bars" in out
    assert "deficit none" in out


def test_the_exit_code_is_of_the_account_now() -> None:
    falling = {**LONG, "collateral": [{"asset": "USDT", "balance": "200"}]}
    assert invoke("-", "march-2020").exit_code == ExitCode.OK
    assert invoke("-", "march-2020", content=falling).exit_code == ExitCode.LIQUIDATABLE


def test_the_json_holds_every_scenario_with_its_shocks() -> None:
    found = json.loads(invoke("-", "ftx-2022", "--scale", "1.5", "--json").output)
    assert found["verdict"] == "healthy"
    assert found["scale"] == "1.5"
    (row,) = found["units"][0]["scenarios"]
    assert float(row["shocks"]["returns"]["BTC"]) == pytest.approx((1 - 0.2481) ** 1.5 - 1)
    assert row["is_liquidatable"] is True


def test_a_file_of_ones_own_runs_alone_or_beside_the_library(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(OWN, encoding="utf-8")
    alone = json.loads(invoke("-", "--file", str(path), "--json").output)
    assert [s["name"] for s in alone["units"][0]["scenarios"]] == ["mine"]
    both = invoke("-", "mine", "march-2020", "--file", str(path))
    assert "mine" in both.output
    assert "march-2020" in both.output


def test_the_list_tells_all_and_one_in_full() -> None:
    whole = invoke("--list").output
    assert "historical" in whole
    assert "hypothetical" in whole
    one = invoke("--list", "usdc-2023").output
    assert "USDC -12.0 %" in one
    assert "read 2026-11-21" in one
    rows = json.loads(invoke("--list", "--json").output)
    assert rows[0]["shocks"]["returns"]["names"]["BTC"]["source"] == "bars"


def test_moves_of_one_coin_are_a_ladder() -> None:
    out = invoke("-", "--moves", "BTC").output
    assert "BTC -50 %" in out
    assert "BTC +50 %" in out
    assert out.rstrip().endswith("next: `keelmark stress -`")
    assert invoke("-", "march-2020", "--moves", "all").exit_code == ExitCode.BAD_INPUT


@pytest.mark.parametrize(
    ("args", "told"),
    [
        ((), "name an account document, or --list"),
        (("-", "march-2021"), "did you mean 'march-2020'"),
        (("-", "--scale", "0"), "give a number above 0"),
        (("-", "--file", "none.toml"), "cannot be read"),
        (("-", "--moves", "BTTC"), "did you mean 'BTC'"),
    ],
)
def test_bad_usage_is_told_and_is_no_verdict(args: tuple[str, ...], told: str) -> None:
    done = invoke(*args)
    assert done.exit_code == ExitCode.BAD_INPUT
    assert told in done.output


def test_a_book_is_added_up_by_scenario(tmp_path: Path) -> None:
    rich = {**LONG, "collateral": [{"asset": "USDT", "balance": "90000"}]}
    lines = [json.dumps(LONG), json.dumps(rich), "{}"]
    book = tmp_path / "book.jsonl"
    book.write_text("\n".join(lines), encoding="utf-8")
    done = invoke(str(book), "march-2020", "depth-withdrawal")
    assert done.exit_code == ExitCode.BAD_INPUT
    assert "2 accounts, 1 unreadable" in done.output
    told = " ".join(done.output.split())
    assert "lose of what they were worth at most 10.0 k (march-2020); a fund that" in told
    assert "line 1: " in done.output
    found = json.loads(invoke(str(book), "march-2020", "--json").output)
    (row,) = found["groups"][0]["scenarios"]
    assert row["accounts_liquidated"] == "1"
    assert float(row["lost"]) == pytest.approx(2 * 0.5138 * 60000)
    assert row["deficit_max_account"] == "line 1"
    assert float(row["equity_lost_by_liquidated"]) == pytest.approx(10_000)
    for number, text in enumerate(lines):
        (tmp_path / "folder").mkdir(exist_ok=True)
        (tmp_path / "folder" / f"{number}.json").write_text(text, encoding="utf-8")
    assert "2 accounts" in invoke(str(tmp_path / "folder"), "march-2020").output
    assert invoke(str(book), "--rulebook", "generic").exit_code == ExitCode.BAD_INPUT


def test_the_exit_code_of_a_book_is_of_its_accounts_now(tmp_path: Path) -> None:
    book = tmp_path / "book.jsonl"
    dead = {**LONG, "collateral": [{"asset": "USDT", "balance": "200"}]}
    for documents, code in (
        ([LONG], ExitCode.OK),
        ([LONG, {}], ExitCode.BAD_INPUT),
        ([LONG, {}, dead], ExitCode.LIQUIDATABLE),
    ):
        book.write_text("\n".join(json.dumps(row) for row in documents), encoding="utf-8")
        done = invoke(str(book), "squeeze")
        assert done.exit_code == code
        (now,) = (line for line in done.output.splitlines() if line.startswith("  now"))
        assert now.split() == ["now", str(int(dead in documents))]
    assert invoke(str(book), "--moves", "BTTC").exit_code == ExitCode.BAD_INPUT


def test_what_adding_floats_leaves_over_is_no_difference() -> None:
    inverse = {
        "venue": "generic@2025-10",
        "collateral": [{"asset": "BTC", "balance": "1", "weight": "0.95"}],
        "prices": {"BTC": "116830.3"},
        "positions": [
            {
                "instrument": "BTCUSD",
                "size": "150000",
                "entry_price": "116830.3",
                "mark_price": "116830.3",
            }
        ],
    }
    out = invoke("-", "march-2020", "--scale", "3", content=inverse).output
    assert "maintenance" in out
    assert "e-1" not in out


def test_a_shock_of_the_whole_price_is_shown_as_what_the_price_does() -> None:
    wrapped = {
        **LONG,
        "collateral": [{"asset": "WBETH", "balance": "10", "weight": "0.9"}],
        "prices": {"WBETH": "4320"},
    }
    out = invoke("-", "oracle-stale", "--scale", "3", content=wrapped).output
    assert "collateral, whole price: WBETH +0.0 %" in out
    out = invoke("-", "october-2025", content=wrapped).output
    assert "collateral, whole price: WBETH -89.3 %" in out
