"""Put the page together: one file, no script, nothing fetched."""

from functools import cache
from importlib import resources
from string import Template

from keelmark.accounts.markup import Html, element, joined, palette
from keelmark.risk.risk_report import sections
from keelmark.risk.risk_report.first_screen import first_screen
from keelmark.risk.risk_report.model import Report

SIZE_MAX = 1_000_000
"""Bytes a page may have."""

PARTS = (
    ("contributions", "Contributions"),
    ("distribution", "Distribution"),
    ("over-time", "Over time"),
    ("stress", "Stress"),
    ("reverse", "What would do it"),
    ("positions", "Positions"),
    ("exposure", "Exposure"),
    ("sizing", "Sizing"),
    ("method", "Method"),
)


def render(report: Report) -> str:
    """Return the whole page; equal reports give equal pages."""
    body = joined(
        (
            first_screen(report),
            sections.contributions(report.tails),
            sections.pictures(report),
            sections.stresses(report.stresses),
            sections.reverse(report.reverse),
            sections.positions(report),
            sections.exposure(report.portfolio),
            sections.sizing(report.headroom),
            sections.method(report),
        )
    )
    return Template(_asset("page.html")).substitute(
        title=joined((report.title,)),
        style=palette() + _asset("page.css"),
        navigation=_navigation(),
        body=body,
    )


def _navigation() -> Html:
    return joined(element("a", title, href=f"#{name}") for name, title in PARTS)


@cache
def _asset(name: str) -> str:
    return (resources.files("keelmark.risk.risk_report") / name).read_text(encoding="utf-8")
