"""The same prices and accounts with one thing changed: mark model, policy, or feedback.

Only figures of the further runs are kept; their books are let go at once.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum

from keelmark.core.errors import InvalidInput
from keelmark.core.numbers import exact
from keelmark.engine.adl.policies import DELEVERAGE
from keelmark.lab.replay.measures import Measures, share
from keelmark.lab.replay.run import Looks, Progress, World, run_replay
from keelmark.lab.replay.spec import ReplaySpec
from keelmark.lab.replay.summary import Json, outcome
from keelmark.lab.replay.timeline import Floats, mark_paths
from keelmark.lab.report.model import Figure, Outcome, Run


class Changed(StrEnum):
    """What a further run changes."""

    MARK_MODEL = "mark_model"
    POLICY = "deleverage"
    FEEDBACK = "feedback"


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """A further run to make."""

    changed: Changed
    name: str
    spec: ReplaySpec

    @property
    def key(self) -> str:
        """Its name in the summary."""
        return f"{self.changed.value}:{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Compared:
    """What came of a further run.

    Attributes:
        variant: What was changed.
        run: Its figures for the report.
        summary: Its figures for the summary.
        largest: Largest move of each instrument's mark from the first one, signed.
    """

    variant: Variant
    run: Run
    summary: Mapping[str, Json]
    largest: Floats


def variants(
    spec: ReplaySpec,
    mark_model: str,
    *,
    policies: Iterable[str] = (),
    marks: bool = True,
) -> tuple[Variant, ...]:
    """Return the further runs that are asked for.

    Args:
        spec: The run they are compared with.
        mark_model: The mark model it uses.
        policies: Deleverage policies to compare it with.
        marks: Whether to run it on marks without averaging too.

    Raises:
        InvalidInput: No such policy; the message names the nearest.
    """
    made = []
    if marks and mark_model != "last":
        other = replace(spec, mark_model="last")
        made.append(Variant(changed=Changed.MARK_MODEL, name="last", spec=other))
    for name in dict.fromkeys(policies):
        other = replace(spec, deleverage=name)
        made.append(Variant(changed=Changed.POLICY, name=name, spec=other))
    if spec.feedback == "mark":
        other = replace(spec, feedback="execution")
        made.append(Variant(changed=Changed.FEEDBACK, name="without", spec=other))
    return tuple(made)


def compare(variant: Variant, world: World, progress: Progress | None = None) -> Compared:
    """Make a further run on the same prices and accounts."""
    replay = run_replay(variant.spec, world=world, looks=Looks(moments=0), progress=progress)
    measures = Measures(replay)
    return Compared(
        variant=variant,
        run=run_of(measures, variant.name, _note(variant)),
        summary={"digest": replay.digest, **outcome(measures)},
        largest=largest_moves(measures),
    )


def _note(variant: Variant) -> str:
    if variant.changed is Changed.MARK_MODEL:
        return "every trade is a mark: each wick counts"
    if variant.changed is Changed.FEEDBACK:
        return "liquidations pay for their impact and leave the marks alone"
    return policy_note(variant.name)


def policy_note(name: str) -> str:
    """Return what a deleverage policy does, in its own words."""
    words = (DELEVERAGE[name].__doc__ or "").strip().partition("\n")[0]
    return words.rstrip(".")


def largest_moves(measures: Measures) -> Floats:
    """Return the largest move of each mark from the first one, signed."""
    marks = mark_paths(measures)
    moves = marks / marks[0] - 1.0
    furthest = abs(moves).argmax(axis=0)
    largest: Floats = moves[furthest, range(moves.shape[1])]
    return largest


def run_of(measures: Measures, name: str, note: str, *, is_this_report: bool = False) -> Run:
    """Return a row of a comparison."""
    return Run(
        name=name,
        note=note,
        outcome=outcome_of(measures),
        figures=_figures(measures),
        is_this_report=is_this_report,
    )


def outcome_of(measures: Measures) -> Outcome:
    """Return the figures of the first screen."""
    funds = measures.funds
    return Outcome(
        accounts=measures.accounts,
        accounts_liquidated=measures.accounts_liquidated,
        liquidated_long=measures.liquidated_long,
        liquidated_short=measures.liquidated_short,
        fund_start=measures.money(funds[0]),
        fund_end=measures.money(funds[-1]),
        bad_debt=measures.bad_debt,
        deleveraged_notional=measures.deleveraged,
        deleveraged_accounts=measures.accounts_deleveraged,
        socialised=measures.money(measures.paid.socialised),
    )


def _figures(measures: Measures) -> tuple[Figure, ...]:
    return (
        Figure(
            label="sold in the market",
            value=share(measures.by_stage["reduce"], measures.liquidated),
            unit="fraction",
            meaning="Part of what was liquidated that the order book took within its limits.",
        ),
        backstop_result(measures),
        Figure(
            label="largest ADL share",
            value=largest_share(measures),
            unit="fraction",
            meaning="Part of everything deleveraged that the account hit most had to give.",
        ),
    )


def backstop_result(measures: Measures) -> Figure:
    """Return what the backstop gained or lost."""
    first, _, last = measures.backstop_equities
    with exact():
        result = last - first
    return Figure(
        label="backstop result",
        value=result,
        unit=measures.replay.scenario.settle.asset,
        meaning="What the backstop gained or lost on what it took over, at the last marks.",
        is_change=True,
    )


def largest_share(measures: Measures) -> Decimal | None:
    """Return the part of the deleveraged notional that one account gave; `None` if none was."""
    owner = measures.replay.state.book.units["account"]
    by_account: dict[int, int] = {}
    for unit, sums in measures.replay.recorder.units.items():
        account = int(owner[unit])
        by_account[account] = by_account.get(account, 0) + sums.deleveraged
    whole = sum(by_account.values())
    return share(Decimal(max(by_account.values())), Decimal(whole)) if whole else None


def require_known(policies: Iterable[str]) -> tuple[str, ...]:
    """Return policy names, all of them known.

    Raises:
        InvalidInput: One is not; the message names the nearest.
    """
    names = tuple(policies)
    for name in names:
        if not name:
            msg = f"an empty policy name; name some of {', '.join(DELEVERAGE)}"
            raise InvalidInput(msg)
        DELEVERAGE[name]
    return names
