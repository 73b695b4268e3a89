"""Laws of the columns: `None` where one holds, else how it fails.

The laws that need no columns are written once, in `core.invariants`; here the book is added up for
them.
"""

from collections.abc import Iterable, Iterator

import numpy as np

from keelmark.book.book import Book
from keelmark.book.kernels.blocks import NO_BLOCK
from keelmark.book.tables import BlockTable
from keelmark.book.totals import totals
from keelmark.core import invariants as laws


def value_is_conserved(book: Book) -> str | None:
    """INV-01 of a book."""
    sums = totals(book)
    columns = (book.parameters.asset_names, sums.vault, sums.balances, sums.costs)
    return laws.value_is_conserved(
        laws.AssetTotals(asset=asset, vault=vault, balances=balances, costs=costs)
        for asset, vault, balances, costs in zip(*columns, strict=True)
    )


def open_interest_is_symmetric(book: Book) -> str | None:
    """INV-02 of a book."""
    sums, names = totals(book), book.parameters.instrument_names
    longs = dict(zip(names, sums.longs, strict=True))
    shorts = {name: -lots for name, lots in zip(names, sums.shorts, strict=True)}
    return laws.open_interest_is_symmetric(longs, shorts)


def rows_are_owned_once(book: Book) -> str | None:
    """INV-13: every row ever handed out is in one unit's block or in one free block."""
    for name, table in (("positions", book.positions), ("balances", book.balances)):
        owners = np.zeros(table.used, dtype=np.int32)
        for start, capacity in blocks(book, name, table):
            if start < 0 or start + capacity > table.used:
                return f"{name}: a block of {capacity} rows at {start} of {table.used}"
            owners[start : start + capacity] += 1
        wrong = np.flatnonzero(owners != 1)
        if len(wrong):
            return f"{name}: row {int(wrong[0])} has {int(owners[wrong[0]])} owners"
    return None


def blocks(book: Book, name: str, table: BlockTable) -> Iterator[tuple[int, int]]:
    """Yield first row and capacity of every block, owned and free."""
    held = book.units[book.units[f"{name}_class"] != NO_BLOCK]
    for start, size in held[[f"{name}_start", f"{name}_class"]].tolist():
        yield start, 1 << size
    for size, starts in table.free_blocks().items():
        for start in starts:
            yield start, 1 << size


def rows_are_in_order(book: Book, units: Iterable[int] | None = None) -> str | None:
    """INV-14: no row is flat or held twice, and a position's settle asset has a balance row.

    Args:
        book: The book.
        units: Units to look at; every unit if `None`.
    """
    for unit in range(book.units_count) if units is None else units:
        view = book.unit_view(unit)
        keys = {(position.instrument, position.leg) for position in view.positions}
        if len(keys) != len(view.positions) or any(row.lots == 0 for row in view.positions):
            return f"{book.unit_name(unit)}: flat or doubled rows in {view.positions}"
        settled = {int(book.parameters.settle[instrument]) for instrument, _ in keys}
        if not settled <= set(view.balances):
            return f"{book.unit_name(unit)}: no balance of {settled - set(view.balances)}"
    return None
