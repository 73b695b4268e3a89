"""Option margin in rulebook files: what they may say, and what is refused by name."""

from decimal import Decimal

import pytest

from keelmark.core.errors import InvalidDocument
from keelmark.core.groups import ExpiryOffset
from keelmark.core.option_rules import ShortOptionRule, UnderlyingPrice
from keelmark.core.payoff import Right
from keelmark.rulebooks import Rulebook, load_rulebook
from keelmark.rulebooks.load import read_rulebook
from keelmark.rulebooks.options import named_right, named_strike

D = Decimal
HEAD = """
name = "x"
date = "2025-01"
source = "me"
[default_asset]
[symbols]
linear_option = '(?P<base>[A-Z]+)-(?P<expiry>\\d{8})-(?P<strike>[0-9_]+)-(?P<right>[CP])'
[kinds.linear_option]
option = "standard"
settle = "USDC"
price_unit = "0.1"
[options.standard]
source = "a page"
read = "2026-01-02"
initial = "0.15"
initial_floor = "0.13"
maintenance = "0.09"
"""
SYMBOL = "ETH-20250328-1500_5-P"


def rules(more: str = "") -> Rulebook:
    return read_rulebook(HEAD + more, title="test")


def test_a_kind_gives_what_a_symbol_leaves_out() -> None:
    terms = rules().terms_for(SYMBOL)
    assert terms.instrument.settle == "USDC"
    assert terms.instrument.price_unit == D("0.1")
    assert terms.instrument.index == "ETH"
    assert terms.instrument.payoff is not None
    assert terms.instrument.payoff.strike == D("1500.5")
    assert terms.source == "a page (read 2026-01-02)"


def test_every_parameter_reaches_the_rule() -> None:
    more = (
        'mark = { put = "0.08" }\nfee = "0.002"\nprice = "index"\n'
        'counts_entry = true\nvalue = "apart"\n'
        'at_least = { put = "1.05" }\nfactors = [{ floor = "0", factor = "1.5" }]\n'
        '[group]\nrule = "expiry_offset"\nnaked_initial = "1.2"\nnaked_maintenance = "1.1"\n'
    )
    found = rules(more)
    option = found.terms_for(SYMBOL).option
    assert option is not None
    rule = option.rule
    assert isinstance(rule, ShortOptionRule)
    assert (rule.mark_shares[Right.PUT], rule.fee, rule.price) == (
        D("0.08"),
        D("0.002"),
        UnderlyingPrice.INDEX,
    )
    assert rule.at_least == {Right.PUT: D("1.05")}
    assert rule.counts_entry
    assert rule.factors[0].factor == D("1.5")
    assert not option.counts_value
    assert found.model.group == ExpiryOffset(naked_initial=D("1.2"), naked_maintenance=D("1.1"))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ('rule = "span"\n', "rule 'span'"),
        ('value = "sometimes"\n', "value 'sometimes'"),
    ],
)
def test_an_unknown_word_of_a_table_is_refused(more: str, message: str) -> None:
    with pytest.raises(InvalidDocument, match=message):
        rules(more).terms_for(SYMBOL)


def test_an_unknown_group_rule_is_refused() -> None:
    more = '[group]\nrule = "all"\nnaked_initial = "1"\nnaked_maintenance = "1"\n'
    with pytest.raises(InvalidDocument, match="group: rule 'all'"):
        rules(more)


def test_an_unknown_table_is_refused_with_the_nearest() -> None:
    text = HEAD.replace('option = "standard"', 'option = "standrd"')
    with pytest.raises(InvalidDocument, match="did you mean 'standard'"):
        read_rulebook(text, title="test").terms_for(SYMBOL)


@pytest.mark.parametrize(
    ("text", "strike"),
    [("50000", "50000"), ("0d5", "0.5"), ("1_25", "1.25"), (None, None), ("x", None)],
)
def test_a_strike_is_read_with_its_own_decimal_point(text: str | None, strike: str | None) -> None:
    assert named_strike(text) == (None if strike is None else D(strike))


@pytest.mark.parametrize(
    ("text", "right"),
    [("C", Right.CALL), ("P", Right.PUT), ("put", Right.PUT), (None, None), ("X", None)],
)
def test_a_right_is_read_by_its_first_letter(text: str | None, right: Right | None) -> None:
    assert named_right(text) is right


@pytest.mark.parametrize(
    ("venue", "symbol", "settle", "day"),
    [
        ("deribit-sm", "BTC-27DEC24-50000-C", "BTC", "2024-12-27"),
        ("deribit-sm", "XRP_USDC-3JAN25-2d35-P", "USDC", "2025-01-03"),
        ("bybit-uta", "BTC-27DEC24-50000-C-USDT", "USDT", "2024-12-27"),
        ("bybit-uta", "BTC-27DEC24-50000-P", "USDC", "2024-12-27"),
        ("derive-sm", "ETH-20241227-3500-P", "USDC", "2024-12-27"),
    ],
)
def test_a_venue_s_own_names_are_understood(venue: str, symbol: str, settle: str, day: str) -> None:
    terms = load_rulebook(venue).terms_for(symbol)
    instrument = terms.instrument
    assert instrument.is_option
    assert instrument.settle == settle
    assert f"{instrument.expiry:%Y-%m-%d %H:%M}" == f"{day} 08:00"
    assert instrument.index == instrument.base
    assert terms.option is not None
    assert not terms.option.counts_value
    assert terms.source


@pytest.mark.parametrize(
    ("pattern", "symbol"),
    [
        (
            r"(?P<base>[A-Z]+)-(?P<settle>USD)-(?P<expiry>\d{6})-(?P<strike>\d+)-(?P<right>[CP])",
            "BTC-USD-241227-50000-C",
        ),
        (
            r"(?P<base>[A-Z]+)-(?P<expiry>\d{6})-(?P<strike>\d+)-(?P<right>[CP])",
            "BTC-241227-50000-C",
        ),
    ],
    ids=["OKX", "Binance"],
)
def test_a_pattern_with_its_groups_reads_any_venue_s_names(pattern: str, symbol: str) -> None:
    lines = HEAD.splitlines()
    own = next(line for line in lines if line.startswith("linear_option = "))
    text = HEAD.replace(own, f"linear_option = '{pattern}'")
    instrument = read_rulebook(text, title="test").terms_for(symbol).instrument
    assert instrument.payoff is not None
    assert (instrument.payoff.strike, instrument.payoff.right) == (D(50000), Right.CALL)
    assert f"{instrument.expiry:%Y-%m-%d}" == "2024-12-27"
