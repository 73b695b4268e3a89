"""How far every coin can move against a unit before it is liquidatable.

A book of longs and shorts is safe when all prices move alike and is not when they part. Here each
coin moves the way that costs the unit, all by the same fraction: of the moves in which no price
changes by more, none costs more where the excess is a straight line in each.

Source: docs/model.md, "Joint move".
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from keelmark.core.coins import coins_without_contract, stands_for_the_dollar
from keelmark.core.joint_move import JointMove, joint_move
from keelmark.core.margin import MarginReport, PositionMargin
from keelmark.core.market import Market
from keelmark.core.model import MarginModel
from keelmark.core.numbers import ONE, ZERO, exact
from keelmark.core.plain_lines import UnitLines
from keelmark.core.price_path import PricePath

STEP = Decimal("0.001")
"""Relative change that tells which way a coin with curved parts costs."""


def adverse_move(
    report: MarginReport, market: Market, model: MarginModel, lines: UnitLines | None = None
) -> JointMove | None:
    """Return the smallest move of all coins against the unit that makes it liquidatable.

    Args:
        report: The unit's margin.
        market: Snapshot the move starts from.
        model: The venue's terms.
        lines: The unit's, where they are at hand.

    Returns:
        The move; its direction has -1 for coins that fall and 1 for coins that rise. `None` where
        all coins cost in the same direction: that is the move of all prices together.
    """
    by_coin = _by_coin(report, model)
    if len(by_coin) <= 1:
        return None  # one coin cannot part from itself
    prices = {asset.asset: asset.price for asset in report.assets}
    with exact():
        gains = {
            coin: _line(coin, own, report, prices, model)
            if all(_is_straight(held) for held in own)
            else _slope(own, report, market, model)
            for coin, own in by_coin.items()
        }
    if min(gains.values()) >= ZERO or max(gains.values()) <= ZERO:
        return None
    direction = {
        name: -ONE if gains[coin] > ZERO else ONE
        for coin, own in by_coin.items()
        if gains[coin] != ZERO
        for name in ([held.terms.instrument.symbol for held in own] or [coin])
    }
    return joint_move(report.unit, direction, market, model, report=report, lines=lines)


def _by_coin(report: MarginReport, model: MarginModel) -> Mapping[str, list[PositionMargin]]:
    """Return the positions on each coin that moves; none of one that only counts at its price."""
    found: dict[str, list[PositionMargin]] = {}
    for held in report.positions:
        found.setdefault(held.terms.instrument.base, []).append(held)
    return found | {coin: [] for coin in coins_without_contract(report.unit, model)}


def _is_straight(held: PositionMargin) -> bool:
    return not held.terms.instrument.is_inverse and held.terms.option is None


def _line(
    coin: str,
    held: Sequence[PositionMargin],
    report: MarginReport,
    prices: Mapping[str, Decimal],
    model: MarginModel,
) -> Decimal:
    """Return what the unit gains by a coin per relative rise: linear contracts and what it owns."""
    gain = sum((p.value * prices[p.settle] for p in held), ZERO)
    if not model.reads_price_of(coin) or stands_for_the_dollar(coin, model):
        return gain
    own = (a for a in report.assets if a.asset == coin)
    return gain + sum(((a.collateral_value - a.maintenance_margin) * a.price for a in own), ZERO)


def _slope(
    held: Sequence[PositionMargin], report: MarginReport, market: Market, model: MarginModel
) -> Decimal:
    """Return the same of contracts that bend: everything on the coin moved a little both ways."""
    symbols = [p.terms.instrument.symbol for p in held]
    path = PricePath.along(report.unit, dict.fromkeys(symbols, ONE), market, model)
    return (path.excess(STEP) - path.excess(-STEP)) / (2 * STEP)
