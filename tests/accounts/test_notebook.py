"""What a check looks like in a notebook: HTML without scripts or requests, and pictures."""

import json
import subprocess
import sys
from html.parser import HTMLParser
from typing import Any

import pytest

import keelmark as km
from keelmark.accounts import AccountCheck
from keelmark.accounts.gauge import beam, gauge_of, outline
from keelmark.accounts.notebook import STYLE
from keelmark.core.errors import InvalidInput


def row(symbol: str, size: str, **changes: object) -> dict[str, Any]:
    base = {"instrument": symbol, "size": size, "entry_price": "60000", "mark_price": "60000"}
    return {**base, "leverage": "10", **changes}


def found(*positions: dict[str, Any], balance: str = "20000", **changes: object) -> AccountCheck:
    collateral = [{"asset": "USDT", "balance": balance}]
    document = {"venue": "generic", "collateral": collateral, "positions": positions, **changes}
    return km.check(km.read_account(json.dumps(document)))


class Balanced(HTMLParser):
    """Notes every tag that is closed without being open, or left open."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.wrong: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)


def unbalanced(html: str) -> list[str]:
    parser = Balanced()
    parser.feed(html)
    return parser.wrong + parser.open


def test_a_notebook_shows_every_unit_with_its_word_its_measures_and_its_positions() -> None:
    isolated = row("ETHUSDT", "-1", margin_mode="isolated", isolated_margin="7000")
    html = found(row("BTCUSDT", "1"), isolated)._repr_html_()
    assert html.count('<div class="km">') == 3  # the account, then its units
    for text in ("generic@2025-10, cross", "isolated:ETHUSDT", "equity, USDT", "20,000.00"):
        assert text in html
    assert '<span class="level green">GREEN</span>BTCUSDT -33.0 % liquidates' in html
    assert '<span class="short">short</span>' in html
    assert unbalanced(html) == []


def test_a_page_runs_nothing_and_asks_nobody() -> None:
    html = found(row("BTCUSDT", "1"))._repr_html_()
    for word in ("<script", "http", "url(", "@import", "src="):
        assert word not in html
    assert "prefers-color-scheme:dark" in STYLE
    assert 'data-jp-theme-light="false"' in STYLE


def test_texts_of_a_document_are_shown_and_never_run() -> None:
    reason = {"what": "orders", "why": "<script>alert(1)</script>"}
    html = found(row("BTCUSDT", "1"), unknown=[reason])._repr_html_()
    assert "<script" not in html
    assert "&lt;script&gt;" in html


def test_what_is_unknown_says_what_is_missing() -> None:
    html = found(row("BTCUSDT", "1"), collateral=[{"asset": "SOL", "balance": "1"}])._repr_html_()
    assert '<span class="level unknown">UNKNOWN</span>no price for SOL' in html
    assert ">unknown</span>" in html
    assert unbalanced(html) == []


def test_a_price_that_does_not_exist_keeps_its_reason() -> None:
    html = found(row("BTCUSDT", "1"), balance="900000")._repr_html_()
    assert 'title="no positive price of BTCUSDT' in html
    assert ">none</span>" in html


def test_a_venue_that_differs_is_shown_with_the_reason() -> None:
    html = found(row("BTCUSDT", "1"), venue_reported={"equity": "20000.02"})._repr_html_()
    assert "equity: venue 20,000.02, computed 20,000.00" in html
    html = found(row("BTCUSDT", "1"), venue_reported={"equity": "20000"})._repr_html_()
    assert "all 1 figures of the venue match to the printed digits" in html


def test_the_hull_is_as_full_as_maintenance_has_taken_of_equity() -> None:
    check = found(row("BTCUSDT", "1"), balance="600")
    (unit,) = check.units
    gauge = gauge_of(unit.report, check.account.rulebook.liquidation)
    assert gauge is not None
    assert (float(gauge.level), gauge.marks[0].name) == (0.5, "liquidation")
    assert [mark.usage for mark in gauge.marks] == sorted(
        (mark.usage for mark in gauge.marks), reverse=True
    )
    assert max(height for _, height in outline(0.5)) == 0.5
    assert (beam(0), beam(1)) == (0, 1)
    assert gauge_of(None, check.account.rulebook.liquidation) is None


def test_an_account_under_water_is_full_to_the_load_line() -> None:
    html = found(row("BTCUSDT", "1"), balance="-5")._repr_html_()
    assert "maintenance takes over 100 % of equity" in html
    assert "LIQUIDATABLE" in html


def test_the_pictures_name_every_position_and_every_line() -> None:
    pytest.importorskip("matplotlib")
    check = found(row("BTCUSDT", "1"), row("ETHUSDT", "-0.3"))
    texts = [text.get_text() for axes in check.plot_distance().axes for text in axes.texts]
    assert {"red", "amber", "15 %", "30 %"} <= set(texts)
    assert sum("green" in text or "amber" in text for text in texts) >= 2
    labels = [label.get_text() for label in check.plot_distance().axes[0].get_yticklabels()]
    assert sorted(labels) == ["BTCUSDT long", "ETHUSDT short"]
    names = [text.get_text() for text in check.plot_gauge().axes[0].texts]
    assert any("now, " in name for name in names)
    assert any(name.endswith("liquidation") for name in names)


def test_an_account_without_a_price_still_has_a_picture_and_one_without_a_hull_says_so() -> None:
    pytest.importorskip("matplotlib")
    assert found(row("BTCUSDT", "1"), balance="900000").plot_distance().axes
    with pytest.raises(InvalidInput, match="no gauge to draw"):
        found().plot_gauge()


def test_neither_pictures_nor_frames_are_loaded_to_show_html() -> None:
    code = (
        "import sys, keelmark as km\n"
        "html = km.check(km.load_account('docs/examples/account.json'))._repr_html_()\n"
        "print(len(html) > 1000, {'matplotlib', 'polars', 'numpy'} & set(sys.modules))"
    )
    done = subprocess.run(  # noqa: S603 our own interpreter
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["True", "set()"]
