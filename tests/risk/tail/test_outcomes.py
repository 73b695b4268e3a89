"""How much a short history can tell: one step of past shocks has no more outcomes than shocks."""

from dataclasses import replace

import numpy as np
import pytest

from keelmark.core.errors import InvalidInput
from keelmark.risk.scenarios.filtered import filtered, filtered_historical
from keelmark.risk.scenarios.parametric import copula_law
from keelmark.risk.scenarios.pegged import with_pegs
from keelmark.risk.statistics import Unknown
from keelmark.risk.tail import Method, RiskBook, RiskOptions, risk_of, simulated
from keelmark.risk.tail.document import risk_document
from keelmark.risk.tail.measures import TailRisk, tail_risk
from tests.risk.tail.test_account_risk import account_of, history
from tests.risk.tail.test_pegs_and_getting_out import with_dollars

FAST = RiskOptions(paths=8_000, seed=3)


def test_one_step_of_past_shocks_is_each_of_them_once() -> None:
    past = filtered(history(399))
    law = filtered_historical(past)
    drawn = simulated(RiskBook.of(account_of()), law, days=1.0, count=50_000, seed=1)
    assert len(drawn.pnl) == drawn.independent == 399
    moves = np.expm1(np.sqrt(past.variances[-1]) * past.residuals)
    assert drawn.pnl == pytest.approx(moves @ np.array([60_000.0, 30_000.0]))
    two = simulated(RiskBook.of(account_of()), law, days=2.0, count=5_000, seed=1)
    assert len(two.pnl) == two.independent == 5_000
    few = simulated(RiskBook.of(account_of()), law, days=1.0, count=200, seed=1)
    assert len(few.pnl) == 200


def test_a_level_that_no_shock_lies_beyond_is_refused_as_by_history() -> None:
    asked = replace(FAST, level=0.9999)
    with pytest.raises(InvalidInput, match=r"399 observations hold no 0\.9999 quantile"):
        risk_of(account_of(), history(399), asked)
    found = risk_of(account_of(), history(399), replace(asked, paths=20_000, method=Method.NORMAL))
    copula = found.beside[Method.T_COPULA]
    assert isinstance(copula, Unknown)
    assert "399 observations hold no" in copula.why


def test_the_interval_is_as_wide_as_that_of_as_many_past_days() -> None:
    found = risk_of(account_of(), history(399), replace(FAST, paths=50_000))
    scaled = found.beside[Method.SCALED]
    assert isinstance(scaled, TailRisk)
    for risk in (found.main, scaled):
        assert risk.var_interval is not None
        low, high = risk.var_interval
        assert high - low > 0.05 * risk.var
        assert risk.observations == 399.0
    assert found.realised.paths == found.realised.outcomes == 399
    assert risk_document(found)["paths"] == "399"


def test_draws_of_a_peg_tell_no_more_of_the_coins() -> None:
    asked = replace(FAST, pegs={"USDE": 0.001})
    found = risk_of(with_dollars(), history(399), asked)
    assert found.realised.paths == 8_000
    assert found.realised.outcomes == 399
    assert found.main.observations == 399.0
    with pytest.raises(InvalidInput, match="399 observations hold no"):
        risk_of(with_dollars(), history(399), replace(asked, level=0.999))
    law = with_pegs(filtered_historical(filtered(history(399))), {"USDE": 0.001})
    assert law.outcomes(1) is None
    assert (law.outcomes_behind(1), law.outcomes_behind(2)) == (399, None)
    assert copula_law(filtered(history(399))).outcomes_behind(1) == 399


def test_fewer_rows_that_tell_anything_widen_what_is_known() -> None:
    pnl = np.random.default_rng(1).standard_normal(10_000)
    many, few = tail_risk(pnl, 0.95), tail_risk(pnl, 0.95, independent=100)
    assert few.var == many.var
    assert many.es_error is not None
    assert few.es_error == pytest.approx(10.0 * many.es_error)
    assert many.var_interval is not None
    assert few.var_interval is not None
    assert few.var_interval[0] < many.var_interval[0] < many.var_interval[1] < few.var_interval[1]


@pytest.mark.parametrize(
    ("method", "is_leading"),
    [
        (Method.FHS, True),
        (Method.T_COPULA, True),
        (Method.NORMAL, False),
        (Method.HISTORICAL, False),
        (Method.POT, False),
    ],
)
def test_losses_with_and_without_liquidations_are_told_of_one_law(
    method: Method,
    is_leading: bool,  # noqa: FBT001
) -> None:
    tight = risk_of(account_of(usdt="6000"), history(), replace(FAST, method=method))
    realised = tight.realised
    assert realised.is_leading is is_leading
    assert isinstance(realised.risk, TailRisk)
    assert isinstance(realised.unliquidated, TailRisk)
    assert realised.risk.method == f"with liquidations, {realised.unliquidated.method}"
    assert realised.unliquidated.var == pytest.approx(
        tail_risk(tight.profits, 0.99, independent=realised.outcomes).var
    )
    assert (realised.unliquidated.var == tight.main.var) is is_leading
    told = risk_document(tight)["with_liquidations"]
    assert isinstance(told, dict)
    assert told["on_paths_of"] == tight.walked.value
