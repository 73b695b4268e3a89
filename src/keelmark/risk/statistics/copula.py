"""The Student t copula: how returns fall together, apart from how each falls.

Source: Demarta and McNeil, International Statistical Review 73 (2005) 111-129; McNeil, Frey and
Embrechts, Quantitative Risk Management (2015), sections 7.3 and 7.5.
"""

import math
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from keelmark.core.errors import InvalidInput
from keelmark.risk.statistics.correlations import correlation_matrix_of
from keelmark.risk.statistics.library import scipy_module
from keelmark.risk.statistics.nearest import nearest_psd, root_of
from keelmark.risk.statistics.series import Array, panel_of
from keelmark.risk.statistics.unknown import Unknown

FIT_OBSERVATIONS_MIN = 100
NU_MIN, NU_MAX, NU_NORMAL = 1.0, 200.0, 100.0
EIGENVALUE_MIN = 1e-6
"""Of the correlations of a fit, so that they have an inverse."""
_STEP = 0.05
"""In log nu, for the curvature of its profile."""


class Ranks(NamedTuple):
    """Where each return stands among those of its column.

    Attributes:
        values: Shape (T, k), ranks over T + 1: strictly between 0 and 1; ties share their mean.
        ties: Share of the returns that are tied with another of their column.
    """

    values: Array
    ties: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TCopula:
    """A t copula.

    Attributes:
        correlation: Shape (k, k), of the normal variates beneath.
        nu: Degrees of freedom, above 0; the fewer, the likelier are falls of all at once. `inf` is
            the normal copula.
    """

    correlation: Array
    nu: float

    def __post_init__(self) -> None:
        correlation_matrix_of(self.correlation)
        if not self.nu > 0.0:
            msg = f"{self.nu} degrees of freedom; give a number above 0"
            raise InvalidInput(msg)

    def variates(self, generator: np.random.Generator, count: int) -> Array:
        """Draw t variates of `nu` degrees of freedom with this dependence, (count, k)."""
        normal = generator.standard_normal((count, self.correlation.shape[0]))
        joint = normal @ root_of(self.correlation).T
        if math.isinf(self.nu):
            return np.asarray(joint)
        common = generator.chisquare(self.nu, count) / self.nu
        return np.asarray(joint / np.sqrt(common)[:, None])

    def sample(self, generator: np.random.Generator, count: int) -> Array:
        """Draw uniforms with this dependence, (count, k), strictly between 0 and 1.

        Raises:
            MissingExtra: scipy is not installed.
        """
        special, variates = scipy_module("special"), self.variates(generator, count)
        found = special.ndtr(variates) if math.isinf(self.nu) else special.stdtr(self.nu, variates)
        edge = np.finfo(np.float64).eps / 2.0
        return np.asarray(np.clip(found, edge, 1.0 - edge))

    @property
    def tail_dependence(self) -> Array:
        """Chance that one column is in its far tail when another is, (k, k)."""
        count = self.correlation.shape[0]
        found = np.ones((count, count))
        for i in range(count):
            for j in range(i):
                found[i, j] = found[j, i] = tail_dependence(self.nu, float(self.correlation[i, j]))
        return found


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TCopulaFit:
    """A fitted t copula.

    Attributes:
        copula: The likeliest.
        nu_error: Standard error of nu from the curvature of its profile, correlations given.
        log_likelihood: Of the ranks.
        observations: Rows fitted.
        notes: What to know of the fit: correlations repaired, ties, an edge of the search.
    """

    copula: TCopula
    nu_error: float | Unknown
    log_likelihood: float
    observations: int
    notes: tuple[str, ...] = field(default=())


def tail_dependence(nu: float, rho: float) -> float:
    """Return 2 t_{nu + 1}(-sqrt((nu + 1)(1 - rho) / (1 + rho))), upper and lower alike.

    Raises:
        InvalidInput: A correlation outside -1 to 1, or no degrees of freedom.
        MissingExtra: scipy is not installed.
    """
    if not (-1.0 <= rho <= 1.0 and nu > 0.0):
        msg = f"{nu} degrees of freedom and a correlation of {rho}; above 0, and from -1 to 1"
        raise InvalidInput(msg)
    if rho == 1.0:
        return 1.0
    if rho == -1.0 or math.isinf(nu):
        return 0.0
    at = -math.sqrt((nu + 1.0) * (1.0 - rho) / (1.0 + rho))
    return float(2.0 * scipy_module("special").stdtr(nu + 1.0, at))


def ranks_of(returns: Array) -> Ranks:
    """Return the ranks of returns (T, k) over T + 1.

    Raises:
        InvalidInput: As `panel_of`.
        MissingExtra: scipy is not installed.
    """
    panel = panel_of(returns, least=2)
    values = scipy_module("stats").rankdata(panel, axis=0) / (panel.shape[0] + 1.0)
    ordered = np.sort(panel, axis=0)
    equal = np.zeros((panel.shape[0] + 1, panel.shape[1]), dtype=bool)
    equal[1:-1] = ordered[1:] == ordered[:-1]
    return Ranks(np.asarray(values), float((equal[1:] | equal[:-1]).mean()))


def kendall_correlation(returns: Array) -> Array:
    """Return sin(pi / 2 * tau) of each pair, (k, k), of returns (T, k); ties by tau-b.

    The correlation of the t (and normal) copula with that Kendall tau. The matrix may have a small
    negative eigenvalue: `nearest_psd` repairs it.

    Raises:
        InvalidInput: As `panel_of`.
        MissingExtra: scipy is not installed.
    """
    panel = panel_of(returns, least=2)
    tau = scipy_module("stats").kendalltau
    count = panel.shape[1]
    found = np.eye(count)
    for i in range(count):
        for j in range(i):
            statistic = tau(panel[:, i], panel[:, j], method="asymptotic").statistic
            found[i, j] = found[j, i] = math.sin(math.pi / 2.0 * statistic)
    return found


def fit_t_copula(returns: Array) -> TCopulaFit:
    """Return the t copula of returns (T, k): correlations by Kendall's tau, then the likeliest nu.

    Any increasing change of a column leaves the fit as it is, so returns, standardised returns and
    uniforms will do.

    Raises:
        InvalidInput: One column, fewer than 100 rows, or gaps.
        MissingExtra: scipy is not installed.
    """
    panel = panel_of(returns, least=FIT_OBSERVATIONS_MIN)
    if panel.shape[1] < 2:  # noqa: PLR2004 a pair
        msg = "one column has no dependence; give two"
        raise InvalidInput(msg)
    ranks = ranks_of(panel)
    repaired = nearest_psd(kendall_correlation(panel), eigenvalue_min=EIGENVALUE_MIN)
    profile = _Profile.of(ranks.values, repaired.matrix)
    bounds = math.log(NU_MIN), math.log(NU_MAX)
    answer = scipy_module("optimize").minimize_scalar(
        lambda place: -profile.log_likelihood(math.exp(place)),
        bounds=bounds,
        method="bounded",
        options={"xatol": 1e-5},
    )
    nu = math.exp(answer.x)
    return TCopulaFit(
        copula=TCopula(correlation=repaired.matrix, nu=nu),
        nu_error=profile.error(nu),
        log_likelihood=-float(answer.fun),
        observations=panel.shape[0],
        notes=tuple(_notes(nu, ranks.ties, repaired.note)),
    )


def t_copula_log_likelihood(uniforms: Array, copula: TCopula) -> float:
    """Return the log likelihood of uniforms (T, k), each strictly between 0 and 1.

    Raises:
        MissingExtra: scipy is not installed.
    """
    return _Profile.of(uniforms, copula.correlation).log_likelihood(copula.nu)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Profile:
    """The likelihood by nu: ranks take few values, whose quantiles are found once for each nu."""

    values: Array
    places: npt.NDArray[np.intp]
    whitening: Array
    log_determinant: float

    @classmethod
    def of(cls, uniforms: Array, correlation: Array) -> "_Profile":
        values, places = np.unique(uniforms, return_inverse=True)
        root = np.linalg.cholesky(correlation)
        return cls(
            values=values,
            places=places.reshape(uniforms.shape),
            whitening=np.linalg.inv(root).T,
            log_determinant=2.0 * float(np.log(np.diagonal(root)).sum()),
        )

    def log_likelihood(self, nu: float) -> float:
        quantiles = scipy_module("special").stdtrit(nu, self.values)
        own = np.log1p(quantiles**2 / nu)[self.places].sum()
        joint = np.log1p(((quantiles[self.places] @ self.whitening) ** 2).sum(axis=1) / nu).sum()
        rows, count = self.places.shape
        constant = math.lgamma((nu + count) / 2.0) + (count - 1.0) * math.lgamma(nu / 2.0)
        constant -= count * math.lgamma((nu + 1.0) / 2.0) + 0.5 * self.log_determinant
        return float(rows * constant - 0.5 * (nu + count) * joint + 0.5 * (nu + 1.0) * own)

    def error(self, nu: float) -> float | Unknown:
        low, high = nu * math.exp(-_STEP), nu * math.exp(_STEP)
        if low < NU_MIN or high > NU_MAX:
            return Unknown(f"{nu:.1f} degrees of freedom are at the edge of the search")
        middle = self.log_likelihood(nu)
        bend = (2.0 * middle - self.log_likelihood(low) - self.log_likelihood(high)) / _STEP**2
        if bend <= 0.0:
            return Unknown("the likelihood does not bend at the degrees of freedom found")
        return nu / math.sqrt(bend)


def _notes(nu: float, ties: float, repair: str | None) -> list[str]:
    notes = [] if repair is None else [repair]
    if ties > 0.0:
        notes.append(f"{ties:.1%} of returns are tied; they share a rank")
    if nu > NU_NORMAL:
        notes.append(f"{nu:.0f} degrees of freedom: falls together as under a normal copula")
    if nu < NU_MIN * 1.01:
        notes.append(f"{nu:.2f} degrees of freedom, the edge of the search")
    return notes
