"""The account document: what a user says of an account, read strictly."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from keelmark.accounts.decode import Problems, Table, shown
from keelmark.core.instrument import InstrumentKind
from keelmark.core.payoff import Right
from keelmark.core.unit import TierRow


class MarginMode(StrEnum):
    """Whether a position shares the account's collateral."""

    CROSS = "cross"
    ISOLATED = "isolated"


class AccountMode(StrEnum):
    """Whether long and short of one instrument are one position or two legs."""

    ONE_WAY = "one_way"
    HEDGE = "hedge"


class OrderLeg(StrEnum):
    """The leg that an order opens or closes in hedge mode."""

    LONG = "long"
    SHORT = "short"


@dataclass(frozen=True, slots=True, kw_only=True)
class InstrumentSpec:
    """What a contract is, where the rulebook does not list it."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionRow:
    """`positions[]`; `path` is where it stands in the document.

    Attributes:
        implied_volatility: Of an option, annual fraction; else implied by its mark.
        underlying_price: Of an option, the price of its underlying for its expiry; else that of a
            future of the expiry, else the index.
    """

    path: str
    instrument: str
    size: Decimal
    entry_price: Decimal
    mark_price: Decimal
    leverage: Decimal | None = None
    margin_mode: MarginMode = MarginMode.CROSS
    isolated_margin: Decimal | None = None
    tier: TierRow | None = None
    spec: InstrumentSpec | None = None
    implied_volatility: Decimal | None = None
    underlying_price: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRow:
    """`orders[]`.

    Attributes:
        leg: In hedge mode, the leg it belongs to: a sell of the long leg only closes.
    """

    path: str
    instrument: str
    is_buy: bool
    size: Decimal
    price: Decimal
    leverage: Decimal | None = None
    reduce_only: bool = False
    leg: OrderLeg | None = None

    @property
    def only_closes(self) -> bool:
        """Whether it can open nothing: reduce-only, or against the leg it belongs to."""
        return self.reduce_only or (self.leg is not None and self.is_buy != self.opens_by_buying)

    @property
    def opens_by_buying(self) -> bool:
        """Whether its leg grows by buys."""
        return self.is_buy if self.leg is None else self.leg is OrderLeg.LONG


class Unlearnt(StrEnum):
    """What a source may leave out of an account."""

    COLLATERAL = "collateral"
    POSITIONS = "positions"
    ORDERS = "orders"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownRow:
    """`unknown[]`: what the document does not hold although the account may have it.

    Attributes:
        what: What is missing.
        why: In plain words, with what to add.
    """

    what: Unlearnt
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountDocument:
    """The whole document, decoded and not yet interpreted.

    Attributes:
        venue: Rulebook reference.
        as_of: Time of the snapshot, UTC.
        prices_as_of: Time of its prices, UTC, where that is another.
        historical: Whether a past instant is meant: then nothing in it is stale.
        collateral: Balance by asset.
        liabilities: Amount owed by asset, positive.
        prices: Price by asset, index or instrument.
        weights: Fraction of a balance that counts as collateral, by asset, as the venue says of
            this account; instead of the rulebook's own.
        ask_buffers: Share of an asset's price that its ask lies above it, by asset: at the ask what
            is owed and required is priced, where the venue has two sides.
        open_interest: Open interest by instrument, as notional in its settle asset.
        volatilities: Standard deviation of the relative change over a day by coin, fraction.
        positions: In the order of the document.
        orders: In the order of the document.
        accrued_interest: Owed by asset; the key "" stands for the settle asset.
        accrued_funding: To be received by asset, negative to be paid; "" as above.
        account_mode: One-way or hedge; `None` to tell by the rows.
        venue_reported: The venue's own figures: totals by name, or by name and instrument or leg.
        unknown: What could not be learnt; an empty list elsewhere then says nothing.
        notes: What whoever wrote the document had to assume.
    """

    venue: str
    as_of: datetime | None = None
    prices_as_of: datetime | None = None
    historical: bool = False
    collateral: Mapping[str, Decimal] = field(default_factory=dict)
    liabilities: Mapping[str, Decimal] = field(default_factory=dict)
    prices: Mapping[str, Decimal] = field(default_factory=dict)
    weights: Mapping[str, Decimal] = field(default_factory=dict)
    ask_buffers: Mapping[str, Decimal] = field(default_factory=dict)
    open_interest: Mapping[str, Decimal] = field(default_factory=dict)
    volatilities: Mapping[str, Decimal] = field(default_factory=dict)
    positions: tuple[PositionRow, ...] = ()
    orders: tuple[OrderRow, ...] = ()
    accrued_interest: Mapping[str, Decimal] = field(default_factory=dict)
    accrued_funding: Mapping[str, Decimal] = field(default_factory=dict)
    account_mode: AccountMode | None = None
    venue_reported: Mapping[str, Mapping[str, Decimal]] = field(default_factory=dict)
    unknown: tuple[UnknownRow, ...] = ()
    notes: tuple[str, ...] = ()


REPORTED_TOTALS = (
    "equity",
    "initial_margin",
    "maintenance_margin",
    "margin_ratio",
    "health",
    "utilisation",
    "effective_leverage",
    "available",
    "withdrawable",
)
REPORTED_BY_INSTRUMENT = (
    "liquidation_price",
    "bankruptcy_price",
    "notional",
    "unrealized_pnl",
    "initial_margin",
    "maintenance_margin",
)
TOTAL = ""
"""Key of a figure that belongs to the account and not to an instrument."""


def read_document(content: Mapping[str, object], *, title: str) -> AccountDocument:
    """Return the account document in a parsed JSON or TOML text.

    Raises:
        InvalidDocument: Every problem with its path.
    """
    problems = Problems()
    document = decode_document(content, problems)
    problems.raise_any(title)
    return document


def decode_document(content: Mapping[str, object], problems: Problems) -> AccountDocument:
    """Return what can be read of a document; what cannot is noted, and is empty or zero."""
    root = Table(content, "", problems)
    mode = root.choice("account_mode", list(AccountMode))
    weights: dict[str, Decimal] = {}
    document = AccountDocument(
        venue=root.text("venue", required=True) or "",
        as_of=root.time("as_of"),
        prices_as_of=root.time("prices_as_of"),
        historical=bool(root.flag("historical")),
        collateral=_amounts(root, "collateral", "balance", weights),
        liabilities=_amounts(root, "liabilities", "amount"),
        prices=root.numbers("prices", above=0),
        weights=weights,
        ask_buffers=_buffers(root),
        open_interest=root.numbers("open_interest"),
        volatilities=root.numbers("volatilities", above=0),
        positions=tuple(_position(t) for t in root.tables("positions", required=True)),
        orders=tuple(_order(t) for t in root.tables("orders")),
        accrued_interest=_accrued(root, "accrued_interest"),
        accrued_funding=_accrued(root, "accrued_funding"),
        account_mode=None if mode is None else AccountMode(mode),
        venue_reported=_reported(root),
        unknown=tuple(filter(None, (_unknown(t) for t in root.tables("unknown")))),
        notes=root.texts("notes"),
    )
    root.finish()
    return document


def _buffers(root: Table) -> dict[str, Decimal]:
    """Return how far asks lie above prices: a share of the price, not a price."""
    found = root.numbers("ask_buffers")
    for asset, buffer in found.items():
        if not 0 <= buffer < 1:
            text = f'found {buffer} of {asset}; it is a fraction of the price, such as "0.05"'
            root.refuse("ask_buffers", text)
    return {asset: buffer for asset, buffer in found.items() if 0 <= buffer < 1}


def _amounts(
    root: Table, key: str, amount: str, weights: dict[str, Decimal] | None = None
) -> dict[str, Decimal]:
    """Return amounts by asset; an asset may be listed once.

    Args:
        root: The document.
        key: `collateral` or `liabilities`.
        amount: Its key of an amount.
        weights: Filled with the weights that rows give; where there is none, a row has no weight.
    """
    found: dict[str, Decimal] = {}
    for table in root.tables(key, required=weights is not None):
        asset = table.text("asset", required=True) or ""
        value = table.number(amount, required=True, above=0 if key == "liabilities" else None)
        if asset in found:
            table.refuse("asset", f"found {asset!r} a second time; add the two {amount}s up")
        found[asset] = value
        weight = None if weights is None else table.maybe_number("weight")
        if weight is not None and not 0 <= weight <= 1:
            table.refuse("weight", f"found {weight}; a weight is a fraction from 0 to 1")
        elif weight is not None and weights is not None:
            weights[asset] = weight
        table.finish()
    return found


def _position(table: Table) -> PositionRow:
    mode = table.choice("margin_mode", list(MarginMode)) or MarginMode.CROSS
    isolated = table.maybe_number("isolated_margin")
    if mode == MarginMode.ISOLATED and isolated is None:
        table.refuse("isolated_margin", "is missing; an isolated position needs its own margin")
    if mode == MarginMode.CROSS and isolated:
        table.refuse("isolated_margin", 'is given for a cross position; set margin_mode "isolated"')
    size = table.maybe_number("size", required=True)
    if size is not None and size == 0:
        table.refuse("size", "found 0; leave flat positions out")
    row = PositionRow(
        path=table.path,
        instrument=table.text("instrument", required=True) or "",
        size=size or Decimal(0),
        entry_price=_premium(table, "entry_price"),
        mark_price=_premium(table, "mark_price"),
        leverage=table.maybe_number("leverage", above=0),
        margin_mode=MarginMode(mode),
        isolated_margin=isolated,
        tier=_tier(table),
        spec=_spec(table),
        implied_volatility=table.maybe_number("implied_volatility", above=0),
        underlying_price=table.maybe_number("underlying_price", above=0),
    )
    table.finish()
    return row


def _premium(table: Table, key: str) -> Decimal:
    """Return a price; zero is read, for an option may be worth nothing."""
    price = table.number(key, required=True)
    if price < 0:
        table.refuse(key, f"found {shown(table.content[key])}; it must be above 0")
    return price


def _tier(table: Table) -> TierRow | None:
    inner = table.table("tier")
    if inner is None:
        return None
    row = TierRow(
        maintenance_rate=inner.number("maintenance_rate", required=True),
        maintenance_amount=inner.number("maintenance_amount"),
    )
    if row.maintenance_rate < 0:
        inner.refuse("maintenance_rate", f"found {row.maintenance_rate}; a rate is at least 0")
    inner.finish()
    return row


def _spec(table: Table) -> InstrumentSpec | None:
    inner = table.table("spec")
    if inner is None:
        return None
    kind = inner.choice("kind", list(InstrumentKind))
    right = inner.choice("right", list(Right))
    spec = InstrumentSpec(
        kind=None if kind is None else InstrumentKind(kind),
        base=inner.text("base"),
        settle=inner.text("settle"),
        contract_size=inner.maybe_number("contract_size", above=0),
        lot=inner.maybe_number("lot", above=0),
        price_unit=inner.maybe_number("price_unit", above=0),
        index=inner.text("index"),
        expiry=inner.time("expiry"),
        strike=inner.maybe_number("strike", above=0),
        right=None if right is None else Right(right),
    )
    inner.finish()
    return spec


def _order(table: Table) -> OrderRow:
    side = table.choice("side", ("buy", "sell"))
    if side is None and "side" not in table.content:
        table.refuse("side", 'is missing; "buy" or "sell"')
    leg = table.choice("leg", list(OrderLeg))
    row = OrderRow(
        path=table.path,
        instrument=table.text("instrument", required=True) or "",
        is_buy=side == "buy",
        size=table.number("size", required=True, above=0),
        price=table.number("price", required=True, above=0),
        leverage=table.maybe_number("leverage", above=0),
        reduce_only=bool(table.flag("reduce_only")),
        leg=None if leg is None else OrderLeg(leg),
    )
    table.finish()
    return row


def _unknown(table: Table) -> UnknownRow | None:
    what = table.choice("what", list(Unlearnt))
    why = table.text("why", required=True)
    if "what" not in table.content:
        table.refuse("what", f"is missing; one of {', '.join(Unlearnt)}")
    table.finish()
    return UnknownRow(what=Unlearnt(what), why=why) if what and why else None


def _accrued(root: Table, key: str) -> dict[str, Decimal]:
    """Return amounts by asset; one bare number belongs to the settle asset."""
    if isinstance(root.content.get(key), Mapping):
        found = root.numbers(key)
    else:
        number = root.maybe_number(key)
        found = {} if number is None else {TOTAL: number}
    if key == "accrued_interest":
        for asset, owed in found.items():
            if owed < 0:
                root.refuse(key, f"found {owed} {asset}".rstrip() + "; interest owed is positive")
    return {asset: amount for asset, amount in found.items() if amount}


def _reported(root: Table) -> dict[str, dict[str, Decimal]]:
    """Return the venue's figures: by number, then by instrument (or `TOTAL`)."""
    inner = root.table("venue_reported")
    if inner is None:
        return {}
    found: dict[str, dict[str, Decimal]] = {}
    for name in dict.fromkeys((*REPORTED_TOTALS, *REPORTED_BY_INSTRUMENT)):
        by_instrument = isinstance(inner.content.get(name), Mapping)
        if by_instrument and name in REPORTED_BY_INSTRUMENT:
            found[name] = inner.numbers(name)
        elif name in REPORTED_TOTALS:
            number = inner.maybe_number(name)
            found[name] = {} if number is None else {TOTAL: number}
        elif inner.get(name) is not None:
            inner.refuse(name, 'found one value; write it by instrument: {"BTCUSDT": "..."}')
    inner.finish()
    return {name: figures for name, figures in found.items() if figures}
