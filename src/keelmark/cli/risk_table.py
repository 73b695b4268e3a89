"""The view of `keelmark risk`: one screen, eighty columns, whole without colours."""

from collections.abc import Iterator, Sequence
from decimal import Decimal

import numpy as np

from keelmark.accounts.figures import figure, percent, terse
from keelmark.cli.painting import GAP, INDENT, WIDTH, painted, wrapped
from keelmark.risk.liquidation.result import (
    HorizonProbability,
    Standing,
    chance_text,
    days_text,
)
from keelmark.risk.reverse import ReverseStress
from keelmark.risk.reverse.result import FAR, FAR_WORDS
from keelmark.risk.statistics import Unknown
from keelmark.risk.tail.account_risk import AccountRisk
from keelmark.risk.tail.beside import NAMES, Beside
from keelmark.risk.tail.chances import THREE, unseen
from keelmark.risk.tail.contributions import Contributions
from keelmark.risk.tail.measures import TailRisk
from keelmark.risk.tail.pegs import held_pegs

PARTS_SHOWN = 12
"""Legs that are named one by one; the rest are one line."""

LIKELY = 0.01
"""Chance of liquidation above which a rescue is the next question."""


def risk_lines(found: AccountRisk, file: str, beside: Beside | None = None) -> Iterator[str]:
    """Return the view line by line.

    Args:
        found: What can be lost.
        file: Of the account, for the command that comes next.
        beside: What others tell of it.
    """
    yield from _head(found, beside)
    yield ""
    yield from _methods(found)
    yield ""
    yield from _parts(found)
    yield ""
    yield from _adjusted(found)
    yield ""
    yield from _notes(found, beside)
    yield ""
    yield from _next(found, file)


def _head(found: AccountRisk, beside: Beside | None) -> Iterator[str]:
    asked = found.options
    title = f"{found.account.rulebook.name}{GAP}worth {_money(found.worth)} {found.currency}"
    yield f"{title}{GAP}horizon {_days(asked.days)}{GAP}level {_level(asked.level)}"
    if found.realised.now:
        yield from _liquidatable(found)
    yield ""
    yield from _figures(found)
    if beside is not None and len(found.realised.now) < len(found.realised.units):
        yield from _chances(found, beside)
        yield from _way_down(beside.reverse, found)


def _liquidatable(found: AccountRisk) -> Iterator[str]:
    names = ", ".join(found.realised.now)
    text = f"LIQUIDATABLE now: {names}; what its rulebook leaves of it is all there is to lose"
    yield from (painted(line, "LIQUIDATABLE") for line in wrapped(text, WIDTH))


def _figures(found: AccountRisk) -> Iterator[str]:
    main, risk = found.main, found.realised.risk
    yield _figure("VaR", main.var, main.var_interval, found)
    yield _figure("ES", main.es, main.es_interval, found)
    if not found.realised.probability:
        return
    if isinstance(risk, Unknown):
        yield from wrapped(f"with liquidations: unknown, {risk.why}", WIDTH)
        return
    without = found.realised.unliquidated
    if not found.realised.is_leading and not isinstance(without, Unknown):
        yield f"{INDENT}on paths, revalued in full ({NAMES[found.walked]}):"
        yield _figure("VaR if none liquidated", without.var, without.var_interval, found)
        yield _figure("ES if none liquidated", without.es, without.es_interval, found)
    yield _figure("VaR with liquidations", risk.var, risk.var_interval, found)
    yield _figure("ES with liquidations", risk.es, risk.es_interval, found)


def _figure(
    name: str, loss: float, interval: tuple[float, float] | None, found: AccountRisk
) -> str:
    line = f"{INDENT}{name:<23}{_loss(loss, found):>11}"
    share = percent(Decimal(loss / found.worth)) if found.worth > 0.0 else ""
    line += f"{share:>9} of worth" if share else ""
    if interval is None:
        return line
    low, high = (_loss(end, found) for end in interval)
    return f"{line}   {low} to {high}"


def _chances(found: AccountRisk, beside: Beside) -> Iterator[str]:
    """Say how likely liquidation is, by law and horizon."""
    unit_id = found.options.unit_id
    horizons = next(iter(beside.chances.values())).horizons
    head = "".join(f"{days_text(days):>25}" for days in horizons)
    yield f"{INDENT}{'liquidated within':<19}{head}"
    for method, chances in beside.chances.items():
        name = NAMES[method]
        unit = next((u for u in chances.units if u.unit_id == unit_id), chances.account)
        if unit.standing is Standing.UNKNOWN:
            yield from wrapped(f"{name}: unknown, {unit.reason}", WIDTH)
            continue
        law = found.law if method is found.walked or found.student is None else found.student
        told = [_chance(unit.by(days), unseen(law, days, chances.paths)) for days in horizons]
        cells = "".join(f"{chance:>25}" for chance in told)
        yield f"{INDENT}  {name:<17}{cells}".rstrip()
    for peg in held_pegs(found.account, found.worth, found.currency):
        where = "in all of this" if peg.asset in found.still else "in these chances"
        yield from wrapped(f"{where} {peg.words}", WIDTH)


def _chance(one: HorizonProbability | None, floor: float) -> str:
    """Return a chance with its interval; a bound where nothing that was drawn liquidates."""
    if one is None:
        return "unknown"
    if one.probability < floor / THREE:
        return f"below {chance_text(max(one.high, floor))}"
    low, high = chance_text(one.low), chance_text(one.high)
    found = chance_text(one.probability)
    return found if low == high else f"{found} ({low} - {high})".replace(" % - ", " - ")


def _way_down(reverse: ReverseStress | str, found: AccountRisk) -> Iterator[str]:
    told = f"unknown, {reverse}" if isinstance(reverse, str) else reverse.sentence
    if not isinstance(reverse, str) and (reverse.distance or 0.0) > FAR:
        told = f"{told} ({FAR_WORDS})"
    of = f" of {found.weakest_unit}" if len(found.realised.units) > 1 else ""
    yield from wrapped(f"likeliest way down{of}: {told}", WIDTH)


def _methods(found: AccountRisk) -> Iterator[str]:
    yield f"{INDENT}{'method':<23}{'VaR':>11}{'ES':>11}   {'VaR within, 95 %'}"
    yield _method(f"> {NAMES[found.method]}", found.main, found)
    for method, risk in found.beside.items():
        if isinstance(risk, Unknown):
            continue
        yield _method(f"  {NAMES[method]}", risk, found)
    reasons: dict[str, list[str]] = {}
    for method, risk in found.beside.items():
        if isinstance(risk, Unknown):
            reasons.setdefault(risk.why, []).append(NAMES[method])
    for why, names in reasons.items():
        yield from wrapped(f"unknown: {', '.join(names)}: {why}", WIDTH)


def _method(name: str, risk: TailRisk, found: AccountRisk) -> str:
    line = f"{INDENT}{name:<23}{_loss(risk.var, found):>11}{_loss(risk.es, found):>11}"
    if risk.var_interval is None:
        return f"{line}   {'closed form' if 'closed' in risk.method else ''}".rstrip()
    low, high = risk.var_interval
    return f"{line}   {_loss(low, found)} to {_loss(high, found)}"


def _parts(found: AccountRisk) -> Iterator[str]:
    """Say what adds to the loss by coin; below a coin of several legs, its legs."""
    parts, whole = found.parts, found.parts.by(found.part_coins)
    coins = [i for i in range(len(whole.names)) if not _is_dust(float(whole.es[i]), found)]
    coins.sort(key=lambda i: -whole.es[i])
    yield f"{INDENT}{'what contributes':<28}{'VaR':>10}{'ES':>11}{'+- 95 %':>8}{'of ES':>9}"
    total = float(np.abs(whole.es).max()) or 1.0
    for i in coins[:PARTS_SHOWN]:
        legs = [j for j, coin in enumerate(found.part_coins) if coin == whole.names[i]]
        is_alone = len(legs) == 1
        name = parts.names[legs[0]] if is_alone else whole.names[i]
        yield _part(found, whole, i, name, total)
        if not is_alone:
            yield from (f"{INDENT}  {_leg(parts, j, found)}" for j in legs)
    rest = coins[PARTS_SHOWN:]
    if rest:
        var, es = (float(values[rest].sum()) for values in (whole.var, whole.es))
        yield (
            f"{INDENT}{f'{len(rest)} more':<28}{_short(var):>10}{_short(es):>11}"
            f"{'':>8}{_share(es, found.main.es):>9}"
        )
    still = [whole.names[i] for i in range(len(whole.names)) if i not in coins]
    if still:
        yield from wrapped(f"nothing of it: {', '.join(still)}, hedged or at par", WIDTH)


def _part(found: AccountRisk, parts: Contributions, i: int, name: str, total: float) -> str:
    es = float(parts.es[i])
    bar = "#" * round(8 * abs(es) / total)
    return (
        f"{INDENT}{name[:26]:<28}{_short(float(parts.var[i])):>10}"
        f"{_short(es):>11}{_short(1.96 * float(parts.es_errors[i])):>8}"
        f"{_share(es, found.main.es):>9}  {'-' if es < 0.0 else ''}{bar}"
    ).rstrip()


def _leg(parts: Contributions, i: int, found: AccountRisk) -> str:
    var, es = (_loss(float(values[i]), found) for values in (parts.var, parts.es))
    return f"{parts.names[i][:24]:<26}{var:>10}{es:>11}"


def _adjusted(found: AccountRisk) -> Iterator[str]:
    adjusted = found.adjusted
    if isinstance(adjusted, Unknown):
        yield from wrapped(f"with the cost of getting out: unknown, {adjusted.why}", WIDTH)
        return
    text = (
        f"with the cost of getting out: VaR {_money(adjusted.var)}, ES {_money(adjusted.es)} "
        f"(cost {_money(adjusted.cost)}"
    )
    if adjusted.scale > 1.0:
        text += f"; {adjusted.slowest} takes {_days(adjusted.days)}, so times {adjusted.scale:.2f}"
    yield from wrapped(f"{text}; {'; '.join(adjusted.notes)})", WIDTH)


def _notes(found: AccountRisk, beside: Beside | None) -> Iterator[str]:
    yield from wrapped(f"from {_source(found)}", WIDTH)
    asked, realised = found.options, found.realised
    yield from wrapped(
        f"one horizon in {round(1.0 / (1.0 - asked.level), 6):,g} loses more than the VaR, then "
        f"the ES on average; {_of_what(found)}",
        WIDTH,
    )
    if realised.probability:
        yield from wrapped(_ending(found), WIDTH)
    if len(realised.units) > 1 and realised.probability:
        many = {unit: p for unit, p in realised.units.items() if p > 0.0}
        shares = ", ".join(f"{u} {percent(Decimal(p), digits=2)}" for u, p in many.items())
        yield from wrapped(f"liquidated on these paths by unit: {shares}", WIDTH)
    told = () if found.table is None else found.table.limits
    for note in (note for note in found.notes if note not in told):
        yield from wrapped(f"note: {note}", WIDTH)
    assumed = [] if beside is None else _chance_notes(beside, found.notes)
    if assumed:
        yield from wrapped(f"chances of liquidation: {'; '.join(assumed)}", WIDTH)


def _of_what(found: AccountRisk) -> str:
    """Return what intervals are of: draws, or past shocks where each was taken once."""
    paths = found.realised.paths
    if paths < found.options.paths:
        return f"each of {paths:,} past shocks is taken once, and intervals are 95 % of so many"
    return "intervals are 95 % of the draws, not of the history"


def _chance_notes(beside: Beside, told: Sequence[str]) -> list[str]:
    """Return what the chances of liquidation rest on, and nobody has said yet."""
    every = (note for c in beside.chances.values() for note in (*c.notes, *c.assumes))
    return [note for note in dict.fromkeys(every) if note not in told]


def _source(found: AccountRisk) -> str:
    if found.table is None:
        return found.source
    limits = "; ".join(found.table.limits)
    as_of = found.account.as_of
    if as_of is not None and as_of.date().isoformat() <= found.table.last:
        limits += f"; its days run beyond the account's own time, {as_of.date()}"
    return f"{found.source}; {limits}. Bars of your coins are better: --returns BARS"


def _ending(found: AccountRisk) -> str:
    """Return how liquidation ends a path of the losses."""
    realised = found.realised
    looked = f"looked at every {_days(realised.step_days).removeprefix('1 ')}"
    count = round(realised.probability * realised.paths)
    text = f"with liquidations: {count:,} of {realised.paths:,} paths, {looked}"
    if realised.loss is not None:
        moved = "loses" if realised.loss >= 0.0 else "still gains"
        text += f"; the account then {moved} {_money(abs(realised.loss))} on average"
    endings = "; ".join(realised.endings)
    return f"{text}; {endings}; no unit loses more than it is worth"


def _next(found: AccountRisk, file: str) -> Iterator[str]:
    if found.table is not None:
        commands = [f"risk {file} --returns BARS", f"stress {file}"]
    elif found.realised.probability > LIKELY:
        commands = [f"rescue {file}", f"stress {file}"]
    else:
        commands = [f"stress {file}", f"joint {file} --returns BARS"]
    yield f"next: `keelmark {commands[0]}`"
    yield from (f"      `keelmark {command}`" for command in commands[1:])


def _is_dust(loss: float, found: AccountRisk) -> bool:
    """Whether a loss is what rounding leaves of amounts that cancel."""
    return abs(loss) <= found.rounding


def _loss(loss: float, found: AccountRisk) -> str:
    return "0" if _is_dust(loss, found) else _short(loss)


def _money(value: float) -> str:
    return figure(Decimal(repr(float(value))))


def _short(value: float) -> str:
    return terse(Decimal(repr(float(value))))


def _share(part: float, whole: float) -> str:
    return percent(Decimal(part / whole)) if whole else ""


def _level(level: float) -> str:
    return f"{level * 100:g} %"


def _days(days: float) -> str:
    if days >= 1.0:
        return f"{days:.3g} day{'' if days == 1.0 else 's'}"
    hours = days * 24.0
    if hours >= 1.0:
        return f"{hours:.3g} hour{'' if hours == 1.0 else 's'}"
    minutes = hours * 60.0
    return f"{minutes:.3g} minute{'' if minutes == 1.0 else 's'}"
