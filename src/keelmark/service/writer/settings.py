"""What a writer is started with: one line of JSON on its standard input."""

from pathlib import Path
from typing import Literal

import msgspec

TimeSource = Literal["clock", "marks"]


class WriterSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a writer is run.

    Attributes:
        data: Folder of the service.
        journal: Address of the journal; empty is `journal.db` in the folder. It may hold a
            password, so it is never an argument of a process.
        time: What moves time: the machine's clock, or marks alone (a replay).
        turn_ms: Longest time for which commands are carried out before they are made durable.
        queue_items: Most commands that wait; more are answered `busy`.
    """

    data: str
    journal: str = ""
    time: TimeSource = "clock"
    turn_ms: float = 4.0
    queue_items: int = 20_000

    @property
    def folder(self) -> Path:
        """Folder of the service."""
        return Path(self.data)

    @property
    def run(self) -> Path:
        """Folder of what lives as long as the service runs."""
        return self.folder / "run"

    @property
    def snapshots(self) -> Path:
        """Folder of snapshots."""
        return self.folder / "snapshots"

    @property
    def socket(self) -> Path:
        """Where the writer listens."""
        return self.run / "writer.sock"

    @property
    def counters(self) -> Path:
        """Where the writer counts."""
        return self.run / "writer.counters"

    @property
    def stopped(self) -> Path:
        """Where a writer that was stopped leaves its position and digest."""
        return self.folder / "stopped.json"
