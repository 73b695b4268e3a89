"""What every leg moves with: delta, gamma, vega and theta, each with its unit.

A leg's delta is in coins, and its value at the price of the coin. Perpetuals and futures move one
for one; an inverse contract of `N` dollars is `N / P` coins. Options move by Black-76 at the
volatility the market gives, or the mark implies. Collateral with a price of its own is a leg too:
what is held of it, with the profit that settles in it.

    delta   coins                               value   delta * price, the unit's currency
    gamma   coins of delta per 1 % of the price
    vega    the unit's currency per point (0.01) of annual volatility
    theta   the unit's currency per day

Source: Black (1976); docs/model.md, "Portfolio".
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from keelmark.core.black76 import greeks
from keelmark.core.coins import stands_for_the_dollar
from keelmark.core.errors import KeelmarkError
from keelmark.core.instrument import InstrumentKind
from keelmark.core.margin import AssetMargin, MarginReport, PositionMargin
from keelmark.core.market import Market
from keelmark.core.model import MarginModel
from keelmark.core.numbers import exact
from keelmark.core.repricing import Repricer
from keelmark.risk.symbols import coin_of

ONE_PERCENT = 0.01
YEAR_DAYS = 365.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LegGreeks:
    """How one leg moves.

    Attributes:
        name: Its instrument, or the asset held.
        coin: What it moves with.
        expiry: When it ends; `None` for what does not.
        delta: Coins; `None` where it is unknown.
        value: Delta at the price of the coin, the unit's currency.
        gamma: Coins of delta per 1 % of the price.
        vega: The unit's currency per point of volatility.
        theta: The unit's currency per day.
        is_option: Whether it is one.
        is_collateral: Whether it is what is held rather than a contract.
        reason: Why it is unknown.
    """

    name: str
    coin: str
    expiry: datetime | None = None
    delta: float | None
    value: float | None
    gamma: float = 0.0
    vega: float = 0.0
    theta: float = 0.0
    is_option: bool = False
    is_collateral: bool = False
    reason: str | None = None


def legs_of(report: MarginReport, market: Market, model: MarginModel) -> tuple[LegGreeks, ...]:
    """Return how every leg of a unit moves, its positions first, then its collateral."""
    prices = {asset.asset: float(asset.price) for asset in report.assets}
    positions = (_position(held, market, prices) for held in report.positions)
    return (*positions, *_collateral(report.assets, model))


def _position(held: PositionMargin, market: Market, prices: dict[str, float]) -> LegGreeks:
    instrument = held.terms.instrument
    coin, bundle = coin_of(instrument.base)
    price = prices.get(instrument.settle, 1.0)
    if held.option is not None:
        return _option(held, market, price)
    size = float(held.position.size * instrument.contract_size)
    coins = size / float(held.mark_price) if instrument.is_inverse else size
    value = coins if instrument.is_inverse else size * float(held.mark_price)
    return LegGreeks(
        name=instrument.symbol,
        coin=coin,
        expiry=instrument.expiry,
        delta=coins * float(bundle),
        value=value * price,
    )


def _option(held: PositionMargin, market: Market, price: float) -> LegGreeks:
    """Return the Greeks of an option, or why they are unknown."""
    instrument = held.terms.instrument
    coin, bundle = coin_of(instrument.base)
    try:
        with exact():
            now = Repricer.of(instrument, market)
    except KeelmarkError as error:
        return LegGreeks(
            name=instrument.symbol,
            coin=coin,
            expiry=instrument.expiry,
            delta=None,
            value=None,
            is_option=True,
            reason=str(error),
        )
    forward = float(now.forward)
    own = greeks(now.payoff.at(forward, now.years), now.volatility)
    units = float(held.position.size * instrument.contract_size)
    in_coin = instrument.kind is InstrumentKind.INVERSE_OPTION
    money = price / forward if in_coin else price  # one quote unit in the unit's currency
    return LegGreeks(
        name=instrument.symbol,
        coin=coin,
        expiry=instrument.expiry,
        delta=units * own.delta * float(bundle),
        value=units * own.delta * forward * money,
        gamma=units * own.gamma * forward * ONE_PERCENT * float(bundle),
        vega=units * own.vega * ONE_PERCENT * money,
        theta=units * own.theta / YEAR_DAYS * money,
        is_option=True,
    )


def _collateral(assets: tuple[AssetMargin, ...], model: MarginModel) -> Iterator[LegGreeks]:
    """Yield what is held of each asset whose price moves, dollars left out."""
    for asset in assets:
        if not model.reads_price_of(asset.asset) or stands_for_the_dollar(asset.asset, model):
            continue
        with exact():
            held = float(asset.balance - asset.accrued_interest + asset.unrealized_pnl)
        if held:
            coin, bundle = coin_of(asset.asset)
            yield LegGreeks(
                name=asset.asset,
                coin=coin,
                delta=held * float(bundle),
                value=held * float(asset.price),
                is_collateral=True,
            )
