"""Prices of a run: one path a currency, crashed, gapped, and cut into minutes."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from keelmark.book.universe import Universe
from keelmark.core.bound import Factor, FactorKind
from keelmark.engine.events import MarksSet
from keelmark.lab.simulation.spec import SimulationSpec

Floats = npt.NDArray[np.float64]
Int64s = npt.NDArray[np.int64]

MINUTE_MS = 60_000
BEGIN_MS = 1_760_000_000_000
LEVELS = {"BTC": 100_000.0, "ETH": 4_000.0}
COINS = frozenset({"USDT", "USDC", "USDE"})


@dataclass(frozen=True, slots=True, eq=False)
class Feed:
    """Every price of a run.

    Attributes:
        times_ms: Instants of the snapshots; the first is the opening.
        prices: (n_snapshots, n_factors), marks on their grid.
    """

    times_ms: Int64s
    prices: Floats

    def stretch(self, first: int, last: int, dropped: frozenset[int] = frozenset()) -> MarksSet:
        """Return snapshots `first` to before `last`, without the factors that are silent."""
        factors = np.array(
            [f for f in range(self.prices.shape[1]) if f not in dropped], dtype=np.int32
        )
        count = last - first
        return MarksSet(
            times_ms=self.times_ms[first:last].copy(),
            offsets=np.arange(count + 1, dtype=np.int64) * len(factors),
            factors=np.tile(factors, count),
            prices=self.prices[first:last][:, factors].reshape(-1).copy(),
        )


def draw_feed(spec: SimulationSpec, universe: Universe, rng: np.random.Generator) -> Feed:
    """Draw the prices of a run."""
    count = 1 + spec.minutes * spec.snapshots
    step_ms = MINUTE_MS // spec.snapshots
    paths: dict[str, Floats] = {}
    columns = []
    for factor in universe.factors:
        name = base_of(universe, factor)
        if name not in paths:
            paths[name] = _path(spec, name, count, rng)
        columns.append(_on_grid(universe, factor, paths[name]))
    times_ms = BEGIN_MS + step_ms * np.arange(count, dtype=np.int64)
    return Feed(times_ms, np.stack(columns, axis=1))


def base_of(universe: Universe, factor: Factor) -> str:
    """Return the currency whose price a factor is."""
    if factor.kind is FactorKind.ASSET:
        return factor.name
    for terms in universe.model.instruments.values():
        if factor.name in {terms.instrument.symbol, terms.instrument.index}:
            return terms.instrument.base
    return factor.name


def _path(spec: SimulationSpec, name: str, count: int, rng: np.random.Generator) -> Floats:
    """Return a random walk with one crash (or squeeze) that half comes back, and gaps."""
    scale = 0.1 if name in COINS else 1.0
    moves = scale * spec.prices.volatility * rng.standard_normal(count)
    size = scale * np.log(1.0 - spec.prices.crash) * rng.uniform(0.2, 1.0)
    length = max(1, int(spec.prices.crash_share * count))
    start = int(rng.integers(1, max(2, count - length)))
    sign = -1.0 if rng.random() < 0.25 and name not in COINS else 1.0  # noqa: PLR2004 a squeeze
    moves[start : start + length] += sign * size / length
    moves[start + length : start + 2 * length] -= 0.5 * sign * size / length
    for minute in range(spec.minutes):
        if rng.random() < spec.faults.price_gap:
            at = 1 + minute * spec.snapshots + int(rng.integers(spec.snapshots))
            moves[at] += scale * rng.uniform(-0.35, 0.25)
    moves[0] = 0.0
    level: Floats = LEVELS.get(name, 1.0) * np.exp(np.cumsum(moves))
    return level


def _on_grid(universe: Universe, factor: Factor, path: Floats) -> Floats:
    unit = 1e-6
    if factor.kind is FactorKind.MARK:
        unit = float(universe.model.instruments[factor.name].instrument.price_unit)
    rounded: Floats = np.maximum(1.0, np.round(path / unit)) * unit
    return rounded
