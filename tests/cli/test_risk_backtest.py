"""`keelmark risk backtest`: the table, the report and the JSON."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner, Result

from keelmark.cli import main
from keelmark.cli.exit_codes import ExitCode
from tests.widths import widest

HOUR = 3_600_000
DAY = 24 * HOUR
MODELS = "historical,ewma-normal,ewma-fhs,gjr-t,ewma-pot"
ACCOUNT: dict[str, Any] = {
    "venue": "generic@2025-10",
    "collateral": [{"asset": "USDT", "balance": "60000"}],
    "positions": [
        {"instrument": "BTCUSDT", "size": "1", "entry_price": "60000", "mark_price": "60000"},
        {"instrument": "ETHUSDT", "size": "-10", "entry_price": "3000", "mark_price": "3000"},
    ],
}


@pytest.fixture(scope="module")
def bars(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Eight-hour bars of two coins over 500 periods, at whole hours of UTC."""
    draw = np.random.default_rng(11)
    count = 501
    moves = 0.015 * draw.standard_t(4, (count, 2)).clip(-8, 8)
    times = 1_600_000_000_000 // (8 * HOUR) * (8 * HOUR) + 8 * HOUR * np.arange(count)
    frames = [
        pl.DataFrame(
            {"ts_ms": times, "symbol": f"{coin}USDT", "close": 100.0 * np.exp(moves[:, i].cumsum())}
        )
        for i, coin in enumerate(("BTC", "ETH"))
    ]
    path = tmp_path_factory.mktemp("bars") / "b.parquet"
    pl.concat(frames).write_parquet(path)
    return str(path)


def invoke(bars: str, *options: str) -> Result:
    fixed = ["--every", "8h", "--window", "300", "--models", MODELS]
    return CliRunner().invoke(main, ["risk", "backtest", bars, *fixed, *options])


def test_the_table_ranks_models_and_says_where_all_fail(bars: str) -> None:
    done = invoke(bars, "--coins", "BTC")
    assert done.exit_code == ExitCode.OK, done.output
    assert "BTC: 200 forecasts of 8 hours" in done.output
    assert "value at risk 99 %, 2.0 violations expected" in done.output
    assert "value at risk 97.5 %, 5.0 violations expected" in done.output
    assert "too few to tell models apart: 200 forecasts, 2.0 violations" in " ".join(
        done.output.split()
    )
    assert "lowest score: " in done.output
    assert "model confidence set at 10 %" in " ".join(done.output.split())
    assert "all fail together" in done.output
    assert done.output.splitlines()[-1].startswith("next: ")


def test_no_line_is_wider_than_eighty_columns(bars: str) -> None:
    assert widest(invoke(bars).output) <= 80


def test_the_json_tells_the_same_in_full(bars: str) -> None:
    done = invoke(bars, "--weights", "BTC=0.5,ETH=-0.5", "--levels", "95%", "--json")
    found = json.loads(done.output)
    assert found["portfolio"] == "BTC 0.5, ETH -0.5"
    assert found["forecasts"] == 200
    (level,) = found["levels"]
    assert level["tail"] == "0.05"
    assert set(level["models"]) == set(MODELS.split(","))
    one = level["models"][level["lowest_score"]]
    assert one["violations"] == len(one["violated"])
    assert one["against_lowest"] is None
    assert one["confidence_set_p_value"] == "1"
    assert level["forecasts_needed"] is None
    kept = level["confidence_set"]["kept"]
    assert (level["best"] is None) == (len(kept) == len(level["ranked"]))
    assert float(one["tests"]["Kupiec"]["p_value"]) > 0.0


def test_an_account_is_tested_as_it_is_held(bars: str, tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text(json.dumps(ACCOUNT))
    models = ["--models", "historical,joint-ewma-fhs"]
    done = invoke(bars, "--account", str(file), "--json", *models)
    assert done.exit_code == ExitCode.OK, done.output
    found = json.loads(done.output)
    assert found["coins"] == ["BTC", "ETH"]
    assert "worth 60,000.00 USDT" in found["notes"][0]
    same = invoke(bars, "--weights", "BTC=1,ETH=-0.5", "--json", *models)
    for level, other in zip(found["levels"], json.loads(same.output)["levels"], strict=True):
        for name, one in level["models"].items():
            assert one["violated"] == other["models"][name]["violated"]
            assert float(one["fz0"]) == pytest.approx(float(other["models"][name]["fz0"]))


def test_reports_are_written_as_their_ending_says(bars: str, tmp_path: Path) -> None:
    for name, mark in (("r.html", "<!doctype html>"), ("r.md", "# BTC")):
        path = tmp_path / name
        done = invoke(bars, "--coins", "BTC", "--out", str(path))
        assert done.exit_code == ExitCode.OK, done.output
        assert path.read_text().startswith(mark)
        assert f"report: {path}" in done.output


def test_a_span_of_time_is_what_is_forecast(bars: str) -> None:
    span = ("--from", "2021-01-01", "--to", "2021-01-15")
    found = json.loads(invoke(bars, "--coins", "BTC", "--json", *span).output)
    assert (found["first"], found["last"]) == ("2021-01-01 00:00", "2021-01-14 16:00")
    assert found["forecasts"] == 42


def test_a_clock_ahead_of_utc_is_set_back_and_noted(bars: str) -> None:
    span = ("--from", "2021-01-01", "--to", "2021-01-15", "--clock", "8h")
    found = json.loads(invoke(bars, "--coins", "BTC", "--json", *span).output)
    assert found["first"] == "2021-01-01 00:00"
    assert "+8 hours of UTC" in " ".join(found["notes"])


def test_where_nothing_can_be_told_it_ends_unknown(bars: str) -> None:
    done = invoke(bars, "--coins", "BTC", "--levels", "99%")
    assert done.exit_code == ExitCode.UNKNOWN
    assert "at least 500 are needed" in " ".join(done.output.split())
    found = json.loads(invoke(bars, "--coins", "BTC", "--levels", "99%", "--json").output)
    assert found["levels"][0]["best"] is None
    assert found["levels"][0]["forecasts_needed"] == 500


def test_a_price_that_stands_still_ends_unknown(tmp_path: Path) -> None:
    times = DAY * (19_000 + np.arange(400))
    path = tmp_path / "still.parquet"
    pl.DataFrame({"ts_ms": times, "symbol": "BTCUSDT", "close": 100.0}).write_parquet(path)
    done = CliRunner().invoke(main, ["risk", "backtest", str(path), "--models", "historical"])
    assert done.exit_code == ExitCode.UNKNOWN, done.output
    assert "unknown: no model has a forecast" in done.output


def test_without_a_window_one_is_chosen_that_the_history_has(bars: str) -> None:
    asked = ["risk", "backtest", bars, "--coins", "BTC", "--models", "historical", "--json"]
    for options, window in (
        (["--every", "8h"], 250),
        (["--every", "1d", "--levels", "95%"], 100),
        (["--every", "8h", "--from", "2021-01-10"], 355),
    ):
        found = json.loads(CliRunner().invoke(main, [*asked, *options]).output)
        assert found["window"] == window
        assert f"a window of {window} periods was chosen" in " ".join(found["notes"])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--coins", "BTC", "--weights", "BTC=1"), "give one of --coins"),
        (("--coins", "DOGE"), "no returns of DOGE"),
        (("--models", "garch"), "no model 'garch'"),
        (("--levels", "40%"), "no confidence level"),
        (("--levels", "99.9%"), "no value at risk at 0.001"),
        (("--weights", "BTC"), "no share of a coin"),
        (("--window", "600"), "0 periods can be forecast"),
        (("--out", "r.pdf"), "no kind of report"),
        (("--from", "soon"), "no time"),
        (("--every", "7m"), "no whole number"),
        (("--decay", "2"), "a decay of 2"),
        (("--decay", "nan"), "a decay of nan"),
        (("--models", ","), "names nothing"),
        (("--coins", " , "), "names nothing"),
    ],
)
def test_what_cannot_be_had_is_said_and_refused(
    bars: str, options: tuple[str, ...], words: str
) -> None:
    done = invoke(bars, *options)
    assert done.exit_code == ExitCode.BAD_INPUT
    assert words in " ".join(done.output.split())
