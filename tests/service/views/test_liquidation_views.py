"""Liquidations are told from the journal: who paid each quantum, and every step."""

import re
from decimal import Decimal
from typing import Any

import pytest

from keelmark.core.errors import InvalidInput
from keelmark.engine import commands as c
from keelmark.engine import events as e
from keelmark.engine.adl.policies import DELEVERAGE
from keelmark.engine.explain import events_of_case, explain_liquidation
from keelmark.service.views.cases import Cases
from keelmark.service.views.liquidations import UnknownCase, liquidation, liquidations
from keelmark.service.views.names import Roster
from keelmark.service.views.orders import orders
from tests.engine.test_policies_run import GAP_ONLY, a_bad_day
from tests.engine.test_waterfall import TAKEOVER_ONLY, fallen
from tests.engine.venue import Venue, merged
from tests.service.views.books import reader_of


def index_of(venue: Venue) -> Cases:
    rows = venue.state.universe.instruments["settle"].tolist()
    cases = Cases(dict(enumerate(rows)))
    assert cases.catch_up(venue.engine.journal, venue.engine.position)
    return cases


def told(venue: Venue, case: int = 1) -> dict[str, Any]:
    return liquidation(reader_of(venue), Roster(), index_of(venue), venue.engine.journal, case)


def paid_by(rows: list[dict[str, Any]]) -> dict[tuple[str, str], Decimal]:
    sums: dict[tuple[str, str], Decimal] = {}
    for row in rows:
        key = (row["kind"], row["payer"])
        sums[key] = sums.get(key, Decimal(0)) + Decimal(row["amount"])
    return sums


def test_a_bill_names_everybody_who_paid() -> None:
    # the case of `test_waterfall`: fund 500, winner 180, claim 100, backstop 120 of 900
    changes = merged(TAKEOVER_ONLY, {"liquidation": {"insurance": {"window_share": "0.5"}}})
    venue, unit, _ = fallen(changes, fund=1_000, winner_lots=2)
    other = venue.open("other", USDT=5_000)
    venue.trade(other, venue.state.liquidity, "B", 1, 1000)
    venue.marks(B=1100.0)
    venue.marks(A=800.0)
    found = told(venue)
    assert (found["outcome"], found["unit"], found["name"]) == ("deleveraged", unit, "unit")
    assert paid_by(found["paid"]) == {
        ("fund", "fund:default"): Decimal(500),
        ("deleveraged", "winner"): Decimal(180),
        ("socialised", "other"): Decimal(100),
        ("backstop", "backstop:main"): Decimal(120),
    }
    (bill,) = found["bills"]
    assert bill["deficit"] == "900"
    lines = [line for section in found["sections"] for line in section["lines"]]
    assert "deficit: 450 USDT from fund:default to unit" in lines, "the account is called so"
    assert "sold 5 A to backstop:main for 4000 USDT" in lines
    assert any(line.startswith("winner, deleveraged: ") for line in lines)
    assert [row["instrument"] for row in found["positions"]] == ["A"]
    assert found["deficit"] == [{"asset": "USDT", "amount": "900"}]
    assert {step["position"] for step in found["steps"]} == {venue.engine.position}


@pytest.mark.parametrize("policy", list(DELEVERAGE))
def test_payers_sum_to_every_deficit(policy: str) -> None:
    venue = a_bad_day({**GAP_ONLY, "deleverage": policy}, slide=False)
    cases = index_of(venue)
    assert venue.state.cases_count
    for case in range(1, venue.state.cases_count + 1):
        found = liquidation(reader_of(venue), Roster(), cases, venue.engine.journal, case)
        for bill in found["bills"]:
            for kind in ("fund", "deleveraged", "socialised", "backstop"):
                rows = [
                    Decimal(row["amount"])
                    for row in found["paid"]
                    if row["kind"] == kind and row["asset"] == bill["asset"]
                ]
                assert sum(rows) == Decimal(bill[kind]), kind
            parts = ("fund", "deleveraged", "socialised", "backstop")
            assert sum(Decimal(bill[part]) for part in parts) == Decimal(bill["deficit"])


def test_the_working_is_the_engines_own_with_accounts_by_name() -> None:
    venue, _, _ = fallen({"liquidation": {"clearance_fee": "0.01"}})
    venue.marks(A=930.0)
    found = told(venue)
    working = explain_liquidation(events_of_case(venue.events, 1), venue.state.universe)
    owners = {f"unit {unit}": name for name, unit in venue.state.book.in_house.items()}
    lines = [line for section in working.sections for line in section.lines]
    for number, name in owners.items():
        lines = [re.sub(rf"\b{number}\b", name, line) for line in lines]
    assert [s["title"] for s in found["sections"]] == [s.title for s in working.sections]
    told_lines = [line for section in found["sections"] for line in section["lines"]]
    assert told_lines == lines
    assert paid_by(found["paid"]) == {("fee", "unit"): Decimal(19)}
    (sold,) = [step for step in found["steps"] if step["stage"] == "reduce"]
    assert (sold["size"], sold["price"], sold["text"]) == ("-2", "930", "sold in the market")


def test_what_goes_on_is_open_and_what_ended_is_recent() -> None:
    venue = a_bad_day(GAP_ONLY, slide=False)
    cases = index_of(venue)
    answer = liquidations(reader_of(venue), Roster(), cases, limit=2)
    assert answer["index"] == {"through": venue.engine.position, "is_complete": True}
    assert [row["case"] for row in answer["recent"]] == [
        venue.state.cases_count,
        venue.state.cases_count - 1,
    ]
    assert all(row["outcome"] and row["closed"] for row in answer["recent"])
    assert liquidations(reader_of(venue), Roster(), cases, is_open=True)["recent"] == []


def test_an_open_case_says_what_it_waits_for() -> None:
    venue, _, _ = fallen(
        {"liquidation": {"reduce": {"interval_s": 60, "attempts": 9}, "guards": {"stale_s": 30}}}
    )
    venue.do(c.Pause(instrument=venue.row("A"), reason="a test"))
    venue.marks(A=930.0)
    state = venue.state
    answer = liquidations(reader_of(venue), Roster(), index_of(venue))
    assert [row["case"] for row in answer["open"]] == sorted(x.case for x in state.cases.values())
    behind = Cases({})
    bare = liquidations(reader_of(venue), Roster(), behind)
    assert [row["unit"] for row in bare["open"]] == [x.unit for x in state.cases.values()]
    assert not bare["index"]["is_complete"]


def test_an_index_follows_the_stream_and_mends_its_gaps() -> None:
    venue, _, _ = fallen()
    journal = venue.engine.journal
    whole = index_of(venue)
    begun = venue.engine.position
    venue.marks(A=930.0)
    venue.marks(A=800.0)
    batches = list(journal.read(after=begun))
    for position, records in batches:
        assert whole.note(position, records)
    fresh = index_of(venue)
    assert whole.through == fresh.through == venue.engine.position
    assert whole.find(1) == fresh.find(1)
    gap = Cases(dict(enumerate(venue.state.universe.instruments["settle"].tolist())))
    assert not gap.note(*batches[-1])
    assert not gap.note(batches[-1][0], None)
    assert gap.catch_up(journal, venue.engine.position)
    assert gap.note(*batches[-1])  # known already
    assert gap.find(1) == fresh.find(1)


def test_an_unknown_case_is_refused_by_name() -> None:
    venue, _, _ = fallen()
    with pytest.raises(UnknownCase, match="no liquidation 7; there have been 0"):
        told(venue, 7)
    venue.marks(A=930.0)
    with pytest.raises(UnknownCase, match="still being read"):
        liquidation(reader_of(venue), Roster(), Cases({}), venue.engine.journal, 1)


@pytest.mark.parametrize("limit", [0, 501])
def test_a_list_has_a_length(limit: int) -> None:
    venue, _, _ = fallen()
    with pytest.raises(InvalidInput, match="1 to 500"):
        liquidations(reader_of(venue), Roster(), Cases({}), limit=limit)


def test_the_built_in_book_has_no_orders_out() -> None:
    venue, _, _ = fallen()
    answer = orders(reader_of(venue), Roster())
    assert (answer["market"], answer["orders"]) == ("built-in", [])


def test_every_step_of_a_bad_day_has_words() -> None:
    venue = a_bad_day({})
    cases = index_of(venue)
    stages = set()
    for case in range(1, venue.state.cases_count + 1):
        found = liquidation(reader_of(venue), Roster(), cases, venue.engine.journal, case)
        stages |= {step["stage"] for step in found["steps"]}
        assert all(step["text"] for step in found["steps"])
    assert {"reduce"} <= stages
    assert len(venue.of(e.LiquidationStarted)) == venue.state.cases_count
