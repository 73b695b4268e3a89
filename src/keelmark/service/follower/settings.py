"""What a follower is started with: one line of JSON on its standard input."""

from pathlib import Path

import msgspec

from keelmark.service.folder import Folder


class FollowerSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a follower is run.

    Attributes:
        data: Folder of the service.
        journal: Address of the journal; empty is `journal.db` in the folder. It may hold a
            password, so it is never an argument of a process.
        batches: Journal batches after which the next snapshot is written.
        seconds: Seconds after which it is written, if anything has happened.
        keep: Snapshots that are kept, the latest.
        poll_s: Seconds between two looks at the journal.
    """

    data: str
    journal: str = ""
    batches: int = 50_000
    seconds: float = 60.0
    keep: int = 3
    poll_s: float = 0.2

    @property
    def folder(self) -> Folder:
        """Folder of the service."""
        return Folder(Path(self.data))
