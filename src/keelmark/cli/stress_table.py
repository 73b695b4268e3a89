"""The terminal view of a stressed account: who would be liquidated, what is lost, what loses."""

from collections.abc import Iterator, Sequence
from shlex import quote

import click

from keelmark.accounts.figures import brief, figure, percent, terse
from keelmark.cli.painting import GAP, INDENT, WIDTH, painted, wrapped
from keelmark.core.coins import stands_for_the_dollar
from keelmark.risk.stress.account_stress import ROUNDING, StressResult, StressRow, UnitStress
from keelmark.risk.stress.closing import FILL, Y
from keelmark.risk.stress.library import Shape, stress_library
from keelmark.risk.stress.words import DEFICIT, SHAPES, decimal
from keelmark.risk.symbols import coin_of

HEADS = ("scenario", "P&L", "equity", "ratio", "deficit", "loses most")
BAR = 30
UNITS = 3
"""Units shown in full; of others the count."""
LEGS = 12
"""Parts shown of one scenario."""
NAMES = 4
"""Coins or scenarios named in a note."""
FAR = 10.0
"""Ratios above this are only said to be above it."""


def stress_lines(found: StressResult, file: str) -> Iterator[str]:
    """Return the view line by line, within eighty columns."""
    account = found.account
    times = "" if found.scale == 1.0 else f"{GAP}every shock times {found.scale:g}"
    time = "" if account.as_of is None else f"{GAP}{account.as_of:%Y-%m-%d %H:%M} UTC"
    for unit in found.units[:UNITS]:
        yield f"{account.rulebook.name}{GAP}{unit.unit_id}, in {unit.currency}{time}{times}"
        yield from _unit_lines(unit)
        yield ""
    for unit in found.units[UNITS:]:
        down = sum(row.is_liquidatable for row in unit.rows)
        yield f"{INDENT}{unit.unit_id}: liquidated in {down} of {len(unit.rows)}; --json shows it"
    for name, why in found.unknown.items():
        yield from wrapped(f"{name}: UNKNOWN, {why}", WIDTH)
    for note in _notes(found):
        yield from wrapped(f"note: {note}", WIDTH)
    worst = _worst(found)
    yield click.style(f"{INDENT}next: `keelmark stress {_next(found, worst, file)}`", dim=True)


def _next(found: StressResult, worst: StressRow | None, file: str) -> str:
    """Return what to ask next; only what the library holds can be asked for by its name alone."""
    if worst is None:
        return "--list"
    name = worst.scenario.name
    if all(row.name != name for row in stress_library()):
        return quote(file)
    is_one = all(len(unit.rows) == 1 for unit in found.units)
    return f"--list {name}" if is_one else f"{quote(file)} {name}"


def _worst(found: StressResult) -> StressRow | None:
    """Return the scenario to look at first: the one that leaves least excess in equity's share."""
    rows = [row for unit in found.units for row in unit.rows]
    return min(rows, key=lambda row: (not row.is_liquidatable, row.pnl), default=None)


def _unit_lines(unit: UnitStress) -> Iterator[str]:
    if len(unit.rows) == 1:
        yield from _one(unit, unit.rows[0])
        return
    down = [row for row in unit.rows if row.is_liquidatable]
    up = [row for row in unit.rows if not row.is_liquidatable]
    cells = [_cells(unit, row) for row in (*down, *up)]
    table = [HEADS, _now_cells(unit), *cells]
    widths = [max(len(row[i]) for row in table) for i in range(len(HEADS))]
    yield _line(HEADS, widths)
    yield _line(_now_cells(unit), widths)
    for word, told, rows in (
        ("LIQUIDATABLE", f"liquidated in {len(down)} of {len(unit.rows)}", cells[: len(down)]),
        ("GREEN", f"not liquidated in {len(up)}", cells[len(down) :]),
    ):
        if rows:
            yield f"{INDENT}{painted(told, word, bold=True)}"
            yield from (_line(row, widths) for row in rows)


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    """Return a row; of what loses most the amount goes first where there is no room."""
    name, *numbers, most = row
    cells = [c.rjust(w) for c, w in zip(numbers, widths[1:-1], strict=True)]
    line = INDENT + GAP.join((name.ljust(widths[0]), *cells, ""))
    if len(line) + len(most) > WIDTH:
        most = most.rpartition(" -")[0] or most
    return (line + most)[:WIDTH].rstrip()


def _now_cells(unit: UnitStress) -> tuple[str, ...]:
    equity, maintenance, worth = unit.now
    ratio = maintenance / equity if equity > 0.0 else None
    return ("now", "", brief(decimal(equity)), _ratio(ratio), _deficit(max(0.0, -worth)), "")


def _cells(unit: UnitStress, row: StressRow) -> tuple[str, ...]:
    most = row.losers[0] if row.losers else None
    part = "" if most is None else f"{most.name} {terse(decimal(most.pnl), signed=True)}"
    return (
        row.scenario.name,
        _amount(row.pnl, unit),
        brief(decimal(row.equity)),
        _ratio(row.ratio),
        _deficit(row.deficit),
        part,
    )


def _amount(value: float, unit: UnitStress) -> str:
    """Return a gain or a loss; what adding floats leaves over is nothing."""
    is_nothing = abs(value) <= 1e-9 * max(1e-9, abs(unit.now[0]))
    return "0" if is_nothing else brief(decimal(value), signed=True)


def _ratio(ratio: float | None) -> str:
    if ratio is None:
        return "gone"
    return f"> {FAR * 100:,.0f} %" if ratio > FAR else percent(decimal(ratio))


def _deficit(value: float) -> str:
    return "none" if value <= 0.0 else brief(decimal(value))


def _one(unit: UnitStress, row: StressRow) -> Iterator[str]:
    """Return one scenario in full: now and after, its figures, its parts."""
    scenario = row.scenario
    yield ""
    yield from wrapped(f"{scenario.name}: {scenario.title}", WIDTH)
    yield from wrapped(SHAPES[scenario.shape], WIDTH)
    yield ""
    equity, maintenance, worth = unit.now
    ratio = maintenance / equity if equity > 0.0 else None
    yield _bar("now", ratio, "")
    word = "LIQUIDATABLE" if row.is_liquidatable else "not liquidated"
    yield _bar("after", row.ratio, painted(word, word, bold=True))
    yield ""
    rows = [
        ("equity, after haircuts", equity, row.equity),
        ("maintenance", maintenance, row.maintenance),
        ("worth, without haircuts", worth, row.worth),
    ]
    yield from _compared(rows)
    yield f"{INDENT}to close it all there {figure(decimal(row.closing_cost))}"
    missing = f"deficit {figure(decimal(row.deficit))}: more than all that is held"
    yield f"{INDENT}{missing if row.deficit > 0.0 else 'deficit none: all debts can be paid'}"
    yield ""
    yield from _shocks(unit)
    yield from _parts(unit)


def _bar(when: str, ratio: float | None, word: str) -> str:
    used = 1.0 if ratio is None else min(1.0, max(0.0, ratio))
    filled = int(used * BAR)
    bar = "#" * filled + "-" * (BAR - filled)
    return f"{INDENT}{when:<6}|{bar}|{GAP}{_ratio(ratio)}{GAP}{word}".rstrip()


def _compared(rows: Sequence[tuple[str, float, float]]) -> Iterator[str]:
    """Return amounts now, after and their difference, in columns."""
    shown: list[tuple[str, ...]] = [("", "now", "after", "difference")]
    for name, now, after in rows:
        cells = (figure(decimal(now)), figure(decimal(after)))
        change = after - now
        if abs(change) <= ROUNDING * max(abs(now), abs(after)):
            change = 0.0
        shown.append((name, *cells, figure(decimal(change), signed=True)))
    widths = [max(len(row[i]) for row in shown) for i in range(len(shown[0]))]
    for name, *rest in shown:
        padded = (cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True))
        yield INDENT + GAP.join((name.ljust(widths[0]), *padded))


def _shocks(unit: UnitStress) -> Iterator[str]:
    """Return the shocks this account met."""
    for name, block in unit.made.scenarios.blocks().items():
        still = 1.0 if name == "depth" else 0.0
        values = block.values[0].tolist()
        moved = [(n, v) for n, v in zip(block.names, values, strict=True) if v != still]
        if not moved:
            continue
        shown = moved
        if name == "depth":
            cells = [f"{coin} times {value:.3g}" for coin, value in moved]
        else:
            digits = 2 if name == "funding" else 1
            shown = [(n, _whole(unit, name, n, v)) for n, v in moved]
            cells = [f"{n} {percent(decimal(v), signed=True, digits=digits)}" for n, v in shown]
        told = f"{name}, whole price" if name == "collateral" and shown != moved else name
        yield from wrapped(f"{told}: {', '.join(cells)}", WIDTH)


def _whole(unit: UnitStress, block: str, asset: str, shock: float) -> float:
    """Return a shock as it is given: where that is of the whole price, with its coin's return."""
    given = unit.rows[0].scenario.blocks.get(block)
    returns = unit.made.scenarios.returns.column(coin_of(asset)[0])
    if given is None or not given.is_whole:
        return shock
    if returns is None or stands_for_the_dollar(asset, unit.valuer.model):
        return shock
    whole = (1.0 + float(returns[0])) * (1.0 + shock) - 1.0
    return 0.0 if abs(whole) <= ROUNDING else whole


def _parts(unit: UnitStress) -> Iterator[str]:
    """Return what each position and asset adds, the largest first."""
    legs = zip(unit.valuer.legs, unit.leg_pnl[0].tolist(), strict=True)
    rows = [(leg, pnl) for leg, pnl in legs if pnl]
    if not rows:
        return
    rows.sort(key=lambda part: part[1])
    shown = rows if len(rows) <= LEGS else sorted(rows, key=lambda part: -abs(part[1]))[:LEGS]
    width = max(len(name) for name, _ in shown)
    numbers = [brief(decimal(pnl), signed=True) for _, pnl in shown]
    wide = max(len(number) for number in numbers)
    yield ""
    for (name, _), number in zip(shown, numbers, strict=True):
        yield f"{INDENT}{name.ljust(width)}{GAP}{number.rjust(wide)}"
    if len(rows) > len(shown):
        yield f"{INDENT}and {len(rows) - len(shown)} smaller ones; --json shows all"


def _notes(found: StressResult) -> Iterator[str]:
    """Return what is to be known of the figures, each once."""
    told: dict[str, dict[str, None]] = {}
    counts: dict[str, dict[str, None]] = {}
    for unit in found.units:
        for name, found_for in unit.made.stand_ins.items():
            for coin, how in found_for.items():
                told.setdefault(how, {})[coin] = None
                counts.setdefault(how, {})[name] = None
    for how, coins in told.items():
        yield f"{_some(list(coins))} in {_some(list(counts[how]))}: {how}"
    rows = [row for unit in found.units for row in unit.rows]
    if len(rows) > 1 and any(row.scenario.shape is Shape.WORST_OF_EACH for row in rows):
        yield (
            "of an event two shapes: without -joint each coin is at its own low, with it all are "
            "at one moment; losses between hedged coins are larger in the first"
        )
    yield from _unpriced(found)
    if any(unit.closing.not_counted for unit in found.units):
        yield (
            "P&L is of the worth, options at their value; equity is what the venue sets against "
            "maintenance, which may leave the value of options out; events leave implied "
            "volatilities where they are, volatility-x2, -x3 and their -up move them"
        )
    yield f"{DEFICIT}; {_cost_words(found)}"
    single = rows[0].scenario if len(rows) == 1 else None
    if single is not None:
        yield from _source_notes(single.note, [s.text for s in single.sources.values()])


def _unpriced(found: StressResult) -> Iterator[str]:
    """Return which assets a scenario moves whose price this account does not read."""
    told: dict[str, dict[str, None]] = {}
    for unit in found.units:
        for row in unit.rows:
            block = row.scenario.blocks.get("collateral")
            for asset in sorted({*unit.valuer.asset_order} - {*unit.valuer.assets}):
                if block is not None and asset.upper() in block.names:
                    told.setdefault(asset, {})[row.scenario.name] = None
    for asset, names in told.items():
        yield (
            f"{asset} falls in {_some(list(names))}, and these figures do not: they are in {asset},"
            " or the venue takes it at par"
        )


def _source_notes(note: str, sources: Sequence[str]) -> Iterator[str]:
    if note:
        yield note
    for text in sources:
        yield f"source: {text}"


def _cost_words(found: StressResult) -> str:
    fee = percent(found.account.rulebook.liquidation.taker_fee, digits=2)
    options = list(dict.fromkeys(o for unit in found.units for o in unit.closing.not_counted))
    strangers = list(dict.fromkeys(c for unit in found.units for c in unit.closing.stand_ins))
    text = (
        f"a fill of notional N costs {fee} and {FILL * Y:.1f} sigma sqrt(N / volume / depth) of "
        "itself, sigma and volume of a calm day at Binance"
    )
    if strangers:
        text += f" (of the thinnest coin measured for {_some(strangers)})"
    if options:
        text += f"; closing {_some(options)} is not counted"
    return text


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMES} more" if len(names) > NAMES else ""
    return ", ".join(names[:NAMES]) + more
