"""The acknowledged mark: a small file beside the journal that says how far it has come.

SQLite drops a damaged end of its write-ahead log in silence, because it cannot tell it from a
write that never finished. The mark can: it is written after each durable append, so it never
names more than was acknowledged. It is not flushed to the device itself, so after a loss of power
it may name less, never more; it is a lower bound and costs no second wait for the disk.
"""

import struct
from hashlib import blake2b
from pathlib import Path

from keelmark.core.errors import CorruptJournal
from keelmark.engine.journal.chain import LINK_BYTES, Head

_MAGIC = b"KMACKED1"
_BODY = struct.Struct(f"<8sQ{LINK_BYTES}s")
_CHECKSUM_BYTES = 8


class Mark:
    """The mark file of one journal, kept open for writing."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.touch()
        self._file = path.open("r+b", buffering=0)

    def write(self, head: Head) -> None:
        """Say that everything up to `head` is acknowledged. One write in place."""
        self._file.seek(0)
        self._file.write(_encode(head))

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def read_mark(path: Path) -> Head | None:
    """Return what the mark file says, or `None` when there is no mark.

    Raises:
        CorruptJournal: The mark itself is damaged.
    """
    try:
        found = path.read_bytes()
    except FileNotFoundError:
        return None
    if not found:  # made, and the process ended before the first write
        return None
    if len(found) == _BODY.size + _CHECKSUM_BYTES:
        magic, position, link = _BODY.unpack_from(found)
        head = Head(position=position, link=link)
        if magic == _MAGIC and found == _encode(head):
            return head
    msg = (
        f"{path}: the acknowledged mark is damaged, so the end of the journal cannot be vouched "
        "for; compare the journal with a copy, then delete the mark to go on without it"
    )
    raise CorruptJournal(msg)


def _encode(head: Head) -> bytes:
    body = _BODY.pack(_MAGIC, head.position, head.link)
    return body + blake2b(body, digest_size=_CHECKSUM_BYTES).digest()
