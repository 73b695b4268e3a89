"""How far one coin can move before a unit is liquidatable: its contracts and its own price.

A coin that is collateral and has contracts on it, or secures a debt, moves as one: every contract
on it, the index they are margined on, and its own price change by one factor. Along such a move the
excess is solved as along any joint move.

Source: docs/model.md, "Joint move".
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from keelmark.core.bound import Factor, FactorKind, options_of, reads
from keelmark.core.coins import assets_of, has_debt, priced_assets, stands_for_the_dollar
from keelmark.core.errors import InvalidMark, MissingNumber
from keelmark.core.joint_move import JOINT_REACH, JointMove, path_move, unsolved
from keelmark.core.liquidation_price import LiquidationPrices, PriceStatus, straight_prices
from keelmark.core.margin import MarginReport
from keelmark.core.market import Market
from keelmark.core.model import MarginModel
from keelmark.core.numbers import ONE, ZERO, exact
from keelmark.core.plain_lines import UnitLines
from keelmark.core.price_path import PricePath
from keelmark.core.underlying_price import Underlying, moves_together
from keelmark.core.unit import MarginUnit


@dataclass(frozen=True, slots=True, kw_only=True)
class Coin:
    """What moves with a coin.

    Attributes:
        name: The coin.
        symbols: The contracts on it, the shortest symbol first.
        is_held: Whether its own price counts: it is collateral, debt or what a contract settles in.
        is_owed: Whether the unit owes it.
    """

    name: str
    symbols: tuple[str, ...]
    is_held: bool
    is_owed: bool

    @property
    def names(self) -> tuple[str, ...]:
        """What a direction calls it: its contracts, or the coin itself where it has none."""
        return self.symbols or (self.name,)

    @property
    def words(self) -> str:
        """What moves, in words."""
        if not self.is_held:
            return f"everything on {self.name}"
        beside = "debt" if self.is_owed else "collateral"
        return f"{self.name} with its {beside}" if self.symbols else f"{self.name} as {beside}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CoinMove:
    """The first move of one coin, down or up, that liquidates.

    Attributes:
        coin: What moves.
        step: -1 for a fall, 1 for a rise.
        move: What was found; its prices name the coin's own too, where that counts.
    """

    coin: Coin
    step: Decimal
    move: JointMove

    @property
    def distance(self) -> Decimal | None:
        """Relative change of the coin, signed; `None` where none liquidates or it is unknown."""
        return self.move.signed


def coins_of(
    unit: MarginUnit, model: MarginModel, read: frozenset[Factor] | None = None
) -> tuple[Coin, ...]:
    """Return the coins of which more moves than one mark, or something else than marks.

    `read` is every factor the unit reads, where they are at hand.

    A coin with one contract on it and nothing of it held moves as that contract does alone; so do
    options with everything on their underlying. Assets that stand for the dollar are what is
    measured in, and stand still. A unit that owes nothing and holds no position cannot be
    liquidated.
    """
    if not unit.positions and not has_debt(unit):
        return ()
    factors = reads(unit, model) if read is None else read
    marks = {f.name for f in factors if f.kind is FactorKind.MARK}
    terms = {s: model.instrument(s) for s in sorted(marks, key=lambda s: (len(s), s))}
    priced = priced_assets(unit, model)
    contracts: dict[str, list[str]] = {}
    for symbol, term in terms.items():
        contracts.setdefault(term.instrument.base, []).append(symbol)
    found = []
    for name in dict.fromkeys((*contracts, *sorted(priced))):
        symbols = tuple(contracts.get(name, ()))
        if not symbols and stands_for_the_dollar(name, model):
            continue
        is_held = name in priced
        several = len(symbols) > 1 and all(terms[s].option is None for s in symbols)
        if is_held or several:
            cash = unit.balances.get(name, ZERO) - unit.accrued_interest.get(name, ZERO)
            owed = name in unit.balances and cash < ZERO
            found.append(Coin(name=name, symbols=symbols, is_held=is_held, is_owed=owed))
    return tuple(found)


def coin_path(
    unit: MarginUnit, coin: Coin, step: Decimal, market: Market, model: MarginModel
) -> PricePath:
    """Return the path of a coin by `step`: its contracts, their indices and its own price."""
    return PricePath.along(unit, dict.fromkeys(coin.names, step), market, model)


def mark_path(
    unit: MarginUnit, symbol: str, step: Decimal, market: Market, model: MarginModel
) -> PricePath:
    """Return the path of one mark by `step`, as its liquidation price has it.

    Everything on an underlying that the unit holds options on moves together. The price of a coin
    as collateral stands still, unless it is known as this mark alone.
    """
    if moves_together(unit, symbol, model):
        base = model.instrument(symbol).instrument.base
        path = Underlying(unit, base, market, model).path
        direction = {s: x * step for s, x in path.direction.items()}
        slopes = {f: x * step for f, x in path.slopes.items()}
        return replace(path, direction=direction, slopes=slopes)
    path = PricePath.along(unit, {symbol: step}, market, model)
    if carries_coin(unit, symbol, market, model) and not options_of(unit, model):
        return path
    marks = {f: x for f, x in path.slopes.items() if f.kind is not FactorKind.ASSET}
    return replace(path, slopes=marks)


def coin_moves(
    report: MarginReport,
    market: Market,
    model: MarginModel,
    joint: Sequence[JointMove] = (),
    lines: UnitLines | None = None,
) -> tuple[CoinMove, ...]:
    """Return how far each coin of a unit can fall, and how far rise.

    Args:
        report: The unit's margin.
        market: Snapshot the moves start from; other coins stay.
        model: The venue's terms.
        joint: Its moves of all prices together, where at hand: they are those of the only coin.
        lines: Its lines, where at hand.
    """
    found = []
    for coin in coins_of(report.unit, model, None if lines is None else lines.factors):
        for step in (-ONE, ONE):
            same = (j for j in joint if _is_same(j, coin, step))
            move = next(same, None) or _move(report, coin, step, market, model)
            found.append(CoinMove(coin=coin, step=step, move=_told(move, coin, step, market)))
    return tuple(found)


def _is_same(joint: JointMove, coin: Coin, step: Decimal) -> bool:
    """Whether all prices together are this coin's."""
    return dict(joint.direction) == dict.fromkeys(coin.names, step)


def _move(
    report: MarginReport, coin: Coin, step: Decimal, market: Market, model: MarginModel
) -> JointMove:
    direction = dict.fromkeys(coin.names, step)
    reason = unsolved(report.unit, model)
    if reason is not None:
        return JointMove(status=PriceStatus.UNKNOWN, direction=direction, reason=reason)
    try:
        with exact():
            return path_move(coin_path(report.unit, coin, step, market, model), report)
    except (MissingNumber, InvalidMark) as error:
        return JointMove(status=PriceStatus.UNKNOWN, direction=direction, reason=str(error))


def _told(move: JointMove, coin: Coin, step: Decimal, market: Market) -> JointMove:
    """Return a move with the price of the coin itself, and its reason in words of the coin."""
    if move.status is PriceStatus.NONE:
        reason = f"no move of {coin.words}, {JOINT_REACH}, liquidates"
        return replace(move, reason=reason)
    if move.size is None or not coin.is_held:
        return move
    with exact():
        own = market.asset_price(coin.name) * (ONE + step * move.size)
    return replace(move, prices={**(move.prices or {}), coin.name: own})


def carries_coin(unit: MarginUnit, symbol: str, market: Market, model: MarginModel) -> bool:
    """Whether the price of a coin is known only as the mark of an inverse contract that settles it.

    Then a move of that mark is a move of the coin. It counts where the unit holds anything else:
    the sign of what is all in one coin does not hang on what the coin is worth.
    """
    instrument = model.instrument(symbol).instrument
    coin = instrument.settle
    if not instrument.is_inverse or market.stand_ins.get(coin) != symbol:
        return False
    return model.reads_price_of(coin) and assets_of(unit, model) != {coin}


def prices_with_coin(
    report: MarginReport, symbol: str, market: Market, model: MarginModel
) -> LiquidationPrices:
    """Return the prices of an inverse contract that end a unit, its coin moving with the mark.

    The nearest on each side; other contracts stay. Of a unit that is liquidatable now, the prices
    are those at which it no longer is, its coin held.
    """
    reason = unsolved(report.unit, model)
    if reason is not None or report.is_liquidatable:
        return straight_prices(report, symbol, model)
    mark = market.mark(symbol)
    found: list[Decimal] = []
    for step in (-ONE, ONE):
        with exact():
            path = PricePath.along(report.unit, {symbol: step}, market, model)
            move = path_move(path, report)
            if move.status is PriceStatus.UNKNOWN:
                return LiquidationPrices(status=PriceStatus.UNKNOWN, reason=move.reason)
            if move.size is not None:
                found.append(mark * (ONE + step * move.size))
    if not found:
        coin = model.instrument(symbol).instrument.settle
        reason = f"no price of {symbol}, {coin} moving with it, {JOINT_REACH}, liquidates"
        return LiquidationPrices(status=PriceStatus.NONE, reason=reason)
    values = tuple(sorted(found, key=lambda price: abs(price - mark)))
    return LiquidationPrices(status=PriceStatus.PRICE, values=values)
