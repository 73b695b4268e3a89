"""After each command a replica shows what the engine holds: units, margins, notes, the fleet."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

from keelmark.engine import commands as c
from keelmark.service.columns import generation, publisher
from keelmark.service.columns.publisher import Publisher
from keelmark.service.columns.replica import Replica
from tests.engine.market_of_all import PROCESSES
from tests.engine.test_engine_machine import EngineMachine, build_and_crash, quick
from tests.engine.venue import Venue
from tests.service.columns.published import require_equal


class PublishedMachine(EngineMachine):
    """The engine's machine; after each command the replica is held against the engine."""

    publisher: Publisher | None = None

    def follow(self) -> None:
        super().follow()
        engine = self.venue.engine
        if self.publisher is None:
            run = Path(tempfile.mkdtemp())
            self.publisher = Publisher(engine, run)
            self.replica = Replica.open(run, self.venue.rulebook)
        self.publisher.publish()
        require_equal(self.replica, engine)

    def teardown(self) -> None:
        super().teardown()
        if self.publisher is not None:
            self.publisher.close()


@pytest.fixture
def small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let tables grow and logs begin anew all the time."""
    monkeypatch.setattr(generation, "ROWS_MIN", 2)
    monkeypatch.setattr(publisher, "LOG_MIN", 200)
    monkeypatch.setattr(publisher, "LOG_GROWTH", 2)


@pytest.mark.usefixtures("small_files")
@pytest.mark.parametrize("process", [0, pytest.param(1, marks=pytest.mark.nightly)])
def test_a_replica_follows_a_crash_command_by_command(process: int) -> None:
    build_and_crash(PublishedMachine(), process % len(PROCESSES))


@pytest.mark.nightly
@pytest.mark.usefixtures("small_files")
def test_a_replica_follows_any_commands() -> None:
    PublishedMachine.TestCase.settings = settings(quick, max_examples=500)
    PublishedMachine.TestCase("runTest").runTest()
