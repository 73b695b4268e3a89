"""How likely an account is liquidated, from the built-in table of coins: what `alerts` may read."""

from dataclasses import dataclass

from keelmark.accounts.account import Account
from keelmark.core.errors import KeelmarkError

DAY_S = 86400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TableChance:
    """The chance within a horizon, by the fat-tailed law of the built-in table.

    Attributes:
        days: The horizon.
    """

    days: float

    def __call__(self, account: Account) -> float | None:
        """Return the chance that any unit is liquidated; `None` where it is unknown."""
        try:
            from keelmark.risk.liquidation import liquidation_probability  # noqa: PLC0415 heavy
            from keelmark.risk.scenarios.coin_table import coin_table  # noqa: PLC0415 heavy
            from keelmark.risk.tail.book import RiskBook  # noqa: PLC0415 heavy
        except ImportError:  # the extra `risk` is not installed
            return None

        try:
            law = coin_table().law(RiskBook.of(account).coins, days=min(1.0, self.days))
            found = liquidation_probability(account, law, horizons=[self.days])
        except KeelmarkError:  # a coin the table does not know, a margin that is not known
            return None
        chance = found.account.by(self.days)
        return None if chance is None else chance.probability
