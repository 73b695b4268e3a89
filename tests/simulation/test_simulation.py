"""Workloads, faults and checks: every law of the engine holds in every run."""

import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from keelmark.core.errors import InvalidDocument
from keelmark.engine.apply import apply
from keelmark.engine.codec import event_of
from keelmark.engine.engine import Engine
from keelmark.engine.state import State
from keelmark.lab.simulation import run
from keelmark.lab.simulation.campaign import Failure, reproduction, run_shards, tried
from keelmark.lab.simulation.probes import Probes
from keelmark.lab.simulation.run import draw_plan, play_calmly, play_disturbed, run_shard
from keelmark.lab.simulation.spec import ProfileTable, read_simulation

QUICK, NIGHTLY = 20, 2_000
CRASH = read_simulation("crash")
REGRESSIONS = tomllib.loads(Path(__file__).with_name("regressions.toml").read_text("utf-8"))


@pytest.mark.parametrize("shard", range(QUICK))
def test_every_law_holds_through_crash_and_faults_and_no_restart_can_be_seen(shard: int) -> None:
    outcome = run_shard(CRASH, 0, shard)
    assert outcome.batches > 0


@pytest.mark.parametrize("row", REGRESSIONS.get("seed", []), ids=lambda row: row["title"])
def test_what_once_broke_a_law_holds(row: dict[str, int | str]) -> None:
    spec = read_simulation(str(row["config"]))
    run_shard(spec, int(row["seed"]), int(row["shard"]))


@pytest.mark.nightly
@pytest.mark.timeout(4 * 3600)
def test_every_rare_branch_is_reached_and_every_law_holds_in_many_runs() -> None:
    campaign = run_shards(CRASH, 1, range(NIGHTLY))
    assert [(f.shard, f.error) for f in campaign.failures] == []
    assert campaign.silent == []


def test_winners_at_their_limit_are_not_closed_against_by_twos() -> None:
    """A loss of less than a quantum a lot: its parts round to nothing, and always find room."""
    plan = draw_plan(CRASH, np.random.SeedSequence([0, 13]))
    journal = play_calmly(plan, Probes())
    assert max(len(batch) for _, batch in journal.inner.read(after=0)) < 1_000


@pytest.mark.slow
def test_equal_seeds_give_equal_runs_and_shards_differ() -> None:
    first, again, other = (run_shard(CRASH, 3, shard) for shard in (1, 1, 2))
    assert first == again
    assert first.digest != other.digest


@pytest.mark.slow
def test_an_engine_that_forgets_a_wait_when_it_is_opened_again_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spec = CRASH.model_copy(update={"profile": CRASH.profile[1:2]})
    spec = spec.model_copy(update={"faults": spec.faults.model_copy(update={"restart": 0.5})})
    recover = Engine.recover

    def forgetful(*args: object, **settings: object) -> Engine:
        engine = recover(*args, **settings)  # type: ignore[arg-type]  # passed on as it came
        for case in engine.state.cases.values():
            case.wake_ms = 0
        return engine

    monkeypatch.setattr(Engine, "recover", forgetful)
    failures = run_shards(spec, 5, range(3)).failures
    assert failures


def test_a_failure_prints_the_line_that_shows_it_again() -> None:
    assert reproduction(7, 0, "crash.toml") == "keelmark simulate --seed 7 --config crash.toml"
    assert reproduction(7, 3, "a.toml") == "keelmark simulate --seed 7 --config a.toml --shard 3"


def test_whatever_breaks_in_a_run_is_a_failure_that_names_the_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(run, "check_all", broken)
    failure = tried(CRASH, 0, 0)
    assert isinstance(failure, Failure)
    assert failure.error.startswith("ZeroDivisionError")
    assert "step 0" in failure.where[0]


def test_a_profile_that_names_no_key_of_a_process_is_refused_by_name() -> None:
    profile = replace_liquidation({"reduce": {"sizes": "all"}})
    with pytest.raises(InvalidDocument, match="sizes"):
        CRASH.rulebook_of(profile)


def replace_liquidation(liquidation: dict[str, object]) -> ProfileTable:
    return CRASH.profile[0].model_copy(update={"liquidation": liquidation})


def test_both_journals_of_a_run_fold_to_the_same_state() -> None:
    plan = draw_plan(CRASH, np.random.SeedSequence([11, 0]))
    calm, rough = play_calmly(plan, Probes()), play_disturbed(plan, Probes())
    state = State(plan.rulebook)
    for _, records in rough.read(after=0):
        for record in records:
            apply(state, event_of(record))
    assert state.book.units_count == calm.state.book.units_count
    assert np.array_equal(state.prices, calm.state.prices, equal_nan=True)
    assert replace(state.loss_window) == calm.state.loss_window
