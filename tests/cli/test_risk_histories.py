"""`keelmark risk` and `joint` on histories that are not what they seem: refused with the fix."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner, Result

from keelmark.cli import main

ACCOUNT = str(Path(__file__).resolve().parents[2] / "docs" / "examples" / "two_positions.json")
FAST = ("--paths", "1000")
START = 1_735_689_600_000  # 2025
HOUR = 3_600_000


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


@pytest.fixture(scope="module")
def rows() -> pl.DataFrame:
    drawn = np.random.default_rng(3).standard_normal((600, 2)) * 0.004
    times = [START + i * HOUR for i in range(600)]
    return pl.DataFrame({"ts_ms": times, "BTC": drawn[:, 0], "ETH": drawn[:, 1]})


@pytest.mark.slow
def test_what_a_row_spans_is_read_or_said_and_never_guessed(
    tmp_path: Path, rows: pl.DataFrame
) -> None:
    timed, bare = str(tmp_path / "timed.csv"), str(tmp_path / "bare.csv")
    rows.write_csv(timed)
    rows.drop("ts_ms").write_csv(bare)
    until = ("--until", "end", "--json", *FAST)
    read = run("risk", ACCOUNT, "--returns", timed, *until)
    assert "changes of 1 hour" in json.loads(read.output)["source"]
    said = run("risk", ACCOUNT, "--returns", bare, "--every", "1h", *until)
    assert json.loads(said.output)["risk"]["var"] == json.loads(read.output)["risk"]["var"]
    likewise = run("joint", ACCOUNT, "--returns", bare, "--every", "1h", "--until", "end")
    assert "a day: 24 rows of 1 hour" in " ".join(likewise.output.split()), likewise.output
    for more in ((), ("--horizon", "2h")):
        unsaid = run("risk", ACCOUNT, "--returns", bare, *FAST, *more)
        assert unsaid.exit_code == 64
        assert "no column of times" in unsaid.output
        assert "--every 1h" in unsaid.output
    backtest = run("risk", "backtest", bare)
    assert backtest.exit_code == 64
    assert "add ts_ms" in backtest.output


@pytest.mark.parametrize("command", ["risk", "joint"])
def test_bars_that_are_none_are_bad_input_everywhere(tmp_path: Path, command: str) -> None:
    good = pl.DataFrame(
        {"ts_ms": [START + i * HOUR for i in range(60)], "symbol": "BTCUSDT", "close": 1.0}
    )
    path = tmp_path / "bars.parquet"
    for frame, message in (
        (good.head(0), "has no rows"),
        (good.with_columns(pl.col("close").cast(pl.String)), "column close holds String"),
        (good.with_columns(pl.col("ts_ms") // 1_000), "looks like seconds"),
        (good.with_columns(pl.col("ts_ms") * 1_000), "looks like microseconds"),
        (good.rename({"close": "Close"}), "no column close (found Close: rename it)"),
    ):
        frame.write_parquet(path)
        done = run(command, ACCOUNT, "--returns", str(path))
        assert done.exit_code == 64, done.output
        assert message in done.output


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (("--horizon", "0d"), "no horizon above 0, up to 365d"),
        (("--horizon", "100000d"), "no horizon above 0, up to 365d"),
        (("--horizon", "99999999999999d"), "is longer than any history"),
        (("--level", "0"), "is no level"),
        (("--level", "100%"), "is no level"),
        (("--like", "FOO=BTC"), "the account has no FOO; known: BTC, ETH"),
        (("--like", "ETH=ETH"), "a coin cannot stand for itself"),
    ],
)
def test_questions_that_have_no_answer_are_bad_input(option: tuple[str, str], message: str) -> None:
    done = run("risk", ACCOUNT, *option)
    assert done.exit_code == 64, done.output
    assert message in done.output


@pytest.mark.slow
def test_a_coin_that_stands_for_one_with_returns_is_said_not_to(
    tmp_path: Path, rows: pl.DataFrame
) -> None:
    path = str(tmp_path / "rows.csv")
    rows.write_csv(path)
    done = run(
        "risk", ACCOUNT, "--returns", path, "--until", "end", "--json", *FAST, "--like", "ETH=BTC"
    )
    notes = json.loads(done.output)["notes"]
    assert "--like ETH=BTC is not used: it has returns of its own" in notes
