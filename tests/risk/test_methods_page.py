"""Every published figure of a risk method is met, and the page says what a run gives."""

import re

import pytest

from scripts.methods_page import PAGE, page
from tests.risk.published_methods import Group, groups

pytest.importorskip("arch", reason="the published fits need the sample that comes with arch")


@pytest.fixture(scope="module")
def found() -> tuple[Group, ...]:
    return tuple(groups())


@pytest.mark.slow
def test_every_published_figure_is_met_within_its_tolerance(found: tuple[Group, ...]) -> None:
    off = [
        (group.title, name, published, ours)
        for group in found
        for name, published, ours in group.rows
        if not abs(ours - published) <= group.tolerance
    ]
    assert off == []


def test_the_page_names_every_figure_that_is_held(found: tuple[Group, ...]) -> None:
    committed = PAGE.read_text("utf-8")
    shown = re.findall(r"^\| (.+?) \| (\S+) \|", committed, re.MULTILINE)
    rows = [(name, f"{told:.10g}") for group in found for name, told, _ in group.rows]
    assert [row for row in shown if row[0] not in {"figure", "---"}] == rows, (
        "run `python -m scripts.methods_page` and commit docs/methods.md"
    )


@pytest.mark.slow
def test_the_page_shows_the_figures_of_a_run() -> None:
    """Digits beyond what a processor may change are not compared."""
    committed = PAGE.read_text("utf-8").splitlines()
    for line, now in zip(committed, page().splitlines(), strict=True):
        before, after = line.split(" | "), now.split(" | ")
        assert before[:2] == after[:2]
        if len(before) == 4 and before[0] not in {"| figure", "| ---"}:
            assert float(before[2]) == pytest.approx(float(after[2]), rel=2e-5)
