"""A process that is killed keeps every batch it acknowledged, once."""

import sys
from pathlib import Path

import pytest

from tests.ports.fold_script import GROUP_MAX
from tests.ports.kill_harness import KillPoint, Program, digests, kill_points, survive

SCRIPT = Path(__file__).with_name("fold_script.py")
KILLS_PER_JOURNAL = 4
QUICK = 2
NIGHTLY = 60

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is POSIX")


@pytest.mark.parametrize(
    "seed",
    [*range(QUICK), *(pytest.param(i, marks=pytest.mark.nightly) for i in range(QUICK, NIGHTLY))],
)
def test_what_was_acknowledged_survives_every_kill_of_the_process(
    tmp_path: Path,
    seed: int,
) -> None:
    program = Program(script=SCRIPT, seed=seed, group_max=GROUP_MAX)
    points = kill_points(seed, KILLS_PER_JOURNAL)
    held = survive(program, tmp_path / "journal.sqlite", points)
    assert len(held) >= max(point.acks for point in points)


def test_the_harness_notices_a_program_that_acknowledges_too_early(tmp_path: Path) -> None:
    # The same script without its durable append.
    honest = SCRIPT.read_text("utf-8")
    append = "            journal.append_many(group, expected_position=fold.position)\n"
    assert append in honest
    early = tmp_path / "early.py"
    early.write_text(honest.replace(append, ""), "utf-8")
    program = Program(script=early, seed=0, group_max=GROUP_MAX)
    with pytest.raises(AssertionError, match="acknowledged is there"):
        survive(program, tmp_path / "journal.sqlite", [KillPoint(acks=3, delay_s=0.0)])


def test_a_line_that_was_cut_off_is_not_an_acknowledgement() -> None:
    assert digests(["ack 1 aa\n", "ack 2 b"]) == {1: "aa"}
