"""What the engine notes down beside the columns: orders, protections, cases, windows."""

from dataclasses import dataclass, field
from decimal import Decimal

from keelmark.core.numbers import ZERO
from keelmark.engine.order_events import CloseRow

MILLION = 1_000_000

PRICE_KINDS = ("stop_loss", "take_profit")
USAGE_KINDS = ("usage_ceiling", "top_up", "deleverage")
"""Protections by what they are watched with."""


@dataclass(slots=True, kw_only=True)
class Order:
    """A reserved order; fields as `commands.ReserveOrder`."""

    instrument: int
    lots: int
    ticks: int
    leg: int = 0
    leverage: int = 0
    reduce_only: bool = False

    @property
    def reserves(self) -> bool:
        """Whether it takes margin: not one that can only close."""
        return not self.reduce_only and self.leg * self.lots >= 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Protection:
    """A protection a user set; fields as `commands.SetProtection`."""

    kind: str
    instrument: int
    trigger: int
    source: int
    asset: int
    target: int


@dataclass(slots=True, kw_only=True)
class Round:
    """A round of orders that are executed outside, one after the other.

    Attributes:
        closes: What has not been ordered yet.
        cooldown_s: For how long further orders are sized as inside a cool-down.
        is_filled: Whether anything was filled.
        is_limited: Whether the notional limit of the window cut an order short.
    """

    closes: tuple[CloseRow, ...]
    cooldown_s: int = 0
    is_filled: bool = False
    is_limited: bool = False


@dataclass(slots=True, kw_only=True)
class Case:
    """A liquidation in progress.

    Attributes:
        case: Number of it.
        unit: The unit.
        attempts: Orders sent so far.
        wake_ms: Nothing is done before.
        cooldown_ms: Until then further orders are sized as inside a cool-down.
        exhausted: Stages that can do no more.
        round: The round whose orders are executed outside, `None` between rounds.
    """

    case: int
    unit: int
    attempts: int = 0
    wake_ms: int = 0
    cooldown_ms: int = 0
    exhausted: set[str] = field(default_factory=set)
    round: Round | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """A price outside its band that those after it may confirm.

    Attributes:
        price: The last of them.
        marks: How many in a row, each within the band of the one before.
        since_ms: When the first of them came.
    """

    price: float
    marks: int
    since_ms: int


@dataclass(slots=True, kw_only=True)
class FundWindow:
    """What a fund spent since its window began, quanta; `base` is what it held then."""

    start_ms: int
    base: int
    spent: int = 0


@dataclass(slots=True, kw_only=True)
class SoldWindow:
    """Notional sold into the market since the window began, valuation currency."""

    start_ms: int = 0
    notional: Decimal = ZERO


@dataclass(slots=True, kw_only=True)
class LossWindow:
    """Equity of the backstop when its window began, valuation currency."""

    start_ms: int = 0
    equity: float = 0.0
