"""The audit trail: what somebody was about to do, durable before it is done, and what came of it.

One JSON line an entry. Each carries the hash of the one before it and its own, so that a line that
was changed, taken out or put in is found. What the chain cannot tell is that its end was cut off:
keep the latest hash (`GET /v1/audit` shows it) somewhere else to tell that too.
"""

import errno
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import Any, Literal

import msgspec

from keelmark.core.errors import InvariantViolated, StorageFailed
from keelmark.service.security.private_file import OWNER_ONLY, sync_folder
from keelmark.service.times import iso_time

START = "0" * 64
"""What the first entry names as the one before it."""


class Entry(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """A line of the trail.

    Attributes:
        sequence: Number of the line, from 1.
        time: When it was written, UTC.
        kind: An action that is about to be sent, its outcome, something that needs none, or a
            torn line that was found.
        key: Id of the key that acts.
        name: Name of the key.
        role: Its role.
        address: Where the request came from.
        action: What: method and path of the route, or what the service did by itself.
        details: With what; never a secret.
        reason: Why, in the words of whoever acts.
        of: Sequence of the action that an outcome is of.
        outcome: What became of it.
        previous: Hash of the line before.
        hash: Hash of this line without this field.
    """

    sequence: int
    time: str
    kind: Literal["action", "outcome", "note", "torn"]
    previous: str
    key: str = ""
    name: str = ""
    role: str = ""
    address: str = ""
    action: str = ""
    details: Mapping[str, Any] = msgspec.field(default_factory=dict)
    reason: str = ""
    of: int = 0
    outcome: str = ""
    hash: str = ""

    @property
    def line(self) -> bytes:
        """The entry as it is written."""
        return msgspec.json.encode(self, order="deterministic") + b"\n"

    def hashed(self) -> str:
        """Return the hash that this line must carry."""
        return sha256(msgspec.structs.replace(self, hash="").line).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who acts, and from where.

    Attributes:
        key: Id of the key.
        name: Name of the key.
        role: Its role.
        address: Where the request came from.
    """

    key: str
    name: str
    role: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What reading a trail back has found.

    Attributes:
        entries: Whole lines.
        head: Hash of the last of them.
        problems: What does not fit, line by line; empty for an untouched trail.
        torn_bytes: Bytes of a last line that was not written to its end.
        unfinished: Actions without an outcome: under way, or cut off.
    """

    entries: int
    head: str
    problems: tuple[str, ...]
    torn_bytes: int
    unfinished: tuple[int, ...]


class AuditTrail:
    """Writes a trail, one process alone. Every line is on the disk when a method returns.

    Attributes:
        path: Where it is.

    Raises:
        InvariantViolated: The trail has been changed; what is wrong is named. Nothing is added.
        StorageFailed: It cannot be read or written.
    """

    def __init__(self, path: Path, *, now_ms: int) -> None:
        self.path, self._lock = path, Lock()
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, OWNER_ONLY)
            sync_folder(path.parent)
        except OSError as error:
            raise _failed(path, error) from error
        try:
            self._begin(now_ms)
        except BaseException:
            self.close()
            raise

    def _begin(self, now_ms: int) -> None:
        found = verify(self.path)
        if found.problems:
            msg = (
                f"{self.path}: the audit trail has been changed: {found.problems[0]}; keep the "
                "file, find out who did it, and start a new trail in its place"
            )
            raise InvariantViolated(msg)
        self._sequence, self._head = found.entries, found.head
        if found.torn_bytes:
            self._set_aside(found.torn_bytes, now_ms)

    def begin(
        self, actor: Actor, action: str, details: Mapping[str, Any], *, reason: str, now_ms: int
    ) -> int:
        """Write that an action is about to be done; return its number, for `finish`."""
        return self._write(
            Entry(
                sequence=0,
                time=iso_time(now_ms),
                kind="action",
                previous="",
                key=actor.key,
                name=actor.name,
                role=actor.role,
                address=actor.address,
                action=action,
                details=details,
                reason=reason,
            ),
        )

    def finish(self, of: int, outcome: str, *, now_ms: int) -> None:
        """Write what became of an action."""
        entry = Entry(
            sequence=0, time=iso_time(now_ms), kind="outcome", previous="", of=of, outcome=outcome
        )
        self._write(entry)

    def note(self, actor: Actor, action: str, *, now_ms: int) -> None:
        """Write something that is done with being written down: somebody came, or went."""
        self._write(
            Entry(
                sequence=0,
                time=iso_time(now_ms),
                kind="note",
                previous="",
                key=actor.key,
                name=actor.name,
                role=actor.role,
                address=actor.address,
                action=action,
            ),
        )

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def _set_aside(self, torn_bytes: int, now_ms: int) -> None:
        """Take a torn last line off the file, and write what was there into a line of its own."""
        with self._lock:
            try:
                size = os.fstat(self._descriptor).st_size
                torn = os.pread(self._descriptor, torn_bytes, size - torn_bytes)
                os.ftruncate(self._descriptor, size - torn_bytes)
                os.fsync(self._descriptor)
            except OSError as error:
                raise _failed(self.path, error) from error
        details = {"text": torn.decode("utf-8", "backslashreplace")}
        self._write(
            Entry(sequence=0, time=iso_time(now_ms), kind="torn", previous="", details=details),
        )

    def _write(self, entry: Entry) -> int:
        with self._lock:
            placed = msgspec.structs.replace(
                entry, sequence=self._sequence + 1, previous=self._head
            )
            whole = msgspec.structs.replace(placed, hash=placed.hashed())
            try:
                size = os.fstat(self._descriptor).st_size
                try:
                    _write_whole(self._descriptor, whole.line)
                except OSError:
                    os.ftruncate(self._descriptor, size)
                    raise
            except OSError as error:
                raise _failed(self.path, error) from error
            self._sequence, self._head = whole.sequence, whole.hash
            return whole.sequence


def _write_whole(descriptor: int, line: bytes) -> None:
    """Put a line on the disk, all of it."""
    written = os.write(descriptor, line)
    if written < len(line):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    os.fsync(descriptor)


def entries(path: Path, *, after: int = 0) -> Iterator[Entry]:
    """Return the whole lines of a trail after a number, oldest first, as they were written."""
    for line in _lines(path):
        entry = _entry(line)
        if entry is not None and entry.sequence > after:
            yield entry


def verify(path: Path) -> Verified:
    """Read a trail back and hold every line against the one before it.

    Raises:
        StorageFailed: It cannot be read.
    """
    head, count, torn = START, 0, 0
    problems: list[str] = []
    waiting: dict[int, None] = {}
    for number, line in enumerate(_lines(path), 1):
        if not line.endswith(b"\n"):
            torn = len(line)
            break
        count = number
        entry = _entry(line)
        problem = "is no entry" if entry is None else _problem(entry, line, number, head)
        if problem:
            problems.append(f"line {number} {problem}")
        if entry is not None:
            head = entry.hash
            _note(waiting, entry)
    return Verified(
        entries=count,
        head=head,
        problems=tuple(problems),
        torn_bytes=torn,
        unfinished=tuple(waiting),
    )


def _note(waiting: dict[int, None], entry: Entry) -> None:
    """Remember actions until their outcome comes."""
    if entry.kind == "action":
        waiting[entry.sequence] = None
    else:
        waiting.pop(entry.of, None)


def _problem(entry: Entry, line: bytes, number: int, head: str) -> str:
    """Return what is wrong with a line, or nothing."""
    if entry.hash != entry.hashed() or entry.line != line:
        return "was changed: it does not have its hash"
    if entry.sequence != number or entry.previous != head:
        return "does not follow the line before it: lines were taken out, put in or moved"
    return ""


def _entry(line: bytes) -> Entry | None:
    try:
        return msgspec.json.decode(line, type=Entry)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            yield from file
    except FileNotFoundError:
        return
    except OSError as error:
        raise _failed(path, error) from error


def _failed(path: Path, error: OSError) -> StorageFailed:
    msg = (
        f"{path}: the audit trail cannot be kept ({error.strerror or error}); nothing that needs "
        "it is done: check the disk and its permissions"
    )
    return StorageFailed(msg)
