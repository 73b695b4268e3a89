"""Writes docs/cases.md from a run of the published cases: `python -m scripts.cases_page`.

The rows and the runner are those of `tests/venues`. Recorded accounts are run where the data is at
hand; without it their part of the page is left as it is.
"""

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import groupby
from pathlib import Path

from tests.venues.published import Figure, Outcome, Row, cases, run, shown
from tests.venues.recorded import recorded_outcomes

PAGE = Path(__file__).resolve().parents[1] / "docs" / "cases.md"
RECORDED = "## Recorded accounts"
HEAD = """# Published cases

Every figure that a venue or a documented account prints, beside ours. This page is written by
`python -m scripts.cases_page` from the run that the tests make; a test fails when it is old. Each
case goes through what users call: an account document that is read and checked, or a public
function.

*Exact*: written with as many decimals as theirs, our figure is theirs. *Within tolerance*: it is
not, differs by no more than the tolerance stated for the case, and the second table says why. A
residual is ours less theirs. Lists (tables, vectors) are one line with their largest residual.
"""
VENUES = {
    "binance": "Binance",
    "bybit": "Bybit",
    "deribit": "Deribit",
    "derive": "Derive",
    "dydx": "dYdX v4",
    "gate": "Gate",
    "generic": "No venue",
    "hl": "Hyperliquid",
    "okx": "OKX",
    "paradex": "Paradex",
    "phemex": "Phemex",
}
Line = tuple[str, ...]


def page(recorded: str) -> str:
    """Return the whole page with this part on recorded accounts."""
    outcomes = {case: [run(row) for row in parts] for case, parts in cases().items()}
    sections = [HEAD, totals(outcomes.values()), reasons(outcomes.values())]
    for venue, ids in groupby(sorted(outcomes), key=lambda case: case.partition("-")[0]):
        sections += section(VENUES[venue], [outcomes[case] for case in ids])
    return "\n".join([*sections, recorded])


def totals(outcomes: Iterable[Sequence[Outcome]]) -> str:
    """Return how many cases agree how well."""
    verdicts = [case_verdict(parts) for parts in outcomes]
    names = ("exact", "within tolerance", "off", "not expressible")
    counts = [(name, str(verdicts.count(name))) for name in names]
    return table(("", "cases"), [("cases run", str(len(verdicts))), *counts])


def reasons(outcomes: Iterable[Sequence[Outcome]]) -> str:
    """Return why figures that are not exact are not."""
    found = [part for parts in outcomes for part in parts if part.row.why]
    rows = [
        (f"`{part.row.id}`", part.row.what, largest(part.figures), part.row.why) for part in found
    ]
    return table(("not exact", "what", "residual", "why"), rows)


def case_verdict(parts: Sequence[Outcome]) -> str:
    """Return the worst verdict of a case's parts."""
    if any(part.row.cannot for part in parts):
        return "not expressible"
    return verdict([figure for part in parts for figure in part.figures])


def verdict(figures: Sequence[Figure]) -> str:
    """Return the worst verdict of a case's figures."""
    if all(figure.is_exact for figure in figures):
        return "exact"
    return "within tolerance" if all(figure.holds for figure in figures) else "off"


def section(title: str, outcomes: Sequence[Sequence[Outcome]]) -> Iterator[str]:
    """Yield the part of one venue: its figures, then where they are from."""
    yield f"## {title}\n"
    head = ("case", "what", "figure", "ours", "theirs", "residual", "tolerance", "verdict")
    yield table(head, [line for parts in outcomes for part in parts for line in lines(part)])
    for parts in outcomes:
        yield from sources([part.row for part in parts])
    yield ""


def lines(outcome: Outcome) -> Iterator[Line]:
    """Yield a line for each figure of a row, one for each list."""
    row = outcome.row
    for path, group in groupby(outcome.figures, key=lambda figure: figure.path.partition("[")[0]):
        figures = list(group)
        single = len(figures) == 1
        yield (
            f"`{row.id}`",
            row.what,
            f"`{path}`",
            shown(figures[0].ours) if single else f"{len(figures)} figures",
            shown(figures[0].theirs) if single else f"{len(figures)} figures",
            largest(figures),
            f"{row.tolerance:f}",
            verdict(figures),
        )


def largest(figures: Sequence[Figure]) -> str:
    """Return the largest residual, short."""
    residuals = [figure.residual for figure in figures if figure.residual is not None]
    worst = max(residuals, key=abs, default=None)
    if worst is None:
        return ""
    return short(worst)


def short(residual: Fraction) -> str:
    """Return a residual with two figures."""
    return "0" if residual == 0 else f"{float(residual):.1e}".replace("e-0", "e-")


def sources(parts: Sequence[Row]) -> Iterator[str]:
    """Yield where the figures of a case are from, and what had to be inferred."""
    first = parts[0]
    notes = list(dict.fromkeys(row.note for row in parts if row.note))
    inferred = list(dict.fromkeys(name for row in parts for name in row.inferred))
    told = [f"{first.provenance.replace('_', ' ')}: {first.source}", *notes]
    if inferred:
        told.append(f"inferred: {', '.join(inferred)}")
    yield f"- `{first.id}`: " + "; ".join(told)


def table(head: Line, rows: Iterable[Line]) -> str:
    """Return a Markdown table."""
    body = [head, tuple("---" for _ in head), *rows]
    return "".join("| " + " | ".join(clean(cell) for cell in row) + " |\n" for row in body)


def clean(cell: str) -> str:
    """Return a cell's text without what would end the cell."""
    return cell.replace("|", "\\|")


def recorded_part(page_text: str) -> str:
    """Return the part on recorded accounts: run where the data is at hand, else as it stands."""
    found = recorded_outcomes()
    if found is None:
        return page_text[page_text.index(RECORDED) :]
    intro = (
        f"{RECORDED}\n\nAccounts as their venue answered for them; the data is not part of the "
        "repository.\nWithin tolerance: the venue rounds the margin of each position to 1e-6 "
        "before it adds them up and divides.\nOf the vault some positions are recorded; the others "
        "stand as two whose prices are held.\nThe spot balance of the unified account is not "
        "recorded: its perpetuals alone are 8,346.91 short of what\nits printed price needs, which "
        "import says, calling the collateral unknown. Here it has the balance which\nthat price "
        "implies, so that the price shows the arithmetic only.\n"
    )
    head = ("account", "figure", "ours", "theirs", "residual", "verdict")
    rows = [
        (
            name,
            f"`{figure.path}`",
            shown(figure.ours),
            shown(figure.theirs),
            largest([figure]),
            verdict([figure]),
        )
        for name, figures in found.items()
        for figure in figures
    ]
    return f"{intro}\n{table(head, rows)}"


def main() -> None:
    """Write the page."""
    before = PAGE.read_text("utf-8") if PAGE.is_file() else ""
    text = page(recorded_part(before))
    PAGE.write_text(text, "utf-8")
    print(f"{PAGE.name}: {'changed' if text != before else 'unchanged'}")


if __name__ == "__main__":
    main()
