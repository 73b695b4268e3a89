"""What a probability is asked with: horizons, how coins move, what is paid, and how it is drawn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from math import isfinite

import numpy as np
import numpy.typing as npt

from keelmark.accounts.volatilities import A_DAY, Volatilities
from keelmark.core.errors import InvalidInput
from keelmark.risk.liquidation.draws import Points
from keelmark.risk.scenarios.model import ReturnModel
from keelmark.risk.statistics.unknown import Unknown
from keelmark.risk.symbols import coin_of

Array = npt.NDArray[np.float64]

HORIZONS = (1 / 24, 1 / 3, 1.0, 7.0)
"""An hour, eight hours, a day, a week; days."""

PATHS = 65_536
PATHS_OF_LAW = 16_384
"""Paths of a law of returns: its steps are walked in arrays."""

PATHS_REVALUED = 8_192
"""Paths of units that are no lines: every step values them anew."""

_PATHS_MIN = 2_048
_COINS, _COINS_REVALUED = 20, 6
"""Coins of one unit up to which all paths are drawn."""

_ROUNDING = 1e-9


class Way(StrEnum):
    """How a probability is had."""

    AUTO = "auto"
    SIMULATION = "simulation"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbabilityOptions:
    """How it is worked out.

    Attributes:
        way: Closed form where it is exact and else simulation, or simulation in any case.
        paths: Simulated; left out, as many as take about a second.
        steps: In time, to the last horizon.
        seed: Of every draw.
        points: Pseudo-random numbers or scrambled Sobol points.
        degrees: Degrees of freedom of Student's t by step, above 2; `None` for normal steps.
        growth: Of the mean price of a coin, fraction a day; nothing where left out.
        funding: Paid by longs of perpetuals on a coin, fraction of the notional a day.
        borrow: Interest on debts in an asset, fraction a day.
        implied: Power of a coin's price that implied volatilities on it follow: at minus one they
            double where it halves; they stay where left out.
        correlation: Of every two coins whose covariance is not known.
        confidence: Of the intervals.
        shares: Of which quantiles of the time to liquidation are told.
    """

    way: Way = Way.AUTO
    paths: int | None = None
    steps: int = 48
    seed: int = 0
    points: Points = Points.RANDOM
    degrees: float | None = None
    growth: Mapping[str, float] = field(default_factory=dict)
    funding: Mapping[str, float] = field(default_factory=dict)
    borrow: Mapping[str, float] = field(default_factory=dict)
    implied: Mapping[str, float] = field(default_factory=dict)
    correlation: float | None = None
    confidence: float = 0.95
    shares: Sequence[float] = (0.05, 0.25, 0.5, 0.75, 0.95)

    def __post_init__(self) -> None:
        if self.steps < 1 or (self.paths is not None and self.paths < 4):  # noqa: PLR2004 two pairs
            msg = f"{self.paths} paths of {self.steps} steps; take 4 paths and one step at least"
            raise InvalidInput(msg)
        if self.correlation is not None and not -1.0 <= self.correlation <= 1.0:
            msg = f"a correlation of {self.correlation}; it lies between -1 and 1"
            raise InvalidInput(msg)
        if not all(0.0 < share < 1.0 for share in (self.confidence, *self.shares)):
            msg = "a confidence and the shares of quantiles lie between 0 and 1"
            raise InvalidInput(msg)
        for name in ("growth", "funding", "borrow", "implied"):
            for what, rate in getattr(self, name).items():
                if not isfinite(rate):
                    msg = f"{name} of {what} is {rate}; give a number"
                    raise InvalidInput(msg)


def default_paths(coins: int, units: int, *, are_lines: bool) -> int:
    """Return how many paths take a few seconds: a unit's step costs as the square of the coins."""
    if are_lines:
        return _even(PATHS * min(1.0, _COINS**2 / (coins**2 * units)))
    return _even(PATHS_REVALUED * min(1.0, _COINS_REVALUED / (coins * units)))


def _even(paths: float) -> int:
    return max(_PATHS_MIN, 2 * int(paths / 2.0))


def checked_horizons(horizons: Sequence[float]) -> tuple[float, ...]:
    """Return horizons in days, rising, each once.

    Raises:
        InvalidInput: There is none, or one is no number above zero.
    """
    if not horizons or not all(isfinite(days) and days > 0.0 for days in horizons):
        msg = f"horizons of {list(horizons)} days; give numbers above 0"
        raise InvalidInput(msg)
    return tuple(sorted(set(horizons)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Moves:
    """How coins move together.

    Attributes:
        coins: In the order of the matrix.
        covariance: Of log prices, a day.
        notes: What was assumed or repaired.
    """

    coins: tuple[str, ...]
    covariance: Array
    notes: tuple[str, ...]


def moves_of_law(law: ReturnModel, coins: tuple[str, ...]) -> Moves | Unknown:
    """Return that a law moves these coins; unknown where it has no column of one."""
    missing = [coin for coin in coins if coin not in law.coins]
    if missing:
        return Unknown(f"{law.source} has no returns of {', '.join(missing)}")
    columns = [law.coins.index(coin) for coin in coins]
    variance = law.variance[columns] / law.days
    return Moves(coins=coins, covariance=np.diag(variance), notes=law.notes)


def moves_of(
    known: Volatilities, coins: tuple[str, ...], correlation: float | None
) -> Moves | Unknown:
    """Return the covariance of coins; unknown where it is not at hand."""
    if not known.horizon.startswith(A_DAY):
        why = f"{known.source}: deviations are of {known.horizon}, not of a day"
        return Unknown(why)
    names = {coin: _named(known, coin) for coin in coins}
    missing = [coin for coin, name in names.items() if name is None]
    if missing:
        return Unknown(f"{known.source} has no volatility of {', '.join(missing)}")
    found = [name for name in names.values() if name is not None]
    deviations = np.array([known.by_coin[name] for name in found])
    wrong = [c for c, v in zip(coins, deviations, strict=True) if not (np.isfinite(v) and v > 0)]
    if wrong:
        return Unknown(f"{known.source}: the volatility of {', '.join(wrong)} is no number above 0")
    matrix = np.diag(deviations**2)
    assumed = False
    for i, one in enumerate(found):
        for j, other in enumerate(found[:i]):
            joint = known.covariance.get((one, other), known.covariance.get((other, one)))
            if joint is None and correlation is None:
                return Unknown(
                    f"{known.source} does not say how {coins[j]} and {coins[i]} move together; "
                    "give returns, or one correlation"
                )
            if joint is None and correlation is not None:
                joint = correlation * deviations[i] * deviations[j]
                assumed = True
            matrix[i, j] = matrix[j, i] = joint
    notes = [f"every two coins correlate by {correlation:g}, as given"] if assumed else []
    return Moves(coins=coins, covariance=matrix, notes=(*notes, *_indefinite(matrix)))


def _named(known: Volatilities, coin: str) -> str | None:
    """Return the name a coin goes by: its own, or a bundle of it."""
    if coin in known.by_coin:
        return coin
    return next((name for name in known.by_coin if coin_of(name)[0] == coin), None)


def _indefinite(matrix: Array) -> list[str]:
    """Return the note on a matrix that no coins can have."""
    values = np.linalg.eigvalsh(matrix) if len(matrix) else np.zeros(1)
    if float(values.min()) >= -_ROUNDING * float(values.max()):
        return []
    return ["the covariance has negative directions, which were taken as still"]
