"""Debian's Chromium, driven by Playwright: and pages that may ask nobody else."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import (
    Browser,
    Error,
    Page,
    Playwright,
    Request,
    Response,
    Route,
    sync_playwright,
)

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
OURS = frozenset({"127.0.0.1", "localhost"})

needs_chromium = pytest.mark.skipif(
    not CHROMIUM.exists(), reason=f"needs a browser: {CHROMIUM} is not there"
)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start the browser."""
    with sync_playwright() as playwright:
        yield started(playwright)


def started(playwright: Playwright) -> Browser:
    """Start the browser of a session that is open."""
    return playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))


class Watched:
    """A page with everything it asks for, and everything it complains about.

    Attributes:
        page: The page.
        elsewhere: Addresses it asked for that are not on this machine; none was answered.
        refused: Answers of the service that were no answer.
        complaints: Errors of its scripts, and what its policy refused.
    """

    def __init__(self, browser: Browser, **context: Any) -> None:  # noqa: ANN401 as Playwright names them
        self.context = browser.new_context(**context)
        self.elsewhere: list[str] = []
        self.refused: list[str] = []
        self.complaints: list[str] = []
        self.context.route("**/*", self._kept_inside)
        self.context.on("request", self._noted)
        self.page: Page = self.context.new_page()
        self.page.on("response", self._answered)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on(
            "console",
            lambda said: self.complaints.append(said.text) if said.type == "error" else None,
        )

    def _kept_inside(self, route: Route) -> None:
        is_ours = urlsplit(route.request.url).hostname in OURS
        with suppress(Error):  # the page was closed meanwhile: nobody waits for the answer
            route.continue_() if is_ours else route.abort()

    def _answered(self, response: Response) -> None:
        if response.status >= 400:
            self.refused.append(f"{response.status} {response.url}")

    def _noted(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in {"data", "blob"} and parts.hostname not in OURS:
            self.elsewhere.append(request.url)
