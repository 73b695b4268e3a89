"""What a slider answers with at once is what the core answers a moment later."""

import json
from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from playwright.sync_api import Browser, Page

from keelmark.accounts import Account, read_account
from keelmark.accounts.snapshot_age import Freshness
from keelmark.core.margin import margin_report
from keelmark.risk.edit_text import parse_edit
from keelmark.risk.what_if import whatif
from keelmark.service import dashboard
from keelmark.service.views.desk import Found
from keelmark.service.views.face import face
from tests.risk.strategies import documents
from tests.service.dashboard.browser import needs_chromium

pytestmark = needs_chromium
FOLDER = Path(dashboard.__file__).parent
WITHIN = 1e-9
EVALUATE = """async ([units, edits, fee]) => {
  const { afterDraft, marginOf } = await import("/margin.js");
  const { draftOf, editsOf } = await import("/draft.js");
  const draft = draftOf(edits);
  const margins = units.map((unit) => marginOf(afterDraft(unit, draft, fee)));
  return { edits: editsOf(draft), margins };
}"""


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def modules(browser: Browser) -> Iterator[Page]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(FOLDER)))
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    page = browser.new_page()
    page.goto(f"http://127.0.0.1:{server.server_port}/mark.svg")
    yield page
    page.close()
    server.shutdown()
    server.server_close()
    thread.join()


def account_of(document: dict[str, Any]) -> Account:
    return read_account(json.dumps(document))


def the_face(account: Account) -> dict[str, Any]:
    found = Found(account=account, name="a", position=1, time_ms=0, freshness=Freshness())
    return face(found)


def near(found: float | None, wanted: Decimal, scale: float) -> bool:
    return found is not None and abs(found - float(wanted)) <= WITHIN * scale


@given(document=documents())
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_page_margins_a_unit_as_the_core_does(modules: Page, document: dict[str, Any]) -> None:
    account = account_of(document)
    units = the_face(account)["units"]
    answer = modules.evaluate(EVALUATE, [units, [], 0])
    for plain, told, found in zip(account.units, units, answer["margins"], strict=True):
        report = margin_report(plain, account.market, account.model)
        scale = max(1.0, sum(abs(row["cost"]) for row in told["positions"]), abs(found["equity"]))
        assert told["exact"]
        assert near(found["equity"], report.equity, scale)
        assert near(found["maintenance"], report.maintenance_margin, scale)
        assert found["lost"] == report.is_liquidatable


@st.composite
def drafts(draw: st.DrawFn, document: dict[str, Any]) -> list[str]:
    """Edits that sliders make, in the order the page writes them."""
    cross = [row for row in document["positions"] if row.get("margin_mode") != "isolated"]
    money = [f"deposit USDT={draw(st.integers(1, 500_000))}"] if draw(st.booleans()) else []
    share = draw(st.sampled_from(["0.5", "1.5", "-0.25", "2"]))
    sizes = [
        f"resize {row['instrument']}={Decimal(row['size']) * Decimal(share):f}"
        for row in cross[:1]
        if draw(st.booleans())
    ]
    coin = draw(st.sampled_from(["BTC", "ETH", "all"]))
    moves = [f"price {coin}={draw(st.integers(-30, 30)) or 1}%"] if draw(st.booleans()) else []
    held = {row["instrument"][:3] for row in document["positions"]} | {"BTC", "all"}
    return [*money, *sizes, *(moves if coin in held else [])]


@given(data=st.data(), document=documents())
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_an_estimate_is_the_exact_answer_to_the_same_edits(
    modules: Page, data: st.DataObject, document: dict[str, Any]
) -> None:
    edits = data.draw(drafts(document))
    account = account_of(document)
    result = whatif(account, *edits)
    fee = float(result.fee_rate)
    answer = modules.evaluate(EVALUATE, [the_face(account)["units"], edits, fee])
    after = result.after.account
    for plain, found in zip(after.units, answer["margins"], strict=True):
        report = margin_report(plain, after.market, after.model)
        scale = max(1.0, *(abs(float(p.cost)) for p in plain.positions), abs(found["equity"]))
        assert near(found["equity"], report.equity, scale)
        assert near(found["maintenance"], report.maintenance_margin, scale)


def test_edits_in_an_address_are_the_words_of_the_command_line(modules: Page) -> None:
    edits = [
        "deposit USDT=1000",
        "withdraw BTC=0.5",
        "resize BTCUSDT=-2.25",
        "close ETHUSDT",
        "price all=-7.5%",
    ]
    assert modules.evaluate(EVALUATE, [[], edits, 0])["edits"] == edits
    assert [parse_edit(edit) for edit in edits]
