"""`engine_script` in groups, killed in the midst of them: `engine_group_script.py drive PATH SEED`.

Up to eight actions are made durable together, and each is acknowledged after its group. What the
batches are does not depend on where groups begin and end: `engine_script` replays and expects them.
"""

import os
import sys
from pathlib import Path

import numpy as np

from keelmark.engine.engine import Engine
from keelmark.engine.journal.sqlite import SqliteJournal
from tests.ports.engine_script import (
    SETTINGS,
    SNAPSHOTS,
    acknowledgement,
    advance,
    market,
    rulebook,
)

ACTIONS_MAX = 8
BATCHES_MAX = ACTIONS_MAX * 2 * SNAPSHOTS
"""More batches than a group can hold: a snapshot makes two at most."""


def drive(path: Path, seed: int) -> None:
    rng = np.random.default_rng([seed, os.getpid()])  # groups fall anywhere
    with SqliteJournal(path, SETTINGS) as journal:
        engine = Engine.recover(rulebook(), journal, market=market())
        while True:
            lines = []
            with engine.group():
                for _ in range(int(rng.integers(1, ACTIONS_MAX + 1))):
                    advance(engine, seed)
                    lines.append(acknowledgement(engine.position, engine.state))
            os.write(1, "".join(lines).encode())


if __name__ == "__main__":
    drive(Path(sys.argv[2]), int(sys.argv[3]))
