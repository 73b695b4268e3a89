"""Answers of the other parts of risk, in the report's own plain values."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from keelmark.accounts.account import Account
from keelmark.accounts.volatilities import Volatilities
from keelmark.core.errors import MissingNumber
from keelmark.risk.liquidation import ProbabilityOptions, liquidation_probability
from keelmark.risk.liquidation.result import HorizonProbability, Standing, UnitProbability
from keelmark.risk.reverse import ReverseStress, ShockCovariance, find_reverse_stress
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
from keelmark.risk.tail.account_risk import AccountRisk
from keelmark.risk.tail.measures import NORMAL_95, TailRisk

ONE_COIN = 1e-8
"""Least eigenvalue of a correlation below which some coins move as one."""

PARTED = 0.01
"""Share of their correlation that such coins lose."""

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
    main = risk.main
    measures = [_var(f"VaR {level}", main), _es(f"ES {level}", main)]
    realised = risk.realised.risk
    name = "ES, liquidations counted"
    measures.append(_known(name, realised))
    adjusted = risk.adjusted
    if not isinstance(adjusted, Unknown):
        measures.append(Measure(name="ES, closing paid", loss=adjusted.es))
    step = max(1, len(risk.profits) // SHOWN_MAX)
    return Tails(
        days=risk.options.days,
        measures=tuple(measures),
        marked=(f"VaR {level}", f"ES {level}"),
        parts=tuple(
            Part(name=leg, amount=float(es), error=float(error))
            for leg, es, error in zip(
                risk.parts.names, risk.parts.es, risk.parts.es_errors, strict=True
            )
            if es
        ),
        parts_of=f"ES {level}",
        profits=tuple(risk.profits[::step].tolist()),
        liquidated=tuple(risk.is_liquidated[::step].tolist()),
        method=main.method,
    )


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
    """Return how likely a unit is liquidated over time.

    Raises:
        MissingNumber: It cannot be told; says why.
    """
    found = liquidation_probability(
        account,
        known,
        horizons=sorted({*days.shown, *days.curve}),
        options=ProbabilityOptions(seed=seed, steps=STEPS),
    )
    unit = next((unit for unit in found.units if unit.unit_id == unit_id), None)
    if unit is None or unit.standing is Standing.UNKNOWN:
        msg = "how likely it is liquidated is unknown" if unit is None else unit.reason or "unknown"
        raise MissingNumber(msg)
    drawn = "" if found.paths is None else f", {found.paths:,} paths, seed {found.seed}"
    return Chances(
        shown=tuple(_chance(unit, one) for one in days.shown),
        curve=tuple(_chance(unit, one) for one in sorted({*days.shown, *days.curve})),
        times=tuple((time.share, time.days) for time in unit.times),
        method=f"{unit.method or unit.reason or unit.standing.value}{drawn}",
        assumes=(*found.assumes, *found.notes),
    )


def _chance(unit: UnitProbability, days: float) -> Chance:
    found = unit.by(days) or HorizonProbability(
        days=days, probability=0.0, error=0.0, low=0.0, high=0.0
    )
    return Chance(days=days, probability=found.probability, low=found.low, high=found.high)


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
        words=found.sentence.replace("-", MINUS),
        method=_proof_words(found),
    )


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
    return tuple(_stress(row, level) for row in unit.rows)


def _stress(row: FoundStress, level: float) -> StressRow:
    losers = ", ".join(f"{loser.name} {money(loser.pnl, signed=True)}" for loser in row.losers[:3])
    sources = "; ".join(source.text for source in row.scenario.sources.values())
    return StressRow(
        name=row.scenario.title,
        profit=row.pnl,
        excess=row.equity - level * row.maintenance,
        is_liquidated=row.is_liquidatable,
        note=losers or row.scenario.note,
        source=sources,
    )
