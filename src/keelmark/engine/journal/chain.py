"""Batches as bytes, and the chain of checksums that holds them in order.

Each batch stores a checksum of its payload and a link, a digest of (link before, position,
checksum). The checksum finds a damaged payload; the link finds a batch that was removed, swapped or
replaced by an intact one. Neither is a signature: they guard against accidents, and against
tampering only as far as the last link is also kept elsewhere.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b

import msgspec

from keelmark.core.errors import CorruptJournal, InvalidInput
from keelmark.engine.journal.port import Record

CHECKSUM_BYTES = 8
LINK_BYTES = 16
BATCH_BYTES_MAX = 512 * 2**20
"""Largest encoded batch; the limits of SQLite and of PostgreSQL are about twice that."""

GENESIS = bytes(LINK_BYTES)
"""The link before the first batch."""

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(tuple[Record, ...])


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The end of a journal: how many batches it holds, and the link of the last."""

    position: int
    link: bytes


EMPTY = Head(position=0, link=GENESIS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A batch as it is stored."""

    position: int
    checksum: bytes
    link: bytes
    payload: bytes


def encode_batch(records: tuple[Record, ...]) -> bytes:
    """Return the stored form of a batch."""
    return _encoder.encode(records)


def limited_batch(batch: tuple[Record, ...]) -> bytes:
    """Return the stored form of a batch that every store can hold.

    Raises:
        InvalidInput: It is larger.
    """
    payload = encode_batch(batch)
    if len(payload) > BATCH_BYTES_MAX:
        msg = (
            f"a batch of {len(batch)} records is {len(payload)} bytes encoded, over the limit of "
            f"{BATCH_BYTES_MAX}; split the command"
        )
        raise InvalidInput(msg)
    return payload


def rows_after(head: Head, payloads: Iterable[bytes]) -> Iterator[Row]:
    """Return the rows that extend a journal from `head` by `payloads`."""
    for payload in payloads:
        head, row = _extended(head, payload)
        yield row


def records_of(row: Row, before: Head, journal: str) -> tuple[Record, ...]:
    """Return the records of a row that must directly follow `before`.

    Raises:
        CorruptJournal: The row is damaged, or is not the one that was written there.
    """
    position = before.position + 1
    if row.position != position:
        raise damaged(journal, position, f"is missing; the next one is {row.position}")
    if row.checksum != _checksum(row.payload):
        raise damaged(journal, position, "does not match its checksum")
    if row.link != _link(before, row.checksum):
        raise damaged(journal, position, "does not follow from the batch before it")
    try:
        return _decoder.decode(row.payload)
    except (msgspec.MsgspecError, RecursionError) as error:
        what = f"is intact but not a list of records ({error})"
        raise damaged(journal, position, what) from error


def damaged(journal: str, position: int, what: str) -> CorruptJournal:
    """Return the error that names the first batch that cannot be read, and what to do."""
    return CorruptJournal(
        f"{journal}: batch {position} {what}. Stop writing, keep the files and restore the journal "
        f"from a copy; to go on without the rest, append batches 1 to {position - 1}, which read() "
        "returns before this error, to a new journal",
    )


def _extended(head: Head, payload: bytes) -> tuple[Head, Row]:
    position, checksum = head.position + 1, _checksum(payload)
    link = _link(head, checksum)
    row = Row(position=position, checksum=checksum, link=link, payload=payload)
    return Head(position=position, link=link), row


def _checksum(payload: bytes) -> bytes:
    return blake2b(payload, digest_size=CHECKSUM_BYTES).digest()


def _link(before: Head, checksum: bytes) -> bytes:
    place = (before.position + 1).to_bytes(8, "little")
    return blake2b(before.link + place + checksum, digest_size=LINK_BYTES).digest()
