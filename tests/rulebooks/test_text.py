"""A rulebook written down whole."""

import pytest

from keelmark.rulebooks.load import load_rulebook, read_rulebook, rulebook_names
from keelmark.rulebooks.text import rulebook_text


@pytest.mark.parametrize("name", rulebook_names())
def test_a_rulebook_written_as_one_text_is_read_back_the_same(name: str) -> None:
    rulebook = load_rulebook(name)
    again = read_rulebook(rulebook_text(rulebook.document), title="again")
    assert again.document == rulebook.document
    assert again.model == rulebook.model
    assert again.liquidation == rulebook.liquidation
