"""What an account document says of what its options are on: forwards, indices, volatilities."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from keelmark.accounts.document import AccountDocument
from keelmark.core.errors import CannotReprice
from keelmark.core.instrument import Instrument
from keelmark.core.market import Market
from keelmark.core.model import MarginModel
from keelmark.core.numbers import exact
from keelmark.core.repricing import model_price, years_to_expiry

_APART = Decimal("0.05")
"""Share of the mark by which a given volatility may reprice it without a word."""


@dataclass(slots=True)
class OptionPrices:
    """Prices that only options read.

    Attributes:
        forwards: Price of the underlying for its expiry, by option.
        indices: Price of the underlying, by index name.
        volatilities: Implied volatility, by option, where the document gives it.
    """

    forwards: dict[str, Decimal] = field(default_factory=dict)
    indices: dict[str, Decimal] = field(default_factory=dict)
    volatilities: dict[str, Decimal] = field(default_factory=dict)


def option_prices(document: AccountDocument, model: MarginModel, notes: list[str]) -> OptionPrices:
    """Return the prices that only options read; what stands for what is noted.

    A forward is what the position says, else the price of a future of the same expiry, else the
    index, else a perpetual of the same underlying. What none of these gives stays out.
    """
    found = OptionPrices()
    symbols = dict.fromkeys(
        [
            *(row.instrument for row in document.positions),
            *(order.instrument for order in document.orders),
        ]
    )
    contracts = [model.instrument(symbol).instrument for symbol in symbols]
    for option in (c for c in contracts if c.is_option):
        _add(option, contracts, document, found, notes)
    for row in document.positions:
        if row.implied_volatility is not None:
            found.volatilities[row.instrument] = row.implied_volatility
    notes += _far_marks(document, [c for c in contracts if c.is_option], found)
    return found


def _add(
    option: Instrument,
    contracts: list[Instrument],
    document: AccountDocument,
    found: OptionPrices,
    notes: list[str],
) -> None:
    """Add the forward and the index of one option."""
    index = option.index or option.base
    marks = {row.instrument: row.mark_price for row in document.positions}
    others = [c for c in contracts if c.base == option.base and not c.is_option]
    perpetual = next((marks.get(c.symbol) for c in others if not c.kind.is_dated), None)
    spot = document.prices.get(index) or document.prices.get(option.base) or perpetual
    if spot is not None:
        found.indices[index] = spot
        if spot is perpetual and index not in document.prices:
            _say_once(notes, f"no index price for {index}: the mark of a perpetual stands for it")
    forward = _forward(option, others, marks, document)
    if forward is None and spot is not None:
        forward = spot
        day = f"{option.expiry:%Y-%m-%d}"
        _say_once(notes, f"no future of {day}: the index of {index} stands for its price")
    if forward is not None:
        found.forwards[option.symbol] = forward


def _forward(
    option: Instrument,
    others: Iterable[Instrument],
    marks: dict[str, Decimal],
    document: AccountDocument,
) -> Decimal | None:
    """Return what the position says, else the mark or price of a future of the expiry."""
    rows = (row for row in document.positions if row.instrument == option.symbol)
    given = next((r.underlying_price for r in rows if r.underlying_price is not None), None)
    if given is not None:
        return given
    futures = (c.symbol for c in others if c.kind.is_dated and c.expiry == option.expiry)
    held = next((marks[s] for s in futures if s in marks), None)
    return held if held is not None else _priced(option, document)


def _priced(option: Instrument, document: AccountDocument) -> Decimal | None:
    """Return the price of a future that `prices` names: the option's symbol up to its expiry."""
    names = [n for n in document.prices if "-" in n and option.symbol.startswith(f"{n}-")]
    return document.prices[max(names, key=len)] if names else None


def _far_marks(
    document: AccountDocument, options: Iterable[Instrument], found: OptionPrices
) -> list[str]:
    """Say where a given volatility and the mark are far apart: the mark counts."""
    marks = {row.instrument: row.mark_price for row in document.positions}
    market = Market(time=document.as_of)
    notes: list[str] = []
    for option in options:
        volatility = found.volatilities.get(option.symbol)
        forward = found.forwards.get(option.symbol)
        if volatility is None or forward is None:
            continue
        try:
            years = years_to_expiry(option, market)
        except CannotReprice:
            continue
        with exact():
            model = model_price(option, forward, float(volatility), years)
            mark = marks[option.symbol]
            if abs(model - mark) > max(_APART * mark, option.price_unit):
                notes.append(
                    f"implied_volatility {volatility:f} of {option.symbol} reprices it at "
                    f"{model:.6g}, its mark is {mark:f}: the mark counts, the difference is kept"
                )
    return notes


def _say_once(notes: list[str], text: str) -> None:
    if text not in notes:
        notes.append(text)
