"""The law has the power to see what it is there to see: every broken index is caught by it."""

from pathlib import Path

import pytest

from tests.book.mutants import MUTANTS, Mutant, caught_by, copy_with


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_broken_index_is_caught(mutant: Mutant, tmp_path: Path) -> None:
    found = caught_by(mutant, tmp_path, seeds=2, ticks=200)
    assert found["directed"] + found["random"] > 0, found


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_every_mutant_still_breaks_a_line_that_is_there(mutant: Mutant, tmp_path: Path) -> None:
    source = copy_with(mutant, tmp_path)
    for edit in mutant.edits:
        text = (source / "keelmark/book/tripwires" / edit.file).read_text("utf-8")
        assert edit.new in text
