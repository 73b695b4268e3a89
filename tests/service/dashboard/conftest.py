"""A browser for the tests of a file, closed at its end: it keeps a loop of its own running."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.service.dashboard.browser import chromium


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened
