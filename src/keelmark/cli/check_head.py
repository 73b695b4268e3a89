"""The head of a check: which unit, its word and nearest move, its measures beside the gauge."""

from collections.abc import Callable, Iterator
from decimal import Decimal
from itertools import zip_longest

import click

from keelmark.accounts.check import AccountCheck
from keelmark.accounts.figures import figure, percent
from keelmark.accounts.gauge import Gauge, gauge_of
from keelmark.accounts.unit_check import UnitCheck
from keelmark.accounts.volatilities import beside, in_sigmas
from keelmark.cli.gauge import large_gauge, small_gauge, water_rows
from keelmark.cli.painting import GAP, INDENT, painted, wrapped
from keelmark.core.joint_move import JOINT_REACH
from keelmark.core.liquidation_price import PriceStatus
from keelmark.core.margin import MarginReport, Ratio
from keelmark.core.numbers import ZERO

GAUGE_WIDTH = 41
"""Columns of the gauge with its names."""


def head_lines(
    found: AccountCheck, unit: UnitCheck, width: int, reasons: list[str]
) -> Iterator[str]:
    """Return the head of a unit: in full for the account's main one, in short for others."""
    word = unit.level(found.levels).value
    gauge = gauge_of(unit.report, found.account.rulebook.liquidation)
    is_full = unit is found.main and gauge is not None
    yield from _identity(found, unit) if is_full else headlines(found, unit, width)
    first, *rest = wrapped(f"{word}  {nearest_text(unit, reasons)}", width)
    yield first.replace(word, painted(word, word, bold=True), 1)
    yield from rest
    if is_full and gauge is not None and unit.report is not None:
        yield ""
        yield from _block(unit, gauge, word, width)


def account_lines(found: AccountCheck, width: int) -> Iterator[str]:
    """Return the head of an account of several units: its word, and the unit that decides it."""
    word = "" if found.level is None else found.level.value
    yield f"{found.account.rulebook.name}{GAP}account of {len(found.units)} units"
    first, *rest = wrapped(f"{word}  {found.headline}", width)
    yield first.replace(word, painted(word, word, bold=True), 1)
    yield from rest


def _identity(found: AccountCheck, unit: UnitCheck) -> Iterator[str]:
    """Return the first line: rulebook, unit and time."""
    time = found.age.words
    age = f"{GAP}{click.style(time, dim=True)}" if time else ""
    yield f"{found.account.rulebook.name}{GAP}{unit.unit.unit_id}{age}"


def headlines(found: AccountCheck, unit: UnitCheck, width: int) -> list[str]:
    """Return the totals of a unit on as few lines as fit."""
    lines = [""]
    for part in (found.account.rulebook.name, unit.unit.unit_id, *_totals(found, unit)):
        longer = f"{lines[-1]}{GAP}{part}" if lines[-1].strip() else f"{lines[-1]}{part}"
        if len(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(f"{INDENT}{part}")
    return lines


def _totals(found: AccountCheck, unit: UnitCheck) -> list[str]:
    """Return the totals of a headline, each of which stays on one line."""
    report, needed = unit.report, unit.known.maintenance_margin
    if report is None:
        shown = "unknown" if needed is None else f"{figure(needed)} {unit.currency}"
        equity = unit.known.equity
        worth = "unknown" if equity is None else f"{figure(equity)} {unit.currency}"
        return [f"equity {worth}", f"maintenance {shown}"]
    ratio, leverage = report.margin_ratio.value, report.effective_leverage.value
    gauge = gauge_of(unit.report, found.account.rulebook.liquidation)
    return [
        f"equity {figure(report.equity)} {unit.currency}",
        f"maintenance {figure(report.maintenance_margin)}"
        + ("" if ratio is None else f"{GAP}{percent(ratio)}"),
        *([] if gauge is None else [small_gauge(gauge)]),
        f"excess {figure(report.maintenance_excess, signed=True)}",
        *([] if leverage is None else [f"leverage {leverage:.1f}x"]),
    ]


def _block(unit: UnitCheck, gauge: Gauge, word: str, width: int) -> Iterator[str]:
    """Return the gauge beside the measures; below each other where that is too wide."""
    if unit.report is None:
        return
    hull, measures = large_gauge(gauge), measure_lines(unit.report, unit.currency)
    wet = water_rows(gauge)
    if width < len(INDENT) + GAUGE_WIDTH + max(map(len, measures)):
        yield from (f"{INDENT}{line}" for line in measures)
        return
    for row, (left, right) in enumerate(zip_longest(hull, measures, fillvalue="")):
        padded = left.ljust(GAUGE_WIDTH)
        if row in wet:
            body, bar, names = padded[1:].partition("|")
            padded = f"|{painted(body, word)}{bar}{names}"
        yield f"{INDENT}{padded}{right}".rstrip()


def measure_lines(report: MarginReport, currency: str) -> list[str]:
    """Return every measure of a unit, one a line, the currency beside the first."""
    money: dict[str, str] = {
        "equity": figure(report.equity),
        "initial margin": figure(report.initial_margin),
        "liquidation end": figure(report.liquidation_end_margin),
        "maintenance": figure(report.maintenance_margin),
        "excess": figure(report.maintenance_excess, signed=True),
        "available": figure(report.available),
        "withdrawable": figure(report.withdrawable),
    }
    ratios = {
        "margin ratio": _ratio(report.margin_ratio, percent),
        "health": _ratio(report.health, lambda value: f"{value:,.2f}"),
        "utilisation": _ratio(report.utilisation, percent),
        "leverage": _ratio(report.effective_leverage, lambda value: f"{value:,.1f}x"),
    }
    shown = money | ratios
    digits = max(map(len, shown.values()))
    lines = [f"{name:<16}{text:>{digits}}" for name, text in shown.items()]
    return [f"{lines[0]} {currency}", *lines[1:]]


def _ratio(ratio: Ratio, show: Callable[[Decimal], str]) -> str:
    """Return a ratio, or that there is none: its reason is that equity or maintenance is gone."""
    return "none" if ratio.value is None else show(ratio.value)


def nearest_text(unit: UnitCheck, reasons: list[str]) -> str:
    """Return the nearest liquidating move in words, and the joint one where it is another."""
    if unit.report is None:
        return unit.reason or ""
    if unit.report.is_liquidatable:
        return "at these prices"
    if not unit.positions and unit.nearest is None:
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
    moved = beside(percent(nearest.distance, signed=True), nearest.sigmas)
    together = f"no move of all together does {JOINT_REACH}"
    if joint is not None and joint.size is not None:
        size = joint.signed or ZERO
        far = beside(percent(size, signed=True), in_sigmas(size, unit.together))
        together = f"all together {far}"
    one = _only_instrument(unit, moved)
    told = beside(percent(nearest.distance, signed=True), nearest.sigmas, nearest.sigma_of)
    if one is not None and nearest.coin is None and together.endswith(f" {moved}"):
        return [f"{one} {told} liquidates"]
    if nearest.coin is not None:
        whole = f"{nearest.words} {told} liquidates"
        return (
            [whole] if not unit.positions or together.endswith(f" {moved}") else [whole, together]
        )
    if nearest.instrument is None:
        return [f"{together} liquidates"]
    is_unknown = joint is not None and joint.status is PriceStatus.UNKNOWN
    alone = f"{nearest.instrument} alone {told} liquidates"
    return [alone] if is_unknown else [alone, together]


def coin_lines(unit: UnitCheck) -> Iterator[str]:
    """Yield the coins whose own move is nearer than those of their contracts; not the headline.

    None where the unit is liquidatable: no move is needed.
    """
    if unit.is_liquidatable:
        return
    shown = None if unit.nearest is None else unit.nearest.coin
    for coin in dict.fromkeys(c.coin.name for c in unit.coin_moves if c.coin.symbols):
        moves = [c for c in unit.coin_moves if c.coin.name == coin and c.distance is not None]
        nearest = min(moves, key=lambda c: abs(c.distance or ZERO), default=None)
        if nearest is None or coin == shown:
            continue
        far = nearest.distance or ZERO
        own = [
            p.distance for p in unit.positions if p.held.position.instrument in nearest.coin.symbols
        ]
        if all(abs(far) < abs(d) for d in own if d is not None):
            sigmas = in_sigmas(far, unit.coin_deviations.get(coin))
            told = beside(percent(far, signed=True), sigmas, coin)
            yield f"{nearest.coin.words} {told} liquidates"


def adverse_lines(found: AccountCheck, unit: UnitCheck) -> Iterator[str]:
    """Yield how far every coin can move against a book with both sides."""
    move = found.adverse_move(unit)
    if move is not None and move.size is not None:
        yield f"every coin against it by {percent(move.size)} liquidates, each its own way"


def _only_instrument(unit: UnitCheck, moved: str) -> str | None:
    """Return the one instrument a unit holds, where moving it alone is the move shown."""
    symbols = {p.held.position.instrument for p in unit.positions}
    alone = {
        beside(percent(p.distance, signed=True), p.sigmas)
        for p in unit.positions
        if p.distance is not None
    }
    return next(iter(symbols)) if len(symbols) == 1 and moved in alone else None


def _unknown_moves(unit: UnitCheck, reasons: list[str]) -> list[str]:
    """Return the joint moves that are unknown, with the number of the reason below the table."""
    unknown = [move for move in unit.joint_moves if move.status is PriceStatus.UNKNOWN]
    if len(unknown) == len(unit.joint_moves) and len({move.reason for move in unknown}) == 1:
        return [f"all together: unknown {footnote(unknown[0].reason, reasons)}"]
    return [
        f"all together {'down' if next(iter(move.direction.values())) < 0 else 'up'}: unknown "
        f"{footnote(move.reason, reasons)}"
        for move in unknown
    ]


def footnote(reason: str | None, reasons: list[str]) -> str:
    """Return the number of a reason, which is listed below the tables once."""
    text = reason or ""
    if text not in reasons:
        reasons.append(text)
    return f"({reasons.index(text) + 1})"
