"""The terminal view of a check: headline, positions, what was assumed, the next command.

Written with click alone: importing rich takes longer than margining the account.
"""

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from textwrap import wrap

import click

from keelmark.accounts.check import AccountCheck, PositionCheck, UnitCheck
from keelmark.cli.figures import compact, figure, percent
from keelmark.cli.registry import is_available
from keelmark.core.joint_move import JointMove
from keelmark.core.liquidation_price import PriceStatus

GREEN_FROM = 2
"""Green from this many times the warning distance; red below the distance itself."""

BAR_FULL = Decimal("0.30")
BAR_LENGTH = 10
WIDTH = 80
INDENT = "  "
GAP = "  "

COLOURS = {
    "GREEN": (0, 158, 115),
    "AMBER": (230, 159, 0),
    "RED": (213, 94, 0),
    "LIQUIDATABLE": (213, 94, 0),
    "UNKNOWN": (204, 121, 167),
    "long": (0, 114, 178),
    "short": (230, 159, 0),
}
"""Okabe-Ito, safe for colour-blind readers; every colour has its word beside it."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column: heading, how a position fills it, and on which side it is flush."""

    heading: str
    cell: Callable[[PositionCheck], str]
    right: bool = True


def print_check(found: AccountCheck, file: str) -> None:
    """Print a check; colours are left out where the output is no terminal."""
    width = shutil.get_terminal_size((WIDTH, 24)).columns
    for line in check_lines(found, file, width):
        click.echo(line)


def check_lines(found: AccountCheck, file: str, width: int = WIDTH) -> Iterator[str]:
    """Return the view line by line, to fit a width."""
    reasons: list[str] = []
    if not found.units:
        yield f"{found.account.rulebook.name}  no collateral and no positions"
    for unit in found.units:
        yield from _unit_lines(found, unit, width, reasons)
    for number, reason in enumerate(reasons, start=1):
        yield from _wrapped(f"({number}) {reason}", width)
    yield from _residual_lines(found, width)
    for note in found.account.notes:
        yield from _wrapped(f"note: {note}", width)
    yield click.style(INDENT + next_command(found, file), dim=True)


def status_word(unit: UnitCheck, warn_distance: Decimal) -> str:
    """Return the word for a unit: the same in every surface."""
    if unit.report is None:
        return "UNKNOWN"
    if unit.report.is_liquidatable:
        return "LIQUIDATABLE"
    if unit.distance is None or unit.distance >= GREEN_FROM * warn_distance:
        return "GREEN"
    return "RED" if unit.distance < warn_distance else "AMBER"


def _unit_lines(
    found: AccountCheck,
    unit: UnitCheck,
    width: int,
    reasons: list[str],
) -> Iterator[str]:
    word = status_word(unit, found.warn_distance)
    yield from headlines(found, unit, width)
    yield INDENT + painted(word, word, bold=True) + _move_text(unit.joint_move)
    if unit.reason is not None:
        yield from _wrapped(unit.reason, width)
    if unit.positions:
        yield ""
        yield from table_lines(unit.positions, width, reasons)
    yield ""


def painted(text: str, word: str, *, bold: bool = False) -> str:
    """Return a text in the colour of a word, where it has one."""
    colour = COLOURS.get(word)
    return text if colour is None else click.style(text, fg=colour, bold=bold or None)


def headlines(found: AccountCheck, unit: UnitCheck, width: int) -> list[str]:
    """Return the totals of a unit on as few lines as fit."""
    report = unit.report
    parts = [found.account.rulebook.name, unit.unit.unit_id]
    if report is not None:
        ratio = report.margin_ratio.value
        leverage = report.effective_leverage.value
        parts += [
            f"equity {figure(report.equity)} {unit.currency}",
            f"maintenance {figure(report.maintenance_margin)}",
            *([] if ratio is None else [percent(ratio)]),
            f"excess {figure(report.maintenance_excess, signed=True)}",
            *([] if leverage is None else [f"leverage {leverage:.1f}x"]),
        ]
    lines = [""]
    for part in parts:
        longer = f"{lines[-1]}{GAP}{part}" if lines[-1].strip() else f"{lines[-1]}{part}"
        if len(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(f"{INDENT}{part}")
    return lines


def _move_text(move: JointMove | None) -> str:
    """Return the joint move in words."""
    if move is None:
        return "  no positions"
    if move.size is None:
        reach = "unknown" if move.status is PriceStatus.UNKNOWN else "none"
        return f"  all together: {reach} liquidates"
    if move.size == 0:
        return "  at these prices"
    step = next(iter(move.direction.values()))
    return f"  all together {percent(move.size * step, signed=True)} liquidates"


def table_lines(
    positions: Sequence[PositionCheck],
    width: int,
    reasons: list[str],
) -> list[str]:
    """Return the positions as the widest table that fits."""
    for short, bar in ((False, True), (False, False), (True, True), (True, False)):
        rows = _cells(_columns(reasons, short=short, bar=bar), positions)
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        if sum(widths) + len(GAP) * (len(widths) - 1) + len(INDENT) <= width or (short and not bar):
            columns = _columns(reasons, short=short, bar=bar)
            return [_row(row, widths, columns) for row in rows]
    return []


def _columns(reasons: list[str], *, short: bool, bar: bool) -> list[Column]:
    money = compact if short else figure
    columns = [
        Column("instrument", _name, right=False),
        Column("side", lambda p: "long" if p.held.position.size > 0 else "short", right=False),
        Column("notional", lambda p: money(p.held.notional)),
        Column("uPnL", lambda p: money(p.held.unrealized_pnl, signed=True)),
        Column("maint.", lambda p: money(p.held.maintenance_margin)),
        Column("liq. price", lambda p: _price_cell(p, reasons)),
        Column("distance", _distance_cell),
    ]
    return [*columns, Column("", _bar, right=False)] if bar else columns


def _cells(columns: list[Column], positions: Sequence[PositionCheck]) -> list[list[str]]:
    return [
        [column.heading for column in columns],
        *([column.cell(position) for column in columns] for position in positions),
    ]


def _row(cells: list[str], widths: list[int], columns: list[Column]) -> str:
    padded = [
        painted(cell.rjust(width) if column.right else cell.ljust(width), cell)
        for cell, width, column in zip(cells, widths, columns, strict=True)
    ]
    return (INDENT + GAP.join(padded)).rstrip()


def _name(position: PositionCheck) -> str:
    leg = position.held.position.leg
    return position.held.position.instrument + (f"/{leg.name.lower()}" if leg else "")


def _price_cell(position: PositionCheck, reasons: list[str]) -> str:
    """Return the price, or its state with a number for the reason below the table."""
    price = position.liquidation
    if price.value is not None:
        return figure(price.value) + ("*" if price.others else "")
    reason = price.reason or ""
    if reason not in reasons:
        reasons.append(reason)
    return f"{price.status.value} ({reasons.index(reason) + 1})"


def _distance_cell(position: PositionCheck) -> str:
    distance = position.distance
    return "" if distance is None else percent(distance, signed=True)


def _bar(position: PositionCheck) -> str:
    """Return the distance as a bar: full at the distance that counts as safe."""
    distance = position.distance
    if distance is None:
        return ""
    filled = min(BAR_LENGTH, int(abs(distance) / BAR_FULL * BAR_LENGTH))
    return "#" * filled + "-" * (BAR_LENGTH - filled)


def _residual_lines(found: AccountCheck, width: int) -> Iterator[str]:
    if not found.residuals:
        return
    wrong = [residual for residual in found.residuals if not residual.matches]
    total = len(found.residuals)
    told = f"{len(wrong)} differ" if wrong else "none"
    score = f"({total - len(wrong)} of {total} match)"
    yield from _wrapped(f"residual against the venue's own figures: {told} {score}", width)
    for residual in wrong:
        ours = residual.reason if residual.computed is None else figure(residual.computed)
        text = f"  {residual.number}: venue {figure(residual.reported)}, computed {ours}"
        yield from _wrapped(text, width)


def _wrapped(text: str, width: int) -> list[str]:
    """Return a sentence under the indent, wrapped between words."""
    return wrap(
        text,
        width,
        initial_indent=INDENT,
        subsequent_indent=INDENT * 2,
        break_long_words=False,
        break_on_hyphens=False,
    )


def next_command(found: AccountCheck, file: str) -> str:
    """Return the command a reader is likely to want next."""
    main = found.main
    shown = "maintenance" if main is not None and main.report is not None else "equity"
    commands = [f"keelmark explain {file} {shown}"]
    if is_available("rescue"):
        commands.append(f"keelmark rescue {file}")
    return "next: " + "  -  ".join(f"`{command}`" for command in commands)
