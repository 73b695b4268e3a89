"""Bybit unified account: rates of the account, and what its wallet says of collateral, in USD.

Source: Bybit help "Glossary-Unified-Trading-Account" (2026-03), V5 wallet-balance samples.
"""

from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal

from keelmark.core.errors import InvalidInput
from keelmark.core.numbers import ZERO, exact


@dataclass(frozen=True, slots=True, kw_only=True)
class UnifiedAccount:
    """Totals of a unified account in cross margin, USD.

    Attributes:
        wallet: Wallet balances after the collateral value ratio.
        unrealized_pnl: Profit of perpetuals and futures after the collateral value ratio.
        initial_margin: Of positions, active orders and borrowed assets.
        maintenance_margin: The same.
        haircut_loss: What open spot orders would lose by the collateral value ratio.
        order_loss: What open orders would lose at once, negative or zero.
    """

    wallet: Decimal
    unrealized_pnl: Decimal
    initial_margin: Decimal
    maintenance_margin: Decimal = ZERO
    haircut_loss: Decimal = ZERO
    order_loss: Decimal = ZERO

    @property
    def margin_balance(self) -> Decimal:
        """Wallet and profit."""
        with exact():
            return self.wallet + self.unrealized_pnl

    @property
    def available(self) -> Decimal:
        """`margin balance - haircut loss - initial margin`."""
        with exact():
            return self.margin_balance - self.haircut_loss - self.initial_margin

    @property
    def initial_rate(self) -> Decimal:
        """`initial margin / (margin balance - haircut loss + order loss)`."""
        return self._rate(self.initial_margin)

    @property
    def maintenance_rate(self) -> Decimal:
        """`maintenance margin / (margin balance - haircut loss + order loss)`; 1 liquidates."""
        return self._rate(self.maintenance_margin)

    @property
    def initial_rate_shown(self) -> Decimal:
        """As the venue shows it: cut after four decimals."""
        return _cut(self.initial_rate)

    @property
    def maintenance_rate_shown(self) -> Decimal:
        """As the venue shows it: cut after four decimals."""
        return _cut(self.maintenance_rate)

    def _rate(self, required: Decimal) -> Decimal:
        with exact():
            balance = self.margin_balance - self.haircut_loss + self.order_loss
            if balance <= ZERO:
                msg = f"a margin balance of {balance} USD has no rate; the account is worth nothing"
                raise InvalidInput(msg)
            return required / balance


def _cut(rate: Decimal) -> Decimal:
    with exact():
        return rate.quantize(Decimal("0.0001"), rounding=ROUND_FLOOR)


def unified_account(
    wallet: Decimal,
    unrealized_pnl: Decimal,
    initial_margin: Decimal,
    maintenance_margin: Decimal = ZERO,
) -> UnifiedAccount:
    """Return the account of four totals without open orders, USD."""
    return UnifiedAccount(
        wallet=wallet,
        unrealized_pnl=unrealized_pnl,
        initial_margin=initial_margin,
        maintenance_margin=maintenance_margin,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class WalletCoin:
    """One coin of a wallet message, alone in its account.

    Attributes:
        total_equity: `totalEquity` of the account, USD, without haircut.
        total_wallet: `totalWalletBalance` of the account, USD, with it.
        equity: `equity` of the coin.
        wallet: `walletBalance` of the coin.
        unrealized_pnl: `unrealisedPnl` of the coin.
    """

    total_equity: Decimal
    total_wallet: Decimal
    equity: Decimal
    wallet: Decimal
    unrealized_pnl: Decimal

    def __post_init__(self) -> None:
        if not (self.equity > ZERO and self.wallet > ZERO and self.total_equity > ZERO):
            msg = f"a coin with equity {self.equity} and wallet {self.wallet} says no ratio"
            raise InvalidInput(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImpliedCollateral:
    """What a wallet message implies.

    Attributes:
        usd_price: Price of the coin.
        collateral_ratio: Collateral value ratio, fraction.
        perp_unrealized_pnl: `totalPerpUPL`: the ratio multiplies profit as well, USD.
    """

    usd_price: Decimal
    collateral_ratio: Decimal
    perp_unrealized_pnl: Decimal


def implied_collateral(coin: WalletCoin) -> ImpliedCollateral:
    """Return price and collateral value ratio that the totals of a one-coin wallet imply."""
    with exact():
        price = coin.total_equity / coin.equity
        ratio = coin.total_wallet / (coin.wallet * price)
        return ImpliedCollateral(
            usd_price=price,
            collateral_ratio=ratio,
            perp_unrealized_pnl=coin.unrealized_pnl * price * ratio,
        )


def inverse_bankruptcy_price(
    *, contracts: Decimal, entry_price: Decimal, margin: Decimal, taker_fee: Decimal = ZERO
) -> Decimal | None:
    """Return the price at which an inverse long has used up its margin, the fee to close included.

    `contracts * (1 - fee) / (contracts / entry + margin)` would close it for nothing; the fee is on
    the value at that price: `contracts (1 / entry - 1 / price) + margin = fee * contracts / price`.

    Args:
        contracts: Size in USD, negative for a short.
        entry_price: Average entry price.
        margin: Balance or isolated margin, coin.
        taker_fee: Fraction of the value that closing costs.

    Returns:
        The price, USD; `None` where no positive price uses the margin up.

    Source: Bybit help 360039261334, inverse contracts in cross margin.
    """
    with exact():
        owed = contracts * (1 + taker_fee) if contracts > ZERO else contracts * (1 - taker_fee)
        covered = contracts / entry_price + margin
        return owed / covered if covered * contracts > ZERO else None
