"""Turn a kernel's fault into an error that says what, where and how to fix it."""

from typing import TYPE_CHECKING

from keelmark.book.kernels import faults
from keelmark.book.records import AMOUNT_LIMIT, FILL, SIZE_LIMIT
from keelmark.core.errors import (
    InvalidInput,
    InvariantViolated,
    KeelmarkError,
    OutOfScale,
    UnknownAsset,
    UnknownInstrument,
    UnknownUnit,
)

if TYPE_CHECKING:
    from keelmark.book.book import Book
    from keelmark.book.kernels.blocks import Rows

LOTS = f"a position holds at most {SIZE_LIMIT} lots; use a coarser lot, or split the position"
AMOUNTS = f"at most {AMOUNT_LIMIT} quanta fit; use a coarser quantum of the asset"

REFUSALS: dict[int, tuple[type[KeelmarkError], str]] = {
    faults.UNKNOWN_UNIT: (UnknownUnit, "a unit was never opened; open the account first"),
    faults.CLOSED_UNIT: (InvalidInput, "a unit is closed and stays closed; open another account"),
    faults.UNKNOWN_INSTRUMENT: (UnknownInstrument, "no such instrument; add it to the parameters"),
    faults.UNKNOWN_ASSET: (UnknownAsset, "no such asset; add it to the parameters"),
    faults.NO_LOTS: (InvalidInput, "a fill of no lots; leave the row out"),
    faults.LOTS_LIMIT: (OutOfScale, LOTS),
    faults.COST_LIMIT: (OutOfScale, f"the cost of a position is out of range; {AMOUNTS}"),
    faults.VALUE_LIMIT: (OutOfScale, f"the value is out of range; {AMOUNTS}"),
    faults.CASH_LIMIT: (OutOfScale, f"the amount that moves is out of range; {AMOUNTS}"),
    faults.BALANCE_LIMIT: (OutOfScale, f"a balance is out of range; {AMOUNTS}"),
    faults.LEG_CROSSED: (
        InvalidInput,
        "a hedge leg would change sides; close at most what it holds",
    ),
    faults.NOT_REDUCING: (
        InvalidInput,
        "the row may only shrink a position and would open or grow one; fill at most what is held",
    ),
    faults.BLOCK_FULL: (OutOfScale, "a unit has 32767 rows at most; split the account"),
    faults.MISSING_BALANCE: (
        InvariantViolated,
        "a position's settle asset has no balance row; keep the state and report it",
    ),
    faults.BAD_TICKS: (OutOfScale, f"a price is 1..{SIZE_LIMIT} ticks; use a coarser price unit"),
}


def refused(fault: int, where: str) -> KeelmarkError:
    """Return the error of a fault; nothing has changed."""
    kind, text = REFUSALS[fault]
    return kind(f"{where}: {text}; nothing of the batch is posted")


def posting_text(book: "Book", postings: "Rows", index: int) -> str:
    """Return what messages say of one row of a batch."""
    row = postings[index]
    parties = f"{book.unit_name(int(row['unit']))} and {book.unit_name(int(row['counterparty']))}"
    is_fill = row["kind"] == FILL
    names = book.parameters.instrument_names if is_fill else book.parameters.asset_names
    subject = int(row["subject"])
    name = names[subject] if 0 <= subject < len(names) else f"index {subject}"
    moved = f"{int(row['lots'])} lots at {int(row['value'])}" if is_fill else f"{int(row['value'])}"
    return f"posting {index}, {moved} of {name} between {parties}"
