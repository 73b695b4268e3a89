"""What a rescue is to reach, and the demands on the margin that say so."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum

from keelmark.core.coin_move import carries_coin, stands_for_the_dollar
from keelmark.core.errors import InvalidInput
from keelmark.core.excess import price_of
from keelmark.core.joint_move import all_together
from keelmark.core.market import Market
from keelmark.core.model import MarginModel, Trigger
from keelmark.core.numbers import ONE, ZERO, exact
from keelmark.core.price_path import PricePath
from keelmark.core.unit import MarginUnit

LEAST_EXCESS = Decimal("1e-18")
"""Valuation currency asked for where a trigger holds at nothing already."""


class TargetKind(StrEnum):
    """What the target measures."""

    RATIO = "ratio"
    """Maintenance over equity, at most."""
    DISTANCE = "distance"
    """The nearest liquidating move, of one price or of all together, at least."""
    BOTH = "both"
    """A ratio and a distance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A margin ratio not to exceed, a distance not to fall below, or both; fractions.

    Attributes:
        kind: What is measured.
        value: The ratio where one is asked for, else the distance.
        distance_too: The distance beside a ratio.
    """

    kind: TargetKind
    value: Decimal
    distance_too: Decimal | None = None

    def __post_init__(self) -> None:
        if self.usage is not None:
            _check(TargetKind.RATIO, self.usage)
        if self.far is not None:
            _check(TargetKind.DISTANCE, self.far)

    @property
    def usage(self) -> Decimal | None:
        """The ratio not to exceed, where one is asked for."""
        return None if self.kind is TargetKind.DISTANCE else self.value

    @property
    def far(self) -> Decimal | None:
        """The distance not to fall below, where one is asked for."""
        return self.value if self.kind is TargetKind.DISTANCE else self.distance_too

    @classmethod
    def ratio(cls, value: Decimal) -> "Target":
        """Return the target of a margin ratio (maintenance over equity) of at most `value`."""
        return cls(kind=TargetKind.RATIO, value=value)

    @classmethod
    def distance(cls, value: Decimal) -> "Target":
        """Return the target that no price move smaller than `value` liquidates."""
        return cls(kind=TargetKind.DISTANCE, value=value)

    @classmethod
    def both(cls, ratio: Decimal, distance: Decimal) -> "Target":
        """Return the target of a margin ratio and of a distance together."""
        return cls(kind=TargetKind.BOTH, value=ratio, distance_too=distance)

    @property
    def text(self) -> str:
        """The target in words."""
        words = []
        if self.usage is not None:
            words.append(f"maintenance at most {_share(self.usage)} of equity")
        if self.far is not None:
            words.append(f"no move below {_share(self.far)} liquidates")
        return ", and ".join(words)


def _share(value: Decimal) -> str:
    return f"{(value * 100).normalize():f} %"


def _check(kind: TargetKind, value: Decimal) -> None:
    """Refuse a fraction outside of its range; a ratio may be one."""
    is_ratio = kind is TargetKind.RATIO
    end = "at most 1" if is_ratio else "below 1"
    if not value.is_finite() or not ZERO < value <= ONE or (value == ONE and not is_ratio):
        msg = f"target {kind} is {value}; it must be above 0 and {end}, such as 0.5 or 0.2"
        raise InvalidInput(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """One demand: `equity_weight * equity - level * maintenance - slack >= 0` at a market.

    Attributes:
        name: Names the market in words.
        market: The prices.
        equity_weight: The target ratio; one where the unit must only not be liquidatable.
        level: Multiple of maintenance: the trigger's, where the unit must only not be liquidatable.
        slack: Asked beyond nothing: room for the last digits where sums are rounded.
    """

    name: str
    market: Market
    equity_weight: Decimal = ONE
    level: Decimal = ONE
    slack: Decimal = ZERO

    @classmethod
    def not_liquidatable(cls, name: str, market: Market, model: MarginModel) -> "Aim":
        """Return the demand that the venue's trigger does not hold, or only just."""
        return cls(name=name, market=market, level=model.trigger_level)


def aims_of(target: Target, unit: MarginUnit, market: Market, model: MarginModel) -> list[Aim]:
    """Return the demands of a target on a unit.

    A ratio is one demand at the prices now; one so high that the trigger may hold there asks beside
    it that the trigger does not. A distance is one at each end of every path: all prices together,
    each coin with its contracts and each mark alone, down and up. Where the excess is concave along
    a path, the demand at its end and the prices now hold everything between.
    """
    aims = [] if target.usage is None else _ratio_aims(target.usage, market, model)
    if target.far is not None:
        with exact():
            aims += [
                Aim.not_liquidatable(path.name, path.moved(target.far, unit, market, model), model)
                for path in paths_of(unit, model)
            ]
    return aims


def _ratio_aims(usage: Decimal, market: Market, model: MarginModel) -> list[Aim]:
    asked = Aim(name="now", market=market, equity_weight=usage)
    if usage * model.trigger_level < ONE:
        return [asked]
    return [asked, alive_aim(market, model)]


def alive_aim(market: Market, model: MarginModel) -> Aim:
    """Return the demand that the trigger does not hold at the prices now, not even just."""
    room = LEAST_EXCESS if model.trigger is Trigger.AT_OR_BELOW else ZERO
    return replace(Aim.not_liquidatable("now", market, model), slack=room)


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """Prices that move alike: all a unit reads, one coin's, or one mark alone.

    Attributes:
        name: In words.
        direction: Relative change by instrument per unit of size.
        alone: Whether one mark moves and the prices of assets stand still.
        coin: The asset whose price as collateral moves by its own name.
        is_down: Whether prices fall.
    """

    name: str
    direction: Mapping[str, Decimal]
    alone: bool = False
    coin: str = ""
    is_down: bool = True

    def moved(self, size: Decimal, unit: MarginUnit, market: Market, model: MarginModel) -> Market:
        """Return the market after a move of this size."""
        moved = PricePath.along(unit, self.direction, market, model).at(size)
        if self.alone and any(carries_coin(unit, s, market, model) for s in self.direction):
            return moved
        if self.alone:
            return replace(moved, asset_prices=market.asset_prices)
        if not self.coin:
            return moved
        share = ONE - size if self.is_down else ONE + size
        price = max(ZERO, price_of(self.coin, market, model) * share)
        return replace(moved, asset_prices={**moved.asset_prices, self.coin: price})


def paths_of(unit: MarginUnit, model: MarginModel) -> Iterator[Path]:
    """Yield the paths whose nearest liquidating move is the distance of a unit."""
    symbols = list(dict.fromkeys(p.instrument for p in unit.positions))
    for down in (True, False):
        step, word = (-ONE, "down") if down else (ONE, "up")
        everything = all_together(unit, model, down=down)
        if everything:
            yield Path(name=f"all together {word}", direction=everything)
        for symbol in symbols:
            yield Path(name=f"{symbol} {word}", direction={symbol: step}, alone=True)
    yield from coin_paths(unit, model)


def coin_paths(unit: MarginUnit, model: MarginModel) -> Iterator[Path]:
    """Yield the paths of each coin with all contracts on it and its price as collateral.

    A coin with one contract that is no collateral moves as that mark alone, and is left out. Assets
    that stand for the dollar are what is measured in, and stand still.
    """
    on_coin: dict[str, list[str]] = {}
    for held in unit.positions:
        base = model.instrument(held.instrument).instrument.base
        symbols = on_coin.setdefault(base, [])
        if held.instrument not in symbols:
            symbols.append(held.instrument)
    assets = dict.fromkeys((*unit.balances, *unit.accrued_interest, *unit.loans))
    counted = [a for a in assets if model.reads_price_of(a) and not stands_for_the_dollar(a)]
    for coin in dict.fromkeys((*on_coin, *counted)):
        symbols = on_coin.get(coin, [])
        if coin not in counted and len(symbols) == 1:
            continue
        priced = coin if coin in counted else ""
        name = f"{coin} with its contracts" if symbols else coin
        for is_down in (True, False):
            direction = dict.fromkeys(symbols, -ONE if is_down else ONE)
            word = "down" if is_down else "up"
            yield Path(name=f"{name} {word}", direction=direction, coin=priced, is_down=is_down)
