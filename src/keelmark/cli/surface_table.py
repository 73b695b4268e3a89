"""The terminal view of a surface: a grid of the share of equity used, liquidatable cells named."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path

import click

from keelmark.accounts.figures import percent
from keelmark.cli.ladder_table import WIDTH, headline
from keelmark.cli.painting import INDENT, painted, say, wrapped
from keelmark.core.numbers import ONE, ZERO
from keelmark.risk.axes import MarginAt
from keelmark.risk.surfaces import Surface

COLUMNS = 11
CELL = 6
FALLEN = "LIQ"


def print_surface(found: Surface, picture: Path | None) -> None:
    """Print a surface; colours are left out where the output is no terminal."""
    for line in surface_lines(found, picture):
        say(line)


def surface_lines(found: Surface, picture: Path | None = None) -> Iterator[str]:
    """Return the view line by line, within eighty columns."""
    what = f"{found.unit_id} over {found.x.name} (across) and {found.y.name} (up)"
    yield from headline(found.rulebook, what, found.currency)
    yield from wrapped("share of equity that maintenance takes, in per cent", WIDTH)
    yield ""
    columns, rows = thinned(found.moves_x), thinned(found.moves_y)
    for row in reversed(rows):
        cells = "".join(_cell(found, column, row) for column in columns)
        yield f"{_move(found.moves_y[row]):>8}{cells}"
    yield f"{'':8}" + "".join(f"{_move(found.moves_x[column]):>{CELL}}" for column in columns)
    yield ""
    yield from wrapped(_answer(found), WIDTH)
    for note in found.notes:
        yield from wrapped(f"note: {note}", WIDTH)
    yield click.style(INDENT + _next(picture), dim=True)


def thinned(moves: Sequence[Decimal]) -> list[int]:
    """Return places spread over an axis, ends and the place nearest to now included."""
    count = min(COLUMNS, len(moves))
    last = len(moves) - 1
    places = {round(last * i / (count - 1)) for i in range(count)}
    middle = min(range(len(moves)), key=lambda i: abs(moves[i]))
    if middle not in places:
        places.discard(min(places - {0, last}, key=lambda i: abs(i - middle), default=-1))
        places.add(middle)
    return sorted(places)


def _cell(found: Surface, column: int, row: int) -> str:
    """Return a cell; the one at present prices is in brackets."""
    margin = found.margins[row][column]
    text = _used(margin)
    if found.moves_x[column] == ZERO == found.moves_y[row]:
        text = f"[{text}]"
    shown = text.rjust(CELL)
    return painted(shown, "LIQUIDATABLE") if margin.is_liquidatable else shown


def _used(margin: MarginAt) -> str:
    if margin.is_liquidatable:
        return FALLEN
    used = margin.usage
    return "none" if used is None else f"{min(used, ONE) * 100:.0f}"


def _move(move: Decimal) -> str:
    text = f"{move * 100:+.0f}%"
    return "0%" if text in {"+0%", "-0%"} else text


def _answer(found: Surface) -> str:
    """Say how much of the square liquidates, and where now is."""
    cells = [margin for row in found.margins for margin in row]
    fallen = sum(margin.is_liquidatable for margin in cells)
    share = percent(Decimal(fallen) / len(cells))
    if not fallen:
        return "nothing here liquidates; [ ] is now"
    return f"{FALLEN} is liquidatable, {share} of the grid; [ ] is now"


def _next(picture: Path | None) -> str:
    if picture is not None:
        return f"drawn: {picture}"
    return "next: `--plot surface.png` draws the liquidation line - `--json`: every point"
