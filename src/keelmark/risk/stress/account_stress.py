"""An account under stress scenarios: what each would lose, who would be liquidated, who would pay.

Each margin unit stands and falls alone: an isolated position that owes more than it holds takes
nothing from the rest. The deficit of a unit is what is missing once its positions are closed where
the scenario leaves them: minus its worth after, without haircuts, plus what closing costs.

Source: docs/model.md, "Stress".
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from keelmark.accounts.account import Account
from keelmark.core.coins import stands_for_the_dollar
from keelmark.core.errors import InvalidInput, MissingNumber
from keelmark.core.unit import MarginUnit
from keelmark.risk.revaluation import UnitValuer, UnitValues
from keelmark.risk.scenarios import Scenarios, Shocks
from keelmark.risk.stress.closing import Closing, closing_cost
from keelmark.risk.stress.library import StressScenario, stress_library
from keelmark.risk.stress.shocks import Made, Needs, made_for
from keelmark.risk.symbols import coin_of

Floats = npt.NDArray[np.float64]

BUMP = 1e-4
"""Half the difference of returns over which the slope of a coin is taken."""

ROUNDING = 1e-9
"""Share of the gross below which a sum of legs counts as nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loser:
    """A coin and what everything on it adds to the change of worth.

    Attributes:
        name: The coin; where one position or asset stands alone, its own name.
        pnl: Signed.
        parts: Positions and assets added up.
    """

    name: str
    pnl: float
    parts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StressRow:
    """One scenario of a unit, in its currency.

    Attributes:
        scenario: Which.
        pnl: Change of worth.
        equity: After haircuts, for the maintenance purpose, after.
        maintenance: After.
        worth: Without haircuts, after.
        is_liquidatable: Whether its trigger holds after.
        notional: Of its positions at the marks after, of options their underlying.
        closing_cost: Of closing every position there.
        deficit: What is then missing.
        losers: Coins that lose, worst first.
        stand_ins: Coins that took a figure that is not their own, and which.
    """

    scenario: StressScenario
    pnl: float
    equity: float
    maintenance: float
    worth: float
    is_liquidatable: bool
    notional: float
    closing_cost: float
    deficit: float
    losers: tuple[Loser, ...]
    stand_ins: Mapping[str, str]

    @property
    def ratio(self) -> float | None:
        """Maintenance over equity; `None` where equity is not above zero."""
        return self.maintenance / self.equity if self.equity > 0.0 else None


@dataclass(frozen=True, kw_only=True, eq=False)
class UnitStress:
    """One margin unit under every scenario.

    Attributes:
        valuer: The unit.
        wanted: Scenarios in their order, those that could be made.
        made: What they are for this unit.
        values: What it comes to.
        closing: What closing it costs.
        leg_pnl: What each leg of `valuer.legs` adds, shape (n, legs).
    """

    valuer: UnitValuer
    wanted: tuple[StressScenario, ...]
    made: Made
    values: UnitValues
    closing: Closing
    leg_pnl: Floats

    @property
    def unit_id(self) -> str:
        """Of the margin unit."""
        return self.values.unit_id

    @property
    def currency(self) -> str:
        """Of every amount."""
        return self.values.currency

    @property
    def now(self) -> tuple[float, float, float]:
        """Equity, maintenance and worth now."""
        return self.valuer.now

    @cached_property
    def is_liquidatable_now(self) -> bool:
        """Whether its trigger holds before any scenario."""
        return self.valuer.is_liquidatable_now

    @property
    def deficit(self) -> Floats:
        """What is missing after all is closed, not below zero, shape (n,)."""
        missing: Floats = np.maximum(0.0, self.closing.cost - self.values.worth)
        return missing

    @cached_property
    def rows(self) -> tuple[StressRow, ...]:
        """Every scenario, in order."""
        return tuple(self._row(i, scenario) for i, scenario in enumerate(self.wanted))

    @cached_property
    def leg_coins(self) -> tuple[str, ...]:
        """The coin each of `valuer.legs` is on; of an asset that is no coin, its name."""
        model = self.valuer.model
        count = len(self.valuer.legs) - len(self.valuer.asset_order)
        symbols = [_symbol(name) for name in self.valuer.legs[:count]]
        bases = [model.instrument(symbol).instrument.base for symbol in symbols]
        return tuple(coin_of(name)[0] for name in (*bases, *self.valuer.legs[count:]))

    def _row(self, at: int, scenario: StressScenario) -> StressRow:
        values = self.values
        return StressRow(
            scenario=scenario,
            pnl=float(values.pnl[at]),
            equity=float(values.equity[at]),
            maintenance=float(values.maintenance[at]),
            worth=float(values.worth[at]),
            is_liquidatable=bool(values.is_liquidatable[at]),
            notional=float(self.closing.notional[at]),
            closing_cost=float(self.closing.cost[at]),
            deficit=float(self.deficit[at]),
            losers=tuple(self._losers(at)),
            stand_ins=self.made.stand_ins.get(scenario.name, {}),
        )

    def _losers(self, at: int) -> Iterator[Loser]:
        """Return what loses by coin: a contract and the coin it hedges are one thing."""
        parts: dict[str, list[tuple[str, float]]] = {}
        legs = zip(self.valuer.legs, self.leg_coins, self.leg_pnl[at].tolist(), strict=True)
        for name, coin, pnl in legs:
            if pnl:
                parts.setdefault(coin, []).append((name, pnl))
        found = [
            Loser(
                name=rows[0][0] if len(rows) == 1 else coin,
                pnl=float(sum(pnl for _, pnl in rows)),
                parts=len(rows),
            )
            for coin, rows in parts.items()
        ]
        gross = sum(abs(pnl) for rows in parts.values() for _, pnl in rows)
        lost = [loser for loser in found if loser.pnl < -ROUNDING * gross]
        yield from sorted(lost, key=lambda loser: loser.pnl)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StressResult:
    """An account under stress.

    Attributes:
        account: What was stressed.
        scale: Of every shock.
        units: Each margin unit, in the order of the account.
        unknown: Units whose margin is unknown, and why.
    """

    account: Account
    scale: float
    units: tuple[UnitStress, ...]
    unknown: Mapping[str, str] = field(default_factory=dict)


def stress_account(
    account: Account,
    scenarios: Sequence[StressScenario] | None = None,
    *,
    scale: float = 1.0,
) -> StressResult:
    """Return an account under scenarios of the library, or one's own.

    Args:
        account: What is held.
        scenarios: From `stress_library()` or `read_scenarios()`; the whole library where left out.
        scale: Of every shock, in logs: 1.5 makes a fall of 20 % one of 28.4 %.

    Raises:
        InvalidInput: The account holds nothing, or the scale is not above zero.
        MissingNumber: No unit's margin is known; the message says what to add.
    """
    wanted = stress_library() if scenarios is None else tuple(scenarios)
    held = [unit for unit in account.units if _holds(unit)]
    if not held:
        msg = "the account holds nothing: no scenario changes it"
        raise InvalidInput(msg)
    valuers, unknown = _valuers(account, held)
    return StressResult(
        account=account,
        scale=scale,
        units=tuple(_unit(account, valuer, wanted, scale) for valuer in valuers),
        unknown=unknown,
    )


def _holds(unit: MarginUnit) -> bool:
    """Whether there is anything in a unit; a balance of zero is nothing."""
    amounts = (unit.balances, unit.loans, unit.accrued_interest)
    return bool(unit.positions) or any(v for rows in amounts for v in rows.values())


def _valuers(
    account: Account, held: Sequence[MarginUnit]
) -> tuple[list[UnitValuer], dict[str, str]]:
    """Return the units that can be valued, and why others cannot."""
    valuers: list[UnitValuer] = []
    unknown: dict[str, str] = {}
    last: MissingNumber | None = None
    for unit in held:
        try:
            valuers.append(UnitValuer.of(account, unit))
        except MissingNumber as error:
            unknown[unit.unit_id], last = str(error), error
    if not valuers and last is not None:
        raise last
    return valuers, unknown


def _unit(
    account: Account, valuer: UnitValuer, wanted: Sequence[StressScenario], scale: float
) -> UnitStress:
    made = made_for(wanted, needs_of(valuer), scale=scale)
    return UnitStress(
        valuer=valuer,
        wanted=tuple(row for row in wanted if row.name not in made.left_out),
        made=made,
        values=valuer.values(made.scenarios),
        closing=closing_cost(account, valuer.unit, made.scenarios),
        leg_pnl=valuer.leg_pnl(made.scenarios),
    )


def needs_of(valuer: UnitValuer) -> Needs:
    """Return the coins and assets a unit stands on, and what a move of each coin is worth."""
    dollars = tuple(a for a in valuer.assets if stands_for_the_dollar(a, valuer.model))
    return Needs(
        coins=valuer.coins,
        dollars=dollars,
        others=tuple(a for a in valuer.assets if a not in dollars),
        slopes=dict(zip(valuer.coins, _slopes(valuer).tolist(), strict=True)),
    )


def _slopes(valuer: UnitValuer) -> Floats:
    """Return what one of each coin's return adds to the worth of a unit, shape (coins,).

    A coin whose legs cancel within rounding has none: a hedge is no risk of the coin.
    """
    count = len(valuer.coins)
    steps = BUMP * np.eye(count)
    if not count:
        return np.zeros(0)
    returns = Shocks(names=valuer.coins, values=np.vstack([steps, -steps]))
    legs = valuer.leg_pnl(Scenarios(returns=returns))
    moved = (legs[:count] - legs[count:]) / (2.0 * BUMP)
    net: Floats = moved.sum(axis=1)
    net[np.abs(net) <= ROUNDING * np.abs(moved).sum(axis=1)] = 0.0
    return net


def _symbol(leg: str) -> str:
    """Return the contract of a leg; in hedge mode its name ends with the side."""
    return leg.removesuffix(" long").removesuffix(" short")
