"""The terminal view of a comparison: one form of the book a line, the cheapest named."""

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from shlex import quote

import click

from keelmark.accounts.check import Verdict
from keelmark.accounts.figures import compact, figure, percent
from keelmark.accounts.levels import Level
from keelmark.cli.painting import GAP, INDENT, painted, say, wrapped
from keelmark.risk.comparison import Alternative, Comparison
from keelmark.risk.symbols import DOLLARS

WIDTH = 80
BILLION = 10**9
FAR = Decimal(10)
"""Distances beyond this are only said to be beyond it."""
WORDS = {"initial_margin": "initial margin", "maintenance_margin": "maintenance"}
MODES = {
    "as it is": "as it is",
    "cross": "all cross",
    "isolated": "isolated, initial",
    "split": "isolated, all split",
}

MODE_WORDS = (
    "isolated, initial: each leg has its initial margin and what it lost, the rest stays aside; "
    "all split: the rest is divided by maintenance; at stake: equity of the nearest unit"
)

Row = tuple[str, ...]


def print_comparison(by_venue: Comparison, by_mode: Comparison, file: str) -> None:
    """Print both comparisons; colours are left out where the output is no terminal."""
    for line in comparison_lines(by_venue, by_mode, file):
        say(line)


def comparison_lines(by_venue: Comparison, by_mode: Comparison, file: str) -> Iterator[str]:
    """Return the view line by line, within eighty columns."""
    yield from _title(by_venue)
    yield from _table(by_venue, "rulebook", _venue)
    yield ""
    yield from wrapped(_cheapest(by_venue), WIDTH)
    yield from _prices(by_venue)
    yield ""
    currency = by_mode.alternatives[0].currency
    yield by_mode.title + ("" if currency is None else f", in {currency}")
    yield from _table(by_mode, "collateral", lambda a: MODES.get(a.name, a.name), at_stake=True)
    yield from wrapped(MODE_WORDS, WIDTH)
    yield ""
    for limit in _limits(by_venue):
        yield from wrapped(f"note: {limit}", WIDTH)
    for note in _notes((by_venue, by_mode)):
        yield from wrapped(note, WIDTH)
    command = f"keelmark whatif {quote(file)} --venue NAME"
    yield click.style(f"{INDENT}next: `{command}`", dim=True)


def _title(found: Comparison) -> Iterator[str]:
    """Return the title, with the prices at which coins are compared in dollars."""
    prices = ", ".join(f"{name} at {figure(price)}" for name, price in found.conversions.items())
    head, *rest = wrapped(f"{found.title}{f', in USD: {prices}' if prices else ''}", WIDTH)
    yield head.removeprefix(INDENT)
    yield from rest


def _venue(alternative: Alternative) -> str:
    return alternative.name if alternative.is_ranked else f"{alternative.name} (rules)"


def _currency(found: Comparison, alternative: Alternative) -> str:
    """Return what the amounts of a row are shown in."""
    own = alternative.currency or ""
    return own if found.in_one_currency or own in DOLLARS or not own else "USD"


def _table(
    found: Comparison,
    heading: str,
    name: Callable[[Alternative], str],
    *,
    at_stake: bool = False,
) -> Iterator[str]:
    heads = (heading, "verdict", "initial", "maint.", "nearest", "at stake", "in")
    cells = [
        (
            name(a),
            _verdict(a),
            _money(found.amount(a, "initial_margin")),
            _money(found.amount(a, "maintenance_margin")),
            _distance(a),
            _money(a.at_stake),
            _currency(found, a),
        )
        for a in found.alternatives
    ]
    kept = [0, 1, 2, 3, 4, 5 if at_stake else 6]
    yield from _aligned([tuple(row[i] for i in kept) for row in (heads, *cells)])


def _aligned(rows: Sequence[Row]) -> Iterator[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lefts = {0, 1} | ({len(widths) - 1} if rows[0][-1] == "in" else set())
    for row in rows:
        cells = [
            painted(cell.ljust(size) if i in lefts else cell.rjust(size), cell)
            for i, (cell, size) in enumerate(zip(row, widths, strict=True))
        ]
        yield f"{INDENT}{GAP.join(cells)}".rstrip()


def _verdict(alternative: Alternative) -> str:
    """Return the word of the unit that is nearest to its end."""
    check = alternative.check
    if check is None or check.verdict is Verdict.UNKNOWN:
        return Level.UNKNOWN.value
    if check.is_liquidatable:
        return Level.LIQUIDATABLE.value
    return check.levels.of_distance(check.distance).value


def _money(amount: Decimal | None) -> str:
    if amount is None:
        return "unknown"
    if abs(amount) >= BILLION:
        return f"{amount / BILLION:,.2f} B"
    return compact(amount, digits=5)


def _distance(alternative: Alternative) -> str:
    if alternative.distance is None:
        return "unknown" if alternative.verdict is Verdict.UNKNOWN else "none"
    far = alternative.distance
    return f"> {percent(FAR)}" if far > FAR else percent(far)


def _cheapest(found: Comparison) -> str:
    """Say which is cheapest; where all are alike there is none."""
    best = found.cheapest
    known = [a.name for a in found.ranked]
    if len(known) == 1:
        return f"only {known[0]} margins this book safely with known totals"
    parts = [
        f"least {word}: {'all alike' if list(best[name]) == known else ', '.join(best[name])}"
        for name, word in WORDS.items()
        if name in best
    ]
    if "distance" in best:
        alike = list(best["distance"]) == known
        parts.append(
            f"farthest from liquidation: {'all alike' if alike else ', '.join(best['distance'])}"
        )
    return "; ".join(parts) or "no venue margins this book safely with known totals"


def _limits(found: Comparison) -> Iterator[str]:
    """Say what the best of all leaves out, and what it does not ask."""
    rules = [a.name for a in found.alternatives if not a.is_ranked]
    if rules:
        yield f"{', '.join(rules)} is a set of rules, not a venue: it is never named the best"
    unpriced = [
        a.name
        for a in found.ranked
        if a.total("maintenance_margin") is not None
        and found.amount(a, "maintenance_margin") is None
    ]
    if unpriced:
        yield f"not compared in money, for a coin has no price in dollars: {', '.join(unpriced)}"
    short = [a.name for a in found.ranked if a.lacks_initial]
    if short:
        yield (
            "equity is below initial margin: the book could not be opened as it stands at "
            f"{', '.join(short)}"
        )
    first = found.alternatives[0].check
    if first is not None and any(p.held.position.leverage is not None for p in first.positions):
        yield (
            "initial margin is at the leverage the document sets, where a venue has one to set; "
            "another leverage may order the venues otherwise"
        )
    elif first is not None and any(True for _ in first.positions):
        yield "no leverage is given: initial margin is at the largest each venue allows"


def _prices(found: Comparison) -> Iterator[str]:
    """Return the liquidation price of each leg at each venue, as many legs as fit."""
    known = [a for a in found.alternatives if a.check is not None and a.reason is None]
    legs = list(known[0].prices) if known else []
    rows = [("liquidation price of", *legs)]
    rows += [(a.name, *_leg_prices(a)) for a in known]
    if not legs or any(len(row) != len(rows[0]) for row in rows):
        return
    width = max(len(row[0]) for row in rows) + len(INDENT)
    shown = 1
    for i in range(1, len(rows[0])):
        width += max(len(row[i]) for row in rows) + len(GAP)
        shown += width <= WIDTH
    yield ""
    yield from _right([row[:shown] for row in rows])
    if shown < len(rows[0]):
        yield f"{INDENT}{len(rows[0]) - shown} more legs: --json"


def _right(rows: Sequence[Row]) -> Iterator[str]:
    """Return rows with all but the first cell flush right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(size) for cell, size in zip(row[1:], widths[1:], strict=True)]
        yield f"{INDENT}{GAP.join(cells)}".rstrip()


def _leg_prices(alternative: Alternative) -> Iterator[str]:
    positions = () if alternative.check is None else alternative.check.positions
    return (position.price_text(compact) for position in positions)


def _notes(found: Sequence[Comparison]) -> Iterator[str]:
    """Say why a total is unknown, and what was converted: each once, with where."""
    said: dict[str, list[str]] = {}
    for a in (a for comparison in found for a in comparison.alternatives):
        if a.reason_in_short is not None:
            said.setdefault(f"unknown: {a.reason_in_short}", []).append(MODES.get(a.name, a.name))
        for note in a.notes:
            if " is " not in note or not note.endswith(" there") or " is one " in note:
                said.setdefault(note, []).append(a.name)
    if any(a.reason != a.reason_in_short for c in found for a in c.alternatives):
        said["what is unknown is listed whole, with what to do, by --json"] = []
    for note, names in said.items():
        where = "" if all(name in note for name in names) else f" ({', '.join(names)})"
        yield f"note: {note}{where}"
