"""Options under a price move of their underlying: repriced, their strikes' volatilities kept."""

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

from keelmark.accounts.document import AccountDocument
from keelmark.core.errors import CannotReprice, InvalidInput, MissingMarkPrice
from keelmark.core.instrument import Instrument
from keelmark.core.numbers import exact
from keelmark.core.repricing import Repricer
from keelmark.risk.draft import Draft


def with_options_moved(
    draft: Draft, moving: Iterable[Instrument], factor: Decimal
) -> AccountDocument:
    """Return the document with options at the marks that a move of their underlying gives them.

    Raises:
        InvalidInput: An option cannot be repriced; the message says what the document lacks.
    """
    market = draft.account.market
    marks: dict[str, Decimal] = {}
    for option in (c for c in moving if c.is_option and c.symbol in market.marks):
        try:
            repricer = Repricer.of(option, market)
        except (CannotReprice, MissingMarkPrice) as error:
            msg = f"{option.symbol} cannot follow its underlying: {error}"
            raise InvalidInput(msg) from error
        with exact():
            marks[option.symbol] = repricer.mark_at(repricer.forward * factor)
    with exact():
        return replace(
            draft.document,
            positions=tuple(
                replace(
                    row,
                    mark_price=marks[row.instrument],
                    underlying_price=market.forwards[row.instrument] * factor,
                )
                if row.instrument in marks
                else row
                for row in draft.document.positions
            ),
            prices={n: marks.get(n, price) for n, price in draft.document.prices.items()},
        )
