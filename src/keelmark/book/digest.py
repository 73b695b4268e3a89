"""One digest of the state: equal exactly when two books hold the same.

Units in id order, a unit's rows sorted, balances of zero left out: where blocks lie, how they grew
and which rows are free does not count. Parameters and prices are not the book's state.
"""

import json
from hashlib import blake2b

import numpy as np

from keelmark.book.book import Book
from keelmark.book.kernels.blocks import Rows
from keelmark.book.kernels.canonical import canonical_balances_kernel, canonical_positions_kernel
from keelmark.book.records import BALANCE, POSITION, UNIT

SCHEMA = 1
"""Part of the digest; changes with the meaning or the order of what is hashed."""

CHUNK = 2**16
"""Units hashed at a time; part of the definition."""


def digest(book: Book) -> str:
    """Return the digest of everything the book holds, as 64 hexadecimal figures."""
    state = blake2b(digest_size=32)
    state.update(preamble(book))
    for first in range(0, book.units_count, CHUNK):
        for column in canonical(book, book.units[first : first + CHUNK]):
            state.update(column.view(np.uint8).data)
    return state.hexdigest()


def preamble(book: Book) -> bytes:
    """Return what the columns do not hold: schema, in-house units, vault."""
    text = {
        "schema": SCHEMA,
        "units": book.units_count,
        "in_house": list(book.in_house),
        "vault": [str(quanta) for quanta in book.vault],
    }
    return json.dumps(text, sort_keys=True).encode()


def canonical(book: Book, units: Rows) -> tuple[Rows, Rows, Rows]:
    """Return the rows of `units` as they are hashed: units, positions, balances."""
    heads = np.zeros(len(units), dtype=UNIT)
    for name in ("account", "kind", "status", "positions_count"):
        heads[name] = units[name]
    positions = np.zeros(int(units["positions_count"].sum(dtype=np.int64)), dtype=POSITION)
    canonical_positions_kernel(units, book.positions.rows, positions)
    balances = np.zeros(int(units["balances_count"].sum(dtype=np.int64)), dtype=BALANCE)
    filled = canonical_balances_kernel(units, book.balances.rows, heads, balances)
    return heads, positions, balances[:filled]
