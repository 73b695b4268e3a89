"""`keelmark ladder` and `keelmark surface`: text that fits a terminal, JSON, pictures."""

import json
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from keelmark.cli import main
from keelmark.cli.exit_codes import ExitCode

ROWS = [
    {"instrument": "BTCUSDT", "size": "1", "entry_price": "60000", "mark_price": "60000"},
    {"instrument": "ETHUSDT", "size": "-20", "entry_price": "3000", "mark_price": "3000"},
]
BOOK: dict[str, Any] = {
    "venue": "generic@2025-10",
    "collateral": [{"asset": "USDT", "balance": "20000"}],
    "positions": ROWS,
}


def invoke(*args: str, content: object = BOOK, color: bool = False) -> Result:
    command, *rest = args
    line = [command, "-", *rest]
    return CliRunner().invoke(main, line, input=json.dumps(content), color=color)


def test_a_ladder_says_first_where_it_ends() -> None:
    done = invoke("ladder", "BTC", "--from", "-50%", "--to", "0.5", "--steps", "5")
    assert done.exit_code == ExitCode.OK
    assert done.output == (
        "generic@2025-10  cross along BTC, in USDT\n"
        "  liquidated below 40,502.51 (-32.5 %)\n"
        "\n"
        "     move      price      equity   maint.  used\n"
        "  +50.0 %  90,000.00   50,000.00   750.00    1.5 %  ------------\n"
        "  +25.0 %  75,000.00   35,000.00   675.00    1.9 %  ------------\n"
        "    0.0 %  60,000.00   20,000.00   600.00    3.0 %  ------------  now\n"
        "  -25.0 %  45,000.00    5,000.00   525.00   10.5 %  #-----------\n"
        "  -32.5 %  40,502.51     502.513  502.513  100.0 %  ############  <- liquidation\n"
        "  -50.0 %  30,000.00  -10,000.00   450.00     none  XXXXXXXXXXXX\n"
        "\n"
        "  formulas change: BTCUSDT at entry (0.0 %)\n"
        "  next: `--plot ladder.png` draws it - `--json` has every rung\n"
    )


def test_a_surface_is_a_grid_of_shares() -> None:
    done = invoke("surface", "BTC", "ETH", "--steps", "5", "--from", "-50%", "--to", "0.5")
    assert done.exit_code == ExitCode.OK
    assert done.output == (
        "generic@2025-10  cross over BTC (across) and ETH (up), in USDT\n"
        "  share of equity that maintenance takes, in per cent\n"
        "\n"
        "    +50%   LIQ   LIQ   LIQ    16     4\n"
        "    +25%   LIQ   LIQ    14     4     2\n"
        "      0%   LIQ    10   [3]     2     2\n"
        "    -25%     8     2     2     1     1\n"
        "    -50%     2     1     1     1     1\n"
        "          -50%  -25%    0%  +25%  +50%\n"
        "\n"
        "  LIQ is liquidatable, 24.0 % of the grid; [ ] is now\n"
        "  next: `--plot surface.png` draws the liquidation line - `--json`: every point\n"
    )


@pytest.mark.parametrize(
    "args",
    [
        ("ladder",),
        ("ladder", "BTC"),
        ("ladder", "--vector", "BTC=1", "--vector", "ETH=-0.5"),
        ("surface", "BTC", "ETH"),
        ("surface", "BTCUSDT", "ETH", "--steps", "12"),
    ],
)
@pytest.mark.parametrize("scale", ["1", "100000", "0.00001"])
def test_no_line_is_wider_than_eighty_columns(args: tuple[str, ...], scale: str) -> None:
    rows = [{**row, "size": f"{float(str(row['size'])) * float(scale):f}"} for row in ROWS]
    done = invoke(*args, content={**BOOK, "positions": rows})
    assert done.exit_code == ExitCode.OK, done.output
    assert max(map(len, done.output.splitlines())) <= 80


@pytest.mark.parametrize("args", [("ladder", "BTC"), ("surface", "BTC", "ETH")])
def test_the_same_words_stand_with_and_without_colour(args: tuple[str, ...]) -> None:
    done = invoke(*args, color=True)
    assert "\x1b[" in done.output
    assert click.unstyle(done.output) == invoke(*args).output


def test_the_json_has_every_rung_and_point() -> None:
    ladder = json.loads(invoke("ladder", "BTC", "--steps", "5", "--json").output)
    assert len(ladder["rungs"]) == 6
    assert ladder["rungs"][-1]["equity"] == "50000"
    surface = json.loads(invoke("surface", "BTC", "ETH", "--steps", "3", "--json").output)
    assert surface["margins"][0][0]["equity"] == "20000"
    assert surface["x"]["moves"] == ["-0.5", "0", "0.5"]


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (("ladder", "BTX"), 64, "did you mean 'BTC'?"),
        (("ladder", "BTC", "--from", "-100%"), 64, "takes a price of BTC to zero"),
        (("ladder", "BTC", "--from", "x"), 64, "write -0.3 or -30%"),
        (("ladder", "BTC", "--vector", "BTC=1"), 64, "give one of them"),
        (("ladder", "--vector", "BTC"), 64, "write each coin once, as BTC=1"),
        (("ladder", "--vector", "BTC=1", "--vector", "BTC=2"), 64, "write each coin once"),
        (("ladder", "BTC", "--plot", "x.gif"), 64, "end it with .png, .svg, .html"),
        (("surface", "BTC", "BTCUSDT"), 64, "choose two prices that move apart"),
        (("surface", "BTC"), 64, "Missing argument 'Y'"),
        (("surface", "BTC", "ETH", "--from", "1"), 64, "must be below the upper one"),
    ],
)
def test_bad_usage_is_named(args: tuple[str, ...], code: int, message: str) -> None:
    done = invoke(*args)
    assert done.exit_code == code
    assert message in done.output


def test_a_missing_price_is_unknown() -> None:
    content = {**BOOK, "collateral": [{"asset": "SOL", "balance": "1"}]}
    done = invoke("ladder", "BTC", content=content)
    assert done.exit_code == ExitCode.UNKNOWN
    assert "no asset price for SOL in snapshot as given; add" in done.output
    assert '"prices": {"SOL": "1.25"} to the document' in done.output


def test_a_picture_is_drawn_where_asked(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="pictures need keelmark[plot]")
    path = tmp_path / "ladder.svg"
    done = invoke("ladder", "BTC", "--plot", str(path))
    assert f"drawn: {path}" in done.output
    assert path.read_text().startswith("<?xml")
    lost = invoke("surface", "BTC", "ETH", "--plot", str(tmp_path / "no" / "surface.svg"))
    assert lost.exit_code == ExitCode.BAD_INPUT
    assert "choose another place for --plot" in lost.output
