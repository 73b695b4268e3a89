"""What a folder gives, proved: every batch read, from the beginning and from the latest snapshot.

Nothing is taken from what runs: the journal is read and applied again by the same definitions.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from keelmark.core.errors import CorruptJournal, InvalidInput, InvariantViolated, UnreadableData
from keelmark.engine.digest import state_digest
from keelmark.engine.invariants import LAWS, Subject
from keelmark.engine.journal.open import Access, StoredJournal, open_journal
from keelmark.engine.journal.port import Batch, Record
from keelmark.engine.recovery import recovered
from keelmark.engine.state import State
from keelmark.service.backup.copying import read_note
from keelmark.service.folder import Folder
from keelmark.service.follower.follower import SAMPLED, WHOLE
from keelmark.service.security.audit import verify as verify_trail
from keelmark.service.venue import kept_rulebook, kept_venue
from keelmark.service.writer.opening import snapshots

SAMPLE = 1_000
"""Units that are asked about one by one, the first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What a folder gives.

    Attributes:
        venue: What it serves.
        position: Batches that were read.
        digest: Of the state after the last of them.
        snapshot: Position of the latest snapshot that gives the same; `None` if there is none.
        left_out: Snapshots that are no use, with the reason.
        laws: Numbers of the laws that hold.
        audit_entries: Lines of the audit trail, unchanged.
    """

    venue: str
    position: int
    digest: str
    snapshot: int | None
    left_out: tuple[str, ...]
    laws: tuple[int, ...]
    audit_entries: int


def prove(data: Path, *, journal: str = "", at: int | None = None, is_quick: bool = False) -> Proof:
    """Read what a folder holds, and hold it against itself.

    Args:
        data: Folder of a service, or a copy of one; the service may run.
        journal: URL of the database that keeps its journal; empty for a file.
        at: Journal position to stop at; `None` is the end.
        is_quick: Begin at the latest snapshot alone, where there is one.

    Raises:
        InvalidInput: The journal ends before `at`.
        UnreadableData: It is no folder of a service.
        CorruptJournal: The journal is damaged, or ends before its copy did.
        InvariantViolated: Snapshot and journal give different states, a law is broken, or the
            audit trail was changed.
    """
    with open_journal(Folder(data).journal_or(journal), Access.READER) as found:
        _require_note(data, found)
        end = found.position if at is None else at
        if end > found.position:
            msg = f"{found.name} ends at position {found.position}; --at is {at}: give a lower one"
            raise InvalidInput(msg)
        return _proved(data, _Until(found, end), is_quick=is_quick)


class _Until:
    """A journal up to a position, to be read."""

    def __init__(self, journal: StoredJournal, end: int) -> None:
        self._journal, self.end = journal, end

    def read(self, *, after: int) -> Iterator[tuple[int, tuple[Record, ...]]]:
        """Return the batches after a position, up to the end."""
        if after >= self.end:
            return
        for position, records in self._journal.read(after=after):
            yield position, records
            if position >= self.end:
                return

    def append(self, batch: Batch, *, expected_position: int) -> NoReturn:  # noqa: ARG002 the port's
        """Refuse: this is for reading."""
        raise AssertionError

    def append_many(self, batches: Sequence[Batch], *, expected_position: int) -> NoReturn:  # noqa: ARG002 the port's
        """Refuse, likewise."""
        raise AssertionError


def _proved(data: Path, journal: _Until, *, is_quick: bool) -> Proof:
    venue = kept_venue(data)
    loaded, at, left_out = _from_snapshot(data, journal)
    digest = state_digest(loaded) if loaded is not None else ""
    state = loaded
    if state is None or not is_quick:
        state = recovered(kept_rulebook(data), journal, venue.market()).state
    if loaded is not None and digest != state_digest(state):
        msg = (
            f"snapshot {at} and the batches after it give {digest}, the journal from its beginning "
            f"{state_digest(state)} (INV-10); keep the folder and report it"
        )
        raise InvariantViolated(msg)
    return Proof(
        venue=f"{venue.reference} ({venue.rulebook}), {venue.execution} execution",
        position=journal.end,
        digest=state_digest(state),
        snapshot=at,
        left_out=left_out,
        laws=_held(state),
        audit_entries=_trail(data),
    )


def _from_snapshot(data: Path, journal: _Until) -> tuple[State | None, int | None, tuple[str, ...]]:
    """Return the state from the latest snapshot that is good, and why later ones are none."""
    rulebook, venue = kept_rulebook(data), kept_venue(data)
    left_out: list[str] = []
    for position, path in snapshots(Folder(data).snapshots):
        if position > journal.end:
            continue
        try:
            return (
                recovered(rulebook, journal, venue.market(), path).state,
                position,
                tuple(left_out),
            )
        except UnreadableData as error:
            left_out.append(str(error))
    return None, None, tuple(left_out)


def _held(state: State) -> tuple[int, ...]:
    """Return the laws that hold.

    Raises:
        InvariantViolated: With every finding.
    """
    some = range(min(state.book.units_count, SAMPLE))
    held, findings = [], []
    for law in LAWS:
        if law.number not in WHOLE | SAMPLED:
            continue
        subject = Subject(state=state, units=list(some) if law.number in SAMPLED else ())
        finding = law.finding(subject)
        held.append(law.number)
        findings += [finding] if finding is not None else []
    if findings:
        raise InvariantViolated("; ".join(findings))
    return tuple(held)


def _trail(data: Path) -> int:
    trail = Folder(data).trail
    found = verify_trail(trail)
    if found.problems:
        msg = f"{trail}: the audit trail has been changed: {found.problems[0]}"
        raise InvariantViolated(msg)
    return found.entries


def _require_note(data: Path, journal: StoredJournal) -> None:
    """Refuse a copy that has lost some of what it says it holds."""
    note = read_note(data)
    if note is not None and note.position is not None and journal.position < note.position:
        msg = (
            f"{journal.name} ends at position {journal.position}, and the copy of {note.time} held "
            f"{note.position}: restore it from another copy"
        )
        raise CorruptJournal(msg)
