"""Maximum likelihood of a variance recursion: standardised data, exact gradients, named outcomes.

The likelihood and its derivatives come from one compiled pass. SLSQP moves the mean, the constant,
the responses to rises and to falls, the weight of the last value and the degrees of freedom: all
responses are at least zero and alpha + gamma / 2 + beta stays below one. For TARCH that is narrower
than what is stationary; it is the search `arch` makes, and a fit at its edge says so.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from keelmark.risk.statistics.filters import start_of
from keelmark.risk.statistics.garch import GarchFit, GarchModel, Innovations, Mean, centred
from keelmark.risk.statistics.library import scipy_module
from keelmark.risk.statistics.recursions import likelihood_kernel
from keelmark.risk.statistics.series import Array, series_of

FIT_OBSERVATIONS_MIN = 100
"""Fewer say next to nothing of a persistence near one."""
NU_MIN, NU_MAX = 2.05, 500.0
NU_NORMAL = 100.0
"""Above it the likelihood hardly changes."""
STATIONARY_MAX = 1.0 - 1e-6
EDGE = 1e-4
"""Nearer than this to the edge of what is allowed, a fit is said to lie at it."""
_OMEGA_MIN = 1e-8
_TOLERANCE = 1e-9
_STEPS_MAX = 300
_START_NU = 6.0
_STARTS = tuple(product((0.5, 0.9, 0.98), (0.03, 0.1, 0.2), (0.0, 0.5)))
"""Persistence, response, and the part of it that falls alone have."""
_NORMAL = math.log(2.0 * math.pi) / 2.0

_MEAN, _OMEGA, _RISE, _FALL, _BETA, _NU = range(6)
"""Places in the optimiser's point: its responses are to rises and to falls."""
_RESPONSES = np.array([0.0, 0.0, 0.5, 0.5, 1.0, 0.0])


def fit_garch(
    returns: Array,
    model: GarchModel = GarchModel.GJR,
    innovations: Innovations = Innovations.STUDENT_T,
    *,
    mean: Mean = Mean.ZERO,
    warm: GarchFit | None = None,
    name: str = "returns",
) -> GarchFit:
    """Return the maximum likelihood fit of one series.

    Args:
        returns: Shape (T,), any unit; at least 100.
        model: Which recursion.
        innovations: Law of the standardised returns.
        mean: Whether a mean is fitted too.
        warm: A fit of the same model on nearly the same series, to start from.
        name: Of the series, in messages.

    Raises:
        InvalidInput: Too short, gaps, or no variance.
        MissingExtra: scipy is not installed.

    Source: docs/model.md, "Variance filters".
    """
    series = series_of(returns, least=FIT_OBSERVATIONS_MIN, what=name)
    scale = float(series.std())
    problem = _Problem.of(series / scale, model, innovations, mean)
    starts = [problem.grid_start()] if warm is None else [problem.point_of(warm, scale)]
    answer = problem.solve(starts[0])
    if not answer.success:
        again = problem.solve(problem.grid_start(nu=2.0 * _START_NU))
        answer = again if again.success or again.fun < answer.fun else answer
    return problem.fit_of(answer, scale)


def log_density(z: Array, nu: float) -> Array:
    """Return the log density of variates of mean zero and variance one; `inf` is the normal law."""
    if math.isinf(nu):
        return np.asarray(-_NORMAL - 0.5 * z * z)
    return np.asarray(_t_constant(nu) - 0.5 * (nu + 1.0) * np.log1p(z * z / (nu - 2.0)))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Problem:
    """One fit of a series of variance one: what is free, and the bounds."""

    series: Array
    model: GarchModel
    innovations: Innovations
    mean: Mean
    start: float
    free: Array
    """Places of the point that the optimiser moves."""

    @classmethod
    def of(
        cls, series: Array, model: GarchModel, innovations: Innovations, mean: Mean
    ) -> "_Problem":
        free = [_OMEGA, _RISE, _FALL, _BETA]
        free += [_MEAN] if mean is Mean.CONSTANT else []
        free += [_NU] if innovations is Innovations.STUDENT_T else []
        start = float(start_of(centred(series[:, None], mean), model.power)[0])
        return cls(
            series=series,
            model=model,
            innovations=innovations,
            mean=mean,
            start=max(start, _OMEGA_MIN),
            free=np.array(sorted(free)),
        )

    @property
    def is_symmetric(self) -> bool:
        return self.model is GarchModel.GARCH

    def bounds(self) -> list[tuple[float, float]]:
        far = 10.0
        every = [
            (-far, far),
            (_OMEGA_MIN, far),
            (0.0, 2.0),
            (0.0, 2.0),
            (0.0, 1.0),
            (NU_MIN, NU_MAX),
        ]
        return [every[place] for place in self.free]

    def grid_start(self, nu: float = _START_NU) -> Array:
        """Return the likeliest of a few points, the way `arch` begins."""
        points = []
        for persistence, response, tilt in _STARTS:
            if self.is_symmetric and tilt:
                continue
            point = np.zeros(6)
            point[_MEAN] = self.series.mean() if self.mean is Mean.CONSTANT else 0.0
            point[_OMEGA] = 1.0 - persistence
            point[_RISE], point[_FALL] = response * (1.0 - tilt), response * (1.0 + tilt)
            point[_BETA] = persistence - response
            point[_NU] = nu if self.innovations is Innovations.STUDENT_T else 0.0
            points.append(point)
        return min(points, key=lambda point: self.loss(point)[0])

    def point_of(self, fit: GarchFit, scale: float) -> Array:
        """Return a fit as a point, within the bounds, for a series divided by `scale`."""
        nu = 0.0 if math.isinf(fit.nu) else fit.nu
        omega = fit.omega / scale**self.model.power
        point = np.array([fit.mean / scale, omega, fit.alpha, fit.alpha + fit.gamma, fit.beta, nu])
        if self.innovations is Innovations.STUDENT_T and nu == 0.0:
            point[_NU] = _START_NU
        low, high = np.array(self.bounds()).T
        point[self.free] = np.clip(point[self.free], low, high)
        return point

    def loss(self, point: Array) -> tuple[float, Array]:
        """Return the mean negative log likelihood at a point (6,), and its gradient."""
        count = self.series.shape[0]
        rise, fall, nu = point[_RISE], point[_FALL], point[_NU]
        told = np.array([point[_MEAN], point[_OMEGA], rise, fall - rise, point[_BETA], nu])
        slopes = np.empty(6)
        total = likelihood_kernel(self.series, told, self.start, self.model.power, slopes)
        slopes[_RISE] -= slopes[_FALL]
        if nu:
            total += count * _t_constant(nu)
            slopes[_NU] += count * _t_constant_slope(nu)
        else:
            total -= count * _NORMAL
        return -total / count, -slopes / count

    def solve(self, start: Array) -> Any:  # noqa: ANN401 scipy's OptimizeResult
        full = start.copy()

        def loss(point: Array) -> tuple[float, Array]:
            full[self.free] = point
            value, slopes = self.loss(full)
            return value, slopes[self.free]

        return scipy_module("optimize").minimize(
            loss,
            start[self.free],
            jac=True,
            method="SLSQP",
            bounds=self.bounds(),
            constraints=list(self.constraints()),
            options={"maxiter": _STEPS_MAX, "ftol": _TOLERANCE},
        )

    def constraints(self) -> list[dict[str, Any]]:
        held = _RESPONSES[self.free]
        found = [_linear("ineq", lambda point: STATIONARY_MAX - held @ point, -held)]
        if self.is_symmetric:
            apart = ((self.free == _FALL) * 1.0) - (self.free == _RISE)
            found.append(_linear("eq", lambda point: apart @ point, apart))
        return found

    def fit_of(self, answer: Any, scale: float) -> GarchFit:  # noqa: ANN401 OptimizeResult
        point = np.zeros(6)
        point[self.free] = answer.x
        count = self.series.shape[0]
        fall = point[_RISE] if self.is_symmetric else point[_FALL]
        return GarchFit(
            model=self.model,
            innovations=self.innovations,
            mean_kind=self.mean,
            mean=float(point[_MEAN] * scale),
            omega=float(point[_OMEGA] * scale**self.model.power),
            alpha=float(point[_RISE]),
            gamma=float(fall - point[_RISE]),
            beta=float(point[_BETA]),
            nu=float(point[_NU]) if point[_NU] else math.inf,
            log_likelihood=float(-answer.fun * count - count * math.log(scale)),
            observations=count,
            converged=bool(answer.success),
            notes=tuple(_notes(answer, self.model, point)),
        )


def _linear(kind: str, value: Callable[[Array], float], slope: Array) -> dict[str, Any]:
    return {"type": kind, "fun": value, "jac": lambda _: slope}


def _notes(
    answer: Any,  # noqa: ANN401 scipy's OptimizeResult
    model: GarchModel,
    point: Array,
) -> list[str]:
    notes = []
    held, nu = float(_RESPONSES @ point), float(point[_NU])
    if held - point[_BETA] < EDGE:
        notes.append("no response to returns was found: beta and omega alone mean little")
    if not answer.success:
        notes.append(f"did not converge after {answer.nit} steps: {answer.message}")
    if held > STATIONARY_MAX - EDGE:
        edge = "alpha + gamma / 2 + beta at 1, the edge of the search"
        notes.append(edge if model.power == 1 else f"{edge}: the variance has no level")
    if nu and nu < NU_MIN + EDGE:
        notes.append(f"{nu:.2f} degrees of freedom, the fewest allowed: a variance barely exists")
    if nu > NU_NORMAL:
        notes.append(f"{nu:.0f} degrees of freedom: as good as normal, the figure means no more")
    return notes


def _t_constant(nu: float) -> float:
    power = math.lgamma((nu + 1.0) / 2.0) - math.lgamma(nu / 2.0)
    return power - 0.5 * math.log(math.pi * (nu - 2.0))


def _t_constant_slope(nu: float) -> float:
    digamma = scipy_module("special").digamma
    return float(0.5 * (digamma((nu + 1.0) / 2.0) - digamma(nu / 2.0) - 1.0 / (nu - 2.0)))
