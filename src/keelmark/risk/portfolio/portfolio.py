"""What a margin unit is exposed to: volatility, Greeks by coin and expiry, concentration, carry.

    volatility     sqrt(w' S w), w the value of each coin's delta, S the covariance of returns
    contribution   w_i (S w)_i / volatility: they sum to it
    Herfindahl     sum of squared shares of the gross value; its inverse counts equal coins
    leverage       gross: sum of |value| over equity; net: |sum of value| over equity

Options count by their delta: what they do beyond it is in gamma and vega.
Source: docs/model.md, "Portfolio".
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from keelmark.accounts.account import Account
from keelmark.accounts.volatilities import Volatilities
from keelmark.core.errors import KeelmarkError
from keelmark.core.margin import MarginReport, margin_report
from keelmark.core.unit import MarginUnit
from keelmark.risk.portfolio.greeks import LegGreeks, legs_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A number, or why there is none."""

    value: float | None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """The Greeks of some legs together; units as in `portfolio.greeks`.

    Attributes:
        coin: What they move with.
        expiry: Of those that end then; `None` for all of the coin, or what does not end.
        legs: Their names.
    """

    coin: str
    expiry: datetime | None = None
    delta: float | None
    value: float | None
    gamma: float
    vega: float
    theta: float
    legs: tuple[str, ...]
    reason: str | None = None

    @classmethod
    def of(cls, coin: str, expiry: datetime | None, legs: Iterable[LegGreeks]) -> "Bucket":
        """Return legs added up; unknown where one is."""
        held = tuple(legs)
        dark = next((leg.reason for leg in held if leg.delta is None), None)
        return cls(
            coin=coin,
            expiry=expiry,
            delta=None if dark else math.fsum(leg.delta or 0.0 for leg in held),
            value=None if dark else math.fsum(leg.value or 0.0 for leg in held),
            gamma=math.fsum(leg.gamma for leg in held),
            vega=math.fsum(leg.vega for leg in held),
            theta=math.fsum(leg.theta for leg in held),
            legs=tuple(leg.name for leg in held),
            reason=dark,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Concentration:
    """How much of the gross value is in few coins.

    Attributes:
        herfindahl: From one over the count of coins to one.
        coins: How many coins of equal value would be as concentrated.
        largest: Name of the largest.
        share: Its share of the gross value.
        shares: Of every coin, largest first.
    """

    herfindahl: float
    coins: float
    largest: str
    share: float
    shares: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Portfolio:
    """What one margin unit is exposed to.

    Attributes:
        unit_id: Names it.
        currency: What values are in.
        equity: Its worth at the marks, without haircuts.
        legs: Every leg.
        coins: Greeks by coin, the largest value first, collateral counted.
        buckets: Greeks of contracts by coin and expiry.
        gross: Values of coins added up unsigned.
        net: Values of coins added up.
        volatility: Standard deviation of its worth over `horizon`, the unit's currency.
        contributions: Of each coin to that; they sum to it.
        horizon: What a standard deviation spans, in words.
        concentration: `None` where nothing moves, or a delta is unknown.
        open_interest: Share of the market's open interest, by instrument.
        carry: Funding received per day at the rates given, the unit's currency, by instrument.
        reason: Why deltas are unknown.
    """

    unit_id: str
    currency: str
    equity: float
    legs: tuple[LegGreeks, ...]
    coins: tuple[Bucket, ...]
    buckets: tuple[Bucket, ...]
    gross: Known
    net: Known
    volatility: Known
    contributions: Mapping[str, float]
    horizon: str
    concentration: Concentration | None
    open_interest: Mapping[str, Known]
    carry: Mapping[str, Known]
    reason: str | None = None

    def leverage(self, of: Known) -> Known:
        """Return a value over equity, or why there is none."""
        if of.value is None:
            return of
        if self.equity <= 0.0:
            return Known(value=None, reason="there is no equity")
        return Known(value=of.value / self.equity)

    @property
    def gross_leverage(self) -> Known:
        """Gross value over equity."""
        return self.leverage(self.gross)

    @property
    def net_leverage(self) -> Known:
        """Net value over equity, unsigned."""
        found = self.leverage(self.net)
        return found if found.value is None else Known(value=abs(found.value))

    @property
    def relative_volatility(self) -> Known:
        """Volatility over equity."""
        return self.leverage(self.volatility)

    @property
    def carry_total(self) -> Known:
        """Funding of every instrument together; unknown where one is."""
        dark = [f"{name}: {known.reason}" for name, known in self.carry.items() if known.reason]
        if dark:
            return Known(value=None, reason="; ".join(dark))
        return Known(value=math.fsum(known.value or 0.0 for known in self.carry.values()))


def portfolio_of(
    account: Account,
    unit: MarginUnit,
    *,
    volatilities: Volatilities | None = None,
    funding: Mapping[str, float] | None = None,
) -> Portfolio:
    """Return what a unit is exposed to.

    Args:
        account: Whose market and terms it stands in.
        unit: What is margined.
        volatilities: Deviations and covariance of coins; the volatility is unknown without.
        funding: What longs pay per day by instrument, fraction of notional.

    Raises:
        MissingNumber: The margin of the unit is unknown.
    """
    report = margin_report(unit, account.market, account.model)
    legs = legs_of(report, account.market, account.model)
    coins = _by_coin(legs)
    dark = next((leg.reason for leg in legs if leg.reason), None)
    volatility, parts = _volatility(coins, volatilities, dark)
    values = [bucket.value or 0.0 for bucket in coins]
    return Portfolio(
        unit_id=unit.unit_id,
        currency=currency_of(unit, account),
        equity=float(report.equity_raw),
        legs=legs,
        coins=coins,
        buckets=_by_expiry(legs),
        gross=Known(value=None if dark else math.fsum(map(abs, values)), reason=dark),
        net=Known(value=None if dark else math.fsum(values), reason=dark),
        volatility=volatility,
        contributions=parts,
        horizon="" if volatilities is None else volatilities.horizon,
        concentration=None if dark else _concentration(coins),
        open_interest=_open_interest(report, account),
        carry=_carry(report, funding),
        reason=dark,
    )


def currency_of(unit: MarginUnit, account: Account) -> str:
    """Return what the totals of a unit are in: the valuation currency, or its one asset."""
    model = account.model
    return next(iter(unit.balances), "") if model.single_asset else model.valuation


def _by_coin(legs: Iterable[LegGreeks]) -> tuple[Bucket, ...]:
    grouped: dict[str, list[LegGreeks]] = {}
    for leg in legs:
        grouped.setdefault(leg.coin, []).append(leg)
    found = [Bucket.of(coin, None, held) for coin, held in grouped.items()]
    return tuple(sorted(found, key=lambda bucket: -abs(bucket.value or 0.0)))


def _by_expiry(legs: Iterable[LegGreeks]) -> tuple[Bucket, ...]:
    """Return contracts by coin and expiry: what does not end first, then the nearest end."""
    grouped: dict[tuple[str, datetime | None], list[LegGreeks]] = {}
    for leg in legs:
        if not leg.is_collateral:
            grouped.setdefault((leg.coin, leg.expiry), []).append(leg)
    keys = sorted(grouped, key=lambda key: (key[0], key[1].timestamp() if key[1] else 0.0))
    return tuple(Bucket.of(coin, expiry, grouped[coin, expiry]) for coin, expiry in keys)


def _volatility(
    coins: tuple[Bucket, ...], known: Volatilities | None, dark: str | None
) -> tuple[Known, dict[str, float]]:
    """Return the standard deviation of the unit's worth, and what each coin contributes."""
    values = {bucket.coin: bucket.value for bucket in coins if bucket.value}
    reason = dark or _unmeasured(values, known)
    if reason or known is None:
        return Known(value=None if reason else 0.0, reason=reason), {}
    pairs = known.covariance or {(coin, coin): known.by_coin[coin] ** 2 for coin in values}
    slopes = {
        one: math.fsum(pairs[one, other] * value for other, value in values.items())
        for one in values
    }
    variance = math.fsum(value * slopes[coin] for coin, value in values.items())
    total = math.sqrt(max(0.0, variance))
    parts = {coin: value * slopes[coin] / total if total else 0.0 for coin, value in values.items()}
    return Known(value=total), parts


def _unmeasured(values: Mapping[str, float], known: Volatilities | None) -> str | None:
    """Return why the volatility of these values is unknown; `None` where it is not."""
    if not values:
        return None
    if known is None:
        return "no returns of the coins are given"
    missing = [coin for coin in values if known.of_coin(coin) is None]
    if missing:
        return f"no returns of {', '.join(missing)} are given"
    pairs = {(one, other) for one in values for other in values}
    if len(values) > 1 and not pairs <= set(known.covariance):
        return "how the coins move together is not given: only their own deviations are"
    return None


def _concentration(coins: tuple[Bucket, ...]) -> Concentration | None:
    gross = math.fsum(abs(bucket.value or 0.0) for bucket in coins)
    if not gross:
        return None
    shares = {bucket.coin: abs(bucket.value or 0.0) / gross for bucket in coins}
    herfindahl = math.fsum(share**2 for share in shares.values())
    largest = max(shares, key=lambda coin: shares[coin])
    return Concentration(
        herfindahl=herfindahl,
        coins=1.0 / herfindahl,
        largest=largest,
        share=shares[largest],
        shares=shares,
    )


def _open_interest(report: MarginReport, account: Account) -> dict[str, Known]:
    """Return what share of each contract's open interest the unit holds."""
    found: dict[str, Known] = {}
    for held in report.positions:
        symbol = held.position.instrument
        whole = account.market.open_interest.get(symbol)
        if whole is None or whole <= 0:
            reason = f"the document gives no open interest of {symbol}"
            found[symbol] = Known(value=None, reason=reason)
        else:
            before = found.get(symbol, Known(value=0.0)).value or 0.0
            found[symbol] = Known(value=before + float(held.notional) / float(whole))
    return found


def _carry(report: MarginReport, funding: Mapping[str, float] | None) -> dict[str, Known]:
    """Return what funding each perpetual receives per day; what ends has none."""
    prices = {asset.asset: float(asset.price) for asset in report.assets}
    found: dict[str, Known] = {}
    for held in report.positions:
        instrument = held.terms.instrument
        if instrument.kind.is_dated:
            continue
        rate = (funding or {}).get(instrument.symbol)
        if rate is None:
            found[instrument.symbol] = Known(value=None, reason="no funding rate is given")
            continue
        notional = float(held.notional) * prices.get(instrument.settle, 1.0)
        side = -1.0 if held.position.size > 0 else 1.0
        before = found.get(instrument.symbol, Known(value=0.0)).value or 0.0
        found[instrument.symbol] = Known(value=before + side * rate * notional)
    return found


def portfolios_of(
    account: Account,
    *,
    volatilities: Volatilities | None = None,
    funding: Mapping[str, float] | None = None,
) -> dict[str, Portfolio | str]:
    """Return every unit with positions by its name, or why its exposures are unknown."""
    found: dict[str, Portfolio | str] = {}
    for unit in account.units:
        if not unit.positions:
            continue
        try:
            found[unit.unit_id] = portfolio_of(
                account, unit, volatilities=volatilities, funding=funding
            )
        except KeelmarkError as error:
            found[unit.unit_id] = str(error)
    return found
