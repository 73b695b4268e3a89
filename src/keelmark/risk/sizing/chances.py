"""How likely a unit is liquidated, as sizes ask it: quickly, and alike at every size."""

import numpy as np

from keelmark.accounts.account import Account
from keelmark.accounts.volatilities import Volatilities
from keelmark.core.bound import options_of
from keelmark.core.errors import MissingNumber
from keelmark.core.unit import MarginUnit
from keelmark.risk.liquidation import ProbabilityOptions, Standing, liquidation_probability
from keelmark.risk.liquidation.one_barrier import half_space_met_by
from keelmark.risk.revaluation import UnitValuer
from keelmark.risk.sizing.account_size import Chance

PATHS = 4_096
"""Paths at one size."""

STEPS = 24


def chance_of(
    volatilities: Volatilities, *, days: float, options: ProbabilityOptions | None = None
) -> Chance:
    """Return how likely a unit is liquidated within some days, under its whole rulebook.

    Equal draws at every size make the answer rise with the size.

    Args:
        volatilities: Deviations of a day with their covariance.
        days: Horizon.
        options: How; few paths where left out, as many sizes are tried.
    """
    asked = options or ProbabilityOptions(paths=PATHS, steps=STEPS)

    def chance(account: Account, unit_id: str) -> float:
        found = liquidation_probability(account, volatilities, horizons=(days,), options=asked)
        unit = next((unit for unit in found.units if unit.unit_id == unit_id), None)
        if unit is None or unit.standing is Standing.NEVER:
            return 0.0
        told = unit.by(days)
        if told is None:
            msg = f"how likely {unit_id} is liquidated is unknown: {unit.reason}"
            raise MissingNumber(msg)
        return told.probability

    return chance


def plane_chance_of(volatilities: Volatilities, *, days: float) -> Chance:
    """Return how likely a unit is liquidated if its excess stays the plane it is now.

    `2 Phi(-e / (s sqrt(t)))` with `e` the excess and `s` its deviation: exact for linear books of
    one tier in prices that walk without drift, and worked out in no time. Options are no plane.
    """

    def chance(account: Account, unit_id: str) -> float:
        unit = next((unit for unit in account.units if unit.unit_id == unit_id), None)
        if unit is None or not unit.positions:
            return 0.0
        if options_of(unit, account.model):
            msg = "with options the excess is no plane: `keelmark size` simulates it"
            raise MissingNumber(msg)
        return _met(account, unit, volatilities, days)

    return chance


def _met(account: Account, unit: MarginUnit, known: Volatilities, days: float) -> float:
    valuer = UnitValuer.of(account, unit)
    coins = valuer.coins
    missing = [c for c in coins if not known.of_coin(c)]
    missing += [f"{a} with {b}" for a in coins for b in coins if (a, b) not in known.covariance]
    if missing:
        msg = f"how {missing[0]} moves is not given"
        raise MissingNumber(msg)
    here = np.zeros(len(coins))
    slopes = valuer.gradient(here)
    covariance = np.array([[known.covariance[a, b] for b in coins] for a in coins])
    spread = float(np.sqrt(max(0.0, slopes @ covariance @ slopes)))
    return half_space_met_by(float(valuer.excess(here[np.newaxis, :])[0]), spread, days)
