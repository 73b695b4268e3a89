"""A margin unit compiled once and valued under any number of scenarios.

Source: docs/model.md, "Revaluation".
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from keelmark.accounts.account import Account
from keelmark.core.codes import UnitKind
from keelmark.core.errors import InvalidInput, InvariantViolated, MissingNumber
from keelmark.core.excess import worth as core_worth
from keelmark.core.margin import margin_report
from keelmark.core.market import Market
from keelmark.core.model import MarginModel, Trigger
from keelmark.core.numbers import exact
from keelmark.core.unit import MarginUnit
from keelmark.risk.revaluation.build import tables_of, without_columns
from keelmark.risk.revaluation.kernel import (
    EQUITY,
    MAINTENANCE,
    WORTH,
    leg_pnl_kernel,
    values_kernel,
    values_parallel,
)
from keelmark.risk.revaluation.moved import after_scenario, priced_in, scenario_coins
from keelmark.risk.revaluation.slopes import slopes_at
from keelmark.risk.revaluation.tables import Columns, Floats, Moves, Tables
from keelmark.risk.scenarios import Scenarios, Shocks

Method = Literal["arrays", "core"]

PARALLEL_FROM = 1_000_000
"""Positions times scenarios from which a second thread pays."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class UnitValues:
    """A unit under every scenario, in the currency its totals are in; arrays of one a scenario.

    Attributes:
        unit_id: Of the margin unit.
        currency: Of the amounts.
        equity: Collateral after haircuts and counted profit, maintenance purpose.
        maintenance: Maintenance margin.
        excess: Equity less maintenance times the venue's trigger level.
        worth: At the marks: no haircut, weight or cap.
        pnl: Worth less worth now.
        is_liquidatable: Whether the venue's trigger holds.
        method: `arrays` within rounding of core, or `core` itself, scenario by scenario.
    """

    unit_id: str
    currency: str
    equity: Floats
    maintenance: Floats
    excess: Floats
    worth: Floats
    pnl: Floats
    is_liquidatable: npt.NDArray[np.bool_]
    method: Method


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class UnitValuer:
    """A margin unit ready to be valued.

    Attributes:
        unit: What is margined.
        market: Prices now.
        model: The venue's terms.
        coins: That the unit stands on: the columns of returns it reads.
        assets: Whose price it reads: what a collateral shock can move.
        legs: Names of its parts: positions in the order of the unit, then assets, for the change
            of their price.
        method: `arrays`, or `core` where a rule has no array face: exact, and slow.
        why: Which rule that is; `None` for arrays.
        currency: Its totals are in.
        now: Equity, maintenance and worth as things stand.
    """

    unit: MarginUnit
    market: Market
    model: MarginModel
    coins: tuple[str, ...]
    assets: tuple[str, ...]
    legs: tuple[str, ...]
    method: Method
    why: str | None
    currency: str
    now: tuple[float, float, float]
    tables: Tables | None
    asset_order: tuple[str, ...]
    can_be_liquidated: bool

    @classmethod
    def of(cls, account: Account, unit: MarginUnit) -> "UnitValuer":
        """Compile a unit.

        Raises:
            MissingNumber: Its margin now is unknown, or an option cannot be repriced; the message
                says what to add to the document.
        """
        if account.unlearnt is not None and unit.kind is UnitKind.CROSS:
            msg = f"{unit.unit_id}: its totals are unknown: {account.unlearnt}"
            raise MissingNumber(msg)
        return cls.over(unit, account.market, account.model)

    @classmethod
    def over(cls, unit: MarginUnit, market: Market, model: MarginModel) -> "UnitValuer":
        """Compile a unit over a market and a model; raises as `of`."""
        report = margin_report(unit, market, model)
        coins = scenario_coins(unit, model)
        why = without_columns(unit, model)
        with exact():
            tables, legs, names = tables_of(unit, market, model, coins)
            worth_now = core_worth(unit, market, model)
            can_be = any(a.balance < a.accrued_interest or a.loan_margin for a in report.assets)
        settle = names[0] if model.single_asset and names else model.valuation
        return cls(
            unit=unit,
            market=market,
            model=model,
            coins=coins,
            assets=priced_in(unit, model),
            legs=(*legs, *names),
            method="arrays" if why is None else "core",
            why=why,
            currency=settle,
            now=(float(report.equity), float(report.maintenance_margin), float(worth_now)),
            tables=tables if why is None else None,
            asset_order=names,
            can_be_liquidated=bool(unit.positions) or can_be,
        )

    @property
    def level(self) -> float:
        """Multiple of maintenance at which the trigger holds."""
        return float(self.model.trigger_level)

    @property
    def still(self) -> Scenarios:
        """The scenario in which nothing moves."""
        values = np.zeros((1, len(self.coins)))
        return Scenarios(returns=Shocks(names=self.coins, values=values))

    @property
    def is_liquidatable_now(self) -> bool:
        """Whether its trigger holds before any scenario."""
        return bool(self.values(self.still).is_liquidatable[0])

    def values(self, scenarios: Scenarios) -> UnitValues:
        """Return the unit under scenarios.

        Raises:
            InvalidInput: A coin of the unit has no column of returns.
        """
        scenarios.require(self.coins)
        if self.tables is None:
            return self._packed(self._by_core(scenarios), self.now[WORTH])
        moves = self.moves(scenarios)
        return self._packed(self._run(moves, len(scenarios)), self._worth_now())

    def excess(
        self, returns: Floats, collateral: Floats | None = None, volatility: Floats | None = None
    ) -> Floats:
        """Return the excess after shocks, and nothing else: the fast path. NaN in, NaN out.

        Args:
            returns: Shape (n, coins), by `coins`.
            collateral: Shape (n, assets), by `assets`; `None` stands still.
            volatility: Shape (n, coins), by `coins`; `None` stands still.

        Raises:
            InvalidInput: A shape is another.
        """
        values = self._after(returns, collateral, volatility)
        found: Floats = values[:, EQUITY] - self.level * values[:, MAINTENANCE]
        return found

    def worth(
        self, returns: Floats, collateral: Floats | None = None, volatility: Floats | None = None
    ) -> Floats:
        """Return the worth after shocks, and nothing else; arguments as `excess`."""
        found: Floats = self._after(returns, collateral, volatility)[:, WORTH]
        return found

    def gradient(self, returns: Floats) -> Floats:
        """Return the slope of the excess in each coin's return, at one point of shape (coins,).

        Differences over a millionth on both sides: inside a row of every table that is the slope
        to rounding. On an edge it is the slope of the flatter side.
        """
        return slopes_at(self.excess, np.asarray(returns, dtype=np.float64))

    def leg_pnl(self, scenarios: Scenarios) -> Floats:
        """Return what each of `legs` adds to the change of worth, shape (n, legs).

        Raises:
            InvalidInput: As `values`.
        """
        scenarios.require(self.coins)
        with exact():
            tables = self.tables or tables_of(self.unit, self.market, self.model, self.coins)[0]
        pnl = np.empty((len(scenarios), len(self.legs)))
        leg_pnl_kernel(tables, self.moves(scenarios), pnl)
        return pnl

    def _worth_now(self) -> float:
        still = np.zeros((1, len(self.coins)))
        return float(self.worth(still)[0])

    def _after(
        self, returns: Floats, collateral: Floats | None, volatility: Floats | None
    ) -> Floats:
        """Return equity, maintenance and worth after shocks by coin and asset."""
        rows = self._checked(returns, self.coins, "returns")
        pegs = None if collateral is None else self._checked(collateral, self.assets, "collateral")
        moved = None if volatility is None else self._checked(volatility, self.coins, "volatility")
        if self.tables is None:
            scenarios = Scenarios(
                returns=Shocks(names=self.coins, values=rows),
                collateral=None if pegs is None else Shocks(names=self.assets, values=pegs),
                volatility=None if moved is None else Shocks(names=self.coins, values=moved),
            )
            return self._by_core(scenarios)
        still = np.full(max(1, len(self.coins)), -1)
        own = np.arange(max(1, len(self.coins)))
        places = [self.assets.index(a) if a in self.assets else -1 for a in self.asset_order]
        nothing = np.zeros((1, 1))
        moves = Moves(
            returns=rows,
            basis=nothing,
            volatility=nothing if moved is None else moved,
            funding=nothing,
            collateral=nothing if pegs is None else pegs,
            return_of=own,
            basis_of=still,
            volatility_of=still if moved is None else own,
            funding_of=still,
            collateral_of=np.array(
                [-1] * max(1, len(places)) if pegs is None else places or [-1], dtype=np.int64
            ),
        )
        return self._run(moves, len(rows))

    def _checked(self, values: Floats, names: tuple[str, ...], what: str) -> Floats:
        rows = np.ascontiguousarray(values, dtype=np.float64)
        if rows.ndim != 2 or rows.shape[1] != len(names):  # noqa: PLR2004 rows and columns
            msg = f"{what} of shape {rows.shape}; one column each of {', '.join(names)}"
            raise InvalidInput(msg)
        return rows

    def _run(self, moves: Moves, count: int) -> Floats:
        """Return equity, maintenance and worth, shape (n, 3)."""
        values = np.empty((count, 3))
        if self.tables is None:
            msg = f"{self.unit.unit_id} has no array face"
            raise InvariantViolated(msg)
        if count * (len(self.tables.legs) + 1) >= PARALLEL_FROM:
            values_parallel(self.tables, moves, values)
        else:
            values_kernel(self.tables, moves, values, 0, count)
        return values

    def moves(self, scenarios: Scenarios) -> Moves:
        """Return the shocks of scenarios as the kernel reads them."""
        blocks = scenarios.blocks()

        def block(name: str) -> Floats:
            found = blocks.get(name)
            if found is None or not found.names:
                return np.zeros((1, 1))
            return np.ascontiguousarray(found.values, dtype=np.float64)

        def columns(name: str, wanted: tuple[str, ...]) -> Columns:
            known = blocks[name].names if name in blocks else ()
            rows = [known.index(w) if w in known else -1 for w in wanted]
            return np.array(rows or [-1], dtype=np.int64)

        priced = tuple(name if name in self.assets else "" for name in self.asset_order)
        return Moves(
            returns=block("returns"),
            basis=block("basis"),
            volatility=block("volatility"),
            funding=block("funding"),
            collateral=block("collateral"),
            return_of=columns("returns", self.coins),
            basis_of=columns("basis", self.coins),
            volatility_of=columns("volatility", self.coins),
            funding_of=columns("funding", self.coins),
            collateral_of=columns("collateral", priced),
        )

    def _by_core(self, scenarios: Scenarios) -> Floats:
        """Return equity, maintenance and worth from core, one scenario at a time."""
        values = np.empty((len(scenarios), 3))
        for row in range(len(scenarios)):
            market, unit = after_scenario(self.unit, self.market, self.model, scenarios, row)
            report = margin_report(unit, market, self.model)
            values[row, EQUITY] = float(report.equity)
            values[row, MAINTENANCE] = float(report.maintenance_margin)
            values[row, WORTH] = float(report.equity_raw)
        return values

    def _packed(self, values: Floats, worth_now: float) -> UnitValues:
        excess = values[:, EQUITY] - self.level * values[:, MAINTENANCE]
        at = self.model.trigger is Trigger.AT_OR_BELOW
        holds = excess <= 0.0 if at else excess < 0.0
        return UnitValues(
            unit_id=self.unit.unit_id,
            currency=self.currency,
            equity=values[:, EQUITY],
            maintenance=values[:, MAINTENANCE],
            excess=excess,
            worth=values[:, WORTH],
            pnl=values[:, WORTH] - worth_now,
            is_liquidatable=holds & self.can_be_liquidated,
            method=self.method,
        )
