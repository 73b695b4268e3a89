"""A kill while a liquidation is executed outside: every order is sent once, every fill booked once.

The harness compares the digest after every batch with that of a run nobody interrupted. The digest
holds what works, what was reported and what was closed, so an order sent twice, a fill booked twice
or one that was lost would show.
"""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from keelmark.engine import order_events as oe
from keelmark.engine.codec import event_of
from keelmark.engine.engine import Engine
from keelmark.engine.journal.sqlite import SqliteJournal
from tests.ports import external_script
from tests.ports.engine_script import SETTINGS
from tests.ports.kill_harness import KillPoint, Program, kill_points, survive
from tests.ports.test_kill_engine import START_FACTOR

SCRIPT = Path(external_script.__file__)
KILLS_PER_JOURNAL = 2
QUICK = 1
NIGHTLY = 40

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is POSIX")


def points(seed: int) -> list[KillPoint]:
    """Return moments of death, deep enough in the run for orders to be out."""
    return [
        replace(point, acks=point.acks + 60)
        if point.acks
        else replace(point, delay_s=START_FACTOR * point.delay_s)
        for point in kill_points(seed, KILLS_PER_JOURNAL)
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    "seed",
    [*range(QUICK), *(pytest.param(i, marks=pytest.mark.nightly) for i in range(QUICK, NIGHTLY))],
)
def test_orders_and_fills_survive_any_kill_once(tmp_path: Path, seed: int) -> None:
    program = Program(script=SCRIPT, seed=seed, group_max=1, here=external_script.told)
    path = tmp_path / "journal.sqlite"
    held = survive(program, path, points(seed))
    assert len(held) >= max(point.acks for point in points(seed))
    with SqliteJournal(path, SETTINGS) as journal:
        events = [event_of(row) for _, rows in journal.read(after=0) for row in rows]
    sent = [event.order for event in events if isinstance(event, oe.OrderSent)]
    fills = [(x.order, x.execution) for x in events if isinstance(x, oe.OrderFilled)]
    assert sent == list(range(1, len(sent) + 1))
    assert len(fills) == len(set(fills))


def test_killed_runs_find_orders_out_and_every_kind_of_answer() -> None:
    engine = Engine(external_script.rulebook(), market=external_script.market())
    out = 0
    while engine.position < 400:
        external_script.advance(engine, 0)
        out += len(engine.state.working) > 0
    events = [event_of(row) for _, rows in engine.journal.read(after=0) for row in rows]
    assert out > 30
    for kind in (oe.OrderSent, oe.OrderFilled, oe.OrderTimedOut, oe.CancelRequested):
        assert any(isinstance(event, kind) for event in events), kind
