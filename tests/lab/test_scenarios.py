"""The October 2025 crash, built in."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from keelmark.core.errors import (
    InvalidDocument,
    InvalidInput,
    UnknownAsset,
    UnknownInstrument,
    UnreadableData,
)
from keelmark.core.rules import TieredRule
from keelmark.lab.documents import document_text
from keelmark.lab.scenarios import Scenario, load_scenario
from keelmark.lab.scenarios.builtin import BuiltInPrices
from keelmark.lab.scenarios.load import PACKAGE, load_figures
from keelmark.lab.scenarios.model import marks_of_path

FIGURES = "oct10_figures.toml"


def at(clock: str) -> int:
    return int(datetime.fromisoformat(f"2025-10-10T{clock}").replace(tzinfo=UTC).timestamp())


def built_in(scenario: Scenario) -> BuiltInPrices:
    assert isinstance(scenario.source, BuiltInPrices)
    return scenario.source


def test_the_report_is_told_that_prices_are_built_in(crash: Scenario) -> None:
    assert "built in" in crash.statement
    assert "not a recording" in crash.statement
    assert "60 instruments" in crash.statement


def test_marks_are_taken_each_second_while_it_crashes(crash: Scenario) -> None:
    inside = crash.times[(crash.times >= at("20:45:00")) & (crash.times < at("22:15:00"))]
    assert inside.size == 90 * 60
    assert np.all(np.diff(crash.times) > 0)
    assert crash.times[0] == at("20:45:00")
    assert crash.times[-1] == at("23:55:00")


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_every_waypoint_is_hit_exactly(seed: int) -> None:
    source = built_in(load_scenario("oct10", seed=seed))
    for column, figures in enumerate(source.figures.instrument):
        knots = source.figures.crash_knots(figures)
        rows = knots.times - source.seconds[0]
        assert np.array_equal(source.path[rows, column], knots.prices), figures.symbol


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_low_is_reached_and_never_undercut(seed: int) -> None:
    source = built_in(load_scenario("oct10", seed=seed))
    lows = np.array([float(row.low.price) for row in source.figures.instrument])
    assert np.array_equal(source.path.min(axis=0), lows)


def test_last_trade_marks_show_the_low_to_the_tick(crash: Scenario) -> None:
    lowest = crash.mark_ticks("last").min(axis=0)
    for column, figures in enumerate(built_in(crash).figures.instrument):
        assert lowest[column] == figures.low.price / figures.price_unit, figures.symbol


def test_the_cited_figures_of_the_day_are_there(crash: Scenario) -> None:
    figures = {row.symbol: row for row in built_in(crash).figures.instrument}
    assert len(figures) == 60
    assert figures["BTCUSDT"].low.price == Decimal("101516.5")
    assert figures["SUIUSDT"].low.price == Decimal("0.5669")
    assert figures["DOGEUSDT"].low.price == Decimal("0.08385")


def test_an_average_mark_stays_above_the_lowest_trade(crash: Scenario) -> None:
    averaged, last = crash.mark_ticks("ema:150s"), crash.mark_ticks("last")
    assert np.all(averaged.min(axis=0) > last.min(axis=0))
    assert np.array_equal(averaged[0], last[0])


def test_equal_seeds_give_equal_marks_and_other_seeds_other_ones(crash: Scenario) -> None:
    again, other = load_scenario("oct10", seed=3), load_scenario("oct10", seed=4)
    assert np.array_equal(crash.mark_ticks(), again.mark_ticks())
    assert not np.array_equal(crash.mark_ticks(), other.mark_ticks())


def test_instruments_move_together_between_waypoints(crash: Scenario) -> None:
    path = built_in(crash).path[: 20 * 60, :2]
    returns = np.diff(np.log(path), axis=0)
    assert 0.3 < np.corrcoef(returns.T)[0, 1] < 0.7


def test_the_stablecoin_falls_to_its_low_and_returns(crash: Scenario) -> None:
    prices = crash.asset_prices("USDE", "last")
    lowest = int(np.argmin(prices))
    assert prices[lowest] == pytest.approx(0.65, abs=1e-12)
    assert crash.times[lowest] == at("21:54:30")
    assert prices[0] == pytest.approx(1.0)
    assert prices[-1] == pytest.approx(0.9978)


def test_a_coin_is_priced_by_its_instrument_and_the_settle_asset_by_one(crash: Scenario) -> None:
    column = crash.column("BTCUSDT")
    assert np.allclose(crash.asset_prices("BTC"), crash.mark_ticks()[:, column] * 0.1)
    assert np.all(crash.asset_prices("USDT") == 1.0)


def test_tier_tables_are_continuous(crash: Scenario) -> None:
    for instrument in crash.instruments:
        for low, high in pairwise(instrument.tiers):
            below = high.floor * low.rate - low.deduction
            above = high.floor * high.rate - high.deduction
            assert below == above, instrument.symbol
            assert low.leverage is not None
            assert high.leverage is not None
            assert low.leverage >= high.leverage
        TieredRule(tiers=instrument.tiers)  # core accepts it


def test_maintenance_leaves_room_below_the_largest_leverage(crash: Scenario) -> None:
    for instrument in crash.instruments:
        for tier in instrument.tiers:
            assert tier.leverage is not None
            assert tier.rate * tier.leverage < 1, instrument.symbol


def test_one_lot_and_one_tick_are_whole_quanta(crash: Scenario) -> None:
    values = [one.unit_value(crash.settle.quantum) for one in crash.instruments]
    assert min(values) == 10
    coarse = Decimal("0.01")
    with pytest.raises(InvalidInput, match="refine the quantum"):
        crash.instruments[0].unit_value(coarse)


def test_earlier_prices_end_at_the_start_and_begin_with_the_listing(crash: Scenario) -> None:
    history = crash.source.history()
    assert history.times[-1] == crash.times[0]
    assert history.times[0] == crash.times[0] - 15 * 86_400
    levels = [float(row.levels[0]) for row in built_in(crash).figures.instrument]
    assert np.array_equal(history.prices[-1], levels)
    late = {crash.instruments[i].symbol for i in np.flatnonzero(np.isnan(history.prices[0]))}
    assert late == {"LIGHTUSDT"}


def test_the_opening_is_the_first_mark(crash: Scenario) -> None:
    opening = crash.opening()
    assert np.array_equal(opening.ticks, crash.mark_ticks()[0])
    assert opening.asset_prices["USDT"] == 1.0
    assert opening.asset_prices["USDE"] == pytest.approx(1.0)


def test_marks_of_a_path_follow_the_plain_recursion() -> None:
    seconds = np.arange(1_000, 1_050)
    path = np.random.default_rng(0).uniform(50, 60, (50, 2))
    found = marks_of_path(path, seconds, model="ema:10s", times=seconds[5::7])
    mark, decay = path[0].copy(), np.exp(-1 / 10)
    plain = []
    for row in path:
        mark = decay * mark + (1 - decay) * row
        plain.append(mark)
    assert np.allclose(found, np.array(plain)[5::7])


@pytest.mark.parametrize("model", ["reference", "median", "ema"])
def test_a_model_that_cannot_be_had_is_refused(crash: Scenario, model: str) -> None:
    with pytest.raises(InvalidInput, match="mark model"):
        crash.mark_ticks(model)


def test_marks_outside_the_figures_are_refused(crash: Scenario) -> None:
    late = replace(crash, times=crash.times + 3_600)
    with pytest.raises(InvalidInput, match="shorten the scenario's windows"):
        late.mark_ticks()


def test_unknown_names_are_refused_with_the_nearest(crash: Scenario) -> None:
    with pytest.raises(UnknownInstrument, match="BTCUSDT"):
        crash.column("BTCUSD")
    with pytest.raises(UnknownAsset, match="USDE"):
        crash.asset_prices("USDEX")
    with pytest.raises(InvalidDocument, match="oct10"):
        load_scenario("oct1")


def test_built_in_prices_have_no_recorded_depth(crash: Scenario) -> None:
    assert crash.depth == {}


def test_a_folder_without_the_recording_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableData, match="binance_usdm_5m"):
        load_scenario("oct10", data=tmp_path)


def test_a_bad_scenario_is_refused_with_every_problem(tmp_path: Path) -> None:
    text, _ = document_text("oct10", package=PACKAGE)
    broken = (
        text.replace("step_seconds = 1\n", "step_seconds = 0\n")
        .replace('mark_model = "ema:150s"', 'mark_modle = "ema:150s"')
        .replace("common_share = 0.5", "common_share = 1.5")
    )
    path = tmp_path / "broken.toml"
    path.write_text(broken)
    with pytest.raises(InvalidDocument) as refused:
        load_scenario(str(path))
    problems = "\n".join(refused.value.problems)
    assert len(refused.value.problems) == 4
    assert "window[0].step_seconds" in problems
    assert "mark_modle: unknown key; did you mean 'mark_model'?" in problems
    assert "mark_model: missing" in problems
    assert "bridge.common_share" in problems


def test_windows_that_overlap_and_assets_that_repeat_are_refused_together(tmp_path: Path) -> None:
    text, _ = document_text("oct10", package=PACKAGE)
    broken = text.replace("start = 2025-10-10T22:15:00Z", "start = 2025-10-10T22:00:00Z").replace(
        'asset = "ETH"', 'asset = "BTC"'
    )
    path = tmp_path / "broken.toml"
    path.write_text(broken)
    with pytest.raises(InvalidDocument, match="before window") as refused:
        load_scenario(str(path))
    assert any("listed twice" in problem for problem in refused.value.problems)


def test_a_text_that_is_not_toml_is_refused_with_the_place(tmp_path: Path) -> None:
    path = tmp_path / "broken.toml"
    path.write_text("name = ")
    with pytest.raises(InvalidDocument, match=r"is not TOML\n  - .*at end of document"):
        load_scenario(str(path))


def test_figures_say_where_they_come_from() -> None:
    text, _ = document_text(FIGURES, package=PACKAGE)
    assert "source, prices and volumes: the venue's public archive klines" in text
    assert "source, brackets: the venue's public leverage bracket table" in text
    assert {row.brackets_as_of for row in load_figures(FIGURES).instrument} == {
        "2025-06",
        "2025-12",
    }
