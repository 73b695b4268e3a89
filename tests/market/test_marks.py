import math
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keelmark.core.errors import InvalidInput, OutOfScale, UnknownInstrument
from keelmark.market.bars import Bars
from keelmark.market.marks import (
    DEFAULT_MARK,
    EmaMark,
    LastMark,
    MarkChunk,
    MarkSource,
    ReferenceMark,
    ema_kernel,
    ema_of,
    parse,
    price_units_of,
    round_to_ticks,
)
from keelmark.market.paths import PathChunk, intrabar_path

START = 1_760_054_400_000
MINUTE = 60_000
HALF_TICK = Decimal("0.5")


def bars(count: int = 30, symbols: tuple[str, ...] = ("BTCUSDT", "ETHUSDT")) -> Bars:
    rng = np.random.default_rng(1)
    tables = []
    for symbol in symbols:
        closes = 100.0 + np.round(rng.normal(size=count).cumsum() * 2) / 2
        opens = np.concatenate(([100.0], closes[:-1]))
        tables.append(
            pl.DataFrame(
                {
                    "ts_ms": START + MINUTE * np.arange(count),
                    "symbol": [symbol] * count,
                    "open": opens,
                    "high": np.maximum(opens, closes) + 1.0,
                    "low": np.minimum(opens, closes) - 1.5,
                    "close": closes,
                    "volume": np.ones(count),
                }
            )
        )
    return Bars.from_frame(pl.concat(tables))


def source(**changes: Any) -> MarkSource:  # noqa: ANN401 fields of a source
    table = bars()
    units = dict.fromkeys(table.symbols, HALF_TICK)
    fields: dict[str, Any] = {"bars": table, "price_units": units}
    return MarkSource(**(fields | changes))


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("ema:150s", EmaMark(tau_ms=150_000)),
        ("ema:2.5m", EmaMark(tau_ms=150_000)),
        ("ema:500ms", EmaMark(tau_ms=500)),
        ("ema:1h", EmaMark(tau_ms=3_600_000)),
        ("last", LastMark()),
        ("reference", ReferenceMark()),
    ],
)
def test_a_mark_model_is_read_by_name(name: str, model: object) -> None:
    assert parse(name) == model
    assert parse(parse(name).name) == model


@pytest.mark.parametrize("name", ["ema", "ema:150", "ema:-1s", "ema:0s", "ema:0.0001ms", "mid"])
def test_an_unknown_mark_model_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput):
        parse(name)


def test_the_default_is_the_150_second_average() -> None:
    assert DEFAULT_MARK.name == "ema:150s"
    assert source().name == "ema:150s of the 1 s intrabar path, nearer_first, seed 0"


def plain_ema(prices: list[float], times_s: list[float], tau_s: float) -> list[float]:
    """Written from the definition: an observation holds over the time since the one before."""
    marks: list[float] = []
    previous, before = prices[0], times_s[0]
    for price, now in zip(prices, times_s, strict=True):
        weight = math.exp(-(now - before) / tau_s)
        previous, before = weight * previous + (1 - weight) * price, now
        marks.append(previous)
    return marks


@given(
    st.lists(st.tuples(st.floats(1.0, 1e6), st.integers(1, 9)), min_size=1, max_size=40),
    st.integers(1, 400),
)
def test_the_average_equals_its_definition_across_gaps(
    observed: list[tuple[float, int]], tau_s: int
) -> None:
    seconds = np.cumsum([gap for _, gap in observed])
    column = np.full((seconds[-1] + 1, 1), np.nan)
    column[seconds, 0] = [price for price, _ in observed]
    chunk = PathChunk(times_ms=1_000 * np.arange(len(column)), symbols=("A",), prices=column)
    (averaged,) = ema_of(iter([chunk]), tau_ms=1_000 * tau_s, step_ms=1_000)
    assert np.isnan(averaged.prices[np.isnan(column)]).all()
    expected = plain_ema([price for price, _ in observed], seconds.tolist(), tau_s)
    np.testing.assert_allclose(averaged.prices[seconds, 0], expected, rtol=1e-12)


def test_a_step_in_price_is_followed_exactly_as_the_exponential_says() -> None:
    column = np.concatenate((np.full((1, 1), 100.0), np.full((300, 1), 110.0)))
    chunk = PathChunk(times_ms=1_000 * np.arange(301), symbols=("A",), prices=column)
    (averaged,) = ema_of(iter([chunk]), tau_ms=150_000, step_ms=1_000)
    expected = 110.0 - 10.0 * np.exp(-np.arange(301) / 150.0)
    np.testing.assert_allclose(averaged.prices[:, 0], expected, rtol=1e-13)


def test_the_average_does_not_depend_on_the_chunks() -> None:
    marks = source()
    whole = marks.marks()
    for size in (MINUTE, 7 * MINUTE):
        chunks = list(marks.chunks(chunk_ms=size))
        assert np.array_equal(np.concatenate([chunk.ticks for chunk in chunks]), whole.ticks)


def test_a_window_warms_up_on_the_bars_before_it() -> None:
    marks = source(model=EmaMark(tau_ms=20_000))
    whole = marks.marks()
    start = START + 20 * MINUTE
    part = marks.marks(start_ms=start, end_ms=start + MINUTE)
    inside = (whole.times_ms >= start) & (whole.times_ms < start + MINUTE)
    assert np.array_equal(part.times_ms, whole.times_ms[inside])
    assert np.abs(part.ticks - whole.ticks[inside]).max() <= 1
    assert part.times_s[0] == start / 1_000


def test_the_last_model_is_the_path_rounded_to_the_tick() -> None:
    marks = source(model=LastMark()).marks()
    path = intrabar_path(bars()).prices
    assert marks.ticks.dtype == np.int64
    assert marks.trusted.all()
    assert np.array_equal(marks.ticks, np.rint(path / 0.5).astype(np.int64))
    assert np.array_equal(marks.prices, marks.ticks * 0.5)


def test_the_reference_model_marks_at_the_recorded_series() -> None:
    table = bars()
    reference = Bars.from_frame(table.frame.with_columns(symbol=pl.col("symbol") + ".MARK"))
    names = {name: f"{name}.MARK" for name in table.symbols}
    marks = source(model=ReferenceMark(), reference=reference, references=names)
    assert marks.marks().symbols == table.symbols
    closes = marks.marks().prices.reshape(30, 60, 2)[:, -1]
    assert np.array_equal(closes[:, 0], table.select(["BTCUSDT"]).frame["close"].to_numpy())
    assert marks.name.startswith("reference: memory by 1 s intrabar path")


def test_a_reference_that_does_not_exist_is_named() -> None:
    with pytest.raises(InvalidInput, match="no reference bars given"):
        source(model=ReferenceMark())
    with pytest.raises(UnknownInstrument, match="ETHUSDT"):
        source(model=ReferenceMark(), reference=bars(symbols=("BTCUSDT",)))


def test_a_missing_bar_is_an_untrusted_mark_and_is_reported() -> None:
    hole = (pl.col("symbol") == "ETHUSDT") & pl.col("ts_ms").is_between(
        START + 3 * MINUTE, START + 4 * MINUTE
    )
    marks = source(bars=Bars.from_frame(bars().frame.filter(~hole)))
    found = marks.marks(end_ms=START + 6 * MINUTE)
    trusted = found.trusted.reshape(6, 60, 2)
    assert trusted[:, :, 0].all()
    assert trusted[:, :, 1].all(axis=1).tolist() == [True, True, True, False, False, True]
    assert np.isnan(found.prices[~found.trusted]).all()
    assert (found.ticks[~found.trusted] == 0).all()
    (gap,) = marks.untrusted(end_ms=START + 6 * MINUTE)
    assert (gap.symbol, gap.start_ms, gap.end_ms) == (
        "ETHUSDT",
        START + 3 * MINUTE,
        START + 5 * MINUTE,
    )


def test_time_after_the_data_is_untrusted_too() -> None:
    marks = source()
    end = START + 32 * MINUTE
    assert not marks.marks(end_ms=end).trusted[-120:].any()
    assert [gap.bars_missing for gap in marks.untrusted(end_ms=end)] == [2, 2]
    assert marks.untrusted() == ()


def test_a_price_unit_that_is_missing_or_not_positive_is_refused() -> None:
    with pytest.raises(InvalidInput, match="no price unit for ETHUSDT"):
        source(price_units={"BTCUSDT": HALF_TICK})
    with pytest.raises(InvalidInput, match="must be positive"):
        source(price_units={"BTCUSDT": HALF_TICK, "ETHUSDT": Decimal(0)})


def test_rounding_is_to_the_nearest_tick_and_names_what_does_not_fit() -> None:
    prices = np.array([[0.74, 0.76], [np.nan, 0.1]])
    ticks, trusted = round_to_ticks(prices, np.array([0.5, 0.5]), ("A", "B"))
    assert ticks.tolist() == [[1, 2], [0, 0]]
    assert trusted.tolist() == [[True, True], [False, False]]
    with pytest.raises(OutOfScale, match="price of B is above"):
        round_to_ticks(np.array([[1.0, 1e9]]), np.array([1.0, 1e-8]), ("A", "B"))


@pytest.mark.parametrize(
    ("unit", "price"), [("0.1", 1020497), ("0.05", 7), ("0.00015", 3), ("1", 9), ("25", 4)]
)
def test_prices_of_ticks_are_the_floats_a_venue_prints(unit: str, price: int) -> None:
    chunk = MarkChunk(
        times_ms=np.array([START]),
        symbols=("A",),
        ticks=np.array([[price]]),
        trusted=np.array([[True]]),
        price_units=np.array([float(unit)]),
    )
    assert chunk.prices[0, 0] == pytest.approx(float(price * Decimal(unit)), rel=1e-15)
    if unit in {"0.1", "0.05", "1", "25"}:
        assert chunk.prices[0, 0] == float(price * Decimal(unit))


def test_price_units_are_the_largest_every_price_is_a_multiple_of() -> None:
    assert price_units_of(bars()) == {"BTCUSDT": HALF_TICK, "ETHUSDT": HALF_TICK}
    fine = bars().frame.with_columns(
        (pl.col("open", "high", "low", "close") * 3) / 10_000  # multiples of 0.00015
    )
    assert price_units_of(Bars.from_frame(fine))["BTCUSDT"] == Decimal("0.00015")
    rough = bars().frame.with_columns(pl.col("high") + math.pi)
    with pytest.raises(OutOfScale, match="more than 12 decimals"):
        price_units_of(Bars.from_frame(rough))


def test_the_python_form_of_the_kernel_writes_the_same_average() -> None:
    prices = np.array([[100.0, np.nan], [101.0, 50.0], [np.nan, 51.0], [99.0, 52.0]])
    results = []
    for kernel in (ema_kernel, getattr(ema_kernel, "py_func", ema_kernel)):
        state, waited, out = np.full(2, np.nan), np.zeros(2), np.empty_like(prices)
        kernel(prices, 0.9, state, waited, out)
        results.append((out, state, waited))
    for first, second in zip(*results, strict=True):
        np.testing.assert_allclose(first, second, rtol=1e-15)
