"""Dollars that back an account at a price of their own: what share they are, and where one ends it.

Chances of liquidation hold every peg, and a history rarely has one that broke; what a broken peg
does is told beside them.
"""

from dataclasses import dataclass
from decimal import Decimal

from keelmark.accounts import Account
from keelmark.core.errors import KeelmarkError
from keelmark.core.joint_move import joint_move
from keelmark.core.numbers import ONE, ZERO, exact
from keelmark.risk.symbols import DOLLARS

SHARE = Decimal("0.05")
"""Of worth, from which a peg is told of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldPeg:
    """A dollar the account hangs on.

    Attributes:
        asset: Its name.
        share: Of the account's worth, fraction.
        liquidates_at: The price at which, alone, it liquidates a unit; `None` where none does.
    """

    asset: str
    share: float
    liquidates_at: Decimal | None

    @property
    def words(self) -> str:
        """What is held, and where it ends."""
        end = (
            "no price of it alone liquidates"
            if self.liquidates_at is None
            else f"at {self.liquidates_at:.4g} alone it liquidates"
        )
        return f"the peg of {self.asset}, {self.share:.1%} of worth, is held: {end}".replace(
            "%", " %"
        )


def held_pegs(account: Account, worth: float, currency: str) -> tuple[HeldPeg, ...]:
    """Return the dollars, other than the account's currency, that are a good part of its worth.

    Args:
        account: From `load_account`.
        worth: Of the account, in the currency.
        currency: That totals are in.
    """
    held: dict[str, Decimal] = {}
    for unit in account.units:
        for asset, amount in unit.balances.items():
            price = account.market.asset_prices.get(asset)
            if asset in DOLLARS and asset != currency and price is not None:
                held[asset] = held.get(asset, ZERO) + amount * price
    if worth <= 0.0:
        return ()
    shares = {asset: float(value) / worth for asset, value in held.items()}
    return tuple(
        HeldPeg(asset=asset, share=share, liquidates_at=_end_of(account, asset))
        for asset, share in shares.items()
        if abs(share) >= SHARE
    )


def _end_of(account: Account, asset: str) -> Decimal | None:
    """Return the highest price at which an asset alone liquidates a unit."""
    found = []
    price = account.market.asset_prices[asset]
    for unit in account.units:
        if not unit.balances.get(asset):
            continue
        try:
            move = joint_move(unit, {asset: -ONE}, account.market, account.model)
        except KeelmarkError:
            continue
        if move.size is not None:
            with exact():
                found.append(price * (ONE - move.size))
    return max(found, default=None)
