"""Whole numbers of the book as people read them: exact amounts as text, instants in UTC."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np

from keelmark.accounts.check_document import decimal_text
from keelmark.book.universe import Universe
from keelmark.core.numbers import exact

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Json = dict[str, Any]
"""One JSON object: decimals as text."""


def moment(time_ms: int) -> datetime:
    """Return an instant of milliseconds since 1970."""
    return EPOCH + timedelta(milliseconds=time_ms)


def maybe_moment(time_ms: int) -> datetime | None:
    """Return an instant; nothing where there has been none (0): no price has set the clock."""
    return moment(time_ms) if time_ms > 0 else None


def instant(time_ms: int) -> str:
    """Return an instant as ISO 8601 with milliseconds, UTC."""
    return moment(time_ms).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def maybe_instant(time_ms: int) -> str | None:
    """Return an instant; nothing where there has been none (0)."""
    return instant(time_ms) if time_ms > 0 else None


def text(value: Decimal) -> str:
    """Return a decimal in plain digits, cut at 28 of them."""
    return decimal_text(value) or "0"


def price_text(price: float | Decimal | None) -> str | None:
    """Return a price as text; nothing where there is none."""
    if price is None or not np.isfinite(float(price)):
        return None
    return text(price if isinstance(price, Decimal) else Decimal(repr(float(price))))


def amount(universe: Universe, asset: int, quanta: int) -> Decimal:
    """Return quanta of an asset's row as an amount."""
    with exact():
        return quanta * universe.quantum(asset)


def money(universe: Universe, asset: int, quanta: int) -> str:
    """Return quanta of an asset's row as the text of an amount."""
    return text(amount(universe, asset, quanta))


def size(universe: Universe, instrument: int, lots: int) -> Decimal:
    """Return signed lots of an instrument's row as a size."""
    with exact():
        return lots * universe.instrument(instrument).lot


def tick_price(universe: Universe, instrument: int, ticks: int) -> Decimal:
    """Return ticks of an instrument's row as a price."""
    with exact():
        return ticks * universe.instrument(instrument).price_unit


def settle_row(universe: Universe, instrument: int) -> int:
    """Return the row of the asset an instrument settles in."""
    return int(universe.instruments[instrument]["settle"])


def drawn(value: float) -> float | None:
    """Return a figure that is only drawn; nothing where there is none."""
    number = float(value)
    return number if np.isfinite(number) else None
