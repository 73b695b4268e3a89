"""Binance: liquidation prices as it prints them, queue scores, multi-assets mode, uniMMR.

Amounts of USDⓈ-M are in the margin asset, of COIN-M in coin, of multi-assets mode and portfolio
margin in USD; prices are quote per base, rates are fractions. Where a formula and `core` answer the
same question, `core` decides and the formula is what the venue would print.

Source: Binance support FAQ b3c689c1f50a44cabb3a84e663b81d93 and ceccfcfb4e3a45e3b48b0b1bb1a8ae46
(liquidation prices), 360033525471 and dev.binance.vision 17801 (deleveraging),
c983a9268cfa4e70a4916c276bb3b7bc and the page multi-asset-info (multi-assets mode),
4868b2f1aa6c4d08af973328462bb0bd and 5e33af8e6ac04d57a1d0a3398e0a0752 (portfolio margin).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from keelmark.core.errors import InvalidInput
from keelmark.core.numbers import ONE, ZERO, exact
from keelmark.core.rules import with_deductions


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One leg of a contract with the row of its bracket table.

    Attributes:
        size: Base units (USDⓈ-M) or contracts (COIN-M), signed: long positive.
        entry_price: Average entry.
        rate: Maintenance rate of the row (MMR).
        amount: Maintenance amount of the row (cum), margin asset.
    """

    size: Decimal
    entry_price: Decimal
    rate: Decimal
    amount: Decimal = ZERO

    def __post_init__(self) -> None:
        if self.size == ZERO or not self.entry_price > ZERO:
            msg = (
                f"a leg of {self.size} at {self.entry_price}: give a size other than zero and a "
                "positive entry price"
            )
            raise InvalidInput(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wallet:
    """What stands beside the contract whose liquidation price is asked, margin asset.

    Attributes:
        balance: Cross or isolated wallet balance (WB).
        other_maintenance: Maintenance margin of every other contract (TMM1); 0 if isolated.
        other_profit: Unrealised profit of every other contract (UPNL1); 0 if isolated.
    """

    balance: Decimal
    other_maintenance: Decimal = ZERO
    other_profit: Decimal = ZERO

    @property
    def free(self) -> Decimal:
        """What the contract can lose: `WB - TMM1 + UPNL1`."""
        return self.balance - self.other_maintenance + self.other_profit


def liquidation_price(wallet: Wallet, legs: Sequence[Leg]) -> Decimal | None:
    """Return the liquidation price of a USDⓈ-M contract as the venue prints it.

    `(WB - TMM1 + UPNL1 + sum cum - sum q EP) / (sum abs(q) MMR - sum q)`: one leg in one-way mode,
    the long and the short one in hedge mode, which share one price in cross margin.

    Args:
        wallet: Balance, and what other contracts need and earn.
        legs: Legs of the contract, each with the row at the liquidation price: where the notional
            there falls into another row, ask again with that one.

    Returns:
        The price, unrounded; `None` where it is not positive (the venue shows `--`) or the legs
        cancel, so that no price liquidates.

    Source: FAQ b3c689c1f50a44cabb3a84e663b81d93.
    """
    with exact():
        over = wallet.free + sum((leg.amount - leg.size * leg.entry_price for leg in legs), ZERO)
        under = sum((abs(leg.size) * leg.rate - leg.size for leg in legs), ZERO)
        return _positive(over, under)


def coin_liquidation_price(
    wallet: Wallet,
    legs: Sequence[Leg],
    contract_size: Decimal,
) -> Decimal | None:
    """Return the liquidation price of a COIN-M contract as the venue prints it.

    `sum Q (MMR + side) / (WB - TMM1 + UPNL1 + sum cum + sum side Q / EP)`, `Q` the USD value of a
    leg.

    Args:
        wallet: In coin.
        legs: Sizes in contracts, amounts in coin; rows at the liquidation price.
        contract_size: USD per contract.

    Returns:
        As `liquidation_price`.

    Source: FAQ ceccfcfb4e3a45e3b48b0b1bb1a8ae46.
    """
    with exact():
        values = [(leg, leg.size * contract_size) for leg in legs]
        over = sum((abs(value) * leg.rate + value for leg, value in values), ZERO)
        under = wallet.free + sum(
            (leg.amount + value / leg.entry_price for leg, value in values), ZERO
        )
        return _positive(over, under)


def _positive(over: Decimal, under: Decimal) -> Decimal | None:
    """Return a quotient if it is a positive price."""
    if under == ZERO or over / under <= ZERO:
        return None
    return over / under


def coin_notional(contracts: Decimal, contract_size: Decimal, mark: Decimal) -> Decimal:
    """Return the notional of COIN-M contracts in coin: `abs(contracts) * contract_size / mark`."""
    with exact():
        return abs(contracts) * contract_size / mark


def maintenance_margin(notional: Decimal, rate: Decimal, amount: Decimal = ZERO) -> Decimal:
    """Return `abs(notional) * rate - amount`, not below zero."""
    with exact():
        return max(ZERO, abs(notional) * rate - amount)


def maintenance_amount(
    floor: Decimal,
    rate: Decimal,
    rate_before: Decimal,
    amount_before: Decimal,
) -> Decimal:
    """Return the maintenance amount of a row from the row before it.

    `floor * (rate - rate_before) + amount_before`. Source: FAQ ceccfcfb4e3a45e3b48b0b1bb1a8ae46.
    """
    with exact():
        return floor * (rate - rate_before) + amount_before


def maintenance_amounts(rows: Iterable[tuple[Decimal, Decimal]]) -> tuple[Decimal, ...]:
    """Return the maintenance amounts of (floor, rate) rows in rising order; the first is 0."""
    return tuple(tier.deduction for tier in with_deductions(rows))


@dataclass(frozen=True, slots=True, kw_only=True)
class AdlScore:
    """Where a position stands in the queue for auto-deleveraging.

    Attributes:
        pnl_percent: Profit over wallet balance, fraction; 0 for a loss.
        leverage_pnl: `pnl_percent * margin ratio`: the largest is deleveraged first.
    """

    pnl_percent: Decimal
    leverage_pnl: Decimal


def adl_score(
    unrealized_pnl: Decimal,
    wallet_balance: Decimal,
    margin_ratio: Decimal,
) -> AdlScore:
    """Return the deleveraging score of a position.

    `PnL% = max(0, profit) / max(1, wallet)` and `LeveragePnl = PnL% * margin ratio`. What counts as
    wallet balance in a cross account is not published.

    Source: dev.binance.vision 17801.
    """
    with exact():
        share = max(ZERO, unrealized_pnl) / max(ONE, wallet_balance)
        return AdlScore(pnl_percent=share, leverage_pnl=share * margin_ratio)


def adl_margin_ratio(
    maintenance: Decimal,
    wallet_balance: Decimal,
    unrealized_pnl: Decimal,
) -> Decimal:
    """Return `maintenance / (wallet + profit)`, 0 where that is not positive."""
    with exact():
        equity = wallet_balance + unrealized_pnl
        return maintenance / equity if equity > ZERO else ZERO


def adl_quantile(rank: int, users: int) -> Decimal:
    """Return the rank (1 is deleveraged last) over the number of users in the queue."""
    if not 0 < rank <= users:
        msg = f"rank {rank} of {users} users: give a rank from 1 to the number of users"
        raise InvalidInput(msg)
    with exact():
        return Decimal(rank) / users


def auto_exchange_value(deficit: Decimal, exchange_haircut: Decimal) -> Decimal:
    """Return the value of collateral sold to cover a negative balance: `deficit / (1 - haircut)`.

    Source: multi-asset-info (20,000 at 2.5 % sells 20,513).
    """
    with exact():
        return deficit / (ONE - exchange_haircut)


def auto_exchange(
    deficit: Decimal,
    collateral: Mapping[str, Decimal],
    haircuts: Mapping[str, Decimal],
) -> dict[str, Decimal]:
    """Return what is sold of each asset to cover a negative balance, USD.

    Assets give in proportion to their value; a deficit beyond all of them takes them whole.

    Args:
        deficit: Amount below zero, USD, positive.
        collateral: Value of each positive balance, USD.
        haircuts: Exchange haircut of each, fraction.

    Source: multi-asset-info.
    """
    with exact():
        worth = sum((value * (ONE - haircuts[name]) for name, value in collateral.items()), ZERO)
        share = min(ONE, deficit / worth) if worth > ZERO else ZERO
        return {name: value * share for name, value in collateral.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetRates:
    """USD rates of an asset in multi-assets mode: credits count at the bid, debts at the ask."""

    bid: Decimal
    ask: Decimal


def asset_rates(index: Decimal, bid_buffer: Decimal, ask_buffer: Decimal) -> AssetRates:
    """Return `index * (1 - bid buffer)` and `index * (1 + ask buffer)`.

    One less the bid buffer is the asset's collateral ratio.
    Source: FAQ c983a9268cfa4e70a4916c276bb3b7bc; GET /fapi/v1/assetIndex.
    """
    with exact():
        return AssetRates(bid=index * (ONE - bid_buffer), ask=index * (ONE + ask_buffer))


@dataclass(frozen=True, slots=True, kw_only=True)
class MultiAsset:
    """One asset of an account in multi-assets mode; amounts in the asset.

    Attributes:
        equity: Wallet balance plus unrealised profit settled in it.
        rates: Its USD rates.
        maintenance: Maintenance margin settled in it.
        initial: Initial margin settled in it.
    """

    equity: Decimal
    rates: AssetRates
    maintenance: Decimal = ZERO
    initial: Decimal = ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class MultiAssetsMargin:
    """Margin of an account in multi-assets mode, USD.

    Attributes:
        equity: `sum min(equity * bid, equity * ask)`.
        maintenance_margin: `sum maintenance * ask`.
        available: `equity - sum initial * ask`.
        margin_ratio: Maintenance over equity, liquidation at 1; `None` without equity.
    """

    equity: Decimal
    maintenance_margin: Decimal
    available: Decimal
    margin_ratio: Decimal | None


def multi_assets_margin(assets: Sequence[MultiAsset]) -> MultiAssetsMargin:
    """Return the margin of a multi-assets account with the venue's bid and ask rates.

    Source: FAQ c983a9268cfa4e70a4916c276bb3b7bc.
    """
    with exact():
        equity = sum((min(a.equity * a.rates.bid, a.equity * a.rates.ask) for a in assets), ZERO)
        maintenance = sum((a.maintenance * a.rates.ask for a in assets), ZERO)
        initial = sum((a.initial * a.rates.ask for a in assets), ZERO)
        return MultiAssetsMargin(
            equity=equity,
            maintenance_margin=maintenance,
            available=equity - initial,
            margin_ratio=maintenance / equity if equity > ZERO else None,
        )


class UniMmrBand(StrEnum):
    """What an account under portfolio margin may do, by its uniMMR."""

    NORMAL = "normal"
    """Above 1.5."""
    REMINDER = "reminder"
    """Above 1.2: asked to add funds or reduce."""
    REDUCE_ONLY = "reduce_only"
    """Above 1.05: only orders that reduce."""
    LIQUIDATION = "liquidation"
    """Above 1, at most 1.05."""
    CLAIM = "claim"
    """At most 1: the venue may claim the loss."""


UNI_MMR_BANDS = (
    (Decimal("1.5"), UniMmrBand.NORMAL),
    (Decimal("1.2"), UniMmrBand.REMINDER),
    (Decimal("1.05"), UniMmrBand.REDUCE_ONLY),
    (ONE, UniMmrBand.LIQUIDATION),
)
"""Bands by the uniMMR they lie above."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PortfolioAsset:
    """One asset of a portfolio margin account; amounts in the asset.

    Attributes:
        margin_asset: What the cross margin wallet holds, loans included.
        margin_loan: What is borrowed, interest included.
        futures_asset: Balances of the futures wallets.
        futures_pnl: Unrealised profit settled in it.
        futures_maintenance: Maintenance margin of futures settled in it.
        loan_rate: Maintenance rate of a loan in it, by the leverage chosen.
        open_loss: Loss of open margin orders.
        index: USD per unit.
        collateral_rate: Fraction that counts.
    """

    margin_asset: Decimal = ZERO
    margin_loan: Decimal = ZERO
    futures_asset: Decimal = ZERO
    futures_pnl: Decimal = ZERO
    futures_maintenance: Decimal = ZERO
    loan_rate: Decimal = ZERO
    open_loss: Decimal = ZERO
    index: Decimal = ONE
    collateral_rate: Decimal = ONE

    @property
    def net(self) -> Decimal:
        """`margin asset - loan + futures asset + futures profit`."""
        with exact():
            return self.margin_asset - self.margin_loan + self.futures_asset + self.futures_pnl

    @property
    def margin_equity(self) -> Decimal:
        """`margin asset - loan`."""
        with exact():
            return self.margin_asset - self.margin_loan

    @property
    def margin_maintenance(self) -> Decimal:
        """Maintenance margin on the loan: `loan * rate`, however much is held."""
        with exact():
            return self.margin_loan * self.loan_rate


@dataclass(frozen=True, slots=True, kw_only=True)
class UniMmr:
    """The unified maintenance margin ratio of a portfolio margin account, USD.

    Attributes:
        equity: `sum min(net * index * collateral rate, net * index)`: debts count in full.
        adjusted_equity: Less the loss of open margin orders.
        maintenance_margin: Of futures and loans.
        ratio: Adjusted equity over maintenance; `None` where nothing is required.
    """

    equity: Decimal
    adjusted_equity: Decimal
    maintenance_margin: Decimal
    ratio: Decimal | None

    @property
    def band(self) -> UniMmrBand:
        """What the account may do."""
        if self.ratio is None:
            return UniMmrBand.NORMAL
        reached = (band for above, band in UNI_MMR_BANDS if self.ratio > above)
        return next(reached, UniMmrBand.CLAIM)


def uni_mmr(assets: Sequence[PortfolioAsset]) -> UniMmr:
    """Return the unified maintenance margin ratio and its parts.

    Source: FAQ 4868b2f1aa6c4d08af973328462bb0bd.
    """
    with exact():
        worths = [(a, a.net * a.index) for a in assets]
        equity = sum((min(worth * a.collateral_rate, worth) for a, worth in worths), ZERO)
        adjusted = equity - sum((a.open_loss * a.index for a in assets), ZERO)
        maintenance = sum(
            ((a.futures_maintenance + a.margin_maintenance) * a.index for a in assets), ZERO
        )
        return UniMmr(
            equity=equity,
            adjusted_equity=adjusted,
            maintenance_margin=maintenance,
            ratio=adjusted / maintenance if maintenance > ZERO else None,
        )


def margin_initial(borrowed: Decimal, leverage: Decimal) -> Decimal:
    """Return the initial margin of a margin loan: `borrowed / (leverage - 1)`.

    Source: portfolio margin trading rules 174861644e7049aaa64845f1db2e4376.
    """
    if leverage <= ONE:
        msg = f"leverage {leverage}: nothing can be borrowed at a leverage of at most 1"
        raise InvalidInput(msg)
    with exact():
        return borrowed / (leverage - ONE)
