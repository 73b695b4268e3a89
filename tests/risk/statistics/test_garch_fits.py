"""Fitted variance recursions against published figures, against `arch`, and against their laws."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keelmark.book.kernels.jit import plain
from keelmark.core.errors import InvalidInput, MissingExtra
from keelmark.risk.statistics import (
    GarchFilter,
    GarchFit,
    GarchModel,
    Innovations,
    Mean,
    Unknown,
    fit_filter,
    fit_garch,
    library,
)
from keelmark.risk.statistics.garch_fit import log_density
from keelmark.risk.statistics.recursions import likelihood_kernel
from keelmark.risk.statistics.series import Array

NORMAL, STUDENT = Innovations.NORMAL, Innovations.STUDENT_T
ALL = [(model, law) for model in GarchModel for law in Innovations]


def fit_of(**terms: float) -> GarchFit:
    """A GJR with the given terms, as if it had been fitted."""
    told = {"omega": 0.02, "alpha": 0.05, "gamma": 0.06, "beta": 0.88, "nu": 6.0, "mean": 0.0}
    told.update(terms)
    return GarchFit(
        model=GarchModel.GJR,
        innovations=NORMAL if math.isinf(told["nu"]) else STUDENT,
        mean_kind=Mean.ZERO,
        log_likelihood=0.0,
        observations=0,
        converged=True,
        **told,  # type: ignore[arg-type]  # floats only
    )


def simulated(fit: GarchFit, rows: int, seed: int, columns: int = 1) -> Array:
    """Draw returns step by step from a fit, (rows, columns)."""
    draw = np.random.default_rng(seed)
    shape = (rows, columns)
    z = draw.standard_normal(shape)
    if not math.isinf(fit.nu):
        z = draw.standard_t(fit.nu, shape) * math.sqrt((fit.nu - 2) / fit.nu)
    level = fit.long_run_variance
    assert isinstance(level, float)
    variance, returns = np.full(columns, level), np.empty(shape)
    for row in range(rows):
        returns[row] = fit.mean + np.sqrt(variance) * z[row]
        variance = fit.step(variance, returns[row])
    return returns


@pytest.mark.parametrize(
    ("model", "law", "expected", "terms"),
    [
        (GarchModel.GARCH, NORMAL, -6936.718, {"omega": 0.0175, "alpha": 0.1022, "beta": 0.8852}),
        (GarchModel.GJR, NORMAL, -6822.883, {"alpha": 0.0, "gamma": 0.1831, "beta": 0.8922}),
        (GarchModel.TARCH, NORMAL, -6799.179, {}),
        (GarchModel.TARCH, STUDENT, -6722.151, {"nu": 7.955}),
    ],
)
def test_the_published_fits_of_the_sp500_sample_are_reproduced(
    model: GarchModel, law: Innovations, expected: float, terms: dict[str, float]
) -> None:
    sp500 = pytest.importorskip("arch.data.sp500")
    returns = 100 * sp500.load()["Adj Close"].pct_change().dropna().to_numpy()
    fit = fit_garch(returns, model, law, mean=Mean.CONSTANT)
    assert fit.converged
    assert fit.log_likelihood == pytest.approx(expected, abs=0.001)
    for name, value in terms.items():
        assert getattr(fit, name) == pytest.approx(value, abs=1e-4 if name != "nu" else 1e-3)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize(("model", "law"), ALL)
@pytest.mark.parametrize("mean", list(Mean))
def test_fits_are_as_likely_as_those_of_arch_and_filter_alike(
    model: GarchModel, law: Innovations, mean: Mean, seed: int
) -> None:
    arch = pytest.importorskip("arch")
    returns = simulated(fit_of(nu=5.0, mean=0.05), 1_000, seed)[:, 0]
    shape = {"o": 0 if model is GarchModel.GARCH else 1, "power": float(model.power)}
    oracle = arch.arch_model(returns, mean=mean.value, dist=law.value, rescale=False, **shape)
    theirs = oracle.fit(disp="off")
    ours = fit_garch(returns, model, law, mean=mean)
    assert ours.log_likelihood > theirs.loglikelihood - 1e-3
    names = {"omega": ours.omega, "alpha[1]": ours.alpha, "beta[1]": ours.beta}
    names |= {"gamma[1]": ours.gamma} if shape["o"] else {}
    names |= {"mu": ours.mean} if mean is Mean.CONSTANT else {}
    names |= {"nu": ours.nu} if law is STUDENT else {}
    fixed = oracle.fix([names[name] for name in theirs.params.index])
    assert ours.log_likelihood == pytest.approx(fixed.loglikelihood, abs=1e-7)
    variance = ours.variances(returns)
    np.testing.assert_allclose(variance[:-1], fixed.conditional_volatility**2, rtol=1e-9)
    ahead = fixed.forecast(horizon=1).variance.to_numpy()[-1, 0]
    assert variance[-1] == pytest.approx(ahead, rel=1e-9)


def hard_series(kind: str, seed: int) -> Array:
    """Returns on which one search from one start ends far below the top."""
    draw = np.random.default_rng(seed)
    returns = draw.standard_t(2.2, 800)
    if kind == "one crash":
        returns = draw.standard_t(5, 800)
        returns[400] = 300.0
    elif kind == "ticks":
        returns = np.round(draw.standard_t(3, 800) * 0.7)
    elif kind == "rising":
        returns = returns * np.exp(np.linspace(-3, 3, 800))
    return returns * 0.01


@pytest.mark.parametrize("kind", ["heavy", "one crash", "ticks", "rising"])
@pytest.mark.parametrize("model", list(GarchModel))
def test_hard_series_are_fitted_as_well_as_arch_fits_them(kind: str, model: GarchModel) -> None:
    arch = pytest.importorskip("arch")
    shape = {"o": 0 if model is GarchModel.GARCH else 1, "power": float(model.power)}
    compared = 0
    for seed in range(3):
        returns = hard_series(kind, seed)
        scale = returns.std()
        oracle = arch.arch_model(returns / scale, mean="Zero", dist="t", rescale=False, **shape)
        theirs = oracle.fit(disp="off", show_warning=False)
        if theirs.convergence_flag == 0:
            compared += 1
            ours = fit_garch(returns, model)
            assert ours.converged
            likelihood = ours.log_likelihood + 800 * math.log(scale)
            assert likelihood > theirs.loglikelihood - 0.02
    assert compared


def test_a_likelihood_without_a_top_is_said_not_to_converge() -> None:
    draw = np.random.default_rng(1)
    returns = draw.standard_t(5, 1_000) * (draw.random(1_000) < 0.1)  # nine days in ten stand still
    fit = fit_garch(returns)
    assert not fit.converged
    assert any("did not converge" in note for note in fit.notes)


@given(st.integers(0, 2**31), st.sampled_from([1, 2]), st.sampled_from([0.0, 3.0, 8.0]))
@settings(max_examples=25)
def test_the_gradient_is_that_of_the_likelihood(seed: int, power: int, nu: float) -> None:
    draw = np.random.default_rng(seed)
    returns = draw.standard_normal(150)
    point = np.array([0.02, 0.1, 0.06, 0.05, 0.8, nu])
    slopes, unused = np.empty(6), np.empty(6)
    likelihood_kernel(returns, point, 0.9, power, slopes)
    for place in range(6 if nu else 5):
        step = np.zeros(6)
        step[place] = 1e-6
        above = likelihood_kernel(returns, point + step, 0.9, power, unused)
        below = likelihood_kernel(returns, point - step, 0.9, power, unused)
        assert slopes[place] == pytest.approx((above - below) / 2e-6, rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("power", [1, 2])
@pytest.mark.parametrize("nu", [0.0, 5.0])
def test_the_plain_likelihood_is_the_compiled_one_and_the_sum_of_log_densities(
    power: int, nu: float
) -> None:
    returns = np.random.default_rng(3).standard_normal(120)
    point = np.array([0.02, 0.1, 0.06, 0.05, 0.8, nu])
    slopes = np.empty((2, 6))
    total = likelihood_kernel(returns, point, 0.9, power, slopes[0])
    assert plain(likelihood_kernel)(returns, point, 0.9, power, slopes[1]) == pytest.approx(total)
    np.testing.assert_allclose(slopes[0], slopes[1], rtol=1e-9)
    h, expected = 0.1 + (0.06 + 0.025 + 0.8) * 0.9, 0.0
    for r in returns:
        e, deviation = r - 0.02, h ** (1 / power)
        z = np.array([e / deviation])
        expected += float(log_density(z, nu or math.inf)[0]) - math.log(deviation)
        h = 0.1 + (0.11 if e < 0 else 0.06) * abs(e) ** power + 0.8 * h
    constant = 120 * float(log_density(np.zeros(1), nu or math.inf)[0])
    assert total + constant == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("nu", [3.0, 6.0, math.inf])
def test_densities_are_of_variance_one(nu: float) -> None:
    z = np.linspace(-400.0, 400.0, 2_000_001)
    density = np.exp(log_density(z, nu))
    assert np.trapezoid(density, z) == pytest.approx(1.0, abs=1e-6)
    tail = 1e-2 if nu == 3.0 else 1e-6
    assert np.trapezoid(density * z * z, z) == pytest.approx(1.0, abs=tail)
    assert np.trapezoid(density * np.abs(z), z) == pytest.approx(fit_of(nu=nu).size_mean, abs=1e-4)


@pytest.mark.parametrize("model", list(GarchModel))
def test_simulated_paths_have_the_long_run_variance(model: GarchModel) -> None:
    terms = {"alpha": 0.05, "gamma": 0.0 if model is GarchModel.GARCH else 0.06, "beta": 0.85}
    told = fit_of(**terms, nu=12.0)
    fit = GarchFit(**{name: getattr(told, name) for name in told.__slots__} | {"model": model})
    level = fit.long_run_variance
    assert isinstance(level, float)
    returns = simulated(fit, 2_000, seed=5, columns=200)
    by_path = (returns**2).mean(axis=0)
    error = by_path.std(ddof=1) / math.sqrt(len(by_path))
    assert abs(by_path.mean() - level) < 4 * error
    assert error < 0.02 * level


@pytest.mark.parametrize("model", list(GarchModel))
def test_a_long_simulated_series_gives_its_terms_back(model: GarchModel) -> None:
    terms = {"alpha": 0.05, "gamma": 0.0 if model is GarchModel.GARCH else 0.08, "beta": 0.87}
    told = fit_of(**terms, nu=6.0)
    truth = GarchFit(**{name: getattr(told, name) for name in told.__slots__} | {"model": model})
    fit = fit_garch(simulated(truth, 40_000, seed=8)[:, 0], model)
    assert fit.converged
    assert fit.beta == pytest.approx(truth.beta, abs=0.02)
    assert fit.alpha + fit.gamma / 2 == pytest.approx(truth.alpha + truth.gamma / 2, abs=0.015)
    assert fit.nu == pytest.approx(6.0, abs=0.5)


@pytest.mark.parametrize(("model", "law"), ALL)
def test_a_fit_does_not_depend_on_the_unit_of_returns(model: GarchModel, law: Innovations) -> None:
    returns = simulated(fit_of(), 1_000, seed=2)[:, 0]
    fit, scaled = fit_garch(returns, model, law), fit_garch(returns / 100, model, law)
    np.testing.assert_allclose(scaled.terms[1:], fit.terms[1:], atol=1e-6)
    assert scaled.omega * 100**model.power == pytest.approx(fit.omega, rel=1e-5)
    assert scaled.log_likelihood - 1_000 * math.log(100) == pytest.approx(fit.log_likelihood)


def test_a_warm_start_ends_where_a_cold_one_does() -> None:
    returns = simulated(fit_of(), 1_500, seed=3, columns=4)
    before = fit_filter(returns[:-20])
    warm, cold = fit_filter(returns, warm=before), fit_filter(returns)
    np.testing.assert_allclose(
        [fit.log_likelihood for fit in warm.fits],
        [fit.log_likelihood for fit in cold.fits],
        atol=1e-3,
    )


def test_a_filter_of_fits_filters_and_steps_each_column_by_its_own() -> None:
    returns = simulated(fit_of(mean=0.1), 400, seed=4, columns=3)
    found = fit_filter(returns, mean=Mean.CONSTANT, names=("BTC", "ETH", "SOL"))
    variance = found.variances(returns)
    for column, fit in enumerate(found.fits):
        np.testing.assert_allclose(variance[:, column], fit.variances(returns[:, column]))
    np.testing.assert_allclose(found.step(variance[:-1], returns), variance[1:], rtol=1e-12)
    assert found.name == "GJR-GARCH-t"


def test_a_variance_that_has_no_level_says_so() -> None:
    level = fit_of(alpha=0.1, gamma=0.1, beta=0.85).long_run_variance
    assert isinstance(level, Unknown)
    assert str(level).startswith("unknown: the GJR-GARCH has persistence 1.0000")


def test_a_fit_at_the_edge_of_what_is_stationary_says_so() -> None:
    draw = np.random.default_rng(6)
    returns = draw.standard_normal(800) * np.exp(np.linspace(-6, 2, 800))
    filtered = fit_filter(returns[:, None], GarchModel.GARCH, NORMAL, names=("PEPE",))
    assert any("PEPE: alpha + gamma / 2 + beta at 1" in note for note in filtered.notes)


def test_returns_without_tails_or_clusters_are_told_so() -> None:
    returns = np.random.default_rng(11).uniform(-1, 1, 3_000)
    fit = fit_garch(returns, GarchModel.GARCH)
    assert any("as good as normal" in note for note in fit.notes)
    assert any("no response to returns" in note for note in fit.notes)


@pytest.mark.parametrize(
    ("returns", "told"),
    [
        (np.arange(99.0), "BTC: 99 observations, 100 are needed"),
        (np.full(200, 0.01), "BTC is 0.01 in all 200 observations"),
        (np.r_[np.arange(150.0), np.inf], "BTC: inf at observation 150"),
        (np.zeros((200, 2)), "give one series"),
    ],
)
def test_what_no_fit_takes_is_named(returns: Array, told: str) -> None:
    with pytest.raises(InvalidInput, match=told):
        fit_garch(returns, name="BTC")


def test_a_filter_of_different_models_or_names_is_refused() -> None:
    returns = simulated(fit_of(), 200, seed=4)[:, 0]
    fits = fit_garch(returns, GarchModel.GJR), fit_garch(returns, GarchModel.TARCH)
    with pytest.raises(InvalidInput, match="several models"):
        GarchFilter(fits=fits, names=("a", "b"))
    with pytest.raises(InvalidInput, match="2 names for 1 columns"):
        GarchFilter(fits=fits[:1], names=("a", "b"))


def test_a_missing_scipy_names_its_install_command(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(library, "import_module", missing)
    with pytest.raises(MissingExtra, match=r"pip install 'keelmark\[risk\]'"):
        fit_garch(np.random.default_rng(1).standard_normal(200))
