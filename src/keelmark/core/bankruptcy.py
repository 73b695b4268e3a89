"""Prices of the end: bankruptcy, zero-loss and transfer prices, and whether a step helps at all.

A zero-loss price and toxicity are of a trade at the present marks: no coin moves with them.

Source: docs/model.md, "Bankruptcy and transfer"; the zero-loss price is dYdX v4's bankruptcy price
(protocol/x/clob/keeper/liquidations.go); toxicity is McFarlane, arXiv 2510.10171, for margin.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from keelmark.core.coin_move import carries_coin
from keelmark.core.errors import InvalidInput, UnknownInstrument, nearest
from keelmark.core.excess import maintenance_rule
from keelmark.core.line import SAME
from keelmark.core.liquidation_price import (
    LEAST_SHARE,
    LiquidationPrices,
    PriceStatus,
    reach_of,
)
from keelmark.core.margin import MarginReport, PositionMargin
from keelmark.core.market import Market
from keelmark.core.model import MarginModel
from keelmark.core.numbers import ONE, ZERO, exact
from keelmark.core.underlying_price import Underlying, underlying_bankruptcy

_WORTHLESS = "makes the unit worthless"


def bankruptcy_price(report: MarginReport, symbol: str) -> LiquidationPrices:
    """Return the price of `symbol` at which the unit is worth nothing, the others held.

    Worth is collateral at market without haircuts plus profit: below this price somebody else
    loses. All legs of the symbol move together; coins stand still (see `bankruptcy_prices`).

    Raises:
        UnknownInstrument: The unit does not hold `symbol`.
    """
    with exact():
        if _has_options(report, symbol):
            reason = f"options on the underlying of {symbol} move too: see underlying_bankruptcy"
            return LiquidationPrices(status=PriceStatus.UNKNOWN, reason=reason)
        return _price_that_uses_up(report, symbol, report.equity_raw, _WORTHLESS)


def bankruptcy_prices(
    report: MarginReport,
    symbol: str,
    market: Market,
    model: MarginModel,
    along: Underlying | None = None,
) -> LiquidationPrices:
    """Return `bankruptcy_price` where nothing but the mark of `symbol` moves.

    With options on the same underlying it is the underlying's; and where the mark of an inverse
    contract stands for the price of its coin, the coin moves with it.

    Args:
        report: The unit's margin.
        symbol: A held instrument.
        market: The snapshot of the report.
        model: The venue's terms.
        along: The underlying of its options, where it was searched before.

    Raises:
        UnknownInstrument: The unit does not hold `symbol`.
    """
    if _has_options(report, symbol):
        if along is not None:
            return along.bankruptcy(symbol)
        return underlying_bankruptcy(report.unit, symbol, market, model)
    if carries_coin(report.unit, symbol, market, model):
        with exact():
            return _worthless_with_coin(report, symbol)
    return bankruptcy_price(report, symbol)


def straight_bankruptcy(
    report: MarginReport,
    symbol: str,
    market: Market,
    model: MarginModel,
    legs: Sequence[PositionMargin],
) -> LiquidationPrices:
    """Return `bankruptcy_prices` of a unit without options, the legs of `symbol` at hand."""
    with exact():
        if carries_coin(report.unit, symbol, market, model):
            return _worthless_with_coin(report, symbol)
        return _uses_up(report, legs, report.equity_raw, _WORTHLESS)


def held_maintenance_price(report: MarginReport, symbol: str) -> LiquidationPrices:
    """Return the price of `symbol` at which equity is the maintenance margin of now.

    Not the liquidation price: the requirement would have changed with the price. It is what
    Hyperliquid showed as one in 2023, `price - side * (equity - maintenance) / size`. Assumes that
    the settle asset counts in full.

    Raises:
        UnknownInstrument: The unit does not hold `symbol`.
    """
    with exact():
        text = "takes equity to the maintenance of now"
        return _price_that_uses_up(report, symbol, report.maintenance_excess, text)


def _price_that_uses_up(
    report: MarginReport,
    symbol: str,
    worth: Decimal,
    text: str,
) -> LiquidationPrices:
    """Return the price at which the legs of `symbol` have lost `worth`, valuation currency."""
    return _uses_up(report, _held(report, symbol), worth, text)


def _uses_up(
    report: MarginReport, held: Sequence[PositionMargin], worth: Decimal, text: str
) -> LiquidationPrices:
    """Return the price at which these legs have lost `worth`."""
    instrument, symbol = held[0].terms.instrument, held[0].position.instrument
    price = next(a.price for a in report.assets if a.asset == instrument.settle)
    size = sum((p.position.size for p in held), ZERO)
    if size == ZERO:
        reason = f"the legs of {symbol} cancel: its price does not change what the unit is worth"
        return LiquidationPrices(status=PriceStatus.NONE, reason=reason)
    per_size = instrument.value_per_size(held[0].mark_price)
    worthless = per_size - worth / (price * size)
    root = instrument.price_at(worthless)
    share = abs(worthless / per_size)
    if root is None or share < LEAST_SHARE:
        reach = f", {reach_of(instrument)}," if root is not None and share > SAME else ""
        reason = f"no positive price of {symbol}{reach} {text}"
        return LiquidationPrices(status=PriceStatus.NONE, reason=reason)
    return LiquidationPrices(status=PriceStatus.PRICE, values=(root,))


def _worthless_with_coin(report: MarginReport, symbol: str) -> LiquidationPrices:
    """Return the price of an inverse contract, its coin moving with it, that leaves nothing.

    With `r` the coin's price over the mark, `W` the worth of all else, `A` the coin without the
    value of the legs and `S` their USD: `W + r (A P - S) = 0`.
    """
    held = _held(report, symbol)
    instrument, mark = held[0].terms.instrument, held[0].mark_price
    own = next(a for a in report.assets if a.asset == instrument.settle)
    worth = own.balance - own.accrued_interest + own.unrealized_pnl + own.option_value
    rest = report.equity_raw - worth * own.price
    coin = worth - sum((p.value for p in held), ZERO)
    usd = sum((p.position.size for p in held), ZERO) * instrument.contract_size
    root = (usd - rest * mark / own.price) / coin if coin else ZERO
    if LEAST_SHARE <= root / mark <= ONE / LEAST_SHARE:
        return LiquidationPrices(status=PriceStatus.PRICE, values=(root,))
    reason = (
        f"no price of {symbol}, {instrument.settle} moving with it, from a billionth to a billion "
        "times its mark makes the unit worthless"
    )
    return LiquidationPrices(status=PriceStatus.NONE, reason=reason)


def zero_loss_value(report: MarginReport, held: PositionMargin, size: Decimal) -> Decimal:
    """Return what closing `size` must bring so that equity over maintenance stays as it is.

    `-d(notional) - equity * |d(maintenance)| / maintenance`, in settle asset: below it the slice
    is sold at the account's loss, above it the account gains. For the whole position it is the
    transfer value that leaves exactly nothing.

    Args:
        report: The unit's margin.
        held: The position to reduce.
        size: Signed part of the position that is closed, same sign as the position.

    Raises:
        InvalidInput: `size` is not a part of the position, or no maintenance is required.
    """
    with exact():
        _check_part(held, size)
        share = size / held.position.size
        total = report.maintenance_margin
        if total <= ZERO:
            msg = f"unit {report.unit.unit_id}: no maintenance margin, so no zero-loss price exists"
            raise InvalidInput(msg)
        rest = abs(held.position.size - size)
        rule = maintenance_rule(held.position, held.terms)
        after = rule.requirement(rest, held.notional * (ONE - share)).amount
        released = held.maintenance.amount - after + held.close_fee * share
        return held.value * share - report.equity * released / total


def zero_loss_price(report: MarginReport, held: PositionMargin, size: Decimal) -> Decimal | None:
    """Return the price of a slice that leaves equity over maintenance unchanged, if positive."""
    with exact():
        per_size = zero_loss_value(report, held, size) / size
        return held.terms.instrument.price_at(per_size)


@dataclass(frozen=True, slots=True, kw_only=True)
class Toxicity:
    """What closing one more unit of notional does to the maintenance excess.

    Attributes:
        released: Maintenance released per unit of notional closed.
        cost: Fee and slippage per unit of notional closed.
    """

    released: Decimal
    cost: Decimal

    @property
    def is_toxic(self) -> bool:
        """Whether no step can raise the excess: cost takes all that is released."""
        return self.cost >= self.released


def toxicity(held: PositionMargin, *, fee: Decimal, slippage: Decimal) -> Toxicity:
    """Return whether reducing `held` can raise the excess at all.

    Args:
        held: The position to reduce.
        fee: Fee on the closed notional, fraction.
        slippage: Expected distance of the fill from the mark, fraction.
    """
    with exact():
        rate = held.maintenance.rate
        if held.notional > ZERO:
            rate += held.close_fee / held.notional
        return Toxicity(released=rate, cost=fee + slippage)


def _has_options(report: MarginReport, symbol: str) -> bool:
    """Whether the unit holds options on the underlying of `symbol`."""
    bases = {p.terms.instrument.base for p in report.positions if p.option is not None}
    return _held(report, symbol)[0].terms.instrument.base in bases


def _held(report: MarginReport, symbol: str) -> list[PositionMargin]:
    held = [p for p in report.positions if p.position.instrument == symbol]
    if not held:
        known = {p.position.instrument for p in report.positions}
        msg = f"unit {report.unit.unit_id} holds no {symbol}; {nearest(symbol, known)}"
        raise UnknownInstrument(msg)
    return held


def _check_part(held: PositionMargin, size: Decimal) -> None:
    whole = held.position.size
    if size * whole <= ZERO or abs(size) > abs(whole):
        msg = f"{size} is not a part of the position of {whole} {held.position.instrument}"
        raise InvalidInput(msg)
