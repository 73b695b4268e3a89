"""What PostgreSQL acknowledged survives the end of the client, of its session and of the server."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing

import psycopg
import pytest

from keelmark.engine.journal.access import Access
from tests.ports.fold_script import GROUP_MAX, opened
from tests.ports.kill_harness import (
    Program,
    digests,
    expected,
    kill_points,
    replayed,
    start,
    survive,
)
from tests.ports.test_kill import SCRIPT
from tests.postgres import Cluster, cluster, new_schema

KILLS_PER_JOURNAL = 3
QUICK = 1
NIGHTLY = 60
ACKS_BETWEEN = 25

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is POSIX")


@pytest.fixture(scope="module")
def server() -> Iterator[Cluster]:
    """A server that flushes to the device, and that may be killed."""
    with cluster(is_durable=True) as found:
        yield found


def seeds(quick: int) -> list[object]:
    nightly = (pytest.param(i, marks=pytest.mark.nightly) for i in range(quick, NIGHTLY))
    return [*range(quick), *nightly]


@pytest.mark.slow
@pytest.mark.parametrize("seed", seeds(QUICK))
def test_what_was_acknowledged_survives_every_kill_of_the_process(
    server: Cluster, seed: int
) -> None:
    program = Program(script=SCRIPT, seed=seed, group_max=GROUP_MAX)
    points = kill_points(seed, KILLS_PER_JOURNAL)
    held = survive(program, new_schema(server.url), points)
    assert len(held) >= max(point.acks for point in points)


def restart(server: Cluster) -> None:
    server.stop("immediate")
    server.start()


def kill_sessions(server: Cluster) -> None:
    """Kill the processes of every session: the server then restarts all of itself."""
    with closing(psycopg.connect(server.url.partition("?")[0])) as connection:
        for (pid,) in connection.execute(
            "SELECT pid FROM pg_stat_activity "
            "WHERE application_name LIKE 'keelmark%' AND pid <> pg_backend_pid()"
        ).fetchall():
            os.kill(pid, signal.SIGKILL)


def terminate_sessions(server: Cluster) -> None:
    with closing(psycopg.connect(server.url.partition("?")[0])) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name LIKE 'keelmark%'"
        )


@pytest.mark.slow
@pytest.mark.parametrize("fault", [restart, kill_sessions, terminate_sessions])
@pytest.mark.parametrize("seed", seeds(1))
def test_a_writer_outlives_its_server_and_every_batch_is_there_once(
    server: Cluster, fault: Callable[[Cluster], None], seed: int
) -> None:
    program = Program(script=SCRIPT, seed=seed, group_max=GROUP_MAX)
    journal = new_schema(server.url)
    acknowledged = acknowledged_through(program, journal, lambda: fault(server))
    found = replayed(program, journal)
    assert found.items() >= acknowledged.items()
    assert len(found) <= len(acknowledged) + GROUP_MAX
    assert found == expected(program, len(found))


def acknowledged_through(
    program: Program, journal: str, fault: Callable[[], None]
) -> dict[int, str]:
    """Let the program append before, between and after two faults; kill it in the end."""
    with start(program, "drive", journal) as process:
        lines = acknowledged_beyond(process, ACKS_BETWEEN)
        for _ in range(2):
            fault()
            with closing(opened(journal, Access.READER)) as reader:
                position = reader.position
            lines += acknowledged_beyond(process, position + ACKS_BETWEEN)
        process.kill()
        assert process.stdout is not None
        return digests([*lines, *process.stdout.readlines()])


def acknowledged_beyond(process: subprocess.Popen[str], position: int) -> list[str]:
    """Read acknowledgements up to the first of a batch after `position`."""
    assert process.stdout is not None
    assert process.stderr is not None
    lines: list[str] = []
    while not lines or max(digests(lines[-1:])) <= position:
        lines.append(process.stdout.readline())
        assert lines[-1], f"ended by itself: {process.stderr.read()}"
    return lines
