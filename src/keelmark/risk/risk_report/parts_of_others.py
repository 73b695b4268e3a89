"""Answers of the other parts of risk, in the report's own plain values."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from keelmark.accounts.account import Account
from keelmark.accounts.volatilities import Volatilities
from keelmark.core.errors import MissingNumber
from keelmark.risk.liquidation import (
    LiquidationProbability,
    ProbabilityOptions,
    liquidation_probability,
)
from keelmark.risk.liquidation.result import Standing, UnitProbability
from keelmark.risk.reverse import ReverseStress, ShockCovariance, find_reverse_stress
from keelmark.risk.reverse.result import FAR, FAR_WORDS
from keelmark.risk.risk_report.model import (
    Chance,
    Chances,
    Measure,
    Move,
    Part,
    Reverse,
    Sensitivity,
    StressRow,
    Tails,
)
from keelmark.risk.risk_report.texts import MINUS, money
from keelmark.risk.statistics import Unknown
from keelmark.risk.stress import stress_account
from keelmark.risk.stress.account_stress import StressRow as FoundStress
from keelmark.risk.tail.account_risk import DUST, AccountRisk
from keelmark.risk.tail.chances import STEPS_MAX, THREE, chances_of, unseen
from keelmark.risk.tail.measures import NORMAL_95, TailRisk
from keelmark.risk.tail.methods import Method
from keelmark.risk.tail.pegs import held_pegs

ONE_COIN = 1e-8
"""Least eigenvalue of a correlation below which some coins move as one."""

PARTED = 0.01
"""Share of their correlation that such coins lose."""

LAWS = {
    Method.FHS: "filtered history",
    Method.TABLE: "the built-in table",
    Method.T_COPULA: "a t copula",
    Method.NORMAL: "normal steps",
    Method.STUDENT: "Student t steps",
}
"""Laws in words."""

EVEN = 1e-6
"""Days within which two horizons are one."""

STEPS = 48
SHOWN_MAX = 20_000
"""Scenarios whose profits the page counts: every so many of more."""


@dataclass(frozen=True, slots=True)
class Horizons:
    """Days asked for.

    Attributes:
        shown: On the first screen.
        curve: Between.
    """

    shown: tuple[float, ...]
    curve: tuple[float, ...]


def tails(risk: AccountRisk) -> Tails:
    """Return losses with their intervals, what contributes, and every scenario."""
    level = f"{100 * risk.options.level:g} %"
    main = _cleared(risk.main, risk.rounding)
    measures = [_var(f"VaR {level}", main), _es(f"ES {level}", main)]
    realised = risk.realised.risk
    name = "ES, liquidations counted"
    if not isinstance(realised, Unknown):
        realised = _cleared(realised, risk.rounding)
    measures.append(_known(name, realised))
    adjusted = risk.adjusted
    if not isinstance(adjusted, Unknown):
        measures.append(Measure(name="ES, closing paid", loss=adjusted.es))
    step = max(1, len(risk.profits) // SHOWN_MAX)
    profits = risk.profits[::step]
    profits = np.where(np.abs(profits) <= risk.rounding, 0.0, profits)
    whole = risk.parts.by(risk.part_coins)
    return Tails(
        days=risk.options.days,
        measures=tuple(measures),
        marked=(f"VaR {level}", f"ES {level}"),
        parts=tuple(
            Part(name=name, amount=float(es), error=float(error))
            for name, es, error in zip(_part_names(risk), whole.es, whole.es_errors, strict=True)
            if abs(es) > risk.rounding
        ),
        parts_of=f"ES {level}",
        profits=tuple(profits.tolist()),
        liquidated=tuple(risk.is_liquidated[::step].tolist()),
        method=main.method,
    )


def _part_names(risk: AccountRisk) -> list[str]:
    """Return what parts are called: a coin of one leg by the leg, of several by the coin."""
    legs: dict[str, list[str]] = {}
    for leg, coin in zip(risk.parts.names, risk.part_coins, strict=True):
        legs.setdefault(coin, []).append(leg)
    return [names[0] if len(names) == 1 else coin for coin, names in legs.items()]


def _cleared(found: TailRisk, rounding: float) -> TailRisk:
    """Return a measure without what rounding leaves of sums that cancel."""
    if abs(found.var) > rounding or abs(found.es) > rounding:
        return found
    return replace(found, var=0.0, es=0.0, es_error=0.0, var_interval=None)


def _var(name: str, found: TailRisk) -> Measure:
    low, high = found.var_interval or (None, None)
    return Measure(name=name, loss=found.var, low=low, high=high)


def _es(name: str, found: TailRisk) -> Measure:
    half = None if found.es_error is None else NORMAL_95 * found.es_error
    if half is None:
        return Measure(name=name, loss=found.es)
    return Measure(name=name, loss=found.es, low=found.es - half, high=found.es + half)


def _known(name: str, found: TailRisk | Unknown) -> Measure:
    if isinstance(found, Unknown):
        return Measure(name=name, loss=None, reason=found.why)
    return _es(name, found)


def chances(
    account: Account, unit_id: str, known: Volatilities, days: Horizons, *, seed: int
) -> Chances:
    """Return how likely a unit is liquidated over time, by normal steps.

    Raises:
        MissingNumber: It cannot be told; says why.
    """
    found = liquidation_probability(
        account,
        known,
        horizons=sorted({*days.shown, *days.curve}),
        options=ProbabilityOptions(seed=seed, steps=STEPS),
    )
    unit = _known_unit(found, unit_id)
    return Chances(
        shown=tuple(_chance(unit, one, 0.0) for one in days.shown),
        curve=tuple(_chance(unit, one, 0.0) for one in sorted({*days.shown, *days.curve})),
        times=tuple((time.share, time.days) for time in unit.times),
        method=_method("normal steps", unit, found),
        law="normal steps without jumps",
        assumes=(*found.assumes, *found.notes),
    )


def chances_by_law(account: Account, unit_id: str, risk: AccountRisk, days: Horizons) -> Chances:
    """Return how likely a unit is liquidated over time, by the law of its losses; raises likewise.

    Times are whole steps of the law. Beside each horizon stands what Student's law tells.
    """
    law = risk.law
    last = max((h for h in days.shown if h / law.days <= STEPS_MAX), default=risk.options.days)
    curve = {law.days * max(1, round(h / law.days)) for h in (*days.curve, last) if h <= last}
    by_law = chances_of(account, risk, (*days.shown, *sorted(curve)))
    found = by_law[risk.walked]
    unit = _known_unit(found, unit_id)
    told = [h.days for h in unit.horizons]
    shown = [h for h in told if any(abs(h - wanted) < EVEN for wanted in days.shown)]
    other = by_law.get(Method.STUDENT) if risk.walked is not Method.STUDENT else None
    student = None if other is None or risk.student is None else _known_unit(other, unit_id)
    return Chances(
        shown=tuple(_chance(unit, h, unseen(law, h, found.paths)) for h in shown),
        curve=tuple(_chance(unit, h, unseen(law, h, found.paths)) for h in told),
        times=tuple((time.share, time.days) for time in unit.times),
        beside=()
        if student is None
        else tuple(_chance(student, h, unseen(risk.student or law, h, found.paths)) for h in shown),
        pegs=tuple(peg.words for peg in held_pegs(account, risk.worth, risk.currency)),
        method=_method(risk.walked.value, unit, found),
        law=f"{LAWS.get(risk.walked, risk.walked.value)}, watched between its steps",
        assumes=(*found.assumes, *found.notes),
    )


def _known_unit(found: LiquidationProbability, unit_id: str) -> UnitProbability:
    unit = next((unit for unit in found.units if unit.unit_id == unit_id), None)
    if unit is None or unit.standing is Standing.UNKNOWN:
        msg = "how likely it is liquidated is unknown" if unit is None else unit.reason or "unknown"
        raise MissingNumber(msg)
    return unit


def _method(law: str, unit: UnitProbability, found: LiquidationProbability) -> str:
    drawn = "" if found.paths is None else f", {found.paths:,} paths, seed {found.seed}"
    return f"{law}: {unit.method or unit.reason or unit.standing.value}{drawn}"


def _chance(unit: UnitProbability, days: float, floor: float) -> Chance:
    """Return the chance by a horizon; a bound where what was drawn cannot tell it."""
    found = unit.by(days)
    if found is None:
        return Chance(days=days, probability=0.0, low=0.0, high=0.0)
    is_bound = found.probability < floor / THREE
    high = max(found.high, floor) if is_bound else found.high
    return Chance(
        days=days, probability=found.probability, low=found.low, high=high, is_bound=is_bound
    )


def reverse(account: Account, unit_id: str, known: Volatilities) -> Reverse:
    """Return the likeliest liquidating scenario and what would move it away.

    Raises:
        MissingNumber: None is found; says why.
    """
    found = find_reverse_stress(account, _covariance(known), unit_id=unit_id)
    if found.distance is None:
        raise MissingNumber(found.reason or found.status.value)
    ordered = sorted(_moves(found), key=lambda move: -abs(move.sigmas or 0.0))
    return Reverse(
        sigmas=found.distance,
        moves=tuple(ordered),
        sensitivities=tuple(_sensitivities(found, account, unit_id)),
        words=_words(found).replace("-", MINUS),
        method=_proof_words(found),
    )


def _words(found: ReverseStress) -> str:
    far = found.distance is not None and found.distance > FAR
    return f"{found.sentence} ({FAR_WORDS})" if far else found.sentence


def _covariance(known: Volatilities) -> ShockCovariance:
    """Return the covariance by name; coins that move as one are parted by a hundredth.

    A coin that stands for another gives a matrix that determines no distance.
    """
    names = tuple(known.by_coin)
    matrix = np.array([[known.covariance[one, other] for other in names] for one in names])
    deviations = np.sqrt(np.diag(matrix))
    least = float(np.linalg.eigvalsh(matrix / np.outer(deviations, deviations))[0])
    notes: tuple[str, ...] = ()
    if least < ONE_COIN:
        matrix = (1.0 - PARTED) * matrix + PARTED * np.diag(deviations**2)
        notes = ("some coins move as one here: correlations are taken at 0.99 of themselves",)
    return ShockCovariance(
        names=names, matrix=matrix, horizon=known.horizon, source=known.source, notes=notes
    )


def _proof_words(found: ReverseStress) -> str:
    notes = "".join(f"; {note}" for note in found.notes)
    if found.is_proved:
        return f"No nearer move liquidates: proved ({found.method}){notes}."
    if found.at_least is not None:
        return f"Nothing nearer than {found.at_least:.2f} sigma liquidates: proved{notes}."
    return f"Nearer ones were searched for, not excluded{notes}."


def _moves(found: ReverseStress) -> Iterator[Move]:
    moves = [(name, float(change), None) for name, change in (found.moves or {}).items()]
    pegs = [
        (name, float(change), float(found.asset_prices[name]))
        for name, change in found.pegs.items()
    ]
    volatilities = [
        (f"{name} volatility", float(change), None) for name, change in found.volatilities.items()
    ]
    for name, change, price in (*moves, *pegs, *volatilities):
        deviation = found.deviations.get(name)
        yield Move(
            name=name,
            change=change,
            sigmas=change / deviation if deviation else None,
            is_price=price is not None,
            price=price,
        )


def _sensitivities(found: ReverseStress, account: Account, unit_id: str) -> Iterator[Sensitivity]:
    unit = next(unit for unit in account.units if unit.unit_id == unit_id)
    for leg in found.legs:
        yield Sensitivity(name=f"close a tenth of {leg.name}", sigmas=leg.closing_a_tenth)
    for asset in found.assets:
        held = float(unit.balances.get(asset.name, 0))
        if held > 0.0:
            name = f"deposit a tenth more {asset.name}"
            yield Sensitivity(name=name, sigmas=asset.per_unit * held / 10.0)


def stresses(account: Account, unit_id: str) -> tuple[StressRow, ...]:
    """Return the unit under every scenario of the library.

    Raises:
        MissingNumber: Its margin is unknown.
    """
    found = stress_account(account)
    unit = next((unit for unit in found.units if unit.unit_id == unit_id), None)
    if unit is None:
        raise MissingNumber(found.unknown.get(unit_id, f"{unit_id} is not stressed"))
    level = unit.valuer.level
    gross = float(np.abs(unit.leg_pnl).sum(axis=1).max(initial=0.0)) + abs(unit.valuer.now[0])
    return tuple(_stress(row, level, DUST * gross) for row in unit.rows)


def _stress(row: FoundStress, level: float, rounding: float) -> StressRow:
    losers = ", ".join(
        f"{loser.name} {money(loser.pnl, signed=True)}"
        for loser in row.losers[:3]
        if abs(loser.pnl) > rounding
    )
    sources = "; ".join(source.text for source in row.scenario.sources.values())
    return StressRow(
        name=row.scenario.title,
        profit=row.pnl if abs(row.pnl) > rounding else 0.0,
        excess=row.equity - level * row.maintenance,
        is_liquidated=row.is_liquidatable,
        note=losers or row.scenario.note,
        source=sources,
    )
