"""What the engine asks of a journal: append atomic batches at a known position, read them back."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Protocol, TypeAlias

import msgspec

from keelmark.core.errors import InvalidInput, PositionConflict

KIND_MAX = 2**16 - 1


class Record(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One command or event. The journal never looks inside the payload.

    Attributes:
        kind: What the payload is, a code of the engine's own, 0 to 65535.
        payload: The encoded command or event.
    """

    kind: Annotated[int, msgspec.Meta(ge=0, le=KIND_MAX)]
    payload: bytes


Batch: TypeAlias = Sequence[Record]


class Journal(Protocol):
    """Batches in order. The position of a journal is the number of batches it holds.

    A batch is durable whole or not at all. When `append` returns, the batch survives the end of the
    process and of the machine (the memory adapter: of neither).
    """

    def append(self, batch: Batch, *, expected_position: int) -> int:
        """Append one batch.

        Args:
            batch: The records, in order; may be empty.
            expected_position: Where the caller believes the journal is.

        Returns:
            The position after the batch, `expected_position + 1`.

        Raises:
            PositionConflict: The journal is elsewhere. Nothing was appended.
            InvalidInput: A record is malformed. Nothing was appended.
            StorageFailed: The disk is full, failing or locked. Nothing is half applied.
        """
        ...

    def append_many(self, batches: Sequence[Batch], *, expected_position: int) -> int:
        """Append several batches in one durable write (group commit): all of them or none.

        Returns:
            The position after the last batch.

        Raises:
            PositionConflict: As `append`.
            InvalidInput: As `append`.
            StorageFailed: As `append`.
        """
        ...

    def read(self, *, after: int) -> Iterator[tuple[int, tuple[Record, ...]]]:
        """Return the batches that follow position `after`, up to the position at the call.

        Args:
            after: How many batches the caller already has; 0 reads from the first.

        Returns:
            Pairs (position after the batch, its records), positions dense and rising.

        Raises:
            InvalidInput: `after` is negative.
            PositionConflict: `after` lies beyond the end.
            CorruptJournal: A batch is damaged, missing or out of place. The batches before it have
                been returned.
        """
        ...


def checked_batches(batches: Sequence[Batch]) -> tuple[tuple[Record, ...], ...]:
    """Return the batches as tuples, every record well formed.

    Raises:
        InvalidInput: A kind is not a code or a payload is not `bytes`.
    """
    fixed = tuple(tuple(batch) for batch in batches)
    for i, batch in enumerate(fixed):
        for j, record in enumerate(batch):
            _check(record, f"batches[{i}][{j}]")
    return fixed


def check_expected(expected: int, actual: int, journal: str) -> None:
    """Refuse to append anywhere but at the end.

    Raises:
        PositionConflict: `expected` is not `actual`.
    """
    if expected == actual:
        return
    msg = (
        f"{journal} is at position {actual}, not {expected}: nothing was appended; "
        f"read(after={min(max(expected, 0), actual)}), decide again and append at the new position"
    )
    raise PositionConflict(msg, expected=expected, actual=actual)


def check_after(after: int, position: int, journal: str) -> None:
    """Refuse to read from where the journal has never been.

    Raises:
        InvalidInput: `after` is negative.
        PositionConflict: `after` lies beyond `position`.
    """
    if after < 0:
        msg = f"read(after={after}): a position counts batches; use after=0 to read from the first"
        raise InvalidInput(msg)
    if after > position:
        msg = (
            f"{journal} ends at position {position}; read(after={after}) lies beyond it: the "
            "snapshot belongs to another journal or the journal to an older copy; pair them again"
        )
        raise PositionConflict(msg, expected=after, actual=position)


def _check(record: Record, where: str) -> None:
    kind, payload = record.kind, record.payload
    if type(kind) is not int or not 0 <= kind <= KIND_MAX:
        msg = f"{where}.kind is {kind!r}; use a whole number from 0 to {KIND_MAX}"
        raise InvalidInput(msg)
    if type(payload) is not bytes:
        msg = f"{where}.payload is {type(payload).__name__}; encode it to bytes first"
        raise InvalidInput(msg)
