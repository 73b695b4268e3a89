"""Short figures are short, exact figures exact, and text cannot become markup."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keelmark.accounts.markup import Html, element, joined, json_block
from keelmark.lab.report.figures import (
    aligned,
    all_digits,
    clock,
    compact,
    data,
    decimals_of,
    duration,
    instant,
    percent,
    rounded,
    share,
    signed,
)

MINUS = "\N{MINUS SIGN}"
amounts = st.decimals(
    min_value=Decimal(-((10) ** 15)), max_value=Decimal(10**15), places=8, allow_nan=False
)


def plain(shown: str) -> Decimal:
    return Decimal(shown.replace(",", "").replace(MINUS, "-"))


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("0", "0"),
        ("-0", "0"),
        ("0.25", "0.25"),
        ("-0.004", "0.00"),
        ("99.999", "100.00"),
        ("1234.5", "1,234"),
        ("999999", "999,999"),
        ("1000000", "1.00 M"),
        ("61341223.4", "61.3 M"),
        ("-40752918", f"{MINUS}40.8 M"),
        ("118204771", "118 M"),
        ("2003774232", "2.00 B"),
        ("1.5e12", "1.50 T"),
        ("2.5e15", "2,500 T"),
    ],
)
def test_a_short_figure_has_about_three_digits_and_a_scale(value: str, shown: str) -> None:
    assert compact(Decimal(value)).replace("\N{NARROW NO-BREAK SPACE}", " ") == shown


@given(amounts)
def test_a_short_figure_is_within_half_a_percent(value: Decimal) -> None:
    number, _, scale = compact(value).partition("\N{NARROW NO-BREAK SPACE}")
    factor = {"": 1, "M": 10**6, "B": 10**9, "T": 10**12}[scale]
    error = abs(plain(number) * factor - value)
    assert error <= max(abs(value) / 200, Decimal("0.005"))


@given(amounts)
def test_an_exact_figure_loses_nothing(value: Decimal) -> None:
    assert plain(all_digits(value)) == value
    assert f'value="{value:f}"' in data(value, "shown")


@given(st.lists(amounts, min_size=1, max_size=6))
def test_aligned_figures_lose_nothing_and_line_up(values: list[Decimal]) -> None:
    digits = decimals_of(values)
    shown = [aligned(value, digits) for value in values]
    assert [plain(text) for text in shown] == values
    assert len({len(text.partition(".")[2]) for text in shown if text != "0"}) <= 1


@pytest.mark.parametrize(
    ("value", "shown"),
    [("0.125", "12.5 %"), ("-0.218", f"{MINUS}21.8 %"), ("0", "0.0 %"), ("-0.0001", "0.0 %")],
)
def test_a_fraction_is_shown_as_a_percentage(value: str, shown: str) -> None:
    assert percent(Decimal(value)).replace("\N{NARROW NO-BREAK SPACE}", " ") == shown


def test_changes_carry_their_sign() -> None:
    assert signed(rounded(Decimal(5)), 5) == "+5.00"
    assert signed(rounded(Decimal(-5)), -5) == f"{MINUS}5.00"
    assert signed(rounded(Decimal(0)), 0) == "0.00"


def test_a_share_of_nothing_is_nothing() -> None:
    assert share(3, 0) == 0
    assert share(1, 4) == Decimal("0.25")


def test_times_are_in_utc_and_say_so() -> None:
    start = 1_760_131_144_000
    assert instant(start) == "2025-10-10 21:19:04 UTC"
    assert clock(start - 4_000) == "21:19"
    assert duration(190 * 60_000) == "3 h 10 min"
    assert duration(7_200_000) == "2 h"
    assert duration(1_920_000) == "32 min"
    assert duration(45_000) == "45 s"


def test_text_is_escaped_and_markup_is_not_escaped_twice() -> None:
    inner = element("b", "<i>&")
    assert inner == "<b>&lt;i&gt;&amp;</b>"
    assert element("p", inner, None, "'") == "<p><b>&lt;i&gt;&amp;</b>&#x27;</p>"
    assert joined(("<", Html("<br>"))) == "&lt;<br>"


def test_attributes_are_escaped_and_switched() -> None:
    assert element("input", value='"><x', checked=True, disabled=False, id=None) == (
        '<input value="&quot;&gt;&lt;x" checked>'
    )
    assert element("td", class_="a", data_sort="1") == '<td class="a" data-sort="1"></td>'


@given(st.text())
def test_no_text_ends_the_element_that_holds_json(text: str) -> None:
    block = json_block({"name": text})
    assert not set("<>&\u2028\u2029") & set(block)


def test_json_has_no_infinity() -> None:
    with pytest.raises(ValueError, match="JSON"):
        json_block(float("inf"))
