"""Published cases, one row each: what a venue prints is what the public path gives."""

import json
import os
import re
from collections import Counter
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from keelmark.core.errors import InvalidInput
from keelmark.core.liquidation_price import liquidation_prices
from keelmark.core.margin import margin_report
from keelmark.core.rules import Tier, TieredRule
from tests.venues.published import Figure, Row, account_of, at, called, cases, rows, run, shown

ROOT = Path(__file__).resolve().parents[2]
LIST = Path(os.environ.get("KEELMARK_CASES", ROOT.parent / "shared" / "cases")) / "venue_cases.json"

Case = dict[str, Any]


def listed() -> dict[str, Case]:
    if not LIST.is_file():
        pytest.skip(f"no list of venue cases at {LIST.name}; set KEELMARK_CASES to its folder")
    return {case["id"]: case for case in json.loads(LIST.read_text("utf-8"))}


def test_every_case_can_be_expressed() -> None:
    assert {row.id: row.cannot for row in rows() if row.cannot} == {}


@pytest.mark.parametrize("case", cases())
def test_the_published_figures_are_ours(case: str) -> None:
    assert all(run(row).figures for row in cases()[case])
    off = [figure for row in cases()[case] for figure in run(row).off]
    assert not off, "; ".join(
        f"{f.path}: ours {shown(f.ours)}, theirs {shown(f.theirs)}" for f in off
    )


def test_a_row_says_why_a_figure_is_not_exact_and_only_then() -> None:
    assert [row.id for row in rows() if bool(row.why) is run(row).is_exact] == []


def test_parts_of_a_case_are_different_rows() -> None:
    parts = Counter(
        (row.id, row.call, row.rulebook, str(row.account), str(row.arguments)) for row in rows()
    )
    assert [part for part, count in parts.items() if count > 1] == []


LIQUIDATION = re.compile(r"positions\.(?P<symbol>.+)\.liquidation_price")


def ending_rows(case: str) -> list[tuple[Row, str]]:
    """Return a case's accounts whose figures include a liquidation price, with its instrument."""
    found = [(row, LIQUIDATION.fullmatch(path)) for row in cases()[case] for path in row.expect]
    return [(row, match["symbol"]) for row, match in found if row.account and match]


@pytest.mark.parametrize("case", [case for case in cases() if ending_rows(case)])
def test_the_status_of_an_account_changes_at_its_price(case: str) -> None:
    for row, symbol in ending_rows(case):
        account = account_of(row)
        (unit,) = [u for u in account.units if symbol in {p.instrument for p in u.positions}]
        price = liquidation_prices(unit, symbol, account.market, account.model).value
        assert price is not None
        size = sum(p.size for p in unit.positions if p.instrument == symbol)
        tick = price * Decimal("1e-9")
        for step, is_beyond in ((tick, size < 0), (-tick, size > 0)):
            marks = {**account.market.marks, symbol: price + step}
            there = replace(account.market, marks=marks)
            assert margin_report(unit, there, account.model).is_liquidatable is is_beyond


def table_of(case: str) -> tuple[Tier, ...] | None:
    """Return the bracket table of a case that is one."""
    row = cases()[case][0]
    return called(row) if row.call == "core.rules:with_deductions" else None


@pytest.mark.parametrize("case", [case for case in cases() if table_of(case)])
def test_a_published_table_is_continuous_and_owns_its_edges(case: str) -> None:
    table = table_of(case)
    assert table is not None
    cent = Decimal("0.01")
    for edge_upper in (False, True):
        rule = TieredRule(tiers=table, edge_upper=edge_upper)
        for number, tier in enumerate(table[1:], start=1):
            keys = (tier.floor - cent, tier.floor, tier.floor + cent)
            rows_of_keys = [rule.requirement(Decimal(1), key).tier for key in keys]
            assert rows_of_keys == [number - 1, number - 1 + edge_upper, number]
    last = table[-1]
    wrong = replace(last, deduction=last.deduction + cent)
    with pytest.raises(InvalidInput, match="does not continue"):
        TieredRule(tiers=(*table[:-1], wrong))


def numbers(value: object) -> list[Fraction]:
    """Return every number of a figure, without its sign; a fraction gives its two parts."""
    if isinstance(value, list | tuple):
        return [number for member in value for number in numbers(member)]
    if isinstance(value, str) and "/" in value:
        return numbers(value.split("/"))
    return [abs(Fraction(str(value)))]


def test_every_case_of_the_list_has_a_row() -> None:
    assert sorted(set(listed()) - set(cases())) == []


def test_figures_and_tolerances_are_those_of_the_list() -> None:
    wanted_cases = listed()
    for row_id, parts in cases().items():
        if row_id not in wanted_cases:
            continue
        case = wanted_cases[row_id]
        carried = [n for row in parts for value in row.expect.values() for n in numbers(value)]
        for name, value in case["expected"].items():
            for wanted in numbers(value):
                assert wanted in carried, (row_id, name)
        for row in parts:
            assert row.tolerance <= Decimal(str(case["tolerance"])), row_id
            assert row.provenance == case["provenance"], row_id


@pytest.mark.parametrize(
    ("ours", "theirs", "digits", "is_exact", "holds"),
    [
        ("1.00499", "1.00", 2, True, True),
        ("1.006", "1.00", 2, False, True),
        ("1.02", "1.00", 2, False, False),
        ("1/3", "1/3", None, True, True),
    ],
)
def test_a_figure_is_exact_to_the_digits_that_are_printed(
    ours: str, theirs: str, digits: int | None, *, is_exact: bool, holds: bool
) -> None:
    figure = Figure(
        path="x",
        theirs=Fraction(theirs),
        ours=Fraction(ours),
        digits=digits,
        tolerance=Fraction("0.01"),
    )
    assert (figure.is_exact, figure.holds) == (is_exact, holds)


def test_an_unknown_figure_never_agrees() -> None:
    figure = Figure(path="x", theirs=Fraction(0), ours=None, digits=0, tolerance=Fraction(10))
    assert not figure.holds


def test_a_path_goes_through_tables_lists_and_objects() -> None:
    found = {"positions": [{"instrument": "X", "price": {"status": "price", "value": "1"}}]}
    assert at(found, "positions.X.price") == "1"
    assert at(found, "positions.0.price.status") == "price"
    assert at({"result": Fraction(1, 3)}, "numerator") == 1
