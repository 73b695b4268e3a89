"""The terminal view of a check: headline, positions, what was assumed, the next command.

Written with click alone: importing rich takes longer than margining the account.
"""

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from shlex import quote
from textwrap import wrap

import click

from keelmark.accounts.check import AccountCheck, UnitCheck
from keelmark.accounts.figures import compact, figure, percent
from keelmark.accounts.position import PositionCheck
from keelmark.cli.registry import is_available
from keelmark.core.joint_move import JOINT_REACH
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
    for note in (*found.account.notes, *_leg_notes(found)):
        yield from _wrapped(f"note: {note}", width)
    yield click.style(INDENT + next_command(found, file), dim=True)


def _leg_notes(found: AccountCheck) -> Iterator[str]:
    """Say why two legs that share collateral show one and the same liquidation price."""
    for unit in found.units:
        symbols = [p.held.position.instrument for p in unit.positions]
        for symbol in dict.fromkeys(s for s in symbols if symbols.count(s) > 1):
            yield f"both legs of {symbol} move with one mark and share one liquidation price"


def status_word(unit: UnitCheck, warn_distance: Decimal) -> str:
    """Return the word for a unit: the same in every surface."""
    if unit.report is None:
        return "UNKNOWN"
    if unit.report.is_liquidatable:
        return "LIQUIDATABLE"
    if unit.distance is not None and unit.distance < warn_distance:
        return "RED"
    if unit.is_unsettled:
        return "UNKNOWN"
    is_far = unit.distance is None or unit.distance >= GREEN_FROM * warn_distance
    return "GREEN" if is_far else "AMBER"


def _unit_lines(
    found: AccountCheck,
    unit: UnitCheck,
    width: int,
    reasons: list[str],
) -> Iterator[str]:
    word = status_word(unit, found.warn_distance)
    yield from headlines(found, unit, width)
    first, *rest = _wrapped(f"{word}  {nearest_text(unit, reasons)}", width)
    yield first.replace(word, painted(word, word, bold=True), 1)
    yield from rest
    if unit.positions:
        yield ""
        yield from table_lines(unit, width, reasons)
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
        share = "" if ratio is None else f"{GAP}{percent(ratio)}"
        leverage = report.effective_leverage.value
        parts += [
            f"equity {figure(report.equity)} {unit.currency}",
            f"maintenance {figure(report.maintenance_margin)}{share}",
            f"excess {figure(report.maintenance_excess, signed=True)}",
            *([] if leverage is None else [f"leverage {leverage:.1f}x"]),
        ]
    elif unit.known.maintenance_margin is not None:
        shown = f"{figure(unit.known.maintenance_margin)} {unit.currency}"
        parts += ["equity unknown", f"maintenance {shown}"]
    else:
        parts += ["equity unknown", "maintenance unknown"]
    lines = [""]
    for part in parts:
        longer = f"{lines[-1]}{GAP}{part}" if lines[-1].strip() else f"{lines[-1]}{part}"
        if len(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(f"{INDENT}{part}")
    return lines


def nearest_text(unit: UnitCheck, reasons: list[str]) -> str:
    """Return the nearest liquidating move in words, and the joint one where it is another."""
    if unit.report is None:
        return unit.reason or ""
    if unit.report.is_liquidatable:
        return "at these prices"
    if not unit.positions:
        return "no positions"
    clauses = [*_found_moves(unit), *_unknown_moves(unit, reasons)]
    if clauses:
        return "; ".join(clauses)
    if unit.is_unsettled:
        return f"no move of all together, {JOINT_REACH}, liquidates; one price alone: unknown"
    return f"nothing liquidates: no price alone, and not all together {JOINT_REACH}"


def _found_moves(unit: UnitCheck) -> list[str]:
    """Return the nearest move, then the joint one unless that is it."""
    nearest, joint = unit.nearest, unit.joint_move
    if nearest is None:
        return []
    moved = percent(nearest.distance, signed=True)
    together = f"no move of all together does {JOINT_REACH}"
    if joint is not None and joint.size is not None:
        step = next(iter(joint.direction.values()))
        together = f"all together {percent(joint.size * step, signed=True)}"
    one = _only_instrument(unit, moved)
    if one is not None and together.endswith(f" {moved}"):
        return [f"{one} {moved} liquidates"]
    if nearest.instrument is None:
        return [f"{together} liquidates"]
    is_unknown = joint is not None and joint.status is PriceStatus.UNKNOWN
    alone = f"{nearest.instrument} alone {moved} liquidates"
    return [alone] if is_unknown else [alone, together]


def _only_instrument(unit: UnitCheck, moved: str) -> str | None:
    """Return the one instrument a unit holds, where moving it alone is the move shown."""
    symbols = {p.held.position.instrument for p in unit.positions}
    alone = {percent(p.distance, signed=True) for p in unit.positions if p.distance is not None}
    return next(iter(symbols)) if len(symbols) == 1 and moved in alone else None


def _unknown_moves(unit: UnitCheck, reasons: list[str]) -> list[str]:
    """Return the joint moves that are unknown, with the number of the reason below the table."""
    unknown = [move for move in unit.joint_moves if move.status is PriceStatus.UNKNOWN]
    if len(unknown) == len(unit.joint_moves) and len({move.reason for move in unknown}) == 1:
        return [f"all together: unknown {_footnote(unknown[0].reason, reasons)}"]
    return [
        f"all together {'down' if next(iter(move.direction.values())) < 0 else 'up'}: unknown "
        f"{_footnote(move.reason, reasons)}"
        for move in unknown
    ]


def _footnote(reason: str | None, reasons: list[str]) -> str:
    """Return the number of a reason, which is listed below the tables once."""
    text = reason or ""
    if text not in reasons:
        reasons.append(text)
    return f"({reasons.index(text) + 1})"


def table_lines(unit: UnitCheck, width: int, reasons: list[str]) -> list[str]:
    """Return the positions as the widest table that fits."""
    for money in (figure, compact, _briefly):
        for bar in (True, False):
            columns = _columns(unit, reasons, money, bar=bar)
            rows = _cells(columns, unit.positions)
            widths = [max(len(row[i]) for row in rows) for i in range(len(columns))]
            is_last = money is _briefly and not bar
            if is_last or sum(widths) + len(GAP) * (len(widths) - 1) + len(INDENT) <= width:
                return [_row(row, widths, columns) for row in rows]
    return []


def _briefly(value: Decimal, *, signed: bool = False) -> str:
    """Return an amount as `compact` does, with three significant digits below one."""
    return compact(value, signed=signed, digits=3)


def _columns(
    unit: UnitCheck,
    reasons: list[str],
    money: Callable[..., str],
    *,
    bar: bool,
) -> list[Column]:
    """Return the columns; amounts name their asset unless all are in the unit's own currency."""
    asset = Column("in", lambda p: p.held.settle, right=False)
    is_mixed = any(p.held.settle != unit.currency for p in unit.positions)
    bars = Column("", _bar, right=False)
    return [
        Column("instrument", _name, right=False),
        Column("side", lambda p: "long" if p.held.position.size > 0 else "short", right=False),
        *([asset] if is_mixed else []),
        Column("notional", lambda p: money(p.held.notional)),
        Column("uPnL", lambda p: money(p.held.unrealized_pnl, signed=True)),
        Column("maint.", lambda p: money(p.held.maintenance_margin)),
        Column("liq. price", lambda p: _price_cell(p, unit, reasons)),
        Column("distance", _distance_cell),
        *([bars] if bar else []),
    ]


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


def _price_cell(position: PositionCheck, unit: UnitCheck, reasons: list[str]) -> str:
    """Return the price, or its state with a number for the reason below the table."""
    price = position.liquidation
    if price.value is not None:
        return figure(price.value) + ("*" if price.others else "")
    if price.reason == unit.reason:  # it stands above the table
        return price.status.value
    return f"{price.status.value} {_footnote(_shared(position, unit), reasons)}"


def _shared(position: PositionCheck, unit: UnitCheck) -> str:
    """Return the reason of a price, in words that other instruments of the unit can share."""
    symbols = {p.held.position.instrument for p in unit.positions}
    symbol = position.held.position.instrument
    reason = position.liquidation.reason or ""
    return (
        reason.replace(f"price of {symbol}", "price of this instrument")
        if len(symbols) > 1
        else reason
    )


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
    for form in dict.fromkeys(r.form for r in found.residuals if r.form):
        yield from _wrapped(f"  liquidation prices: {form}", width)


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
    name = quote(file)
    main = found.main
    if main is not None and main.report is None:
        return f"next: add what is missing, then `keelmark check {name}`"
    shown = "" if main is None else " maintenance"
    commands = [f"keelmark explain {name}{shown}"]
    if is_available("rescue"):
        commands.append(f"keelmark rescue {name}")
    return "next: " + "  -  ".join(f"`{command}`" for command in commands)
