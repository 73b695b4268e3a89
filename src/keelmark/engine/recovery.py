"""Build the state again from what is durable: an optional snapshot, then the journal's tail.

Events are applied and nothing is decided; fills are shown to the execution venue again. Either the
whole of it succeeds or an error names what is wrong and nothing is returned.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keelmark.core.errors import (
    CorruptJournal,
    InvalidInput,
    KeelmarkError,
    NewerFormat,
    OtherTerms,
    PositionConflict,
    UnreadableData,
)
from keelmark.engine import events as e
from keelmark.engine.apply import apply
from keelmark.engine.codec import event_of
from keelmark.engine.execution import (
    Execution,
    ExecutionVenue,
    LiquidationOrder,
    MarkMarket,
    terms_of,
)
from keelmark.engine.journal.port import Journal, Record
from keelmark.engine.snapshot import Loaded, batch_digest, load, require_terms
from keelmark.engine.state import State
from keelmark.engine.working import ExternalTerms
from keelmark.rulebooks.load import Rulebook

FORMAT = 3
"""Version of the events this release writes; it reads those before too.

2: a leverage in a fill is that of the whole position, not only of one it opens.
3: a batch may say which idempotency key its command came with (`Keyed`), and what became of orders
that are executed outside (`engine.order_events`); or hold commands decided together in columns
(`Checked`).
"""

SOLD = frozenset({"reduce", "disposal", "protection"})
"""Reasons of fills that were executed in the market."""

Batches = Iterator[tuple[int, tuple[Record, ...]]]


@dataclass(frozen=True, slots=True)
class Recovered:
    """What was found.

    Attributes:
        state: After the last batch.
        market: Where orders are sold.
        position: Batches of the journal.
        begun: Its first record.
    """

    state: State
    market: ExecutionVenue
    position: int
    begun: e.JournalOpened


def opening(state: State) -> e.JournalOpened:
    """Return the first record of a journal that begins with this state."""
    return e.JournalOpened(
        format=FORMAT, rulebook=state.rulebook.name, terms=state.terms, external=state.external
    )


def require_new(journal: Journal) -> None:
    """Refuse a journal that has been begun already.

    Raises:
        InvalidInput: It holds batches.
    """
    with reading(journal, after=0) as batches:
        if next(batches, None) is not None:
            msg = (
                "this journal has been begun already; open it with Engine.recover(rulebook, "
                "journal), or give a new engine a new one"
            )
            raise InvalidInput(msg)


def recovered(
    rulebook: Rulebook,
    journal: Journal,
    market: ExecutionVenue | None,
    snapshot: Path | None = None,
) -> Recovered:
    """Return the state a journal holds.

    Args:
        rulebook: The one the journal was begun under.
        journal: What is durable.
        market: Is shown every fill that was executed in it; must be as it was at the beginning.
            `None` for the frictionless one, or for the market of the user's that the journal names.
        snapshot: A file of `Engine.write_snapshot`, to begin with instead of the first batch.

    Raises:
        OtherTerms: Journal or snapshot was begun under another rulebook, or orders are executed
            elsewhere.
        UnreadableData: The snapshot is damaged, or is none of this journal.
        CorruptJournal: A batch is damaged or cannot be applied.
        NewerFormat: A newer release wrote it.
    """
    state = State(rulebook)
    begun = _begun(journal, state)
    if begun is None:
        state.external = terms_of(market)
        begun = opening(state)
    elif market is not None:
        _require_market(begun, market)
    venue: ExecutionVenue = market or MarkMarket()
    position = 0
    if snapshot is not None:
        found = load(snapshot, rulebook, venue)
        _require_same_journal(found, journal, snapshot)
        state, position = found.state, found.notes.position
    with reading(journal, after=position) as batches:
        for after, records in batches:
            replay(state, venue, records, after)
            position = after
    return Recovered(state, venue, position, begun)


def replay(
    state: State,
    market: ExecutionVenue,
    records: tuple[Record, ...],
    position: int,
) -> None:
    """Apply one batch.

    Raises:
        CorruptJournal: A record is no event of this version, or cannot have happened here.
    """
    for number, record in enumerate(records):
        try:
            _take(state, market, event_of(record))
        except (KeelmarkError, LookupError, ArithmeticError, ValueError, TypeError) as error:
            msg = (
                f"batch {position}, record {number} cannot be applied: "
                f"{type(error).__name__}: {error}; restore the journal from a copy"
            )
            raise CorruptJournal(msg) from error


@contextmanager
def reading(journal: Journal, *, after: int) -> Iterator[Batches]:
    """Read a journal, and let go of its files whatever happens."""
    batches = journal.read(after=after)
    try:
        yield batches
    finally:
        close = getattr(batches, "close", None)
        if close is not None:
            close()


def _take(state: State, market: ExecutionVenue, event: Any) -> None:  # noqa: ANN401 an event
    """Apply an event, and show the market what was executed in it."""
    if isinstance(event, e.Filled) and event.reason in SOLD:
        order = LiquidationOrder(
            instrument=event.instrument,
            lots=event.lots,
            mark_ticks=state.ticks(event.instrument),
            limit_ticks=None,
            time_ms=state.time_ms,
        )
        market.observe(order, Execution(lots=event.lots, ticks=event.ticks))
    apply(state, event)


def _begun(journal: Journal, state: State) -> e.JournalOpened | None:
    """Return the first record of a journal, `None` if it is empty.

    Raises:
        CorruptJournal: It does not begin with one.
        NewerFormat: A newer release began it.
        OtherTerms: It was begun under another rulebook.
    """
    with reading(journal, after=0) as batches:
        first = next(batches, None)
    if first is None:
        return None
    records = first[1]
    event = event_of(records[0]) if records else None
    if not isinstance(event, e.JournalOpened):
        msg = "the journal does not begin with what it is; it was not written by this engine"
        raise CorruptJournal(msg)
    if event.format > FORMAT:
        msg = f"a journal of format {event.format}; this release reads up to {FORMAT}: upgrade it"
        raise NewerFormat(msg)
    require_terms(event, state, "the journal")
    return event


def _require_market(begun: e.JournalOpened, market: ExecutionVenue) -> None:
    """Refuse to execute orders elsewhere than where a journal's have gone.

    Raises:
        OtherTerms: Naming both.
    """
    found, wanted = terms_of(market), begun.external
    if found == wanted:
        return

    def named(terms: ExternalTerms | None) -> str:
        return "in the built-in market" if terms is None else f"outside ({terms})"

    msg = (
        f"the journal was begun with orders executed {named(wanted)}, not {named(found)}; pass the "
        "market it was begun with, or none"
    )
    raise OtherTerms(msg)


def _require_same_journal(found: Loaded, journal: Journal, path: Path) -> None:
    """Refuse a snapshot that contains batches this journal does not hold.

    Raises:
        UnreadableData: Naming the snapshot and the position.
    """
    notes = found.notes
    if notes.position == 0:
        return
    try:
        with reading(journal, after=notes.position - 1) as batches:
            batch = next(batches, None)
    except PositionConflict as error:
        raise _foreign(path, notes.position) from error
    if batch is None or batch_digest(batch[1]) != notes.last:
        raise _foreign(path, notes.position)


def _foreign(path: Path, position: int) -> UnreadableData:
    msg = (
        f"snapshot {path} was taken at position {position} of another journal, or of one that has "
        "lost its end since; use an earlier snapshot, or none"
    )
    return UnreadableData(msg)
