"""The largest cases: one row each, which opens to its working."""

from collections.abc import Iterable, Sequence
from decimal import Decimal

from keelmark.accounts.markup import Content, Html, element, joined
from keelmark.lab.report.figures import clock, compact, data, instant, rounded
from keelmark.lab.report.model import Case, CaseCollateral, CasePosition, CaseStep, Counterparty
from keelmark.lab.report.payments import attribution_table, paid_line
from keelmark.lab.report.sections import nothing, section
from keelmark.lab.report.tables import (
    Cell,
    Column,
    fraction,
    framed,
    moment,
    money,
    number,
    table,
    table_row,
    text,
    unknown,
)
from keelmark.lab.report.words import stage_label

COLUMNS = (
    Column(title="account", numeric=False),
    Column(title="unit", numeric=False, meaning="What was margined and liquidated alone."),
    Column(title="time", unit="UTC"),
    Column(title="notional", meaning="At the decision."),
    Column(title="liquidated", meaning="Value of what was closed."),
    Column(title="equity", meaning="At the decision, after haircuts."),
    Column(title="loss", meaning="What had to be paid."),
    Column(title="paid by others", meaning="The part the unit itself could not pay."),
    Column(title="who paid", numeric=False),
)
POSITION_COLUMNS = (
    Column(title="instrument", numeric=False),
    Column(title="size"),
    Column(title="mark price"),
    Column(title="value", meaning="Size times contract size times mark price, signed."),
    Column(title="cost", meaning="What the position was built for, signed."),
    Column(title="profit or loss", meaning="Value minus cost."),
    Column(title="maintenance rate", meaning="Rate of the tier that applied."),
    Column(title="maintenance"),
    Column(title="tier", numeric=False),
)
STEP_COLUMNS = (
    Column(title="time", unit="UTC", numeric=False),
    Column(title="stage", numeric=False),
    Column(title="instrument", numeric=False),
    Column(title="size"),
    Column(title="price"),
    Column(title="fee"),
    Column(title="result", numeric=False),
)
COLLATERAL_COLUMNS = (
    Column(title="collateral", numeric=False),
    Column(title="balance"),
    Column(title="price"),
    Column(title="counts for", meaning="After the haircut."),
)
COUNTERPARTY_COLUMNS = (
    Column(title="deleveraged account", numeric=False),
    Column(title="instrument", numeric=False),
    Column(title="size"),
    Column(title="price"),
    Column(
        title="gave up", meaning="Against the mark at that moment; nothing where the fund paid."
    ),
)
WORKING_COLUMNS = (
    Column(title="what", numeric=False),
    Column(title="how", numeric=False),
    Column(title="value"),
    Column(title="source", numeric=False),
)


def cases_section(cases: Sequence[Case], currency: str) -> Html:
    """Return the largest cases."""
    title = "Largest cases"
    if not cases:
        return section("cases", title, None, nothing("No unit was liquidated."))
    bodies = joined(_case(case, index, currency) for index, case in enumerate(cases))
    return section(
        "cases",
        title,
        f"The {len(cases)} liquidations that closed most, one of each unit, amounts in "
        f"{currency}. Open a row for its positions, what was done in which order, and who paid.",
        framed("Largest liquidations", COLUMNS, bodies),
    )


def _case(case: Case, index: int, currency: str) -> Html:
    name = f"case-{index}"
    opener = element(
        "button",
        case.account,
        type="button",
        class_="opener",
        aria_controls=name,
        aria_expanded="true",
    )
    row = (
        text(opener),
        text(case.unit),
        moment(case.time_ms),
        money(case.notional),
        money(case.liquidated),
        money(case.equity),
        money(case.attribution.total),
        money(case.attribution.deficit),
        text(paid_line(case.attribution)),
    )
    inside = element("td", _detail(case, currency), colspan=len(COLUMNS))
    detail = element("tr", inside, id=name, class_="detail")
    return element("tbody", table_row(COLUMNS, row), detail)


def _detail(case: Case, currency: str) -> Html:
    return element(
        "div",
        element("p", _sentence(case, currency), class_="lead"),
        _positions(case.positions),
        _collateral(case.collateral),
        _working(case),
        _steps(case.steps),
        element("div", attribution_table(case.attribution), class_="scroll"),
        _counterparties(case),
        class_="working",
    )


def _sentence(case: Case, currency: str) -> str:
    return (
        f"{instant(case.time_ms)}: the equity of {case.account} ({case.unit}) was "
        f"{compact(case.equity)} {currency} and its maintenance margin "
        f"{compact(case.maintenance_margin)}; it fell short by "
        f"{compact(case.maintenance_margin - case.equity)} and was liquidated."
    )


def _positions(positions: Iterable[CasePosition]) -> Html:
    rows = (
        (
            text(item.instrument),
            number(item.size, change=True),
            number(item.mark_price),
            _cents(item.value),
            _cents(item.cost),
            _cents(item.unrealized_pnl, change=True),
            fraction(item.maintenance_rate, 2),
            _cents(item.maintenance_margin),
            text(item.tier),
        )
        for item in positions
    )
    return table("Positions at the decision", POSITION_COLUMNS, rows, sortable=False)


def _collateral(collateral: Sequence[CaseCollateral]) -> Html | None:
    if not collateral:
        return None
    rows = (
        (text(item.asset), number(item.balance), number(item.price), _cents(item.value))
        for item in collateral
    )
    return table("Collateral at the decision", COLLATERAL_COLUMNS, rows, sortable=False)


def _working(case: Case) -> Html:
    rows = [
        (text(line.label), text(line.formula), _cents(line.value), text(line.source))
        for line in case.working
    ]
    excess = case.equity - case.maintenance_margin
    rows.append(
        (text("margin excess"), text("equity - maintenance margin"), _cents(excess), text(""))
    )
    return table("Equity against maintenance margin", WORKING_COLUMNS, rows, sortable=False)


def _steps(steps: Sequence[CaseStep]) -> Html | None:
    if not steps:
        return None
    rows = (
        (
            text(element("time", clock(step.time_ms))),
            text(stage_label(step.stage)),
            text(step.instrument or "the whole unit"),
            _optional(step.size, "nothing was traded in this step"),
            _optional(step.price, "no price in this step"),
            _optional(step.fee, "no fee in this step"),
            text(step.result),
        )
        for step in steps
    )
    return table("What was done, in order", STEP_COLUMNS, rows, sortable=False)


def _counterparties(case: Case) -> Html | None:
    if not case.counterparties:
        return None
    listed = table(
        "Deleveraged against this unit",
        COUNTERPARTY_COLUMNS,
        (_counterparty(item) for item in case.counterparties),
        sortable=False,
    )
    more = case.counterparties_more
    rest = element("p", f"and {more:,} more accounts", class_="note") if more else None
    return joined((listed, rest))


def _counterparty(item: Counterparty) -> tuple[Cell, ...]:
    return (
        text(item.account),
        text(item.instrument),
        number(item.size, change=True),
        number(item.price),
        _cents(item.paid),
    )


def _optional(value: Decimal | None, reason: str) -> Cell:
    return unknown(reason) if value is None else number(value)


def _cents(value: Decimal, *, change: bool = False) -> Cell:
    shown: Content = data(value, ("+" if change and value > 0 else "") + rounded(value))
    return Cell(content=shown, key=value)
