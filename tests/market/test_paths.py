from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keelmark.core.errors import InvalidInput
from keelmark.market.bars import Bars
from keelmark.market.noise import bell, mix, stream_key, uniform
from keelmark.market.paths import (
    PathRule,
    PathSpec,
    bridge,
    fold,
    intrabar_path,
    iter_paths,
    low_is_first,
    path_kernel,
)

pytestmark = pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")  # hashing

START = 1_760_054_400_000
MINUTE = 60_000
STEPS = 60


def python_of(kernel: Any) -> Any:  # noqa: ANN401 numba's dispatcher has no useful type
    """Return the Python form of a kernel; with the compiler switched off it is the kernel."""
    return getattr(kernel, "py_func", kernel)


prices = st.floats(min_value=1e-6, max_value=1e7)


def bars_of(rows: Sequence[tuple[float, ...]], symbol: str = "BTCUSDT") -> Bars:
    """Build minute bars from (open, high, low, close)."""
    table = {
        "ts_ms": [START + MINUTE * i for i in range(len(rows))],
        "symbol": [symbol] * len(rows),
        **{name: [row[i] for row in rows] for i, name in enumerate(("open", "high", "low"))},
        "close": [row[3] for row in rows],
        "volume": [1.0] * len(rows),
    }
    return Bars.from_frame(pl.DataFrame(table))


@st.composite
def bars(draw: st.DrawFn) -> Bars:
    rows = []
    for _ in range(draw(st.integers(2, 4))):
        start, close, first, second = (draw(prices) for _ in range(4))
        low, high = min(start, close, first), max(start, close, second)
        rows.append((start, high, low, close))
    return bars_of(rows)


specs = st.builds(
    PathSpec,
    step_ms=st.sampled_from([1_000, 5_000, 15_000]),
    seed=st.integers(0, 2**70),
    rule=st.sampled_from(PathRule),
)


@given(bars(), specs)
def test_a_path_touches_open_high_low_and_close_and_never_leaves_the_bar(
    table: Bars, spec: PathSpec
) -> None:
    steps = MINUTE // spec.step_ms
    path = intrabar_path(table, spec).prices.reshape(-1, steps)
    expected = table.frame.select("open", "high", "low", "close").to_numpy()
    assert (path[:, 0] == expected[:, 0]).all()
    assert (path.max(axis=1) == expected[:, 1]).all()
    assert (path.min(axis=1) == expected[:, 2]).all()
    assert (path[:, -1] == expected[:, 3]).all()


@given(specs)
def test_the_rule_orders_the_extremes(spec: PathSpec) -> None:
    rows = [(100.0, 103.0, 99.0, 102.0), (100.0, 101.0, 95.0, 96.0), (100.0, 102.0, 98.0, 101.0)]
    path = intrabar_path(bars_of(rows), spec).prices.reshape(3, -1)
    low_first = path.argmin(axis=1) < path.argmax(axis=1)
    if spec.rule is PathRule.LOW_FIRST:
        assert low_first.all()
    elif spec.rule is PathRule.HIGH_FIRST:
        assert not low_first.any()
    elif spec.rule is PathRule.NEARER_FIRST:
        assert low_first.tolist() == [True, False, True]


def test_the_seeded_rule_tosses_a_fair_coin() -> None:
    rows = [(100.0, 103.0, 99.0, 102.0)] * 400
    path = intrabar_path(bars_of(rows), PathSpec(rule=PathRule.SEEDED)).prices.reshape(400, -1)
    low_first = (path.argmin(axis=1) < path.argmax(axis=1)).mean()
    assert 0.42 < low_first < 0.58


def test_a_tie_goes_first_to_the_extreme_away_from_the_close() -> None:
    rows = [(100.0, 102.0, 98.0, 101.0), (100.0, 102.0, 98.0, 99.0)]
    path = intrabar_path(bars_of(rows)).prices.reshape(2, -1)
    assert (path.argmin(axis=1) < path.argmax(axis=1)).tolist() == [True, False]


@given(bars(), specs, st.sampled_from([MINUTE, 2 * MINUTE, 3 * MINUTE]))
def test_a_path_does_not_depend_on_its_chunks(table: Bars, spec: PathSpec, size: int) -> None:
    whole = intrabar_path(table, spec)
    chunks = list(iter_paths(table, spec, chunk_ms=size))
    assert np.array_equal(np.concatenate([c.prices for c in chunks]), whole.prices)
    assert np.array_equal(np.concatenate([c.times_ms for c in chunks]), whole.times_ms)


def test_a_path_does_not_depend_on_the_window_or_the_other_instruments() -> None:
    rows = [(100.0, 103.0, 99.0, 102.0)] * 5
    one = bars_of(rows)
    two = Bars.from_frame(pl.concat([one.frame, bars_of(rows, "AAVEUSDT").frame]))
    start, end = START + 90_000, START + 200_000
    alone = intrabar_path(one)
    part = intrabar_path(two, start_ms=start, end_ms=end)
    inside = (alone.times_ms >= start) & (alone.times_ms < end)
    assert np.array_equal(part.times_ms, alone.times_ms[inside])
    assert np.array_equal(part.prices[:, 1], alone.prices[inside, 0])
    assert not np.array_equal(part.prices[:, 0], part.prices[:, 1])


def test_equal_seeds_give_equal_paths_and_other_seeds_give_others() -> None:
    table = bars_of([(100.0, 103.0, 99.0, 102.0)] * 2)
    first = intrabar_path(table, PathSpec(seed=7)).prices
    assert np.array_equal(first, intrabar_path(table, PathSpec(seed=7)).prices)
    assert not np.array_equal(first, intrabar_path(table, PathSpec(seed=8)).prices)


def test_a_missing_bar_is_nan_and_so_is_time_outside_the_data() -> None:
    table = bars_of([(100.0, 103.0, 99.0, 102.0)] * 4)
    holed = Bars.from_frame(table.frame.filter(pl.col("ts_ms") != START + MINUTE))
    path = intrabar_path(holed, start_ms=START - MINUTE, end_ms=START + 5 * MINUTE)
    missing = np.isnan(path.prices[:, 0]).reshape(-1, STEPS)
    assert missing.all(axis=1).tolist() == [True, False, True, False, False, True]
    assert missing.any(axis=1).tolist() == [True, False, True, False, False, True]


def test_a_step_that_cannot_visit_four_prices_is_refused() -> None:
    table = bars_of([(100.0, 103.0, 99.0, 102.0)] * 2)
    with pytest.raises(InvalidInput, match="4 steps or more"):
        intrabar_path(table, PathSpec(step_ms=20_000))
    with pytest.raises(InvalidInput, match="must divide"):
        intrabar_path(table, PathSpec(step_ms=7_000))
    with pytest.raises(InvalidInput, match="must be positive"):
        PathSpec(step_ms=0)


def test_a_bar_without_range_is_a_flat_path() -> None:
    path = intrabar_path(bars_of([(5.0, 5.0, 5.0, 5.0)] * 2)).prices
    assert (path == 5.0).all()


def test_the_step_deviation_matches_the_range_of_a_driftless_walk() -> None:
    """Feller: the range of a walk is sqrt(8 / pi) deviations, so squared steps sum to it."""
    rows = [(100.0, 101.0, 99.0, 100.0)] * 300
    steps = np.diff(intrabar_path(bars_of(rows)).prices.reshape(300, -1), axis=1)
    variance = (steps**2).sum(axis=1).mean()
    bridge_variance = np.pi / 8 * 2.0**2
    assert variance == pytest.approx(bridge_variance, rel=0.35)  # drift to the extremes adds some
    assert variance > bridge_variance


def test_the_python_form_of_the_kernel_writes_the_same_path() -> None:
    table = bars_of([(100.0, 103.0, 99.0, 102.0), (102.0, 102.5, 100.0, 101.0)])
    columns = [table.frame[name].to_numpy().reshape(-1, 1) for name in ("open", "high", "low")]
    times = table.frame["ts_ms"].to_numpy().astype(np.uint64)
    keys = np.array([stream_key("BTCUSDT", 3)], dtype=np.uint64)
    written = np.empty((2 * STEPS, 1))
    close = table.frame["close"].to_numpy().reshape(-1, 1)
    python_of(path_kernel)(*columns, close, times, keys, 0, STEPS, written)
    assert np.array_equal(written, intrabar_path(table, PathSpec(seed=3)).prices)


def test_the_python_forms_of_the_helpers_agree() -> None:
    key = np.uint64(stream_key("x", 1))
    assert python_of(mix)(key) == mix(key)
    assert python_of(uniform)(key, 3) == uniform(key, 3)
    assert python_of(bell)(key, 3) == bell(key, 3)
    assert python_of(fold)(107.0, 100.0, 103.0) == fold(107.0, 100.0, 103.0) == 101.0
    assert python_of(fold)(5.0, 4.0, 4.0) == 4.0
    for rule in range(4):
        arguments = (rule, 100.0, 103.0, 99.0, 102.0, 0.4)
        assert python_of(low_is_first)(*arguments) == low_is_first(*arguments)
    one, two = np.full(9, 100.0), np.full(9, 100.0)
    python_of(bridge)(one, 0, 8, 102.0, 99.0, 103.0, 1.0, key)
    bridge(two, 0, 8, 102.0, 99.0, 103.0, 1.0, key)
    assert np.array_equal(one, two)


def test_splitmix64_matches_its_published_first_outputs() -> None:
    """Seed 1234567, first outputs of the reference C program (Vigna, splitmix64.c)."""
    gamma = 0x9E3779B97F4A7C15
    expected = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    states = [(1234567 + i * gamma) % 2**64 for i in range(3)]
    assert [int(mix(np.uint64(state))) for state in states] == expected


def test_the_draws_have_the_moments_they_claim() -> None:
    key = np.uint64(stream_key("moments", 0))
    draws = np.array([bell(key, i) for i in range(20_000)])
    flat = np.array([uniform(key, i) for i in range(20_000)])
    assert abs(draws.mean()) < 0.03
    assert draws.std() == pytest.approx(1.0, abs=0.02)
    assert abs(draws).max() <= 12**0.5
    assert flat.mean() == pytest.approx(0.5, abs=0.01)
    assert 0.0 <= flat.min() < flat.max() < 1.0
