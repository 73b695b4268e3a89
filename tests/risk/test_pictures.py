"""Pictures: written as their ending says, one file without outside requests, or a plain message."""

import json
import re
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from keelmark.accounts import read_account
from keelmark.risk.ladders import Ladder, ladder
from keelmark.risk.surfaces import Surface, surface
from tests.risk.test_ladders import book

pytest.importorskip("matplotlib", reason="pictures need keelmark[plot]")

ROWS = (("BTCUSDT", "1", "60000"), ("ETHUSDT", "-20", "3000"))


def a_ladder() -> Ladder:
    return ladder(read_account(json.dumps(book(*ROWS))), "BTC", steps=9)


def a_surface() -> Surface:
    return surface(read_account(json.dumps(book(*ROWS))), "BTC", "ETH", steps=9)


@pytest.mark.parametrize(
    ("ending", "start"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".html", b"<!doctype html>")]
)
def test_a_picture_is_written_as_its_ending_says(tmp_path: Path, ending: str, start: bytes) -> None:
    drawn = a_ladder().plot_ladder(tmp_path / f"ladder{ending}")
    also = a_surface().plot_surface(str(tmp_path / f"surface{ending}"))
    for path in (drawn, also):
        assert path.read_bytes().startswith(start)


def test_a_page_asks_nobody_for_anything_and_has_the_numbers_behind_it(tmp_path: Path) -> None:
    found = a_surface()
    page = found.plot_surface(tmp_path / "surface.html").read_text()
    addresses = set(re.findall(r"(?:src|href)=[\"'](?!#)([^\"']+)", page))
    assert addresses == set()
    assert "url(http" not in page
    assert page.count("<tr>") == 81 + 1
    assert page.count("<svg") == 1


def test_a_picture_says_where_the_account_is_liquidated() -> None:
    from keelmark.risk.pictures import draw_ladder, draw_surface  # noqa: PLC0415 after the skip

    title = draw_ladder(a_ladder()).get_suptitle()
    assert title.startswith("BTC: liquidated below 40,")
    assert draw_surface(a_surface()).get_suptitle().startswith("Liquidated beyond the line: BTC -")


@pytest.mark.parametrize(
    ("usdt", "title"),
    [("99999999", "Nothing here liquidates"), ("1", "Liquidatable at present prices")],
)
def test_an_account_far_away_or_gone_is_drawn_too(tmp_path: Path, usdt: str, title: str) -> None:
    from keelmark.risk.pictures import draw_surface  # noqa: PLC0415 after the skip

    account = read_account(json.dumps(book(*ROWS, usdt=usdt)))
    found = surface(account, "BTC", "ETH", steps=5)
    assert draw_surface(found).get_suptitle().startswith(title)
    assert found.plot_surface(tmp_path / "far.png").stat().st_size > 0
    along = ladder(account, "all", low=Decimal("-0.2"), steps=5)
    assert along.plot_ladder(tmp_path / "far.svg").stat().st_size > 0


def test_without_matplotlib_the_install_line_is_named() -> None:
    code = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "from keelmark.core.errors import MissingExtra\n"
        "try:\n    import keelmark.risk.pictures\n"
        "except MissingExtra as error:\n    print(error)"
    )
    done = subprocess.run(  # noqa: S603 our own interpreter and text
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert 'pip install "keelmark[plot]"' in done.stdout
