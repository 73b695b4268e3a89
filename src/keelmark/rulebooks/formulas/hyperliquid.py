"""Hyperliquid: funding, borrowing under portfolio margin, and the ratios of account modes.

Values are in USDC, rates are fractions, `ltv` is the loan-to-value ratio of a collateral token.

Source: hyperliquid.gitbook.io (mirror dzmbs/hyperliquid-docs at 24c1248c): docs/trading/funding.md,
docs/trading/portfolio-margin.md, docs/trading/account-abstraction-modes.md,
docs/support/faq/portfolio-margin.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from keelmark.core.errors import InvalidInput
from keelmark.core.numbers import ONE, ZERO, exact

PARTIAL_SHARE = Decimal(1) / 2
"""How far between LTV and 1 the debt may go before a part is liquidated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FundingTerms:
    """Terms of the 8-hour funding rate.

    Attributes:
        interest: Interest rate over 8 hours.
        band: How far the premium may pull the rate from it.
    """

    interest: Decimal = Decimal("0.0001")
    band: Decimal = Decimal("0.0005")


@dataclass(frozen=True, slots=True, kw_only=True)
class Funding:
    """A funding sample.

    Attributes:
        premium: Impact prices against the oracle, fraction.
        rate: 8-hour funding rate; an eighth is paid each hour on the oracle notional.
    """

    premium: Decimal
    rate: Decimal


def funding(
    impact_bid: Decimal,
    impact_ask: Decimal,
    oracle: Decimal,
    terms: FundingTerms = FundingTerms(),
) -> Funding:
    """Return premium and 8-hour rate of one sample.

    `premium = (max(bid - oracle, 0) - max(oracle - ask, 0)) / oracle`, and the rate is
    `premium + clamp(interest - premium, -band, band)`. The cap of 4 % an hour is the caller's.

    Args:
        impact_bid: Average price of selling the impact notional, USDC.
        impact_ask: Average price of buying it, USDC.
        oracle: Oracle price, USDC, positive.
        terms: Interest and band.
    """
    with exact():
        premium = (max(impact_bid - oracle, ZERO) - max(oracle - impact_ask, ZERO)) / oracle
        pull = min(max(terms.interest - premium, -terms.band), terms.band)
        return Funding(premium=premium, rate=premium + pull)


@dataclass(frozen=True, slots=True, kw_only=True)
class BorrowCollateral:
    """A token that can be borrowed against.

    Attributes:
        balance: Amount held.
        price: Borrow oracle price, USDC.
        ltv: Loan-to-value ratio.
    """

    balance: Decimal
    price: Decimal
    ltv: Decimal

    @property
    def value(self) -> Decimal:
        """`balance * price`."""
        with exact():
            return self.balance * self.price

    @property
    def borrowable(self) -> Decimal:
        """`balance * price * ltv`, before any cap."""
        with exact():
            return self.value * self.ltv


def borrowable(collateral: BorrowCollateral) -> Decimal:
    """Return what can be borrowed against a token, USDC, before any cap."""
    return collateral.borrowable


def locked_collateral(borrowed: Decimal, price: Decimal, ltv: Decimal) -> Decimal:
    """Return how much of a single collateral token a debt holds back: `borrowed / (ltv * price)`.

    Args:
        borrowed: Debt, USDC.
        price: Borrow oracle price of the token, USDC.
        ltv: Its loan-to-value ratio, positive.
    """
    with exact():
        return borrowed / (ltv * price)


def health_factor(collateral: Sequence[BorrowCollateral], borrowed: Decimal) -> Decimal:
    """Return collateral weighted by LTV over the debt; below 1 nothing more can be borrowed.

    Raises:
        InvalidInput: Nothing is borrowed, so there is no factor.
    """
    if borrowed <= ZERO:
        msg = f"a debt of {borrowed} has no health factor; it needs something borrowed"
        raise InvalidInput(msg)
    with exact():
        return sum((token.borrowable for token in collateral), ZERO) / borrowed


@dataclass(frozen=True, slots=True, kw_only=True)
class BorrowThresholds:
    """Debts beyond which a borrow is liquidated, USDC.

    Attributes:
        partial: A part of it, every 3 seconds.
        full: All of it.
    """

    partial: Decimal
    full: Decimal


def borrow_thresholds(collateral: BorrowCollateral) -> BorrowThresholds:
    """Return `value * (ltv + (1 - ltv) * share)` for shares 1/2 (a part) and 2/3 (all).

    The venue's page rounds the second factor (83.3 %) before it multiplies; this does not.
    """
    with exact():
        rest = ONE - collateral.ltv
        return BorrowThresholds(
            partial=collateral.value * (collateral.ltv + rest * PARTIAL_SHARE),
            full=collateral.value * (collateral.ltv + rest * 2 / 3),
        )


def borrow_rate(utilisation: Decimal) -> Decimal:
    """Return the yearly rate on borrowed stablecoins, `0.05 + 4.75 * max(0, utilisation - 0.8)`."""
    with exact():
        return Decimal("0.05") + Decimal("4.75") * max(ZERO, utilisation - Decimal("0.8"))


@dataclass(frozen=True, slots=True, kw_only=True)
class BorrowableToken:
    """What one borrowable token brings to a portfolio margin ratio.

    Attributes:
        balance: Portfolio balance in it, USDC.
        collateral_balance: The balance that counts as collateral, tokens.
        price: Borrow oracle price, USDC.
        ltv: Loan-to-value ratio.
        borrowed: Borrowed size that counts for maintenance, tokens.
        borrow_cap: USDC.
        supply_cap: Tokens.
    """

    balance: Decimal
    collateral_balance: Decimal
    price: Decimal
    ltv: Decimal
    borrowed: Decimal
    borrow_cap: Decimal
    supply_cap: Decimal

    @property
    def liquidation_value(self) -> Decimal:
        """`balance + min(borrow cap, min(collateral, supply cap) * price * (0.5 + 0.5 ltv))`."""
        with exact():
            counted = min(self.collateral_balance, self.supply_cap) * self.price
            return self.balance + min(self.borrow_cap, counted * (ONE + self.ltv) / 2)


def portfolio_margin_ratio(
    tokens: Sequence[BorrowableToken],
    cross_maintenance: Decimal,
    offset: Decimal = Decimal(20),
) -> Decimal | None:
    """Return the portfolio margin ratio; above 0.95 the account is liquidatable.

    `max over tokens of (offset + cross maintenance + borrowed * price) / liquidation value`. The
    page writes one `portfolio_balance(token)` for the balance that is borrowed in and for the one
    that is borrowed against; they are two arguments here, and the caller says which is meant.

    Args:
        tokens: Borrowable tokens.
        cross_maintenance: Cross maintenance margin of all DEXs, USDC.
        offset: Smallest requirement, USDC.

    Returns:
        The ratio, or `None` where a token has no liquidation value left: no ratio measures that.
    """
    with exact():
        ratios = []
        for token in tokens:
            if token.liquidation_value <= ZERO:
                return None
            required = offset + cross_maintenance + token.borrowed * token.price
            ratios.append(required / token.liquidation_value)
        return max(ratios, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnifiedToken:
    """One collateral token of a unified account, in that token.

    Attributes:
        cross_maintenance: Cross maintenance margin of every DEX that settles in it.
        spot_total: Spot balance.
        isolated_margin: Margin of isolated positions.
    """

    cross_maintenance: Decimal
    spot_total: Decimal
    isolated_margin: Decimal = ZERO


def unified_account_ratio(tokens: Sequence[UnifiedToken]) -> Decimal:
    """Return `max over tokens of cross maintenance / (spot total - isolated margin)`.

    A token whose balance is used up by isolated margin is left out, as in the venue's own code.
    """
    with exact():
        ratios = [
            token.cross_maintenance / (token.spot_total - token.isolated_margin)
            for token in tokens
            if token.spot_total > token.isolated_margin
        ]
        return max(ratios, default=ZERO)
