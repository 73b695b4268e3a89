"""A backtest as a page of its own, or as Markdown: nothing fetched, nothing run."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from keelmark.accounts.markup import Html, element, joined, palette
from keelmark.risk.backtests.chart import chart
from keelmark.risk.backtests.judged import Backtest, Level
from keelmark.risk.backtests.wording import (
    COLUMNS,
    HEADS,
    instant,
    level_text,
    loss_text,
    row_of,
    span_text,
    summary,
    words_of,
)

LIMITS = (
    "One period ahead, at the close: what happened inside a period is not seen.",
    (
        "Periods are few beside the tails they judge: no test proves a model right, and of many "
        "p-values some are small by chance."
    ),
    "Costs, funding and the depth of the book are not in the profits.",
)


def page(done: Backtest) -> str:
    """Return a page that needs nothing else."""
    run, first = done.run, done.levels[0]
    title = _title(done)
    what = f"{len(run.profit):,} forecasts of {run.holding.returns.period}, {span_text(run)} UTC."
    header = element(
        "header",
        element("p", "Backtest of value at risk and expected shortfall", class_="kind"),
        element("h1", title),
        element("p", f"{run.holding.name}. {what}"),
        _figures(done),
    )
    drawn = element("figure", chart(run, first), element("figcaption", _caption(first)))
    reading = (HEADS[0].upper() + HEADS[1:] + ".", *(f"{text}." for text in summary(done)))
    closing = element(
        "section",
        element("h2", "How to read it"),
        *_paragraphs(reading),
        element("h2", "Limits"),
        *_paragraphs(LIMITS),
    )
    sections = [_section(done, level) for level in done.levels]
    head = joined(
        (
            element("meta", charset="utf-8"),
            element("meta", name="viewport", content_="width=device-width, initial-scale=1"),
            element("title", title),
            element("style", Html(palette() + _STYLE)),
        )
    )
    body = element("main", header, drawn, *sections, closing)
    whole = element("html", element("head", head), element("body", body), lang="en")
    return f"<!doctype html>{whole}\n"


def markdown(done: Backtest, *, depth: int = 1) -> str:
    """Return the tables and what they say, headings from `depth` on."""
    run = done.run
    mark = "#" * depth
    lines = [
        f"{mark} {run.holding.name}, {run.holding.returns.period}",
        "",
        f"{len(run.profit):,} forecasts, {span_text(run)} UTC.",
    ]
    for level in done.levels:
        expected = level.tail * len(run.profit)
        lines += [
            "",
            f"**Value at risk {level_text(level.tail)}**, {expected:.1f} violations expected.",
            "",
            *markdown_table(COLUMNS, [row_of(level.judged[name]) for name in _order(level)]),
            "",
            *(f"- {text}" for text in words_of(level, run)),
        ]
    lines += ["", *(f"- {text}" for text in summary(done)), ""]
    return "\n".join(lines)


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield a table's lines; all but the first column stand right."""
    yield f"| {' | '.join(head)} |"
    yield f"| --- |{' ---: |' * (len(head) - 1)}"
    for row in rows:
        yield f"| {' | '.join(cell.replace('*', chr(92) + '*') for cell in row)} |"


def _title(done: Backtest) -> str:
    level = done.levels[0]
    failed = len(level.all_hit)
    periods = "period" if failed == 1 else "periods"
    together = f"all models failed together in {failed} {periods}" if failed else "never all failed"
    return f"{_told(level)}; {together}"


def _told(level: Level) -> str:
    """Return in a line what is told of the models."""
    where = f"{level_text(level.tail)} value at risk"
    lowest = level.lowest
    if lowest is None:
        return f"No model forecast every period at {where}"
    if level.needed is not None:
        return f"Too few forecasts to tell models of {where} apart"
    if level.chosen is None:
        return f"{lowest.name} alone forecast every period at {where}"
    if level.best is None:
        return f"No model of {where} can be told from the others"
    others = len(level.alike)
    alike = f", {others} of {len(level.ranked) - 1} others alike" if others else ""
    return f"{lowest.name} forecast the {where} best{alike}"


def _figures(done: Backtest) -> Html:
    """Return four figures."""
    run, level = done.run, done.levels[0]
    lowest = level.lowest
    worst = int(np.argmin(run.profit))
    expected = f"{level.tail * len(run.profit):.1f} expected at {level_text(level.tail)}"
    alike = "?" if level.chosen is None else str(len(level.alike))
    others = f"of {max(len(level.ranked) - 1, 0)} others, model confidence set at 10 %"
    shown = (
        ("lowest score", "none" if lowest is None else lowest.name, "of mean FZ0 scores"),
        ("its violations", "?" if lowest is None else str(lowest.count), expected),
        ("not told from it", alike, others),
        ("worst period", loss_text(float(run.profit[worst])), instant(run, worst)),
    )
    cells = (
        element(
            "div",
            element("dt", name),
            element("dd", value),
            element("dd", under, class_="under"),
        )
        for name, value, under in shown
    )
    return element("dl", *cells, class_="figures")


def _caption(level: Level) -> str:
    lowest = level.lowest
    below = "Below: the periods each model was violated in"
    if lowest is None:
        return f"Grey: profit and loss of each period. {below}."
    return (
        f"Grey: profit and loss of each period. Blue: the value at risk {lowest.name} told at "
        f"{level_text(level.tail)}. Circles: losses beyond it. {below}, the lowest score first; "
        "the last row is where all were."
    )


def _section(done: Backtest, level: Level) -> Html:
    expected = level.tail * len(done.run.profit)
    return element(
        "section",
        element(
            "h2", f"Value at risk {level_text(level.tail)}: {expected:.1f} violations expected"
        ),
        _table(COLUMNS, (_row(done, level, name) for name in _order(level))),
        *_paragraphs(words_of(level, done.run)),
        _failures(done, level),
    )


def _row(done: Backtest, level: Level, name: str) -> Html:
    """Return a model's row; what is unknown is told where one points at it."""
    one = level.judged[name]
    cells = row_of(one)
    unknown = "; ".join(
        f"{test}: {found.reason}"
        for test, found in one.tests.items()
        if found.p_value is None and found.reason
    )
    words = element("span", done.run.forecasts[name].model.words, class_="under")
    first = element("th", cells[0], words, scope="row")
    rest = (element("td", cell, class_=_kind(cell)) for cell in cells[1:])
    return element("tr", first, *rest, title=unknown or None)


def _failures(done: Backtest, level: Level) -> Html | None:
    """Return the periods all models failed in, behind a summary."""
    if not level.all_hit:
        return None
    run, column = done.run, done.run.schedule.tails.index(level.tail)
    rows = []
    for row in level.all_hit:
        told = [f.value_at_risk[row, column] for f in run.forecasts.values()]
        known = [float(value) for value in told if np.isfinite(value)]
        losses = (float(run.profit[row]), -min(known), -max(known))
        begun = element("th", instant(run, row), scope="row")
        rows.append(element("tr", begun, *(element("td", loss_text(loss)) for loss in losses)))
    return element(
        "details",
        element("summary", f"Every period in which all failed ({len(rows)})"),
        _table(("from, UTC", "came", "least told", "most told"), rows),
    )


def _table(heads: Sequence[str], rows: Iterable[Html]) -> Html:
    cells = (element("th", name, scope="col") for name in heads)
    top = element("thead", element("tr", *cells))
    return element("div", element("table", top, element("tbody", *rows)), class_="wide")


def _order(level: Level) -> list[str]:
    return [*level.ranked, *(name for name in level.judged if name not in level.ranked)]


def _kind(cell: str) -> str | None:
    if cell in {"red", "yellow", "green"}:
        return cell
    return "bad" if cell.endswith("*") else None


def _paragraphs(texts: Iterable[str]) -> Iterator[Html]:
    return (element("p", text) for text in texts)


_STYLE = """
body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
main{max-width:64rem;margin:0 auto;padding:1.5rem 1rem 4rem}
h1{font-size:1.6rem;line-height:1.25;margin:.2rem 0 .6rem}h2{font-size:1.1rem;margin:2.2rem 0 .6rem}
p{max-width:46rem;margin:.35rem 0}.kind,.under{color:var(--soft);font-size:.85rem}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(11rem,1fr));gap:1rem;
margin:1.4rem 0}
.figures div{border-top:2px solid var(--rule);padding-top:.4rem}
dt{color:var(--soft)}dd{margin:0;font-size:1.35rem;font-variant-numeric:tabular-nums}
dd.under{font-size:.85rem}figure{margin:1rem 0}figcaption{color:var(--soft);font-size:.85rem}
svg{width:100%;min-width:40rem;height:auto;display:block}figure,.wide{overflow-x:auto}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:14px;width:100%}
th,td{padding:.35rem .6rem;border-bottom:1px solid var(--rule);text-align:right;font-weight:400}
thead th{color:var(--soft);vertical-align:bottom}th:first-child{text-align:left}
tbody th{min-width:9rem}tbody th .under{display:block;font-size:.8rem}
.bad,.red{color:var(--deficit-text);font-weight:600}
.yellow{color:var(--short-text);font-weight:600}.green{color:var(--collateral-text)}
details{margin:.8rem 0}summary{cursor:pointer;color:var(--accent)}
@media print{details{display:none}}
"""
