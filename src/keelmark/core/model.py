"""A venue's margin rules as one value: what `core` is handed and never looks up."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum

from keelmark.core.codes import UnitKind
from keelmark.core.collateral import CollateralSchedule
from keelmark.core.errors import (
    InvalidInput,
    MissingMarkPrice,
    UnknownAsset,
    UnknownInstrument,
    nearest,
)
from keelmark.core.groups import GroupRule
from keelmark.core.instrument import Instrument
from keelmark.core.numbers import ONE, ZERO, round_to
from keelmark.core.option_rules import OptionTerms
from keelmark.core.rules import MaintenanceRule, Requirement


class MarginPurpose(StrEnum):
    """What a requirement is for; the purpose selects weight, schedule and rate."""

    INITIAL = "initial"
    LIQUIDATION_END = "liquidation_end"
    MAINTENANCE = "maintenance"


class Trigger(StrEnum):
    """When a unit becomes liquidatable."""

    BELOW = "below"
    AT_OR_BELOW = "at_or_below"

    def holds(self, *, excess: Decimal) -> bool:
        """Whether a unit with this maintenance excess is liquidatable."""
        return excess < ZERO or (self is Trigger.AT_OR_BELOW and excess == ZERO)


class MarginPrice(StrEnum):
    """The price that requirements are taken on; profit is always on the mark."""

    MARK = "mark"
    INDEX = "index"
    ENTRY = "entry"
    """The position's own entry price: the requirement stands still while prices move (Bybit until
    its new margin calculation)."""


class HaircutBase(StrEnum):
    """What an asset's haircut is applied to."""

    EQUITY = "equity"
    """Balance plus the unrealised profit settled in the asset (Bybit, OKX)."""
    BALANCE = "balance"
    """The balance alone; profit counts in full. For own rulebooks: none built in has it."""


class LiquidationPriceForm(StrEnum):
    """What the venue means by the liquidation price it shows.

    Ours is always the price at which the unit reaches maintenance; a venue's figure of another
    form is compared with that form.
    """

    EXACT = "exact"
    """Equity equals maintenance, both at that price."""
    HELD_MAINTENANCE = "held_maintenance"
    """Equity at that price equals the maintenance of now (Hyperliquid until 2023)."""


class CloseFeeBasis(StrEnum):
    """What a fee to close is charged on."""

    MARK = "mark"
    """Present notional (OKX, Gate, Phemex)."""
    BANKRUPTCY = "bankruptcy"
    """Notional at the position's own bankruptcy price, fixed at entry (Bybit)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseFee:
    """A fee to close that the venue counts inside margin.

    Attributes:
        rate: Fraction of the notional it is charged on.
        basis: Which notional that is.
        in_initial: Whether initial margin holds it too (OKX: maintenance alone).
    """

    rate: Decimal
    basis: CloseFeeBasis = CloseFeeBasis.MARK
    in_initial: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class InitialRule:
    """Initial margin from the leverage set: `notional / leverage`.

    The smaller of the leverage set and the row's largest: where a price move or a fill has carried
    the notional into a row that allows less, that row's counts. With no leverage set, the row's
    largest; with neither, twice the maintenance rate, the convention of tables that publish
    maintenance only (mmr = 1 / (2 * leverage)). A row that names none holds nobody to one.
    """

    def requirement(self, position: "PositionFacts") -> Requirement:
        """Return the initial margin of a position."""
        rate = self.rate(position)
        return Requirement(amount=position.notional * rate, basis=position.notional, rate=rate)

    def rate(self, position: "PositionFacts") -> Decimal:
        """Return the fraction of notional."""
        allowed = position.rule.leverage_max(position.size, position.notional)
        if position.leverage is not None:
            chosen = position.leverage
            return ONE / (chosen if allowed is None else min(chosen, allowed))
        if allowed is not None:
            return ONE / allowed
        return 2 * position.rule.requirement(position.size, position.notional).rate


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleInitial(InitialRule):
    """Initial margin by a schedule of its own (Deribit: 2 % plus a slope times size)."""

    schedule: MaintenanceRule

    def requirement(self, position: "PositionFacts") -> Requirement:
        """Return the schedule's requirement."""
        return self.schedule.requirement(position.size, position.notional)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenInterestInitial(InitialRule):
    """A base fraction that rises with open interest; a leverage set by the user may raise it.

    `min(1, f + max(0, (oi - lower) / (upper - lower)) * (1 - f))`, floored to parts per million.
    Source: dYdX v4, protocol/x/perpetuals (liquidity tiers); `upper = 0` switches scaling off.
    """

    base: Decimal
    lower: Decimal = ZERO
    upper: Decimal = ZERO
    quantum: Decimal = ZERO

    def requirement(self, position: "PositionFacts") -> Requirement:
        """Return the initial margin, rounded up to a quantum where there is one."""
        rate = self.rate(position)
        amount = position.notional * rate
        if self.quantum:
            amount = round_to(amount, self.quantum, up=True)
        return Requirement(amount=amount, basis=position.notional, rate=rate)

    def rate(self, position: "PositionFacts") -> Decimal:
        """Return the larger of the scaled and the user's fraction."""
        scaled = self.scaled(self._known(position))
        if position.leverage is None:
            return scaled
        return max(scaled, ONE / position.leverage)

    def _known(self, position: "PositionFacts") -> Decimal:
        if position.open_interest is None and self.upper != ZERO:
            msg = (
                f"no open interest for {position.symbol}; its initial margin scales with it: "
                "add it to the market snapshot"
            )
            raise MissingMarkPrice(msg)
        return position.open_interest or ZERO

    def scaled(self, open_interest: Decimal) -> Decimal:
        """Return the fraction at this open interest, in whole parts per million."""
        if self.upper == ZERO or open_interest <= self.lower:
            return self.base
        if self.upper <= self.lower:
            return ONE
        share = (open_interest - self.lower) / (self.upper - self.lower)
        fraction = self.base + share * (ONE - self.base)
        million = Decimal(1_000_000)
        return min(ONE, Decimal(int(fraction * million)) / million)


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionFacts:
    """What an initial rule reads of a position; sizes and notionals unsigned."""

    symbol: str
    size: Decimal
    notional: Decimal
    leverage: Decimal | None
    open_interest: Decimal | None
    rule: MaintenanceRule


@dataclass(frozen=True, slots=True, kw_only=True)
class InstrumentTerms:
    """A contract with the venue's margin terms for it.

    Attributes:
        instrument: The contract.
        maintenance: Rule of the maintenance requirement.
        initial: Rule of the initial requirement.
        margin_price: Price the requirements are taken on.
        close_fee: Fee to close inside the requirements, if the venue counts one.
        whole_quanta: Quantum of the settle asset that values are cut to, towards zero, where the
            venue computes in integers; such contracts have no kernel face.
        option: How an option is margined; `None` for every other kind.
        source: Where the numbers were read, with date.
    """

    instrument: Instrument
    maintenance: MaintenanceRule
    initial: InitialRule = field(default_factory=InitialRule)
    margin_price: MarginPrice = MarginPrice.MARK
    close_fee: CloseFee | None = None
    whole_quanta: Decimal | None = None
    option: OptionTerms | None = None
    source: str = ""

    def __post_init__(self) -> None:
        if self.whole_quanta is not None and self.instrument.is_inverse:
            msg = f"{self.instrument.symbol}: values in whole quanta are of linear contracts only"
            raise InvalidInput(msg)
        if self.instrument.is_option != (self.option is not None):
            wrong = (
                "no rule for its margin" if self.option is None else "option margin, and is none"
            )
            msg = f"{self.instrument.symbol}: a {self.instrument.kind} with {wrong}"
            raise InvalidInput(msg)
        if self.margin_price is MarginPrice.INDEX and self.instrument.index is None:
            msg = f"{self.instrument.symbol} is margined on an index but names none: set `index`"
            raise InvalidInput(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetTerms:
    """An asset with the venue's collateral terms for it.

    Attributes:
        asset: Name.
        quantum: Smallest amount that moves.
        schedule: Weights that count towards maintenance.
        initial_schedule: Weights for initial margin where they differ.
        haircut_base: What the weights apply to.
        conversion_haircut: Cost of an automatic exchange, fraction: of collateral in a liquidation,
            and of what pays debts when an account is closed. One: it is not exchanged.
        gross_loan_rate: Maintenance margin on what is borrowed, fraction of the gross loan, however
            much of the asset is held (Binance portfolio margin); 0 where none is asked. A
            rate on the net debt is `CollateralSchedule.loan_rate`.
        gross_loan_rate_initial: The same for initial margin; `None` for the maintenance rate.
        accrual_rate: Interest on a debt that counts before it is posted, fraction a second; 0
            where it counts only once posted.
        source: Where the numbers were read, with date.
    """

    asset: str
    quantum: Decimal = Decimal("0.00000001")
    schedule: CollateralSchedule = field(default_factory=CollateralSchedule)
    initial_schedule: CollateralSchedule | None = None
    haircut_base: HaircutBase = HaircutBase.EQUITY
    conversion_haircut: Decimal = ZERO
    accrual_rate: Decimal = ZERO
    gross_loan_rate: Decimal = ZERO
    gross_loan_rate_initial: Decimal | None = None
    source: str = ""

    def __post_init__(self) -> None:
        for rate in (self.gross_loan_rate, self.gross_loan_rate_initial or ZERO):
            if not (rate.is_finite() and rate >= ZERO):
                msg = f"{self.asset}: gross loan rate {rate}; it must be a fraction of at least 0"
                raise InvalidInput(msg)

    def gross_loan_rate_for(self, purpose: MarginPurpose) -> Decimal:
        """Return the margin on a unit borrowed, for a purpose."""
        initial = self.gross_loan_rate_initial
        if purpose is MarginPurpose.INITIAL and initial is not None:
            return initial
        return self.gross_loan_rate

    def schedule_for(self, purpose: MarginPurpose) -> CollateralSchedule:
        """Return the schedule of a purpose."""
        if purpose is MarginPurpose.INITIAL and self.initial_schedule is not None:
            return self.initial_schedule
        return self.schedule


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfitTerms:
    """How positive unrealised profit counts.

    Attributes:
        weight: Fraction of each position's positive profit that counts.
        cap: Largest total of positive profit that counts, valuation currency; `None` for no cap.
    """

    weight: Decimal = ONE
    cap: Decimal | None = None


IN_FULL = CollateralSchedule()
"""No haircut on what is held, no margin on a debt."""

FULL_PROFIT = ProfitTerms()
"""Every profit in full."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginModel:
    """Everything `core` needs to margin a unit.

    Attributes:
        name: Rulebook and date, for messages and workings.
        instruments: Terms by symbol.
        assets: Terms by asset.
        valuation: Currency totals are in. An asset of this name has price one.
        par: Assets that stand for one unit of it where nobody gives a price; no margin reads them.
        trigger: When a unit is liquidatable.
        trigger_level: Multiple of maintenance at which the trigger holds, at least one (1.05 of
            uniMMR under Binance portfolio margin).
        liquidation_end: Multiple of maintenance at which a liquidation stops, at least one.
        profit: Terms of positive profit by purpose; a purpose left out counts it in full.
        orders_in_maintenance: Whether open orders enlarge the maintenance requirement too.
        single_asset: Whether each unit holds one asset and is margined in it (coin-margined
            venues, single-asset modes): no asset price is read.
        withdraw_profit: Whether unrealised profit may leave a unit, as far as initial margin
            allows; where not, only what initial margin leaves of the rest does.
        withdraw_notional: Share of the total notional that must stay in a unit when money leaves,
            where that is more than initial margin (Hyperliquid: 0.1); 0 where the venue has none.
        liquidation_price_form: What the venue's own liquidation price means.
        isolated_in_full: Whether collateral schedules are of cross units only: what backs one
            isolated position counts in full in its settle asset (Bybit, OKX).
        group: Margin of options together, where the venue has one.
    """

    name: str
    instruments: Mapping[str, InstrumentTerms]
    assets: Mapping[str, AssetTerms]
    valuation: str = "USD"
    par: tuple[str, ...] = ()
    trigger: Trigger = Trigger.BELOW
    trigger_level: Decimal = ONE
    liquidation_end: Decimal = ONE
    profit: Mapping[MarginPurpose, ProfitTerms] = field(default_factory=dict)
    orders_in_maintenance: bool = False
    single_asset: bool = False
    withdraw_profit: bool = False
    withdraw_notional: Decimal = ZERO
    liquidation_price_form: LiquidationPriceForm = LiquidationPriceForm.EXACT
    isolated_in_full: bool = False
    group: GroupRule | None = None

    def __post_init__(self) -> None:
        if not (self.withdraw_notional.is_finite() and self.withdraw_notional >= ZERO):
            msg = (
                f"{self.name}: withdraw_notional is {self.withdraw_notional}; give a share of 0 up"
            )
            raise InvalidInput(msg)
        for key in ("trigger_level", "liquidation_end"):
            if getattr(self, key) < ONE:
                msg = f"{self.name}: {key} is {getattr(self, key)}; it must be at least 1"
                raise InvalidInput(msg)

    def instrument(self, symbol: str) -> InstrumentTerms:
        """Return the terms of an instrument.

        Raises:
            UnknownInstrument: The rulebook has none.
        """
        terms = self.instruments.get(symbol)
        if terms is None:
            msg = (
                f"rulebook {self.name} has no instrument {symbol}; "
                f"{nearest(symbol, self.instruments)}"
            )
            raise UnknownInstrument(msg)
        return terms

    def asset(self, name: str) -> AssetTerms:
        """Return the terms of an asset.

        Raises:
            UnknownAsset: The rulebook has none.
        """
        terms = self.assets.get(name)
        if terms is None:
            msg = f"rulebook {self.name} has no asset {name}; {nearest(name, self.assets)}"
            raise UnknownAsset(msg)
        return terms

    def asset_in(self, kind: UnitKind, name: str) -> AssetTerms:
        """Return the terms of an asset in a unit of a kind; raises as `asset`."""
        terms = self.asset(name)
        if kind is UnitKind.ISOLATED and self.isolated_in_full:
            return replace(terms, schedule=IN_FULL, initial_schedule=None)
        return terms

    @property
    def margins_gross_loans(self) -> bool:
        """Whether any asset asks margin on what is borrowed of it."""
        return any(
            terms.gross_loan_rate or terms.gross_loan_rate_initial for terms in self.assets.values()
        )

    def reads_price_of(self, asset: str) -> bool:
        """Whether totals depend on the price of an asset."""
        return not self.single_asset and asset != self.valuation

    def profit_terms(self, purpose: MarginPurpose) -> ProfitTerms:
        """Return how positive profit counts for a purpose."""
        return self.profit.get(purpose, FULL_PROFIT)
