"""The rulebook document: what a TOML file may say, with its types.

Numbers are strings or TOML numbers; they are read as exact decimals.
"""

from datetime import datetime
from decimal import Decimal

import msgspec

from keelmark.core.instrument import InstrumentKind
from keelmark.core.model import (
    CloseFeeBasis,
    HaircutBase,
    LiquidationPriceForm,
    MarginPrice,
    MarginPurpose,
    Trigger,
)
from keelmark.core.option_rules import UnderlyingPrice
from keelmark.core.payoff import Right
from keelmark.core.process import FeeCap, Stage, UnitOrder


class _Document(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table whose unknown keys are refused."""


class SourcedDocument(_Document, frozen=True, kw_only=True):
    """An entry that says where its numbers are from.

    Attributes:
        source: Where they were read, or a key of `[sources]`; the file's own where left out.
        read: Day they were read, YYYY-MM-DD; absent where they are the file's own.
    """

    source: str = ""
    read: str | None = None


class SourceDocument(_Document, frozen=True):
    """`[sources.NAME]`: a source that several entries share."""

    text: str
    read: str | None = None


class WeightRow(_Document, frozen=True):
    """A collateral tier: units above `floor` count at `weight`."""

    floor: Decimal
    weight: Decimal


class AssetDocument(SourcedDocument, frozen=True):
    """`[assets.NAME]`.

    With `unknown_weights` nothing says what a credit balance counts for: it is unknown until an
    account document gives its `weight`.
    """

    unknown_weights: bool = False
    quantum: Decimal = Decimal("0.00000001")
    weights: tuple[WeightRow, ...] = ()
    initial_weights: tuple[WeightRow, ...] = ()
    loan_rate: Decimal = Decimal(0)
    gross_loan_rate: Decimal = Decimal(0)
    gross_loan_rate_initial: Decimal | None = None
    haircut_base: HaircutBase = HaircutBase.EQUITY
    conversion_haircut: Decimal = Decimal(0)
    accrual_rate: Decimal = Decimal(0)


class TierRow(_Document, frozen=True):
    """A row of `[tables.NAME]`; `amount` is worked out where it is left out.

    A `rate` left out is half the initial rate at the row's largest leverage, `1 / (2 * leverage)`.
    """

    floor: Decimal
    rate: Decimal | None = None
    amount: Decimal | None = None
    leverage: Decimal | None = None


class TableDocument(SourcedDocument, frozen=True):
    """`[tables.NAME]`: a maintenance rule.

    Attributes:
        rule: `tiered`, `whole_notional`, `size_tiers`, `size_scaled`, `coin_scaled` or
            `whole_quanta`.
        rows: Tiers; `size_scaled` and `coin_scaled` read the first row's rate as their base,
            `whole_quanta` as the initial rate.
        slope: Rate per unit of size (`size_scaled`) or of notional (`coin_scaled`).
        fraction: Maintenance as a fraction of initial margin, `whole_quanta` only.
        quantum: What requirements are rounded up to, `whole_quanta` only.
    """

    rule: str = "tiered"
    rows: tuple[TierRow, ...] = ()
    slope: Decimal = Decimal(0)
    fraction: Decimal = Decimal(1)
    quantum: Decimal | None = None


class InitialDocument(_Document, frozen=True):
    """`initial` of an instrument: by leverage, by a table of its own, or by open interest."""

    rule: str = "leverage"
    table: str | None = None
    base: Decimal = Decimal(0)
    lower: Decimal = Decimal(0)
    upper: Decimal = Decimal(0)
    quantum: Decimal = Decimal(0)


class CloseFeeDocument(_Document, frozen=True):
    """`close_fee` of an instrument."""

    rate: Decimal
    basis: CloseFeeBasis = CloseFeeBasis.MARK
    in_initial: bool = True


class InstrumentDocument(SourcedDocument, frozen=True):
    """`[instruments.SYMBOL]`; every key may be left to `[kinds.KIND]` and to `[defaults]`.

    Attributes:
        option: Name of the `[options.NAME]` that margins it, of an option.
    """

    kind: InstrumentKind | None = None
    base: str | None = None
    settle: str | None = None
    contract_size: Decimal | None = None
    lot: Decimal | None = None
    price_unit: Decimal | None = None
    index: str | None = None
    expiry: datetime | None = None
    strike: Decimal | None = None
    right: Right | None = None
    option: str | None = None
    table: str | None = None
    initial: InitialDocument | None = None
    margin_price: MarginPrice | None = None
    close_fee: CloseFeeDocument | None = None


class FactorRow(_Document, frozen=True):
    """A row of `factors`: above `floor` contracts the shares are multiplied by `factor`."""

    floor: Decimal
    factor: Decimal


class OptionDocument(SourcedDocument, frozen=True, kw_only=True):
    """`[options.NAME]`: what is asked of short options, by themselves; long ones have paid.

    Attributes:
        rule: `short_option`.
        initial: Share of the underlying, less how far the option is out of the money.
        initial_floor: Least share of the underlying.
        maintenance: Share of the underlying.
        mark: Share of the mark, where that is more, by right.
        fee: Liquidation fee inside maintenance, share of the underlying.
        price: `forward` or `index`: which says how far out of the money.
        at_least: Multiple of maintenance that the initial requirement is at least, by right.
        counts_entry: Whether initial margin takes the larger of mark and entry premium.
        factors: Multiples of the shares by size.
        value: `counted` in equity, or `apart` from it.
    """

    rule: str = "short_option"
    initial: Decimal
    initial_floor: Decimal
    maintenance: Decimal
    mark: dict[Right, Decimal] = {}
    fee: Decimal = Decimal(0)
    price: UnderlyingPrice = UnderlyingPrice.FORWARD
    at_least: dict[Right, Decimal] = {}
    counts_entry: bool = False
    factors: tuple[FactorRow, ...] = ()
    value: str = "counted"


class GroupDocument(SourcedDocument, frozen=True, kw_only=True):
    """`[group]`: margin of options together.

    Attributes:
        rule: `expiry_offset`.
        naked_initial: Multiple of the forward for a short call no long one covers, initial margin.
        naked_maintenance: The same for maintenance margin.
    """

    rule: str
    naked_initial: Decimal
    naked_maintenance: Decimal


class ProfitDocument(SourcedDocument, frozen=True):
    """`[profit.PURPOSE]`: how positive unrealised profit counts."""

    weight: Decimal = Decimal(1)
    cap: Decimal | None = None


class WarnDocument(_Document, frozen=True):
    """`[liquidation.warn]`."""

    levels: tuple[Decimal, ...] = ()
    hysteresis: Decimal = Decimal("0.05")
    recheck_s: int = 60


class MarginCallDocument(_Document, frozen=True):
    """`[liquidation.margin_call]`."""

    usage: Decimal = Decimal(1)
    grace_s: int = 0


class ReduceDocument(_Document, frozen=True):
    """`[liquidation.reduce]`."""

    sizing: str = "to_target"
    order: str = "largest_maintenance"
    price_limit: str = "bankruptcy"
    sizing_settings: dict[str, Decimal] = {}
    price_settings: dict[str, Decimal] = {}
    buffer: Decimal = Decimal("0.1")
    attempts: int = 3
    interval_s: int = 0
    seed: int = 0
    impact: dict[str, Decimal] = {}


class TakeoverDocument(_Document, frozen=True):
    """`[liquidation.takeover]`."""

    inventory_max: Decimal | None = None
    loss_max: Decimal | None = None
    loss_window_s: int = 3600
    usage: Decimal = Decimal(1)
    dispose_share: Decimal = Decimal("0.05")
    dispose_interval_s: int = 60
    deleverage_below: Decimal | None = None


class InsuranceDocument(_Document, frozen=True):
    """`[liquidation.insurance]`."""

    segments: dict[str, tuple[str, ...]] = {}
    window_s: int = 3600
    window_share: Decimal = Decimal(1)
    fee_share: Decimal = Decimal(1)
    surplus_share: Decimal = Decimal(0)


class GuardDocument(_Document, frozen=True):
    """`[liquidation.guards]`."""

    stale_s: int = 0
    band: Decimal = Decimal(0)
    confirm_marks: int = 0
    confirm_s: int = 0
    window_s: int = 60
    notional_max: Decimal | None = None


class AutoExchangeDocument(SourcedDocument, frozen=True):
    """`[auto_exchange]`: when a venue sells collateral although nothing is liquidated.

    Attributes:
        thresholds: Balance of an asset below which it is bought, negative, in the asset.
        idle_ltv: Debt over collateral from which an account without positions and orders is
            exchanged.
    """

    thresholds: dict[str, Decimal] = {}
    idle_ltv: Decimal | None = None


class LiquidationDocument(SourcedDocument, frozen=True):
    """`[liquidation]`."""

    stages: tuple[Stage, ...] = tuple(Stage)
    unit_order: UnitOrder = UnitOrder.LOWEST_EXCESS
    taker_fee: Decimal = Decimal("0.0005")
    clearance_fee: Decimal = Decimal(0)
    clearance_fee_cap: FeeCap = FeeCap.NONE
    deleverage: str = "queue_leverage_profit"
    socialise: str = "pro_rata_profit"
    warn: WarnDocument = WarnDocument()
    margin_call: MarginCallDocument = MarginCallDocument()
    reduce: ReduceDocument = ReduceDocument()
    takeover: TakeoverDocument = TakeoverDocument()
    insurance: InsuranceDocument = InsuranceDocument()
    guards: GuardDocument = GuardDocument()


class RulebookDocument(_Document, frozen=True):
    """A whole rulebook file.

    Attributes:
        name: Venue, as in `venue@YYYY-MM`.
        date: Month the numbers were in force, YYYY-MM.
        source: Where they were read.
        read: Day they were read, YYYY-MM-DD; absent where they are the file's own.
        until: Last month the numbers are known to have been in force, YYYY-MM; a later date does
            not find them. Left out, they hold until the venue's next table.
        sources: Sources that entries name by key.
        isolated: Whether the mode knows isolated positions.
        isolated_in_full: Whether what backs an isolated position counts in full in its settle
            asset, whatever the asset's weight as shared collateral.
        ask_side: Whether the venue prices what is owed and required at an ask above what is held;
            an account document says how far above (`ask_buffers`).
        hedge_mode: Whether both sides of one instrument can be held; without it the venue nets.
        whole_quanta: Whether the venue computes in whole quanta: the value of a position is cut to
            one towards zero.
        par: Assets that stand for one unit of the valuation currency where an account document
            gives no price; that is said.
        symbols: Patterns with groups `base` and `settle` that give unknown symbols a contract;
            of dated ones also `expiry`, of options `strike` (a `d` in it is its decimal point) and
            `right` (`C` or `P`).
        kinds: What contracts of a kind have where their rows leave it out.
        bracket_rule: How full tables of the venue's brackets are charged once they are imported,
            `tiered`, `whole_notional` or `size_tiers`; left out, none can be imported.
        not_covered: What the venue does and this rulebook does not, in plain words.
    """

    name: str
    date: str
    source: str
    read: str | None = None
    until: str | None = None
    sources: dict[str, SourceDocument] = {}
    valuation: str = "USD"
    trigger: Trigger = Trigger.BELOW
    edge_owner: str = "lower"
    trigger_level: Decimal = Decimal(1)
    liquidation_end: Decimal = Decimal(1)
    orders_in_maintenance: bool = False
    single_asset: bool = False
    isolated: bool = True
    isolated_in_full: bool = False
    ask_side: bool = False
    hedge_mode: bool = True
    withdraw_profit: bool = False
    whole_quanta: bool = False
    par: tuple[str, ...] = ()
    withdraw_notional: Decimal = Decimal(0)
    liquidation_price_form: LiquidationPriceForm = LiquidationPriceForm.EXACT
    symbols: dict[InstrumentKind, str] = {}
    kinds: dict[InstrumentKind, InstrumentDocument] = {}
    defaults: InstrumentDocument = InstrumentDocument()
    default_asset: AssetDocument | None = None
    assets: dict[str, AssetDocument] = {}
    tables: dict[str, TableDocument] = {}
    instruments: dict[str, InstrumentDocument] = {}
    options: dict[str, OptionDocument] = {}
    group: GroupDocument | None = None
    profit: dict[MarginPurpose, ProfitDocument] = {}
    liquidation: LiquidationDocument = LiquidationDocument()
    auto_exchange: AutoExchangeDocument | None = None
    bracket_rule: str | None = None
    not_covered: tuple[str, ...] = ()
