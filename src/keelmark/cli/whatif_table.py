"""The terminal view of a what-if: now and after side by side, two bars and the difference."""

import shutil
from collections.abc import Iterator
from decimal import Decimal
from shlex import quote

import click

from keelmark.accounts.check import AccountCheck
from keelmark.accounts.figures import compact, figure, percent
from keelmark.accounts.position import PositionCheck
from keelmark.accounts.unit_check import UnitCheck
from keelmark.cli.painting import GAP, INDENT, WIDTH, painted, say, wrapped
from keelmark.core.liquidation_price import PriceStatus
from keelmark.core.numbers import ZERO
from keelmark.risk.what_if import Compared, PositionPair, UnitPair, WhatIf

_BAR = 30
_FAR = Decimal(10)
"""Shares beyond this are only said to be beyond it."""
_UNITS_MAX = 6
_HUGE = 13
"""Powers of ten from which amounts are told by them: longer ones leave no room."""
_LABELS = {
    "equity": "equity",
    "initial_margin": "initial margin",
    "maintenance_margin": "maintenance",
    "maintenance_excess": "excess",
    "available": "available",
    "effective_leverage": "leverage",
}
_HEADINGS = ("", "now", "after", "difference")

Row = tuple[str, ...]


def print_whatif(found: WhatIf, file: str, save: str | None) -> None:
    """Print a what-if; colours are left out where the output is no terminal."""
    width = shutil.get_terminal_size((WIDTH, 24)).columns
    for line in whatif_lines(found, file, width, save):
        say(line)


def whatif_lines(
    found: WhatIf, file: str, width: int = WIDTH, save: str | None = None
) -> Iterator[str]:
    """Return the view line by line, to fit a width."""
    now, after = (check.account.rulebook.name for check in (found.now, found.after))
    rules = now if now == after else f"{now} -> {after}"
    head, *rest = wrapped(f"{rules}{GAP}what if: {found.words}", width)
    yield from (head.removeprefix(INDENT), *rest)
    shown = [pair for pair in found.units if pair.has_changed] or list(found.units[:1])
    for pair in shown[:_UNITS_MAX]:
        yield ""
        yield from _unit_lines(found, pair, width)
    hidden = len(shown) - _UNITS_MAX
    if hidden > 0:
        yield f"{INDENT}{hidden} more units change; --json shows them"
    if found.positions:
        yield ""
        yield from _position_lines(found, width)
    yield ""
    for note in _notes(found):
        yield from wrapped(f"note: {note}", width)
    yield click.style(f"{INDENT}{_next(file, save)}", dim=True)


def _unit_lines(found: WhatIf, pair: UnitPair, width: int) -> Iterator[str]:
    """Return one unit: its name, two bars, its numbers."""
    yield f"{INDENT}{pair.unit_id}{_currency(pair)}"
    words = {
        when: _word(check, unit)
        for when, check, unit in (
            ("now", found.now, pair.now),
            ("after", found.after, pair.after),
        )
    }
    used = pair.figure("margin_ratio")
    distance = pair.figure("distance")
    for when, ratio, far in (
        ("now", used.now, distance.now),
        ("after", used.after, distance.after),
    ):
        yield _bar(when, ratio, far, words[when])
    if used.difference is not None and abs(used.difference) <= _FAR:
        points = f"{used.difference * 100:+,.1f} points of equity used by maintenance"
        yield f"{INDENT}{'':<6}{points}"
    yield ""
    rows = [_HEADINGS, *(_row(pair, figure) for figure in pair.figures if figure.name in _LABELS)]
    yield from _aligned(rows, width)


def _currency(pair: UnitPair) -> str:
    names = dict.fromkeys(unit.currency for unit in (pair.now, pair.after) if unit is not None)
    return f", in {' -> '.join(names)}"


def _word(check: AccountCheck, unit: UnitCheck | None) -> str:
    return "does not exist" if unit is None else unit.level(check.levels).value


def _bar(when: str, used: Decimal | None, distance: Decimal | None, word: str) -> str:
    """Return how much of equity maintenance takes up, as a bar, with the verdict in words."""
    far = f"{GAP}nearest {_far(distance)}" if distance else ""
    if used is None:
        return f"{INDENT}{when:<6}{painted(word, word)}{far}"
    filled = min(_BAR, max(0, int(used * _BAR)))
    bar = "#" * filled + "-" * (_BAR - filled)
    share = f"> {percent(_FAR)}" if used > _FAR else percent(used)
    return f"{INDENT}{when:<6}[{bar}] {share:>7}{GAP}{painted(word, word)}{far}"


def _far(distance: Decimal) -> str:
    return f"> {percent(_FAR)}" if distance > _FAR else percent(distance)


def _row(pair: UnitPair, compared: Compared) -> Row:
    """Return a number now and after; the difference with its sign."""
    step = compared.difference
    return (
        _LABELS[compared.name],
        _cell(compared, compared.now, pair.now),
        _cell(compared, compared.after, pair.after),
        "" if step is None else _number(compared, step, signed=bool(step)),
    )


def _cell(compared: Compared, value: Decimal | None, unit: UnitCheck | None) -> str:
    if value is not None:
        return _number(compared, value)
    if unit is None:
        return "-"
    return "unknown" if unit.report is None else "none"


def _number(compared: Compared, value: Decimal, *, signed: bool = False) -> str:
    if compared.name != "effective_leverage":
        is_huge = value.adjusted() >= _HUGE
        return f"{value:{'+' if signed else ''}.4e}" if is_huge else figure(value, signed=signed)
    return f"{value:{'+' if signed else ''}.1f}x"


def _position_lines(found: WhatIf, width: int) -> list[str]:
    """Return the positions as the widest table that fits; the narrowest wraps nothing."""
    lines: list[str] = []
    for digits in (6, 5, 3):
        for with_distance in (True, False):
            lines = list(
                _aligned(_position_rows(found, digits, with_distance=with_distance), width)
            )
            if max(len(click.unstyle(line)) for line in lines) <= width:
                return lines
    return lines


def _position_rows(found: WhatIf, digits: int, *, with_distance: bool) -> list[Row]:
    after = "-> after"
    heads = ("instrument", "side", "size", after, "liq. price", after, "distance", after)
    rows = [heads, *(_position_row(pair, digits) for pair in found.positions)]
    return rows if with_distance else [row[:6] for row in rows]


def _position_row(pair: PositionPair, digits: int) -> Row:
    instrument, _, side = pair.name.rpartition(" ")
    cells = [(_size(p, digits), _price(p, digits), _distance(p)) for p in (pair.now, pair.after)]
    (size, price, far), (size_after, price_after, far_after) = cells
    return instrument, side, size, size_after, price, price_after, far, far_after


def _size(position: PositionCheck | None, digits: int) -> str:
    if position is None:
        return "-"
    return compact(abs(position.held.position.size), digits=digits)


def _price(position: PositionCheck | None, digits: int) -> str:
    """Return the liquidation price, or the word for its state."""
    if position is None:
        return "not held"
    return position.price_text(lambda price: compact(price, digits=digits))


def _distance(position: PositionCheck | None) -> str:
    distance = None if position is None else position.distance
    if distance is None:
        return ""
    return f"> +{percent(_FAR)}" if distance > _FAR else percent(distance, signed=True)


def _aligned(rows: list[Row], width: int) -> Iterator[str]:
    """Return rows in columns; texts flush left, numbers flush right, cut to the width."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    left = 2 if len(rows[0]) > len(_HEADINGS) else 1
    gap = GAP if sum(widths) + len(GAP) * len(widths) <= width else " "
    for row in rows:
        cells = [
            painted(cell.ljust(size) if i < left else cell.rjust(size), cell)
            for i, (cell, size) in enumerate(zip(row, widths, strict=True))
        ]
        yield (INDENT + gap.join(cells)).rstrip()


def _notes(found: WhatIf) -> Iterator[str]:
    """Say what fills cost, what was assumed, and why a price is not one."""
    for asset, fee in found.fees.items():
        yield f"fees of fills at {percent_of(found.fee_rate)} of notional: {figure(fee)} {asset}"
    yield from found.notes
    yield from (note for note in found.after.account.notes)
    yield from dict.fromkeys(
        f"liquidation price of {p.held.position.instrument} after: {p.liquidation.reason}"
        for p in found.after.positions
        if p.liquidation.status is PriceStatus.UNKNOWN
    )


def percent_of(rate: Decimal) -> str:
    """Return a small rate in per cent without idle zeros."""
    return f"{(rate * 100).normalize():f} %" if rate > ZERO else "0 %"


def _next(file: str, save: str | None) -> str:
    if save is not None:
        return f"written: {save}; next: `keelmark check {quote(save)}`"
    return f"next: `keelmark check {quote(file)}` - keep it: `--save after.json`"
