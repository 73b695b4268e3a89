"""The comparison of `desk`: ccxt's parsers and floats, or skipped by name without ccxt."""

import sys

import numpy as np
import pytest

from keelmark.lab.bench.ccxt_script import CcxtScript, answers
from keelmark.lab.bench.desk import ccxt_row, document
from keelmark.lab.bench.values import Size
from keelmark.rulebooks import load_rulebook

QUICK = Size(units=1, effort=0.01)


def test_the_script_reads_the_answers_with_ccxts_own_parsers() -> None:
    pytest.importorskip("ccxt")
    table = load_rulebook("generic").terms_for("C00USDT").maintenance.parameters()
    held = {
        "collateral": [{"asset": "USDT", "balance": "1000"}],
        "positions": [
            {
                "instrument": "C00USDT",
                "size": "-10",
                "entry_price": "100",
                "mark_price": "110",
                "leverage": "10",
            }
        ],
    }
    script = CcxtScript.of(["C00USDT"], table)
    assert script is not None
    found = script.figures(*answers(held))
    rate = float(table.rates[0])
    assert found.equity == pytest.approx(1000 - 100)
    assert found.maintenance == pytest.approx(1100 * rate)
    assert found.ratio == pytest.approx(found.maintenance / found.equity)
    # 1000 + 10 * 100 - 10 p = rate * 10 p
    assert list(found.prices) == pytest.approx([2000 / (10 * (1 + rate))])


def test_the_row_compares_with_ccxt_where_it_is_installed() -> None:
    pytest.importorskip("ccxt")
    row = ccxt_row(QUICK)
    assert row.ratio is not None
    assert "ccxt's parsers" in row.against
    assert "equal the script's floats" in row.checked


def test_the_row_is_skipped_by_name_without_ccxt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ccxt", None)
    row = ccxt_row(QUICK)
    assert (row.name, row.ratio) == ("check_20_ccxt", None)
    assert "ccxt is not installed" in row.note


def test_an_account_is_answered_as_often_as_it_has_positions() -> None:
    held = document(np.random.default_rng(1), 3)
    positions, balances = answers(held)
    assert [p["symbol"] for p in positions] == [r["instrument"] for r in held["positions"]]
    assert balances[0]["balance"] == held["collateral"][0]["balance"]
