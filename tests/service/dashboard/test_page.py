"""The page in a real browser on the real application: what it shows, does, and never asks."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from keelmark.service.folder import Folder
from keelmark.service.security.roles import Role
from tests.service.dashboard.browser import Watched, needs_chromium
from tests.service.dashboard.served import Served, served

pytestmark = [needs_chromium, pytest.mark.slow]
SLOW_MS = 60_000
"""The first pass over a fleet compiles its kernels."""
expect.set_options(timeout=SLOW_MS)
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("dashboard")) as running:
        yield running


@pytest.fixture(scope="module")
def watched(browser: Browser, service: Served) -> Iterator[Watched]:
    """A risk admin's browser; what its page complains of fails the test that opened it last."""
    found = signed_in(browser, service, Role.RISK_ADMIN)
    yield found
    found.context.close()


def signed_in(browser: Browser, service: Served, role: Role, **context: Any) -> Watched:  # noqa: ANN401 as Playwright names them
    found = Watched(browser, **context)
    found.context.add_cookies(service.cookies(role))
    found.page.goto(service.base)
    return found


def shown(watched: Watched, service: Served, view: str) -> Page:
    """Open a view."""
    watched.page.goto(f"{service.base}/#/{view}")
    return watched.page


def test_a_visitor_without_a_key_signs_in_and_is_at_the_view_of_the_link(
    browser: Browser, service: Served
) -> None:
    visitor = Watched(browser)
    page = shown(visitor, service, "desk/alice")
    page.get_by_label("API key").fill(service.api.texts[Role.VIEWER])
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="What if")).to_be_visible()
    assert "km_" not in page.url
    visitor.context.close()


def test_no_request_leaves_the_machine_and_the_policy_is_kept(
    watched: Watched, service: Served
) -> None:
    page = shown(watched, service, "venue")
    expect(page.locator(".map svg")).to_be_visible()
    page.goto(f"{service.base}/#/desk/alice")
    expect(page.get_by_role("heading", name="Way out")).to_be_visible()
    expect(page.get_by_role("table", name="Chance of liquidation")).to_be_visible()
    page.goto(f"{service.base}/#/desk/empty")
    expect(page.get_by_text("No position is held.")).to_be_visible()
    page.goto(f"{service.base}/#/audit")
    expect(page.get_by_role("heading", name="Audit trail")).to_be_visible()
    assert watched.elsewhere == []
    assert watched.refused == []
    assert watched.complaints == []


def test_the_map_is_read_with_arrow_keys(watched: Watched, service: Served) -> None:
    page = shown(watched, service, "venue?instrument=BTCUSDT&move=-0.05")
    reading = page.get_by_role("slider", name=re.compile("Liquidated notional of BTCUSDT"))
    reading.focus()
    before = reading.get_attribute("aria-valuetext")
    page.keyboard.press("ArrowLeft")
    expect(reading).not_to_have_attribute("aria-valuetext", before or "")
    assert "move=-0.055" in page.url
    page.keyboard.press("Home")
    assert (reading.get_attribute("aria-valuetext") or "").startswith("falls")


def test_a_slider_answers_exactly_what_the_service_does(watched: Watched, service: Served) -> None:
    page = shown(watched, service, "desk/alice")
    slider = page.get_by_label("price of BTC")
    slider.focus()
    for _ in range(4):
        page.keyboard.press("ArrowLeft")
    after = page.locator("[data-figure=equity]")
    expect(after).to_be_visible()
    expect(page.locator(".exact")).to_be_visible()
    answer = service.ask("POST", "/v1/accounts/alice/whatif", {"edits": ["price BTC=-2%"]})
    exact = answer.json()["difference"]["units"][0]["equity"]["after"]
    assert after.get_attribute("title") == exact
    assert float((after.text_content() or "").replace(",", "").replace("\u2212", "-")) == float(
        exact
    )


def test_an_estimate_is_there_before_the_service_has_answered(
    watched: Watched, service: Served
) -> None:
    page = shown(watched, service, "desk/alice")
    expect(page.get_by_label("price of BTC")).to_be_visible()
    page.route("**/whatif", lambda route: route.abort())
    page.get_by_label("price of BTC").press("ArrowLeft")
    expect(page.locator(".estimate")).to_be_visible()
    assert page.locator("[data-figure=equity]").text_content()
    page.unroute("**/whatif")


def test_a_shared_link_shows_the_same_to_somebody_else(
    browser: Browser, watched: Watched, service: Served
) -> None:
    page = shown(watched, service, "desk/alice")
    page.get_by_label("price of BTC").press("PageDown")
    expect(page.locator(".exact")).to_be_visible()
    seen = page.locator("[data-figure=equity]").text_content()
    url = page.url
    assert "edit=price" in url
    assert "km_" not in url
    other = signed_in(browser, service, Role.VIEWER)
    other.page.goto(url)
    expect(other.page.locator(".exact")).to_be_visible()
    assert other.page.locator("[data-figure=equity]").text_content() == seen
    other.context.close()


def test_what_a_coin_is_assumed_to_move_like_is_said_chosen_and_shared(
    watched: Watched, service: Served
) -> None:
    page = shown(watched, service, "desk/alice?like=BTC%3DETH&like=GONE%3DETH")
    chances = page.get_by_role("table", name="Chance of liquidation")
    expect(chances.get_by_role("rowheader", name="7 days")).to_be_visible()
    before = chances.inner_text()
    assumed = page.get_by_label("Assumed: BTC moves like")
    expect(assumed).to_have_value("ETH")
    assumed.select_option("PAXG")
    expect(chances).not_to_have_text(before, use_inner_text=True)
    expect(assumed).to_have_value("PAXG")
    assert "like=BTC%3DPAXG" in page.url
    assert watched.refused == []


def test_a_pause_with_its_reason_reaches_the_engine_and_the_audit_trail(
    watched: Watched, service: Served
) -> None:
    page = shown(watched, service, "venue")
    expect(page.locator("[aria-busy]")).to_have_count(0)  # nothing moves any more under a pointer
    page.get_by_role("combobox").last.select_option("ETHUSDT")
    page.get_by_role("button", name="Pause ETHUSDT").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("ETHUSDT is paused. Liquidations and new risk there stop")
    confirm = dialog.get_by_role("button", name="Pause ETHUSDT")
    expect(confirm).to_be_disabled()
    dialog.get_by_role("textbox").fill("index feed disagrees")
    confirm.click()
    expect(page.get_by_text("Paused now: ETHUSDT")).to_be_visible()
    state = service.api.venue.state
    assert state.universe.instrument_row("ETHUSDT") in state.paused
    trail = service.ask("GET", "/v1/audit").text
    assert "index feed disagrees" in trail
    page.get_by_role("button", name="Resume ETHUSDT").click()
    page.get_by_role("dialog").get_by_role("textbox").fill("it agrees again")
    page.get_by_role("dialog").get_by_role("button", name="Resume ETHUSDT").click()
    expect(page.get_by_text("Paused now")).to_have_count(0)


def test_a_viewer_sees_no_controls(browser: Browser, service: Served) -> None:
    viewer = signed_in(browser, service, Role.VIEWER)
    page = viewer.page
    expect(page.get_by_role("heading", name="KEELMARK", level=1)).to_be_visible()
    expect(page.get_by_role("heading", name="Liquidation map")).to_be_visible()
    expect(page.get_by_role("heading", name="Controls")).to_have_count(0)
    expect(page.get_by_role("link", name="audit")).to_have_count(0)
    page.goto(f"{service.base}/#/desk/alice")
    expect(page.get_by_role("heading", name="What if")).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("Hold|Close account"))).to_have_count(0)
    viewer.context.close()


def test_the_keyboard_reaches_everything(watched: Watched, service: Served) -> None:
    page = shown(watched, service, "venue")
    expect(page.get_by_role("button", name="Pause everything")).to_be_visible()
    page.locator("body").click(position={"x": 1, "y": 1})
    seen: list[str] = []
    for _ in range(60):
        page.keyboard.press("Tab")
        seen.append(
            page.evaluate(
                "document.activeElement.getAttribute('aria-label')"
                " ?? document.activeElement.textContent ?? ''"
            )
        )
    for wanted in ("Skip to content", "desk", "Liquidated notional", "alice", "Pause everything"):
        assert any(wanted in one for one in seen), (wanted, seen)


def test_a_figure_opens_its_working_and_gives_the_focus_back(
    watched: Watched, service: Served
) -> None:
    page = shown(watched, service, "desk/alice")
    figure = page.locator("button.figure").nth(1)
    figure.press("Enter")
    expect(page.get_by_role("dialog")).to_contain_text("notional * rate")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(figure).to_be_focused()


def test_a_liquidation_opens_to_who_paid(watched: Watched, service: Served) -> None:
    page = shown(watched, service, "venue")
    page.locator(".feed button").first.click()
    expect(page.get_by_role("dialog")).to_contain_text("Who paid")
    expect(page.get_by_role("dialog")).to_contain_text("What happened, in order")
    expect(page.get_by_role("dialog")).to_contain_text(re.compile(r"equity [\d.,\u2212]+ against"))


def test_a_phone_has_one_column_and_the_dark_is_dark(browser: Browser, service: Served) -> None:
    phone = signed_in(browser, service, Role.VIEWER, viewport=PHONE, color_scheme="dark")
    for view in ("venue", "desk/alice"):
        page = shown(phone, service, view)
        expect(page.locator("section").nth(2)).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        lefts = page.evaluate("[...document.querySelectorAll('.panel')].map((p) => p.offsetLeft)")
        assert len(set(lefts)) == 1
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert paper == "rgb(21, 24, 27)"
        assert len(page.screenshot(full_page=True)) > 20_000
    phone.context.close()


def test_a_writer_that_is_gone_and_a_recording_that_is_over_are_not_called_live(
    watched: Watched, service: Served
) -> None:
    page = shown(watched, service, "audit")
    state = page.get_by_role("status")
    expect(state).to_have_text("live")
    service.api.link.is_connected = False
    expect(state).to_have_text("failing")
    expect(page.get_by_role("alert")).to_have_text("writer failing")
    expect(page.get_by_text("writer failing: no answer")).to_be_visible()
    service.api.link.is_connected = True
    over = Folder(service.api.folder).recording_over
    over.parent.mkdir(exist_ok=True)
    over.touch()
    page.reload()
    expect(state).to_have_text("recording over")
    expect(page.get_by_role("alert")).to_have_count(0)
    over.unlink()


def test_a_map_nobody_is_on_has_an_axis_to_read(watched: Watched, service: Served) -> None:
    page = shown(watched, service, "venue?instrument=BTCUSDC")
    labels = page.locator(".map svg text.middle:not(.note)")
    expect(labels.get_by_text("now")).to_be_visible()
    told = labels.all_text_contents()
    assert len(told) == len(set(told)) > 4, told


def test_an_account_without_anything_is_no_healthy_one(watched: Watched, service: Served) -> None:
    page = shown(watched, service, "desk/bare")
    expect(page.get_by_text("bare holds neither money nor positions")).to_be_visible()
    assert "GREEN" not in page.inner_text("main")


def test_an_ended_session_and_a_limit_are_said(browser: Browser, service: Served) -> None:
    watched = signed_in(browser, service, Role.VIEWER)
    page = watched.page
    expect(page.get_by_text("live", exact=True).first).to_be_visible()
    told = {"error": {"code": "too_many", "message": "too many requests", "fix": "wait 1 s"}}
    page.route("**/v1/**", lambda r: r.fulfill(status=429, headers={"Retry-After": "1"}, json=told))
    expect(page.get_by_text("too many questions")).to_be_visible(timeout=SLOW_MS)
    page.unroute("**/v1/**")
    watched.context.clear_cookies()
    expect(page.get_by_role("heading", name="Signed out")).to_be_visible(timeout=SLOW_MS)
    page.get_by_role("button", name="Sign in again").click()
    expect(page.get_by_label("API key")).to_be_visible()
    watched.context.close()


def pictures(service: Served, browser: Browser, folder: Path) -> None:
    """Write the screenshots of both views; run by hand."""
    for view in ("venue", "desk/alice"):
        for scheme in ("light", "dark"):
            for name, size in (("desktop", {"width": 1280, "height": 900}), ("phone", PHONE)):
                watched = signed_in(
                    browser, service, Role.RISK_ADMIN, viewport=size, color_scheme=scheme
                )
                page = shown(watched, service, view)
                page.wait_for_timeout(4000)
                path = folder / f"{view.split('/')[0]}-{name}-{scheme}.png"
                page.screenshot(path=path, full_page=True)
                watched.context.close()
