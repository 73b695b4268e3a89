"""No unit below its level is ever outside the suspects and the unwatchables."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.book.cases import SETTINGS as CASE_SETTINGS
from tests.book.cases import all_cases, travel
from tests.book.law import NATURES, SETTINGS, Drive, Verdict, run_law

CASES = {case.name: case for case in all_cases()}


def holds(verdict: Verdict) -> bool:
    return verdict.misses == verdict.false_alarms == verdict.unreported == 0


@pytest.mark.parametrize("name", NATURES)
def test_the_law_holds_in_random_worlds(name: str) -> None:
    number = list(NATURES).index(name)
    world = replace(NATURES[name], units=200)
    verdict = Drive(world, SETTINGS[number % len(SETTINGS)], 7_000 + number).run(60)
    assert holds(verdict), verdict
    assert verdict.below > 100
    assert verdict.spent > 10


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1), st.sampled_from(sorted(NATURES)), st.sampled_from(SETTINGS))
def test_the_law_holds_in_any_small_world(seed: int, name: str, choice: object) -> None:
    world = replace(NATURES[name], units=25)
    chosen = next(s for s in SETTINGS if s == choice)
    verdict = Drive(world, chosen, seed).run(12)
    assert holds(verdict), verdict


@pytest.mark.parametrize("name", CASES)
def test_the_law_holds_on_directed_journeys(name: str) -> None:
    outcome = travel(CASES[name], CASE_SETTINGS[0]) + travel(CASES[name], CASE_SETTINGS[2])
    assert outcome.misses == 0, outcome
    assert outcome.false_alarms == 0, outcome


def test_every_kind_of_journey_ends_below_for_somebody() -> None:
    below = {name: travel(case, CASE_SETTINGS[1]).below for name, case in CASES.items()}
    assert {name for name, count in below.items() if count == 0} <= {
        "floors closer than the slack, 1030.0 with 3000.0",
        "floors closer than the slack, 1062.0 with 5000.0",
    }


@pytest.mark.slow
def test_the_law_holds_for_long() -> None:
    verdict = run_law(10, ticks=100)
    assert holds(verdict), verdict
    assert verdict.account_ticks > 250_000


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(100, 160))
def test_the_law_holds_all_night(seed: int) -> None:
    verdict = run_law(seed, ticks=1_000)
    assert holds(verdict), verdict
