"""What happened: facts in the past tense, in whole numbers, enough to rebuild the state.

`apply` never rejects one of these. Quanta are of the asset named; `value` is the signed value at
which lots changed hands, seen from `unit`: positive for lots bought.
"""

from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt

from keelmark.engine.event_rows import AssetRow, BillRow, HoldingRow, Payment
from keelmark.engine.working import ExternalTerms


class Event(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Base of the events."""


class JournalOpened(Event, frozen=True, omit_defaults=True):
    """The first record of a journal: what it holds, and under which terms it was begun.

    Attributes:
        format: Version of the events.
        rulebook: Reference of the rulebook.
        terms: Digest of its terms.
        external: How orders are executed outside; `None` where the market is built in.
    """

    format: int
    rulebook: str
    terms: str
    external: ExternalTerms | None = None


class Keyed(Event, frozen=True):
    """The command of this batch came with an idempotency key.

    Attributes:
        stamp: Digest of the key, then of the command, 16 bytes each.
        position: Journal position after the batch.
    """

    stamp: bytes
    position: int


# --- accounts and money -------------------------------------------------------------------------


class AccountOpened(Event, frozen=True):
    """An account and its cross unit exist."""

    account: int
    unit: int
    name: str


class IsolatedOpened(Event, frozen=True):
    """An isolated unit exists."""

    account: int
    unit: int


class Deposited(Event, frozen=True):
    """Money came in from outside."""

    unit: int
    asset: int
    quanta: int


class Withdrawn(Event, frozen=True):
    """Money left."""

    unit: int
    asset: int
    quanta: int


class Transferred(Event, frozen=True):
    """Money moved between two units, for a named reason.

    Attributes:
        reason: `transfer`, `fee`, `clearance_fee`, `surplus`, `deficit`, `conversion`, `seizure`,
            `socialised`, `top_up` or `payout`.
    """

    source: int
    target: int
    asset: int
    quanta: int
    reason: str = "transfer"
    case: int = 0


class Filled(Event, frozen=True):
    """Lots changed hands.

    Attributes:
        value: Signed settle quanta of the lots at the trade price, from the side of `unit`.
        leverage: Leverage of the position of `unit` from now on, hundredths; 0 leaves it.
        counterparty_leverage: The same of the counterparty.
        ticks: Price, where there was one; 0 for a transfer value.
        reason: `fill`, `reduce`, `takeover`, `deleverage`, `disposal`, `protection` or `close`.
    """

    unit: int
    counterparty: int
    instrument: int
    lots: int
    value: int
    leg: int = 0
    counterparty_leg: int = 0
    fee: int = 0
    counterparty_fee: int = 0
    leverage: int = 0
    counterparty_leverage: int = 0
    ticks: int = 0
    reason: str = "fill"
    case: int = 0


class LeverageSet(Event, frozen=True):
    """The leverage of an open position is another one, hundredths."""

    unit: int
    instrument: int
    leg: int
    leverage: int


class Deleveraged(Event, frozen=True):
    """A bankrupt position was closed against winners at its transfer price, without a fee.

    Attributes:
        lots: Signed lots that left `unit`, by victim in `victims`.
        values: Their signed values, from the side of `unit`.
        loss: What the victims gave up against the mark, together; each in proportion to its lots.
    """

    case: int
    unit: int
    instrument: int
    leg: int
    victims: tuple[int, ...]
    victim_legs: tuple[int, ...]
    lots: tuple[int, ...]
    values: tuple[int, ...]
    loss: int = 0


class LossSocialised(Event, frozen=True):
    """Claims paid a deficit nobody else could.

    Attributes:
        form: Name of the loss policy.
        payers: Units.
        quanta: What each paid to `unit`.
        instrument: What the loss was made in; -1 for a debt without positions.
        lots: Signed lots that found no counterparty.
        loss: Their whole loss, what the fund paid of it included.
    """

    case: int
    unit: int
    asset: int
    form: str
    payers: tuple[int, ...]
    quanta: tuple[int, ...]
    instrument: int = -1
    lots: int = 0
    loss: int = 0


class FundingPosted(Event, frozen=True):
    """Funding was posted on every holder of the instruments."""

    instruments: tuple[int, ...]
    rates: tuple[int, ...]
    ticks: tuple[int, ...]


class InterestPosted(Event, frozen=True):
    """Interest was posted on every debt in the assets."""

    assets: tuple[int, ...]
    rates: tuple[int, ...]


class Settled(Event, frozen=True):
    """A dated future was settled into cash."""

    instrument: int
    ticks: int


# --- orders, rules, time ------------------------------------------------------------------------


class OrderReserved(Event, frozen=True):
    """An order's margin is reserved; fields as `commands.ReserveOrder`."""

    unit: int
    order: int
    instrument: int
    lots: int
    ticks: int
    leg: int = 0
    leverage: int = 0
    reduce_only: bool = False


class OrderReleased(Event, frozen=True):
    """A reservation shrank or ended, by command or by a fill; `lots` is the signed rest."""

    unit: int
    order: int
    lots: int


class OrdersCancelled(Event, frozen=True):
    """All reservations of a unit ended, or those in one instrument (-1 is all)."""

    unit: int
    instrument: int
    case: int = 0


class RulebookSet(Event, frozen=True):
    """New parameters are in force."""

    text: str


class TimeAdvanced(Event, frozen=True):
    """The clock moved."""

    time_ms: int


class WorkDone(Event, frozen=True):
    """Periodic work was done; the next of it is due one interval later.

    Attributes:
        work: `recheck` of warned units, `disposal` of the backstop's positions, or `deleverage`
            of a backstop below its own trigger.
    """

    work: str
    time_ms: int


class MarkRefused(Event, frozen=True):
    """A price was not believed; what depends on it is neither cleared nor liquidated."""

    factor: int
    price: str
    time_ms: int
    reason: str


class MarkDoubted(Event, frozen=True):
    """A price outside its band, kept in mind: those after it may confirm it.

    Attributes:
        marks: How many in a row there are now, each within the band of the one before.
        since_ms: When the first of them came.
    """

    factor: int
    price: float
    time_ms: int
    marks: int
    since_ms: int


class MarkConfirmed(Event, frozen=True):
    """A price outside its band was believed, because those before it agreed for long enough."""

    factor: int
    price: float
    time_ms: int
    marks: int


class HealthUnknown(Event, frozen=True):
    """Units with something at risk that nobody can decide about: a price they read is missing.

    Told once for each unit until it can be decided again.

    Attributes:
        units: The units.
        factors: The price rows that all of them lack.
    """

    units: tuple[int, ...]
    factors: tuple[int, ...]


class HealthKnown(Event, frozen=True):
    """Units of which it was told that they could not be decided can be again."""

    units: tuple[int, ...]


class Paused(Event, frozen=True):
    """An instrument, or everything (-1), is paused."""

    instrument: int
    reason: str


class Resumed(Event, frozen=True):
    """A pause ended."""

    instrument: int
    reason: str


# --- warnings -----------------------------------------------------------------------------------


class Warned(Event, frozen=True):
    """Units reached a warning level; `level` counts from one, the margin call is the last."""

    level: int
    units: tuple[int, ...]


class WarningCleared(Event, frozen=True):
    """Units recovered to a lower level."""

    level: int
    units: tuple[int, ...]


class GraceStarted(Event, frozen=True):
    """A unit at its trigger has until then to bring margin."""

    unit: int
    until_ms: int


class GraceEnded(Event, frozen=True):
    """A unit was back above its trigger when its time was up."""

    unit: int


# --- liquidation --------------------------------------------------------------------------------


class LiquidationStarted(Event, frozen=True):
    """A unit was found at its trigger by the exact core.

    Attributes:
        equity: Collateral after haircuts plus counted profit, valuation currency.
        maintenance: Maintenance margin.
        holdings: Its positions with their requirements: the working of the decision.
        balances: (asset, quanta).
        assets: What the balances and profits counted for.
    """

    case: int
    unit: int
    time_ms: int
    equity: str
    maintenance: str
    holdings: tuple[HoldingRow, ...]
    balances: tuple[tuple[int, int], ...]
    assets: tuple[AssetRow, ...] = ()


class Waiting(Event, frozen=True):
    """A liquidation waits: for an interval, a limit, or a trusted mark.

    Attributes:
        until_ms: Nothing is done before.
        cooldown_ms: Until then further orders are sized as inside a cool-down.
    """

    case: int
    unit: int
    until_ms: int
    reason: str
    attempts: int
    cooldown_ms: int = 0


class StageExhausted(Event, frozen=True):
    """A stage can do no more for a unit."""

    case: int
    unit: int
    stage: str
    reason: str


class LiquidationEnded(Event, frozen=True):
    """A liquidation is over; who paid its deficit.

    Attributes:
        outcome: `recovered`, `taken_over`, `deleveraged` or `released`.
        asset: Asset of the amounts.
        deficit: Minus equity at the mark of the resolution, 0 if equity was not negative.
        fund: Paid by the insurance fund.
        deleveraged: Paid by the winners it was closed against.
        socialised: Paid by the claims of the loss policy.
        backstop: Borne by the backstop.
        surplus: Positive equity passed to the receivers.
        others: The bills in further settle assets, where the unit had positions in several.
    """

    case: int
    unit: int
    time_ms: int
    outcome: str
    asset: int = -1
    deficit: int = 0
    fund: int = 0
    deleveraged: int = 0
    socialised: int = 0
    backstop: int = 0
    surplus: int = 0
    others: tuple[BillRow, ...] = ()

    @property
    def bills(self) -> tuple[BillRow, ...]:
        """Every bill, that of the asset with the largest requirement first."""
        first = BillRow(
            asset=self.asset,
            deficit=self.deficit,
            fund=self.fund,
            deleveraged=self.deleveraged,
            socialised=self.socialised,
            backstop=self.backstop,
            surplus=self.surplus,
        )
        return (first, *self.others)


# --- protections and the end of an account -----------------------------------------------------


class ProtectionSet(Event, frozen=True):
    """A protection stands."""

    unit: int
    protection: int
    kind: str
    instrument: int
    trigger: int
    source: int
    asset: int
    target: int


class ProtectionRemoved(Event, frozen=True):
    """A protection ended, by command or because it fired."""

    unit: int
    protection: int
    fired: bool = False


class Overridden(Event, frozen=True):
    """An operator decided about a unit."""

    unit: int
    action: str
    operator: str
    reason: str


class AccountClosed(Event, frozen=True):
    """An account ended for good; who was paid what, in order."""

    account: int
    reason: str
    price_source: str
    statement: tuple[Payment, ...]


# --- in bulk: columns, no object per row ---------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MarksSet:
    """Snapshots of prices, one after the other; each is applied whole.

    Attributes:
        times_ms: int64 (n,), rising.
        offsets: int64 (n + 1,): snapshot `s` is rows `offsets[s]` to `offsets[s + 1]`.
        factors: int32 (rows,): rows of the price column, each at most once in a snapshot.
        prices: float64 (rows,): a NaN marks a price that cannot be trusted.
    """

    times_ms: npt.NDArray[np.int64]
    offsets: npt.NDArray[np.int64]
    factors: npt.NDArray[np.int32]
    prices: npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Posted:
    """Deposits, withdrawals, transfers and fills in bulk: `POSTING` records, all or none."""

    rows: npt.NDArray[np.void]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Checked(Posted):
    """Commands of a batch that were decided by the screen, one after the other.

    Attributes:
        ticks: int64, a row: price of a fill, 0 for a payment.
        stamps: uint8: the `Keyed.stamp` of every command that had a key, in order, end to end.
        position: Journal position after the batch.
    """

    ticks: npt.NDArray[np.int64]
    stamps: npt.NDArray[np.uint8]
    position: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AccountsOpened:
    """Accounts with their cross units, numbered from the next free account.

    Attributes:
        count: How many.
        isolated: int64: the account of each isolated unit opened after them, in order.
    """

    count: int
    isolated: npt.NDArray[np.int64]


AnyEvent = (
    JournalOpened
    | Keyed
    | AccountOpened
    | IsolatedOpened
    | Deposited
    | Withdrawn
    | Transferred
    | Filled
    | LeverageSet
    | Deleveraged
    | LossSocialised
    | FundingPosted
    | InterestPosted
    | Settled
    | OrderReserved
    | OrderReleased
    | OrdersCancelled
    | RulebookSet
    | TimeAdvanced
    | WorkDone
    | MarkRefused
    | MarkDoubted
    | MarkConfirmed
    | HealthUnknown
    | HealthKnown
    | Paused
    | Resumed
    | Warned
    | WarningCleared
    | GraceStarted
    | GraceEnded
    | LiquidationStarted
    | Waiting
    | StageExhausted
    | LiquidationEnded
    | ProtectionSet
    | ProtectionRemoved
    | Overridden
    | AccountClosed
)
