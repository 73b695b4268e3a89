"""`keelmark size`: what it shows alone and in an account, its JSON, its exit codes."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner, Result

from keelmark.accounts import load_account
from keelmark.cli import main
from keelmark.cli.exit_codes import ExitCode
from keelmark.core.margin import margin_report
from keelmark.core.model import MarginPurpose
from keelmark.risk.scenarios import generator_of
from keelmark.risk.what_if import whatif
from tests.widths import widest

BOOK = Path(__file__).parents[2] / "docs" / "examples" / "two_positions.json"
ALONE = ("--mu", "60%", "--sigma", "4%/day", "--liquidation-probability", "1%", "--cap", "20")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["size", *arguments])


def test_alone_it_shows_every_rule_and_what_binds() -> None:
    shown = run(*ALONE)
    assert shown.exit_code == 0
    assert "0.51x at most: 0.5 of Kelly binds" in shown.output
    assert "4.13x" in shown.output
    assert widest(shown.output) <= 80
    assert "next: `keelmark size FILE" in shown.output


def test_alone_its_json_is_text() -> None:
    found = json.loads(run(*ALONE, "--json").output)
    assert found["binding"] == "0.5 of Kelly"
    assert float(found["leverage"]) == pytest.approx(0.5 * 0.6 / (0.04**2 * 365))
    assert [share["share"] for share in found["kelly"]] == ["1", "0.5", "0.25"]
    assert float(found["kelly"][1]["fall_probability"]) == pytest.approx(0.125)
    assert found["rules"][3] == {"name": "venue cap", "leverage": "20", "reason": "as given"}


def test_rates_are_read_with_their_time() -> None:
    daily = json.loads(run("--sigma", "4%/day", "--mu", "0.1%/day", "--json").output)
    yearly = json.loads(run("--sigma", f"{0.04 * 365**0.5!r}", "--mu", "36.5%", "--json").output)
    assert float(daily["leverage"]) == pytest.approx(float(yearly["leverage"]))
    paid = json.loads(
        run("--sigma", "80%", "--mu", "20%", "--funding", "0.01%/8h", "--json").output
    )
    assert float(paid["leverage"]) == pytest.approx(0.5 * (0.2 - 0.0001 * 3 * 365) / 0.64)


def test_without_anything_to_go_by_it_ends_unknown() -> None:
    shown = run("--sigma", "80%")
    assert shown.exit_code == 3
    assert "no return is expected: give --mu" in shown.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "give --sigma"),
        (("--sigma", "-3%"), "above 0"),
        (("--sigma", "a lot"), "is no rate"),
        (("--sigma", "4%/0h"), "above 0"),
        ((str(BOOK),), "give --instrument"),
        (("--sigma", "80%", "--instrument", "BTCUSDT"), "give its FILE"),
        ((str(BOOK), "--instrument", "BTCUSDT", "--price", "0"), "no price above 0"),
        ((str(BOOK), "--instrument", "BTCUSDT", "--price", "100"), "knows the mark of BTCUSDT"),
    ],
)
def test_what_cannot_be_sized_is_refused(arguments: tuple[str, ...], words: str) -> None:
    shown = run(*arguments)
    assert shown.exit_code == ExitCode.BAD_INPUT
    assert words in shown.output


def sized(*arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(str(BOOK), *arguments, "--json").output)
    return found


@pytest.mark.parametrize("side", ["long", "short"])
@pytest.mark.parametrize("leg", ["BTCUSDT", "ETHUSDT"])
def test_the_size_the_margin_allows_is_covered_and_a_lot_more_is_not(leg: str, side: str) -> None:
    found = sized("--instrument", leg, "--side", side)
    rule = next(rule for rule in found["rules"] if rule["name"] == "initial margin")
    sign = 1 if side == "long" else -1
    account = load_account(BOOK)
    for more, is_covered in ((Decimal(0), True), (Decimal(found["lot"]), False)):
        traded = sign * (Decimal(rule["size"]) + more) - Decimal(found["held"])
        after = whatif(account, f"add {leg}={traded}").after.account
        report = margin_report(after.units[0], after.market, after.model)
        assert (report.excess(MarginPurpose.INITIAL) >= 0) == is_covered


def test_in_an_account_it_says_what_to_trade() -> None:
    shown = run(str(BOOK), "--instrument", "SOLUSDT", "--side", "short", "--price", "150")
    assert shown.exit_code == 0
    assert "sell 13,333.333 to be there: initial margin binds" in shown.output
    assert widest(shown.output) <= 80
    assert "--add" in shown.output


def test_kelly_in_an_account_counts_what_else_is_held() -> None:
    known = ("--mu", "40%", "--sigma", "3%/day", "--instrument", "BTCUSDT")
    found = sized(*known)
    rule = next(rule for rule in found["rules"] if rule["name"] == "0.5 of Kelly")
    assert rule["size"] is None
    assert "ETH" in rule["reason"]


def test_an_unknown_instrument_is_refused() -> None:
    shown = run(str(BOOK), "--instrument", "NOPE")
    assert shown.exit_code != 0
    assert "NOPE" in shown.output + str(shown.exception)


def bars(path: Path) -> str:
    """Write 300 daily bars of BTC and ETH, which moves with it."""
    moves = generator_of(4).normal(0.0, 0.03, (300, 2)) @ np.array([[1.0, 0.8], [0.0, 0.6]])
    closes = 1000.0 * np.exp(np.cumsum(moves, axis=0))
    times = [86_400_000 * (19_000 + day) for day in range(300)]
    rows = {"ts_ms": times * 2, "symbol": ["BTCUSDT"] * 300 + ["ETHUSDT"] * 300}
    pl.DataFrame({**rows, "close": closes.T.ravel()}).write_parquet(path)
    return str(path)


def test_returns_tell_how_likely_each_size_is_liquidated(tmp_path: Path) -> None:
    source = bars(tmp_path / "days.parquet")
    asked = ("--instrument", "BTCUSDT", "--returns", source, "--horizon", "1d")
    found = sized(*asked, "--liquidation-probability", "5%")
    margin, chance, kelly, falls = found["rules"]
    assert 0 < Decimal(chance["size"]) < Decimal(margin["size"])
    assert found["binding"] == "chance of liquidation"
    assert kelly["size"] is falls["size"] is None
    bolder = sized(*asked, "--liquidation-probability", "20%")["rules"][1]
    assert Decimal(bolder["size"]) > Decimal(chance["size"])
    assert "within 1 day" in chance["reason"]


def dated(tmp_path: Path, day: int | None) -> str:
    """Write the book at the end of a day of `bars`; without its time for none."""
    document = json.loads(BOOK.read_text())
    document.pop("as_of", None)
    if day is not None:
        document["as_of"] = datetime.fromtimestamp(86_400 * (19_000 + day), tz=UTC).isoformat()
    file = tmp_path / f"book{day}.json"
    file.write_text(json.dumps(document))
    return str(file)


def notes_of(file: str, *arguments: str) -> tuple[Decimal, str]:
    """Return the size that the chance of liquidation allows, and all notes."""
    asked = ("--instrument", "BTCUSDT", "--horizon", "1d", "--liquidation-probability", "5%")
    found = json.loads(run(file, *asked, *arguments, "--json").output)
    return Decimal(found["rules"][1]["size"]), " ".join(found["notes"])


def test_what_came_after_the_account_counts_only_where_it_is_asked(tmp_path: Path) -> None:
    source = ("--returns", bars(tmp_path / "days.parquet"))
    rows = pl.read_parquet(source[1])
    cut = tmp_path / "cut.parquet"
    rows.filter(pl.col("ts_ms") < 86_400_000 * 19_060).write_parquet(cut)
    early = dated(tmp_path, 60)
    size, notes = notes_of(early, *source)
    assert size == notes_of(early, "--returns", str(cut))[0]
    assert "bars after 2022-03-09 00:00 UTC are left out: nobody knew them then" in notes
    assert "left out" not in notes_of(dated(tmp_path, 400), *source)[1]
    whole, told = notes_of(early, *source, "--until", "end")
    assert whole != size
    assert "count: --until asked it" in told
    assert notes_of(dated(tmp_path, None), *source) == (
        whole,
        told.replace(
            "changes after the account's own time 2022-03-09 00:00 UTC count: --until asked it",
            "the account tells no time (as_of): the history is taken to its own end",
        ),
    )
    assert notes_of(early, *source, "--until", "2022-03-09")[0] == size
    refused = run(early, "--instrument", "BTCUSDT", *source, "--until", "soon")
    assert refused.exit_code == ExitCode.BAD_INPUT


def test_sigmas_are_told_with_what_measures_them(tmp_path: Path) -> None:
    source = bars(tmp_path / "days.parquet")
    asked = ("--returns", source, "--liquidation-probability", "5%", "--horizon", "1d")
    shown = run(str(BOOK), "--instrument", "BTCUSDT", *asked)
    text = " ".join(shown.output.split())
    assert "sigmas of a day: BTC 3." in text
    assert "299 changes of 1 day, 2022-01-10" in text
    assert "covariance of all these changes alike" in text
    assert "`keelmark risk` and its report filter them to now" in text
    assert "at the size held now it is " in text
    assert "crashes come more often than normal steps" in text
    assert widest(shown.output) <= 80
    given = run(str(BOOK), "--instrument", "BTCUSDT", "--mu", "10%", "--sigma", "4%/day")
    assert "sigmas of a day: BTC 4.00 %, as given: --sigma" in " ".join(given.output.split())


def test_rows_of_unknown_span_size_nothing(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    draws = generator_of(7).normal(0.0, 0.03, (60, 2))
    pl.DataFrame({"BTC": draws[:, 0], "ETH": draws[:, 1]}).write_csv(path)
    asked = ("--returns", str(path), "--mu", "40%", "--liquidation-probability", "5%")
    _, chance, kelly, _ = sized("--instrument", "BTCUSDT", *asked)["rules"]
    assert chance["size"] is kelly["size"] is None
    assert "are of a row, not of a day" in chance["reason"]
    assert "are of a row, not of a day" in kelly["reason"]


def test_the_chance_of_what_is_held_is_told_where_it_is_of_that_side(tmp_path: Path) -> None:
    source = bars(tmp_path / "days.parquet")
    asked = ("--returns", source, "--liquidation-probability", "5%", "--horizon", "1d")
    held = sized("--instrument", "ETHUSDT", *asked)
    now = float(held["rules"][1]["reason"].partition("held now it is ")[2].split()[0]) / 100
    is_more = Decimal(held["held"]) > Decimal(held["rules"][1]["size"])
    assert (now > 0.05) == is_more
    other = sized("--instrument", "ETHUSDT", "--side", "short", *asked)
    assert "held now" not in other["rules"][1]["reason"]


def test_risk_constrained_kelly_is_the_share_that_falls_so_seldom() -> None:
    asked = ("--mu", "60%", "--sigma", "80%", "--fall", "70%", "--fall-probability", "10%")
    found = json.loads(run(*asked, "--json").output)
    full = 0.6 / 0.64
    share = 2.0 / (1.0 + 6.455696235812881)
    assert found["binding"] == "risk-constrained Kelly"
    assert float(found["leverage"]) == pytest.approx(share * full)
    shown = sized("--instrument", "BTCUSDT", "--side", "short", "--mu", "-90%", *asked[2:])
    assert [rule["name"] for rule in shown["rules"]][3] == "risk-constrained Kelly"
    assert run("--sigma", "80%", "--mu", "1%", "--fall-probability", "0").exit_code == 64
