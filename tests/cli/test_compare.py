"""`keelmark compare`: the view and the JSON."""

import json
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from keelmark.cli import main
from keelmark.cli.exit_codes import ExitCode
from tests.risk.venues import CONTRACTS, PERPS

BOOK: dict[str, Any] = {
    "venue": "generic@2025-10",
    "collateral": [{"asset": "USDT", "balance": "20000"}],
    "positions": [
        {"instrument": "BTCUSDT", "size": "1", "entry_price": "61000", "mark_price": "60000"},
        {"instrument": "ETHUSDT", "size": "-10", "entry_price": "2900", "mark_price": "3000"},
    ],
}


@pytest.fixture
def venues(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.chdir(tmp_path)
    Path("perps.toml").write_text(PERPS)
    Path("contracts.toml").write_text(CONTRACTS)
    return ["--venue", "perps.toml", "--venue", "contracts.toml"]


def invoke(*options: str, content: object = BOOK, color: bool = False) -> Result:
    args = ["compare", "-", *options]
    return CliRunner().invoke(main, args, input=json.dumps(content), color=color)


def test_the_view_names_the_cheapest_venue_and_both_modes(venues: list[str]) -> None:
    done = invoke(*venues)
    assert done.exit_code == ExitCode.OK
    assert done.output == EXPECTED


EXPECTED = """\
the same book by venue
  rulebook                 verdict   initial    maint.  nearest  in
  generic@2025-10 (rules)  AMBER      900.00    450.00   29.4 %  USDT
  perps@2025-06            AMBER    3,600.00  1,800.00   27.6 %  USDC
  contracts@2025-06        AMBER      900.00    360.00   29.5 %  USD

  least initial margin: contracts@2025-06; least maintenance: contracts@2025-06;
    farthest from liquidation: contracts@2025-06

  liquidation price of  BTCUSDT long  ETHUSDT short
  generic@2025-10          42,361.81       4,746.27
  perps@2025-06            43,469.39       4,588.24
  contracts@2025-06        42,289.16       4,756.97

cross against isolated, in USDT
  collateral           verdict  initial  maint.  nearest   at stake
  as it is             AMBER     900.00  450.00   29.4 %  18,000.00
  all cross            AMBER     900.00  450.00   29.4 %  18,000.00
  isolated, initial    RED       900.00  450.00    0.5 %     300.00
  isolated, all split  AMBER     900.00  450.00   19.4 %   6,000.00
  isolated, initial: each leg has its initial margin and what it lost, the rest
    stays aside; all split: the rest is divided by maintenance; at stake: equity
    of the nearest unit

  note: generic@2025-10 is a set of rules, not a venue: it is never named the
    best
  note: no leverage is given: initial margin is at the largest each venue allows
  note: USDT counts one to one as USDC (perps@2025-06)
  note: USDT is one USD there (contracts@2025-06)
  next: `keelmark whatif - --venue NAME`
"""


@pytest.mark.parametrize("scale", ["1", "100000", "0.00001"])
def test_no_line_is_wider_than_eighty_columns(venues: list[str], scale: str) -> None:
    rows = [{**r, "size": f"{float(r['size']) * float(scale):f}"} for r in BOOK["positions"]]
    more = {**rows[0], "instrument": "1000000MOGUSDT", "entry_price": "1", "mark_price": "1"}
    for options in (venues, []):
        done = invoke(*options, content={**BOOK, "positions": [*rows, more]})
        assert done.exit_code == ExitCode.OK, done.output
        assert max(map(len, done.output.splitlines())) <= 80


def test_the_same_words_stand_with_and_without_colour(venues: list[str]) -> None:
    done = invoke(*venues, color=True)
    assert "\x1b[" in done.output
    assert click.unstyle(done.output) == invoke(*venues).output


def test_the_json_has_both_comparisons(venues: list[str]) -> None:
    found = json.loads(invoke(*venues, "--json").output)
    names = [row["name"] for row in found["venues"]["alternatives"]]
    assert names == ["generic@2025-10", "perps@2025-06", "contracts@2025-06"]
    assert [row["name"] for row in found["modes"]["alternatives"]][1:] == [
        "cross",
        "isolated",
        "split",
    ]


def test_an_unknown_venue_is_named_and_the_rest_still_compared() -> None:
    done = invoke("--venue", "nowhere")
    assert done.exit_code == ExitCode.OK
    assert "unknown: under nowhere: no rulebook 'nowhere'" in done.output
