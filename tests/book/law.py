"""The law of the tripwire index, checked after every snapshot against an independent formula.

`run_law(seed)` drives random worlds: prices aimed at wires, roots and floors, jumps, bad prices,
fills, cash, levels and time. After each snapshot no unit below its level may be outside the
suspects and the unwatchables, and no suspect may be clearly above it. As a script, for long runs:

    python -m tests.book.law SEEDS TICKS
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from keelmark.book.tripwires.index import TripwireIndex, TripwireSettings
from keelmark.core.codes import WatchState
from tests.book.reference import BALANCES, Array
from tests.book.worlds import INDICES, Nature, World

FLAGGED = (WatchState.SUSPECT, WatchState.UNWATCHABLE)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a run found; `misses` and `false_alarms` must be zero."""

    account_ticks: int = 0
    misses: int = 0
    false_alarms: int = 0
    unreported: int = 0
    below: int = 0
    spent: int = 0
    passes: int = 0

    def __add__(self, other: "Verdict") -> "Verdict":
        mine, theirs = vars(self), vars(other)
        return Verdict(**{name: mine[name] + theirs[name] for name in mine})


NATURES: dict[str, Nature] = {
    "one dollar coin": Nature(priced=False, single=1.0, inverse=0.0, indexed=0.0, weighted=0.0),
    "general": Nature(),
    "close floors": Nature(close_floors=True, whole=0.7, single=0.8),
    "extreme coins": Nature(extreme=True, capped=True),
    "inverse and index": Nature(inverse=0.7, indexed=0.7, shared=True),
    "interest and levels": Nature(borrow=3e-7, level=1.25, single=0.1, hedged=0.6),
    "no kernel face": Nature(core_only=0.1, weighted=0.6),
    "haircuts on balances": Nature(apart=True, single=0.1, borrow=1e-7, inverse=0.5),
}

SETTINGS = (
    TripwireSettings(slots=2**10),
    TripwireSettings(slots=2**17, hot_distance=0.0),
    TripwireSettings(slots=2**10, pass_share=0.0, reserve_share=0.2),
    TripwireSettings(hot_distance=3e-3),
)


class Drive:
    """One world, its index, and the moves that are tried on them."""

    def __init__(self, nature: Nature, settings: TripwireSettings, seed: int) -> None:
        self.rng = np.random.default_rng(np.random.SeedSequence([seed, 20_251_010]))
        self.world = World(nature, self.rng)
        sigma = np.exp(self.rng.normal(0, 1, self.world.tables.prices.shape[0]))
        self.index = TripwireIndex.build(self.world.tables, settings, sigma)
        if nature.level != 1.0:
            self.index.set_level(np.arange(nature.units), nature.level)
        self.swing = 0.0
        self.told = self.world.tables.prices.copy()  # what the market said, whatever was written

    def tell(self, rows: Array, prices: Array) -> Array:
        """Apply a snapshot; return who needs a decision. Prices that are none are not believed."""
        good = np.isfinite(prices) & ((prices > 0) | (rows == self.world.clock))
        for row, price in zip(rows[good], prices[good], strict=True):
            self.told[row] = price
        return self.index.apply_snapshot(rows, prices)

    # prices

    def market(self) -> Array:
        """Factors other than the time."""
        return np.arange(self.world.clock)

    def noise(self) -> tuple[Array, Array]:
        """Move a few factors a little."""
        rows = self.rng.choice(self.market(), 3, replace=False)
        return rows, self.prices(rows) * np.exp(self.rng.normal(0, 2e-4, 3))

    def jumps(self) -> tuple[Array, Array]:
        """Move a few factors by heavy tails, rarely by a gap of e^25."""
        rows = self.rng.choice(self.market(), 3, replace=False)
        moves = np.clip(0.02 * self.rng.standard_t(2, 3), -3, 3)
        if self.rng.random() < 0.1:
            moves[0] = self.rng.choice([-25.0, 25.0])
        return rows, self.prices(rows) * np.exp(moves)

    def to_wire(self) -> tuple[Array, Array]:
        """Set a factor to a wire: on it, beside it, a little beyond it."""
        net = self.index.net
        linked = np.flatnonzero((net.wires["previous"] != 0) & np.isfinite(net.wires["trip"]))
        if linked.size == 0:
            return self.noise()
        wire = net.wires[self.rng.choice(linked)]
        return np.array([int(wire["ladder"]) // 2]), np.array([self.beside(float(wire["trip"]))])

    def to_corner(self) -> tuple[Array, Array]:
        """Put all a unit reads just inside its wires, and far off on the sides without a wire."""
        index, tables = self.index, self.world.tables
        unit = int(self.rng.choice(np.flatnonzero(index.net.watch["state"] == WatchState.WIRED)))
        positions, balances = self.world.rows_of(unit)
        terms = tables.instruments[positions["instrument"]]
        factors = [*terms["mark_factor"], *terms["margin_factor"]]
        factors += [int(f) for f in tables.assets["price_factor"][balances["asset"]] if f >= 0]
        row = index.net.watch[unit]
        wires = index.net.wires[int(row["wires_start"]) :][: int(row["wires_count"])]
        prices = []
        rows = np.unique(np.array(factors, np.int64))
        for factor in rows:
            up = bool(self.rng.integers(2))
            trips = wires["trip"][wires["ladder"] == 2 * factor + up]
            far = float(np.exp(self.rng.uniform(0, 3) * (1 if up else -1)))
            price = float(tables.prices[factor]) * far
            if trips.size:
                price = np.nextafter(trips.min() if up else trips.max(), 0 if up else np.inf)
            prices.append(price)
        return rows, np.array(prices)

    def beside(self, price: float) -> float:
        """Return a price, one of its neighbours, or one a little off."""
        near = (price, np.nextafter(price, 0), np.nextafter(price, np.inf))
        return float(self.rng.choice([*near, price * (1 - 1e-5), price * (1 + 1e-5)]))

    def to_root(self) -> tuple[Array, Array]:
        """Set a factor to where a unit's excess is zero, or beside it."""
        unit = int(self.rng.integers(self.world.nature.units))
        positions, _ = self.world.rows_of(unit)
        if positions.size == 0:
            return self.noise()
        contract = self.rng.choice(positions["instrument"])
        factor = int(self.world.tables.instruments["mark_factor"][contract])
        here = float(self.world.tables.prices[factor])
        far = here * float(np.exp(self.rng.choice([-1, 1]) * self.rng.uniform(0.01, 0.5)))
        for _ in range(50):
            middle = 0.5 * (here + far)
            prices = self.world.tables.prices.copy()
            prices[factor] = middle
            above = self.world.reference.excess(np.array([unit]), prices)[0][0] >= 0
            here, far = (middle, far) if above else (here, middle)
        return np.array([factor]), np.array([self.beside(here)])

    def to_floor(self) -> tuple[Array, Array]:
        """Set a notional to a tier floor, or a hair beside it."""
        unit = int(self.rng.integers(self.world.nature.units))
        positions, _ = self.world.rows_of(unit)
        if positions.size == 0:
            return self.noise()
        position = self.rng.choice(positions)
        terms = self.world.tables.instruments[position["instrument"]]
        floors = self.world.reference.floors[position["instrument"]]
        inner = floors[np.isfinite(floors) & (floors > 0)]
        if inner.size == 0 or position["lots"] == 0:
            return self.noise()
        value = float(self.rng.choice(inner)) / abs(float(position["lots"]))
        off = float(self.rng.choice([0, 1e-16, 1e-11, 1e-6, 1e-3]) * self.rng.choice([-1, 1]))
        scale = float(terms["value_scale"])
        price = scale / value if terms["inverse"] else value / scale
        here = float(self.world.base[terms["margin_factor"]])
        price = price if 1e-3 < price / here < 1e3 else here
        return np.array([terms["margin_factor"]]), np.array([price * (1 + off)])

    def whole_market(self) -> tuple[Array, Array]:
        """Move every mark and index by one factor."""
        count = self.world.nature.instruments + INDICES
        move = float(np.exp(self.rng.normal(0, 0.05)))
        return np.arange(count), self.prices(np.arange(count)) * move

    def oscillate(self) -> tuple[Array, Array]:
        """Swing three factors about their base."""
        rows = np.arange(3)
        self.swing = -self.swing or float(np.exp(self.rng.uniform(-11, -1.5)))
        return rows, self.world.base[rows] * np.exp(self.swing)

    def depeg(self) -> tuple[Array, Array]:
        """Move the price of an asset, now and then to nearly nothing."""
        row = np.array([self.world.clock - 4 + int(self.rng.integers(0, 4))])
        if self.rng.random() < 0.1:
            return row, np.array([1e-11])
        return row, self.world.base[row] * np.exp(self.rng.normal(0, 0.1))

    def home(self) -> tuple[Array, Array]:
        """Bring every price back to its base."""
        return self.market(), self.world.base[self.market()]

    def bad(self) -> tuple[Array, Array]:
        """Offer prices that must be refused, beside a good one."""
        rows = self.rng.choice(self.market(), 2, replace=False)
        wrong = float(self.rng.choice([np.nan, 0.0, -1.0, np.inf]))
        return rows, np.array([wrong, self.prices(rows)[1] * 1.001])

    def later(self) -> tuple[Array, Array]:
        """Let time pass."""
        row = np.array([self.world.clock])
        return row, self.prices(row) + float(self.rng.choice([1.0, 60.0, 3600.0, 40_000.0]))

    def prices(self, rows: Array) -> Array:
        """Return present prices."""
        result: Array = self.world.tables.prices[rows]
        return result

    # commands

    def trade(self) -> None:
        """Fill one unit: open, add, reduce, flip or close, at the mark."""
        world, rng = self.world, self.rng
        unit = int(rng.integers(world.nature.units))
        positions, balances = world.rows_of(unit)
        if positions.size == 0:
            world.open(unit)
        else:
            offset = int(rng.integers(positions.shape[0]))
            position = positions[offset]
            lots, cost = int(position["lots"]), int(position["cost"])
            after = int(lots * float(rng.choice([0, 0.5, 1.5, -0.7, -1])))
            contract = int(position["instrument"])
            kept = cost * after // lots if lots and 0 < after / lots < 1 else 0
            if lots and after / lots >= 1:
                kept = cost + world.value(contract, after - lots)
            elif after and not kept:
                kept = world.value(contract, after)
            settle = world.tables.instruments["settle"][contract]
            paid = world.value(contract, after) - world.value(contract, lots) - (kept - cost)
            at = int(np.flatnonzero(balances["asset"] == settle)[0])
            balances["quanta"][at] = np.clip(int(balances["quanta"][at]) - paid, -4e17, 4e17)
            position["lots"], position["cost"] = after, kept
            if after == 0:
                positions[offset] = positions[-1]
                world.tables.units["positions_count"][unit] -= 1
        self.index.replace([unit])

    def move_collateral(self) -> None:
        """Move a balance through zero, or add a balance row."""
        world, rng = self.world, self.rng
        unit = int(rng.integers(world.nature.units))
        _, balances = world.rows_of(unit)
        asset = int(rng.integers(4))
        money = float(rng.normal(0, 2e3))
        at = np.flatnonzero(balances["asset"] == asset)
        if at.size:
            balances["quanta"][at[0]] = world.quanta(asset, money)
        elif balances.shape[0] < BALANCES:
            row = int(world.tables.units["balances_start"][unit]) + balances.shape[0]
            world.tables.balances[row] = (world.quanta(asset, money), asset, 0)
            world.tables.units["balances_count"][unit] += 1
        self.index.replace([unit])

    def funding(self) -> None:
        """Post cash to many units at once, some more than once, much of it near their excess."""
        world, rng = self.world, self.rng
        excess = world.reference.excess()[0].astype(np.float64)
        units = rng.integers(0, world.nature.units, 60)
        assets = np.zeros(60, np.int32)
        amounts = np.zeros(60, np.int64)
        for index, unit in enumerate(units):
            _, balances = world.rows_of(int(unit))
            at = int(rng.integers(balances.shape[0]))
            money = float(rng.normal(-0.2, 1)) * float(np.exp(rng.uniform(-3, 5)))
            if rng.random() < 0.6 and excess[unit] > 0:
                money = -excess[unit] * float(rng.choice([0.02, 0.3, 0.9, 0.999, 1.001, 1.3]))
                excess[unit] += money
            assets[index] = balances["asset"][at]
            amounts[index] = world.quanta(int(assets[index]), money)
            total = int(balances["quanta"][at]) + int(amounts[index])
            if abs(total) < 4e17:
                balances["quanta"][at] = total
            else:
                amounts[index] = 0
        self.index.post(units, assets, amounts)

    def post_interest(self) -> None:
        """Post the interest accrued and begin to count again."""
        world = self.world
        clock = float(world.tables.prices[-1])
        self.tell(np.array([world.clock]), np.array([0.0]))
        units, assets, amounts = [], [], []
        for unit in range(world.nature.units):
            _, balances = world.rows_of(unit)
            for at in range(balances.shape[0]):
                rate = float(world.tables.assets["borrow_rate"][balances["asset"][at]])
                owed = int(np.ceil(rate * clock * -min(0, int(balances["quanta"][at]))))
                if owed:
                    balances["quanta"][at] -= owed
                    units.append(unit)
                    assets.append(int(balances["asset"][at]))
                    amounts.append(-owed)
        self.index.post(units, assets, amounts)

    def handle_suspects(self) -> None:
        """Top suspects up to barely healthy, or close and open them again."""
        chosen = [int(u) for u in self.index.suspects() if self.rng.random() < 0.3]
        for unit in chosen:
            if self.rng.random() < 0.5 and self.world.rows_of(unit)[0].size:
                self.world.fund(unit, float(np.exp(self.rng.uniform(-9, 6))))
            else:
                self.world.open(unit)
        self.index.replace(chosen)

    # the law

    def moves(self) -> list[tuple[float, Callable[[], tuple[Array, Array]]]]:
        """Return the price moves and how often each is made."""
        return [
            (4, self.noise),
            (2, self.jumps),
            (4, self.to_wire),
            (5, self.to_corner),
            (4, self.to_root),
            (3, self.to_floor),
            (1, self.whole_market),
            (2, self.oscillate),
            (1, self.depeg),
            (1, self.home),
            (0.5, self.bad),
            (0.7, self.later),
        ]

    def command(self, tick: int) -> None:
        """Change the book a little between snapshots."""
        for _ in range(int(self.rng.integers(0, 4))):
            self.rng.choice([self.trade, self.trade, self.move_collateral])()  # type: ignore[arg-type]
        if tick % 6 == 0:
            self.funding()
        if tick % 41 == 0 and self.world.nature.borrow:
            self.post_interest()
        self.handle_suspects()

    def judge(self, reported: Array) -> Verdict:
        """Compare every unit with the independent formula."""
        exact, dear, error = self.world.reference.excess(prices=self.told)
        watch = self.index.net.watch
        flagged = np.isin(watch["state"], FLAGGED)
        known = np.ones(flagged.shape[0], np.bool_)
        known[self.index.unknowns()] = False
        known[self.index.unwatchables()] = False
        below = self.world.reference.is_at_risk() & (exact < 0)
        return Verdict(
            account_ticks=flagged.shape[0],
            misses=int(np.sum(below & ~flagged)),
            false_alarms=int(np.sum(flagged & known & ~(dear <= error))),
            unreported=int(np.sum(~np.isin(self.index.suspects(), reported))),
            below=int(np.sum(below)),
        )

    def run(self, ticks: int, *, audits: bool = True) -> Verdict:
        """Drive the world for some ticks and add up the verdicts; audit the index now and then."""
        weights, moves = zip(*self.moves(), strict=True)
        chances = np.array(weights) / sum(weights)
        total = Verdict()
        for tick in range(1, ticks + 1):
            self.command(tick)
            if tick % 3 == 0:
                total += self.judge(self.index.suspects())
            move = moves[int(self.rng.choice(len(moves), p=chances))]
            rows, prices = move()
            total += self.judge(self.tell(rows, prices))
            if audits and tick % 50 == 0:
                self.index.check()
        counted = self.index.statistics()
        return replace(total, spent=counted["spent"], passes=counted["passes"])


def run_law(seed: int, ticks: int = 200) -> Verdict:
    """Drive every nature once, with the settings of this seed."""
    total = Verdict()
    for number, nature in enumerate(NATURES.values()):
        settings = SETTINGS[(seed + number) % len(SETTINGS)]
        total += Drive(nature, settings, 100 * seed + number).run(ticks)
    return total


if __name__ == "__main__":
    for chosen in range(int(sys.argv[1])):
        sys.stdout.write(f"seed {chosen}: {run_law(chosen, int(sys.argv[2]))}\n")
        sys.stdout.flush()
