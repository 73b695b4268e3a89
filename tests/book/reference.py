"""Maintenance excess by a formula of its own, to hold kernels and wires against.

It shares nothing with the kernels: whole arrays in extended precision, equity summed apart from
requirements, marginal tiers slice by slice, collateral by quantity tiers.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from keelmark.book.kernels.margin import Tables
from keelmark.book.records import BALANCE, POSITION, UNIT
from keelmark.core.codes import RuleKind

Array = npt.NDArray[Any]
Long = np.longdouble

POSITIONS = 8  # rows of every unit's block
BALANCES = 4
TIERS = 8


@dataclass(frozen=True, kw_only=True)
class Haircuts:
    """Quantity tiers of one asset: weight of the amount above each floor; extra rate on debts."""

    floors: tuple[float, ...] = (0.0,)
    weights: tuple[float, ...] = (1.0,)
    loan: float = 0.0
    apart: bool = False  # they apply to the balance alone, profit counts in full

    def lines(self) -> list[tuple[float, float]]:
        """Return the straight lines whose minimum is the collateral value."""
        result = [(1.0 + self.loan, 0.0)]
        value = 0.0
        for tier, (floor, weight) in enumerate(zip(self.floors, self.weights, strict=True)):
            if tier:
                value += self.weights[tier - 1] * (floor - self.floors[tier - 1])
            result.append((weight, value - weight * floor))
        return result


def empty_rows(units: int) -> tuple[Array, Array, Array]:
    """Return units with blocks of `POSITIONS` and `BALANCES` rows, none in use."""
    rows = np.zeros(units, UNIT)
    rows["account"] = np.arange(units)
    rows["positions_start"] = POSITIONS * np.arange(units)
    rows["balances_start"] = BALANCES * np.arange(units)
    rows["positions_class"], rows["balances_class"] = 3, 2
    return rows, np.zeros(units * POSITIONS, POSITION), np.zeros(units * BALANCES, BALANCE)


@dataclass
class Reference:
    """The formula for one book; the book may change, its terms may not."""

    tables: Tables
    haircuts: list[Haircuts]
    level: float = 1.0
    floors: Array = field(init=False)  # (instruments, TIERS + 1), padded with infinity
    rates: Array = field(init=False)

    def __post_init__(self) -> None:
        count = self.tables.instruments.shape[0]
        self.floors = np.full((count, TIERS + 1), np.inf)
        self.rates = np.zeros((count, TIERS + 1))
        for row, terms in enumerate(self.tables.instruments):
            start, used = int(terms["tier_start"]), int(terms["tier_count"])
            self.floors[row, :used] = self.tables.tiers["floor"][start : start + used]
            self.rates[row, :used] = self.tables.tiers["rate"][start : start + used]

    def is_at_risk(self) -> Array:
        """Return which units hold a position or owe something."""
        rows = self.tables.units
        used = np.arange(BALANCES) < rows["balances_count"][:, None]
        owes = (used & (self.tables.balances.reshape(-1, BALANCES)["quanta"] < 0)).any(axis=1)
        result: Array = (rows["positions_count"] > 0) | owes
        return result

    def excess(self, units: Array | None = None, prices: Array | None = None) -> tuple[Array, ...]:
        """Return the excess of units, the same with the dearer side of near floors, and its error.

        Args:
            units: Rows; all if absent.
            prices: Of every factor, for all units or in one row for each; the present ones if
                absent.
        """
        tables = self.tables
        chosen = np.arange(tables.units.shape[0]) if units is None else units
        known = (tables.prices if prices is None else prices).astype(Long)
        marks = np.broadcast_to(known, (chosen.shape[0], known.shape[-1]))
        rows = tables.units[chosen]
        positions = tables.positions.reshape(-1, POSITIONS)[chosen]
        held = np.arange(POSITIONS) < rows["positions_count"][:, None]
        contract = positions["instrument"]
        terms = tables.instruments[contract]
        lots = np.where(held, positions["lots"], 0).astype(Long)
        cost = np.where(held, positions["cost"], 0).astype(Long)
        scale = terms["value_scale"].astype(Long)
        mark = np.take_along_axis(marks, terms["mark_factor"], axis=1)
        index = np.take_along_axis(marks, terms["margin_factor"], axis=1)
        inverse = terms["inverse"] == 1
        value = np.where(inverse, -lots * scale / mark, lots * scale * mark)
        notional = np.abs(lots) * np.where(inverse, scale / index, scale * index)
        profit = value - cost
        gain = np.where(profit > 0, terms["pnl_weight"] * profit, profit)
        needs, dear = self.requirements(contract, np.abs(lots), notional)
        parts = (gain, needs, dear, np.abs(value) + np.abs(cost))
        return self._total(chosen, terms["settle"], parts, marks)

    def _total(
        self,
        chosen: Array,
        settle: Array,
        parts: tuple[Array, Array, Array, Array],
        marks: Array,
    ) -> tuple[Array, ...]:
        tables, level = self.tables, Long(self.level)
        gain, needs, dear, sizes = parts
        rows = tables.units[chosen]
        balances = tables.balances.reshape(-1, BALANCES)[chosen]
        used = np.arange(BALANCES) < rows["balances_count"][:, None]
        equity = np.zeros(chosen.shape[0], Long)
        required, required_dear, error = equity.copy(), equity.copy(), equity.copy()
        for asset in range(len(self.haircuts)):
            here = settle == asset
            cash = np.where(used & (balances["asset"] == asset), balances["quanta"], 0)
            cash = cash.astype(Long).sum(axis=1)
            rate = Long(tables.assets["borrow_rate"][asset])
            owed = -rate * marks[:, -1] * np.minimum(cash, 0)
            factor = tables.assets["price_factor"][asset]
            price = Long(1) if factor < 0 else marks[:, factor]
            price = price * Long(tables.assets["value_scale"][asset])
            profits = (gain * here).sum(axis=1)
            if self.haircuts[asset].apart:
                equity += price * (self.collateral(asset, cash - owed) + profits)
            else:
                equity += price * self.collateral(asset, profits + (cash - owed))
            required += price * level * (needs * here).sum(axis=1)
            required_dear += price * level * (dear * here).sum(axis=1)
            size = np.abs(cash) + owed + ((sizes + level * dear) * here).sum(axis=1)
            error += price * (2.0 * here.sum(axis=1) + 4 + 4e-11 * size)
        return equity - required, equity - required_dear, error

    def collateral(self, asset: int, total: Array) -> Array:
        """Return what an amount counts for, slice by slice; debts count with the loan's margin."""
        cut = self.haircuts[asset]
        value = np.minimum(total, 0) * (1 + Long(self.level) * Long(cut.loan))
        ends = (*cut.floors[1:], np.inf)
        for floor, end, weight in zip(cut.floors, ends, cut.weights, strict=True):
            value = value + Long(weight) * (np.clip(total, floor, end) - floor)
        return value

    def requirements(self, contract: Array, size: Array, notional: Array) -> tuple[Array, Array]:
        """Return requirements, and the same with the dearer side where a floor is near."""
        terms = self.tables.instruments[contract]
        kind = terms["rule_kind"]
        floors, rates = self.floors[contract], self.rates[contract]
        sliced = np.zeros(notional.shape, Long)
        for tier in range(TIERS):
            top = np.minimum(notional, floors[..., tier + 1])
            part = np.maximum(0, top - np.minimum(floors[..., tier], notional))
            sliced += rates[..., tier] * part
        scaled = notional * (rates[..., 0] + terms["size_slope"].astype(Long) * size)
        near = 1e-11 * notional + 1
        edge = terms["edge_upper"] == 1
        by_size = notional * self._rate(floors, rates, size, edge)
        whole = notional * self._rate(floors, rates, notional, edge)
        above = notional * self._rate(floors, rates, notional + 2 * near, edge)
        kinds = [kind == RuleKind.WHOLE, kind == RuleKind.SIZED, kind == RuleKind.SCALED]
        exact = np.select(kinds, [whole, by_size, scaled], sliced)
        dear = np.select(kinds, [above, by_size, scaled], sliced)
        return exact, dear

    @staticmethod
    def _rate(floors: Array, rates: Array, key: Array, edge_upper: Array) -> Array:
        """Return the rate of the tier a key is in: the last one whose floor it has passed."""
        passed = (key[..., None] > floors[..., 1:]) | (
            edge_upper[..., None] & (key[..., None] == floors[..., 1:])
        )
        row = passed.sum(axis=-1)
        return np.take_along_axis(rates, row[..., None], axis=-1)[..., 0]
