"""Who can be auto-deleveraged: one row per unit on the opposite side of one instrument."""

from dataclasses import dataclass, fields

import numpy as np

from keelmark.core.errors import InvalidInput, OutOfScale
from keelmark.engine.apportion import TOTAL_LIMIT, Float64Array, Int64Array, exact_sum


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """Columns of equal length, one row per candidate.

    Candidates are solvent, not suspects, and hold the side that takes over the lots.

    Attributes:
        unit: Id of the margin unit, each at most once.
        closable: Lots that can be taken; the candidate stays not below maintenance (INV-08).
        lots: Full size, signed: positive for longs.
        pnl: Unrealised profit of the position, settle units.
        equity: Equity of the unit, settle units, positive.
        notional_total: Notional of all its positions, settle units.
        entry_value: Value of one lot at entry, settle units; negative for inverse instruments,
            whose value `-size / price` rises with the price as well.
        mark_value: Value of one lot at the mark, likewise.
        maintenance: Maintenance margin of the unit, settle units.
    """

    unit: Int64Array
    closable: Int64Array
    lots: Int64Array
    pnl: Float64Array
    equity: Float64Array
    notional_total: Float64Array
    entry_value: Float64Array
    mark_value: Float64Array
    maintenance: Float64Array

    def __post_init__(self) -> None:
        columns = [getattr(self, field.name) for field in fields(self)]
        if any(len(column) != len(self.unit) for column in columns):
            lengths = {field.name: len(getattr(self, field.name)) for field in fields(self)}
            msg = f"candidate columns differ in length: {lengths}"
            raise InvalidInput(msg)
        self._refuse(~np.all([np.isfinite(column) for column in columns], axis=0), "not finite")
        self._refuse(self.closable < 0, "closable is negative")
        self._refuse(self.closable > np.abs(self.lots), "closable exceeds the position")
        self._refuse(self.equity <= 0, "equity is not positive; only solvent units qualify")
        self._refuse(self.mark_value == 0, "the mark value is zero")
        if exact_sum(np.abs(self.lots)) >= TOTAL_LIMIT:
            msg = f"candidates hold {exact_sum(np.abs(self.lots))} lots, the limit is 2**62"
            raise OutOfScale(msg)

    def _refuse(self, wrong: np.ndarray, why: str) -> None:
        if wrong.any():
            row = int(np.argmax(wrong))
            msg = f"candidate row {row}, unit {self.unit[row]}: {why}; correct the builder"
            raise InvalidInput(msg)

    def __len__(self) -> int:
        return len(self.unit)

    def take(self, rows: Int64Array) -> "Candidates":
        """Return the candidates of `rows`, in that order."""
        return Candidates(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})
