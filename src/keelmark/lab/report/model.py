"""What the report of a replay is made of: plain values, filled by whoever ran the replay.

Units, unless a field says otherwise: amounts in the report's `currency`; prices in quote per base;
moves, distances and rates as fractions; times in epoch milliseconds, UTC. What must add up to the
quantum is `Decimal`; what is only drawn is an array of floats (`series.py`).
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from keelmark.core.errors import InvalidInput
from keelmark.core.numbers import ZERO, exact
from keelmark.lab.report.series import (
    DistanceHistory,
    LiquidationMap,
    PriceLine,
    StageActivity,
    Timeline,
)

__all__ = [
    "Attribution",
    "Case",
    "CaseCollateral",
    "CasePosition",
    "CaseStep",
    "Counterparty",
    "DistanceHistory",
    "Fact",
    "Feedback",
    "FeedbackMove",
    "Figure",
    "Headline",
    "InstrumentRow",
    "LiquidationMap",
    "Outcome",
    "Paragraph",
    "Payer",
    "PeakRow",
    "PriceLine",
    "Provenance",
    "ReplayReport",
    "Residual",
    "Run",
    "Share",
    "StageActivity",
    "Timeline",
    "WorkingLine",
]


class Payer(StrEnum):
    """Who can pay a part of a loss, in the order of the waterfall."""

    UNIT = "unit"
    FEE = "fee"
    FUND = "fund"
    BACKSTOP = "backstop"
    DELEVERAGED = "deleveraged"
    SOCIALISED = "socialised"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One labelled line of text: a version, a setting, a count."""

    label: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Paragraph:
    """A titled paragraph of prose."""

    title: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A further figure of a run: an amount, a count, a fraction, or `None` if it has no meaning.

    Attributes:
        label: Title of its column; the same label is the same column in every run.
        value: The figure.
        unit: As `USDT`; `fraction` is shown as a percentage; empty for a count.
        meaning: One line for those who do not know it.
        is_change: Whether it is a gain or a loss, which always carries its sign.
    """

    label: str
    value: Decimal | None
    unit: str = ""
    meaning: str = ""
    is_change: bool = False


# ------------------------------------------------------------------ headline


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The figures of one run.

    Attributes:
        accounts: Accounts in the book.
        accounts_liquidated: Accounts with at least one unit that was liquidated.
        liquidated_long: Notional of long positions liquidated.
        liquidated_short: Notional of short positions liquidated, unsigned.
        fund_start: Insurance fund before the first mark.
        fund_end: Insurance fund after the last mark.
        bad_debt: Deficits the insurance fund could not pay.
        deleveraged_notional: Notional closed against solvent accounts.
        deleveraged_accounts: Solvent accounts that were deleveraged.
        socialised: Loss shared in the form the rulebook names.
    """

    accounts: int
    accounts_liquidated: int
    liquidated_long: Decimal
    liquidated_short: Decimal
    fund_start: Decimal
    fund_end: Decimal
    bad_debt: Decimal
    deleveraged_notional: Decimal
    deleveraged_accounts: int
    socialised: Decimal

    @property
    def liquidated(self) -> Decimal:
        """Notional liquidated, both sides."""
        return self.liquidated_long + self.liquidated_short

    @property
    def fund_change(self) -> Decimal:
        """What the insurance fund gained or lost."""
        return self.fund_end - self.fund_start


@dataclass(frozen=True, slots=True, kw_only=True)
class Residual:
    """The vault less every claim on it, in one asset: zero, or the run is wrong."""

    asset: str
    quanta: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where the figures come from, enough to run it again.

    Attributes:
        data: One plain sentence: which prices and accounts were used.
        recorded: Whether the prices are recorded market data; if not, they are built in.
        mark_model: Name of the mark model, as `ema:150s`.
        rulebook: Name and date, as `binance-usdm@2025-06`.
        policies: The policies in force, as (`deleverage`, `queue`).
        seed: Seed of everything drawn.
        digest: Digest of the book after the last event.
        versions: Of the engine, the rulebook data and the like.
        facts: What the run did, the same on every machine: marks, events, decisions.
    """

    data: str
    recorded: bool
    mark_model: str
    rulebook: str
    policies: tuple[Fact, ...]
    seed: int
    digest: str
    versions: tuple[Fact, ...] = ()
    facts: tuple[Fact, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Headline:
    """The first screen.

    Attributes:
        title: As `The crash of 10 October 2025`.
        scenario: Name of the scenario, as `oct10`.
        currency: In which amounts are stated, as `USDT`.
        start_ms: First mark.
        end_ms: Last mark.
        outcome: The figures of this run.
        residuals: One per asset.
        provenance: Where the figures come from.
        figures: Further figures, shown small.
    """

    title: str
    scenario: str
    currency: str
    start_ms: int
    end_ms: int
    outcome: Outcome
    residuals: tuple[Residual, ...]
    provenance: Provenance
    figures: tuple[Figure, ...] = ()


# ------------------------------------------------------------------ who paid


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What one kind of payer paid, and how many of them there were (0: not counted)."""

    payer: Payer
    amount: Decimal
    count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution:
    """Who paid a loss. The report shows the sum and what is left of it; it hides neither.

    Attributes:
        asset: Settle asset of every amount.
        total: The loss that had to be paid.
        shares: By payer; each payer at most once.
    """

    asset: str
    total: Decimal
    shares: tuple[Share, ...]

    def __post_init__(self) -> None:
        payers = [share.payer for share in self.shares]
        if len(payers) != len(set(payers)):
            msg = f"attribution in {self.asset}: a payer twice in {[str(p) for p in payers]}; add"
            raise InvalidInput(msg)

    @property
    def paid(self) -> Decimal:
        """Sum of the shares, exact."""
        with exact():
            return sum((share.amount for share in self.shares), start=ZERO)

    @property
    def residual(self) -> Decimal:
        """What nobody paid: zero, or the run is wrong."""
        with exact():
            return self.total - self.paid

    @property
    def deficit(self) -> Decimal:
        """The part that others than the unit itself paid."""
        own = {Payer.UNIT, Payer.FEE}
        with exact():
            return sum((s.amount for s in self.shares if s.payer not in own), start=ZERO)


@dataclass(frozen=True, slots=True, kw_only=True)
class CasePosition:
    """A position of a liquidated unit at the mark of the decision.

    Attributes:
        instrument: As `BTCUSDT`.
        size: Signed, long positive; base units, or contracts of an inverse instrument.
        mark_price: The mark of the decision.
        value: Signed value at the mark.
        cost: Signed cost; value minus cost is the unrealized profit and loss.
        maintenance_rate: Rate of the tier that applied.
        maintenance_margin: Its maintenance margin.
        tier: The tier row, in words.
    """

    instrument: str
    size: Decimal
    mark_price: Decimal
    value: Decimal
    cost: Decimal
    maintenance_rate: Decimal
    maintenance_margin: Decimal
    tier: str = ""

    @property
    def unrealized_pnl(self) -> Decimal:
        """Value minus cost."""
        return self.value - self.cost


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseCollateral:
    """A balance of a liquidated unit: amount in the asset, its price, and what it counts for."""

    asset: str
    balance: Decimal
    price: Decimal
    value: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseStep:
    """One thing that was done to the unit. What does not apply to the step is `None`.

    Attributes:
        time_ms: When.
        stage: The stage that did it.
        instrument: What was traded or transferred; empty for the whole unit.
        size: Signed change of the unit's position.
        price: At which it changed.
        fee: Charged to the unit.
        result: In words, as `filled 40 of 60; excess rises by 12,400`.
    """

    time_ms: int
    stage: str
    instrument: str = ""
    size: Decimal | None = None
    price: Decimal | None = None
    fee: Decimal | None = None
    result: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counterparty:
    """A solvent account whose position was closed against the unit's, and what it gave up."""

    account: str
    instrument: str
    size: Decimal
    price: Decimal
    paid: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkingLine:
    """One line of a calculation: name, formula in words, value, where the numbers came from."""

    label: str
    formula: str
    value: Decimal
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One liquidation, with its working.

    Attributes:
        account: As shown to people.
        unit: Which unit of the account, as `cross` or `isolated BTCUSDT`.
        time_ms: The decision.
        notional: Sum of the notionals at the decision.
        liquidated: Value of what was closed.
        equity: At the decision.
        maintenance_margin: At the decision.
        attribution: Who paid the loss.
        positions: At the decision.
        collateral: At the decision.
        working: How equity, maintenance margin and excess were found.
        steps: In order.
        counterparties: Deleveraged against this unit, the largest first.
        counterparties_more: How many more there were than are listed.
    """

    account: str
    unit: str
    time_ms: int
    notional: Decimal
    liquidated: Decimal
    equity: Decimal
    maintenance_margin: Decimal
    attribution: Attribution
    positions: tuple[CasePosition, ...]
    collateral: tuple[CaseCollateral, ...] = ()
    working: tuple[WorkingLine, ...] = ()
    steps: tuple[CaseStep, ...] = ()
    counterparties: tuple[Counterparty, ...] = ()
    counterparties_more: int = 0


# ------------------------------------------------------------------ comparisons and tables


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One row of a comparison: the same scenario under one thing changed."""

    name: str
    note: str
    outcome: Outcome
    figures: tuple[Figure, ...] = ()
    is_this_report: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackMove:
    """How much of an instrument's largest move was recorded and how much its liquidations added."""

    instrument: str
    exogenous: Decimal
    endogenous: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """Liquidations that move prices: the recorded part and the added part.

    Attributes:
        note: In words, how liquidations moved prices in this run.
        runs: Without and with feedback.
        moves: The instruments that were moved most.
    """

    note: str
    runs: tuple[Run, ...]
    moves: tuple[FeedbackMove, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class InstrumentRow:
    """One instrument over the whole replay.

    Attributes:
        instrument: As `BTCUSDT`.
        move: Its largest move from the first mark, signed.
        move_ms: When.
        accounts: Accounts liquidated that held it.
        liquidated_long: Notional.
        liquidated_short: Notional, unsigned.
        deleveraged: Notional closed against solvent accounts.
        fund_paid: What the fund paid for deficits attributed to it.
    """

    instrument: str
    move: Decimal
    move_ms: int
    accounts: int
    liquidated_long: Decimal
    liquidated_short: Decimal
    deleveraged: Decimal
    fund_paid: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class PeakRow:
    """One of the worst minutes; `move` is that of the market index within the minute."""

    time_ms: int
    move: Decimal
    accounts: int
    liquidated_long: Decimal
    liquidated_short: Decimal
    deleveraged: Decimal
    fund_paid: Decimal


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReplayReport:
    """Everything the page shows. Empty tuples and `None` are shown as what they are, in words.

    Attributes:
        headline: The first screen.
        timeline: The big picture.
        maps: Liquidation maps; the instrument that comes first is shown first.
        distances: Distance to liquidation over time, if it was recorded.
        attributions: One per settle asset, the largest first.
        cases: The largest liquidations.
        policies: The same scenario under other policies; may be this run alone.
        mark_models: The same scenario under other mark models.
        feedback: Present if liquidations moved prices.
        instruments: One row per instrument.
        peaks: The worst minutes.
        method: What was done, in paragraphs.
        limits: What it cannot tell, in paragraphs.
        glossary: Further words beside the built-in ones: the title is the word.
    """

    headline: Headline
    timeline: Timeline
    maps: tuple[LiquidationMap, ...] = ()
    distances: DistanceHistory | None = None
    attributions: tuple[Attribution, ...] = ()
    cases: tuple[Case, ...] = ()
    policies: tuple[Run, ...] = ()
    mark_models: tuple[Run, ...] = ()
    feedback: Feedback | None = None
    instruments: tuple[InstrumentRow, ...] = ()
    peaks: tuple[PeakRow, ...] = ()
    method: tuple[Paragraph, ...] = ()
    limits: tuple[Paragraph, ...] = ()
    glossary: tuple[Paragraph, ...] = ()
