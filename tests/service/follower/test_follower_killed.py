"""A follower that is killed at any point leaves snapshots that can be used."""

import json
import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import msgspec
import numpy as np
import pytest

from keelmark.core.errors import UnreadableData
from keelmark.engine import commands as c
from keelmark.engine.engine import Engine
from keelmark.engine.execution import MarkMarket
from keelmark.service.follower.settings import FollowerSettings
from keelmark.service.follower.status import OK, read_status
from keelmark.service.venue import kept_rulebook
from keelmark.service.writer.opening import snapshots
from tests.service.follower.served import Served, busy, served

QUICK, NIGHTLY = 1, 100
PATIENCE_S = 60.0


class Killed(BaseException):
    """The process ends here."""


STEPS: dict[str, Any] = {
    "os.fsync": os.fsync,
    "pathlib.Path.replace": Path.replace,
    "pathlib.Path.unlink": Path.unlink,
}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("number", [0, 1, 2])
def test_an_end_at_each_step_of_writing_leaves_usable_snapshots(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, number: int
) -> None:
    with served(tmp_path) as venue:
        long, _ = busy(venue)
        follower = venue.follower(batches=1, keep=1)
        follower.round()
        venue.do(c.Deposit(unit=long, asset=0, quanta=1))
        calls, real = 0, STEPS[step]

        def end(*arguments: Any, **more: Any) -> Any:  # noqa: ANN401 as the step
            nonlocal calls
            calls += 1
            if calls > number:
                raise Killed
            return real(*arguments, **more)

        with monkeypatch.context() as patch:
            patch.setattr(step, end)
            with suppress(Killed):
                follower.round()
        follower.close()
        require_usable(venue)
        venue.do(c.Deposit(unit=long, asset=0, quanta=1))
        again = venue.follower(batches=1, keep=1)
        again.round(is_last=True)
        again.close()
        assert [position for position, _ in snapshots(venue.data / "snapshots")] == [
            venue.engine.position
        ]


def require_usable(venue: Served) -> None:
    """Hold that the latest good snapshot and the tail give the engine."""
    for _, path in snapshots(venue.data / "snapshots"):
        try:
            engine = Engine.recover(
                kept_rulebook(venue.data), venue.journal, snapshot=path, market=MarkMarket()
            )
        except UnreadableData:
            continue
        assert engine.digest() == venue.engine.digest()
        return
    pytest.fail("no snapshot can be read")


# --- as a process -------------------------------------------------------------------------------


def started(settings: FollowerSettings) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-m", "keelmark.service.follower"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    process.stdin.write(msgspec.json.encode(settings) + b"\n")
    process.stdin.flush()
    return process


def lines(out: IO[bytes] | None) -> list[dict[str, Any]]:
    assert out is not None
    return [json.loads(line) for line in out.read().splitlines()]


def wait_for_snapshot(venue: Served, after: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        found = snapshots(venue.data / "snapshots")
        if found and found[0][0] > after:
            return
        time.sleep(0.02)
    pytest.fail("no snapshot in time")


@pytest.mark.parametrize("kills", [QUICK, pytest.param(NIGHTLY, marks=pytest.mark.nightly)])
def test_a_killed_follower_leaves_usable_snapshots_and_the_next_goes_on(
    tmp_path: Path, kills: int
) -> None:
    rng = np.random.default_rng(kills)
    with served(tmp_path) as venue:
        long, _ = busy(venue)
        settings = venue.settings(batches=1, poll_s=0.005)
        for _ in range(kills):
            after = venue.engine.position - 1
            process = started(settings)
            wait_for_snapshot(venue, after)
            until = time.monotonic() + float(rng.uniform(0.0, 0.2))
            while time.monotonic() < until:
                venue.do(c.Deposit(unit=long, asset=0, quanta=1))
            process.kill()
            process.communicate()
            require_usable(venue)
            venue.do(c.Deposit(unit=long, asset=0, quanta=1))
        process = started(settings)
        wait_for_snapshot(venue, venue.engine.position - 1)
        venue.do(c.Deposit(unit=long, asset=0, quanta=1))
        out, _ = process.communicate()  # the end of its input stops it
        assert process.returncode == 0
        status = read_status(settings.folder.follower)
        assert status is not None
        assert (status.status, status.digest) == (OK, venue.engine.digest())
        assert b'"snapshot"' in out


@pytest.mark.nightly
def test_a_finding_ends_the_process_with_its_code(tmp_path: Path) -> None:
    with served(tmp_path) as venue:
        long, _ = busy(venue)
        shared = venue.publisher._files._shared  # noqa: SLF001 what is spoilt
        shared.balances["quanta"][int(shared.units[long]["balances_start"])] += 1
        process = started(venue.settings(batches=1))
        process.wait(PATIENCE_S)
        *_, last = lines(process.stdout)
        process.communicate()
        assert process.returncode == 70
        assert last["event"] == "failed"
        assert "INV-10" in last["reason"]
        assert snapshots(venue.data / "snapshots") == []


@pytest.mark.nightly
def test_a_follower_without_a_journal_says_so(tmp_path: Path) -> None:
    with served(tmp_path) as venue:
        bad = started(msgspec.structs.replace(venue.settings(), journal=str(tmp_path / "none")))
        bad.wait(PATIENCE_S)
        assert "no such journal" in lines(bad.stdout)[-1]["reason"]
        bad.communicate()
        assert bad.returncode == 64
