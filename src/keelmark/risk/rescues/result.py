"""What a rescue answers: the plan with its steps, every action alone, and what is proven."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING

from keelmark.accounts import Account
from keelmark.accounts.table import Cell, Table
from keelmark.accounts.unit_check import UnitCheck
from keelmark.core.numbers import ZERO, exact
from keelmark.core.unit import MarginUnit
from keelmark.risk.edits import Edit
from keelmark.risk.rescues.moves import Cost, MoveKind
from keelmark.risk.rescues.standing import Standing, unit_check
from keelmark.risk.rescues.target import Target

if TYPE_CHECKING:
    import polars as pl


OWN = frozenset({MoveKind.DEPOSIT, MoveKind.WALLET})
"""Money from outside of the account."""


class RescueStatus(StrEnum):
    """How a rescue ends."""

    MET = "met"
    """The unit is at its target already: nothing needs doing."""
    PLAN = "plan"
    """A plan reaches the target."""
    UNKNOWN = "unknown"
    """A plan reaches every demand, but its distance cannot be solved."""
    OUT_OF_REACH = "out_of_reach"
    """Nothing that is allowed reaches it; the plan is what comes nearest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing to do.

    Attributes:
        kind: What it does.
        name: The asset or the instrument.
        source: Where money comes from; empty from outside.
        amount: Amount of the asset, or signed size to trade.
        notional: What is moved or traded, valuation currency.
        is_whole: Whether a close leaves nothing.
        price: Average price of the fill, slippage included; `None` of money.
        cost: What it costs, valuation currency.
        is_fee_known: Whether the fee is; where not, it is missing from the cost.
        buys: Whether an order buys, also where there is nothing of it to do.
        after: How the unit stands once it is done, the steps before it included.
    """

    kind: MoveKind
    name: str
    source: str
    amount: Decimal
    notional: Decimal
    is_whole: bool
    price: Decimal | None
    cost: Cost
    buys: bool
    after: Standing
    is_fee_known: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Steps in order.

    Attributes:
        steps: What to do, money first, hedges last.
        cost: What it costs, valuation currency.
        money: What has to be brought in, valuation currency.
        bound: No plan of the allowed moves costs less, closes of what is `spared` left out; `None`
            where nothing is proven.
        unit: The unit afterwards.
        after: How it then stands.
        spared: Options that are left alone because the fee of closing them is unknown.
    """

    steps: tuple[Step, ...]
    cost: Cost
    money: Decimal
    bound: Decimal | None
    unit: MarginUnit
    after: Standing
    spared: tuple[str, ...] = ()

    @property
    def is_fee_known(self) -> bool:
        """Whether no fee is missing from the cost."""
        return all(step.is_fee_known for step in self.steps)

    @property
    def adds(self) -> dict[str, Decimal]:
        """What is brought in of one's own, by asset: capital, no cost."""
        found: dict[str, Decimal] = {}
        for step in self.steps:
            if step.kind in OWN:
                found[step.name] = found.get(step.name, ZERO) + step.amount
        return found

    @property
    def own_money(self) -> Decimal:
        """The same, valuation currency; what other units of the account give is not in it."""
        with exact():
            return sum((step.notional for step in self.steps if step.kind in OWN), ZERO)

    @property
    def gap(self) -> Decimal | None:
        """What the plan can cost more than the cheapest there is, valuation currency."""
        if self.bound is None:
            return None
        with exact():
            return max(ZERO, self.cost.total - self.bound)


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One of the two ways out, with money or with positions only; neither ranks before the other.

    Attributes:
        account: The account as given.
        plan: The plan of least cost of this way; `None` where there is none.
        reason: Why there is none.
    """

    account: Account
    plan: Plan | None = None
    reason: str | None = None

    @property
    def after(self) -> UnitCheck | None:
        """The check of the unit afterwards, with its liquidation prices; computed when asked."""
        return None if self.plan is None else unit_check(self.plan.unit, self.account)

    @property
    def edits(self) -> tuple[Edit, ...]:
        """The plan as edits for `whatif`."""
        from keelmark.risk.rescues.as_edits import edits_of  # noqa: PLC0415 it reads this module

        return () if self.plan is None else edits_of(self.plan, self.account)


@dataclass(frozen=True, slots=True, kw_only=True)
class Single:
    """One action by itself.

    Attributes:
        step: The fewest steps of it that reach the target, else those that come nearest.
        reaches: Whether the target is reached.
        reason: Why not.
    """

    step: Step
    reaches: bool
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rescue:
    """The cheapest way to a target, with the proof.

    Attributes:
        account: The account as given, with the contracts hedges need.
        target: What is to be reached.
        status: How it ends.
        unit: The unit as it is.
        standing: How it stands.
        plan: The plan of least cost of everything that is allowed, own money being no cost, or
            what comes nearest; `None` where nothing needs doing.
        with_money: The plan that brings money in, or why there is none.
        without_money: The plan of positions only, equal in rank, or why there is none.
        with_toxic: The plan that reaches with closes that lower the excess, where `plan` does not
            and they are not allowed.
        singles: Every action alone, those that reach first, cheapest first, unknown fees last.
        rescued: The account after the plan.
        notes: What was assumed or left out.
    """

    account: Account
    target: Target
    status: RescueStatus
    unit: MarginUnit
    standing: Standing
    plan: Plan | None
    with_money: Way
    without_money: Way
    with_toxic: Plan | None
    singles: tuple[Single, ...]
    rescued: Account
    notes: tuple[str, ...]

    @property
    def before(self) -> UnitCheck:
        """The check of the unit as it is, with its liquidation prices; computed when asked for."""
        return unit_check(self.unit, self.account)

    @property
    def after(self) -> UnitCheck:
        """The check of the unit after the plan; computed when asked for."""
        return unit_check(self.unit if self.plan is None else self.plan.unit, self.account)

    @property
    def edits(self) -> tuple[Edit, ...]:
        """The plan as edits: `whatif(account, *edits)` shows the account it leads to."""
        return Way(account=self.account, plan=self.plan).edits

    @property
    def ways(self) -> dict[str, Way]:
        """Both ways by name."""
        return {"with money": self.with_money, "positions only": self.without_money}

    @property
    def cheapest_single(self) -> Single | None:
        """The cheapest action that reaches the target by itself."""
        return next((single for single in self.singles if single.reaches), None)

    @property
    def steps_table(self) -> Table:
        """The steps of both ways in order; where neither reaches, of what comes nearest."""
        plans = {name: way.plan for name, way in self.ways.items() if way.plan is not None}
        if not plans and self.plan is not None:
            plans = {"nearest": self.plan}
        rows = [(name, *_cells(step)) for name, plan in plans.items() for step in plan.steps]
        return Table.of(f"{self.status.value}: {self.target.text}", ("way", *COLUMNS), rows)

    @property
    def singles_table(self) -> Table:
        """Every action alone."""
        rows = [
            (*_cells(single.step), "yes" if single.reaches else "no", single.reason or "")
            for single in self.singles
        ]
        return Table.of("one action alone", (*COLUMNS, "reaches", "reason"), rows)

    def to_polars(self) -> "pl.DataFrame":
        """Return `steps_table` as a frame; numbers are float64."""
        return self.steps_table.to_polars()

    def _repr_html_(self) -> str:
        tables = (self.steps_table, self.singles_table)
        return "".join(table._repr_html_() for table in tables)


COLUMNS = (
    "action",
    "name",
    "source",
    "amount",
    "notional",
    "fee",
    "slippage",
    "capital",
    "cost",
    "excess_after",
    "ratio_after",
    "health_after",
)


def _cells(step: Step) -> tuple[Cell, ...]:
    cost = step.cost
    return (
        step.kind.value,
        step.name,
        step.source,
        step.amount,
        step.notional,
        cost.fee if step.is_fee_known else None,
        cost.slippage,
        cost.capital,
        cost.total if step.is_fee_known else None,
        step.after.excess,
        step.after.ratio,
        step.after.health,
    )
