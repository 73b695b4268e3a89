"""The joint move in which every coin follows the market by its historical beta."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from keelmark.accounts.account import Account
from keelmark.accounts.check_document import JsonTable, decimal_text, joint_move_document
from keelmark.core.joint_move import JointMove, joint_move
from keelmark.core.numbers import exact
from keelmark.core.unit import MarginUnit
from keelmark.risk.axes import coins_that_move, direction_of, unit_for
from keelmark.risk.returns import Returns
from keelmark.risk.symbols import coin_of


@dataclass(frozen=True, slots=True, kw_only=True)
class BetaMove:
    """How far the market can move before a unit is liquidatable, its coins following.

    Attributes:
        unit_id: The margin unit.
        market: The coin whose move is counted.
        betas: Least-squares slope of each coin on it.
        down: The market falling; its size is the market's fall.
        up: The market rising.
    """

    unit_id: str
    market: str
    betas: Mapping[str, Decimal]
    down: JointMove
    up: JointMove

    def document(self) -> JsonTable:
        """Return the moves as JSON."""
        return {
            "unit": self.unit_id,
            "market": self.market,
            "betas": {coin: decimal_text(beta) for coin, beta in self.betas.items()},
            "down": joint_move_document(self.down),
            "up": joint_move_document(self.up),
        }


def find_beta_move(
    account: Account, returns: Returns, *, market: str = "BTC", unit_id: str | None = None
) -> BetaMove:
    """Return how far the market can fall and rise, every coin moving its beta times as much.

    Args:
        account: From `load_account`.
        returns: From `read_returns`; of the market and of every coin that is held or has contracts.
        market: The coin that leads.
        unit_id: Margin unit; where left out the one that goes first, falling or rising.

    Raises:
        InvalidInput: A coin has no returns.

    Source: docs/model.md, "Reverse stress".
    """
    names = [unit.unit_id for unit in account.units if unit.positions]
    if unit_id is not None or not names:
        return _of_unit(account, returns, market, unit_for(account, None, unit_id))
    units = [unit_for(account, None, name) for name in names]
    return min((_of_unit(account, returns, market, unit) for unit in units), key=_nearest)


def _nearest(move: BetaMove) -> Decimal:
    """Sort key: how far the market goes before the unit does, falling or rising."""
    sizes = (move.down.size, move.up.size)
    return min((size for size in sizes if size is not None), default=Decimal("Infinity"))


def _of_unit(account: Account, returns: Returns, market: str, unit: MarginUnit) -> BetaMove:
    coins = {name: coin_of(name)[0] for name in coins_that_move(unit, account.model)}
    known = returns.betas(market, tuple(dict.fromkeys(coins.values())))
    betas = {name: known[coin] for name, coin in coins.items()}  # `1000PEPE` moves as `PEPE`
    direction = direction_of(unit, betas, account.model)
    with exact():
        fall = {symbol: -step for symbol, step in direction.items()}
    return BetaMove(
        unit_id=unit.unit_id,
        market=market,
        betas=betas,
        down=joint_move(unit, fall, account.market, account.model),
        up=joint_move(unit, direction, account.market, account.model),
    )
