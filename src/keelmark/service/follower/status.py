"""What a follower says of itself, for `/health`: one file, replaced in one step."""

import os
from pathlib import Path

import msgspec

from keelmark.core.errors import UnreadableData

OK, FAILING, WAITING = "ok", "failing", "waiting"


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """How a follower is.

    Attributes:
        status: `ok`; `failing`, what was found is wrong; `waiting`, the journal cannot be read now.
        position: Journal position of the last snapshot, 0 if there is none.
        digest: Of the state there.
        seconds: What its proofs and the writing took.
        compared: Units whose published rows were equal to the journal's.
        newer: Units that had changed again already and were not compared.
        findings: What is wrong, in words.
    """

    status: str
    position: int = 0
    digest: str = ""
    seconds: float = 0.0
    compared: int = 0
    newer: int = 0
    findings: tuple[str, ...] = ()


def write_status(path: Path, status: Status) -> None:
    """Replace the file that says how a follower is."""
    beside = path.with_name(f".{path.name}.new")
    file = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(file, msgspec.json.encode(status))
    finally:
        os.close(file)
    beside.replace(path)


def read_status(path: Path) -> Status | None:
    """Return what a follower said of itself last; `None` if none has yet.

    Raises:
        UnreadableData: The file is damaged.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Status)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        msg = f"{path} cannot be read ({error}); the follower writes it anew with its next snapshot"
        raise UnreadableData(msg) from error
