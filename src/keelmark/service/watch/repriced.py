"""An account at newer prices: what was read at the venue, with marks that were streamed since."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

from keelmark.accounts.account import Account, build_account
from keelmark.accounts.document import AccountDocument, PositionRow
from keelmark.service.feeds.venue_prices import StreamedPrice

Latest = Mapping[str, StreamedPrice]
"""The latest prices by instrument."""


def repriced(account: Account, latest: Latest) -> Account:
    """Return an account with streamed prices instead of those it was read with.

    Sizes and balances stay; the venue's own figures are left out, they are of the older prices.

    Args:
        account: As it was read.
        latest: Streamed since.

    Raises:
        InvalidDocument: A streamed price is no price.
    """
    document = account.document
    times = [price.time_ms for price in latest.values() if price.time_ms is not None]
    moved = replace(
        document,
        positions=tuple(_moved(row, latest) for row in document.positions),
        prices=_prices(document, latest),
        prices_as_of=_instant(max(times)) if times else document.prices_as_of,
        venue_reported={},
    )
    return build_account(moved, title="account with streamed prices", rulebook=account.rulebook)


def _moved(row: PositionRow, latest: Latest) -> PositionRow:
    price = latest.get(row.instrument)
    if price is None or price.mark is None:
        return row
    return replace(row, mark_price=Decimal(price.mark))


def _prices(document: AccountDocument, latest: Latest) -> Mapping[str, Decimal]:
    """Return the document's other prices, those of coins by their index where one is streamed."""
    marks = {p.instrument: p.mark for p in latest.values()}
    coins = {p.coin: p.index or p.mark for p in latest.values()}
    streamed = {**coins, **marks}
    found: dict[str, Decimal] = {}
    for name, price in document.prices.items():
        newer = streamed.get(name)
        found[name] = price if newer is None else Decimal(newer)
    return found


def _instant(time_ms: int) -> datetime:
    return datetime.fromtimestamp(time_ms / 1000, tz=UTC)
