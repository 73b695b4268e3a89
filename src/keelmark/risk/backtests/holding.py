"""What is forecast: the profit of weights, or of an account, period by period through a history.

What is held stays as it is through the whole history: weights are set anew every period, an account
keeps the positions it has now at the prices of now.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from keelmark.accounts import Account
from keelmark.core.errors import InvalidInput
from keelmark.risk.backtests.statistic import Array
from keelmark.risk.returns import Returns
from keelmark.risk.revaluation import UnitValuer


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Holding:
    """Profits of something held, and the returns of coins they come from.

    Attributes:
        name: What is held, in words.
        returns: Of the coins it reads.
        profit: By period, fractions of its worth.
        profit_of: The profits (n,) of any joint returns (n, coins).
        notes: What was assumed.
        slow: Why joint returns cannot be valued by the thousand; `None` where they can.
    """

    name: str
    returns: Returns
    profit: Array
    profit_of: Callable[[Array], Array]
    notes: tuple[str, ...] = ()
    slow: str | None = None

    @property
    def coins(self) -> tuple[str, ...]:
        """Coins whose returns it reads."""
        return self.returns.coins


def of_weights(returns: Returns, weights: Mapping[str, float]) -> Holding:
    """Return what holds a share of its worth in each coin; below 0 is short.

    Raises:
        InvalidInput: A coin without returns, no coin, or nothing held.
    """
    kept = returns.of(tuple(weights))
    shares = np.array(list(weights.values()), dtype=np.float64)
    if not len(shares) or not bool(np.all(np.isfinite(shares))) or not shares.any():
        msg = f"weights {dict(weights)}: give at least one coin a number other than 0"
        raise InvalidInput(msg)

    def profit_of(moves: Array) -> Array:
        found: Array = moves @ shares
        return found

    told = ", ".join(f"{coin} {share:g}" for coin, share in weights.items())
    name = next(iter(weights)) if len(shares) == 1 and shares[0] == 1.0 else told
    if len(shares) > 1 and len(set(shares)) == 1:
        name = f"{len(shares)} coins, {shares[0]:.4g} each: {', '.join(weights)}"
    return Holding(
        name=name,
        returns=kept,
        profit=profit_of(kept.values),
        profit_of=profit_of,
        notes=("weights are set anew every period",) if len(shares) > 1 else (),
    )


def of_account(account: Account, returns: Returns) -> Holding:
    """Return what an account holds now, at the prices of now; profits are shares of its worth.

    Raises:
        InvalidInput: A coin without returns, nothing that returns move, units in several
            currencies, or a worth that is not above 0.
        MissingNumber: The margin of a unit is unknown.
    """
    held = [unit for unit in account.units if unit.positions or unit.balances or unit.loans]
    valuers = [UnitValuer.of(account, unit) for unit in held]
    coins = tuple(dict.fromkeys(coin for valuer in valuers for coin in valuer.coins))
    currencies = list(dict.fromkeys(valuer.currency for valuer in valuers))
    if len(currencies) > 1:
        msg = f"the units are margined in {', '.join(currencies)}: there is no sum of them"
        raise InvalidInput(msg)
    if not coins:
        msg = "the account stands on no coin: returns do not move it"
        raise InvalidInput(msg)
    kept = returns.of(coins)
    columns = [np.array([coins.index(coin) for coin in v.coins], dtype=np.intp) for v in valuers]

    def worth_of(moves: Array) -> Array:
        total = np.zeros(len(moves))
        for valuer, places in zip(valuers, columns, strict=True):
            total += valuer.worth(np.ascontiguousarray(moves[:, places]))
        return total

    now = float(worth_of(np.zeros((1, len(coins))))[0])
    if not now > 0.0:
        msg = f"the account is worth {now:,.2f} {currencies[0]}: no share of it can be lost"
        raise InvalidInput(msg)

    def profit_of(moves: Array) -> Array:
        found: Array = (worth_of(moves) - now) / now
        return found

    slow = next((valuer.why for valuer in valuers if valuer.why is not None), None)
    left_out = () if slow is None else (f"joint models are left out unless named: {slow}",)
    return Holding(
        name=f"account at {account.rulebook.name}, {len(coins)} coins",
        returns=kept,
        profit=profit_of(kept.values),
        profit_of=profit_of,
        notes=(
            f"positions as they are now, worth {now:,.2f} {currencies[0]}",
            "prices of coins move; volatilities, bases, funding, other collateral stand still",
            "no liquidation within a period: losses may be more than the worth",
            *left_out,
        ),
        slow=slow,
    )
