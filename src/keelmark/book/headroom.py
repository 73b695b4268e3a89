"""How large a position the integer columns carry before they refuse."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from keelmark.book.records import AMOUNT_LIMIT, SIZE_LIMIT
from keelmark.book.scales import InstrumentScale
from keelmark.core.numbers import exact

HEADINGS = (
    "instrument",
    "quantum",
    "lot",
    "price unit",
    "quanta per lot and tick",
    "mark",
    "largest size",
    "its value",
    "bound by",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Headroom:
    """The largest position at one mark.

    Attributes:
        scale: Scale of the instrument.
        mark: Price, quote per base.
        lots: Largest position that is neither refused for its lots nor for its value.
        size: The same in the venue's unit of size.
        value: Its value in the settle asset.
        bound: What refuses the next lot: `lots` or `value`.
        price_max: Largest price the columns hold.
    """

    scale: InstrumentScale
    mark: Decimal
    lots: int
    size: Decimal
    value: Decimal
    bound: str
    price_max: Decimal


def headroom(scale: InstrumentScale, mark: Decimal) -> Headroom:
    """Return the largest position of an instrument at a mark.

    Raises:
        OutOfScale: The mark is off the price grid.
    """
    ticks = scale.ticks(mark)
    quanta_limit = AMOUNT_LIMIT * ticks if scale.inverse else AMOUNT_LIMIT
    per_lot = scale.unit_value if scale.inverse else scale.unit_value * ticks
    by_value = quanta_limit // per_lot
    lots = min(SIZE_LIMIT, by_value)
    value = lots * scale.unit_value // ticks if scale.inverse else lots * scale.unit_value * ticks
    return Headroom(
        scale=scale,
        mark=mark,
        lots=lots,
        size=scale.size(lots),
        value=scale.settle.amount(value),
        bound="value" if by_value < SIZE_LIMIT else "lots",
        price_max=scale.price(SIZE_LIMIT),
    )


def headroom_table(rows: Iterable[Headroom]) -> str:
    """Return a Markdown table, one instrument a line; figures are rounded down to three digits."""
    lines = [f"| {' | '.join(HEADINGS)} |", "| --- " * len(HEADINGS) + "|"]
    for row in rows:
        scale = row.scale
        cells = (
            scale.instrument,
            f"{scale.settle.quantum:f} {scale.settle.asset}",
            f"{scale.lot:f}",
            f"{scale.price_unit:f}",
            f"{scale.unit_value}" + (" (times ticks)" if scale.inverse else ""),
            f"{row.mark:f}",
            short(row.size),
            f"{short(row.value)} {scale.settle.asset}",
            row.bound,
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def short(amount: Decimal) -> str:
    """Return the leading three digits of an amount, cut off, in scientific form."""
    with exact():
        exponent = amount.adjusted()
        digits = int(amount.scaleb(2 - exponent))
    return f"{digits // 100}.{digits % 100:02d}e{exponent}"
