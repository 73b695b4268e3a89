"""Price-limit policies by name: the worst price at which a liquidation order may fill.

A policy is called as `policy(slice)` and returns an exact price, or says that every price serves
or that none does. Rounding to a tick is the caller's, towards the account.
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from functools import lru_cache, partial
from inspect import signature

from keelmark.core.errors import InvalidInput, nearest
from keelmark.core.numbers import ONE, exact
from keelmark.engine.registry import Registry
from keelmark.rulebooks.formulas.dydx import bankruptcy_rating


class Unpriced(Enum):
    """Why a policy's line is at no positive price."""

    ANY_PRICE = "any_price"
    """Every price stays on the good side of it."""
    NO_PRICE = "no_price"
    """None does: the deficit exceeds what the best fill could bring."""


LimitPrice = Decimal | Unpriced


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """Part of a position about to be closed, with where its unit stands.

    Attributes:
        mark: Mark price.
        size: Signed units to close: value per price for linear, contract value for inverse.
        equity: Equity of the unit, settle currency of the position.
        maintenance: Maintenance margin of the unit, same currency.
        maintenance_freed: Maintenance that closing the slice frees.
        inverse: Whether the value is `-size / price` instead of `size * price`.
    """

    mark: Decimal
    size: Decimal
    equity: Decimal
    maintenance: Decimal
    maintenance_freed: Decimal
    inverse: bool = False

    def __post_init__(self) -> None:
        if self.size == 0 or self.mark <= 0 or self.maintenance <= 0:
            msg = (
                f"a slice of size {self.size} at mark {self.mark} with maintenance "
                f"{self.maintenance} has no limit price; close only open positions of units "
                "that have a requirement"
            )
            raise InvalidInput(msg)

    @property
    def value(self) -> Decimal:
        """Signed value at the mark."""
        with exact():
            return -self.size / self.mark if self.inverse else self.size * self.mark

    def price_at(self, value: Decimal) -> LimitPrice:
        """Return the price at which the slice is worth `value`, if there is one.

        The value rises with the price for a sell and falls for a buy. A linear value is zero at
        price zero, an inverse value at an infinite price: beyond it a line is out of reach on the
        one side and never met on the other.
        """
        is_sell = self.size > 0
        with exact():
            if (value * self.size > 0) is not self.inverse and value != 0:
                return -self.size / value if self.inverse else value / self.size
        return Unpriced.NO_PRICE if is_sell is self.inverse else Unpriced.ANY_PRICE


PricePolicy = Callable[[Slice], LimitPrice]
PriceRule = Callable[..., LimitPrice]

PRICE: Registry[PriceRule] = Registry("price limit")


@lru_cache(maxsize=64)
def price_policy(name: str, **settings: Decimal) -> PricePolicy:
    """Return the price-limit policy called `name` with its settings.

    Raises:
        InvalidInput: No such policy, or it has no such setting; the message names the nearest.
    """
    rule = PRICE[name]
    known = list(signature(rule).parameters)[1:]
    for setting in settings:
        if setting not in known:
            msg = f"price policy {name!r} has no setting {setting!r}; {nearest(setting, known)}"
            raise InvalidInput(msg)
    return partial(rule, **settings)


@PRICE.register("bankruptcy")
def bankruptcy(part: Slice) -> LimitPrice:
    """The price at which closing the slice uses up all equity of the unit."""
    with exact():
        return part.price_at(part.value - part.equity)


@PRICE.register("zero_loss")
def zero_loss(part: Slice) -> LimitPrice:
    """The price that leaves equity / maintenance of the unit as it is.

    The proceeds are `-d(notional) - equity * |d(maintenance)| / maintenance`. Closing the whole
    unit at these prices leaves it with exactly nothing.
    """
    with exact():
        share = part.equity * part.maintenance_freed / part.maintenance
        return part.price_at(part.value - share)


@PRICE.register("fillable")
def fillable(
    part: Slice,
    *,
    bankruptcy_adjustment: Decimal = ONE,
    spread_to_maintenance: Decimal = Decimal("0.1"),
) -> LimitPrice:
    """DYdX: `(notional - rating * spread * maintenance) / size`.

    `rating = clamp(adjustment * (1 - equity / maintenance), 0, 1)`; the slice is the whole
    position, so `maintenance_freed` is all of its maintenance.
    """
    with exact():
        rating = bankruptcy_rating(bankruptcy_adjustment, part.equity, part.maintenance)
        return part.price_at(part.value - rating * spread_to_maintenance * part.maintenance_freed)


@PRICE.register("bounded_slippage")
def bounded_slippage(part: Slice, *, slippage: Decimal = Decimal("0.05")) -> LimitPrice:
    """The mark less (sells) or plus (buys) a fraction of it."""
    with exact():
        return part.mark * (ONE - slippage if part.size > 0 else ONE + slippage)


@PRICE.register("no_limit")
def no_limit(_part: Slice) -> LimitPrice:
    """Any price: a market order."""
    return Unpriced.ANY_PRICE
