"""The terminal view of a check: headline, positions, what was assumed, the next command.

Written with click alone: importing rich takes longer than margining the account.
"""

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from shlex import quote

import click

from keelmark.accounts.check import AccountCheck
from keelmark.accounts.figures import brief, figure, percent, terse
from keelmark.accounts.levels import WARN_DISTANCE, Level, Levels
from keelmark.accounts.position import PRICE_HEADING, RECOVERY_HEADING, PositionCheck
from keelmark.accounts.reasons import grouped
from keelmark.accounts.residuals import Residual
from keelmark.accounts.unit_check import UnitCheck
from keelmark.accounts.volatilities import sigmas_text
from keelmark.cli.check_head import account_lines, adverse_lines, coin_lines, footnote, head_lines
from keelmark.cli.painting import GAP, INDENT, WIDTH, painted, say, wrapped
from keelmark.cli.registry import is_available
from keelmark.core.numbers import ZERO

AMOUNTS = ("in", "notional", "uPnL", "maint.")
"""Columns of money; the currency beside it goes with the last of them."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How full a table is: how amounts are written, how long the bar is, what is left out."""

    money: Callable[..., str]
    bar: int = 0
    left_out: tuple[str, ...] = ()


SHAPES = (
    Shape(figure, bar=10),
    Shape(figure, bar=6),
    Shape(brief, bar=10),
    Shape(brief, bar=6),
    Shape(brief),
    Shape(terse),
    Shape(terse, left_out=("uPnL",)),
    Shape(terse, left_out=("uPnL", "maint.")),
    Shape(terse, left_out=AMOUNTS),
)
"""From the fullest: the first that fits is taken. What ends a position is never left out."""

JOINER = "  -  "
"""Stands between two commands on one line."""

NAIVE_SHOWN = 2
"""Positions whose naive distance is named."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column: heading, how a position fills it, its flush side, and whether level paints it."""

    heading: str
    cell: Callable[[PositionCheck], str]
    right: bool = True
    levelled: bool = False


def print_check(found: AccountCheck, file: str) -> None:
    """Print a check; colours are left out where the output is no terminal."""
    width = shutil.get_terminal_size((WIDTH, 24)).columns
    for line in check_lines(found, file, width):
        say(line)


def check_lines(found: AccountCheck, file: str, width: int = WIDTH) -> Iterator[str]:
    """Return the view line by line, to fit a width."""
    reasons: list[str] = []
    yield from _warning_lines(found, width)
    if not found.units:
        yield f"{found.account.rulebook.name}  no collateral and no positions"
    if len(found.units) > 1:
        yield from account_lines(found, width)
        yield ""
    for unit in found.units:
        yield from _unit_lines(found, unit, width, reasons)
    for number, reason in enumerate(reasons, start=1):
        yield from wrapped(f"({number}) {reason}", width)
    yield from _other_prices(found, width)
    yield from _sigma_lines(found, width)
    yield from _residual_lines(found, width)
    yield from _naive_lines(found, width)
    for note in (*found.account.notes, *_leg_notes(found), *_option_notes(found)):
        yield from wrapped(f"note: {note}", width)
    for line in next_lines(found, file, width):
        yield click.style(line, dim=True)


def _warning_lines(found: AccountCheck, width: int) -> Iterator[str]:
    """Say before anything else what makes every figure below it doubtful."""
    for warning in found.warnings:
        first, *rest = wrapped(warning, width - len(INDENT))
        yield painted(first.removeprefix(INDENT), Level.AMBER.value, bold=True)
        yield from (painted(line.removeprefix(INDENT), Level.AMBER.value) for line in rest)


def _other_prices(found: AccountCheck, width: int) -> Iterator[str]:
    """Say what the star beside a liquidation price means: where the others lie."""
    texts = {
        p.held.position.instrument: ", ".join(map(figure, p.liquidation.others))
        for p in found.positions
        if p.liquidation.others
    }
    if texts:
        listed = "; ".join(f"{symbol} {prices}" for symbol, prices in texts.items())
        yield from wrapped(f"* the nearest of several prices; beyond it {listed}", width)


def _sigma_lines(found: AccountCheck, width: int) -> Iterator[str]:
    """Say what a sigma is, and which coins have none."""
    known = found.volatilities
    if known is None:
        return
    text = f"sigma: standard deviation of the coin over {known.horizon} ({known.source})"
    if any(unit.together is not None and len(_moving(unit)) > 1 for unit in found.units):
        text += "; all together, of the whole move, as `keelmark joint` counts"
    coins = dict.fromkeys(map(_coin, found.positions))
    missing = [coin for coin in coins if known.of_coin(coin) is None]
    text += f"; none given for {', '.join(missing)}" if missing else ""
    if not known.has_covariance and any(len(_moving(unit)) > 1 for unit in found.units):
        text += "; none for all together, which takes --returns"
    yield from wrapped(text, width)


def _moving(unit: UnitCheck) -> frozenset[str]:
    """Return the coins of the joint move."""
    bases = {p.held.position.instrument: _coin(p) for p in unit.positions}
    return frozenset(bases.get(name, name) for m in unit.joint_moves for name in m.direction)


def _coin(position: PositionCheck) -> str:
    return position.held.terms.instrument.base


def _leg_notes(found: AccountCheck) -> Iterator[str]:
    """Say why two legs that share collateral show one and the same liquidation price."""
    for unit in found.units:
        symbols = [p.held.position.instrument for p in unit.positions]
        for symbol in dict.fromkeys(s for s in symbols if symbols.count(s) > 1):
            yield f"both legs of {symbol} move with one mark and share one liquidation price"


def _option_notes(found: AccountCheck) -> Iterator[str]:
    """Say what the price of an option is a price of, and what moves with it."""
    bases = dict.fromkeys(
        p.held.terms.instrument.base for p in found.positions if p.held.option is not None
    )
    if bases:
        names = ", ".join(bases)
        yield (
            f"liquidation prices of options on {names} are prices of the underlying; everything on "
            "it moves with it, implied volatilities stay"
        )


def _unit_lines(
    found: AccountCheck,
    unit: UnitCheck,
    width: int,
    reasons: list[str],
) -> Iterator[str]:
    yield from head_lines(found, unit, width, reasons)
    if unit.positions:
        yield ""
        yield from table_lines(unit, found.levels, width, reasons)
        for line in (*coin_lines(unit), *adverse_lines(found, unit)):
            yield from wrapped(line, width)
    yield ""


def table_lines(unit: UnitCheck, levels: Levels, width: int, reasons: list[str]) -> list[str]:
    """Return the positions as the fullest table that fits."""
    for shape in SHAPES:
        columns = _columns(unit, levels, reasons, shape)
        rows = _cells(columns, unit.positions)
        widths = [max(len(row[i]) for row in rows) for i in range(len(columns))]
        if shape is SHAPES[-1] or sum(widths) + len(GAP) * (len(widths) - 1) + len(INDENT) <= width:
            words = ["", *(_level(p, unit, levels) for p in unit.positions)]
            return [_row(row, widths, columns, word) for row, word in zip(rows, words, strict=True)]
    return []


def _level(position: PositionCheck, unit: UnitCheck, levels: Levels) -> str:
    """Return the word whose colour a row takes; none where it has no distance."""
    if unit.is_liquidatable:
        return Level.LIQUIDATABLE.value
    return "" if position.distance is None else levels.of_distance(position.distance).value


def _columns(
    unit: UnitCheck,
    levels: Levels,
    reasons: list[str],
    shape: Shape,
) -> list[Column]:
    """Return the columns; amounts name their asset unless all are in the unit's own currency."""
    asset = Column("in", lambda p: p.held.settle, right=False)
    is_mixed = any(p.held.settle != unit.currency for p in unit.positions)
    sigma = Column("sigma", lambda p: sigmas_text(p.sigmas), levelled=True)
    bars = Column("", lambda p: _bar(p, levels, shape.bar), right=False, levelled=True)
    columns = [
        Column("instrument", _name, right=False),
        Column("side", lambda p: "long" if p.held.position.size > 0 else "short", right=False),
        *([asset] if is_mixed else []),
        Column("notional", lambda p: _notional_cell(p, shape.money)),
        Column("uPnL", lambda p: shape.money(p.held.unrealized_pnl, signed=True)),
        Column("maint.", lambda p: _maintenance_cell(p, shape.money)),
        Column(
            RECOVERY_HEADING if unit.is_liquidatable else PRICE_HEADING,
            lambda p: _price_cell(p, unit, reasons),
        ),
        *([] if unit.is_liquidatable else [Column("distance", _distance_cell, levelled=True)]),
        *([sigma] if any(p.sigmas is not None for p in unit.positions) else []),
        *([bars] if shape.bar and not unit.is_liquidatable else []),
    ]
    return [column for column in columns if column.heading not in shape.left_out]


def _cells(columns: list[Column], positions: Sequence[PositionCheck]) -> list[list[str]]:
    return [
        [column.heading for column in columns],
        *([column.cell(position) for column in columns] for position in positions),
    ]


def _row(cells: list[str], widths: list[int], columns: list[Column], level: str) -> str:
    padded = [
        painted(
            cell.rjust(width) if column.right else cell.ljust(width),
            level if column.levelled else cell,
        )
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
    return f"{price.status.value} {footnote(_shared(position, unit), reasons)}"


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


def _notional_cell(position: PositionCheck, money: Callable[..., str]) -> str:
    amount = position.held.exposure
    return "unknown" if amount is None else money(amount)


def _maintenance_cell(position: PositionCheck, money: Callable[..., str]) -> str:
    amount = position.maintenance_margin
    return "unknown" if amount is None else money(amount)


def _distance_cell(position: PositionCheck) -> str:
    distance = position.distance
    return "" if distance is None else percent(distance, signed=True)


def _bar(position: PositionCheck, levels: Levels, length: int) -> str:
    """Return the distance as a bar: full where green begins, another shape beyond red."""
    distance = position.distance
    if distance is None or not levels.amber:
        return ""
    filled = min(length, int(abs(distance) / levels.amber * length))
    red = int(levels.red_share * length)
    return "#" * min(filled, red) + "=" * max(0, filled - red) + "-" * (length - filled)


def _residual_lines(found: AccountCheck, width: int) -> Iterator[str]:
    if not found.residuals:
        return
    wrong = [residual for residual in found.residuals if not residual.matches]
    total = len(found.residuals)
    told = f"{len(wrong)} differ" if wrong else "none"
    score = f"({total - len(wrong)} of {total} match)"
    yield from wrapped(f"residual against the venue's own figures: {told} {score}", width)
    for residual in wrong:
        yield from wrapped(f"{residual.number}: {residual.beside}", width, 2)
        if residual.computed is not None:
            yield from wrapped(residual.likely_reason, width, 3)
    for reason in _reasons_of(found, wrong):
        yield from wrapped(reason, width, 2)
    for form in dict.fromkeys(r.form for r in found.residuals if r.form):
        yield from wrapped(f"liquidation prices: {form}", width, 2)


def _reasons_of(found: AccountCheck, wrong: Sequence[Residual]) -> list[str]:
    """Return why figures are not computed, each reason once; none that stands above the tables."""
    above = {unit.reason for unit in found.units}
    lacking = [r for r in wrong if r.computed is None and r.reason not in above]
    told = grouped((r.instrument, r.reason) for r in lacking if r.reason)
    owners = {reason: [r.number for r in lacking if r.reason == reason] for reason in told}
    return [
        f"{owners[reason][0] if len(owners[reason]) == 1 else 'none'}: {reason}"
        for reason in told
        if reason not in above
    ]


def _naive_lines(found: AccountCheck, width: int) -> Iterator[str]:
    """Say where a calculator for one position would show another distance, the worst first."""
    wrong = [p for p in found.positions if p.is_misleading]
    wrong.sort(key=lambda p: abs((p.naive_distance or ZERO) - (p.distance or ZERO)), reverse=True)
    texts = [
        f"{p.held.position.instrument} {_signed(p.naive_distance)}, in truth {_signed(p.distance)}"
        for p in wrong
    ]
    if texts:
        more = f"; and {len(texts) - NAIVE_SHOWN} more" if len(texts) > NAIVE_SHOWN else ""
        shown = "; ".join(texts[:NAIVE_SHOWN])
        yield from wrapped(f"naive, without the others' maintenance: {shown}{more}", width)


def _signed(distance: Decimal | None) -> str:
    return percent(distance or ZERO, signed=True)


def next_command(found: AccountCheck, file: str) -> str:
    """Return the command a reader is likely to want next."""
    name = quote(file)
    main = found.main
    if main is not None and main.report is None:
        return f"next: add what is missing, then `keelmark check {name}`"
    commands = [f"keelmark explain {name}{_worth_explaining(found)}"]
    if is_available("rescue"):
        red = found.levels.red
        warn = "" if red == WARN_DISTANCE else f" --warn {red.normalize():f}"
        commands.append(f"keelmark rescue {name}{warn}")
    return "next: " + JOINER.join(f"`{command}`" for command in commands)


def next_lines(found: AccountCheck, file: str, width: int) -> list[str]:
    """Return the next commands on one line, or each on its own where that is too wide."""
    line = INDENT + next_command(found, file)
    if len(line) <= width or JOINER not in line:
        return [line]
    first, *others = line.split(JOINER)
    return [first, *(" " * line.index("`") + other for other in others)]


def _worth_explaining(found: AccountCheck) -> str:
    """Return the number a reader is likely to doubt: one that differs, else what must be kept."""
    differs = next((r.number for r in found.residuals if not r.matches), None)
    if differs is not None:
        return f" residual {differs}"
    return "" if found.main is None else " maintenance"
