"""What would have happened otherwise: other policies, other mark models, no feedback."""

from collections.abc import Sequence

from keelmark.accounts.markup import Html, element, joined
from keelmark.lab.report.model import Feedback, Figure, Run
from keelmark.lab.report.sections import note, nothing, section
from keelmark.lab.report.tables import (
    Cell,
    Column,
    fraction,
    framed,
    money,
    number,
    table,
    table_row,
    text,
    unknown,
    with_gauges,
)

OUTCOME_COLUMNS = (
    Column(title="accounts liquidated"),
    Column(title="liquidated"),
    Column(title="fund change"),
    Column(
        title="bad debt", meaning="Deficits the insurance fund could not pay; others carried them."
    ),
    Column(title="deleveraged"),
    Column(title="accounts deleveraged"),
    Column(title="socialised"),
)
HUES = {
    1: "gone",
    2: "gone",
    3: "fund",
    4: "deleveraged",
    5: "deleveraged",
    6: "deleveraged",
    7: "socialised",
}
NOT_MEASURED = "this run has no such figure"


def comparisons(
    policies: Sequence[Run],
    mark_models: Sequence[Run],
    feedback: Feedback | None,
    currency: str,
) -> Html:
    """Return every comparison there is."""
    return joined(
        (
            _policies(policies, currency),
            _mark_models(mark_models, currency),
            _feedback(feedback, currency) if feedback else None,
        )
    )


def _policies(runs: Sequence[Run], currency: str) -> Html:
    title = "Policies compared"
    if not runs:
        empty = nothing("This run was not compared with other policies.")
        return section("policies", title, None, empty)
    lead = "The same prices, the same accounts, other rules for who carries a loss."
    caption = f"Outcome by policy, amounts in {currency}"
    return section("policies", title, lead, _runs(caption, "policy", runs))


def _mark_models(runs: Sequence[Run], currency: str) -> Html | None:
    if not runs:
        return None
    lead = (
        "Bars are trades, not marks. How marks are made from them decides who is liquidated, so "
        "every figure above belongs to one mark model."
    )
    caption = f"Outcome by mark model, amounts in {currency}"
    return section("marks", "Mark models compared", lead, _runs(caption, "mark model", runs))


def _feedback(feedback: Feedback, currency: str) -> Html:
    caption = f"Outcome with and without feedback, amounts in {currency}"
    columns = (
        Column(title="instrument", numeric=False),
        Column(title="without them", meaning="Largest move with marks that nobody here moves."),
        Column(title="added by liquidations", meaning="Largest move with feedback, less that."),
        Column(title="together"),
    )
    rows = (
        (
            text(move.instrument),
            fraction(move.exogenous, change=True),
            fraction(move.endogenous, change=True),
            fraction(move.exogenous + move.endogenous, change=True),
        )
        for move in feedback.moves
    )
    moves = table("Largest moves, by what caused them", columns, rows) if feedback.moves else None
    lead = "What the market brought, and what liquidations added to it."
    runs = _runs(caption, "run", feedback.runs)
    return section(
        "feedback", "Liquidations that move prices", lead, runs, moves, note(feedback.note)
    )


def _runs(caption: str, title: str, runs: Sequence[Run]) -> Html:
    further = _further_columns(runs)
    columns = (Column(title=title, numeric=False), *OUTCOME_COLUMNS, *further.values())
    rows = with_gauges((_row(run, tuple(further)) for run in runs), HUES if runs[1:] else {})
    styles = ("this" if run.is_this_report else None for run in runs)
    lines = zip(rows, styles, strict=True)
    body = element("tbody", *(table_row(columns, row, style) for row, style in lines))
    return framed(caption, columns, body)


def _further_columns(runs: Sequence[Run]) -> dict[str, Column]:
    found: dict[str, Column] = {}
    for figure in (figure for run in runs for figure in run.figures):
        unit = "" if figure.unit == "fraction" else figure.unit
        column = Column(title=figure.label, unit=unit, meaning=figure.meaning)
        found.setdefault(figure.label, column)
    return found


def _row(run: Run, further: Sequence[str]) -> tuple[Cell, ...]:
    outcome = run.outcome
    figures = {figure.label: figure for figure in run.figures}
    this = element("span", "this report", class_="badge") if run.is_this_report else None
    remark = element("span", run.note, class_="remark") if run.note else None
    return (
        text(joined((run.name, " " if this else None, this, remark))),
        number(outcome.accounts_liquidated),
        money(outcome.liquidated),
        money(outcome.fund_change, change=True),
        money(outcome.bad_debt),
        money(outcome.deleveraged_notional),
        number(outcome.deleveraged_accounts),
        money(outcome.socialised),
        *(_figure(figures.get(label)) for label in further),
    )


def _figure(figure: Figure | None) -> Cell:
    if figure is None or figure.value is None:
        return unknown(NOT_MEASURED)
    if figure.unit == "fraction":
        return fraction(figure.value)
    if figure.unit:
        return money(figure.value, change=figure.is_change)
    return number(figure.value, change=figure.is_change)
