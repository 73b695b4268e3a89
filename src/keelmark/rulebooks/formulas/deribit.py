"""Deribit portfolio margin: the extended risk matrix for futures, and its older contingencies.

Amounts are in one currency: the coin for inverse contracts, the quote for linear ones. Options have
no row here: the venue publishes no convention for repricing them.

Source: docs.deribit.com private/pme/simulate (response of 2024-06), a live response of 2026-02,
support.deribit.com 25944756247837; older contingencies: deribit.com/pages/docs/portfoliomargin.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

from keelmark.core.errors import InvalidInput
from keelmark.core.numbers import ONE, ZERO, exact
from keelmark.rulebooks.formulas.volatility import VegaPowers, volatility_shock

EXTENDED_MOVES = tuple(map(Decimal, ("-0.66", "-0.33", "0.5", "1", "2", "3", "4", "5")))
NINE_PLACES = Decimal("1e-9")


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixFuture:
    """A future or perpetual in the matrix.

    Attributes:
        value: Signed value at its mark price: coin if inverse, else quote.
        inverse: Whether it pays in the coin.
        years: Years to expiry, 0 for a perpetual.
    """

    value: Decimal
    inverse: bool = True
    years: Decimal = ZERO

    def change(self, move: Decimal) -> Decimal:
        """Return its profit when the price moves by this fraction."""
        with exact():
            return self.value * move / (ONE + move) if self.inverse else self.value * move


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixTerms:
    """Parameters of a currency and its pair, as `model_params` prints them.

    Attributes:
        price_range: Largest move of the standard table.
        annualised_move_risk: Roll shock per year to expiry.
        annualised_move_min: Least roll shock.
        buckets: Moves on each side of the standard table.
        pnl_offset: Share of a profit that offsets losses elsewhere.
        pnl_offset_max: Most profit that does, `None` without a limit.
        extended_factor: Factor on the extended table.
        extended_dampener: Loss forgiven per multiple of the range beyond it, in the currency of the
            futures; the venue prints the number without its currency.
        delta_threshold: Net delta beyond which a delta shock is added, same currency.
        maintenance_factor: Maintenance as a share of the matrix margin.
    """

    price_range: Decimal
    annualised_move_risk: Decimal
    annualised_move_min: Decimal
    buckets: int = 4
    pnl_offset: Decimal = ZERO
    pnl_offset_max: Decimal | None = None
    extended_factor: Decimal = ONE
    extended_dampener: Decimal = ZERO
    delta_threshold: Decimal | None = None
    maintenance_factor: Decimal = Decimal("0.8")

    @property
    def moves(self) -> tuple[Decimal, ...]:
        """Moves of the standard table, lowest first."""
        with exact():
            steps = range(-self.buckets, self.buckets + 1)
            return tuple(self.price_range * step / self.buckets for step in steps)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderCharges:
    """What is added to initial margin only.

    Attributes:
        spot: Margin of spot orders.
        market_maker_protection: `mmp_margin`.
        open_orders: Margin of open orders.
    """

    spot: Decimal = ZERO
    market_maker_protection: Decimal = ZERO
    open_orders: Decimal = ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixMargin:
    """The margin of a currency.

    Attributes:
        standard: Profit in each bucket after offsets; for futures the volatility does not matter,
            so that a bucket stands for its three cells.
        extended: Profit in each extended move after damping and offsets.
        roll_shock: Charge on rolling every position, gross.
        terms: Parameters.
        charges: What initial margin adds.
    """

    standard: tuple[Decimal, ...]
    extended: tuple[Decimal, ...]
    roll_shock: Decimal
    terms: MatrixTerms
    charges: OrderCharges

    @property
    def worst_case(self) -> Decimal:
        """The largest loss of any cell, positive."""
        return max(ZERO, -min(*self.standard, *self.extended))

    @property
    def risk_matrix_margin(self) -> Decimal:
        """Worst case, rounded to nine places, and roll shock."""
        with exact():
            worst = self.worst_case.quantize(NINE_PLACES, rounding=ROUND_HALF_EVEN)
            return worst + self.roll_shock

    @property
    def initial_margin(self) -> Decimal:
        """Matrix margin with the order charges, rounded to nine places."""
        with exact():
            added = self.charges.spot + self.charges.market_maker_protection
            total = self.risk_matrix_margin + added + self.charges.open_orders
            return total.quantize(NINE_PLACES, rounding=ROUND_HALF_EVEN)

    @property
    def maintenance_margin(self) -> Decimal:
        """A share of the matrix margin, without the order charges."""
        with exact():
            return self.risk_matrix_margin * self.terms.maintenance_factor


def matrix_margin(
    futures: Mapping[str, MatrixFuture],
    terms: MatrixTerms,
    charges: OrderCharges = OrderCharges(),
) -> MatrixMargin:
    """Return the margin of the futures of one currency and pair.

    Args:
        futures: By instrument.
        terms: Parameters of the currency and its pair.
        charges: What initial margin adds.

    Raises:
        InvalidInput: The net delta is above the threshold: how the delta shock grows from there is
            not published, so that no margin can be given.
    """
    with exact():
        _check_delta(futures, terms)
        standard = [sum((f.change(m) for f in futures.values()), ZERO) for m in terms.moves]
        extended = [_extended(futures, terms, move) for move in EXTENDED_MOVES]
        return MatrixMargin(
            standard=tuple(_offset(profit, terms) for profit in standard),
            extended=tuple(_offset(profit, terms) for profit in extended),
            roll_shock=sum((_roll(future, terms) for future in futures.values()), ZERO),
            terms=terms,
            charges=charges,
        )


def _check_delta(futures: Mapping[str, MatrixFuture], terms: MatrixTerms) -> None:
    delta = sum((future.value for future in futures.values()), ZERO)
    if terms.delta_threshold is not None and abs(delta) > terms.delta_threshold:
        msg = (
            f"net delta {delta} is above {terms.delta_threshold}: the venue adds a delta shock "
            "whose ramp it does not publish; no margin can be given"
        )
        raise InvalidInput(msg)


def _extended(futures: Mapping[str, MatrixFuture], terms: MatrixTerms, move: Decimal) -> Decimal:
    """Return the profit beyond the range: frozen at its edge, times the factor, damped."""
    edge = max(-terms.price_range, min(move, terms.price_range))
    profit = sum((future.change(edge) for future in futures.values()), ZERO)
    profit *= terms.extended_factor
    multiple = max(abs(move) / terms.price_range, ONE) - ONE
    damped = max(ZERO, abs(profit) - multiple * terms.extended_dampener)
    return damped.copy_sign(profit)


def _offset(profit: Decimal, terms: MatrixTerms) -> Decimal:
    if profit <= ZERO:
        return profit
    counted = profit * terms.pnl_offset
    return counted if terms.pnl_offset_max is None else min(counted, terms.pnl_offset_max)


def _roll(future: MatrixFuture, terms: MatrixTerms) -> Decimal:
    rate = max(terms.annualised_move_min, terms.annualised_move_risk * future.years)
    return abs(future.value) * rate


@dataclass(frozen=True, slots=True, kw_only=True)
class VolatilityTerms:
    """How the matrix shocks volatility.

    Attributes:
        range_up: Rise at 30 days, fraction of the volatility.
        range_down: Fall at 30 days, fraction.
        powers: Growth towards expiry.
        up_min: Least volatility after a rise.
    """

    range_up: float
    range_down: float
    powers: VegaPowers
    up_min: float = 0.0


def shocked_volatilities(
    volatility: float, days: float, terms: VolatilityTerms
) -> tuple[float, float]:
    """Return the volatility after a fall and after a rise.

    `max(v (1 - down (30 / days)^p), 0)` and `max(v (1 + up (30 / days)^p), least)`.
    """
    down = volatility_shock(terms.range_down, days, terms.powers)
    up = volatility_shock(terms.range_up, days, terms.powers)
    return max(volatility * (1 - down), 0.0), max(volatility * (1 + up), terms.up_min)


def offset_futures_contingency(sizes: Mapping[str, Decimal], rate: Decimal) -> Decimal:
    """Return the older charge on futures that offset each other, in the underlying.

    Args:
        sizes: Signed size by expiry, underlying.
        rate: Charge on the offsetting part.
    """
    with exact():
        gross = sum((abs(size) for size in sizes.values()), ZERO)
        net = abs(sum(sizes.values(), ZERO))
        return (gross - net) / 2 * rate


def short_options_contingency(sizes: Mapping[str, tuple[Decimal, ...]], charge: Decimal) -> Decimal:
    """Return the older charge on options that are net short at a strike, in the underlying.

    Args:
        sizes: Signed sizes of calls and puts by strike, contracts.
        charge: Per contract net short.
    """
    with exact():
        nets = [sum(at_strike, ZERO) for at_strike in sizes.values()]
        return sum((-net * charge for net in nets if net < ZERO), ZERO)
