"""A snapshot of the engine: the book's columns with everything else the state remembers, one file.

The file is the book's own snapshot (`keelmark.book.snapshots`: written beside and renamed, every
byte under a checksum) with four things added: the price column, what `engine.remembered` lists, the
idempotency keys, and notes that tie it to a journal and to a rulebook. A snapshot is derived from
its journal: those of an older schema are not read, a new one is written.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from keelmark.book.snapshots import Snapshot, damaged, load_snapshot, read_header, write_snapshot
from keelmark.core.errors import NewerFormat, OtherTerms, UnreadableData
from keelmark.engine.digest import state_digest
from keelmark.engine.events import JournalOpened
from keelmark.engine.execution import ExecutionVenue, RememberingVenue
from keelmark.engine.journal.port import Record
from keelmark.engine.keys import WIDTH
from keelmark.engine.remembered import SCHEMA, Remembered, remembered, restore
from keelmark.engine.state import State
from keelmark.rulebooks.load import Rulebook, read_rulebook


class Notes(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What ties a snapshot to its journal.

    Attributes:
        schema: Of everything added to the book's file.
        position: Batches of the journal that the snapshot contains.
        last: Digest of the last of them; empty at position 0.
        begun: The first record of the journal.
        rulebook: Text of the rulebook in force, empty for the one the journal was begun under.
        digest: Of the state.
        market: Memory of the execution venue, `None` if it has none.
    """

    schema: int
    position: int
    last: str
    begun: JournalOpened
    rulebook: str
    digest: str
    market: list[Any] | None


@dataclass(frozen=True, slots=True)
class Loaded:
    """A snapshot read back."""

    state: State
    notes: Notes


def save(state: State, market: ExecutionVenue, path: Path, notes: Mapping[str, Any]) -> str:
    """Write a state and the memory of its market to a file; return the digest of the state.

    Args:
        state: What to write.
        market: Asked for its memory if it has one.
        path: Replaced in one step; a half-written file never has this name.
        notes: The `Notes` that the state itself does not know.
    """
    digest = state_digest(state)
    memory = market.memory() if isinstance(market, RememberingVenue) else None
    added = Notes(
        schema=SCHEMA,
        rulebook=state.rulebook_text,
        digest=digest,
        market=memory,
        **notes,
    )
    write_snapshot(
        state.book,
        path,
        columns={
            "prices": state.prices,
            "remembered": np.frombuffer(msgspec.json.encode(remembered(state)), np.uint8),
            "keys": state.keys.rows().reshape(-1),
        },
        notes=msgspec.to_builtins(added),
    )
    return digest


def load(path: Path, rulebook: Rulebook, market: ExecutionVenue) -> Loaded:
    """Read a snapshot back; the market takes over the memory it holds.

    Raises:
        UnreadableData: The file is missing, damaged, of another schema or no engine's snapshot.
        NewerFormat: A newer release wrote it.
        OtherTerms: It was begun under another rulebook.
    """
    notes = _read_notes(path)
    require_terms(notes.begun, State(rulebook), f"snapshot {path}")
    in_force = read_rulebook(notes.rulebook, title=f"of {path}") if notes.rulebook else rulebook
    state = State(in_force)
    state.rulebook_text = notes.rulebook
    _fill(state, load_snapshot(path, state.parameters()), path)
    if state_digest(state) != notes.digest:
        raise damaged(path, "does not reproduce the digest it was written with")
    if notes.market is not None and isinstance(market, RememberingVenue):
        market.restore(notes.market)
    return Loaded(state, notes)


def require_terms(begun: JournalOpened, state: State, what: str) -> None:
    """Refuse to go on under other terms than those something was begun under.

    Raises:
        OtherTerms: Naming both.
    """
    if begun.terms != state.terms:
        msg = (
            f"{what} was begun under {begun.rulebook} (terms {begun.terms}), not under "
            f"{state.rulebook.name} (terms {state.terms}); pass the rulebook it was begun under: "
            "changes since are in the journal"
        )
        raise OtherTerms(msg)


def batch_digest(records: tuple[Record, ...]) -> str:
    """Return a digest of one batch."""
    return blake2b(msgspec.msgpack.encode(records), digest_size=16).hexdigest()


def _read_notes(path: Path) -> Notes:
    try:
        with path.open("rb") as file:
            raw = read_header(file, path)["notes"]
    except OSError as error:
        raise damaged(path, f"cannot be read: {error.strerror}") from error
    schema = raw.get("schema")
    if isinstance(schema, int) and schema > SCHEMA:
        msg = f"snapshot {path} has schema {schema}; this release reads up to {SCHEMA}: upgrade it"
        raise NewerFormat(msg)
    if isinstance(schema, int) and schema < SCHEMA:
        msg = (
            f"snapshot {path} has schema {schema}, of an older release; this one reads {SCHEMA}: "
            "recover from the journal without it, then write a new one"
        )
        raise UnreadableData(msg)
    if schema != SCHEMA:
        raise damaged(path, f"is no engine's snapshot of schema {SCHEMA}")
    try:
        return msgspec.convert(raw, Notes)
    except msgspec.ValidationError as error:
        raise damaged(path, f"has notes that cannot be read: {error}") from error


def _fill(state: State, snapshot: Snapshot, path: Path) -> None:
    """Let an empty state take over what was read."""
    try:
        memory = msgspec.json.decode(snapshot.columns["remembered"].tobytes(), type=Remembered)
        prices, keys = snapshot.columns["prices"], snapshot.columns["keys"]
    except (KeyError, msgspec.MsgspecError) as error:
        raise damaged(path, f"holds a state that cannot be read: {error}") from error
    if prices.shape != state.prices.shape or prices.dtype != state.prices.dtype:
        raise damaged(path, f"holds {len(prices)} prices, and the rulebook reads others")
    if keys.dtype != np.int64 or len(keys) % WIDTH:
        raise damaged(path, "holds idempotency keys of another shape")
    state.book, state.prices = snapshot.book, prices
    state.keys.restore(keys.reshape(-1, WIDTH))
    restore(state, memory)
