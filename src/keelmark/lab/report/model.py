"""What the report of a replay is made of: plain values, filled by whoever ran the replay.

Units, unless a field says otherwise: amounts in the report's `currency`; prices in quote per base;
moves, distances and rates as fractions; times in epoch milliseconds, UTC. What must add up to the
quantum is `Decimal`; what is only drawn is an array of floats.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from keelmark.core.errors import InvalidInput

Float64Array = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]
Columns = Mapping[str, Float64Array | Int64Array]


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
        socialised: Loss shared by everybody.
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
    """

    title: str
    scenario: str
    currency: str
    start_ms: int
    end_ms: int
    outcome: Outcome
    residuals: tuple[Residual, ...]
    provenance: Provenance


# ------------------------------------------------------------------ pictures


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PriceLine:
    """The price of one thing over the timeline.

    Attributes:
        name: As `market index` or `BTCUSDT`.
        unit: As `USDT`; empty for an index that starts at 100.
        values: (n,) mark at the end of each step.
    """

    name: str
    unit: str
    values: Float64Array


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StageActivity:
    """How many units a stage of the waterfall handled.

    Attributes:
        stage: Name of the stage, as in the rulebook (`reduce`, `takeover`, ...).
        units: (n,) units the stage acted on in each step.
    """

    stage: str
    units: Int64Array


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Timeline:
    """What happened, step by step; steps may differ in length.

    Attributes:
        times_ms: (n,) start of each step, rising.
        end_ms: End of the last step.
        prices: Selectable lines; the first is shown first.
        liquidated_long: (n,) notional liquidated in the step.
        liquidated_short: (n,) the same of short positions, unsigned.
        fund: (n,) insurance fund at the end of the step.
        deleveraged: (n,) notional deleveraged in the step.
        backstop: (n,) notional held by the backstop at the end of the step.
        stages: In the order of the waterfall.
        focus_ms: The crash itself, offered as a zoom; `None` offers none.
    """

    times_ms: Int64Array
    end_ms: int
    prices: tuple[PriceLine, ...]
    liquidated_long: Float64Array
    liquidated_short: Float64Array
    fund: Float64Array
    deleveraged: Float64Array
    backstop: Float64Array
    stages: tuple[StageActivity, ...]
    focus_ms: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        _require_rising("timeline.times_ms", self.times_ms)
        if not self.prices:
            msg = "timeline.prices is empty: a timeline shows at least one price"
            raise InvalidInput(msg)
        count = self.times_ms.shape
        if self.end_ms <= self.times_ms[-1]:
            msg = f"timeline.end_ms is {self.end_ms}; it ends the step of {self.times_ms[-1]}"
            raise InvalidInput(msg)
        _require_shape("timeline", count, self._columns())

    def _columns(self) -> Columns:
        lines = {f"prices[{line.name}]": line.values for line in self.prices}
        stages = {f"stages[{item.stage}]": item.units for item in self.stages}
        return {
            **lines,
            **stages,
            "liquidated_long": self.liquidated_long,
            "liquidated_short": self.liquidated_short,
            "fund": self.fund,
            "deleveraged": self.deleveraged,
            "backstop": self.backstop,
        }


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LiquidationMap:
    """Who would be liquidated if the price of one instrument moved and nothing else did.

    Every margin unit counts once, in the bin of its nearest liquidation price: longs below the
    present price, shorts above it.

    Attributes:
        instrument: As `BTCUSDT`.
        moment: In words, as `before the crash`; the same words for every instrument.
        time_ms: The instant.
        price: The mark at that instant.
        edges: (n + 1,) rising prices that bound the bins. Best with one of them the present price
            and the others at equal fractions of it, so that maps of two moments read alike.
        long_notional: (n,) notional of long positions liquidated in each bin.
        short_notional: (n,) the same of shorts, unsigned.
        long_accounts: (n,) accounts of those longs.
        short_accounts: (n,) accounts of those shorts.
    """

    instrument: str
    moment: str
    time_ms: int
    price: Decimal
    edges: Float64Array
    long_notional: Float64Array
    short_notional: Float64Array
    long_accounts: Int64Array
    short_accounts: Int64Array

    def __post_init__(self) -> None:
        where = f"map of {self.instrument} {self.moment}"
        _require_rising(f"{where}: edges", self.edges)
        columns: Columns = {
            "long_notional": self.long_notional,
            "short_notional": self.short_notional,
            "long_accounts": self.long_accounts,
            "short_accounts": self.short_accounts,
        }
        _require_shape(where, (self.edges.size - 1,), columns)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DistanceHistory:
    """How far accounts are from liquidation, over time.

    Attributes:
        times_ms: (k,) instants, rising.
        edges: (m + 1,) rising distances, fractions, first 0; the last bin also holds all beyond.
        accounts: (k, m) accounts in each bin.
        notional: (k, m) their notional.
        unreachable_accounts: (k,) accounts with positions that no move of prices liquidates.
        unreachable_notional: (k,) their notional.
        liquidated_accounts: (k,) accounts liquidated so far.
        liquidated_notional: (k,) notional liquidated so far.
    """

    times_ms: Int64Array
    edges: Float64Array
    accounts: Int64Array
    notional: Float64Array
    unreachable_accounts: Int64Array
    unreachable_notional: Float64Array
    liquidated_accounts: Int64Array
    liquidated_notional: Float64Array

    def __post_init__(self) -> None:
        _require_rising("distances.times_ms", self.times_ms)
        _require_rising("distances.edges", self.edges)
        count = self.times_ms.size
        bins: Columns = {"accounts": self.accounts, "notional": self.notional}
        _require_shape("distances", (count, self.edges.size - 1), bins)
        ends: Columns = {
            "unreachable_accounts": self.unreachable_accounts,
            "unreachable_notional": self.unreachable_notional,
            "liquidated_accounts": self.liquidated_accounts,
            "liquidated_notional": self.liquidated_notional,
        }
        _require_shape("distances", (count,), ends)


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
        """Sum of the shares."""
        return sum((share.amount for share in self.shares), start=Decimal(0))

    @property
    def residual(self) -> Decimal:
        """What nobody paid: zero, or the run is wrong."""
        return self.total - self.paid

    @property
    def deficit(self) -> Decimal:
        """The part that others than the unit itself paid."""
        own = {Payer.UNIT, Payer.FEE}
        return sum((s.amount for s in self.shares if s.payer not in own), start=Decimal(0))


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
class Figure:
    """A further figure of a run: an amount, a count, a fraction, or `None` if it has no meaning.

    Attributes:
        label: Title of its column; the same label is the same column in every run.
        value: The figure.
        unit: As `USDT`; `fraction` is shown as a percentage; empty for a count.
        meaning: One line for those who do not know it.
    """

    label: str
    value: Decimal | None
    unit: str = ""
    meaning: str = ""


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


def _require_rising(where: str, values: Float64Array | Int64Array) -> None:
    if values.ndim != 1 or values.size == 0 or not bool(np.all(np.diff(values) > 0)):
        msg = f"{where} must be one rising row of at least one value, found shape {values.shape}"
        raise InvalidInput(msg)


def _require_shape(
    where: str,
    shape: tuple[int, ...],
    columns: Columns,
) -> None:
    wrong = {name: values.shape for name, values in columns.items() if values.shape != shape}
    if wrong:
        msg = f"{where}: columns must have shape {shape}, found {wrong}"
        raise InvalidInput(msg)
