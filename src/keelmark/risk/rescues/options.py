"""What a rescue may use: actions, limits and prices of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from keelmark.core.errors import InvalidInput
from keelmark.core.numbers import ZERO, exact


def _is_amount(number: Decimal) -> bool:
    """Whether a number is finite and not negative."""
    return number.is_finite() and number >= ZERO


class Action(StrEnum):
    """The ways out."""

    DEPOSIT = "deposit"
    TRANSFER = "transfer"
    CLOSE = "close"
    HEDGE = "hedge"


@dataclass(frozen=True, slots=True, kw_only=True)
class Impact:
    """Slippage of an order of notional `n`, both in valuation currency.

    `linear * n**2 + root * n**1.5`.

    The average fill is `linear * n + root * sqrt(n)` away from the mark, as a fraction.
    """

    linear: Decimal = ZERO
    root: Decimal = ZERO

    def __post_init__(self) -> None:
        if not (_is_amount(self.linear) and _is_amount(self.root)):
            msg = f"impact {self.linear}, {self.root}: coefficients must not be negative"
            raise InvalidInput(msg)

    def slippage(self, notional: Decimal) -> Decimal:
        """Return what an order loses to its own impact."""
        with exact():
            lost = self.linear * notional * notional
            return lost + self.root * notional * notional.sqrt() if self.root else lost


NO_IMPACT = Impact()


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """An asset that can come in.

    Attributes:
        asset: What comes in.
        amount_max: At most this much of it; `None` for no limit.
    """

    asset: str
    amount_max: Decimal | None = None

    def __post_init__(self) -> None:
        if self.amount_max is not None and not _is_amount(self.amount_max):
            msg = f"{self.asset}: a limit of {self.amount_max}; it must not be negative"
            raise InvalidInput(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hedge:
    """An instrument in which a position may be opened.

    Attributes:
        instrument: Symbol; the rulebook lists it or knows its naming pattern.
        price: Its mark, where the account does not hold it.
        notional_max: Largest notional to open, settle asset; `None` for the unit's whole notional.
    """

    instrument: str
    price: Decimal | None = None
    notional_max: Decimal | None = None

    def __post_init__(self) -> None:
        if self.price is not None and not (self.price.is_finite() and self.price > ZERO):
            msg = f"hedge {self.instrument}: price {self.price} must be a positive number"
            raise InvalidInput(msg)
        if self.notional_max is not None and not (
            _is_amount(self.notional_max) and self.notional_max
        ):
            msg = f"hedge {self.instrument}: limit {self.notional_max} must be above 0"
            raise InvalidInput(msg)


DEFAULT_ACTIONS = frozenset({Action.DEPOSIT, Action.TRANSFER, Action.CLOSE, Action.HEDGE})
DEFAULT_GAP = Decimal("0.0001")


@dataclass(frozen=True, slots=True, kw_only=True)
class RescueOptions:
    """Limits and prices of the actions.

    Attributes:
        actions: What is allowed at all; a hedge needs an instrument in `hedges` as well.
        deposits: Assets that can come from outside; empty for the unit's own currency, unlimited.
        deposit_max: Limit of the deposits that name none, each in its own asset.
        deposit_cost: What a unit of deposited value costs, fraction.
        wallet: Amounts by asset that lie ready in a funding wallet; moving them costs nothing.
        kept: Instruments that are not closed.
        hedges: Instruments in which positions may be opened.
        fee: Fee on traded notional; `None` for the rulebook's taker fee.
        fees: The same by instrument.
        impacts: Slippage by instrument; those left out take the rulebook's assumption.
        toxic: Whether closes may go on where they cost more than they free.
        gap: Relative distance from the proven lower bound at which the search stops.
    """

    actions: frozenset[Action] = DEFAULT_ACTIONS
    deposits: tuple[Money, ...] = ()
    deposit_max: Decimal | None = None
    deposit_cost: Decimal = ZERO
    wallet: Mapping[str, Decimal] = field(default_factory=dict)
    kept: frozenset[str] = frozenset()
    hedges: tuple[Hedge, ...] = ()
    fee: Decimal | None = None
    fees: Mapping[str, Decimal] = field(default_factory=dict)
    impacts: Mapping[str, Impact] = field(default_factory=dict)
    toxic: bool = False
    gap: Decimal = DEFAULT_GAP

    def __post_init__(self) -> None:
        if self.deposit_max is not None and not _is_amount(self.deposit_max):
            msg = f"deposit_max is {self.deposit_max}; an amount of at least 0 is needed"
            raise InvalidInput(msg)
        named = {"deposit_cost": self.deposit_cost, "fee": self.fee or ZERO, "gap": self.gap}
        named |= {f"fee of {symbol}": fee for symbol, fee in self.fees.items()}
        for name, rate in named.items():
            if not _is_amount(rate) or rate >= 1:
                msg = f"{name} is {rate}; it must be a fraction of at least 0 and below 1"
                raise InvalidInput(msg)
        for asset, amount in self.wallet.items():
            if not _is_amount(amount):
                msg = f"wallet {asset}: {amount}; an amount of at least 0 is needed"
                raise InvalidInput(msg)

    def allows(self, action: Action) -> bool:
        """Whether an action is allowed."""
        return action in self.actions
