"""What a writer is started with: one line of JSON on its standard input."""

from pathlib import Path
from typing import Literal

import msgspec

from keelmark.service.folder import Folder

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
    def folder(self) -> Folder:
        """Folder of the service."""
        return Folder(Path(self.data))
