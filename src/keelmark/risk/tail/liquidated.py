"""Paths that are liquidated on the way: the loss is realised there, and nothing comes back.

Now, and at the end of every step, each unit is valued. Where the venue's trigger holds, the whole
unit is closed at those prices, and what is left of it is

    max(0, worth - fee * notional - slippage)      sold in the market
    0                                              taken over: the surplus is the venue's

with the fee and the assumed slippage of the rulebook's liquidation, and its rule of when a unit is
taken instead of sold. A unit never loses more than it is worth now: what lies below nothing is the
venue's. Between steps nothing is looked at.

Assumes that the whole unit is closed even where the venue sells a part and waits.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from keelmark.core.excess import price_of
from keelmark.core.instrument import InstrumentKind
from keelmark.core.margin import margin_report
from keelmark.core.numbers import exact
from keelmark.core.process import LiquidationRules, Stage
from keelmark.risk.returns import Array
from keelmark.risk.revaluation import UnitValuer, UnitValues
from keelmark.risk.scenarios import Scenarios
from keelmark.risk.symbols import coin_of

NEVER = -1
"""Step of a unit that is not liquidated."""

NEVER_ABOVE = 1e6
"""Usage at which a venue takes a unit over that no equity above nothing has."""

LINEAR = frozenset({InstrumentKind.LINEAR_PERPETUAL, InstrumentKind.LINEAR_FUTURE})
INVERSE = frozenset({InstrumentKind.INVERSE_PERPETUAL, InstrumentKind.INVERSE_FUTURE})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ending:
    """What a unit is left with when it is liquidated.

    Attributes:
        notional: (positions,) now, valuation currency; options count as nothing.
        coins: Coin of each position.
        power: 1 where a notional moves with its coin, 0 where it stands, -1 where it moves against.
        fee: Of the notional that is closed.
        impact: (positions,) slippage over the square of the notional.
        sells: Whether the market is tried at all.
        usage: Maintenance over equity beyond which the unit is taken whole; `None` for never.
    """

    notional: Array
    coins: tuple[str, ...]
    power: Array
    fee: float
    impact: Array
    sells: bool
    usage: float | None

    @classmethod
    def of(cls, valuer: UnitValuer, rules: LiquidationRules) -> "Ending":
        """Return how a unit ends under a rulebook's liquidation."""
        model = valuer.model
        rows = []
        with exact():
            for held in margin_report(valuer.unit, valuer.market, model).positions:
                instrument = held.terms.instrument
                price = price_of(instrument.settle, valuer.market, model)
                power = _power(instrument.kind, is_own=valuer.currency == instrument.base)
                size = 0.0 if power is None else float(held.notional * price)
                impact = float(rules.reduce.impact_of(instrument.symbol))
                rows.append((coin_of(instrument.base)[0], size, power or 0, impact))
        usage = float(rules.takeover.usage)
        return cls(
            notional=np.array([row[1] for row in rows]),
            coins=tuple(row[0] for row in rows),
            power=np.array([float(row[2]) for row in rows]),
            fee=float(rules.clearance_fee or rules.taker_fee),
            impact=np.array([row[3] for row in rows]),
            sells=rules.runs(Stage.REDUCE),
            usage=usage if usage > 1.0 else None,
        )

    def words(self) -> str:
        """Return the rule in a clause."""
        if not self.sells:
            return "the venue takes the unit, and nothing of it is left"
        text = f"the whole unit is closed for {self.fee * 100:g} % of its notional"
        if self.usage is not None:
            line = f"maintenance is above {self.usage:g} times equity"
            line = line if self.usage < NEVER_ABOVE else "no equity is left"
            text += f", and taken whole where {line}"
        return text

    def left(self, values: UnitValues, scenarios: Scenarios) -> Array:
        """Return what is left of the unit if it is liquidated there, at least nothing."""
        if not self.sells:
            return np.zeros(len(scenarios))
        names = scenarios.returns.names
        columns = [names.index(coin) for coin in self.coins]
        notional = self.notional * (1.0 + scenarios.returns.values[:, columns]) ** self.power
        cost = self.fee * notional.sum(axis=1) + (self.impact * notional**2).sum(axis=1)
        left: Array = np.maximum(0.0, values.worth - cost)
        if self.usage is not None:
            left[values.equity * self.usage < values.maintenance] = 0.0
        return left


@dataclass(slots=True, kw_only=True, eq=False)
class Fate:
    """How a unit fares on some paths, step by step.

    Attributes:
        valuer: Of the unit.
        ending: What liquidation leaves.
        floor: Least profit: the worth now, lost.
        profit: (paths,) realised on the paths that ended, else of the last step.
        step: (paths,) at which it was liquidated; 0 where it is now, -1 where it never was.
    """

    valuer: UnitValuer
    ending: Ending
    floor: float
    profit: Array
    step: npt.NDArray[np.int32]

    @classmethod
    def of(cls, valuer: UnitValuer, rules: LiquidationRules, count: int) -> "Fate":
        """Return a unit before the first step of so many paths, ended where it is liquidatable."""
        fate = cls(
            valuer=valuer,
            ending=Ending.of(valuer, rules),
            floor=-max(0.0, valuer.now[2]),
            profit=np.zeros(count),
            step=np.full(count, NEVER, dtype=np.int32),
        )
        still = valuer.still
        values = valuer.values(still)
        if values.is_liquidatable[0]:
            left = float(fate.ending.left(values, still)[0])
            fate.profit[:] = max(fate.floor, left - valuer.now[2])
            fate.step[:] = 0
        return fate

    def after(self, step: int, scenarios: Scenarios, rows: slice) -> UnitValues:
        """Take the prices after a step, and return the unit's values there."""
        values = self.valuer.values(scenarios)
        profit, ended = self.profit[rows], self.step[rows]
        is_open = ended == NEVER
        profit[is_open] = values.pnl[is_open]
        falls = is_open & values.is_liquidatable
        if falls.any():
            left = self.ending.left(values, scenarios)
            now = values.worth[0] - values.pnl[0]
            profit[falls] = np.maximum(self.floor, left[falls] - now)
            ended[falls] = step
        return values


def _power(kind: InstrumentKind, *, is_own: bool) -> int | None:
    """Return how a notional goes with its coin's price; `None` for an option."""
    if kind in LINEAR:
        return 1
    if kind in INVERSE:
        return -1 if is_own else 0
    return None
