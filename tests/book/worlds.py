"""Small nasty books as columns."""

from dataclasses import dataclass, field, replace

import numpy as np

from keelmark.book.kernels.margin import Tables
from keelmark.book.records import ASSET, INSTRUMENT, SEGMENT, TIER
from keelmark.core.codes import RuleKind
from tests.book.reference import Array, Haircuts, Reference, empty_rows

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
    apart: bool = False  # haircuts apply to balances, not to equity
    borrow: float = 0.0  # a second
    level: float = 1.0


@dataclass
class World:
    """A book, its terms spelled out for the independent formula, and a source of chance."""

    nature: Nature
    rng: np.random.Generator
    reference: Reference = field(init=False)
    tables: Tables = field(init=False)
    base: Array = field(init=False)  # prices to come back to

    def __post_init__(self) -> None:
        prices = self._prices()
        instruments, tiers = self._instruments(prices)
        assets, segments, haircuts = self._assets()
        rows = empty_rows(self.nature.units)
        self.tables = Tables(*rows, instruments, tiers, assets, segments, prices)
        self.reference = Reference(self.tables, haircuts, self.nature.level)
        self.base = prices.copy()
        for unit in range(self.nature.units):
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
        """Write a tier table for every contract."""
        count = rows.shape[0]
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
            rows["tier_start"][row], rows["tier_count"][row] = 5 * row, used
            rows["size_slope"][row] = self.rng.choice([1e-8, 1e-6, 4e-5])
        return tiers

    def _assets(self) -> tuple[Array, Array, list[Haircuts]]:
        nature = self.nature
        first = nature.instruments + INDICES
        assets = np.zeros(4, ASSET)
        assets["price_factor"] = [first if nature.priced else -1, first + 1, first + 2, first + 3]
        if nature.shared:
            assets["price_factor"][2] = nature.instruments
        assets["value_scale"] = [1e-6, 1e-6, 1e-8, 1e-6]
        assets["borrow_rate"] = nature.borrow
        top = 0.0 if nature.capped else 0.7
        haircuts = [
            Haircuts(),
            Haircuts(floors=(0.0, 2e10), weights=(1.0, 0.99), loan=0.03),
            Haircuts(floors=(0.0, 1e7, 1e8), weights=(0.98, 0.95, top), loan=0.05),
            Haircuts(floors=(0.0, 1e9, 1e10), weights=(0.9, 0.8, top)),
        ]
        haircuts = [replace(cut, apart=nature.apart) for cut in haircuts]
        assets["spare"] = nature.apart
        counts = [len(cut.lines()) for cut in haircuts]
        assets["segment_count"] = counts
        assets["segment_start"] = np.cumsum(counts) - counts
        lines = [line for cut in haircuts for line in cut.lines()]
        return assets, np.array(lines, SEGMENT), haircuts

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
        total, _, _ = self.reference.excess(np.array([unit]))
        _, balances = self.rows_of(unit)
        added = self.quanta(int(balances["asset"][0]), excess - float(total[0]))
        balances["quanta"][0] = np.clip(int(balances["quanta"][0]) + added, -4e17, 4e17)
