"""The page of the risk report: its figures, its form, and that it asks nobody for anything."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from keelmark.accounts.markup import VOID
from keelmark.risk.risk_report.model import Report
from keelmark.risk.risk_report.page import PARTS, SIZE_MAX, render
from keelmark.risk.risk_report.texts import chance, money, span
from tests.risk.risk_report.example import example

OUTSIDE = re.compile(r"https?:|//[a-z]|@import|url\(|<script|\bsrc=|\bon\w+=", re.IGNORECASE)
HOSTILE = "</style><script>alert('1')</script><img src=x onerror=alert(2)>"


class Page(HTMLParser):
    """Elements and text of a page; every element must be closed in its order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.words: list[str] = []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if given.get("id"):
            self.ids.append(str(given["id"]))
        if tag == "a":
            self.links.append(str(given["href"]))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)

    @property
    def text(self) -> str:
        """Everything that is read, its spaces plain."""
        joined = " ".join(" ".join(self.words).split())
        return joined.replace("\N{NARROW NO-BREAK SPACE}", " ").replace("\N{MINUS SIGN}", "-")


@pytest.fixture(scope="module")
def report() -> Report:
    return example()


@pytest.fixture(scope="module")
def page(report: Report) -> Page:
    return Page(render(report))


def test_the_page_is_well_formed_and_every_link_points_at_a_part(page: Page) -> None:
    assert len(page.ids) == len(set(page.ids))
    assert {link.removeprefix("#") for link in page.links} <= set(page.ids)
    assert {name for name, _ in PARTS} <= set(page.ids)


def test_the_page_asks_nobody_for_anything_and_is_small(report: Report) -> None:
    text = render(report)
    assert OUTSIDE.search(text.replace("http-equiv", "")) is None
    assert "default-src 'none'" in text
    assert len(text.encode()) < SIZE_MAX / 4
    assert text.startswith("<!doctype html>")


def test_equal_reports_give_equal_pages(report: Report) -> None:
    assert render(report) == render(example())


@pytest.mark.parametrize(
    "words",
    [
        "RED",
        "-7.7 %",
        "all together",
        "within 1 day 2.34 % 2.11 % to 2.57 %",
        "within 7 days 12.0 %",
        "VaR 99 % 490.0 k 47.5 % of worth",
        "worth 1.031 M USDT",
        "leverage 8.17x notional over equity",
        "BTC -8.1 %, USDE 0.97: a 2.9 sigma day",
        "ES 99 % within 1 day is 495.0 k; the legs sum to it. ETHUSDT is 102 %",
        "of it; BTCUSDT takes from it.",
        "1,001 scenarios of 1 day: 5.00 % liquidate",
        "Liquidated: 5 % by 2.5 days.",
        "1 of 2 liquidate it: March 2020.",
        "March 2020 LIQUIDATED -900.0 k -20.0 k BTC -39 %",
        "FTX holds -100.0 k +400.0 k",
        "USDE to 0.97",
        "close a tenth of ETHUSDT +0.310",
        "BTCUSDT long 109.488 3,500,032.46",
        "ETH is 58 % of the gross exposure; it is as concentrated as 1.9 equal coins",
        "334.976 10.39x unknown",
        "seed 7",
        "Prices do not jump.",
    ],
)
def test_the_page_says_what_the_report_says(page: Page, words: str) -> None:
    assert words in page.text


def test_the_gauge_stands_on_the_first_screen(report: Report) -> None:
    text = render(report)
    assert 'aria-label="maintenance takes 41.5 % of equity"' in text
    assert text.index("maintenance takes") < text.index('id="contributions"')


def test_what_cannot_be_had_says_why(report: Report) -> None:
    why = "no returns of KEEL are given"
    poor = replace(
        report,
        portfolio=why,
        tails=why,
        chances=why,
        reverse=why,
        stresses=why,
        headroom=why,
        worth=None,
    )
    found = Page(render(poor))
    assert found.text.count(f"unknown: {why}") == 11
    assert "worth unknown" in found.text


def test_hostile_names_stay_text(report: Report) -> None:
    bad = replace(
        report,
        title=HOSTILE,
        limits=(HOSTILE,),
        others=(HOSTILE,),
        facts=((HOSTILE, HOSTILE),),
        stresses=HOSTILE,
    )
    text = render(bad)
    assert "<script" not in text
    assert "<img" not in text


def test_bars_are_as_long_as_what_they_stand_for(report: Report) -> None:
    text = render(report)
    bars = re.findall(r'<rect x="([\d.]+)" y="1" width="([\d.]+)"[^>]*class="(lost|gained)"', text)
    assert ("50.00", "50.00", "lost") in bars  # the largest leg, from the middle
    assert ("49.01", "0.99", "gained") in bars  # 10,000 of 505,000 to the other side
    assert ("0.00", "100.00", "lost") not in bars


def test_the_distribution_counts_every_scenario_once(report: Report) -> None:
    text = render(report)
    start = text.index('id="distribution"')
    heights = re.findall(
        r'height="([\d.]+)" class="(lost|kept)"', text[start : text.index("</svg>", start)]
    )
    lost = [float(height) for height, kind in heights if kind == "lost"]
    assert 1 <= len(lost) <= 5
    assert len(heights) >= 40


@pytest.mark.parametrize(
    ("probability", "words"),
    [
        (0.0, "0 %"),
        (0.5, "50.0 %"),
        (0.0234, "2.34 %"),
        (0.00052, "0.052 %"),
        (2e-6, "1 in 500,000"),
    ],
)
def test_probabilities_are_told_by_size(probability: float, words: str) -> None:
    assert chance(probability).replace("\N{NARROW NO-BREAK SPACE}", " ") == words


def test_unknown_money_and_short_times_are_words() -> None:
    assert money(None) == "unknown"
    assert span(1 / 24) == "1 hour"
    assert span(0.25) == "6 hours"
    assert span(0.01) == "14.4 minutes"
    assert span(30.0) == "30 days"
