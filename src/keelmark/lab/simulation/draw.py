"""What commands are drawn from: prices to trade near, units that exist, money of a usual size."""

from dataclasses import dataclass, field

import numpy as np

from keelmark.engine import commands as c
from keelmark.engine.state import State
from keelmark.lab.simulation.feed import Feed
from keelmark.lab.simulation.spec import SimulationSpec

USDT, BITCOIN = "USDT", "BTC"


@dataclass(slots=True)
class Draw:
    """What commands are drawn from.

    Attributes:
        spec: The simulation.
        state: An empty state: rows, in-house units.
        feed: Prices, to trade near them.
        rng: Of this part of the script.
        snapshot: Present snapshot.
        isolated: Account of each isolated unit so far, by unit.
        number: Number of commands so far, for ids.
        orders: Orders placed so far, by id; some of them were refused or are gone.
    """

    spec: SimulationSpec
    state: State
    feed: Feed
    rng: np.random.Generator
    snapshot: int = 0
    isolated: dict[int, int] = field(default_factory=dict)
    number: int = 0
    orders: dict[int, c.ReserveOrder] = field(default_factory=dict)

    @property
    def first(self) -> int:
        """First unit that belongs to a client."""
        return len(self.state.book.in_house)

    def unit(self) -> int:
        """Draw a client's unit."""
        units = [self.first + account for account in range(self.spec.accounts)] + list(
            self.isolated
        )
        return int(self.rng.choice(units))

    def instrument(self) -> int:
        """Draw an instrument."""
        return int(self.rng.integers(len(self.state.universe.symbols)))

    def ticks(self, instrument: int) -> int:
        """Return the present price of an instrument."""
        row = self.state.universe.instruments[instrument]
        price = self.feed.prices[self.snapshot, row["mark_factor"]]
        return max(1, round(float(price) / float(row["price_unit"])))

    def lots(self, instrument: int, money: float) -> int:
        """Return the lots that are worth an amount of money, at least one."""
        row = self.state.universe.instruments[instrument]
        price = float(self.feed.prices[self.snapshot, row["mark_factor"]])
        asset = self.state.universe.asset_rows[row["settle"]]
        quantum = float(asset["value_scale"])
        if asset["price_factor"] >= 0:
            quantum *= float(self.feed.prices[self.snapshot, asset["price_factor"]])
        per_lot = float(row["value_scale"]) * (1.0 / price if row["inverse"] else price) * quantum
        return max(1, int(money / per_lot))

    def money(self) -> float:
        """Draw an amount of money, valuation currency."""
        return self.spec.deposit * float(np.exp(self.rng.normal(0.0, 1.0)))

    def quanta(self, asset: int, money: float) -> int:
        """Return the quanta of an asset that are worth an amount of money."""
        row = self.state.universe.asset_rows[asset]
        factor = int(row["price_factor"])
        price = float(self.feed.prices[self.snapshot, factor]) if factor >= 0 else 1.0
        return max(1, int(money / (float(row["value_scale"]) * price)))

    def side(self) -> int:
        """Draw a side; longs are in the majority."""
        return 1 if self.rng.random() < 0.65 else -1  # noqa: PLR2004 the share of longs
