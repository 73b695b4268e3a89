"""The page of a watch in a real browser: accounts worst first, each opened, alerts taken on."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, expect

from keelmark.service.watch.daemon import Daemon
from keelmark.service.watch.front import Front, served
from keelmark.service.watch.once import look_once
from tests.service.dashboard.browser import Watched, needs_chromium
from tests.service.watch.test_front import a_desk
from tests.service.watch.test_watch import document

pytestmark = [needs_chromium, pytest.mark.slow]
SOON_MS = 15_000
PHONE_WIDTH = 390
Desk = tuple[Daemon, Front]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    watch = a_desk(tmp_path)
    with served(watch, tmp_path) as front:
        assert front is not None
        look_once(watch)
        watch.step(0)
        yield watch, front
    watch.store.close()


def opened(browser: Browser, front: Front) -> Watched:
    """Return a page that is signed in with the first key."""
    found = Watched(browser)
    headers = {"X-Keelmark": "1", "Origin": front.url}
    answer = httpx.post(f"{front.url}/session", json={"key": front.first_key}, headers=headers)
    found.context.add_cookies(
        [{"name": n, "value": v, "url": front.url} for n, v in answer.cookies.items()]
    )
    found.page.goto(front.url)
    return found


def test_a_desk_is_seen_worst_first_opened_and_taken_care_of(browser: Browser, desk: Desk) -> None:
    expect.set_options(timeout=SOON_MS)
    watch, front = desk
    watched = opened(browser, front)
    page = watched.page
    rows = page.locator("section[aria-labelledby=accounts] tbody tr")
    expect(rows).to_have_count(3)
    assert [row.locator("th").inner_text() for row in rows.all()] == ["torn", "near", "far"]
    expect(rows.nth(0)).to_contain_text("UNKNOWN")
    expect(rows.nth(0)).to_contain_text("torn.json")
    expect(rows.nth(1)).to_contain_text("none told")

    page.get_by_role("button", name="Take on").click()
    page.get_by_label("Reason, kept in the audit trail").fill("adding collateral")
    page.get_by_role("dialog").get_by_role("button", name="Take on").click()
    expect(page.get_by_role("cell", name="bootstrap (")).to_be_visible()

    file = Path(watch.desk.config.accounts[0].document)  # the far one falls: the page hears of it
    file.write_text(json.dumps(document(collateral=[])))
    watch._outcomes.put(watch.read("far"))  # noqa: SLF001 as its reader does
    watch.step(0)
    expect(rows.nth(0)).to_contain_text("far")

    page.set_viewport_size({"width": PHONE_WIDTH, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE_WIDTH
    page.get_by_role("link", name="near").click()
    expect(page.locator("svg.gauge")).to_be_visible()
    expect(page.get_by_role("heading", name="Against the venue")).to_be_visible()
    expect(page.get_by_role("heading", name="Controls")).to_have_count(0)
    expect(page.get_by_role("heading", name="Way out")).to_be_visible()
    page.wait_for_load_state("networkidle")
    assert watched.complaints == []
    assert watched.elsewhere == []
    watched.context.close()
