from dataclasses import replace

import numpy as np
import pytest

from keelmark.service.health.laws import is_left_alone, law_findings
from keelmark.service.health.parts import LAG_MAX, Orders, Parts, part_findings
from keelmark.service.health.values import Finding, Health, worst
from keelmark.service.reading import EngineReader
from tests.engine.venue import Venue
from tests.service.views.books import a_book, quiet


def of(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.name: finding for finding in findings}


@pytest.mark.parametrize("seed", range(4))
def test_a_book_that_the_engine_made_breaks_no_law(seed: int) -> None:
    venue = a_book(seed)
    found = law_findings(EngineReader(venue.engine))
    assert [finding.name for finding in found] == ["INV-01", "INV-02", "INV-03", "INV-06"]
    assert worst(found) is Health.OK


def test_money_that_came_from_nowhere_is_found() -> None:
    venue = a_book(0)
    book = venue.state.book
    book.balances.rows["quanta"][0] += 1
    found = of(law_findings(EngineReader(venue.engine)))
    assert found["INV-01"].health is Health.FAILING
    assert "report it" in found["INV-01"].detail


def test_open_interest_that_is_not_symmetric_is_found() -> None:
    venue = a_book(0)
    book = venue.state.book
    unit = int(np.flatnonzero(book.units["positions_count"] > 0)[-1])
    book.positions.rows["lots"][book.units["positions_start"][unit]] += 1
    found = of(law_findings(EngineReader(venue.engine)))
    assert found["INV-02"].health is Health.FAILING


def test_a_backstop_that_owes_more_than_it_has_is_found() -> None:
    fine = of(part_findings(Parts(is_connected=True, backstop_equity=0.0)))["backstop"]
    assert fine.health is Health.OK
    owes = of(part_findings(Parts(is_connected=True, backstop_equity=-43_756.4)))["backstop"]
    assert owes.health is Health.DEGRADED
    assert owes.detail.startswith("it owes 43,756 more than it has")


def down(venue: Venue) -> int:
    """Return a unit that stands at its trigger behind the engine's back."""
    unit = venue.open("ana", USDT=100)
    venue.trade(unit, venue.state.liquidity, "A", 10, 100)
    venue.state.prices[venue.factor("A")] = 85.0
    venue.state.prices_changed()
    return unit


def test_whoever_is_at_the_trigger_and_left_alone_is_found() -> None:
    venue = Venue()
    quiet(venue)
    venue.marks(A=100)
    unit = down(venue)
    reader = EngineReader(venue.engine)
    assert is_left_alone(reader, unit)
    found = of(law_findings(reader))
    assert found["INV-06"].health is Health.FAILING
    assert f"units {unit}" in found["INV-06"].detail
    venue.state.held.add(unit)
    assert of(law_findings(reader))["INV-06"].health is Health.OK


def test_the_whole_is_as_well_as_its_worst_part() -> None:
    names = [Health.OK, Health.UNKNOWN, Health.DEGRADED, Health.FAILING]
    rows = [Finding(name="x", health=health, detail="") for health in names]
    for count in range(1, 5):
        assert worst(rows[:count]) is names[count - 1]
    assert worst([]) is Health.UNKNOWN


GOOD = Parts(
    is_connected=True,
    cells={"position": 10, "is_behind": 0, "queue_items": 0, "queue_marks": 0},
    position=10,
    snapshot={"position": 9, "findings": []},
    snapshot_age_s=5.0,
)


def test_a_service_at_rest_is_well() -> None:
    assert {finding.health for finding in part_findings(GOOD)} == {Health.OK}


def out(*, timed_out: int, overdue_s: float = 1.0) -> Orders:
    return Orders(working=5, timed_out=timed_out, oldest_s=11.0, overdue_s=overdue_s)


@pytest.mark.parametrize(
    ("change", "name", "health"),
    [
        ({"is_connected": False}, "writer", Health.FAILING),
        ({"still_s": 6.0}, "writer", Health.DEGRADED),
        ({"still_s": 31.0}, "writer", Health.FAILING),
        ({"cells": {**(GOOD.cells or {}), "is_behind": 1}}, "journal", Health.FAILING),
        ({"cells": None}, "journal", Health.UNKNOWN),
        ({"cells": {"position": 12 + LAG_MAX}}, "lag", Health.DEGRADED),
        ({"position": None}, "lag", Health.UNKNOWN),
        ({"cells": {"queue_items": 20_000}}, "queue", Health.DEGRADED),
        ({"snapshot": None}, "snapshots", Health.UNKNOWN),
        ({"snapshot": {"findings": ["INV-10"]}}, "snapshots", Health.FAILING),
        ({"snapshot_age_s": 7200.0}, "snapshots", Health.DEGRADED),
        ({"untrusted": ("BTCUSDT",)}, "prices", Health.DEGRADED),
        ({"undelivered": 1}, "alerts", Health.DEGRADED),
        ({"orders": out(timed_out=1)}, "execution", Health.DEGRADED),
        ({"orders": out(timed_out=1, overdue_s=61.0)}, "execution", Health.FAILING),
        ({"orders": out(timed_out=3)}, "execution", Health.FAILING),
        ({"orders": out(timed_out=0)}, "execution", Health.OK),
    ],
)
def test_what_is_not_well_is_named(change: dict[str, object], name: str, health: Health) -> None:
    found = of(part_findings(replace(GOOD, **change)))  # type: ignore[arg-type]
    assert found[name].health is health
    assert found[name].detail
