"""What the pictures of the report draw: arrays of floats and counts over time, price or distance.

Units: amounts in the report's `currency`; prices in quote per base; distances as fractions; times
in epoch milliseconds, UTC.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import numpy.typing as npt

from keelmark.core.errors import InvalidInput

Float64Array = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]
Columns = Mapping[str, Float64Array | Int64Array]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PriceLine:
    """The price of one thing over the timeline.

    Attributes:
        name: As `market index` or `BTCUSDT`.
        unit: As `USDT`; empty for an index that starts at 100.
        values: (n,) mark at the end of each step.
    """

    name: str
    unit: str
    values: Float64Array


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StageActivity:
    """How many units a stage of the waterfall handled.

    Attributes:
        stage: Name of the stage, as in the rulebook (`reduce`, `takeover`, ...).
        units: (n,) units the stage acted on in each step.
    """

    stage: str
    units: Int64Array


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Timeline:
    """What happened, step by step; steps may differ in length.

    Attributes:
        times_ms: (n,) start of each step, rising.
        end_ms: End of the last step.
        prices: Selectable lines; the first is shown first.
        liquidated_long: (n,) notional liquidated in the step.
        liquidated_short: (n,) the same of short positions, unsigned.
        fund: (n,) insurance fund at the end of the step.
        deleveraged: (n,) notional deleveraged in the step.
        backstop: (n,) notional held by the backstop at the end of the step.
        stages: In the order of the waterfall.
        focus_ms: The crash itself, offered as a zoom; `None` offers none.
    """

    times_ms: Int64Array
    end_ms: int
    prices: tuple[PriceLine, ...]
    liquidated_long: Float64Array
    liquidated_short: Float64Array
    fund: Float64Array
    deleveraged: Float64Array
    backstop: Float64Array
    stages: tuple[StageActivity, ...]
    focus_ms: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        _require_rising("timeline.times_ms", self.times_ms)
        if not self.prices:
            msg = "timeline.prices is empty: a timeline shows at least one price"
            raise InvalidInput(msg)
        count = self.times_ms.shape
        if self.end_ms <= self.times_ms[-1]:
            msg = f"timeline.end_ms is {self.end_ms}; it ends the step of {self.times_ms[-1]}"
            raise InvalidInput(msg)
        _require_shape("timeline", count, self._columns())

    def _columns(self) -> Columns:
        lines = {f"prices[{line.name}]": line.values for line in self.prices}
        stages = {f"stages[{item.stage}]": item.units for item in self.stages}
        return {
            **lines,
            **stages,
            "liquidated_long": self.liquidated_long,
            "liquidated_short": self.liquidated_short,
            "fund": self.fund,
            "deleveraged": self.deleveraged,
            "backstop": self.backstop,
        }


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LiquidationMap:
    """Who would be liquidated if the price of one instrument moved and nothing else did.

    Every margin unit counts once, in the bin of its nearest liquidation price: longs below the
    present price, shorts above it.

    Attributes:
        instrument: As `BTCUSDT`.
        moment: In words, as `before the crash`; the same words for every instrument.
        time_ms: The instant.
        price: The mark at that instant.
        edges: (n + 1,) rising prices that bound the bins. Best with one of them the present price
            and the others at equal fractions of it, so that maps of two moments read alike.
        long_notional: (n,) notional of long positions liquidated in each bin.
        short_notional: (n,) the same of shorts, unsigned.
        long_units: (n,) margin units of those longs.
        short_units: (n,) margin units of those shorts.
    """

    instrument: str
    moment: str
    time_ms: int
    price: Decimal
    edges: Float64Array
    long_notional: Float64Array
    short_notional: Float64Array
    long_units: Int64Array
    short_units: Int64Array

    def __post_init__(self) -> None:
        where = f"map of {self.instrument} {self.moment}"
        _require_rising(f"{where}: edges", self.edges)
        columns: Columns = {
            "long_notional": self.long_notional,
            "short_notional": self.short_notional,
            "long_units": self.long_units,
            "short_units": self.short_units,
        }
        _require_shape(where, (self.edges.size - 1,), columns)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DistanceHistory:
    """How far accounts are from liquidation, over time.

    Attributes:
        times_ms: (k,) instants, rising.
        edges: (m + 1,) rising distances, fractions, first 0; the last bin also holds all beyond.
        accounts: (k, m) accounts in each bin.
        notional: (k, m) their notional.
        unreachable_accounts: (k,) accounts with positions that no move of prices liquidates.
        unreachable_notional: (k,) their notional.
        liquidated_accounts: (k,) accounts liquidated so far.
        liquidated_notional: (k,) notional liquidated so far.
    """

    times_ms: Int64Array
    edges: Float64Array
    accounts: Int64Array
    notional: Float64Array
    unreachable_accounts: Int64Array
    unreachable_notional: Float64Array
    liquidated_accounts: Int64Array
    liquidated_notional: Float64Array

    def __post_init__(self) -> None:
        _require_rising("distances.times_ms", self.times_ms)
        _require_rising("distances.edges", self.edges)
        count = self.times_ms.size
        bins: Columns = {"accounts": self.accounts, "notional": self.notional}
        _require_shape("distances", (count, self.edges.size - 1), bins)
        ends: Columns = {
            "unreachable_accounts": self.unreachable_accounts,
            "unreachable_notional": self.unreachable_notional,
            "liquidated_accounts": self.liquidated_accounts,
            "liquidated_notional": self.liquidated_notional,
        }
        _require_shape("distances", (count,), ends)


def _require_rising(where: str, values: Float64Array | Int64Array) -> None:
    if values.ndim != 1 or values.size == 0 or not bool(np.all(np.diff(values) > 0)):
        msg = f"{where} must be one rising row of at least one value, found shape {values.shape}"
        raise InvalidInput(msg)


def _require_shape(
    where: str,
    shape: tuple[int, ...],
    columns: Columns,
) -> None:
    wrong = {name: values.shape for name, values in columns.items() if values.shape != shape}
    if wrong:
        msg = f"{where}: columns must have shape {shape}, found {wrong}"
        raise InvalidInput(msg)
