"""What the risk report shows, as plain values: whoever works a number out, the page only draws it.

Money is in the unit's currency, losses are positive, times are days. A part that cannot be had is
the sentence why.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from keelmark.accounts.check import AccountCheck
from keelmark.accounts.unit_check import UnitCheck
from keelmark.risk.portfolio.portfolio import Portfolio


@dataclass(frozen=True, slots=True, kw_only=True)
class Chance:
    """How likely the unit is liquidated by a time.

    Attributes:
        days: Horizon.
        probability: Estimate.
        low: End of its 95 % interval.
        high: Other end.
        is_bound: Whether what was drawn tells only that it is below `high`.
    """

    days: float
    probability: float
    low: float
    high: float
    is_bound: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Chances:
    """How likely the unit is liquidated over time.

    Attributes:
        shown: At the horizons of the first screen.
        curve: At every time drawn, the earliest first.
        times: Days by which it is liquidated with a probability; `None` where it is not within the
            time looked at.
        beside: The same by Student's law at the horizons shown; empty where it was not asked.
        pegs: Dollars it hangs on that are held, in words.
        method: How it was worked out, in words.
        law: Of the steps, in words.
        assumes: What it stands on.
    """

    shown: Sequence[Chance]
    curve: Sequence[Chance]
    times: Sequence[tuple[float, float | None]] = ()
    beside: Sequence[Chance] = ()
    pegs: Sequence[str] = ()
    law: str = ""
    method: str = ""
    assumes: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A loss at a level, with its 95 % interval.

    Attributes:
        name: `VaR 99 %`.
        loss: Estimate; `None` where it is unknown.
        low: End of its interval; `None` where there is none.
        high: Other end.
        reason: Why it is unknown.
    """

    name: str
    loss: float | None
    low: float | None = None
    high: float | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What one leg adds to the expected shortfall.

    Attributes:
        name: Of the leg.
        amount: Negative where it hedges.
        error: Standard error.
    """

    name: str
    amount: float
    error: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tails:
    """Losses over the horizon.

    Attributes:
        days: Horizon.
        measures: VaR and ES by level.
        marked: Names of the measures drawn on the distribution.
        parts: Of the expected shortfall named by `parts_of`; they sum to it.
        parts_of: Name of that measure.
        profits: Of every scenario.
        liquidated: Whether each scenario liquidates.
        method: How scenarios were made, in words.
    """

    days: float
    measures: Sequence[Measure]
    marked: Sequence[str]
    parts: Sequence[Part]
    parts_of: str
    profits: Sequence[float]
    liquidated: Sequence[bool]
    method: str = ""

    @property
    def share_liquidated(self) -> float:
        """Share of the scenarios that liquidate."""
        return sum(self.liquidated) / len(self.liquidated) if self.liquidated else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One price in a joint move.

    Attributes:
        name: Coin or asset.
        change: Relative.
        sigmas: Of its own standard deviation; `None` where that is not known.
        is_price: Whether the price itself is told rather than its change: of a dollar.
        price: After the move, where it is told.
    """

    name: str
    change: float
    sigmas: float | None = None
    is_price: bool = False
    price: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensitivity:
    """How much farther the nearest liquidating scenario is for a change of one leg.

    Attributes:
        name: The change, in words: `close a tenth of BTCUSDT`.
        sigmas: Change of the distance.
    """

    name: str
    sigmas: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Reverse:
    """The likeliest scenario that liquidates.

    Attributes:
        sigmas: Its Mahalanobis distance.
        moves: The largest first.
        sensitivities: By leg.
        words: In one sentence.
        method: How it was found, and whether it is proved nearest.
    """

    sigmas: float
    moves: Sequence[Move]
    sensitivities: Sequence[Sensitivity] = ()
    words: str = ""
    method: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StressRow:
    """The unit after one stress.

    Attributes:
        name: Of the scenario.
        profit: Change of worth; `None` where it is unknown.
        excess: Maintenance excess after it.
        is_liquidated: Whether it liquidates; `None` where that is unknown.
        note: What it shocks, or why it is unknown.
        source: Of its figures.
    """

    name: str
    profit: float | None
    excess: float | None
    is_liquidated: bool | None
    note: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Headroom:
    """How much larger one position may be.

    Attributes:
        instrument: Symbol, with its leg in hedge mode.
        is_long: Side it is held on.
        held: Unsigned size.
        rules: Largest size by rule; `None` where the rule says nothing.
        binding: Rule that allows least.
    """

    instrument: str
    is_long: bool
    held: Decimal
    rules: Sequence[tuple[str, Decimal | None, float | None]]
    binding: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One account's risk on one page.

    Attributes:
        title: What the account is called.
        check: Its margin.
        unit: Of which the rest tells: the main one.
        currency: What money is in.
        worth: Of the unit at the marks.
        portfolio: Exposures.
        tails: Losses.
        chances: Probability of liquidation.
        reverse: Likeliest liquidating scenario.
        stresses: The library.
        others: Further units of the account, each in a sentence.
        headroom: By position.
        facts: Method, seed, data: name and text.
        limits: What is assumed and not covered.
    """

    title: str
    check: AccountCheck
    unit: UnitCheck
    currency: str
    worth: float | None
    portfolio: Portfolio | str
    tails: Tails | str
    chances: Chances | str
    reverse: Reverse | str
    stresses: Sequence[StressRow] | str
    headroom: Sequence[Headroom] | str
    others: Sequence[str] = ()
    facts: Sequence[tuple[str, str]] = ()
    limits: Sequence[str] = ()
