"""What a rescue is to reach, and the demands on the margin that say so."""

from collections.abc import Container, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum

from keelmark.core.coin_move import Coin, coin_path, coins_of, mark_path
from keelmark.core.errors import InvalidInput
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
            far = _share(self.far)
            words.append(f"no price alone, nor all alike, liquidates below {far}")
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


def aims_of(
    target: Target,
    unit: MarginUnit,
    market: Market,
    model: MarginModel,
    doubtful: Container[str] = (),
) -> list[Aim]:
    """Return the demands of a target on a unit.

    A ratio is one demand at the prices now; one so high that the trigger may hold there asks beside
    it that the trigger does not. A distance is one at each end of every path: all prices together,
    each coin with its contracts and each mark alone, down and up. Where the excess is concave along
    a path, the demand at its end and the prices now hold everything between. Paths of a name that
    is `doubtful` are left out: only what is left of the unit tells what moves along them.
    """
    aims = [] if target.usage is None else _ratio_aims(target.usage, market, model)
    if target.far is not None:
        with exact():
            aims += [
                Aim.not_liquidatable(path.name, path.moved(target.far, unit, market, model), model)
                for path in paths_of(unit, model)
                if path.name not in doubtful
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
    """Prices that move alike: all a unit reads, one coin's, or one mark alone; as the check moves.

    Attributes:
        name: In words.
        step: -1 down, 1 up.
        coin: The coin that moves with everything on it.
        symbol: The mark that moves alone.
    """

    name: str
    step: Decimal
    coin: Coin | None = None
    symbol: str = ""

    @property
    def is_together(self) -> bool:
        """Whether everything moves."""
        return self.coin is None and not self.symbol

    def along(self, unit: MarginUnit, market: Market, model: MarginModel) -> PricePath:
        """Return the prices of a unit along this path."""
        if self.coin is not None:
            return coin_path(unit, self.coin, self.step, market, model)
        if self.symbol:
            return mark_path(unit, self.symbol, self.step, market, model)
        everything = all_together(unit, model, down=self.step < ZERO)
        return PricePath.along(unit, everything, market, model)

    def moved(self, size: Decimal, unit: MarginUnit, market: Market, model: MarginModel) -> Market:
        """Return the market after a move of this size."""
        return self.along(unit, market, model).at(size)


def paths_of(unit: MarginUnit, model: MarginModel) -> Iterator[Path]:
    """Yield the paths whose nearest liquidating move is the distance of a unit."""
    symbols = dict.fromkeys(p.instrument for p in unit.positions)
    coins = coins_of(unit, model)
    for step, word in ((-ONE, "down"), (ONE, "up")):
        if symbols:
            yield Path(name=f"all together {word}", step=step)
        for symbol in symbols:
            yield Path(name=f"{symbol} {word}", step=step, symbol=symbol)
        for coin in coins:
            yield Path(name=f"{coin.words} {word}", step=step, coin=coin)
