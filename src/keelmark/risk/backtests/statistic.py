"""What a test of forecasts found: a number and how likely chance alone does as much, or why not."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from keelmark.accounts.check_document import JsonTable, statistic_text
from keelmark.core.errors import InvalidInput

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistic:
    """A test's answer. Either the value is known, or the reason why it is not.

    Attributes:
        name: Which test.
        value: Of the statistic; `None` where it cannot be had.
        p_value: Probability of a value as extreme under right forecasts; `None` where none is had.
        reason: Why something above is `None`.
        notes: Choices that the figure depends on: lags, columns left out, draws.
    """

    name: str
    value: float | None
    p_value: float | None = None
    reason: str | None = None
    notes: tuple[str, ...] = ()

    @classmethod
    def unknown(cls, name: str, reason: str, *notes: str) -> "Statistic":
        """Return the answer of a test that has none."""
        return cls(name=name, value=None, reason=reason, notes=notes)

    def document(self) -> JsonTable:
        """Return the answer as JSON; statistics are text of a float."""
        return {
            "value": statistic_text(self.value),
            "p_value": statistic_text(self.p_value),
            "reason": self.reason,
            "notes": list(self.notes),
        }


def require_tail(tail: float) -> None:
    """Refuse a tail probability that is not between 0 and one half.

    Raises:
        InvalidInput: As said.
    """
    if not 0.0 < tail < 0.5:  # noqa: PLR2004 beyond it nothing is a tail
        msg = f"a tail of {tail}; give the probability of a violation, above 0 and below 0.5"
        raise InvalidInput(msg)


def require_forecasts(profit: Array, *forecasts: Array) -> None:
    """Refuse forecasts that do not lie beside outcomes, or that are no numbers.

    Raises:
        InvalidInput: Shapes differ, nothing is given, or a value is not finite.
    """
    shapes = {array.shape for array in (profit, *forecasts)}
    if len(shapes) > 1 or profit.ndim != 1 or not len(profit):
        msg = f"outcomes and forecasts of shapes {sorted(shapes)}; give one of each a period"
        raise InvalidInput(msg)
    for array in (profit, *forecasts):
        wrong = np.flatnonzero(~np.isfinite(array))
        if len(wrong):
            msg = f"period {wrong[0]} holds {array[wrong[0]]}; leave periods without a number out"
            raise InvalidInput(msg)
