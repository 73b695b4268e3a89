"""The terminal view of a rescue: now and after, the steps, every action alone, what is proven."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from shlex import quote

import click

from keelmark.accounts.figures import compact, figure, percent
from keelmark.accounts.position import PositionCheck
from keelmark.accounts.unit_check import UnitCheck
from keelmark.cli.painting import GAP, INDENT, WIDTH, painted, say, wrapped
from keelmark.core.numbers import ZERO
from keelmark.risk.rescues.as_edits import command_words
from keelmark.risk.rescues.moves import Cost, MoveKind
from keelmark.risk.rescues.result import Plan, Rescue, RescueStatus, Single, Step, Way
from keelmark.risk.rescues.standing import Standing, unit_check

BARS = (20, 15, 10, 5)
"""Lengths of a bar, of which the first is taken that leaves room for the numbers beside it."""
SINGLES_SHOWN = 5
STEPS_IN_COMMAND = 12
WORDS = {
    RescueStatus.MET: ("GREEN", "NOTHING TO DO"),
    RescueStatus.PLAN: ("GREEN", "PLAN"),
    RescueStatus.UNKNOWN: ("UNKNOWN", "UNKNOWN"),
    RescueStatus.OUT_OF_REACH: ("RED", "OUT OF REACH"),
}
"""The colour and the word of an ending."""

Row = tuple[str, ...]


def print_rescue(found: Rescue, file: str) -> None:
    """Print a rescue; colours are left out where the output is no terminal."""
    width = shutil.get_terminal_size((WIDTH, 24)).columns
    for line in rescue_lines(found, file, width):
        say(line)


def rescue_lines(found: Rescue, file: str, width: int = WIDTH) -> Iterator[str]:
    """Return the view line by line, to fit a width."""
    before = found.before
    head = f"{found.account.rulebook.name}{GAP}{found.unit.unit_id}{GAP}rescue"
    first, *rest = wrapped(f"{head}: {found.target.text}", width)
    yield from (first.removeprefix(INDENT), *rest)
    shown = _shown(found)
    label = max((len(name) for name in ("now", *shown)), default=0)
    afters = {name: unit_check(plan.unit, found.account) for name, plan in shown.items()}
    bars = [("now".ljust(label), found.standing, before)]
    bars += [(name.ljust(label), plan.after, afters[name]) for name, plan in shown.items()]
    yield from _bar_lines(bars, width)
    yield from _ending(found, before, width)
    if found.status is RescueStatus.PLAN:
        for name, way in found.ways.items():
            yield ""
            yield from _way_lines(name, way, before.currency, width)
    elif found.plan is not None and found.plan.steps:
        yield ""
        yield from _step_lines(found.plan, before.currency, width)
    if found.plan is not None:
        yield ""
        yield from _single_lines(found.singles, width)
        yield ""
        yield from _price_lines(before, afters, width)
    yield ""
    for note in found.notes:
        yield from wrapped(f"note: {note}", width)
    for line in next_commands(found, file):
        yield click.style(f"{INDENT}{line}", dim=True)


def _shown(found: Rescue) -> dict[str, Plan]:
    """Return the plans to show by a short name: both ways, else the only plan there is."""
    plans = {
        name: way.plan
        for name, way in (("money", found.with_money), ("positions", found.without_money))
        if way.plan is not None
    }
    if len(plans) > 1 or found.plan is None:
        return plans
    return {"after": found.plan}


def _bar_lines(bars: Sequence[tuple[str, Standing, UnitCheck]], width: int) -> list[str]:
    """Return bars of one length, the longest that fits."""
    lines: list[str] = []
    for size in BARS:
        lines = [_bar_line(*bar, size) for bar in bars]
        if all(len(line) <= width for line in lines):
            break
    return lines


def _bar_line(when: str, standing: Standing, unit: UnitCheck, size: int) -> str:
    """Return how much of equity maintenance takes up, as a bar, with the nearest move."""
    used = standing.ratio
    shown = "no equity" if used is None else percent(used)
    filled = size if used is None else min(size, max(0, round(used * size)))
    bar = "#" * filled + "-" * (size - filled)
    nearest = standing.distance if standing.distance is not None else unit.distance
    far = "" if nearest is None else f"{GAP}nearest {percent(nearest)}"
    if standing.is_liquidatable:
        far = f"{GAP}liquidatable" if standing.holds else ""
    equity = f"equity {compact(standing.equity)} {unit.currency}"
    line = f"{INDENT}{when:<5} [{bar}] {shown:>7}{far}{GAP}{equity}"
    return line if len(line) <= WIDTH else line.replace(f"{GAP}nearest", " nearest", 1)


def _ending(found: Rescue, before: UnitCheck, width: int) -> Iterator[str]:
    """Return the ending in words, with its cost."""
    colour, word = WORDS[found.status]
    first, *rest = wrapped(f"{word}{GAP}{_sentence(found, before)}", width)
    yield first.replace(word, painted(word, colour, bold=True), 1)
    yield from rest


def _sentence(found: Rescue, before: UnitCheck) -> str:
    if found.status is RescueStatus.MET:
        return "the account is at the target already"
    if found.plan is None or found.status is RescueStatus.UNKNOWN:
        return "the distance of this unit cannot be solved: ask for --target instead"
    if found.status is RescueStatus.OUT_OF_REACH:
        how = f"what comes nearest is below; {_left(found, before)}"
        if not found.plan.steps:
            how = "nothing that is allowed brings the target nearer"
        return f"{how}{_beyond(found, before)}"
    if found.with_money.plan is not None and found.without_money.plan is not None:
        return "two ways: bring money in, or trade positions"
    return _way_sentence(found.plan, before.currency)


def _way_sentence(plan: Plan, currency: str) -> str:
    """Return what a plan takes: money that stays one's own apart from what is lost."""
    count = len(plan.steps)
    words = [f"{count} step{'s' if count > 1 else ''}"]
    moved = plan.money - plan.own_money
    if plan.own_money:
        words.append(f"adds {figure(plan.own_money)} {currency} of your own")
    if moved:
        words.append(f"moves {figure(moved)} {currency} from other units")
    more = "" if plan.is_fee_known else " and the fees of options"
    return ", ".join([*words, f"{cost_text(plan.cost, currency)}{more}"])


def _beyond(found: Rescue, before: UnitCheck) -> str:
    """Return what reaching the target would take where closes may lower the excess."""
    other = found.with_toxic
    if other is None:
        return ""
    best = found.standing if found.plan is None else found.plan.after
    return (
        f"; closes that cost more than they free would reach it (--toxic): "
        f"{cost_text(other.cost, before.currency)} and leaves an excess of "
        f"{figure(other.after.excess)} instead of {figure(best.excess)}"
    )


def _left(found: Rescue, before: UnitCheck) -> str:
    """Return how far the nearest plan gets."""
    plan = found.plan
    if plan is None:
        return "no equity is left"
    if plan.after.is_liquidatable or plan.after.ratio is None:
        return f"it leaves {plan.after.shortage(before.currency)}"
    if plan.after.distance is not None:
        return f"it leaves {percent(plan.after.distance)}"
    return f"it leaves {percent(plan.after.ratio)}"


def cost_text(cost: Cost, currency: str) -> str:
    """Return a cost with its parts."""
    parts = {"fees": cost.fee, "slippage": cost.slippage, "capital": cost.capital}
    named = [f"{name} {figure(amount)}" for name, amount in parts.items() if amount]
    inside = f" ({', '.join(named)})" if len(named) > 1 or cost.capital else ""
    return f"costs {figure(cost.total)} {currency}{inside}"


# --- The plan -------------------------------------------------------------------------------


def _way_lines(name: str, way: Way, currency: str, width: int) -> Iterator[str]:
    """Return one of the two ways: what it takes and leaves, its steps and proof, or why none."""
    if way.plan is None:
        yield from wrapped(f"{name}: no plan, {way.reason}", width)
        return
    plan = way.plan
    health = (
        "" if plan.after.health is None else f"; health {figure(plan.after.health, digits=3)} after"
    )
    yield from wrapped(f"{name}: {_way_sentence(plan, currency)}{health}", width)
    yield from _step_lines(plan, currency, width)
    if not plan.is_fee_known:
        yield from wrapped("not proven the cheapest: the fees of options are unknown", width, 2)
    if plan.bound is not None:
        yield from wrapped(_proof(plan, currency), width, 2)


def _step_lines(plan: Plan, currency: str, width: int) -> Iterator[str]:
    heads = ("step", "", f"worth, {currency}", "cost", "used after")
    rows = [heads, *map(_step_row, plan.steps)]
    lines = list(_aligned(rows, width, left=2, depth=2))
    if any(len(line) > width for line in lines):
        narrow = [(*row[:2], *row[3:]) for row in rows]  # what it is worth is in --json
        lines = list(_aligned(narrow, width, left=2, depth=2))
    yield from lines


def _step_row(step: Step) -> Row:
    used = step.after.ratio
    return (
        *step_words(step),
        figure(step.notional),
        figure(step.cost.total) if step.is_fee_known else "unknown",
        "no equity" if used is None else percent(used),
    )


def step_words(step: Step) -> tuple[str, str]:
    """Return what to do, in words, and how much of it."""
    if step.kind.is_money:
        source = f" from {step.source}" if step.source else ""
        return f"{_VERBS[step.kind]}{source}", f"{_exact(step.amount)} {step.name}"
    side = "buy" if step.buys else "sell"
    whole = ", all" if step.is_whole else ""
    return f"{step.kind.value}: {side}{whole}", f"{_exact(abs(step.amount))} {step.name}"


_VERBS = {
    MoveKind.TRANSFER: "transfer",
    MoveKind.WALLET: "move",
    MoveKind.DEPOSIT: "deposit",
}


def _exact(amount: Decimal) -> str:
    """Return an amount to its last digit: an order is placed with it."""
    text = f"{amount:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _proof(plan: Plan, currency: str) -> str:
    bound = plan.bound or ZERO
    gap = plan.gap or ZERO
    if not plan.cost.total:
        return "proof: no fee and no slippage"
    these = "these actions" if not plan.spared else "these actions, options left alone,"
    close = "this plan is the cheapest" if not gap else f"this plan is within {figure(gap)} of it"
    return f"proof: no plan of {these} costs less than {figure(bound)} {currency}; {close}"


def _single_lines(singles: Sequence[Single], width: int) -> Iterator[str]:
    """Return the actions alone: those that reach, then the nearest that do not."""
    if not singles:
        return
    yield from wrapped("one action alone:", width)
    shown = singles[:SINGLES_SHOWN]
    rows = [_single_row(single) for single in shown]
    lines = _aligned(rows, width, left=2, depth=2)
    for line, (what, how) in zip(lines, rows, strict=True):
        yield from [line] if len(line) <= width else wrapped(f"{what}{GAP}{how}", width, 2)
    hidden = len(singles) - len(shown)
    if hidden:
        reaching = sum(single.reaches for single in singles[SINGLES_SHOWN:])
        more = f"{reaching} of them reach" if reaching else "none of them reaches"
        yield from wrapped(f"{hidden} more, {more}; --json lists all", width, 2)


def _single_row(single: Single) -> Row:
    what, amount = step_words(single.step)
    if not single.reaches:
        return f"{what.replace(', all', '')} {single.step.name}", single.reason or ""
    return (
        f"{what.replace(', all', '')} {amount}",
        "reaches, fee unknown"
        if not single.step.is_fee_known
        else f"reaches, costs {figure(single.step.cost.total)}",
    )


# --- Prices ---------------------------------------------------------------------------------


def _price_lines(before: UnitCheck, afters: Mapping[str, UnitCheck], width: int) -> Iterator[str]:
    """Return the liquidation prices now and after, for every position held before or after.

    Where both do not fit side by side, the distances stand below the prices.
    """
    units = (before, *afters.values())
    names = dict.fromkeys(_name(position) for unit in units for position in unit.positions)
    if not names:
        return
    labels = ["-> after"] if len(afters) == 1 else [f"-> {name}" for name in afters]
    heads = {"liq. price": _price, "distance": _distance}
    parts = [
        [(head, *labels), *(tuple(shown(_named(unit, name)) for unit in units) for name in names)]
        for head, shown in heads.items()
    ]
    first = ("instrument", *names)
    whole = [(name, *left, *right) for name, left, right in zip(first, *parts, strict=True)]
    lines = list(_aligned(whole, width, left=1))
    if any(len(line) > width for line in lines):
        tables = ([(name, *row) for name, row in zip(first, part, strict=True)] for part in parts)
        lines = [line for table in tables for line in _aligned(table, width, left=1)]
    yield from lines


def _name(position: PositionCheck) -> str:
    held = position.held.position
    return held.instrument + (f"/{held.leg.name.lower()}" if held.leg else "")


def _named(unit: UnitCheck, name: str) -> PositionCheck | None:
    return next((p for p in unit.positions if _name(p) == name), None)


def _price(position: PositionCheck | None) -> str:
    """Return a liquidation price, or the word for its state."""
    if position is None:
        return "not held"
    return position.price_text(figure)


def _distance(position: PositionCheck | None) -> str:
    distance = None if position is None else position.distance
    return "" if distance is None else percent(distance, signed=True)


def _aligned(rows: Sequence[Row], width: int, *, left: int, depth: int = 1) -> Iterator[str]:
    """Return rows in columns: the first ones flush left, numbers flush right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    room = width - len(INDENT) * depth
    gap = GAP if sum(widths) + len(GAP) * (len(widths) - 1) <= room else " "
    for row in rows:
        cells = [
            cell.ljust(size) if i < left else cell.rjust(size)
            for i, (cell, size) in enumerate(zip(row, widths, strict=True))
        ]
        yield (INDENT * depth + gap.join(cells)).rstrip()


def next_commands(found: Rescue, file: str) -> Iterator[str]:
    """Yield the commands a reader is likely to want next: of each way, what it leads to."""
    name = quote(file)
    if found.status is not RescueStatus.PLAN:
        yield f"next: `keelmark explain {name} maintenance`"
        return
    ways = [way for way in found.ways.values() if way.plan is not None]
    short = [w for w in ways if w.plan is not None and len(w.plan.steps) <= STEPS_IN_COMMAND]
    commands = [f"`keelmark whatif {name} {command_words(way.edits)}`" for way in short]
    if len(short) < len(ways):
        commands.append(f"`keelmark rescue {name} --json`")
    for number, command in enumerate(commands):
        yield f"{'      ' if number else 'next: '}{command}"
