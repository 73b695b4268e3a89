"""An account is as bad as its worst unit, on every surface."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from keelmark.accounts import check, read_account
from keelmark.accounts.bulk import BulkTerms, check_one, summary
from keelmark.accounts.check_document import check_document
from keelmark.accounts.levels import Level
from keelmark.cli import main
from keelmark.cli.check_table import check_lines

JsonRow = dict[str, str]


def isolated(mark: str, margin: str = "5000") -> JsonRow:
    return {
        "instrument": "BTCUSDT",
        "size": "-1",
        "leverage": "20",
        "entry_price": "100000",
        "mark_price": mark,
        "margin_mode": "isolated",
        "isolated_margin": margin,
    }


def document(mark: str) -> str:
    cross = {
        "instrument": "SOLUSDT",
        "size": "-50",
        "leverage": "10",
        "entry_price": "200",
        "mark_price": "180",
    }
    return json.dumps(
        {
            "venue": "binance-usdm@2026-05",
            "collateral": [{"asset": "USDT", "balance": "3000"}],
            "positions": [isolated(mark), cross],
        }
    )


@pytest.mark.parametrize(
    ("mark", "level"), [("104900", "liquidatable"), ("101000", "red"), ("85000", "amber")]
)
def test_the_level_of_an_account_is_of_its_worst_unit(mark: str, level: str) -> None:
    found = check_document(check(read_account(document(mark))))
    assert found["level"] == level
    assert found["worst_unit"] == "isolated:BTCUSDT"
    assert found["unit"] == "cross"


def test_a_margin_nobody_knows_is_worse_than_red_and_better_than_liquidatable() -> None:
    held = json.loads(document("101000"))
    held["unknown"] = [{"what": "positions", "why": "the call failed"}]
    found = check(read_account(json.dumps(held)))
    assert found.level is Level.UNKNOWN
    assert found.worst is not None
    assert found.worst.unit.unit_id == "cross"
    held["positions"][0] = isolated("104900")
    assert check(read_account(json.dumps(held))).level is Level.LIQUIDATABLE


def test_the_first_lines_name_the_worst_unit_before_any_other_word() -> None:
    found = check(read_account(document("104900")))
    lines = list(check_lines(found, "account.json"))
    assert "account of 2 units" in lines[0]
    assert "LIQUIDATABLE" in lines[1]
    assert "isolated:BTCUSDT" in lines[1]
    page = found._repr_html_()
    assert page.index(">LIQUIDATABLE<") < page.index(">GREEN<")
    alone = json.loads(document("101000"))
    del alone["positions"][0]
    assert "account of" not in "\n".join(check_lines(check(read_account(json.dumps(alone))), "a"))


def test_the_numbers_of_a_bulk_row_are_of_the_unit_that_decides_it(tmp_path: Path) -> None:
    row = summary(check_one("one", document("104900"), BulkTerms()))
    assert row["level"] == "liquidatable"
    assert row["unit"] == "isolated:BTCUSDT"
    assert row["equity"] == "100"
    path = tmp_path / "all.jsonl"
    path.write_text(document("101000") + "\n", encoding="utf-8")
    shown = CliRunner().invoke(main, ["check", "--bulk", str(path)])
    line = next(line for line in shown.output.splitlines() if "line 1" in line)
    assert line.split() == ["line", "1", "RED", "3.5", "%", "4,000.00", "404.00", "USDT",
                            "isolated:BTCUSDT"]  # fmt: skip
    assert shown.exit_code == 1
