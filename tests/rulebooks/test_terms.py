"""A digest of terms: what changes it, and what does not."""

import pytest

from keelmark.rulebooks.load import read_rulebook
from keelmark.rulebooks.terms import terms_digest

BOOK = """
name = "own"
date = "2025-10"
source = "own figures"
[assets.USDT]
quantum = "0.000001"
source = "{source}"
[tables.flat]
rows = [{{ floor = "0", rate = "{rate}" }}]
[instruments.BTCUSDT]
kind = "linear_perpetual"
base = "BTC"
settle = "USDT"
table = "flat"
[liquidation]
clearance_fee = "{fee}"
{more}
"""


def digest(*, source: str = "a", rate: str = "0.01", fee: str = "0.002", more: str = "") -> str:
    text = BOOK.format(source=source, rate=rate, fee=fee, more=more)
    return terms_digest(read_rulebook(text, title="own"))


def test_how_a_number_is_written_and_where_it_was_read_do_not_count() -> None:
    assert digest(source="another page", rate="0.0100", fee="2e-3") == digest()


def test_what_stands_in_for_a_missing_price_does_not_count() -> None:
    text = BOOK.format(source="a", rate="0.01", fee="0.002", more="")
    told = text.replace("[assets.USDT]", 'par = ["USDT"]\n[assets.USDT]')
    assert terms_digest(read_rulebook(told, title="own")) == digest()


def test_a_term_that_is_written_out_at_its_default_does_not_count() -> None:
    more = 'taker_fee = "0.0005"\n[liquidation.guards]\nstale_s = 0'
    assert digest(more=more) == digest()


@pytest.mark.parametrize(
    "change",
    [{"rate": "0.02"}, {"fee": "0.003"}, {"more": "[liquidation.guards]\nstale_s = 1"}],
    ids=str,
)
def test_every_other_term_counts(change: dict[str, str]) -> None:
    assert digest(**change) != digest()
