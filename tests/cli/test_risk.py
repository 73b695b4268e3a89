"""`keelmark risk`: a screen a trader can read, JSON a script can, and refusals that say how."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner, Result

from keelmark.cli import main
from tests.widths import widest

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"
ACCOUNT = str(EXAMPLES / "account.json")
SAFER = str(EXAMPLES / "isolated.json")
FAST = ("--paths", "2000")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["risk", *arguments])


@pytest.fixture(scope="module")
def bars(tmp_path_factory: pytest.TempPathFactory) -> str:
    generator = np.random.default_rng(1)
    end = 1_760_130_000_000  # 2025-10-10 21:00 UTC
    count = 4 * 6 * 140
    steps = generator.multivariate_normal([0, 0], [[1, 0.8], [0.8, 1.6]], count) * 1e-2 / 4.9
    closes = np.array([108_200.0, 3_990.0]) * np.exp(np.cumsum(steps, axis=0))
    rows = [
        {
            "ts_ms": end - (count - i) * 900_000,
            "symbol": symbol,
            "close": float(closes[i, column]),
            "volume": volume,
        }
        for column, (symbol, volume) in enumerate((("BTCUSDT", 100.0), ("ETHUSDT", 2_000.0)))
        for i in range(count)
    ]
    path = tmp_path_factory.mktemp("bars") / "bars.parquet"
    pl.DataFrame(rows).write_parquet(path)
    return str(path)


def test_an_account_without_bars_is_told_which_table_was_used() -> None:
    done = run(ACCOUNT, *FAST)
    assert done.exit_code == 2, done.output
    assert widest(done.output) <= 80
    words = " ".join(done.output.split())
    assert "from the built-in table coins@2025-12" in words
    assert "Bars of your coins are better: --returns BARS" in words
    assert "LIQUIDATABLE now: cross" in words
    safer = run(SAFER, *FAST)
    assert safer.exit_code == 1, safer.output
    words = " ".join(safer.output.split())
    assert "liquidated within 1 day 7 days built-in table" in words
    assert "of 2,000 paths, looked at every day; the account then still gains" in words
    assert "liquidated on these paths by unit: isolated:BTCUSDT" in words
    assert done.output.splitlines()[-2].startswith("next: `keelmark risk ")


@pytest.mark.slow
def test_with_bars_every_method_stands_beside_filtered_history(bars: str) -> None:
    done = run(ACCOUNT, "--returns", bars, "--every", "1h", *FAST)
    assert done.exit_code == 2, done.output
    assert widest(done.output) <= 80
    for name in ("> filtered history", "history as it was", "POT tail", "t copula", "normal"):
        assert name in done.output
    words = " ".join(done.output.split())
    assert "changes of 1 hour" in words
    assert "asymmetric EWMA" in words
    assert "volumes: the bars' own" in words
    done = run(SAFER, "--returns", bars, "--every", "1h", *FAST)
    words = " ".join(done.output.split())
    assert "looked at every hour" in words
    assert "liquidated within 1 day 7 days filtered history" in words
    assert "log prices move by steps of 1 hour: Student t shocks" in words
    assert "likeliest way down of isolated:BTCUSDT: BTC -" in words


def test_the_document_holds_the_same_figures(bars: str) -> None:
    done = run(ACCOUNT, "--returns", bars, "--every", "1h", "--json", *FAST)
    found = json.loads(done.output)
    assert found["method"] == "fhs"
    total = sum(float(part["es"]) for part in found["contributions"])
    assert total == pytest.approx(float(found["risk"]["es"]), rel=1e-9)
    assert set(found["beside"]) >= {"historical", "scaled", "cornish-fisher", "pot", "t-copula"}
    assert 0.0 < float(found["with_liquidations"]["probability"]) <= 1.0
    assert found["liquidity_adjusted"]["status"] == "known"
    assert found["nearest_way_down"]["unit"] == "cross"
    assert set(found["liquidation"]) == {"filtered history", "Student t"}
    for chances in found["liquidation"].values():
        assert [one["days"] for one in chances["account"]["horizons"]] == ["1", "7"]
    again = json.loads(run(ACCOUNT, "--returns", bars, "--every", "1h", "--json", *FAST).output)
    assert again == found


@pytest.mark.slow
def test_options_change_what_they_say(bars: str) -> None:
    shared = (ACCOUNT, "--returns", bars, "--every", "1h", "--json", *FAST)
    day = json.loads(run(*shared).output)
    week = json.loads(run(*shared, "--horizon", "4d").output)
    assert float(week["risk"]["var"]) > 1.5 * float(day["risk"]["var"])
    low = json.loads(run(*shared, "--level", "95%").output)
    assert float(low["risk"]["var"]) < float(day["risk"]["var"])
    led = json.loads(run(*shared, "--method", "historical").output)
    assert led["method"] == "historical"
    assert led["risk"]["var"] == day["beside"]["historical"]["var"]
    dear = json.loads(run(*shared, "--half-spread", "0.1%", "--volume", "ETH=1000000").output)
    adjusted = dear["liquidity_adjusted"]
    assert float(adjusted["coins"]["BTC"]["spread"]) == pytest.approx(108.2)
    assert adjusted["slowest"] == "ETH"
    hours = json.loads(run(ACCOUNT, "--returns", bars, "--json", *FAST, "--horizon", "2h").output)
    assert "changes of 1 hour" in hours["source"]
    assert float(hours["risk"]["var"]) < 0.5 * float(day["risk"]["var"])
    late = json.loads(run(*shared, "--clock", "3h").output)
    assert "to 2025-10-10 18:00 UTC" in late["source"]
    assert any("+3 hours of UTC: taken off" in note for note in late["notes"])
    cut = json.loads(run(*shared, "--until", "2025-10-01").output)
    assert "2025-09-30 23:00 to" not in cut["source"]
    assert "to 2025-10-01 00:00 UTC" in cut["source"]


@pytest.mark.slow
def test_a_coin_that_stands_for_another_is_said(tmp_path: Path, bars: str) -> None:
    content = json.loads(Path(ACCOUNT).read_text())
    content["positions"][1]["instrument"] = "SOLUSDT"
    path = tmp_path / "account.json"
    path.write_text(json.dumps(content))
    done = run(str(path), "--returns", bars, "--every", "1h", *FAST)
    assert done.exit_code == 3
    assert "has no returns of SOL" in done.output
    assert "--like SOL=COIN" in done.output
    done = run(str(path), "--returns", bars, "--every", "1h", "--like", "SOL=ETH", *FAST)
    assert done.exit_code == 2, done.output
    assert "note: SOL is taken to move as ETH" in done.output
    content["positions"] = [
        *content["positions"],
        json.loads(Path(ACCOUNT).read_text())["positions"][1],
    ]
    content["collateral"][0]["balance"] = "30000"
    path.write_text(json.dumps(content))
    done = run(str(path), "--returns", bars, "--every", "1h", "--like", "SOL=ETH", *FAST)
    assert "likeliest way down: unknown" not in " ".join(done.output.split())


OWN = """
source = "desk view"
[[scenario]]
label = "alts fall"
weight = 0.25
returns = { BTC = -0.1, ETH = -0.3 }
[[scenario]]
label = "calm"
weight = 0.75
returns = { BTC = 0.0, ETH = 0.01 }
"""


def test_scenarios_of_ones_own_are_valued_and_weighed(tmp_path: Path, bars: str) -> None:
    path = tmp_path / "own.toml"
    path.write_text(OWN)
    done = run(SAFER, "--scenarios", str(path), "--level", "0.3")
    assert done.exit_code == 1, done.output
    assert widest(done.output) <= 80
    words = " ".join(done.output.split())
    assert "from desk view" in words
    assert "liquidated at the end of 25.00 % of them" in words
    assert "calm -399" in words
    found = json.loads(run(SAFER, "--scenarios", str(path), "--level", "0.3", "--json").output)
    rows = {row["label"]: float(row["profit"]) for row in found["scenarios"]}
    assert rows["alts fall"] == pytest.approx(-5_410.0 + 11_970.0)
    total = sum(float(es) for es in found["es_by_leg"].values())
    assert total == pytest.approx(float(found["risk"]["es"]))
    few = json.loads(run(SAFER, "--scenarios", str(path), "--json").output)
    assert few["risk"]["status"] == "unknown"
    assert few["es_by_leg"] == {}
    path.write_text(OWN.replace("ETH", "SOL"))
    assert run(SAFER, "--scenarios", str(path)).exit_code == 3
    assert run(SAFER, "--scenarios", str(path), "--returns", bars).exit_code == 64


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ((ACCOUNT, "--level", "1.5"), 64, "is no level"),
        ((ACCOUNT, "--like", "SOL"), 64, "names no two coins"),
        ((ACCOUNT, "--until", "soon"), 64, "is no date"),
        ((ACCOUNT, "--horizon", "soon"), 64, "is no span"),
        ((ACCOUNT, "--method", "pot"), 64, "it takes a history"),
        ((ACCOUNT, "--returns", "nothing.parquet"), 64, "cannot be read"),
        (("nothing.json",), 64, "cannot be read"),
        ((ACCOUNT, "--volume", "SOL"), 64, "daily volume"),
    ],
)
def test_what_is_wrong_is_said(arguments: tuple[str, ...], code: int, message: str) -> None:
    done = run(*arguments, *FAST)
    assert done.exit_code == code, done.output
    assert message in " ".join(done.output.split())


def test_history_from_after_the_account_is_refused_and_how_to_use_it_said(bars: str) -> None:
    done = run(ACCOUNT, "--returns", bars, "--until", "2020-01-01", *FAST)
    assert done.exit_code == 64
    assert "--until end" in done.output


def test_the_group_lists_its_uses() -> None:
    done = run("--help")
    assert "risk FILE [OPTIONS]" in done.output
    assert "FILE [OPTIONS]" in run().output


def test_what_cancels_is_nothing_and_a_peg_that_is_held_is_told_first() -> None:
    """Two sides of one coin leave rounding, which is no risk; the peg of what backs them is one."""
    done = run(str(EXAMPLES / "usde_delta_neutral.json"), *FAST)
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    assert lines[2].split()[:2] == ["VaR", "0"]
    assert "e-" not in done.output.replace("built-in table", "")
    assert "0.0000" not in done.output
    words = " ".join(done.output.split())
    assert "in all of this the peg of USDE, 221.5 % of worth, is held: at 0.6" in words
    assert "nothing of it: BTC, ETH, SOL, USDE, USDT, hedged or at par" in words
    assert "its days run beyond the account's own time, 2025-10-10" in words


def test_a_peg_that_is_given_is_in_the_losses() -> None:
    book = str(EXAMPLES / "usde_delta_neutral.json")
    done = run(book, *FAST, "--peg", "USDE=0.5%", "--json")
    assert done.exit_code == 0, done.output
    # six millions, a Student t of three degrees and 0.5 % a day: its 99 % quantile is 2.622 sigmas
    assert float(json.loads(done.stdout)["risk"]["var"]) == pytest.approx(78_600, rel=0.2)
    assert run(book, *FAST, "--peg", "FOO=0.5%").exit_code == 64
    assert run(book, *FAST, "--peg", "USDE").exit_code == 64
    none = run(book, *FAST, "--volatility", "BTC=6%")
    assert none.exit_code == 64
    assert "holds no option on BTC" in none.output


def test_a_chance_below_what_was_drawn_is_a_bound(bars: str, tmp_path: Path) -> None:
    content = json.loads((EXAMPLES / "account.json").read_text())
    content["collateral"][0]["balance"] = "60000"
    path = tmp_path / "account.json"
    path.write_text(json.dumps(content))
    done = run(str(path), "--returns", bars, "--every", "4h", "--horizon", "4h", *FAST)
    assert done.exit_code == 0, done.output
    row = next(line for line in done.output.splitlines() if line.startswith("    filtered"))
    past = int(done.output.split(" past shocks")[0].rsplit(maxsplit=1)[-1])
    bound = float(row.split("below ")[1].split(" %")[0])
    assert bound == pytest.approx(300 / past, rel=1e-2)


def test_losses_with_liquidations_stand_beside_those_of_the_same_paths(bars: str) -> None:
    done = run(ACCOUNT, "--returns", bars, *FAST, "--method", "normal")
    words = " ".join(done.output.split())
    assert "revalued in full (normal): VaR if none liquidated" in words
    assert "VaR with liquidations" in words


def test_a_horizon_of_too_many_steps_is_refused_with_what_to_give(bars: str) -> None:
    done = run(ACCOUNT, "--returns", bars, "--every", "15m", "--horizon", "30d")
    assert done.exit_code == 64
    words = " ".join(done.output.split())
    assert "30 days are 2,880 steps of 50,000 paths" in words
    assert "at most 8,680 --paths" in words


def test_a_book_of_documents_is_told_together(tmp_path: Path, bars: str) -> None:
    for name in ("account", "isolated"):
        (tmp_path / f"{name}.json").write_text((EXAMPLES / f"{name}.json").read_text())
    done = run(str(tmp_path), "--returns", bars, "--every", "1h")
    assert done.exit_code == 2, done.output
    assert widest(done.output) <= 80
    words = " ".join(done.output.split())
    assert "2 accounts" in words
    assert "1 liquidatable now" in words
    assert "a fund pays" in words
    found = json.loads(run(str(tmp_path), "--json").output)
    assert found["books"][0]["accounts"] == 2
    assert set(found["books"][0]["figures"]) >= {"liquidated", "deficit", "equity_lost"}
    refused = run(str(tmp_path), "--report", "x.html")
    assert refused.exit_code == 64
    assert "is for one account" in refused.output
