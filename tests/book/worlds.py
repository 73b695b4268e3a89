"""Small nasty books as columns, and their maintenance excess by a formula of its own.

The formula shares nothing with the kernels: whole arrays in extended precision, equity summed apart
from requirements, marginal tiers slice by slice, collateral by quantity tiers.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from keelmark.book.kernels.margin import Tables
from keelmark.book.records import ASSET, BALANCE, INSTRUMENT, POSITION, SEGMENT, TIER, UNIT
from keelmark.core.codes import RuleKind

Array = npt.NDArray[Any]
Long = np.longdouble

POSITIONS = 8  # rows of every unit's block
BALANCES = 4
INDICES = 3


@dataclass(frozen=True, kw_only=True)
class Nature:
    """What a world is made of."""

    units: int = 300
    instruments: int = 10
    priced: bool = True  # the dollar coin has a price
    single: float = 0.4  # share of units with one balance row
    inverse: float = 0.3
    indexed: float = 0.3  # margined on an index
    weighted: float = 0.2  # positive profit counts in part
    hedged: float = 0.2  # units that hold both legs
    core_only: float = 0.0
    whole: float = 0.25
    close_floors: bool = False
    extreme: bool = False  # coins at 1e-11 next to 3e8
    shared: bool = False  # the coin's price is an index contracts are margined on
    capped: bool = False  # collateral beyond a cap counts for nothing
    borrow: float = 0.0  # a second
    level: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Haircuts:
    """Quantity tiers of one asset: weight of the amount above each floor; extra rate on debts."""

    floors: tuple[float, ...]
    weights: tuple[float, ...]
    loan: float = 0.0


@dataclass
class World:
    """A book, its terms spelled out for the independent formula, and a source of chance."""

    nature: Nature
    rng: np.random.Generator
    haircuts: list[Haircuts] = field(init=False)
    floors: Array = field(init=False)  # (instruments, tiers), padded with infinity
    rates: Array = field(init=False)
    tables: Tables = field(init=False)
    base: Array = field(init=False)  # prices to come back to

    def __post_init__(self) -> None:
        prices = self._prices()
        instruments, tiers = self._instruments(prices)
        assets, segments = self._assets()
        count = self.nature.units
        units = np.zeros(count, UNIT)
        units["account"] = np.arange(count)
        units["positions_start"] = POSITIONS * np.arange(count)
        units["balances_start"] = BALANCES * np.arange(count)
        units["positions_class"], units["balances_class"] = 3, 2
        self.tables = Tables(
            units,
            np.zeros(count * POSITIONS, POSITION),
            np.zeros(count * BALANCES, BALANCE),
            instruments,
            tiers,
            assets,
            segments,
            prices,
        )
        self.base = prices.copy()
        for unit in range(count):
            self.open(unit)

    @property
    def clock(self) -> int:
        """Factor of the time."""
        return int(self.tables.prices.shape[0]) - 1

    def _prices(self) -> Array:
        count, rng = self.nature.instruments, self.rng
        low, high = (1e-11, 3e8) if self.nature.extreme else (1e-2, 6e4)
        marks = np.exp(rng.uniform(np.log(low), np.log(high), count))
        indices = np.exp(rng.uniform(np.log(low), np.log(high), INDICES))
        if self.nature.extreme:
            marks[:2] = 1e-11, 3e8
        return np.concatenate([marks, indices, [1.0, 1.0, 6e4, 2.0, 0.0]])

    def _instruments(self, prices: Array) -> tuple[Array, Array]:
        nature, rng = self.nature, self.rng
        count = nature.instruments
        rows = np.zeros(count, INSTRUMENT)
        rows["inverse"] = rng.random(count) < nature.inverse
        rows["settle"] = np.where(rows["inverse"], 2, rng.choice([0, 0, 0, 1, 2], count))
        rows["mark_factor"] = rows["margin_factor"] = np.arange(count)
        indexed = rng.random(count) < nature.indexed
        index = count + rng.integers(0, INDICES, count)
        rows["margin_factor"][indexed] = index[indexed]
        prices[:count][indexed] = prices[index[indexed]] * np.exp(
            rng.normal(0, 1e-3, count)[indexed],
        )
        worth = np.array([1e-6, 1e-6, 6e4 * 1e-8])[rows["settle"]]  # dollars a quantum
        quanta = 10.0 / worth  # a lot is worth ten dollars at first
        rows["value_scale"] = np.where(
            rows["inverse"] == 1,
            quanta * prices[:count],
            quanta / prices[:count],
        )
        rows["pnl_weight"] = 1.0
        partly = rng.random(count) < nature.weighted
        rows["pnl_weight"][partly] = rng.choice([0.0, 0.5, 0.9], partly.sum())
        rows["edge_upper"] = rng.integers(0, 2, count)
        kinds = [RuleKind.TIERED, RuleKind.SIZED, RuleKind.SCALED]
        rows["rule_kind"] = rng.choice(kinds, count, p=[0.6, 0.2, 0.2])
        rows["rule_kind"][rng.random(count) < nature.whole] = RuleKind.WHOLE
        rows["rule_kind"][rng.random(count) < nature.core_only] = RuleKind.CORE_ONLY
        return rows, self._tiers(rows, quanta)

    def _tiers(self, rows: Array, quanta: Array) -> Array:
        """Write tier tables; the requirement in slices is kept apart in `floors` and `rates`."""
        count = rows.shape[0]
        self.floors = np.full((count, 6), np.inf)
        self.rates = np.zeros((count, 6))
        tiers = np.zeros(count * 5, TIER)
        for row in range(count):
            used = int(self.rng.integers(1, 6))
            steps = np.cumsum(self.rng.uniform(0.2, 1.0, 5)) * 3e4
            if self.nature.close_floors:
                steps = 2e4 + np.cumsum(self.rng.uniform(0.002, 0.05, 5)) * 2e4
            floors = np.concatenate([[0.0], steps[: used - 1]]) / 10.0  # in lots
            rates = np.sort(self.rng.choice([0.004, 0.01, 0.025, 0.05, 0.1, 0.2], used))
            if rows["rule_kind"][row] == RuleKind.SIZED:
                floors = np.round(floors)
            else:
                floors = np.round(floors * quanta[row])
            table = tiers[5 * row : 5 * row + used]
            table["floor"], table["rate"] = floors, rates
            table["deduction"][1:] = np.cumsum(floors[1:] * np.diff(rates))
            self.floors[row, :used], self.rates[row, :used] = floors, rates
            rows["tier_start"][row], rows["tier_count"][row] = 5 * row, used
            rows["size_slope"][row] = self.rng.choice([1e-8, 1e-6, 4e-5])
        return tiers

    def _assets(self) -> tuple[Array, Array]:
        nature = self.nature
        first = nature.instruments + INDICES
        assets = np.zeros(4, ASSET)
        assets["price_factor"] = [first if nature.priced else -1, first + 1, first + 2, first + 3]
        if nature.shared:
            assets["price_factor"][2] = nature.instruments
        assets["value_scale"] = [1e-6, 1e-6, 1e-8, 1e-6]
        assets["borrow_rate"] = nature.borrow
        top = 0.0 if nature.capped else 0.7
        self.haircuts = [
            Haircuts(floors=(0.0,), weights=(1.0,)),
            Haircuts(floors=(0.0, 2e10), weights=(1.0, 0.99), loan=0.03),
            Haircuts(floors=(0.0, 1e7, 1e8), weights=(0.98, 0.95, top), loan=0.05),
            Haircuts(floors=(0.0, 1e9, 1e10), weights=(0.9, 0.8, top)),
        ]
        lines: list[tuple[float, float]] = []
        for asset, cut in enumerate(self.haircuts):
            assets["segment_start"][asset] = len(lines)
            lines.append((1.0 + cut.loan, 0.0))
            value = 0.0
            for tier, (floor, weight) in enumerate(zip(cut.floors, cut.weights, strict=True)):
                if tier:
                    value += cut.weights[tier - 1] * (floor - cut.floors[tier - 1])
                lines.append((weight, value - weight * floor))
            assets["segment_count"][asset] = len(lines) - assets["segment_start"][asset]
        return assets, np.array(lines, SEGMENT)

    def rows_of(self, unit: int) -> tuple[Array, Array]:
        """Return a unit's positions and balances in use."""
        row = self.tables.units[unit]
        first, balance = int(row["positions_start"]), int(row["balances_start"])
        return (
            self.tables.positions[first : first + int(row["positions_count"])],
            self.tables.balances[balance : balance + int(row["balances_count"])],
        )

    def value(self, instrument: int, lots: int) -> int:
        """Return the value of lots at the present mark, settle quanta."""
        terms = self.tables.instruments[instrument]
        price = self.tables.prices[terms["mark_factor"]]
        scale = float(terms["value_scale"])
        value = -lots * scale / price if terms["inverse"] else lots * scale * price
        return int(np.clip(np.round(value), -4e18, 4e18))

    def open(self, unit: int) -> None:
        """Give a unit new positions, and an excess of some per cent of their notional."""
        rng, tables = self.rng, self.tables
        row = tables.units[unit]
        row["status"] = 0
        count = int(rng.integers(0, 6))
        held = rng.choice(self.nature.instruments, count, replace=False).tolist()
        single = rng.random() < self.nature.single
        if single and held:
            settle = tables.instruments["settle"][held[0]]
            held = [i for i in held if tables.instruments["settle"][i] == settle]
        if held and rng.random() < self.nature.hedged:
            held.append(held[0])
        first = int(row["positions_start"])
        row["positions_count"] = len(held)
        for offset, instrument in enumerate(held):
            lots = int(rng.choice([-1, 1]) * np.ceil(np.exp(rng.normal(6.5, 1.5))))
            if offset and instrument == held[0] and len(set(held)) < len(held):
                lots = -int(tables.positions["lots"][first]) + int(rng.integers(-2, 3))
            cost = int(self.value(instrument, lots) * float(np.exp(rng.normal(0, 0.03))))
            tables.positions[first + offset] = (lots, cost, instrument, 0, 0, 0)
        assets = sorted({int(tables.instruments["settle"][i]) for i in held} or {0})
        if not single:
            others = [a for a in range(4) if a not in assets and rng.random() < 0.4]
            assets = sorted(assets + others)
        balance = int(row["balances_start"])
        row["balances_count"] = len(assets)
        for offset, asset in enumerate(assets):
            money = 0 if offset == 0 else float(rng.normal(0, 3e3)) * float(rng.random() < 0.5)
            tables.balances[balance + offset] = (self.quanta(asset, money), asset, 0)
        notional = sum(self.money(i) for i in range(first, first + len(held)))
        self.fund(unit, notional * float(np.exp(rng.normal(np.log(0.08), 1.5))))

    def money(self, at: int) -> float:
        """Return the notional of a position row in valuation currency."""
        position = self.tables.positions[at]
        settle = int(self.tables.instruments["settle"][position["instrument"]])
        value = abs(self.value(int(position["instrument"]), int(position["lots"])))
        return value * self.price(settle) * float(self.tables.assets["value_scale"][settle])

    def price(self, asset: int) -> float:
        """Return the present price of an asset."""
        factor = self.tables.assets["price_factor"][asset]
        return 1.0 if factor < 0 else float(self.tables.prices[factor])

    def quanta(self, asset: int, money: float) -> int:
        """Return an amount of money in quanta of an asset."""
        worth = self.price(asset) * float(self.tables.assets["value_scale"][asset])
        return int(np.clip(np.round(money / worth), -4e17, 4e17))

    def fund(self, unit: int, excess: float) -> None:
        """Set the first balance so that the unit has about this excess."""
        total, _, _ = self.excess(np.array([unit]))
        _, balances = self.rows_of(unit)
        added = self.quanta(int(balances["asset"][0]), excess - float(total[0]))
        balances["quanta"][0] = np.clip(int(balances["quanta"][0]) + added, -4e17, 4e17)

    def excess(self, units: Array | None = None, prices: Array | None = None) -> tuple[Array, ...]:
        """Return the excess of units, the same with the dearer side of near floors, and its error.

        Args:
            units: Rows; all if absent.
            prices: Of every factor; the present ones if absent.
        """
        tables = self.tables
        marks = (tables.prices if prices is None else prices).astype(Long)
        chosen = np.arange(tables.units.shape[0]) if units is None else units
        rows = tables.units[chosen]
        positions = tables.positions.reshape(-1, POSITIONS)[chosen]
        held = np.arange(POSITIONS) < rows["positions_count"][:, None]
        contract = positions["instrument"]
        terms = tables.instruments[contract]
        lots = np.where(held, positions["lots"], 0).astype(Long)
        cost = np.where(held, positions["cost"], 0).astype(Long)
        scale = terms["value_scale"].astype(Long)
        mark, index = marks[terms["mark_factor"]], marks[terms["margin_factor"]]
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
        tables, level = self.tables, Long(self.nature.level)
        gain, needs, dear, sizes = parts
        rows = tables.units[chosen]
        balances = tables.balances.reshape(-1, BALANCES)[chosen]
        used = np.arange(BALANCES) < rows["balances_count"][:, None]
        equity = np.zeros(chosen.shape[0], Long)
        required, required_dear, error = equity.copy(), equity.copy(), equity.copy()
        for asset in range(4):
            here = settle == asset
            cash = np.where(used & (balances["asset"] == asset), balances["quanta"], 0)
            cash = cash.astype(Long).sum(axis=1)
            rate = Long(tables.assets["borrow_rate"][asset])
            owed = -rate * marks[-1] * np.minimum(cash, 0)
            total = (gain * here).sum(axis=1) + (cash - owed)
            factor = tables.assets["price_factor"][asset]
            price = Long(1) if factor < 0 else marks[factor]
            price = price * Long(tables.assets["value_scale"][asset])
            equity += price * self.collateral(asset, total)
            required += price * level * (needs * here).sum(axis=1)
            required_dear += price * level * (dear * here).sum(axis=1)
            size = np.abs(cash) + owed + ((sizes + level * dear) * here).sum(axis=1)
            error += price * (2.0 * here.sum(axis=1) + 4 + 4e-11 * (size + 1e11 * 0))
        return equity - required, equity - required_dear, error

    def collateral(self, asset: int, total: Array) -> Array:
        """Return what an amount counts for, slice by slice; debts count with the loan's margin."""
        cut = self.haircuts[asset]
        value = np.minimum(total, 0) * (1 + Long(self.nature.level) * Long(cut.loan))
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
        for tier in range(5):
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
