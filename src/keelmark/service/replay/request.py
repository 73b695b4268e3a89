"""Which replay a folder serves, kept in it.

The supervisor reads it before anything starts, so it loads nothing of the lab.
"""

from pathlib import Path

import msgspec

from keelmark.core.errors import UnreadableData


class ReplayKept(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A replay, as a folder keeps it.

    Attributes:
        scenario: Which crash.
        accounts: How many accounts are drawn.
        seed: Of everything drawn.
        recorded: Folder of recorded data; empty runs on built-in figures.
    """

    scenario: str
    accounts: int
    seed: int = 7
    recorded: str = ""

    @property
    def data(self) -> Path | None:
        """Folder of recorded data; `None` runs on built-in figures."""
        return Path(self.recorded) if self.recorded else None


def replay_path(data: Path) -> Path:
    """Return where a folder keeps its replay."""
    return data / "venue" / "replay.json"


def kept_replay(data: Path) -> ReplayKept | None:
    """Return the replay a folder serves, `None` if it serves none.

    Raises:
        UnreadableData: The file was damaged.
    """
    path = replay_path(data)
    if not path.exists():
        return None
    try:
        return msgspec.json.decode(path.read_bytes(), type=ReplayKept)
    except (OSError, msgspec.MsgspecError) as error:
        msg = f"{path} cannot be read ({error}); restore it from a copy of the folder"
        raise UnreadableData(msg) from error
