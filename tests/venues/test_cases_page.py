"""The page of published cases is what a run gives."""

import pytest

from scripts.cases_page import PAGE, RECORDED, page, recorded_part, verdict
from tests.venues.recorded import recorded_outcomes


def test_the_page_of_cases_is_current() -> None:
    committed = PAGE.read_text("utf-8")
    recorded = committed[committed.index(RECORDED) :]
    assert page(recorded) == committed, (
        "run `python -m scripts.cases_page` and commit docs/cases.md"
    )


@pytest.mark.real_data
def test_the_page_has_what_the_recorded_accounts_give() -> None:
    if recorded_outcomes() is None:
        pytest.skip("no recorded accounts here: set KEELMARK_DATA to their folder")
    committed = PAGE.read_text("utf-8")
    assert recorded_part("") == committed[committed.index(RECORDED) :]


@pytest.mark.real_data
def test_recorded_accounts_have_the_figures_their_venue_answered() -> None:
    found = recorded_outcomes()
    if found is None:
        pytest.skip("no recorded accounts here: set KEELMARK_DATA to their folder")
    off = {name: [f.path for f in figures if not f.holds] for name, figures in found.items()}
    assert off == {name: [] for name in found}
    assert {verdict(figures) for figures in found.values()} <= {"exact", "within tolerance"}
