"""Rolling forecasts: nothing looks ahead, every model says what it is said to say."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from keelmark.core.errors import InvalidInput
from keelmark.risk.backtests.holding import Holding, of_weights
from keelmark.risk.backtests.judged import Level, clustered, forecasts_needed, judge
from keelmark.risk.backtests.models import MODELS, Model, models_named
from keelmark.risk.backtests.pages import markdown, page
from keelmark.risk.backtests.predictive import Empirical, Normal, Predictive, StudentT
from keelmark.risk.backtests.rolling import Run, Schedule, roll
from keelmark.risk.backtests.run import backtest
from keelmark.risk.backtests.scores import SET_LEVEL, ConfidenceSet
from keelmark.risk.backtests.statistic import Statistic
from keelmark.risk.backtests.t_copula import joint_draws
from keelmark.risk.backtests.wording import (
    fail_words,
    instant,
    level_text,
    row_of,
    verdict,
    words_of,
)
from keelmark.risk.returns import Returns
from keelmark.risk.statistics import TCopula, ewma_variance, kendall_correlation

DAY = 86_400_000
SCHEDULE = Schedule(tails=(0.01, 0.05), window=250, refit=30)


def history(count: int = 420, coins: int = 2, seed: int = 3) -> Returns:
    """Return returns whose volatility comes in spells, with heavy tails."""
    draw = np.random.default_rng(seed)
    spells = np.exp(0.6 * np.sin(np.arange(count) / 25.0))[:, None]
    values = 0.02 * spells * draw.standard_t(4, (count, coins))
    return Returns(
        coins=("BTC", "ETH", "SOL")[:coins],
        values=np.clip(values, -0.9, None),
        period="1 day",
        days=1.0,
        source="drawn",
        times=(19_000 + np.arange(count, dtype=np.int64)) * DAY,
    )


def held(returns: Returns) -> Holding:
    return of_weights(returns, dict.fromkeys(returns.coins, 1.0 / len(returns.coins)))


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS.keys())
def test_what_comes_later_changes_no_forecast(model: Model) -> None:
    returns = history()
    changed = returns.values.copy()
    row = 250 + 47  # in the middle of a block
    changed[row:] = 0.5 * changed[row:] - 0.08
    later = Returns(
        coins=returns.coins,
        values=changed,
        period=returns.period,
        days=1.0,
        source="drawn",
        times=returns.times,
    )
    one = roll(held(returns), [model], SCHEDULE).forecasts[model.name]
    other = roll(held(later), [model], SCHEDULE).forecasts[model.name]
    known = slice(0, row - 250 + 1)  # the period that changes first is forecast before it is seen
    assert np.array_equal(one.value_at_risk[known], other.value_at_risk[known], equal_nan=True)
    assert np.array_equal(one.shortfall[known], other.shortfall[known], equal_nan=True)
    after = slice(row - 250 + 1, None)
    assert not np.array_equal(one.value_at_risk[after], other.value_at_risk[after], equal_nan=True)


def test_historical_is_the_worst_of_the_window() -> None:
    holding = held(history(coins=1))
    run = roll(holding, [MODELS["historical"]], SCHEDULE)
    told = run.forecasts["historical"]
    for row in (0, 77, 169):
        window = np.sort(holding.profit[row : row + 250])
        assert told.value_at_risk[row, 0] == -window[2]  # 2.5 of 250: the third
        assert told.shortfall[row, 0] == pytest.approx(-(window[:2].sum() + 0.5 * window[2]) / 2.5)


def test_ewma_is_the_recursion_of_the_window() -> None:
    holding = held(history(coins=1))
    told = roll(holding, [MODELS["ewma-normal"]], SCHEDULE).forecasts["ewma-normal"]
    for row in (0, 29, 30, 150):
        begin = row - row % 30
        variance = ewma_variance(holding.profit[begin : 250 + row])[-1]
        assert told.value_at_risk[row, 0] == pytest.approx(
            np.sqrt(variance) * Normal().value_at_risk(0.01), rel=1e-12
        )


def test_one_coin_held_alone_has_the_same_joint_residuals_as_its_own() -> None:
    returns = history(coins=2)
    holding = of_weights(returns, {"BTC": 1.0, "ETH": 0.0})
    run = roll(holding, [MODELS["ewma-fhs"], MODELS["joint-ewma-fhs"]], SCHEDULE)
    alone, joint = run.forecasts["ewma-fhs"], run.forecasts["joint-ewma-fhs"]
    assert np.allclose(alone.value_at_risk, joint.value_at_risk, rtol=1e-9)
    assert np.allclose(alone.shortfall, joint.shortfall, rtol=1e-9)


def test_twice_the_weights_are_twice_the_losses() -> None:
    returns = history()
    models = models_named(["historical", "ewma-fhs", "gjr-t-fhs"], 2)
    one = roll(of_weights(returns, {"BTC": 0.5, "ETH": 0.5}), models, SCHEDULE)
    two = roll(of_weights(returns, {"BTC": 1.0, "ETH": 1.0}), models, SCHEDULE)
    for name in ("historical", "ewma-fhs"):
        risks = one.forecasts[name].value_at_risk, two.forecasts[name].value_at_risk
        assert np.allclose(2.0 * risks[0], risks[1], rtol=1e-9)
    fitted = one.forecasts["gjr-t-fhs"].value_at_risk, two.forecasts["gjr-t-fhs"].value_at_risk
    assert np.allclose(2.0 * fitted[0], fitted[1], rtol=0.05)  # a fit meets its tolerance


def test_a_run_of_part_of_a_history_starts_where_it_is_told() -> None:
    holding = held(history(coins=1))
    run = roll(holding, [MODELS["historical"]], SCHEDULE, rows=slice(300, 360))
    assert np.array_equal(run.profit, holding.profit[300:360])
    whole = roll(holding, [MODELS["historical"]], SCHEDULE)
    part = run.forecasts["historical"].value_at_risk
    assert np.array_equal(part, whole.forecasts["historical"].value_at_risk[50:110])
    assert instant(run, 0) == "2022-11-03"  # it ends 19,300 days after 1970 began


def judged_run() -> Run:
    schedule = replace(SCHEDULE, tails=(0.025, 0.05))
    return roll(held(history(460)), models_named(None, 2), schedule)


def test_the_verdict_counts_ranks_and_names_what_is_missing() -> None:
    run = judged_run()
    told: list[tuple[str, int, int]] = []
    done = judge(run, draws=200, tell=lambda *step: told.append(step))
    assert told[-1][1] == told[-1][2] == 2 * len(run.forecasts)
    for column, level in enumerate(done.levels):
        for name, one in level.judged.items():
            risk = run.forecasts[name].value_at_risk[:, column]
            assert one.count == int(np.sum(run.profit < -risk))
            assert one.missing == int(np.isnan(risk).sum())
            assert one.periods + one.missing == len(run.profit)
            assert (one.against is None) == (one.missing > 0 or name == level.ranked[0])
        scores = [level.judged[name].score for name in level.ranked]
        assert scores == sorted(scores, key=float)  # type: ignore[arg-type]  # ranked: all known
        hit = np.all(
            [
                run.profit < -np.nan_to_num(f.value_at_risk[:, column], nan=-np.inf)
                for f in run.forecasts.values()
            ],
            axis=0,
        )
        assert level.all_hit == tuple(np.flatnonzero(hit))
        assert level.chosen is not None
        assert level.ranked[0] in level.chosen.kept
        assert any(level.ranked[0] in words for words in verdict(level))
        for name in level.ranked:
            assert level.judged[name].set_p_value == level.chosen.p_values[name]


def test_the_verdict_is_that_of_the_confidence_set_shown_beside_it() -> None:
    for level in judge(judged_run(), draws=100).levels:
        cells = {name: row_of(one)[-1] for name, one in level.judged.items()}
        kept = {name for name in level.ranked if not cells[name].endswith("*")}
        assert kept == {level.ranked[0], *level.alike}
        told = " ".join(verdict(level))
        assert "model confidence set at 10 %" in told
        assert all(name in told for name in level.alike) or level.best is None


def drawn_level(p_values: Mapping[str, float], against: Mapping[str, float]) -> Level:
    """Return a level of 1,000 forecasts with these p-values of the set and of pairs."""
    done = judge(judged_run(), draws=100).levels[1]
    kept = tuple(name for name, p in p_values.items() if p > SET_LEVEL)
    judged = {}
    for name, p_value in p_values.items():
        pair = against.get(name)
        found = None if pair is None else Statistic(name="DM", value=1.0, p_value=pair)
        judged[name] = replace(done.judged[name], set_p_value=p_value, against=found)
    chosen = ConfidenceSet(kept=kept, p_values=p_values, note="given")
    return replace(done, judged=judged, ranked=tuple(p_values), chosen=chosen)


def test_where_pairs_tell_more_than_the_set_both_are_said() -> None:
    against = {"historical": 0.02, "gjr-t": 0.4, "ewma-fhs": 0.001}
    level = drawn_level(
        {"gjr-t-fhs": 1.0, "historical": 0.3, "gjr-t": 0.2, "ewma-fhs": 0.05}, against
    )
    told = list(verdict(level))
    assert told[0].startswith("lowest score: gjr-t-fhs, ")
    assert told[1].endswith("set at 10 % too: historical, gjr-t")
    assert "would tell at 5 %: historical 0.02; " in told[2]
    assert level.best is level.judged["gjr-t-fhs"]


def test_no_model_is_best_where_the_set_keeps_all() -> None:
    level = drawn_level({"gjr-t": 1.0, "historical": 0.3}, {"historical": 0.3})
    assert level.best is None
    assert "none is told to be best: all 2 are in" in " ".join(verdict(level))


@pytest.mark.parametrize(("tail", "needed"), [(0.01, 500), (0.025, 200), (0.05, 100), (0.2, 100)])
def test_few_forecasts_name_no_model_and_say_how_many_it_takes(tail: float, needed: int) -> None:
    assert forecasts_needed(tail) == needed
    schedule = replace(SCHEDULE, tails=(tail,))
    holding = held(history(250 + needed, coins=1))
    models = models_named(["historical", "ewma-fhs"], 1)
    (level,) = judge(roll(holding, models, schedule), draws=50).levels
    assert level.needed is None
    rows = slice(250, 250 + needed - 1)
    few = judge(roll(holding, models, schedule, rows=rows), draws=50)
    (level,) = few.levels
    assert few.is_unknown
    assert level.best is None
    assert level.chosen is None
    assert {row_of(one)[-1] for one in level.judged.values()} == {"?"}
    told = " ".join(verdict(level))
    assert f"too few to tell models apart: {needed - 1} forecasts" in told
    assert f"at least {needed} are needed" in told
    assert not any(name in told for name in level.ranked)
    against = level.judged[level.ranked[1]].against
    assert against is not None
    assert f"at least {needed} are needed" in (against.reason or "")
    assert "Too few forecasts" in page(few)


def test_a_price_that_never_moves_is_unknown() -> None:
    returns = history(coins=1)
    returns.values[:] = 0.0
    done = backtest(held(returns), ["historical", "ewma-fhs"], SCHEDULE)
    assert done.is_unknown
    told = words_of(done.levels[0], done.run)
    assert told[0] == "unknown: no model has a forecast"
    assert not any("all fail together" in words for words in told)
    assert "no losses" in " ".join(told)


def test_a_model_that_refuses_is_unknown_with_its_reason() -> None:
    refused = Model(
        name="refused", words="says nothing", forecast=lambda _: _refuse("no tail to fit")
    )
    run = roll(held(history(coins=1)), [refused, MODELS["historical"]], SCHEDULE)
    done = judge(run, draws=100)
    one = done.levels[0].judged["refused"]
    assert run.forecasts["refused"].reasons == {"no tail to fit": len(run.profit)}
    assert one.score is None
    assert one.tests["Kupiec"].reason == "no tail to fit"
    assert done.levels[0].ranked == ("historical",)
    assert "no tail to fit" in page(done)


def _refuse(why: str) -> list[Empirical]:
    raise InvalidInput(why)


def test_where_all_fail_is_told_by_date_and_in_clusters() -> None:
    assert clustered((1, 3, 20, 26), near=5) == ((1, 3, 2), (20, 20, 1), (26, 26, 1))
    returns = history(coins=1)
    returns.values[[300, 302, 380], 0] = -0.6
    done = judge(roll(held(returns), models_named(None, 1), SCHEDULE), draws=100)
    words = fail_words(done.levels[0], done.run)
    assert "2022-11-03 to 2022-11-05 (2 times" in words
    assert "-60.0 %" in words
    assert {50, 130} <= set(done.levels[1].all_hit)


def test_the_page_needs_nothing_else_and_holds_every_model() -> None:
    done = judge(judged_run(), draws=100)
    text = page(done)
    assert "http" not in text
    assert "<script" not in text
    assert text.count("<svg") == 1
    for name in done.run.forecasts:
        assert f">{name}<" in text
        assert f"| {name} |" in markdown(done)
    assert level_text(0.01) == "99 %"
    assert level_text(0.025) == "97.5 %"


def test_wrong_schedules_and_too_little_history_are_refused() -> None:
    with pytest.raises(InvalidInput, match="no value at risk at 0"):
        Schedule(tails=(0.001,), window=500)
    with pytest.raises(InvalidInput, match="at least 100 and 1"):
        Schedule(tails=(0.05,), window=60)
    with pytest.raises(InvalidInput, match="0 periods can be forecast") as refused:
        roll(held(history(225)), [MODELS["historical"]], SCHEDULE)
    assert "(--window 102)" in str(refused.value)
    with pytest.raises(InvalidInput, match="take shorter periods"):
        roll(held(history(115)), [MODELS["historical"]], SCHEDULE)
    with pytest.raises(InvalidInput, match="no model 'historic'"):
        models_named(["historic"], 1)
    with pytest.raises(InvalidInput, match="joins several coins"):
        models_named(["joint-ewma-fhs"], 1)
    with pytest.raises(InvalidInput, match="at least one coin"):
        of_weights(history(), {"BTC": 0.0})


def test_draws_have_the_dependence_and_the_tails_asked() -> None:
    copula = TCopula(correlation=np.array([[1.0, 0.6], [0.6, 1.0]]), nu=4.0)
    draws = joint_draws(copula, np.array([3.5, np.inf]), seed=1, draws=200_000)
    assert np.array_equal(draws[:100_000], -draws[100_000:])
    assert draws[:, 1].std() == pytest.approx(1.0, abs=0.01)
    laws: tuple[Predictive, ...] = (StudentT(3.5), Normal())
    for column, law in enumerate(laws):
        shares = np.array([0.001, 0.01, 0.05, 0.3])
        below = [float(np.mean(draws[:, column] < q)) for q in law.quantiles(shares)]
        assert below == pytest.approx(shares.tolist(), rel=0.12)
    assert kendall_correlation(draws[:3000])[0, 1] == pytest.approx(0.6, abs=0.03)


def test_a_price_that_stands_still_has_no_forecast_and_says_why() -> None:
    returns = history(coins=1)
    returns.values[:330] = 0.0
    done = backtest(held(returns), schedule=SCHEDULE)
    for name, forecasts in done.run.forecasts.items():
        assert np.isnan(forecasts.value_at_risk[0]).all(), name
        assert forecasts.reasons, name
    assert "no losses" in " ".join(done.run.forecasts["historical"].reasons)


def test_what_is_slow_to_value_is_run_without_joint_models() -> None:
    slow = replace(held(history()), slow="a rule without an array face")
    done = backtest(slow, schedule=SCHEDULE, rows=slice(250, 290))
    assert "joint-ewma-fhs" not in done.run.forecasts
    named = backtest(slow, ["joint-ewma-fhs"], SCHEDULE, rows=slice(250, 290))
    assert set(named.run.forecasts) == {"joint-ewma-fhs"}
