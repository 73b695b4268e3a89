"""The view of `keelmark risk`: one screen, eighty columns, whole without colours."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from keelmark.accounts import Account
from keelmark.accounts.figures import figure, percent, terse
from keelmark.cli.painting import GAP, INDENT, WIDTH, painted, wrapped
from keelmark.core.errors import InvalidInput
from keelmark.risk.liquidation import LiquidationProbability
from keelmark.risk.liquidation.result import (
    HorizonProbability,
    Standing,
    chance_text,
    days_text,
)
from keelmark.risk.reverse import ReverseStress, ShockCovariance, find_reverse_stress
from keelmark.risk.statistics import Unknown
from keelmark.risk.tail.account_risk import AccountRisk
from keelmark.risk.tail.measures import TailRisk
from keelmark.risk.tail.methods import Method

PARTS_SHOWN = 12
"""Legs that are named one by one; the rest are one line."""

NAMES = {
    Method.FHS: "filtered history",
    Method.HISTORICAL: "history as it was",
    Method.SCALED: "scaled history",
    Method.CORNISH_FISHER: "Cornish-Fisher",
    Method.POT: "POT tail",
    Method.T_COPULA: "t copula",
    Method.NORMAL: "normal",
    Method.STUDENT: "Student t",
    Method.TABLE: "built-in table",
}

OWN_SHARE = 1e-6
"""Of its variance that a coin standing for another has of its own: moves as one have no inverse."""

LIKELY = 0.01
"""Chance of liquidation above which a rescue is the next question."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What others tell of the same account.

    Attributes:
        watched: The chance of liquidation with prices watched all the time.
        reverse: The likeliest way to liquidation; why there is none to tell.
    """

    watched: LiquidationProbability
    reverse: ReverseStress | str


def nearest_way_down(account: Account, found: AccountRisk) -> ReverseStress | str:
    """Return the likeliest way to liquidation of the weakest unit, or why it is unknown."""
    names = tuple(found.deviations)
    apart = np.array([OWN_SHARE if name in found.options.like else 0.0 for name in names])
    matrix = found.covariance + np.diag(apart * np.diag(found.covariance))
    covariance = ShockCovariance(names=names, matrix=matrix, source="these returns")
    unit = found.weakest_unit
    holds = {u.unit_id for u in account.units if u.positions}
    if unit not in holds:
        return f"{unit} holds no position"
    try:
        return find_reverse_stress(account, covariance, unit_id=unit)
    except InvalidInput as error:
        return str(error)


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
    yield from _notes(found)
    yield from _next(found, file)


def _head(found: AccountRisk, beside: Beside | None) -> Iterator[str]:
    asked, main = found.options, found.main
    title = f"{found.account.rulebook.name}{GAP}worth {_money(found.worth)} {found.currency}"
    yield f"{title}{GAP}horizon {_days(asked.days)}{GAP}level {_level(asked.level)}"
    yield from _chance(found)
    if beside is not None and len(found.realised.now) < len(found.realised.units):
        yield from _watched(beside.watched, found.options.unit_id)
        yield from _way_down(beside.reverse, found)
    figures = (
        f"VaR {_money(main.var)}{_between(main.var_interval)}{_of_worth(main.var, found.worth)}; "
        f"ES {_money(main.es)}{_between(main.es_interval)}"
    )
    if found.realised.probability:
        yield from _realised(found)
        figures = f"if nothing were liquidated: {figures}"
    yield from wrapped(figures, WIDTH)
    yield from wrapped(
        f"one horizon in {1.0 / (1.0 - asked.level):,.4g} loses more than the VaR, then the ES on "
        "average; [ ] is 95 % of the draws and not of the history",
        WIDTH,
    )
    words = f"from {found.source}"
    if found.table is not None:
        limits = "; ".join(found.table.limits)
        words = f"{words}; {limits}. Bars of your coins are better: --returns BARS"
    yield from wrapped(words, WIDTH)


def _chance(found: AccountRisk) -> Iterator[str]:
    realised, paths = found.realised, f"{found.options.paths:,} paths"
    looked = f"looked at every {_days(realised.step_days).removeprefix('1 ')}"
    chance = percent(Decimal(realised.probability), digits=2)
    if realised.now:
        names = ", ".join(realised.now)
        text = f"LIQUIDATABLE now: {names}; what its rulebook leaves of it is all there is to lose"
        yield from (painted(line, "LIQUIDATABLE") for line in wrapped(text, WIDTH))
        if len(realised.now) == len(realised.units):
            return
    if not realised.probability:
        yield from wrapped(f"not liquidated by then on any of {paths}, {looked}", WIDTH)
        return
    half = percent(Decimal(1.96 * realised.error), digits=2)
    text = f"liquidated by then on {chance} (+- {half}) of {paths}, {looked}"
    if realised.loss is not None:
        moved = "loses" if realised.loss >= 0.0 else "still gains"
        text += f"; the account then {moved} {_money(abs(realised.loss))} on average"
    yield from wrapped(text, WIDTH)
    if len(realised.units) > 1:
        many = {unit: p for unit, p in realised.units.items() if p > 0.0}
        shares = ", ".join(f"{u} {percent(Decimal(p), digits=2)}" for u, p in many.items())
        yield from wrapped(f"by unit: {shares}", WIDTH, depth=2)


def _watched(watched: LiquidationProbability, unit_id: str | None) -> Iterator[str]:
    """Say what steps cannot: how likely it is with every price between them."""
    unit = next((u for u in watched.units if u.unit_id == unit_id), watched.account)
    if unit.standing is Standing.UNKNOWN:
        yield from wrapped(f"watched all the time: unknown, {unit.reason}", WIDTH)
        return
    told = ", ".join(
        f"{chance_text(one.probability)}{_chance_between(one)} within {days_text(one.days)}"
        for one in unit.horizons
    )
    yield from wrapped(f"watched all the time, with normal steps: {told}", WIDTH)


def _way_down(reverse: ReverseStress | str, found: AccountRisk) -> Iterator[str]:
    told = f"unknown, {reverse}" if isinstance(reverse, str) else reverse.sentence
    of = f" of {found.weakest_unit}" if len(found.realised.units) > 1 else ""
    yield from wrapped(f"likeliest way down{of}: {told}", WIDTH)


def _chance_between(one: HorizonProbability) -> str:
    low, high = chance_text(one.low), chance_text(one.high)
    return "" if low == high else f" [{low}, {high}]"


def _realised(found: AccountRisk) -> Iterator[str]:
    risk = found.realised.risk
    if isinstance(risk, Unknown):
        yield from wrapped(f"with liquidations: unknown, {risk.why}", WIDTH)
        return
    text = (
        f"with liquidations: VaR {_money(risk.var)}{_of_worth(risk.var, found.worth)}; ES "
        f"{_money(risk.es)} ({'; '.join(found.realised.endings)}; no unit loses more than it is "
        "worth)"
    )
    yield from wrapped(text, WIDTH)


def _of_worth(loss: float, worth: float) -> str:
    return f", {percent(Decimal(loss / worth))} of worth" if worth > 0.0 else ""


def _methods(found: AccountRisk) -> Iterator[str]:
    yield f"{INDENT}{'method':<23}{'VaR':>11}{'ES':>11}   {'VaR within, 95 %'}"
    yield _method(f"> {NAMES[found.method]}", found.main)
    for method, risk in found.beside.items():
        if isinstance(risk, Unknown):
            continue
        yield _method(f"  {NAMES[method]}", risk)
    reasons: dict[str, list[str]] = {}
    for method, risk in found.beside.items():
        if isinstance(risk, Unknown):
            reasons.setdefault(risk.why, []).append(NAMES[method])
    for why, names in reasons.items():
        yield from wrapped(f"unknown: {', '.join(names)}: {why}", WIDTH)


def _method(name: str, risk: TailRisk) -> str:
    line = f"{INDENT}{name:<23}{_short(risk.var):>11}{_short(risk.es):>11}"
    if risk.var_interval is None:
        return f"{line}   {'closed form' if 'closed' in risk.method else ''}".rstrip()
    low, high = risk.var_interval
    return f"{line}   {_short(low)} to {_short(high)}"


def _parts(found: AccountRisk) -> Iterator[str]:
    parts = found.parts
    rows = [i for i in range(len(parts.names)) if parts.es[i] or found.part_notionals[i]]
    rows.sort(key=lambda i: -parts.es[i])
    width = max(12, *(len(parts.names[i]) for i in rows)) if rows else 12
    width = min(width, 26)
    yield f"{INDENT}{'what contributes':<{width + 5}}{'VaR':>10}{'ES':>11}{'+-':>8}{'of ES':>9}"
    total = float(np.abs(parts.es).max()) or 1.0
    for i in rows[:PARTS_SHOWN]:
        yield _part(found, i, width, total)
    rest = rows[PARTS_SHOWN:]
    if rest:
        var, es = (float(values[rest].sum()) for values in (parts.var, parts.es))
        yield (
            f"{INDENT}{f'{len(rest)} more':<{width + 5}}{_short(var):>10}{_short(es):>11}"
            f"{'':>8}{_share(es, found.main.es):>9}"
        )


def _part(found: AccountRisk, i: int, width: int, total: float) -> str:
    parts = found.parts
    es = float(parts.es[i])
    bar = "#" * round(8 * abs(es) / total)
    return (
        f"{INDENT}{parts.names[i][:width]:<{width + 5}}{_short(float(parts.var[i])):>10}"
        f"{_short(es):>11}{_short(1.96 * float(parts.es_errors[i])):>8}"
        f"{_share(es, found.main.es):>9}  {'-' if es < 0.0 else ''}{bar}"
    ).rstrip()


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


def _notes(found: AccountRisk) -> Iterator[str]:
    told = () if found.table is None else found.table.limits
    for note in (note for note in found.notes if note not in told):
        yield from wrapped(f"note: {note}", WIDTH)


def _next(found: AccountRisk, file: str) -> Iterator[str]:
    if found.table is not None:
        text = f"next: `keelmark risk {file} --returns BARS`"
    elif found.realised.probability > LIKELY:
        text = f"next: `keelmark rescue {file}` - `keelmark stress {file}`"
    else:
        text = f"next: `keelmark stress {file}` - `keelmark joint {file} --returns BARS`"
    yield text if len(text) <= WIDTH else text.replace(f" {file}", " FILE")


def _money(value: float) -> str:
    return figure(Decimal(repr(float(value))))


def _short(value: float) -> str:
    return terse(Decimal(repr(float(value))))


def _between(interval: tuple[float, float] | None) -> str:
    if interval is None:
        return ""
    low, high = interval
    return f" [{_short(low)}, {_short(high)}]"


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
    return f"{hours * 60.0:.3g} minutes"
