"""Derive (Lyra v2): liquidation auctions and what its margins add to the sum of positions.

Margins of this venue are signed: an account is liquidatable below zero. Amounts are in USDC.

Source: docs.derive.xyz reference/liquidations, portfolio-margin, standard-margin
(mirror codetodamoon/binance_deribit_derive_docs at c34217b6).
"""

from dataclasses import dataclass
from decimal import Decimal

from keelmark.core.errors import InvalidInput
from keelmark.core.numbers import ONE, ZERO, exact


@dataclass(frozen=True, slots=True, kw_only=True)
class AuctionTerms:
    """Terms of the liquidation auctions.

    Attributes:
        buffer_scale: How far beyond maintenance a liquidation goes.
        fee: Fee on what is liquidated at the flagging.
        discount_first: Discount of a solvent auction at its start.
        discount_fast: Discount at the end of its fast part.
        fast_minutes: Length of the fast part.
        slow_minutes: Time from there to a discount of one.
        insolvent_minutes: Time an insolvent auction takes to its last offer.
    """

    buffer_scale: Decimal = Decimal("0.15")
    fee: Decimal = Decimal("0.1")
    discount_first: Decimal = Decimal("0.05")
    discount_fast: Decimal = Decimal("0.3")
    fast_minutes: Decimal = Decimal(15)
    slow_minutes: Decimal = Decimal(720)
    insolvent_minutes: Decimal = Decimal(60)


AUCTION = AuctionTerms()
"""The terms the page names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Auctioned:
    """An account in a solvent auction, USDC.

    Attributes:
        mark_to_market: Value of the portfolio.
        buffer_margin: Maintenance margin with the buffer, negative.
        reserved: Cash received from liquidators in this auction.
    """

    mark_to_market: Decimal
    buffer_margin: Decimal
    reserved: Decimal = ZERO

    def __post_init__(self) -> None:
        if not self.buffer_margin < ZERO < self.mark_to_market:
            msg = (
                f"no solvent auction of an account worth {self.mark_to_market} with a buffer "
                f"margin of {self.buffer_margin}: worth must be above zero, the margin below it"
            )
            raise InvalidInput(msg)


def buffer_margin(
    maintenance_margin: Decimal, mark_to_market: Decimal, terms: AuctionTerms = AUCTION
) -> Decimal:
    """Return `maintenance + scale * (maintenance - mark to market)`."""
    with exact():
        return maintenance_margin + terms.buffer_scale * (maintenance_margin - mark_to_market)


def liquidation_fee(account: Auctioned, terms: AuctionTerms = AUCTION) -> Decimal:
    """Return the fee at the flagging: `value * fee * buffer / (buffer - value)`."""
    with exact():
        share = account.buffer_margin / (account.buffer_margin - account.mark_to_market)
        return account.mark_to_market * terms.fee * share


def solvent_discount(minutes: Decimal, terms: AuctionTerms = AUCTION) -> Decimal:
    """Return the discount of a solvent auction: linear to the fast one, then linear to one."""
    with exact():
        if minutes <= terms.fast_minutes:
            gained = terms.discount_fast - terms.discount_first
            return terms.discount_first + gained * max(minutes, ZERO) / terms.fast_minutes
        share = min(ONE, (minutes - terms.fast_minutes) / terms.slow_minutes)
        return terms.discount_fast + (ONE - terms.discount_fast) * share


def fraction_max(account: Auctioned, discount: Decimal) -> Decimal:
    """Return the largest share of the account a liquidator may take, at most one.

    `buffer / (buffer - (1 - discount) * value - discount * reserved)`: what brings the buffer
    margin to zero.
    """
    with exact():
        bought = (ONE - discount) * account.mark_to_market + discount * account.reserved
        return min(ONE, account.buffer_margin / (account.buffer_margin - bought))


def liquidator_cost(account: Auctioned, share: Decimal, discount: Decimal) -> Decimal:
    """Return what a liquidator pays for a share: `share * (value - reserved) * (1 - discount)`."""
    with exact():
        return share * (account.mark_to_market - account.reserved) * (ONE - discount)


def liquidator_cash(account: Auctioned, share: Decimal, discount: Decimal) -> Decimal:
    """Return the cash a liquidator must hold: the cost, and the share of the buffer margin."""
    with exact():
        kept = share * abs(account.buffer_margin - account.reserved)
        return liquidator_cost(account, share, discount) + kept


def insolvent_offer(
    mark_to_market: Decimal,
    maintenance_margin: Decimal,
    minutes: Decimal,
    terms: AuctionTerms = AUCTION,
) -> Decimal:
    """Return the offer of an insolvent auction, negative: what the security module pays.

    `min(0, value) + min(1, t / duration) * (maintenance - min(0, value))`.
    """
    with exact():
        start = min(ZERO, mark_to_market)
        share = min(ONE, max(ZERO, minutes) / terms.insolvent_minutes)
        return start + share * (maintenance_margin - start)


def withdrawal_fee(debt: Decimal, deposits: Decimal) -> Decimal:
    """Return the fee on withdrawals that shares an uncovered debt: `debt / (debt + deposits)`."""
    if debt + deposits <= ZERO:
        msg = f"a debt of {debt} over deposits of {deposits} has no fee; both must not be zero"
        raise InvalidInput(msg)
    with exact():
        return debt / (debt + deposits)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContingencyTerms:
    """Terms of what initial margin adds when USDC or an oracle is not to be trusted.

    Attributes:
        usdc_threshold: USDC price below which the de-peg charge begins.
        depeg_factor: Standard margin: charge per USD of de-peg and contract, in spot prices.
        peg_factor: Portfolio margin: rise of the loss multiple per USD of de-peg.
        confidence_scale: Scale of the oracle charge.
        confidence_threshold: Confidence below which it applies; portfolio margin names none.
    """

    usdc_threshold: Decimal = Decimal("0.99")
    depeg_factor: Decimal = Decimal(2)
    peg_factor: Decimal = Decimal(4)
    confidence_scale: Decimal = ONE
    confidence_threshold: Decimal = Decimal("0.55")


CONTINGENCY = ContingencyTerms()
"""The terms the pages name."""


def depeg_contingency(
    spot: Decimal,
    contracts: Decimal,
    usdc_price: Decimal,
    terms: ContingencyTerms = CONTINGENCY,
) -> Decimal:
    """Return the de-peg charge on one underlying in standard margin, negative.

    Args:
        spot: Spot price of the underlying, USD.
        contracts: Short options and perpetuals on it, absolute contracts.
        usdc_price: Price of USDC, USD.
        terms: Threshold and factor.
    """
    with exact():
        depeg = max(ZERO, terms.usdc_threshold - usdc_price)
        return -depeg * spot * terms.depeg_factor * contracts


def oracle_contingency(
    spot: Decimal,
    contracts: Decimal,
    confidence: Decimal,
    terms: ContingencyTerms = CONTINGENCY,
) -> Decimal:
    """Return the charge on contracts whose price feed is uncertain, negative or zero.

    Args:
        spot: Spot price of the underlying, USD.
        contracts: Absolute contracts (or base units) that depend on the feed.
        confidence: Least confidence of their feeds.
        terms: Scale and threshold.
    """
    with exact():
        if confidence >= terms.confidence_threshold:
            return ZERO
        return -terms.confidence_scale * contracts * spot * (ONE - confidence)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """Contracts on one underlying.

    Attributes:
        spot: Spot price, USD.
        contracts: Short options or perpetuals, absolute.
        confidence: Least confidence of their price feeds.
    """

    spot: Decimal
    contracts: Decimal
    confidence: Decimal = ONE


@dataclass(frozen=True, slots=True, kw_only=True)
class StressedInitial:
    """Initial margin with contingencies, USDC.

    Attributes:
        before: Without them.
        oracle: Oracle contingency of each exposure.
        depeg: De-peg contingency of each exposure.
    """

    before: Decimal
    oracle: tuple[Decimal, ...]
    depeg: tuple[Decimal, ...]

    @property
    def initial_margin(self) -> Decimal:
        """What is left."""
        with exact():
            return self.before + sum(self.oracle, ZERO) + sum(self.depeg, ZERO)


def stressed_initial(
    before: Decimal,
    exposures: tuple[Exposure, ...],
    usdc_price: Decimal,
    terms: ContingencyTerms = CONTINGENCY,
) -> StressedInitial:
    """Return the initial margin in standard margin when a feed or USDC is not to be trusted.

    Args:
        before: Initial margin without contingencies, USDC.
        exposures: Short options and perpetuals by underlying and feed.
        usdc_price: Price of USDC, USD.
        terms: Thresholds and factors.
    """
    return StressedInitial(
        before=before,
        oracle=tuple(
            oracle_contingency(e.spot, e.contracts, e.confidence, terms) for e in exposures
        ),
        depeg=tuple(depeg_contingency(e.spot, e.contracts, usdc_price, terms) for e in exposures),
    )


def loss_multiple(
    usdc_price: Decimal,
    base: Decimal = Decimal("1.25"),
    terms: ContingencyTerms = CONTINGENCY,
) -> Decimal:
    """Return the factor on losses in portfolio initial margin: it rises as USDC loses its peg."""
    with exact():
        return base + max(ZERO, terms.usdc_threshold - usdc_price) * terms.peg_factor


@dataclass(frozen=True, slots=True, kw_only=True)
class PortfolioLosses:
    """What portfolio margin takes off the value of a portfolio, USDC, all negative or zero.

    Attributes:
        scenarios: Largest loss of the scenarios.
        forward: Forward contingency.
        assets: Base, perpetual and option contingencies.
    """

    scenarios: Decimal
    forward: Decimal = ZERO
    assets: Decimal = ZERO

    @property
    def total(self) -> Decimal:
        """`min(scenarios, forward) + assets`."""
        with exact():
            return min(self.scenarios, self.forward) + self.assets


def portfolio_maintenance(mark_to_market: Decimal, losses: PortfolioLosses) -> Decimal:
    """Return the maintenance margin of a portfolio: its value and its losses."""
    with exact():
        return mark_to_market + losses.total


def portfolio_initial(
    mark_to_market: Decimal,
    losses: PortfolioLosses,
    multiple: Decimal = Decimal("1.25"),
    oracle: Decimal = ZERO,
) -> Decimal:
    """Return the initial margin of a portfolio: its value, its losses times a factor, the oracle.

    Args:
        mark_to_market: Value of the portfolio, USDC.
        losses: Scenario loss and contingencies, USDC.
        multiple: From `loss_multiple`.
        oracle: Oracle contingency, USDC, negative or zero.
    """
    with exact():
        return mark_to_market + multiple * losses.total + oracle


def asset_contingency(contracts: Decimal, spot: Decimal, factor: Decimal) -> Decimal:
    """Return the charge on what is held of one kind, negative: `-contracts * spot * factor`.

    Args:
        contracts: Base units, perpetuals, or short options net by strike; absolute.
        spot: Spot price, USD.
        factor: 3 % for base and perpetuals. For short options the text of the page says 1.5 % and
            its example takes 2 %: the caller names it.
    """
    with exact():
        return -contracts * spot * factor
