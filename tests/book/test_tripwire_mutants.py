"""The law has the power to see what it is there to see: every broken index is caught by it."""

from pathlib import Path

import pytest

from tests.book.mutants import MUTANTS, ROOT, WIRES, Effort, Mutant, caught_by

INTERPRETED = Effort(units=100, ticks=40)
BRIEF = Effort(units=20, ticks=10, is_brief=True)
COMPILED = Effort(units=600, ticks=200, is_compiled=True)


def name(mutant: Mutant) -> str:
    return mutant.name


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=name)
def test_a_broken_index_is_caught(mutant: Mutant, tmp_path: Path) -> None:
    assert caught_by(mutant, tmp_path, INTERPRETED)


@pytest.mark.slow
@pytest.mark.parametrize("effort", [BRIEF, pytest.param(INTERPRETED, marks=pytest.mark.nightly)])
def test_nothing_is_caught_in_the_index_as_it_is(effort: Effort, tmp_path: Path) -> None:
    assert not caught_by(Mutant(name="whole", edits=()), tmp_path, effort)


@pytest.mark.nightly
@pytest.mark.parametrize("mutant", MUTANTS, ids=name)
def test_a_broken_index_is_caught_when_it_is_compiled(mutant: Mutant, tmp_path: Path) -> None:
    assert caught_by(mutant, tmp_path, COMPILED)


@pytest.mark.parametrize("mutant", MUTANTS, ids=name)
def test_every_mutant_still_breaks_a_line_that_is_there(mutant: Mutant) -> None:
    for edit in mutant.edits:
        text = (ROOT / "src" / WIRES / edit.file).read_text("utf-8")
        assert text.count(edit.old) == 1
