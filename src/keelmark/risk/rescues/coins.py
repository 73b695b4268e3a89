"""Coins that move: each with all contracts on it and its price as collateral together."""

from dataclasses import dataclass
from decimal import Decimal

from keelmark.accounts import Account
from keelmark.core.joint_move import joint_move
from keelmark.core.liquidation_price import PriceStatus
from keelmark.core.margin import maintenance_excess
from keelmark.core.numbers import ZERO
from keelmark.core.unit import MarginUnit
from keelmark.risk.rescues.target import Path, coin_paths

HALF = Decimal("0.5")


@dataclass(frozen=True, slots=True)
class CoinDistance:
    """The nearest liquidating move of a coin; `size` is `None` where none is found."""

    size: Decimal | None
    is_settled: bool = True


def coin_distance(unit: MarginUnit, account: Account) -> CoinDistance:
    """Return the nearest move of one coin with all that hangs on it, unsigned.

    The unit is not liquidatable as it stands.
    """
    found = [_nearest(path, unit, account) for path in coin_paths(unit, account.model)]
    sizes = [one.size for one in found if one.size is not None]
    return CoinDistance(min(sizes, default=None), all(one.is_settled for one in found))


def _nearest(path: Path, unit: MarginUnit, account: Account) -> CoinDistance:
    if not path.direction:
        return CoinDistance(_straight(path, unit, account))
    move = joint_move(unit, path.direction, account.market, account.model)
    return CoinDistance(move.size, move.status is not PriceStatus.UNKNOWN)


def _straight(path: Path, unit: MarginUnit, account: Account) -> Decimal | None:
    """Return the move of a coin without contracts: the excess is a straight line in its price."""
    market, model = account.market, account.model
    excess = maintenance_excess(unit, market, model)
    halfway = maintenance_excess(unit, path.moved(HALF, unit, market, model), model)
    lost = (excess - halfway) / HALF
    if lost <= ZERO or (path.is_down and lost <= excess):
        return None
    return excess / lost
