"""The columns in one file: written beside and renamed, read back with every byte checked.

```text
magic, 8 bytes | header length, 8 bytes little-endian | header checksum, 16 bytes
header: JSON with schema, names, vault, digest and one entry a column
columns, raw, in the header's order
```

Block layout is kept as it is, so loading copies and rebuilds nothing. Wires are derived and are not
written.
"""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from keelmark.book.book import Book, InHouse
from keelmark.book.digest import digest
from keelmark.book.parameters import Parameters
from keelmark.book.records import BALANCE, POSITION, UNIT
from keelmark.core.errors import UnreadableData

MAGIC = b"KEELBOOK"
SCHEMA = 1
CHECKSUM_SIZE = 16
LENGTH_SIZE = 8

Column = npt.NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """A book read back, with the columns and notes its writer added.

    Attributes:
        book: The book; its digest is the one that was written.
        columns: Columns of other owners, by name.
        notes: What the writer noted, for example the journal position.
    """

    book: Book
    columns: Mapping[str, Column]
    notes: Mapping[str, Any]


def write_snapshot(
    book: Book,
    path: Path,
    *,
    columns: Mapping[str, Column] | None = None,
    notes: Mapping[str, Any] | None = None,
) -> str:
    """Write the book to `path`, replacing it in one step; return the digest.

    Args:
        book: The book.
        path: File to write; a half-written file never has this name.
        columns: One-dimensional arrays of other owners, by name.
        notes: Plain JSON values.
    """
    own = own_columns(book)
    everything = own | {f"extra:{name}": column for name, column in (columns or {}).items()}
    state = digest(book)
    header = {
        "schema": SCHEMA,
        "digest": state,
        "funds": group(book, "fund:"),
        "backstops": group(book, "backstop:"),
        "instruments": list(book.parameters.instrument_names),
        "assets": list(book.parameters.asset_names),
        "vault": [str(quanta) for quanta in book.vault],
        "notes": dict(notes or {}),
        "columns": [entry(name, column) for name, column in everything.items()],
    }
    replace(path, MAGIC, sealed(json.dumps(header).encode()), *map(raw, everything.values()))
    return state


def own_columns(book: Book) -> dict[str, Column]:
    """Return the book's own columns, up to the last row ever handed out."""
    return {
        "units": book.units,
        "positions": book.positions.rows[: book.positions.used],
        "positions_heads": book.positions.heads,
        "balances": book.balances.rows[: book.balances.used],
        "balances_heads": book.balances.heads,
    }


def group(book: Book, prefix: str) -> list[str]:
    """Return the names of the in-house units of one kind."""
    return [name.removeprefix(prefix) for name in book.in_house if name.startswith(prefix)]


def raw(column: Column) -> memoryview:
    """Return the bytes of a column."""
    return np.ascontiguousarray(column).view(np.uint8).data


def checksum(data: bytes | memoryview) -> bytes:
    """Return the checksum of bytes."""
    return blake2b(data, digest_size=CHECKSUM_SIZE).digest()


def entry(name: str, column: Column) -> dict[str, object]:
    """Return the header entry of a column."""
    return {
        "name": name,
        "type": type_text(column.dtype),
        "rows": len(column),
        "checksum": checksum(raw(column)).hex(),
    }


def type_text(dtype: "np.dtype[Any]") -> str:
    """Return a record or number type as text."""
    return json.dumps([list(field) for field in dtype.descr])


def sealed(header: bytes) -> bytes:
    """Return a header with its length and checksum before it."""
    return len(header).to_bytes(LENGTH_SIZE, "little") + checksum(header) + header


def replace(path: Path, *parts: bytes | memoryview) -> None:
    """Write a file beside `path`, make it durable and give it the name."""
    beside = path.with_name(path.name + ".part")
    with beside.open("wb") as file:
        for part in parts:
            file.write(part)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def load_snapshot(path: Path, parameters: Parameters) -> Snapshot:
    """Read a book back.

    Args:
        path: A file of `write_snapshot`.
        parameters: Tables for the same instruments and assets, in the same order.

    Raises:
        UnreadableData: The file is missing, truncated, damaged, of another schema, or for other
            instruments; the message says which.
    """
    try:
        with path.open("rb") as file:
            header = read_header(file, path)
            columns = dict(read_columns(file, header, path))
    except OSError as error:
        raise damaged(path, f"cannot be read: {error.strerror}") from error
    for name, known in (("instruments", "instrument_names"), ("assets", "asset_names")):
        if header[name] != list(getattr(parameters, known)):
            raise damaged(path, f"was written for other {name}: {header[name][:8]}")
    book = rebuilt(header, columns, parameters)
    if digest(book) != header["digest"]:
        raise damaged(path, "does not reproduce the digest it was written with")
    extra = {name[6:]: column for name, column in columns.items() if name.startswith("extra:")}
    return Snapshot(book, extra, header["notes"])


def rebuilt(
    header: Mapping[str, Any],
    columns: Mapping[str, Column],
    parameters: Parameters,
) -> Book:
    """Return a book around loaded columns."""
    in_house = InHouse(funds=tuple(header["funds"]), backstops=tuple(header["backstops"]))
    book = Book(parameters, in_house=in_house)
    for name, table in (("positions", book.positions), ("balances", book.balances)):
        table.rows = columns[name]
        table.heads = columns[f"{name}_heads"]
    book.restore(columns["units"], (int(quanta) for quanta in header["vault"]))
    return book


def damaged(path: Path, what: str) -> UnreadableData:
    """Return the error of a snapshot that cannot be used."""
    msg = f"snapshot {path} {what}; use an earlier snapshot and replay the journal from there"
    return UnreadableData(msg)


def read_header(file: IO[bytes], path: Path) -> dict[str, Any]:
    """Read and check the header."""
    if file.read(len(MAGIC)) != MAGIC:
        raise damaged(path, "is not a keelmark snapshot")
    length = int.from_bytes(file.read(LENGTH_SIZE), "little")
    seal = file.read(CHECKSUM_SIZE)
    text = file.read(min(length, path.stat().st_size))
    if len(text) != length or checksum(text) != seal:
        raise damaged(path, "has a damaged header")
    header: dict[str, Any] = json.loads(text)
    if header["schema"] != SCHEMA:
        raise damaged(path, f"has schema {header['schema']}, this version reads {SCHEMA}")
    return header


def read_columns(
    file: IO[bytes],
    header: Mapping[str, Any],
    path: Path,
) -> Iterator[tuple[str, Column]]:
    """Read and check the columns; nothing may follow them."""
    types = {"units": UNIT, "positions": POSITION, "balances": BALANCE}
    for column in header["columns"]:
        name = column["name"]
        dtype = read_type(column["type"])
        if name in types and dtype != types[name]:
            raise damaged(path, f"has records of another layout in column {name}")
        rows = np.empty(column["rows"], dtype=dtype)
        if file.readinto(raw(rows)) != rows.nbytes:  # type: ignore[attr-defined] # BufferedReader
            raise damaged(path, f"is truncated in column {name}")
        if checksum(raw(rows)).hex() != column["checksum"]:
            raise damaged(path, f"is damaged in column {name}")
        yield name, rows
    if file.read(1):
        raise damaged(path, "has bytes after its last column")


def read_type(text: str) -> "np.dtype[Any]":
    """Return the type that `type_text` wrote."""
    fields = [tuple(field) for field in json.loads(text)]
    plain = len(fields) == 1 and fields[0][0] == ""
    dtype: np.dtype[Any] = np.dtype(fields[0][1]) if plain else np.dtype(fields)
    return dtype
