"""Every number a built-in rulebook ships says where it was read, and when."""

import re
from collections.abc import Iterator

import pytest

from keelmark.rulebooks import load_rulebook, rulebook_names
from keelmark.rulebooks.document import RulebookDocument, SourcedDocument
from keelmark.rulebooks.extend import GROUPS, SINGLE_GROUPS

DAY = re.compile(r"20\d\d-[01]\d-[0-3]\d")
NAMES = rulebook_names()


def entries(document: RulebookDocument) -> Iterator[tuple[str, SourcedDocument]]:
    for section in GROUPS:
        for name, entry in getattr(document, section).items():
            yield f"{section}.{name}", entry
    for section in SINGLE_GROUPS:
        entry = getattr(document, section)
        if entry is not None:
            yield section, entry


@pytest.mark.parametrize("name", NAMES)
def test_every_entry_of_a_shipped_rulebook_names_its_source_and_day(name: str) -> None:
    untold = [
        f"{place}: {entry.source!r}, read {entry.read!r}"
        for place, entry in entries(load_rulebook(name).document)
        if not (
            entry.source.startswith("Keelmark")
            or (" " in entry.source and DAY.fullmatch(entry.read or ""))
        )
    ]
    assert untold == []


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_rulebook_says_what_it_does_not_cover(name: str) -> None:
    assert load_rulebook(name).document.not_covered
