"""The commands of the API: decimals and names, where the engine has quanta, lots and rows.

Commands of the engine that only an operator or a risk admin may give are under `/v1/admin`.
"""

from typing import Annotated, Literal

import msgspec

from keelmark.service.commands import fields as f

ROWS_MAX = 10_000


class Form(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    tag=True,
    tag_field="type",
    forbid_unknown_fields=True,
    omit_defaults=True,
):
    """Base of the forms; `type` names the command."""


class Party(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One side of a movement: an account, a unit of it, or a unit of the venue's own."""

    account: f.Account = None
    unit: f.Unit = None


class OpenAccount(Form, frozen=True):
    """Open an account with its cross unit, under a name that must be new."""

    name: f.Name


class OpenIsolated(Form, frozen=True):
    """Open an isolated unit of an account."""

    account: f.Account


class Deposit(Form, frozen=True):
    """Bring money in from outside."""

    asset: f.Name
    amount: f.Decimal
    account: f.Account = None
    unit: f.Unit = None


class Withdraw(Form, frozen=True):
    """Take money out; checked against initial margin."""

    asset: f.Name
    amount: f.Decimal
    account: f.Account = None
    unit: f.Unit = None


class Transfer(Form, frozen=True):
    """Move money between two units; the source is checked against initial margin."""

    source: Party
    target: Party
    asset: f.Name
    amount: f.Decimal


class Fill(Form, frozen=True):
    """A trade: `size` is signed, positive where the account buys.

    Attributes:
        counterparty: The other side; left out, the rest of the market.
        fee: What the account pays in the settle asset; negative is a rebate.
        leverage: Leverage of the whole position from now on; left out, it stays.
        order: Reserved order that the fill executes.
    """

    instrument: f.Name
    size: f.Decimal
    price: f.Decimal
    account: f.Account = None
    unit: f.Unit = None
    counterparty: Party | None = None
    leg: f.LegName = "net"
    counterparty_leg: f.LegName = "net"
    fee: f.Decimal = "0"
    counterparty_fee: f.Decimal = "0"
    leverage: f.Decimal | None = None
    counterparty_leverage: f.Decimal | None = None
    order: f.Order | None = None
    counterparty_order: f.Order | None = None


class FillRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One trade of a `FillBatch`; fields as those of `Fill`."""

    instrument: f.Name
    size: f.Decimal
    price: f.Decimal
    account: f.Account = None
    unit: f.Unit = None
    counterparty: Party | None = None
    leg: f.LegName = "net"
    counterparty_leg: f.LegName = "net"
    fee: f.Decimal = "0"
    counterparty_fee: f.Decimal = "0"
    leverage: f.Decimal | None = None
    counterparty_leverage: f.Decimal | None = None
    order: f.Order | None = None
    counterparty_order: f.Order | None = None


class FillBatch(Form, frozen=True):
    """Trades that are carried out together, or not at all."""

    fills: Annotated[tuple[FillRow, ...], msgspec.Meta(min_length=1, max_length=ROWS_MAX)]


class SetLeverage(Form, frozen=True):
    """Set the leverage of an open position; 0 is its tier's maximum."""

    instrument: f.Name
    leverage: f.Decimal
    account: f.Account = None
    unit: f.Unit = None
    leg: f.LegName = "net"


class ReserveOrder(Form, frozen=True):
    """Reserve the margin of an order; `size` is signed, positive buys."""

    order: f.Order
    instrument: f.Name
    size: f.Decimal
    price: f.Decimal
    account: f.Account = None
    unit: f.Unit = None
    leg: f.LegName = "net"
    leverage: f.Decimal | None = None
    reduce_only: bool = False


class ReleaseOrder(Form, frozen=True):
    """Release an order's reservation; all of it unless a size and its instrument are given."""

    order: f.Order
    account: f.Account = None
    unit: f.Unit = None
    instrument: f.Name | None = None
    size: f.Decimal | None = None


class FundingRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Funding of one instrument: `rate` is a fraction of notional; positive, longs pay."""

    instrument: f.Name
    rate: f.Decimal
    price: f.Decimal


class PostFunding(Form, frozen=True):
    """Post funding on every holder of the instruments."""

    rows: Annotated[tuple[FundingRow, ...], msgspec.Meta(min_length=1, max_length=ROWS_MAX)]


class InterestRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Interest of one asset: `rate` is a fraction of the debt since the last posting."""

    asset: f.Name
    rate: f.Decimal


class PostInterest(Form, frozen=True):
    """Post interest on every debt in the assets."""

    rows: Annotated[tuple[InterestRow, ...], msgspec.Meta(min_length=1, max_length=ROWS_MAX)]


class Settle(Form, frozen=True):
    """Settle a dated future at its delivery price."""

    instrument: f.Name
    price: f.Decimal


class AdvanceTime(Form, frozen=True):
    """Move the clock; what waits for it runs."""

    time: f.Time


class SetProtection(Form, frozen=True):
    """Set or replace a protection of a unit.

    Attributes:
        trigger: A price for stop loss and take profit, an amount for an equity floor, a usage
            (maintenance by equity) for the others.
        instrument: Of a stop loss or take profit.
        source: Unit that a top-up is paid from.
        asset: Of a top-up or an equity floor.
        target: Usage that a top-up or a deleveraging restores.
    """

    protection: f.Protection
    kind: Literal[
        "stop_loss", "take_profit", "equity_floor", "usage_ceiling", "top_up", "deleverage"
    ]
    trigger: f.Decimal
    account: f.Account = None
    unit: f.Unit = None
    instrument: f.Name | None = None
    source: Party | None = None
    asset: f.Name | None = None
    target: f.Decimal | None = None


class RemoveProtection(Form, frozen=True):
    """Remove a protection."""

    protection: f.Protection
    account: f.Account = None
    unit: f.Unit = None


AnyForm = (
    OpenAccount
    | OpenIsolated
    | Deposit
    | Withdraw
    | Transfer
    | Fill
    | FillBatch
    | SetLeverage
    | ReserveOrder
    | ReleaseOrder
    | PostFunding
    | PostInterest
    | Settle
    | AdvanceTime
    | SetProtection
    | RemoveProtection
)
"""What `/v1/commands` takes."""


class Row(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One command of a batch, with a key of its own."""

    command: AnyForm
    key: f.Key = ""


# --- what became of orders that were sent to a market ---------------------------------------------


class ReportExecution(Form, frozen=True):
    """What a market executed of an order that was sent to it; reported twice, it counts once."""

    order: f.Order
    execution: f.Name
    instrument: f.Name
    size: f.Decimal
    price: f.Decimal
    fee: f.Decimal | None = None


class CloseOrder(Form, frozen=True):
    """Nothing more will come of an order that was sent to a market."""

    order: f.Order
    outcome: Literal["cancelled", "rejected", "expired", "done"]
    reason: Annotated[str, msgspec.Meta(max_length=f.REASON_MAX)] = ""


AnyExecution = ReportExecution | CloseOrder
"""What `/v1/executions` takes."""


# --- for operators and risk admins ----------------------------------------------------------------


class Pause(Form, frozen=True, tag=False):
    """Stop trading and liquidation of an instrument; of everything where none is named."""

    reason: f.Reason
    instrument: f.Name | None = None


class Resume(Form, frozen=True, tag=False):
    """Lift a pause and trust the mark again."""

    reason: f.Reason
    instrument: f.Name | None = None


class Override(Form, frozen=True, tag=False):
    """Decide about a unit by hand; `takeover` needs a risk admin."""

    action: Literal["hold", "release", "takeover"]
    reason: f.Reason
    account: f.Account = None
    unit: f.Unit = None


class CloseAccount(Form, frozen=True, tag=False):
    """Close a whole account for good.

    Attributes:
        cause: Which kind of closing the statement names.
        prices: Price by instrument that positions close at; others close at the mark.
        price_source: Name of their source, for the statement.
        force: Close at a price more than 5 % off the mark, or where there is no mark.
    """

    account: f.Account
    cause: Literal["margin", "insolvency", "regulatory", "request"]
    reason: f.Reason
    price_source: f.Name = "mark"
    prices: dict[f.Name, f.Decimal] = {}
    force: bool = False


class SetRulebook(Form, frozen=True, tag=False):
    """Put a whole rulebook for the same instruments and assets in force."""

    text: Annotated[str, msgspec.Meta(min_length=1, max_length=f.TEXT_MAX, description="TOML.")]
    reason: f.Reason


AnyAdmin = Pause | Resume | Override | CloseAccount | SetRulebook


# --- prices ---------------------------------------------------------------------------------------

Prices = Annotated[dict[f.Name, f.Decimal], msgspec.Meta(max_length=ROWS_MAX)]


class Snapshot(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Prices of one instant; what it does not name keeps its price.

    Attributes:
        time: When; left out, now.
        marks: Mark price by instrument, quote per base; rounded to its price unit, ties to even.
        asset_prices: Price by asset, valuation currency.
        indices: Index price by name.
    """

    time: f.Time | None = None
    marks: Prices = {}
    asset_prices: Prices = {}
    indices: Prices = {}


class Snapshots(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Prices of one instant or of several, in order; each is applied whole."""

    snapshots: Annotated[tuple[Snapshot, ...], msgspec.Meta(min_length=1, max_length=ROWS_MAX)]
