"""Positions in dated contracts that have ended: nothing is left to margin, and no price is one."""

from collections.abc import Iterator
from datetime import datetime

from keelmark.accounts.decode import Problems
from keelmark.accounts.document import AccountDocument, PositionRow
from keelmark.core.model import InstrumentTerms, MarginModel


def check_expired(
    row: PositionRow, terms: InstrumentTerms, as_of: datetime | None, problems: Problems
) -> None:
    """Refuse a position whose contract ended before the time of the document."""
    expiry = terms.instrument.expiry
    if expiry is None or as_of is None or expiry >= as_of:
        return
    text = (
        f"{row.instrument} expired at {expiry:%Y-%m-%dT%H:%M:%SZ}, before as_of "
        f"{as_of:%Y-%m-%dT%H:%M:%SZ}: leave the position out and count what it was settled for in "
        "the balance, or correct as_of"
    )
    problems.add(f"{row.path}.instrument", text)


def expiry_notes(document: AccountDocument, model: MarginModel) -> Iterator[str]:
    """Say that without a time nobody can tell whether a dated contract has ended."""
    symbols = dict.fromkeys(row.instrument for row in document.positions)
    dated = [s for s in symbols if model.instrument(s).instrument.expiry is not None]
    if document.as_of is None and dated:
        names = ", ".join(dated)
        yield f'whether {names} has expired cannot be told: add "as_of" to the document'
