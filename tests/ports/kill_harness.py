"""Kill a program that writes a journal at random moments, and hold it to what it acknowledged.

The program is any script with three modes, called as `python SCRIPT MODE TARGET SEED`:

- `drive NAME SEED`: recover from the journal NAME, go on appending until killed;
- `replay NAME SEED`: fold the journal NAME, a path or a URL, from its first batch;
- `expect COUNT SEED`: the first COUNT batches without a kill (in memory).

Each prints a line `ack <position> <digest>` per batch, where the digest is that of its state after
the batch; `drive` prints it only once the batch is durable, and may then be killed anywhere. What
the script does must depend on its seed and its state alone. SIGKILL ends the process, not the
machine: data in the page cache survives, so a loss of power is not simulated.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from signal import SIGKILL
from typing import IO

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
DELAY_MEAN_S = 0.004  # a few appends
START_S = 0.4  # opening, importing and recovering are killed too


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A script to kill.

    Attributes:
        script: Its path.
        seed: Decides its commands and the moments of its death.
        group_max: The most batches it appends at once: what may be durable and not acknowledged.
        here: Does `replay` and `expect` in this process, where starting another is slow: called
            with mode, target and seed, it returns the lines.
    """

    script: Path
    seed: int
    group_max: int
    here: Callable[[str, str, int], list[str]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KillPoint:
    """When to kill: so long after so many acknowledged batches of this run."""

    acks: int
    delay_s: float


Digests = dict[int, str]
"""Digest by position."""


def kill_points(seed: int, count: int) -> list[KillPoint]:
    """Return moments of death; one in four is counted from the start of the process."""
    rng = np.random.default_rng(seed)
    points = []
    for _ in range(count):
        if rng.random() < 0.25:
            points.append(KillPoint(acks=0, delay_s=float(rng.uniform(0.0, START_S))))
        else:
            delay = float(rng.exponential(DELAY_MEAN_S))
            points.append(KillPoint(acks=int(rng.integers(1, 60)), delay_s=delay))
    return points


def survive(program: Program, journal: Path | str, points: Sequence[KillPoint]) -> Digests:
    """Kill the program at each point, on one journal, and check every recovery.

    Returns:
        What the journal held in the end: the digest at each position.
    """
    held: Digests = {}
    for point in points:
        acknowledged = acknowledged_until_killed(program, journal, point)
        found = replayed(program, journal)
        last = max([len(held), *acknowledged])
        assert list(found) == list(range(1, len(found) + 1)), "positions are dense from 1"
        assert found.items() >= held.items(), "what was recovered before is still there"
        assert found.items() >= acknowledged.items(), "what was acknowledged is there, identical"
        assert last <= len(found) <= last + program.group_max, "only the last group may be extra"
        held = found
    assert held == expected(program, len(held)), "no kill can be seen in the state"
    return held


def acknowledged_until_killed(program: Program, journal: Path | str, point: KillPoint) -> Digests:
    """Run `drive` up to the point, kill it, and return all it acknowledged."""
    process = start(program, "drive", str(journal))
    with process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(point.acks)]
        time.sleep(point.delay_s)
        process.kill()
        lines += process.stdout.readlines()
        assert process.wait() == -SIGKILL, f"ended by itself: {read(process.stderr)}"
    return digests(lines)


def replayed(program: Program, journal: Path | str) -> Digests:
    """Return the digests of a fold of the journal as it is found."""
    return completed(program, "replay", str(journal))


def expected(program: Program, count: int) -> Digests:
    """Return the digests of the first batches of a run that nothing interrupts."""
    return completed(program, "expect", str(count))


def completed(program: Program, mode: str, target: str) -> Digests:
    if program.here is not None:
        return digests(program.here(mode, target, program.seed))
    process = start(program, mode, target)
    output, errors = process.communicate()
    assert process.returncode == 0, f"{mode} failed: {errors}"
    return digests(output.splitlines(keepends=True))


def start(program: Program, mode: str, target: str) -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603 our own interpreter and script
        [sys.executable, str(program.script), mode, target, str(program.seed)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": import_path()},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def import_path() -> str:
    """Where a script finds what it shares with other tests: a script's own folder comes first."""
    return os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))


def digests(lines: Sequence[str]) -> Digests:
    """Read `ack` lines; a last line without its end was not acknowledged."""
    found: Digests = {}
    for line in lines:
        if line.endswith("\n"):
            word, position, digest = line.split()
            assert word == "ack", line
            assert int(position) not in found, f"acknowledged twice: {line}"
            found[int(position)] = digest
    return found


def read(stream: IO[str] | None) -> str:
    return "" if stream is None else stream.read()
