"""One snapshot of prices by name, as the engine takes snapshots: by row."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation

import numpy as np

from keelmark.book.universe import Universe
from keelmark.core.bound import Factor, FactorKind
from keelmark.core.errors import (
    InvalidInput,
    InvalidMark,
    UnknownAsset,
    UnknownInstrument,
    nearest,
)
from keelmark.engine.events import MarksSet

Price = Decimal | str | int
Prices = Mapping[str, Price]

_UNKNOWN = {
    FactorKind.MARK: (UnknownInstrument, "no instrument"),
    FactorKind.INDEX: (UnknownInstrument, "no formula reads an index"),
    FactorKind.ASSET: (UnknownAsset, "no asset"),
}


def named_prices(
    universe: Universe,
    time_ms: int,
    *,
    marks: Prices | None = None,
    asset_prices: Prices | None = None,
    indices: Prices | None = None,
) -> MarksSet:
    """Return one snapshot; what it does not name keeps its price.

    Args:
        universe: Of the engine's state.
        time_ms: Milliseconds since 1970.
        marks: Mark price by instrument, quote per base.
        asset_prices: Price by collateral asset, valuation currency.
        indices: Index price by name.

    Raises:
        UnknownInstrument: Of an instrument or index the rulebook does not hold.
        UnknownAsset: Of an asset the rulebook does not hold.
        InvalidMark: A price that is not a positive finite number.
        InvalidInput: A price nothing reads. Whichever comes first names the error; its message
            lists every problem.
    """
    reading = _Reading(universe, {factor: row for row, factor in enumerate(universe.factors)})
    for kind, prices in (
        (FactorKind.MARK, marks),
        (FactorKind.ASSET, asset_prices),
        (FactorKind.INDEX, indices),
    ):
        for name, price in (prices or {}).items():
            reading.read(Factor(kind, name), price)
    if reading.problems:
        raise type(reading.problems[0])("; ".join(str(problem) for problem in reading.problems))
    return MarksSet(
        times_ms=np.array([time_ms]),
        offsets=np.array([0, len(reading.found)]),
        factors=np.array(list(reading.found), np.int32),
        prices=np.array(list(reading.found.values()), np.float64),
    )


@dataclass(slots=True)
class _Reading:
    """Prices by row as far as they are read, and what is wrong with the others."""

    universe: Universe
    rows: Mapping[Factor, int]
    found: dict[int, float] = field(default_factory=dict)
    problems: list[InvalidInput] = field(default_factory=list)

    def read(self, factor: Factor, price: Price) -> None:
        """Take one price, or note its problem."""
        number = _number(price)
        row = self.rows.get(factor)
        if row is None:
            self.problems.append(self._unknown(factor))
        elif not 0.0 < number < np.inf:
            msg = (
                f"the {factor.kind.value} price of {factor.name} is {price!r}; "
                'a positive number is needed, such as "100000.5"'
            )
            self.problems.append(InvalidMark(msg))
        else:
            self.found[row] = number

    def _unknown(self, factor: Factor) -> InvalidInput:
        if factor.kind is FactorKind.ASSET and factor.name in self.universe.assets:
            msg = f"nothing reads a price of {factor.name}: amounts in it count as they are"
            return InvalidInput(msg)
        kind, what = _UNKNOWN[factor.kind]
        names = [known.name for known in self.rows if known.kind is factor.kind]
        return kind(f"{what} {factor.name} in this book; {nearest(factor.name, names)}")


def _number(price: Price) -> float:
    """Return the float a price enters the columns as; NaN where it is no number."""
    try:
        return float(Decimal(str(price)))
    except InvalidOperation:
        return float("nan")
