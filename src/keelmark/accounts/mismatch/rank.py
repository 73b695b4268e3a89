"""Try every hypothesis on every figure that differs, and name the likeliest."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from decimal import Decimal

from keelmark.accounts.account import Account
from keelmark.accounts.agreement import Likely, agrees
from keelmark.accounts.legs import is_named
from keelmark.accounts.mismatch import display, hypotheses, solved
from keelmark.accounts.mismatch.values import Question, Scene, Trial
from keelmark.accounts.residuals import Residual
from keelmark.core.codes import UnitKind
from keelmark.core.errors import KeelmarkError
from keelmark.core.margin import MarginReport
from keelmark.core.numbers import ONE, ZERO, exact
from keelmark.core.unit import Position

HYPOTHESES: tuple[Callable[[Question], Iterable[Trial]], ...] = (
    display.printed,
    solved.missing_leverage,
    hypotheses.price_forms,
    hypotheses.other_tables,
    hypotheses.tier_rows,
    hypotheses.close_fees,
    hypotheses.haircuts,
    hypotheses.hedge_legs,
    hypotheses.wrong_signs,
    hypotheses.margin_modes,
    hypotheses.left_out,
    solved.stale_marks,
    solved.missing_collateral,
)
"""In the order in which equals are named."""

SHARE_MIN = Decimal("0.75")
"""A hypothesis that does not match is named only where it explains this much of the difference."""


CONFIRMED = 2
"""Rank of what matches without a fitted number, or with one that further figures confirm."""

FITTED_SLACK = Decimal("1e-7")
"""A number solved from rounded digits gives other figures to fewer of them."""


def explained(
    account: Account, reports: Sequence[MarginReport | None], residuals: Sequence[Residual]
) -> tuple[Residual, ...]:
    """Return the residuals, each that differs with the likeliest reason found.

    Args:
        account: What was checked.
        reports: The margin of its units, in their order; `None` where it is unknown.
        residuals: Of the account.
    """
    known: list[tuple[Scene, Trial, int]] = []
    return tuple(
        residual
        if residual.matches
        else replace(residual, likely=_likely(_question(account, reports, residual), known))
        for residual in residuals
    )


def _likely(question: Question | None, known: list[tuple[Scene, Trial, int]]) -> Likely | None:
    """Return the likeliest reason; what explains an earlier figure of the unit is tried first.

    Args:
        question: What is asked; `None` where the margin of the unit is unknown.
        known: Confirmed reasons of figures before, with what they were asked of; added to.
    """
    if question is None:
        return None
    baseline = _matching(question, question.scene)
    for scene, trial, order in known:
        again = _weigh(question, trial, order, baseline) if scene == question.scene else None
        if again is not None and again.key[0] == CONFIRMED:
            return again.likely
    ranked = sorted(_weighed(question, baseline), key=lambda found: found.key, reverse=True)
    if not ranked:
        return None
    best = ranked[0]
    if best.key[0] == CONFIRMED and best.trial.scene is not None:
        known.append((question.scene, best.trial, -best.key[-1]))
    return best.likely


def _question(
    account: Account, reports: Sequence[MarginReport | None], residual: Residual
) -> Question | None:
    """Return what is asked; `None` where the margin of the unit is unknown."""
    key = residual.number.partition(":")[2]
    units = [u for u in account.units if not key or _holds(u.positions, key)]
    if not units:
        return None
    unit = units[0]
    report = reports[account.units.index(unit)]
    if report is None:
        return None
    crossed = unit.kind is UnitKind.CROSS
    others = tuple(
        u for u in account.units if u is not unit and (u.kind is UnitKind.CROSS) != crossed
    )
    return Question(
        number=residual.number,
        reported=residual.reported,
        computed=residual.computed,
        scene=Scene(unit, account.market, account.model),
        rulebook=account.rulebook,
        figures=dict(_figures(account, unit.positions, is_first=unit is account.units[0])),
        others=others,
    )


def _figures(
    account: Account, positions: Sequence[Position], *, is_first: bool
) -> Iterator[tuple[str, Decimal]]:
    """Return every figure the venue reports of a unit, by the name of its residual."""
    for number, figures in account.reported.items():
        for key, value in figures.items():
            if is_first if not key else _holds(positions, key):
                yield f"{number}:{key}" if key else number, value


def _holds(positions: Sequence[Position], key: str) -> bool:
    return any(is_named(position, key) for position in positions)


@dataclass(frozen=True, slots=True)
class _Weighed:
    """A hypothesis with what it is ranked by: larger is likelier."""

    key: tuple[int, int, int, Decimal, Decimal, int]
    trial: Trial
    likely: Likely


def _weighed(question: Question, baseline: int) -> Iterator[_Weighed]:
    for order, hypothesis in enumerate(HYPOTHESES):
        with suppress(KeelmarkError, ArithmeticError):  # it makes no account of this one
            for trial in hypothesis(question):
                found = _weigh(question, trial, order, baseline)
                if found is not None:
                    yield found


def _weigh(question: Question, trial: Trial, order: int, baseline: int) -> _Weighed | None:
    """Return a trial's weight; `None` where it explains too little to be named.

    First what matches without a fitted number, or with one that further figures confirm; then what
    a fitted number matches alone; then what explains most. Among equals, the one with which most of
    the venue's figures match, then the smaller change.
    """
    value = trial.scene.figure(question.number) if trial.scene is not None else trial.value
    if value is None:
        return None
    matches = agrees(question.reported, value)
    share = _share(question, value)
    if not matches and (trial.change is not None or share < SHARE_MIN):
        return None
    count = baseline
    if matches:
        slack = FITTED_SLACK if trial.change is not None else ZERO
        count = baseline + 1 if trial.scene is None else _matching(question, trial.scene, slack)
    is_confirmed = trial.change is None or count > baseline + 1
    likely = Likely(
        code=trial.code,
        text=trial.text,
        value=value,
        explains=share,
        matches=matches,
        is_fitted=trial.change is not None,
        confirmed=(count, len(question.figures)),
    )
    rank = CONFIRMED if matches and is_confirmed else int(matches)
    fitted = 0 if trial.change is not None else 1
    key = (rank, count, fitted, share, -(trial.change or ZERO), -order)
    return _Weighed(key, trial, likely)


def _matching(question: Question, scene: Scene, slack: Decimal = ZERO) -> int:
    """Return how many of the venue's figures a scene gives, within a relative slack."""
    return sum(
        agrees(value, found) or (found is not None and abs(value - found) <= slack * abs(value))
        for name, value in question.figures.items()
        for found in [scene.figure(name)]
    )


def _share(question: Question, value: Decimal) -> Decimal:
    """Return which share of the difference is gone, at most one and at least zero."""
    with exact():
        left = abs(question.reported - value)
        if question.computed is None:
            return ONE if agrees(question.reported, value) else ZERO
        whole = abs(question.reported - question.computed)
        if agrees(question.reported, value) or not whole:
            return ONE
        return max(ZERO, ONE - left / whole)
