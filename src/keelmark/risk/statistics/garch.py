"""GARCH(1,1), GJR-GARCH(1,1) and TARCH(1,1) fitted by maximum likelihood.

Source: Bollerslev (1986); Glosten, Jagannathan and Runkle (1993); Zakoian (1994). Conventions of
the recursion's start are those of the package `arch`, against which the fits are tested.
"""

import math
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from keelmark.risk.statistics.filters import filtered, start_of, stepped
from keelmark.risk.statistics.series import Array, series_of
from keelmark.risk.statistics.unknown import Unknown


class GarchModel(StrEnum):
    """Which recursion."""

    GARCH = "GARCH"
    GJR = "GJR-GARCH"
    TARCH = "TARCH"

    @property
    def power(self) -> int:
        """What of a return the recursion moves: 2 its square, 1 its size."""
        return 1 if self is GarchModel.TARCH else 2


class Innovations(StrEnum):
    """The law of a return over its deviation, of variance one."""

    NORMAL = "normal"
    STUDENT_T = "t"


class Mean(StrEnum):
    """What is taken from returns before."""

    ZERO = "zero"
    CONSTANT = "constant"


@dataclass(frozen=True, slots=True, kw_only=True)
class GarchFit:
    """A fitted recursion of one series.

    Attributes:
        model: Which recursion; its power says what `omega` is in.
        innovations: Law of the standardised returns.
        mean_kind: Whether a mean was fitted.
        mean: In units of the returns; zero where none was fitted.
        omega: Constant, returns to the model's power.
        alpha: Response to |e|**power.
        gamma: Further response where e < 0.
        beta: Weight of the last value.
        nu: Degrees of freedom; `inf` is the normal law.
        log_likelihood: Of the returns as given.
        observations: How many.
        converged: Whether the optimiser met its tolerance; where not, `notes` say what it said.
        notes: What to know of the fit: at the edge of what is stationary, of normal tails.
    """

    model: GarchModel
    innovations: Innovations
    mean_kind: Mean
    mean: float
    omega: float
    alpha: float
    gamma: float
    beta: float
    nu: float
    log_likelihood: float
    observations: int
    converged: bool
    notes: tuple[str, ...] = field(default=())

    @property
    def name(self) -> str:
        """What it is."""
        return f"{self.model}-{self.innovations}"

    @property
    def terms(self) -> Array:
        """omega, alpha, gamma, beta, (4,)."""
        return np.array([self.omega, self.alpha, self.gamma, self.beta])

    @property
    def size_mean(self) -> float:
        """E|z| of the innovations."""
        if math.isinf(self.nu):
            return math.sqrt(2.0 / math.pi)
        ratio = math.exp(math.lgamma((self.nu + 1.0) / 2.0) - math.lgamma(self.nu / 2.0))
        return 2.0 * ratio * math.sqrt((self.nu - 2.0) / math.pi) / (self.nu - 1.0)

    @property
    def persistence(self) -> float:
        """What of a variance above its level is there a period later; at 1 it has no level.

        GARCH and GJR: alpha + gamma / 2 + beta. TARCH: E[(alpha |z| + gamma |z| [z < 0] + beta)^2].
        """
        if self.model.power == 2:  # noqa: PLR2004
            return self.alpha + 0.5 * self.gamma + self.beta
        response = self.alpha + 0.5 * self.gamma
        square = self.alpha**2 + self.alpha * self.gamma + 0.5 * self.gamma**2
        return self.beta**2 + 2.0 * self.beta * response * self.size_mean + square

    @property
    def long_run_variance(self) -> float | Unknown:
        """Variance the forecasts return to; unknown where they return to none."""
        held = self.persistence
        if held >= 1.0:
            return Unknown(
                f"the {self.model} has persistence {held:.6f}: its variance has no level"
            )
        if self.model.power == 2:  # noqa: PLR2004
            return self.omega / (1.0 - held)
        drift = self.beta + (self.alpha + 0.5 * self.gamma) * self.size_mean
        return self.omega**2 * (1.0 + drift) / ((1.0 - drift) * (1.0 - held))

    def variances(self, returns: Array) -> Array:
        """Return the variance forecasts, (T,) to (T + 1,), the last for T + 1.

        Raises:
            InvalidInput: As `filters.filtered`.
        """
        panel = series_of(returns, least=2)[:, None]
        power = self.model.power
        start = start_of(centred(panel, self.mean_kind), power)
        return filtered(panel - self.mean, self.terms, power=power, start=start)[:, 0]

    def step(self, variance: Array, returns: Array) -> Array:
        """Return the variances (n,) after returns (n,) that had `variance` (n,)."""
        moves = (np.asarray(returns, dtype=np.float64) - self.mean)[:, None]
        return stepped(variance[:, None], moves, self.terms, power=self.model.power)[:, 0]


def centred(panel: Array, mean: Mean) -> Array:
    """Return returns (T, k), less the sample's means where a mean is taken, to start from."""
    return panel - panel.mean(axis=0) if mean is Mean.CONSTANT else panel
