"""A scenario of the library made for the coins and assets that somebody holds.

A coin takes, in this order: its own figure; that of the coin in its wrapper; nothing where it is
gold; what the scenario says of other coins. Which coins took a figure that is not their own is part
of the result. A figure of the whole price of a coin held as collateral is made a shock on top of
what that coin's return does. A scale `s` takes a shock `x` to `(1 + x)^s - 1`, so that no price
passes zero, and funding to `s x`.

Source: docs/model.md, "Stress".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from keelmark.core.errors import InvalidInput
from keelmark.risk.scenarios import Scenarios, Shocks
from keelmark.risk.stress.calm import calm, kin, stands_still
from keelmark.risk.stress.library import Block, Shape, StressScenario
from keelmark.risk.symbols import coin_of

Floats = npt.NDArray[np.float64]

STILL = "stands still"


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What a book stands on.

    Attributes:
        coins: Whose returns it reads.
        dollars: Assets that stand for the dollar and have a price.
        others: Other assets that have a price.
        slopes: What one of each coin's return is worth; read by `Shape.AGAINST` alone.
    """

    coins: tuple[str, ...]
    dollars: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    slopes: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Made:
    """Scenarios made for a book.

    Attributes:
        scenarios: One row each, labelled by name, in the order given.
        stand_ins: By scenario: coins that took a figure that is not their own, and which.
        left_out: Scenarios that cannot be made for this book, and why.
    """

    scenarios: Scenarios
    stand_ins: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)


def made_for(wanted: Sequence[StressScenario], needs: Needs, *, scale: float = 1.0) -> Made:
    """Return scenarios as one value for the coins and assets of a book.

    Args:
        wanted: From the library or a file.
        needs: Coins and assets.
        scale: Of every shock; one is as given.

    Raises:
        InvalidInput: The scale is not above zero, or none of them can be made for this book.
    """
    if not (np.isfinite(scale) and scale > 0.0):
        msg = f"a scale of {scale}; give a number above 0, 1 is as cited"
        raise InvalidInput(msg)
    own = "it moves coins against what one account holds, and this is a book of many"
    left = {row.name: own for row in wanted if row.is_own and needs.slopes is None}
    rows = [row for row in wanted if row.name not in left]
    if not rows:
        msg = f"{', '.join(left) or 'no scenario'}: {own if left else 'name at least one'}"
        raise InvalidInput(msg)
    makers = [_Maker(row=row, needs=needs, scale=scale) for row in rows]
    return Made(
        scenarios=_joined(rows, makers, needs, scale),
        stand_ins={m.row.name: m.stand_ins for m in makers if m.stand_ins},
        left_out=left,
    )


def _joined(
    rows: Sequence[StressScenario], makers: Sequence["_Maker"], needs: Needs, scale: float
) -> Scenarios:
    assets = (*needs.dollars, *needs.others)

    def block(name: str) -> Shocks:
        columns = assets if name == "collateral" else needs.coins
        values = np.array([maker.shocks(name, columns) for maker in makers], dtype=np.float64)
        return Shocks(names=columns, values=values.reshape(len(rows), len(columns)))

    told = "stress library" if scale == 1.0 else f"stress library, every shock times {scale:g}"
    return Scenarios(
        returns=block("returns"),
        volatility=block("volatility"),
        basis=block("basis"),
        funding=block("funding"),
        collateral=block("collateral"),
        depth=block("depth"),
        days=max(row.days for row in rows),
        labels=tuple(row.name for row in rows),
        source=told,
        notes=("each scenario has its own horizon; the longest is given",),
    )


@dataclass(slots=True, kw_only=True)
class _Maker:
    """One scenario being made."""

    row: StressScenario
    needs: Needs
    scale: float
    stand_ins: dict[str, str] = field(default_factory=dict)

    def shocks(self, name: str, columns: Sequence[str]) -> list[float]:
        """Return the shocks of one block."""
        still = 1.0 if name == "depth" else 0.0
        block = self.row.blocks.get(name)
        if block is None:
            return [still] * len(columns)
        if block.sigmas is not None:
            return self._by_sigmas(block.sigmas, columns)
        found = [self._figure(name, block, column) for column in columns]
        shocks = [still if v is None else scaled(name, v, self.scale) for v in found]
        if not block.is_whole:
            return shocks
        rows = zip(columns, found, shocks, strict=True)
        return [0.0 if v is None else self._beyond(column, shock) for column, v, shock in rows]

    def _beyond(self, asset: str, whole: float) -> float:
        """Return what a fall of the whole price is on top of the return of the coin."""
        coin = coin_of(asset)[0]
        if asset in self.needs.dollars or coin not in self.needs.coins:
            return whole
        returns = self.shocks("returns", self.needs.coins)
        kept = 1.0 + returns[self.needs.coins.index(coin)]
        return (1.0 + whole) / kept - 1.0 if kept > 0.0 else whole

    def _figure(self, name: str, block: Block, column: str) -> float | None:
        """Return the figure of a coin or an asset as it is given."""
        key = column.upper()
        own = block.names.get(key)
        if own is not None:
            return own.value
        if name == "collateral":
            return block.dollars if column in self.needs.dollars else block.coins
        inner = kin().get(key)
        if inner is not None and inner in block.names:
            self._note(name, column, f"as {inner}")
            return block.names[inner].value
        if name == "returns" and stands_still(column):
            self._note(name, column, STILL)
            return None
        if block.other is None:
            return None
        if block.names:
            self._note(name, column, block.other_is or "other coins")
        return block.other.value

    def _note(self, name: str, column: str, told: str) -> None:
        """Remember where a coin's return is not its own; other blocks say so in their text."""
        held = self.row.blocks.get("collateral")
        is_own = held is not None and held.is_whole and column.upper() in held.names
        if name == "returns" and not is_own:
            self.stand_ins[column] = told

    def _by_sigmas(self, sigmas: float, columns: Sequence[str]) -> list[float]:
        """Return moves in each coin's own sigmas, as log returns."""
        table = calm()
        days = [table.of(coin) for coin in columns]
        for coin, day in zip(columns, days, strict=True):
            if not day.is_measured:
                self.stand_ins[coin] = f"a sigma of {day.sigma:.2%}: {table.other_is}"
        sigma = np.array([day.sigma for day in days], dtype=np.float64)
        toward = np.ones(len(columns))
        if self.row.shape is Shape.AGAINST:
            toward = against(self.needs.slopes or {}, columns, sigma)
        found: list[float] = np.expm1(sigmas * self.scale * sigma * toward).tolist()
        return found


def against(slopes: Mapping[str, float], columns: Sequence[str], sigma: Floats) -> Floats:
    """Return how many of one sigma each independent coin moves in the likeliest loss of one sigma.

    For slopes `d` and independent sigmas the most probable loss of `k` standard deviations of
    `sum d r` is `r = -k sigma (d sigma) / |d sigma|`.
    """
    risk = np.array([slopes.get(coin, 0.0) for coin in columns], dtype=np.float64) * sigma
    largest = float(np.abs(risk).max(initial=0.0))
    if largest == 0.0:
        return np.zeros(len(columns))
    shares = risk / largest  # squares of tiny slopes would be nothing
    return -shares / float(np.linalg.norm(shares))


def scaled(block: str, value: float, scale: float) -> float:
    """Return a shock times a scale, in logs but for funding."""
    if scale == 1.0:
        return value
    if block == "funding":
        return float(value * scale)
    if block == "depth":
        return float(value**scale)
    return float(np.expm1(scale * np.log1p(value)))
