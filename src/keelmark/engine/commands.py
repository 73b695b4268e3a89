"""What can be asked of the engine. Every amount is a whole number: quanta, lots, price ticks.

A command is well formed or refused by its decoder; whether a rule allows it is decided by
`engine.decide`. Times are milliseconds since the Unix epoch, UTC.
"""

import msgspec


class Command(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    tag=True,
    forbid_unknown_fields=True,
    omit_defaults=True,  # encoded alike after a release that adds a field
):
    """Base of the single commands."""


class OpenAccount(Command, frozen=True):
    """Open an account with its cross unit.

    Attributes:
        name: The caller's own id of it; must be new.
    """

    name: str


class OpenIsolated(Command, frozen=True):
    """Open an isolated unit of an account."""

    account: int


class Deposit(Command, frozen=True):
    """Bring money in from outside."""

    unit: int
    asset: int
    quanta: int


class Withdraw(Command, frozen=True):
    """Take money out; checked against initial margin."""

    unit: int
    asset: int
    quanta: int


class Transfer(Command, frozen=True):
    """Move money between two units; the source is checked against initial margin."""

    source: int
    target: int
    asset: int
    quanta: int


class Fill(Command, frozen=True):
    """A trade between two units.

    Attributes:
        unit: The side the signs are of.
        counterparty: The other side; an in-house unit stands for the rest of the market.
        instrument: Row of the instrument.
        lots: Signed; positive where `unit` buys.
        ticks: Price.
        leg: Leg of `unit`; 0 in one-way mode.
        counterparty_leg: Leg of the counterparty.
        fee: Quanta `unit` pays; negative is a rebate.
        counterparty_fee: Quanta the counterparty pays.
        leverage: Leverage `unit` sets for its whole position, hundredths; 0 leaves it (that of
            the order, if one is named). A position opened without one is at its tier's maximum.
        counterparty_leverage: The same of the counterparty.
        order: Reserved order of `unit` that the fill executes: its lots leave the reservation
            with the fill, which is not asked for initial margin again.
        counterparty_order: The same of the counterparty.
    """

    unit: int
    counterparty: int
    instrument: int
    lots: int
    ticks: int
    leg: int = 0
    counterparty_leg: int = 0
    fee: int = 0
    counterparty_fee: int = 0
    leverage: int = 0
    counterparty_leverage: int = 0
    order: int | None = None
    counterparty_order: int | None = None


class FillBatch(Command, frozen=True):
    """Trades that are decided one after the other and carried out together, or not at all.

    Each is decided as if those before it had happened, at one snapshot; the error of a refused one
    has its place in `index`. Liquidations, protections and warnings follow after the last.

    Attributes:
        fills: The trades, in order.
    """

    fills: tuple[Fill, ...]


class SetLeverage(Command, frozen=True):
    """Set the leverage of an open position; checked against initial margin.

    Attributes:
        leverage: Hundredths; 0 is the tier's maximum.
        leg: Leg of the position; 0 in one-way mode.
    """

    unit: int
    instrument: int
    leverage: int
    leg: int = 0


class ReserveOrder(Command, frozen=True):
    """Place an order's margin reservation.

    Attributes:
        order: The caller's id of the order; must be new for the unit.
        lots: Signed; positive buys.
        ticks: Limit price.
        leg: Leg the order opens or closes; 0 in one-way mode. One that closes its leg reserves
            nothing.
        leverage: Leverage its fills set, hundredths; 0 leaves it.
        reduce_only: Whether it may only shrink the position; it reserves nothing.
    """

    unit: int
    order: int
    instrument: int
    lots: int
    ticks: int
    leg: int = 0
    leverage: int = 0
    reduce_only: bool = False


class ReleaseOrder(Command, frozen=True):
    """Release an order's reservation, whole or in part.

    Attributes:
        lots: Unsigned part that was filled or cancelled; 0 is all of it.
    """

    unit: int
    order: int
    lots: int = 0


class PostFunding(Command, frozen=True):
    """Post funding of instruments at the venue's instant.

    Attributes:
        instruments: Rows.
        rates: Fractions of notional in parts per trillion; positive: longs pay.
        ticks: Prices the notional is taken at.
    """

    instruments: tuple[int, ...]
    rates: tuple[int, ...]
    ticks: tuple[int, ...]


class PostInterest(Command, frozen=True):
    """Post interest on debts.

    Attributes:
        assets: Rows.
        rates: Fractions of the debt in parts per trillion, for the time since the last posting.
    """

    assets: tuple[int, ...]
    rates: tuple[int, ...]


class Settle(Command, frozen=True):
    """Settle a dated future at its delivery price: every position becomes cash."""

    instrument: int
    ticks: int


class SetRulebook(Command, frozen=True):
    """Change parameters: a whole rulebook for the same instruments and assets, as TOML."""

    text: str


class AdvanceTime(Command, frozen=True):
    """Move the clock; runs what waits for time (grace, cool-downs, disposals, rechecks)."""

    time_ms: int


class Pause(Command, frozen=True):
    """Stop trading and liquidation of an instrument, or of all (-1)."""

    instrument: int
    reason: str


class Resume(Command, frozen=True):
    """Lift a pause and trust the mark again."""

    instrument: int
    reason: str


class CloseAccount(Command, frozen=True):
    """Close a whole account for good.

    Attributes:
        reason: `margin`, `insolvency`, `regulatory` or `request`.
        instruments: Rows with a price of their own (the named price source).
        ticks: Their prices; positions in other instruments close at the mark.
        price_source: Name of the source, for the statement.
    """

    account: int
    reason: str
    price_source: str = "mark"
    instruments: tuple[int, ...] = ()
    ticks: tuple[int, ...] = ()


class SetProtection(Command, frozen=True):
    """Set or replace a protection of a unit.

    Attributes:
        kind: `stop_loss`, `take_profit`, `equity_floor`, `usage_ceiling`, `top_up`, `deleverage`.
        instrument: Row, for the first two; -1 otherwise.
        trigger: Ticks for the first two; parts per million of usage, or quanta of equity.
        source: Funding unit of a top-up.
        asset: Asset of a top-up.
        target: Usage in parts per million that a top-up or de-leverage restores.
    """

    unit: int
    protection: int
    kind: str
    trigger: int
    instrument: int = -1
    source: int = -1
    asset: int = -1
    target: int = 0


class RemoveProtection(Command, frozen=True):
    """Remove a protection."""

    unit: int
    protection: int


class ReportExecution(Command, frozen=True):
    """Report what a market executed of an order that was sent to it.

    A report that was made before, with the same id and the same figures, changes nothing.

    Attributes:
        order: Number of the order, as `OrderSent` says.
        execution: The market's own id of the execution; unique for the order.
        lots: Signed as those of the order.
        ticks: Price.
        fee: Settle quanta that the market charges for it, negative for a rebate; `None` for the
            rulebook's.
    """

    order: int
    execution: str
    lots: int
    ticks: int
    fee: int | None = None


class CloseOrder(Command, frozen=True):
    """Report that nothing more will come of an order that was sent to a market.

    An order that is filled whole is closed by its last execution. Closing one that is closed
    changes nothing.

    Attributes:
        outcome: `cancelled`, `rejected`, `expired` or `done`.
        reason: The market's words.
    """

    order: int
    outcome: str
    reason: str = ""


class Override(Command, frozen=True):
    """An operator's own decision about a unit, with a name and a reason for the audit trail.

    Attributes:
        action: `release` (end the process), `hold` (do nothing until resumed), `takeover`.
    """

    unit: int
    action: str
    operator: str
    reason: str
