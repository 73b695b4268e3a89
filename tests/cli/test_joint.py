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
    assert done.exit_code == ExitCode.WARNING  # all together -6.2 %
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
    [
        (("--market", "SOL"), "has no returns of SOL"),
        (("--unit", "x"), "known: cross"),
        (("--until", "yesterday"), "is no date"),
        (("--until", "2025-10-10"), "does not tell when its changes were"),
        (("--like", "ETH"), "names no two coins"),
        (("--peg", "USDX=1%"), "no margin of this account reads it"),
        (("--like", "FOO=BTC"), "no margin of this account reads it"),
    ],
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
    assert done.exit_code == ExitCode.WARNING
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
    assert done.exit_code == ExitCode.WARNING
    document = json.loads(done.output)
    assert any("how it would break is not in it" in note for note in document["notes"])
    given = ("--every", "5m", "--json", "--peg", "USDE=0.05")
    other = json.loads(invoke(paths[0], "--returns", paths[1], *given, content=pegged).output)
    assert not any("how it would break" in note for note in other["notes"])
    assert float(other["nearest"]["deviations"]["USDE"]) == 0.05
    found = document["nearest"]
    assert set(found["deviations"]) == {"BTC", "ETH", "USDE"}
    assert found["still"] == []


ETHER = {
    "instrument": "ETHUSDT",
    "size": "5",
    "entry_price": "3000",
    "mark_price": "3000",
    "margin_mode": "isolated",
    "isolated_margin": "1000",
}
TWO_UNITS: dict[str, Any] = {
    **BOOK,
    "collateral": [{"asset": "USDT", "balance": "30000"}],
    "positions": [BOOK["positions"][0], ETHER],
}
"""The first unit stands well; the second does not."""

START_MS = 1_759_276_800_000
"""2025-10-01 00:00 UTC."""

HOUR_MS = 3_600_000


@pytest.fixture
def hours(tmp_path: Path) -> str:
    """Return hourly bars of a hundred calm hours, then of as many wild ones."""
    path = tmp_path / "hours.parquet"
    draws = np.random.default_rng(8).standard_normal((200, 2)) * 0.002
    draws[100:] *= 10
    rows = [
        {"ts_ms": START_MS + HOUR_MS * i, "symbol": symbol, "close": float(close)}
        for column, symbol in enumerate(("BTCUSDT", "ETHUSDT"))
        for i, close in enumerate(100 * np.exp(np.cumsum(draws[:, column])))
    ]
    pl.DataFrame(rows).write_parquet(path)
    return str(path)


def words(done: Result) -> str:
    return " ".join(done.output.split())


def test_the_history_ends_at_the_accounts_own_time(hours: str) -> None:
    dated = {**BOOK, "as_of": "2025-10-05T04:00:00Z", "historical": True}
    calm = invoke(hours, content=dated)
    assert "2025-10-01 02:00 to 2025-10-05 04:00 UTC" in words(calm)
    assert "bars after 2025-10-05 04:00 UTC are left out" in words(calm)
    found = json.loads(invoke(hours, "--json", content=dated).output)
    assert found["history"]["last"] == "2025-10-05T04:00:00Z"
    assert found["history"]["changes"] == 99
    every = invoke(hours, "--until", "end", content=dated)
    assert "goes on to 2025-10-09 08:00 UTC, after the account's own time" in words(every)
    wild = json.loads(invoke(hours, "--until", "end", "--json", content=dated).output)
    assert "nobody knew it then" in wild["notes"][0]
    assert float(wild["nearest"]["distance"]) < float(found["nearest"]["distance"]) / 3
    until = json.loads(invoke(hours, "--until", "2025-10-05T04:00", "--json").output)
    assert until["nearest"]["distance"] == found["nearest"]["distance"]
    early = invoke(hours, content={**dated, "as_of": "2025-09-01T00:00:00Z"})
    assert early.exit_code == ExitCode.BAD_INPUT
    assert "give bars from before it" in words(early)
    late = invoke(hours, content={**dated, "as_of": "2026-10-09T08:00:00Z"})
    assert "the history ends 365 days before" in words(late)


def test_what_no_time_tells_is_said(hours: str, source: str) -> None:
    assert "the account tells no time (as_of)" in words(invoke(hours))
    dated = {**BOOK, "as_of": "2025-10-05T04:00:00Z", "historical": True}
    assert "does not tell when its changes were" in words(invoke(source, content=dated))


def test_the_unit_that_goes_first_is_shown_and_each_other_has_a_line(source: str) -> None:
    done = invoke(source, content=TWO_UNITS)
    head = done.output.splitlines()[0]
    assert "isolated:ETHUSDT, the nearest of 2 units" in head
    assert "cross: BTC -" in done.output
    assert "betas followed: liquidated at" in done.output
    assert ", isolated:ETHUSDT" in done.output.split("betas followed")[1]
    found = json.loads(invoke(source, "--json", content=TWO_UNITS).output)
    distances = [float(unit["distance"]) for unit in found["units"]]
    assert [unit["unit"] for unit in found["units"]] == ["isolated:ETHUSDT", "cross"]
    assert distances == sorted(distances)
    assert found["unit"] == found["nearest"]["unit"] == "isolated:ETHUSDT"
    assert found["units"][1]["betas"]["unit"] == "cross"
    one = json.loads(invoke(source, "--unit", "cross", "--json", content=TWO_UNITS).output)
    assert float(one["nearest"]["distance"]) == distances[1]


def test_the_exit_code_is_of_the_account_now(source: str) -> None:
    healthy = {**BOOK, "collateral": [{"asset": "USDT", "balance": "60000"}]}
    done = invoke(source, content=healthy)
    assert done.exit_code == ExitCode.OK
    assert "now healthy" in done.output
    assert invoke(source).exit_code == ExitCode.WARNING
    assert invoke(source, "--warn", "1%").exit_code == ExitCode.OK
    unpriced = {**BOOK, "collateral": [{"asset": "USDE", "balance": "6000"}]}
    assert invoke(source, content=unpriced).exit_code == ExitCode.UNKNOWN


def test_what_is_liquidatable_is_said_to_be_and_nothing_is_proved(source: str) -> None:
    gone = {**BOOK, "collateral": [{"asset": "USDT", "balance": "1"}]}
    done = invoke(source, content=gone)
    assert done.exit_code == ExitCode.LIQUIDATABLE
    assert "LIQUIDATABLE now: cross; no price needs to move" in done.output
    assert "sigma (" not in done.output
    assert "proved" not in done.output
    assert "next: `keelmark rescue FILE`" in done.output
    found = json.loads(invoke(source, "--json", content=gone).output)
    assert found["verdict"] == "liquidatable"
    assert found["nearest"]["is_liquidatable_now"] is True
    assert found["betas"] is None
    weak = {**TWO_UNITS, "positions": [BOOK["positions"][0], {**ETHER, "isolated_margin": "1"}]}
    both = invoke(source, content=weak)
    assert both.exit_code == ExitCode.LIQUIDATABLE
    assert "cross: BTC -" in both.output


def test_a_coin_without_returns_is_unknown_until_another_stands_for_it(source: str) -> None:
    atom = {"instrument": "ATOMUSDT", "size": "100", "entry_price": "4", "mark_price": "4"}
    held = {**BOOK, "positions": [*BOOK["positions"], atom]}
    done = invoke(source, content=held)
    assert done.exit_code == ExitCode.UNKNOWN
    assert "has no returns of ATOM" in done.output
    assert "--like ATOM=COIN" in done.output
    done = invoke(source, "--like", "ATOM=ETH", content=held)
    assert done.exit_code == ExitCode.WARNING
    assert "ATOM is taken to move as ETH" in words(done)
    assert "a millionth of its variance is its own" in words(done)
    assert "is not needed" in words(invoke(source, "--like", "ETH=NOBODY"))
    nobody = invoke(source, "--like", "ATOM=NOBODY", content=held)
    assert nobody.exit_code == ExitCode.BAD_INPUT
    assert "has no returns of NOBODY" in nobody.output


def test_without_returns_of_a_leader_the_move_is_told_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "eth.csv"
    ether = np.random.default_rng(3).standard_normal(300) * 0.02
    pl.DataFrame({"ETH": ether}).write_csv(path)
    done = invoke(str(path), content={**BOOK, "positions": [ETHER]})
    assert done.exit_code == ExitCode.WARNING
    assert "no returns of BTC: no betas are followed" in words(done)
    assert "\n  ETH " in done.output
    assert json.loads(invoke(str(path), "--json", content=TWO_UNITS).output)["betas"] is None
    lacking = invoke(str(path))
    assert lacking.exit_code == ExitCode.UNKNOWN
    assert "has no returns of BTC" in lacking.output


def test_the_view_names_what_measures_a_sigma(source: str) -> None:
    told = words(invoke(source))
    assert "by the sample covariance of all these changes alike" in told
    assert "it is a distance, no chance" in told
    assert "sample" in json.loads(invoke(source, "--json").output)["history"]["sigma"]


def test_a_unit_that_cannot_be_told_is_named_and_the_answer_is_open(source: str) -> None:
    solana = {**ETHER, "instrument": "SOLUSDT"}
    held = {**TWO_UNITS, "positions": [BOOK["positions"][0], solana]}
    done = invoke(source, content=held)
    assert done.exit_code == ExitCode.UNKNOWN
    assert "isolated:SOLUSDT: unknown" in done.output
    assert "it may go sooner" in words(done)
    found = json.loads(invoke(source, "--json", content=held).output)
    assert found["units"][1]["status"] == "unknown"
    assert found["unit"] == "cross"


def test_an_account_without_positions_has_no_move_to_look_for(source: str) -> None:
    cash = {**BOOK, "positions": []}
    done = invoke(source, content=cash)
    assert done.exit_code == ExitCode.OK
    assert "no unit holds a position" in done.output
    assert json.loads(invoke(source, "--json", content=cash).output)["nearest"] is None


def test_of_many_units_those_that_go_next_have_a_line(source: str) -> None:
    coins = ("ADA", "AVAX", "BNB", "DOGE", "LINK", "LTC", "SOL", "SUI", "TRX", "XRP")
    legs = [
        {**ETHER, "instrument": f"{coin}USDT", "isolated_margin": str(1000 + 100 * number)}
        for number, coin in enumerate(coins)
    ]
    like = [word for coin in coins for word in ("--like", f"{coin}=ETH")]
    done = invoke(source, *like, content={**TWO_UNITS, "positions": [ETHER, *legs]})
    assert "the nearest of 11 units" in done.output
    assert "and 2 units more, none of them nearer" in done.output
