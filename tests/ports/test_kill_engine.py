"""The engine over a journal keeps every command it acknowledged, once, through any kill."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from keelmark.engine.codec import POSTINGS
from keelmark.engine.engine import Engine
from tests.ports import engine_group_script, engine_script
from tests.ports.kill_harness import KillPoint, Program, kill_points, survive

SCRIPT = Path(engine_script.__file__)
GROUPS = Path(engine_group_script.__file__)
KILLS_PER_JOURNAL = 3
QUICK = 1
NIGHTLY = 70
START_FACTOR = 8.0  # the engine takes that much longer to start than the harness expects

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is POSIX")


def points(seed: int) -> list[KillPoint]:
    return [
        point if point.acks else replace(point, delay_s=START_FACTOR * point.delay_s)
        for point in kill_points(seed, KILLS_PER_JOURNAL)
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    "seed",
    [*range(QUICK), *(pytest.param(i, marks=pytest.mark.nightly) for i in range(QUICK, NIGHTLY))],
)
def test_no_command_is_lost_and_none_is_carried_out_twice(tmp_path: Path, seed: int) -> None:
    program = Program(script=SCRIPT, seed=seed, group_max=1, here=engine_script.told)
    held = survive(program, tmp_path / "journal.sqlite", points(seed))
    assert len(held) >= max(point.acks for point in points(seed))


@pytest.mark.slow
@pytest.mark.parametrize(
    "seed",
    [0, *(pytest.param(i, marks=pytest.mark.nightly) for i in range(1, NIGHTLY))],
)
def test_a_kill_within_a_group_loses_nothing_that_was_acknowledged(
    tmp_path: Path, seed: int
) -> None:
    program = Program(
        script=GROUPS,
        seed=seed,
        group_max=engine_group_script.BATCHES_MAX,
        here=engine_script.told,
    )
    held = survive(program, tmp_path / "journal.sqlite", points(seed))
    assert len(held) >= max(point.acks for point in points(seed))


def test_killed_runs_find_liquidations_in_progress_and_bulk_fills() -> None:
    lines = engine_script.told("expect", "400", 1)
    assert len(lines) == 400
    engine = Engine(engine_script.rulebook(), market=engine_script.market())
    waiting = bulk = 0
    while engine.position < 400:
        before = engine.position
        engine_script.advance(engine, 1)
        waiting += len(engine.state.cases)
        for _, records in engine.journal.read(after=before):
            bulk += sum(record.kind == POSTINGS for record in records)
    assert waiting > 10
    assert bulk > 10
