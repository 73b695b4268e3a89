"""dYdX v4: prices and requirements in whole quantums, as the protocol rounds them.

Quote amounts are in quote quantums (1e-6 USDC), sizes in base quantums, rates in parts per million
(`ppm`). Every rounding is the protocol's own and stands where the protocol has it.

Source: dydxprotocol/v4-chain at 84d4664b (protocol/x/clob/keeper/liquidations.go,
protocol/x/perpetuals/types/liquidity_tier.go) and docs.dydx.xyz.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import TypeVar

from keelmark.core.errors import InvalidInput
from keelmark.core.numbers import ZERO, Rounding, exact, mul_div

PPM = 1_000_000

Number = TypeVar("Number", Decimal, Fraction)


def initial_margin(notional: int, rate_ppm: int) -> int:
    """Return `|notional| * rate`, rounded up to a quote quantum."""
    return mul_div(abs(notional), rate_ppm, PPM, Rounding.CEILING)


def maintenance_margin(notional: int, rate_ppm: int, fraction_ppm: int) -> int:
    """Return the maintenance fraction of the rounded initial margin, rounded up again."""
    return mul_div(initial_margin(notional, rate_ppm), fraction_ppm, PPM, Rounding.CEILING)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenInterestCaps:
    """Open interest between which the initial margin rate rises to one.

    Attributes:
        lower: Notional of open interest at which the rate begins to rise.
        upper: Notional at which it is one; 0 switches scaling off, as in the protocol.
    """

    lower: int
    upper: int


def scaled_initial_rate(rate_ppm: int, open_interest: int, caps: OpenInterestCaps) -> int:
    """Return the initial margin rate at an open interest, in ppm rounded down.

    `min(1, rate + max(0, (open_interest - lower) / (upper - lower)) * (1 - rate))`.
    """
    if caps.upper == 0 or open_interest <= caps.lower:
        return rate_ppm
    if open_interest >= caps.upper:
        return PPM
    over = open_interest - caps.lower
    return rate_ppm + mul_div(over, PPM - rate_ppm, caps.upper - caps.lower, Rounding.FLOOR)


def scaled_initial_margin(
    notional: int, rate_ppm: int, open_interest: int, caps: OpenInterestCaps
) -> int:
    """Return the initial margin of `notional` quote quantums at an open interest, rounded up."""
    return initial_margin(notional, scaled_initial_rate(rate_ppm, open_interest, caps))


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantumPosition:
    """A position at the oracle price.

    Attributes:
        size: Base quantums, signed.
        subprice: Quote quantums per base quantum.
        initial_ppm: Initial margin rate of the market.
        maintenance_ppm: Maintenance margin as a fraction of initial margin.
    """

    size: int
    subprice: Fraction
    initial_ppm: int
    maintenance_ppm: int

    @property
    def notional(self) -> int:
        """Signed value in quote quantums, rounded towards zero."""
        return self.value_of(self.size)

    @property
    def maintenance(self) -> int:
        """Maintenance margin in quote quantums."""
        return maintenance_margin(self.notional, self.initial_ppm, self.maintenance_ppm)

    def value_of(self, size: int) -> int:
        """Value of `size` base quantums, rounded towards zero."""
        return int(size * self.subprice)  # int() of a fraction drops towards zero

    def resized(self, delta: int) -> "QuantumPosition":
        """Return the position after a change of size."""
        return QuantumPosition(
            size=self.size + delta,
            subprice=self.subprice,
            initial_ppm=self.initial_ppm,
            maintenance_ppm=self.maintenance_ppm,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantumAccount:
    """A subaccount: quote balance in quantums and its positions by market."""

    quote: int
    positions: Mapping[str, QuantumPosition]

    @property
    def equity(self) -> int:
        """Total net collateral."""
        return self.quote + sum(position.notional for position in self.positions.values())

    @property
    def maintenance(self) -> int:
        """Total maintenance margin."""
        return sum(position.maintenance for position in self.positions.values())

    @property
    def is_liquidatable(self) -> bool:
        """Whether maintenance is positive and strictly above equity."""
        return self.maintenance > 0 and self.maintenance > self.equity


def bankruptcy_quote(account: QuantumAccount, market: str, delta: int) -> int:
    """Return the quote quantums the account gets for `delta` when its equity share goes with it.

    `-d(notional) - equity * |d(maintenance)| / maintenance`, the second term rounded down: the
    ratio of equity to maintenance stays as it is.

    Args:
        account: Subaccount that is being closed.
        market: Held market.
        delta: Base quantums, of the sign that reduces the position.

    Raises:
        InvalidInput: `delta` does not reduce the position.
    """
    position = _reducing(account, market, delta)
    after = position.resized(delta)
    freed = position.maintenance - after.maintenance
    share = mul_div(account.equity, freed, account.maintenance, Rounding.FLOOR)
    return position.notional - after.notional - share


def _reducing(account: QuantumAccount, market: str, delta: int) -> QuantumPosition:
    position = account.positions[market]
    remaining = position.size + delta
    if delta == 0 or delta * position.size > 0 or remaining * position.size < 0:
        msg = f"{market}: delta {delta} does not reduce the position of {position.size} quantums"
        raise InvalidInput(msg)
    return position


@dataclass(frozen=True, slots=True, kw_only=True)
class FillableConfig:
    """How far a liquidation order may trade from the oracle price.

    Attributes:
        bankruptcy_adjustment_ppm: How fast the spread opens as equity falls.
        spread_to_maintenance_ppm: Largest spread, as a multiple of the maintenance rate.
    """

    bankruptcy_adjustment_ppm: int
    spread_to_maintenance_ppm: int


def bankruptcy_rating(adjustment: Number, equity: Number, maintenance: Number) -> Number:
    """Return `clamp(adjustment * (1 - equity / maintenance), 0, 1)`: how far a unit is gone.

    Args:
        adjustment: How fast the rating rises as equity falls; 1 reaches one at equity zero.
        equity: Equity of the unit, any currency.
        maintenance: Its maintenance margin, same currency, positive.
    """
    none = adjustment * 0
    return min(max(adjustment * (1 - equity / maintenance), none), none + 1)


def fillable_subprice(account: QuantumAccount, market: str, config: FillableConfig) -> Fraction:
    """Return the worst subprice at which a liquidation order may fill, exact.

    `(notional - rating * spread * maintenance) / size`. The whole position decides, not the slice
    that is closed.
    """
    position = account.positions[market]
    rating = bankruptcy_rating(
        Fraction(config.bankruptcy_adjustment_ppm, PPM),
        Fraction(account.equity),
        Fraction(account.maintenance),
    )
    spread = Fraction(config.spread_to_maintenance_ppm, PPM) * position.maintenance
    return (position.notional - rating * spread) / position.size


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantumFill:
    """A liquidation fill in the protocol's units.

    Attributes:
        market: Market it is in.
        size: Base quantums, signed as the change of the position.
        subticks: Price in subticks.
        exponent: Power of ten that makes `base quantums * subticks` quote quantums.
    """

    market: str
    size: int
    subticks: int
    exponent: int

    @property
    def quote(self) -> int:
        """Quote quantums the account gets, negative when it buys; rounded down in size."""
        scale = 10 ** abs(self.exponent)
        up, down = (scale, 1) if self.exponent > 0 else (1, scale)
        amount = mul_div(abs(self.size) * self.subticks, up, down, Rounding.FLOOR)
        return amount if self.size < 0 else -amount


def liquidation_insurance_delta(
    account: QuantumAccount, fill: QuantumFill, fee_max_ppm: int
) -> int:
    """Return what the insurance fund gains (or pays, negative) when `fill` reduces the account."""
    bankruptcy = bankruptcy_quote(account, fill.market, fill.size)
    return insurance_delta(fill.quote, bankruptcy, fee_max_ppm)


def insurance_delta(fill_quote: int, bankruptcy: int, fee_max_ppm: int) -> int:
    """Return what the insurance fund gains (or pays, negative) on a liquidation fill.

    Args:
        fill_quote: Quote quantums the account gets at the fill price; negative when it buys.
        bankruptcy: The same at the bankruptcy price.
        fee_max_ppm: Largest liquidation fee on the filled notional.
    """
    surplus = fill_quote - bankruptcy
    fee_max = mul_div(abs(fill_quote), fee_max_ppm, PPM, Rounding.FLOOR)
    return min(surplus, fee_max)


def liquidatable_notional(
    notional: int, notional_min: int, portion_max_ppm: int
) -> tuple[int, int]:
    """Return the smallest and the largest notional one liquidation may close.

    Args:
        notional: Absolute notional of the position.
        notional_min: The configured minimum; a smaller position is closed whole.
        portion_max_ppm: Largest part of the position one block may close, rounded down.
    """
    portion = mul_div(notional, portion_max_ppm, PPM, Rounding.FLOOR)
    smallest = min(notional_min, notional)
    return smallest, max(portion, smallest)


def funding_rate_max(initial_rate: Decimal, maintenance_rate: Decimal) -> Decimal:
    """Return the cap of the 8-hour funding rate, `6 * (initial - maintenance)`."""
    with exact():
        return 6 * (initial_rate - maintenance_rate)


def insurance_payment(size: Decimal, fill_price: Decimal, bankruptcy_price: Decimal) -> Decimal:
    """Return what the insurance fund pays on closing `size`, in quote units, not below zero.

    Args:
        size: Signed size that is closed, long positive, base units.
        fill_price: Price it was closed at.
        bankruptcy_price: Price at which the account would have been worth nothing.

    Source: docs.dydx.xyz concepts/trading/contract-loss-mechanism.
    """
    with exact():
        return max(ZERO, size * (bankruptcy_price - fill_price))
