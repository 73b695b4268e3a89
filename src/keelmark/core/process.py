"""The liquidation process as data: which stages a venue runs, in which order, with what settings.

The engine reads these values and selects its policies by the names in them; a venue's own order is
a rulebook, not code.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from keelmark.core.errors import InvalidInput
from keelmark.core.numbers import ONE, ZERO, exact

_CONFIRM_MARKS_MIN = 2


class Stage(StrEnum):
    """The stages of the waterfall, in the order a rulebook may list them."""

    WARN = "warn"
    MARGIN_CALL = "margin_call"
    CANCEL_ORDERS = "cancel_orders"
    CONVERT_COLLATERAL = "convert_collateral"
    REDUCE = "reduce"
    TAKEOVER = "takeover"
    INSURANCE = "insurance"
    AUTO_DELEVERAGE = "auto_deleverage"
    SOCIALISE = "socialise"


class UnitOrder(StrEnum):
    """In which order units that fall at the same snapshot are handled."""

    LOWEST_EXCESS = "lowest_excess"
    HIGHEST_EXCESS = "highest_excess"
    LARGEST_NOTIONAL = "largest_notional"
    ACCOUNT_ID = "account_id"


class FeeCap(StrEnum):
    """What bounds the clearance fee of a liquidation fill."""

    NONE = "none"
    """Nothing: a fraction of the notional."""
    SURPLUS = "surplus"
    """What the fill brings above its zero-loss value (dYdX: fill less bankruptcy quote)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WarnRules:
    """Warning levels on maintenance usage (maintenance margin over equity).

    Attributes:
        levels: Rising usages in (0, 1) at which a unit is warned.
        hysteresis: How far usage must fall below a level before it is cleared.
        recheck_s: Seconds between looks at warned units for recovery.
    """

    levels: tuple[Decimal, ...] = ()
    hysteresis: Decimal = Decimal("0.05")
    recheck_s: int = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginCallRules:
    """A usage beyond which only risk-reducing commands pass, and the time given to act."""

    usage: Decimal = ONE
    grace_s: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReduceRules:
    """How a position is reduced in the market.

    Attributes:
        sizing: Sizing policy.
        order: Position order policy.
        price_limit: Price limit policy.
        sizing_settings: The sizing policy's own numbers, by name.
        price_settings: The price limit policy's own numbers, by name.
        buffer: Target: equity of `1 + buffer` times maintenance.
        attempts: Orders a unit is given before the stage is exhausted.
        interval_s: Seconds between two orders of one unit.
        seed: Of the order policies that draw lots.
        impact: Assumed slippage of an order, by symbol; `default` for those left out. Closing
            notional `x` costs `impact * x**2`, valuation currency.
    """

    sizing: str = "to_target"
    order: str = "largest_maintenance"
    price_limit: str = "bankruptcy"
    sizing_settings: Mapping[str, Decimal] = field(default_factory=dict)
    price_settings: Mapping[str, Decimal] = field(default_factory=dict)
    buffer: Decimal = Decimal("0.1")
    attempts: int = 3
    interval_s: int = 0
    seed: int = 0
    impact: Mapping[str, Decimal] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, impact in self.impact.items():
            if not impact.is_finite() or impact < ZERO:
                msg = f"reduce: impact of {name} is {impact}; give a number that is not negative"
                raise InvalidInput(msg)

    def impact_of(self, symbol: str) -> Decimal:
        """Return the assumed slippage of an instrument."""
        return self.impact.get(symbol, self.impact.get("default", ZERO))


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeoverRules:
    """The backstop that takes what the market did not.

    Attributes:
        inventory_max: Largest notional it holds, valuation currency; `None` for no cap.
        loss_max: Largest loss it bears in one window before it stops taking, `None` for no cap.
        loss_window_s: Length of that window.
        usage: Maintenance usage (maintenance over equity) beyond which a unit is taken; one, and it
            is taken once the market has had its orders. Above one, the market is tried again and
            again until then, and no longer (Hyperliquid: 1.5, equity below two thirds). Where the
            venue runs no takeover, what comes after it begins there.
        dispose_share: Share of its inventory it offers to the market at each interval.
        dispose_interval_s: Seconds between disposals.
        deleverage_below: Equity below which its inventory is auto-deleveraged at the mark.
    """

    inventory_max: Decimal | None = None
    loss_max: Decimal | None = None
    loss_window_s: int = 3600
    usage: Decimal = ONE
    dispose_share: Decimal = Decimal("0.05")
    dispose_interval_s: int = 60
    deleverage_below: Decimal | None = None

    def __post_init__(self) -> None:
        if not (self.usage.is_finite() and self.usage >= ONE):
            msg = f"takeover: usage is {self.usage}; give 1 or more"
            raise InvalidInput(msg)

    def is_due(self, *, equity: Decimal, maintenance: Decimal) -> bool:
        """Whether a unit at its trigger is the backstop's and no longer the market's."""
        with exact():
            return self.usage > ONE and equity * self.usage < maintenance


@dataclass(frozen=True, slots=True, kw_only=True)
class InsuranceRules:
    """The funds that pay deficits.

    Attributes:
        segments: Instruments by fund; what is in none belongs to `default`.
        window_s: Length of the window of the cap.
        window_share: Largest share of the fund at the window's start that one window may spend.
        fee_share: Share of clearance fees that goes to the fund; the rest goes to the venue.
        surplus_share: Share of what is left of a taken unit that goes to the fund; the rest is
            the receiver's cushion.
    """

    segments: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    window_s: int = 3600
    window_share: Decimal = ONE
    fee_share: Decimal = ONE
    surplus_share: Decimal = ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardRules:
    """When a liquidation must wait.

    Attributes:
        stale_s: Age at which a mark no longer liquidates anybody; 0 switches the guard off.
        band: Largest relative step of a mark between two snapshots that is believed; 0 is off.
        confirm_marks: How many prices in a row, each within the band of the one before, confirm a
            step outside it; 0 leaves that to an operator.
        confirm_s: Seconds that they must span, at least one: prints of one instant are one.
        window_s: Length of the window of the notional limit.
        notional_max: Largest notional sold into the market in one window, `None` for no limit.
    """

    stale_s: int = 0
    band: Decimal = ZERO
    confirm_marks: int = 0
    confirm_s: int = 0
    window_s: int = 60
    notional_max: Decimal | None = None

    def __post_init__(self) -> None:
        is_off = self.confirm_marks == 0 and self.confirm_s >= 0
        if not is_off and (self.confirm_marks < _CONFIRM_MARKS_MIN or self.confirm_s < 1):
            msg = (
                f"guards: confirm_marks {self.confirm_marks} and confirm_s {self.confirm_s}; give "
                "at least 2 prices (0 for none) over at least 1 second: one price confirms "
                "nothing, and prints of one instant are one price"
            )
            raise InvalidInput(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class LiquidationRules:
    """Everything the engine asks a rulebook about losing a position.

    Attributes:
        stages: The stages that are run, in order.
        unit_order: Who is handled first at one snapshot.
        taker_fee: Fee of an ordinary fill, fraction of notional.
        clearance_fee: Fee of a liquidation fill, fraction of notional.
        clearance_fee_cap: What bounds that fee.
        deleverage: Name of the deleverage policy.
        socialise: Name of the loss policy.
    """

    stages: tuple[Stage, ...] = tuple(Stage)
    unit_order: UnitOrder = UnitOrder.LOWEST_EXCESS
    taker_fee: Decimal = Decimal("0.0005")
    clearance_fee: Decimal = ZERO
    clearance_fee_cap: FeeCap = FeeCap.NONE
    warn: WarnRules = field(default_factory=WarnRules)
    margin_call: MarginCallRules = field(default_factory=MarginCallRules)
    reduce: ReduceRules = field(default_factory=ReduceRules)
    takeover: TakeoverRules = field(default_factory=TakeoverRules)
    insurance: InsuranceRules = field(default_factory=InsuranceRules)
    guards: GuardRules = field(default_factory=GuardRules)
    deleverage: str = "queue_leverage_profit"
    socialise: str = "pro_rata_profit"

    def __post_init__(self) -> None:
        order = list(Stage)
        places = [order.index(stage) for stage in self.stages]
        if places != sorted(set(places)):
            msg = f"stages {[s.value for s in self.stages]} must follow {[s.value for s in order]}"
            raise InvalidInput(msg)
        levels = self.warn.levels
        if list(levels) != sorted(set(levels)) or not all(ZERO < x < ONE for x in levels):
            msg = f"warn levels {[str(x) for x in levels]} must rise inside (0, 1)"
            raise InvalidInput(msg)

    def runs(self, stage: Stage) -> bool:
        """Whether the venue runs a stage."""
        return stage in self.stages
