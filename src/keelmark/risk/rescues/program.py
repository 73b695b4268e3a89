"""A linear program kept in exact decimals, so that what a solver says of it can be checked.

All rows read `terms * x >= low`, all columns have finite ends. Any weights `y >= 0` of the rows
then give a lower bound of every feasible cost by weak duality:

    y * low + sum over columns of  min over [low, high] of  (cost - y * column) * x

The solver's duals are only weights; the bound is computed here, exactly, whatever they are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from keelmark.core.numbers import ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One number to choose."""

    low: Decimal
    high: Decimal
    cost: Decimal = ZERO
    is_whole: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """`terms * x >= low`."""

    terms: Mapping[int, Decimal]
    low: Decimal


@dataclass(slots=True)
class Program:
    """Least cost subject to rows; cuts are added while it is solved."""

    columns: list[Column] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)

    def column(
        self, high: Decimal, *, cost: Decimal = ZERO, low: Decimal = ZERO, is_whole: bool = False
    ) -> int:
        """Add a column and return its number."""
        self.columns.append(Column(low=low, high=high, cost=cost, is_whole=is_whole))
        return len(self.columns) - 1

    def row(self, terms: Mapping[int, Decimal], low: Decimal) -> int:
        """Add a row and return its number."""
        self.rows.append(Row(terms={c: x for c, x in terms.items() if x}, low=low))
        return len(self.rows) - 1

    def reach(self, terms: Mapping[int, Decimal], constant: Decimal) -> Decimal:
        """Return how far from zero a sum can come while its columns keep to their ends."""
        columns = self.columns
        return abs(constant) + sum(
            (abs(x) * max(abs(columns[c].low), abs(columns[c].high)) for c, x in terms.items()),
            ZERO,
        )

    def bound(self, duals: Sequence[float]) -> Decimal:
        """Return the lower bound of every feasible cost that these weights prove.

        Rows added since the weights were found weigh nothing.
        """
        weights = [max(ZERO, Decimal(repr(dual))) for dual in duals]
        reduced = [column.cost for column in self.columns]
        total = ZERO
        for weight, row in zip(weights, self.rows, strict=False):
            if weight:
                total += weight * row.low
                for number, factor in row.terms.items():
                    reduced[number] -= weight * factor
        for rate, column in zip(reduced, self.columns, strict=True):
            total += rate * (column.low if rate > ZERO else column.high)
        return total
