"""What the state remembers beside the columns, as it travels: the present value of what changed.

A log begins with everything there is and goes on with what each group changed. Amounts of rows are
the state's own records (`engine.entries`).
"""

from collections.abc import Iterator, Sequence
from typing import TypeAlias

import msgspec

from keelmark.core.errors import UnreadableData
from keelmark.engine.entries import (
    Case,
    Doubt,
    FundWindow,
    LossWindow,
    Order,
    Protection,
    SoldWindow,
)
from keelmark.engine.state import State
from keelmark.engine.working import ExternalTerms, WorkingOrder

LENGTH_BYTES = 4


class Note(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """One thing that has changed."""


class OrderNote(Note, frozen=True, array_like=True, tag="order"):
    """One reserved order of a unit; `None`: it is gone."""

    unit: int
    number: int
    order: Order | None


class OrdersNote(Note, frozen=True, array_like=True, tag="orders"):
    """All reserved orders of a unit."""

    unit: int
    orders: dict[int, Order]


class UnitNote(Note, frozen=True, array_like=True, tag="unit"):
    """What is going on with a unit, orders aside."""

    unit: int
    protections: dict[int, Protection]
    case: Case | None
    grace: int | None
    level: int | None
    held: bool
    retry_ms: int | None


class WorkingNote(Note, frozen=True, array_like=True, tag="working"):
    """One order that is out in a market of the user's, or was."""

    row: WorkingOrder


class SharedNote(Note, frozen=True, array_like=True, tag="shared"):
    """What belongs to no unit."""

    paused: tuple[int, ...]
    untrusted: tuple[int, ...]
    rebased: tuple[int, ...]
    doubts: dict[int, Doubt]
    funds: tuple[tuple[int, int, FundWindow], ...]
    sold: SoldWindow
    loss: LossWindow
    external: ExternalTerms | None
    sent: int
    terms: str


class RulebookNote(Note, frozen=True, array_like=True, tag="rulebook"):
    """The text of the rulebook in force."""

    text: str


AnyNote: TypeAlias = OrderNote | OrdersNote | UnitNote | WorkingNote | SharedNote | RulebookNote

_ENCODER = msgspec.msgpack.Encoder()
_NOTES = msgspec.msgpack.Decoder(list[AnyNote])
_NAMES = msgspec.msgpack.Decoder(list[tuple[str, int]])


def encoded(items: Sequence[AnyNote] | Sequence[tuple[str, int]]) -> bytes:
    """Return notes or names as one entry of a log."""
    text = _ENCODER.encode(items)
    return len(text).to_bytes(LENGTH_BYTES, "little") + text


def notes_in(data: bytes) -> Iterator[AnyNote]:
    """Return the notes of entries of a log.

    Raises:
        UnreadableData: They are damaged.
    """
    for entry in _entries(data):
        yield from _decoded(_NOTES, entry)


def names_in(data: bytes) -> Iterator[tuple[str, int]]:
    """Return the (name, account) pairs of entries of a log.

    Raises:
        UnreadableData: They are damaged.
    """
    for entry in _entries(data):
        yield from _decoded(_NAMES, entry)


def _entries(data: bytes) -> Iterator[memoryview]:
    view, at = memoryview(data), 0
    while at < len(view):
        start = at + LENGTH_BYTES
        at = start + int.from_bytes(view[at:start], "little")
        if at > len(view):
            msg = "a log of shared notes breaks off inside an entry; start the writer again"
            raise UnreadableData(msg)
        yield view[start:at]


def _decoded(decoder: msgspec.msgpack.Decoder, entry: memoryview) -> list:  # type: ignore[type-arg]
    try:
        return decoder.decode(entry)  # type: ignore[no-any-return]
    except msgspec.MsgspecError as error:
        msg = f"a log of shared notes cannot be read: {error}; start the writer again"
        raise UnreadableData(msg) from error


# --- the writer's side --------------------------------------------------------------------------


def shared_note(state: State) -> SharedNote:
    """Return the note of what belongs to no unit."""
    return SharedNote(
        paused=tuple(state.paused),
        untrusted=tuple(state.untrusted),
        rebased=tuple(state.rebased),
        doubts=state.doubts,
        funds=tuple((unit, asset, window) for (unit, asset), window in state.fund_windows.items()),
        sold=state.sold_window,
        loss=state.loss_window,
        external=state.external,
        sent=state.working.sent,
        terms=state.terms,
    )


def unit_note(state: State, unit: int) -> UnitNote:
    """Return the note of what is going on with a unit."""
    return UnitNote(
        unit=unit,
        protections=state.protections.get(unit, {}),
        case=state.cases.get(unit),
        grace=state.grace.get(unit),
        level=state.levels.get(unit),
        held=unit in state.held,
        retry_ms=state.working.retry_ms.get(unit),
    )


def units_noted(state: State) -> set[int]:
    """Return the units with anything going on."""
    return (
        set(state.held)
        | state.cases.keys()
        | state.grace.keys()
        | state.levels.keys()
        | state.protections.keys()
        | state.working.retry_ms.keys()
    )


def is_noted(state: State, unit: int) -> bool:
    """Whether anything is going on with a unit."""
    return (
        unit in state.levels
        or unit in state.cases
        or unit in state.protections
        or unit in state.grace
        or unit in state.held
        or unit in state.working.retry_ms
    )


def every_note(state: State) -> Iterator[AnyNote]:
    """Return notes of everything there is."""
    if state.rulebook_text:
        yield RulebookNote(state.rulebook_text)
    yield shared_note(state)
    for unit, orders in state.orders.items():
        if orders:
            yield OrdersNote(unit, orders)
    for unit in units_noted(state):
        yield unit_note(state, unit)
    for row in (*state.working.closed.values(), *state.working.rows()):
        yield WorkingNote(row)
