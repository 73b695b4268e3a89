"""Where everything of a service lies: one folder, and the name of each thing in it."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Folder:
    """The data folder of a service, or of a watch.

    Attributes:
        path: The folder.
    """

    path: Path

    @property
    def journal(self) -> Path:
        """The journal, where it is a file."""
        return self.path / "journal.db"

    def journal_or(self, url: str) -> str:
        """Return the address of the journal: a database's, or the file's."""
        return url or str(self.journal)

    @property
    def snapshots(self) -> Path:
        """Folder of snapshots."""
        return self.path / "snapshots"

    @property
    def keys(self) -> Path:
        """Keys, hashed."""
        return self.path / "keys.json"

    @property
    def trail(self) -> Path:
        """The audit trail."""
        return self.path / "audit.jsonl"

    @property
    def alerts(self) -> Path:
        """Alerts that are told, and owed."""
        return self.path / "alerts.db"

    @property
    def stopped(self) -> Path:
        """Where a writer that was stopped leaves its position and digest."""
        return self.path / "stopped.json"

    @property
    def run(self) -> Path:
        """Folder of what lives as long as the service runs; columns are found from here."""
        return self.path / "run"

    @property
    def lock(self) -> Path:
        """Held by the service that runs on the folder, with its process."""
        return self.run / "service.pid"

    @property
    def socket(self) -> Path:
        """Where the writer listens."""
        return self.run / "writer.sock"

    @property
    def counters(self) -> Path:
        """Where the writer counts."""
        return self.run / "writer.counters"

    @property
    def recording_over(self) -> Path:
        """There once a replay has sent the whole of its recording."""
        return self.run / "recording.over"

    @property
    def follower(self) -> Path:
        """Where the follower writes how it is."""
        return self.run / "follower.json"
