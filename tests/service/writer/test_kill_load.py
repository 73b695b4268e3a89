"""What the writer acknowledged survives every kill, once."""

import os
import sys
from pathlib import Path

import pytest

from tests.service.writer.kill_load import run

KILLS = 2
KILLS_NIGHTLY = int(os.environ.get("KEELMARK_KILLS", "500"))

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is POSIX")


def test_acknowledged_commands_survive_kills_once(tmp_path: Path) -> None:
    kills = run(tmp_path, KILLS, seed=3)
    assert kills.acknowledged > 0
    assert kills.refused > 0
    assert kills.resent > 0


@pytest.mark.nightly
@pytest.mark.timeout(14_400)
def test_acknowledged_commands_survive_many_kills_on_sqlite(tmp_path: Path) -> None:
    kills = run(tmp_path, KILLS_NIGHTLY, seed=7)
    sys.stdout.write(f"{kills}\n")
    assert kills.found_done > 0, "a command was durable and unanswered at least once"


@pytest.mark.nightly
@pytest.mark.timeout(14_400)
def test_acknowledged_commands_survive_many_kills_on_postgresql(
    tmp_path: Path, postgres_url: str
) -> None:
    kills = run(tmp_path, KILLS_NIGHTLY, seed=8, journal=postgres_url)
    sys.stdout.write(f"{kills}\n")
    assert kills.found_done > 0
