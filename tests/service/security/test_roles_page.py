"""The page of roles says what the service does."""

from pathlib import Path

from keelmark.service.security.access import ACCESS
from scripts.roles_page import page

DOCS = Path(__file__).resolve().parents[3] / "docs"


def test_the_page_of_roles_is_what_the_table_says() -> None:
    assert (DOCS / "roles.md").read_text("utf-8") == page()


def test_every_route_is_on_the_page() -> None:
    text = page()
    assert all(f" {row.path.replace(':path', '')}`" in text for row in ACCESS)
