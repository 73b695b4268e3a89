"""The terminal view of a ladder: one line a rung, bars of margin used, liquidations named."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import click

from keelmark.accounts.figures import compact, figure, percent
from keelmark.cli.painting import GAP, INDENT, painted, say, wrapped
from keelmark.core.numbers import ONE
from keelmark.risk.ladders import LIQUIDATION, NOW, Ladder, Rung, recoveries, stretch_words

ROWS = 21
EDGES_MAX = 5
BAR_MIN, BAR_MAX = 4, 20
_WORDS = len("100.0 %") + len("<- liquidation") + 2 * len(GAP)
WIDTH = 80


def print_ladder(found: Ladder, picture: Path | None) -> None:
    """Print a ladder; colours are left out where the output is no terminal."""
    for line in ladder_lines(found, picture):
        say(line)


def ladder_lines(found: Ladder, picture: Path | None = None) -> Iterator[str]:
    """Return the view line by line, within eighty columns."""
    yield from headline(found.rulebook, f"{found.unit_id} along {found.axis.name}", found.currency)
    for line in _answer(found):
        yield from wrapped(line, WIDTH)
    yield ""
    rungs = shown_rungs(found.rungs)
    rows = [("move", "price", "equity", "maint."), *(_cells(rung) for rung in reversed(rungs))]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    room = WIDTH - sum(widths) - len(GAP) * len(widths) - len(INDENT) - _WORDS
    bar = min(BAR_MAX, max(BAR_MIN, room))
    healthy = {rung.move for rung in recoveries(found)}
    tails = [
        "used",
        *(_tail(rung, bar, is_recovery=rung.move in healthy) for rung in reversed(rungs)),
    ]
    for row, tail in zip(rows, tails, strict=True):
        numbers = GAP.join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        yield f"{INDENT}{numbers}{GAP}{tail}".rstrip()
    yield ""
    yield from (line for note in _edges(found) for line in wrapped(note, WIDTH))
    yield click.style(INDENT + _next(picture), dim=True)


def headline(rulebook: str, what: str, currency: str) -> Iterator[str]:
    """Return the first line, as wide as the terminal allows."""
    head, *rest = wrapped(f"{rulebook}{GAP}{what}, in {currency}", WIDTH)
    yield head.removeprefix(INDENT)
    yield from rest


def shown_rungs(rungs: tuple[Rung, ...]) -> list[Rung]:
    """Return now, the liquidations, and as much of the grid as fits a screen."""
    plain = [rung for rung in rungs if not rung.what or NOW in rung.what]
    middle = next((i for i, rung in enumerate(plain) if NOW in rung.what), 0)
    stride = max(1, -(-len(plain) // ROWS))
    kept = {id(rung) for i, rung in enumerate(plain) if (i - middle) % stride == 0}
    return [rung for rung in rungs if id(rung) in kept or LIQUIDATION in rung.what]


def _answer(found: Ladder) -> Iterator[str]:
    """Say first what is asked first: how far it is."""
    now = next((rung for rung in found.rungs if NOW in rung.what), None)
    if now is not None and now.margin.is_liquidatable:
        yield "LIQUIDATABLE at present prices"
    yield stretch_words(found)


def _cells(rung: Rung) -> tuple[str, ...]:
    return (
        percent(rung.move, signed=bool(rung.move)),
        "" if rung.price is None else figure(rung.price),
        compact(rung.margin.equity),
        compact(rung.margin.maintenance_margin),
    )


def _tail(rung: Rung, length: int, *, is_recovery: bool) -> str:
    """Return the share used, its bar, and what is special here."""
    used = rung.margin.usage
    word = "now" if NOW in rung.what else ""
    if LIQUIDATION in rung.what:
        word = "<- recovers" if is_recovery else painted("<- liquidation", "LIQUIDATABLE")
    if rung.margin.is_liquidatable and LIQUIDATION not in rung.what:
        bar = painted("X" * length, "LIQUIDATABLE")
        return f"{_share(used):>7}  {bar}{GAP}{word}".rstrip()
    full = length if used is None else min(length, int(used * length))
    return f"{_share(used):>7}  {'#' * full}{'-' * (length - full)}{GAP}{word}".rstrip()


def _share(used: Decimal | None) -> str:
    return "none" if used is None else "> 999 %" if used >= 10 * ONE else percent(used)


def _edges(found: Ladder) -> Iterator[str]:
    """List where a formula changes: the rungs that the screen has no room for."""
    special = {NOW, LIQUIDATION}
    texts = [
        f"{what} ({percent(rung.move, signed=bool(rung.move))})"
        for rung in found.rungs
        for what in rung.what
        if what not in special
    ]
    more = f", and {len(texts) - EDGES_MAX} more: --json" if len(texts) > EDGES_MAX else ""
    if texts:
        yield f"formulas change: {', '.join(texts[:EDGES_MAX])}{more}"


def _next(picture: Path | None) -> str:
    if picture is not None:
        return f"drawn: {picture}"
    return "next: `--plot ladder.png` draws it - `--json` has every rung"
