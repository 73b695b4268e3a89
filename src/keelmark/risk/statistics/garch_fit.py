"""Maximum likelihood of a variance recursion: standardised data, exact gradients, named outcomes.

The likelihood and its derivatives come from one compiled pass. SLSQP moves the mean, the logarithm
of omega, the responses to rises and to falls, the weight of the last value and one over the degrees
of freedom. Short ways from three starts choose where to look; from there it begins anew where it
stopped until that gains nothing, and only then has a fit converged. All responses are at least zero
and alpha + gamma / 2 + beta is below one. For TARCH that is narrower than what is stationary; it is
the search `arch` makes, and a fit at its edge says so.
"""

import math
from dataclasses import dataclass, replace
from itertools import product

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
_OMEGA_MIN, _OMEGA_MAX = 1e-12, 10.0
_TOLERANCE = 1e-11
"""Of the mean log likelihood, for the optimiser and for what beginning anew may gain."""
_COARSE = 1e-6
"""Of the first ways, which choose where to look closely."""
_STEPS_MAX = 300
_ROUNDS_MAX = 8
_START_NUS = (4.0, 10.0)
_PERSISTENCES, _RESPONSES, _TILTS = (0.5, 0.9, 0.98), (0.03, 0.1, 0.2), (0.0, 0.5)
"""Of the points to start from; a tilt is the part of the response moved from rises to falls."""
_NORMAL = math.log(2.0 * math.pi) / 2.0

_MEAN, _OMEGA, _RISE, _FALL, _BETA, _TAIL = range(6)
"""Places in a point: mean, log omega, responses to rises and to falls, beta, 1 / nu (0: normal)."""


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
    best = None if warm is None else problem.settle(problem.point_of(warm, scale))
    if best is None or not best.is_settled:
        best = problem.settle(problem.climbed())
    return problem.fit_of(best, scale)


def log_density(z: Array, nu: float) -> Array:
    """Return the log density of variates of mean zero and variance one; `inf` is the normal law."""
    if math.isinf(nu):
        return np.asarray(-_NORMAL - 0.5 * z * z)
    return np.asarray(log_density_top(nu)[0] - 0.5 * (nu + 1.0) * np.log1p(z * z / (nu - 2.0)))


def log_density_top(nu: float) -> tuple[float, float]:
    """Return the log density of variance one at zero and its derivative by `nu`; 0 is normal."""
    if nu == 0.0:
        return -_NORMAL, 0.0
    digamma = scipy_module("special").digamma
    power = math.lgamma((nu + 1.0) / 2.0) - math.lgamma(nu / 2.0)
    slope = 0.5 * (digamma((nu + 1.0) / 2.0) - digamma(nu / 2.0) - 1.0 / (nu - 2.0))
    return power - 0.5 * math.log(math.pi * (nu - 2.0)), float(slope)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Outcome:
    """Where the optimiser came to rest, and whether it rests."""

    point: Array
    loss: float
    is_settled: bool
    message: str


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
        free = [_OMEGA, _RISE, _BETA]
        free += [] if model is GarchModel.GARCH else [_FALL]
        free += [_MEAN] if mean is Mean.CONSTANT else []
        free += [_TAIL] if innovations is Innovations.STUDENT_T else []
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

    @property
    def tails(self) -> tuple[float, ...]:
        return tuple(1.0 / nu for nu in _START_NUS) if _TAIL in self.free else (0.0,)

    @property
    def bounds(self) -> Array:
        every: Array = np.array(
            [
                (-10.0, 10.0),
                (math.log(_OMEGA_MIN), math.log(_OMEGA_MAX)),
                (0.0, 2.0),
                (0.0, 2.0),
                (0.0, 1.0),
                (1.0 / NU_MAX, 1.0 / NU_MIN),
            ]
        )
        return np.asarray(every[self.free])

    @property
    def held(self) -> Array:
        """What a point's free places are weighed with in alpha + gamma / 2 + beta."""
        both = 1.0 if self.is_symmetric else 0.5
        every: Array = np.array([0.0, 0.0, both, 0.5, 1.0, 0.0])
        return np.asarray(every[self.free])

    def starts(self) -> list[Array]:
        """Return the likeliest of a grid at each persistence: likelihoods have several tops."""
        mean = float(self.series.mean()) if self.mean is Mean.CONSTANT else 0.0
        found = []
        for persistence in _PERSISTENCES:
            points = []
            for response, tilt, tail in product(_RESPONSES, _TILTS, self.tails):
                rise, fall = response * (1.0 - tilt), response * (1.0 + tilt)
                omega, beta = math.log(1.0 - persistence), persistence - response
                points.append(np.array([mean, omega, rise, fall, beta, tail]))
            found.append(min(points, key=lambda point: self.loss(point)[0]))
        return found

    def climbed(self) -> Array:
        """Return the best of where short ways from the starts lead."""
        ways = [self._optimised(start, _COARSE) for start in self.starts()]
        return min(ways, key=lambda way: way[1])[0]

    def point_of(self, fit: GarchFit, scale: float) -> Array:
        """Return a fit as a point, within the bounds, for a series divided by `scale`."""
        omega = math.log(max(fit.omega / scale**self.model.power, _OMEGA_MIN))
        fall = fit.alpha + fit.gamma
        point = np.array([fit.mean / scale, omega, fit.alpha, fall, fit.beta, 1.0 / fit.nu])
        low, high = self.bounds.T
        found = np.zeros(6)
        found[self.free] = np.clip(point[self.free], low, high)
        return found

    def loss(self, point: Array) -> tuple[float, Array]:
        """Return the mean negative log likelihood at a point, and its gradient."""
        count = self.series.shape[0]
        mean, log_omega, rise, fall, beta, tail = (float(value) for value in point)
        fall = rise if self.is_symmetric else fall
        omega, nu = math.exp(log_omega), 1.0 / tail if tail else 0.0
        told = np.array([mean, omega, rise, fall - rise, beta, nu])
        slopes = np.empty(6)
        total = likelihood_kernel(self.series, told, self.start, self.model.power, slopes)
        slopes[_OMEGA] *= omega
        if not self.is_symmetric:
            slopes[_RISE] -= slopes[_FALL]
        top, top_slope = log_density_top(nu)
        total += count * top
        slopes[_TAIL] = -nu * nu * (slopes[_TAIL] + count * top_slope)
        return -total / count, -slopes / count

    def settle(self, start: Array) -> _Outcome:
        """Optimise from a point, and again from where that ends, until nothing is gained."""
        point, loss, message = start, self.loss(start)[0], ""
        for _ in range(_ROUNDS_MAX):
            found, reached, message = self._optimised(point, _TOLERANCE)
            gained = loss - reached
            if gained > 0.0:
                point, loss = found, reached
            if gained <= _TOLERANCE:
                return _Outcome(point=point, loss=loss, is_settled=not message, message=message)
        return _Outcome(point=point, loss=loss, is_settled=False, message=message)

    def _optimised(self, start: Array, tolerance: float) -> tuple[Array, float, str]:
        """Return the end of a way from a start, its loss, and what stopped it short if anything."""
        full, held = start.copy(), self.held
        limit = 1.0 if self.model.power == 1 else STATIONARY_MAX

        def loss(point: Array) -> tuple[float, Array]:
            full[self.free] = point
            value, slopes = self.loss(full)
            return value, slopes[self.free]

        answer = scipy_module("optimize").minimize(
            loss,
            start[self.free],
            jac=True,
            method="SLSQP",
            bounds=self.bounds,
            constraints={
                "type": "ineq",
                "fun": lambda point: limit - held @ point,
                "jac": lambda _: -held,
            },
            options={"maxiter": _STEPS_MAX, "ftol": tolerance},
        )
        found = start.copy()
        found[self.free] = np.clip(answer.x, *self.bounds.T)
        return found, float(answer.fun), "" if answer.success else str(answer.message)

    def fit_of(self, best: _Outcome, scale: float) -> GarchFit:
        """Return the fit of a point, in the units of the series that was divided by `scale`."""
        count = self.series.shape[0]
        mean, log_omega, rise, fall, beta, tail = (float(value) for value in best.point)
        fit = GarchFit(
            model=self.model,
            innovations=self.innovations,
            mean_kind=self.mean,
            mean=mean * scale,
            omega=math.exp(log_omega) * scale**self.model.power,
            alpha=rise,
            gamma=0.0 if self.is_symmetric else fall - rise,
            beta=beta,
            nu=1.0 / tail if tail else math.inf,
            log_likelihood=-best.loss * count - count * math.log(scale),
            observations=count,
            converged=best.is_settled,
        )
        return replace(fit, notes=tuple(_notes(fit, best.message)))


def _notes(fit: GarchFit, message: str) -> list[str]:
    notes = []
    response = fit.alpha + fit.gamma / 2.0
    if response < EDGE:
        notes.append("no response to returns was found: beta and omega alone mean little")
    if not fit.converged:
        notes.append(f"did not converge: {message}; do not rely on it")
    if response + fit.beta > STATIONARY_MAX - EDGE:
        edge = "alpha + gamma / 2 + beta at 1, the edge of the search"
        notes.append(edge if fit.model.power == 1 else f"{edge}: the variance has no level")
    if fit.nu < NU_MIN + EDGE:
        notes.append(f"{fit.nu:.2f} degrees of freedom, the fewest allowed: a variance barely is")
    if NU_NORMAL < fit.nu < math.inf:
        notes.append(
            f"{fit.nu:.0f} degrees of freedom: as good as normal, the figure means no more"
        )
    return notes
