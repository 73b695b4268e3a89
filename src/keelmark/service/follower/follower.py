"""Follow a journal, prove what it gives, and leave snapshots of it.

A round brings the state up to the journal's end and, where one is due, proves it: the laws of one
moment, and what the writer publishes unit by unit. Only a state without a finding is written.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from keelmark.core.errors import InvariantViolated, StorageFailed, UnreadableData
from keelmark.engine.codec import event_of
from keelmark.engine.execution import ExecutionVenue
from keelmark.engine.invariants import LAWS, Subject
from keelmark.engine.journal.open import Access, open_journal
from keelmark.engine.journal.port import Record
from keelmark.engine.recovery import Recovered, reading, recovered, replay
from keelmark.engine.snapshot import batch_digest, save
from keelmark.engine.state import State
from keelmark.rulebooks.load import Rulebook
from keelmark.service.follower.compare import Comparison, compare
from keelmark.service.follower.settings import FollowerSettings
from keelmark.service.follower.status import (
    FAILING,
    OK,
    WAITING,
    Status,
    read_status,
    write_status,
)
from keelmark.service.venue import kept_rulebook, kept_venue
from keelmark.service.writer.opening import snapshots
from keelmark.service.writer.report import Report

WHOLE = frozenset({1, 2, 3, 13})
"""Laws that are held against everything in one pass."""

SAMPLED = frozenset({5, 14})
"""Laws that ask about units one by one: held against some units, in turn against all of them."""

SAMPLE = 1_000

Comparer = Callable[[State, int, Path], Comparison]


@dataclass(slots=True)
class _Last:
    """The last snapshot.

    Attributes:
        position: Journal position it holds.
        at_s: When it was written, or the follower began.
    """

    position: int
    at_s: float


class Follower:
    """Follows one journal.

    Attributes:
        state: What the journal has given so far.
        position: Journal position of it.
    """

    def __init__(
        self,
        settings: FollowerSettings,
        report: Report,
        *,
        clock: Callable[[], float] = time.monotonic,
        comparer: Comparer = compare,
    ) -> None:
        """Begin at the latest good snapshot.

        Args:
            settings: Which journal, and how often a snapshot is due.
            report: Told what is done.
            clock: Seconds, for what is due.
            comparer: Holds what is published against the state.

        Raises:
            CorruptJournal: The journal cannot be applied.
            StorageFailed: It cannot be read now.
            InvalidInput: The folder is another venue's or a newer release's, or has no journal.
        """
        self._settings, self._report = settings, report
        self._clock, self._comparer = clock, comparer
        self._asked = 0
        self.state: State
        self.position: int
        self._market: ExecutionVenue
        self._records: tuple[Record, ...]
        settings.folder.snapshots.mkdir(mode=0o700, parents=True, exist_ok=True)
        settings.folder.run.mkdir(mode=0o700, parents=True, exist_ok=True)
        remove_halves(settings.folder.snapshots)
        self._journal = open_journal(settings.folder.journal_or(settings.journal), Access.READER)
        try:
            self._begin()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the journal."""
        self._journal.close()

    # --- rounds ---------------------------------------------------------------------------------

    def round(self, *, is_last: bool = False) -> None:
        """Read what is new, and leave a snapshot if one is due.

        Args:
            is_last: Leave one if there is anything new.

        Raises:
            InvariantViolated: What was found is wrong; nothing was written but the status.
            StorageFailed: The journal cannot be read, or the snapshot not be written, now.
        """
        try:
            self.bring_up()
            if self.is_due or (is_last and self.position > self._last.position):
                self.leave_snapshot()
        except InvariantViolated as error:
            self._note(FAILING, (str(error),))
            raise
        except StorageFailed as error:
            self._note(WAITING, (str(error),))
            raise

    def bring_up(self) -> None:
        """Apply what the journal has got since."""
        with reading(self._journal, after=self.position) as batches:
            for after, records in batches:
                replay(self.state, self._market, records, after)
                self.position, self._records = after, records

    @property
    def is_due(self) -> bool:
        """Whether the next snapshot is."""
        new = self.position - self._last.position
        waited = self._clock() - self._last.at_s
        return new >= self._settings.batches or (new > 0 and waited >= self._settings.seconds)

    def leave_snapshot(self) -> Status:
        """Prove the state and write it; return what the status says.

        Raises:
            InvariantViolated: With every finding; nothing is written.
            StorageFailed: The snapshot cannot be written.
        """
        start = self._clock()
        found = self._comparer(self.state, self.position, self._settings.folder.run)
        findings = [*self.law_findings(), *found.findings]
        if findings:
            raise InvariantViolated("; ".join(findings))
        digest = self._written()
        self._prune()
        self._last = _Last(self.position, self._clock())
        status = Status(
            status=OK,
            position=self.position,
            digest=digest,
            seconds=round(self._clock() - start, 3),
            compared=found.compared,
            newer=found.newer,
        )
        write_status(self._settings.folder.follower, status)
        self._report(
            "snapshot",
            position=self.position,
            seconds=status.seconds,
            compared=found.compared,
            newer=found.newer,
        )
        return status

    def law_findings(self) -> list[str]:
        """Return how each law fails that needs nobody to have followed the events."""
        whole = Subject(state=self.state, units=())
        some = Subject(state=self.state, units=self._sample())
        found = [law.finding(whole) for law in LAWS if law.number in WHOLE]
        found += [law.finding(some) for law in LAWS if law.number in SAMPLED]
        return [text for text in found if text is not None]

    # --- inside ---------------------------------------------------------------------------------

    def _begin(self) -> None:
        settings = self._settings
        rulebook, venue = kept_rulebook(settings.folder.path), kept_venue(settings.folder.path)
        start = self._clock()
        found, market, snapshot = self._best(rulebook, venue.market)
        self.state, self.position, self._market = found.state, found.position, market
        self._records = self._batch_at(found.position)
        self._last = _Last(snapshot, self._clock())
        seconds = round(self._clock() - start, 3)
        self._report("following", position=self.position, snapshot=snapshot, seconds=seconds)

    def _best(
        self, rulebook: Rulebook, market: Callable[[], ExecutionVenue]
    ) -> tuple[Recovered, ExecutionVenue, int]:
        """Return what the journal holds, from the latest snapshot that is good."""
        for position, path in snapshots(self._settings.folder.snapshots):
            venue = market()
            try:
                return recovered(rulebook, self._journal, venue, path), venue, position
            except UnreadableData as error:
                self._report("snapshot_left_out", file=path.name, reason=str(error))
        venue = market()
        return recovered(rulebook, self._journal, venue), venue, 0

    def _batch_at(self, position: int) -> tuple[Record, ...]:
        """Return the batch that ends at a position; nothing at the beginning."""
        if position == 0:
            return ()
        with reading(self._journal, after=position - 1) as batches:
            return next(batches)[1]

    def _sample(self) -> list[int]:
        """Return the units that are asked about one by one this time."""
        count = self.state.book.units_count
        first = self._asked % count
        self._asked = first + SAMPLE
        return [unit % count for unit in range(first, first + min(SAMPLE, count))]

    def _written(self) -> str:
        """Write the snapshot; return the digest of the state.

        Raises:
            StorageFailed: There is no room; what is there stays.
        """
        begun = self._batch_at(1)[0]
        notes = {
            "position": self.position,
            "last": batch_digest(self._records),
            "begun": event_of(begun),
        }
        path = self._settings.folder.snapshots / f"{self.position:016d}.snapshot"
        try:
            return save(self.state, self._market, path, notes)
        except OSError as error:
            remove_halves(self._settings.folder.snapshots)
            msg = (
                f"{path}: {error.strerror}; make room: until then a start reads the journal from "
                f"position {self._last.position}"
            )
            raise StorageFailed(msg) from error

    def _prune(self) -> None:
        """Remove all but the latest snapshots."""
        for _, path in snapshots(self._settings.folder.snapshots)[self._settings.keep :]:
            path.unlink(missing_ok=True)

    def _note(self, status: str, findings: tuple[str, ...]) -> None:
        """Say how it is, beside what is known of the last snapshot."""
        try:
            known = read_status(self._settings.folder.follower) or Status(status=status)
        except UnreadableData:
            known = Status(status=status)
        new = msgspec.structs.replace(known, status=status, findings=findings)
        write_status(self._settings.folder.follower, new)


def remove_halves(folder: Path) -> None:
    """Remove what a follower that was killed while it wrote has left."""
    for path in folder.glob("*.part"):
        path.unlink(missing_ok=True)


def run(
    follower: Follower, settings: FollowerSettings, wait: Callable[[float], bool], report: Report
) -> None:
    """Follow until told to stop; then leave a last snapshot.

    Args:
        follower: Who.
        settings: How often.
        wait: Waits so many seconds; returns whether to stop.
        report: Told when the journal cannot be read.

    Raises:
        InvariantViolated: What was found is wrong.
    """
    is_stopping = False
    while not is_stopping:
        is_stopping = wait(settings.poll_s)
        try:
            follower.round(is_last=is_stopping)
        except StorageFailed as error:
            report("waiting", reason=str(error))
