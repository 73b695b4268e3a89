"""Put the page together: one file, nothing fetched, nothing run but its own script."""

from base64 import b64encode
from functools import cache
from hashlib import sha256
from importlib import resources
from pathlib import Path
from string import Template

from keelmark.accounts.markup import Html, element, joined, json_block, palette
from keelmark.core.errors import InvalidInput
from keelmark.core.numbers import exact
from keelmark.lab.report.cases import cases_section
from keelmark.lab.report.closing import closing, detail_tables
from keelmark.lab.report.comparisons import comparisons
from keelmark.lab.report.first_screen import first_screen
from keelmark.lab.report.model import ReplayReport
from keelmark.lab.report.payload import payload
from keelmark.lab.report.payments import paid_section
from keelmark.lab.report.pictures import pictures

PACKAGE = "keelmark.lab.report"
SCRIPTS = ("core.js", "timeline.js", "map.js", "distance.js", "tables.js")
SIZE_MAX = 3_000_000
PARTS = (
    ("timeline", "Timeline"),
    ("map", "Map"),
    ("distance", "Distance"),
    ("paid", "Who paid"),
    ("cases", "Cases"),
    ("policies", "Policies"),
    ("tables", "Tables"),
    ("method", "Method"),
    ("limits", "Limits"),
    ("words", "Words"),
)


def render(report: ReplayReport) -> str:
    """Return the whole page; equal reports give equal pages."""
    script = _script()
    with exact():
        body = _body(report)
        block = json_block(payload(report))
    return Template(_asset("report.html")).substitute(
        title=joined((report.headline.title,)),
        policy=_policy(script),
        style=palette() + _asset("report.css"),
        navigation=_navigation(),
        scenario=joined((report.headline.scenario,)),
        body=body,
        data=block,
        script=script,
    )


def write(report: ReplayReport, path: Path) -> None:
    """Write the page.

    Raises:
        InvalidInput: It would be larger than a page that opens at once may be.
    """
    page = render(report).encode()
    if len(page) > SIZE_MAX:
        msg = (
            f"{path}: the page would have {len(page):,} bytes, {SIZE_MAX:,} is the most; "
            "use longer steps in the timeline, fewer instruments or bins in the maps, or fewer "
            "instants in the distances"
        )
        raise InvalidInput(msg)
    path.write_bytes(page)


def _body(report: ReplayReport) -> Html:
    currency = report.headline.currency
    return joined(
        (
            element(
                "header", first_screen(report.headline, report.attributions, report.mark_models)
            ),
            pictures(report),
            paid_section(report.attributions),
            cases_section(report.cases, currency),
            comparisons(report.policies, report.mark_models, report.feedback, currency),
            detail_tables(report),
            closing(report),
        )
    )


def _navigation() -> Html:
    return joined(element("a", title, href=f"#{name}") for name, title in PARTS)


def _policy(script: str) -> Html:
    """Allow this script by its hash and no other, and no request to anywhere."""
    digest = b64encode(sha256(script.encode()).digest()).decode()
    rules = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    return element("meta", http_equiv="Content-Security-Policy", content=rules)


@cache
def _script() -> str:
    parts = (_asset(name).removeprefix('"use strict";\n') for name in SCRIPTS)
    return '"use strict";\n' + "".join(parts)


@cache
def _asset(name: str) -> str:
    return (resources.files(PACKAGE) / name).read_text(encoding="utf-8")
