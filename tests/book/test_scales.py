from collections.abc import Callable
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keelmark.book.headroom import headroom, headroom_table
from keelmark.book.kernels.muldiv import OVERFLOW
from keelmark.book.kernels.values import value_kernel
from keelmark.book.records import AMOUNT_LIMIT, SIZE_LIMIT
from keelmark.book.scales import AssetScale, InstrumentScale, scale_on
from keelmark.core.errors import OutOfScale
from keelmark.core.numbers import Rounding

USDT = AssetScale(asset="USDT", quantum=Decimal("0.00000001"))
USDC = AssetScale(asset="USDC", quantum=Decimal("0.000001"))
BTC = AssetScale(asset="BTC", quantum=Decimal("0.00000001"))


def scale(
    name: str,
    settle: AssetScale,
    lot: str,
    price_unit: str,
    **more: Decimal | bool,
) -> InstrumentScale:
    return InstrumentScale(
        instrument=name,
        settle=settle,
        lot=Decimal(lot),
        price_unit=Decimal(price_unit),
        **more,  # type: ignore[arg-type] # contract_size and inverse, each of its own type
    )


PRESETS = {
    "BTCUSDT": (scale("BTCUSDT", USDT, "0.001", "0.1"), Decimal(100_000)),
    "ETHUSDT": (scale("ETHUSDT", USDT, "0.001", "0.01"), Decimal(4_000)),
    "1000PEPEUSDT": (scale("1000PEPEUSDT", USDT, "1", "0.0000001"), Decimal("0.01")),
    "1000SHIBUSDT": (scale("1000SHIBUSDT", USDT, "1", "0.000001"), Decimal("0.012")),
    "BTCUSD_PERP": (
        scale("BTCUSD_PERP", BTC, "1", "0.1", contract_size=Decimal(100), inverse=True),
        Decimal(100_000),
    ),
    "BTC-USD": (scale("BTC-USD", USDC, "0.0001", "1"), Decimal(100_000)),
}


@pytest.mark.parametrize(
    ("name", "unit_value"),
    [
        ("BTCUSDT", 10_000),  # 0.001 * 0.1 = 0.0001 USDT
        ("ETHUSDT", 1_000),
        ("1000PEPEUSDT", 10),
        ("1000SHIBUSDT", 100),
        ("BTCUSD_PERP", 100_000_000_000),  # 100 USD / (0.1 USD * 1e-8 BTC)
        ("BTC-USD", 100),
    ],
)
def test_a_lot_and_a_tick_are_a_whole_number_of_quanta(name: str, unit_value: int) -> None:
    assert PRESETS[name][0].unit_value == unit_value


@pytest.mark.parametrize("name", PRESETS)
def test_the_headroom_is_the_last_position_that_is_carried(name: str) -> None:
    preset, mark = PRESETS[name]
    room = headroom(preset, mark)
    assert carried(preset, room.lots, mark)
    assert not carried(preset, room.lots + 1, mark)
    assert room.bound == ("lots" if room.lots == SIZE_LIMIT else "value")


def carried(preset: InstrumentScale, lots: int, mark: Decimal) -> bool:
    ticks, inverse = preset.ticks(mark), int(preset.inverse)
    value = value_kernel(lots, ticks, preset.unit_value, inverse, int(Rounding.AWAY_FROM_ZERO))
    return lots <= SIZE_LIMIT and value != OVERFLOW and abs(value) <= AMOUNT_LIMIT


def test_headroom_covers_more_than_any_venue_has_held() -> None:
    for preset, mark in PRESETS.values():
        room = headroom(preset, mark)
        in_dollars = room.value * mark if preset.inverse else room.value
        assert in_dollars > Decimal("4e10")


def test_the_headroom_table_has_one_line_an_instrument() -> None:
    rows = [headroom(preset, mark) for preset, mark in PRESETS.values()]
    lines = headroom_table(rows).splitlines()
    assert len(lines) == 2 + len(PRESETS)
    assert {line.count("|") for line in lines} == {10}
    # 2**62 quanta of 1e-8 USDT are 4.611e10 USDT: 461 168 BTC at 100 000
    expected = "| BTCUSDT | 0.00000001 USDT | 0.001 | 0.1 | 10000 | 100000 "
    assert lines[2] == expected + "| 4.61e5 | 4.61e10 USDT | value |"


@given(lots=st.integers(-SIZE_LIMIT, SIZE_LIMIT), name=st.sampled_from(sorted(PRESETS)))
def test_sizes_prices_and_amounts_survive_the_round_trip(lots: int, name: str) -> None:
    preset = PRESETS[name][0]
    assert preset.lots(preset.size(lots)) == lots
    assert preset.settle.quanta(preset.settle.amount(lots)) == lots
    if lots > 0:
        assert preset.ticks(preset.price(lots)) == lots


@pytest.mark.parametrize(
    ("call", "parts"),
    [
        (lambda: PRESETS["BTCUSDT"][0].lots(Decimal("0.0015")), ("0.0015", "0.001", "round it")),
        (lambda: PRESETS["BTCUSDT"][0].ticks(Decimal("1.05")), ("1.05", "0.1", "round it")),
        (lambda: PRESETS["BTCUSDT"][0].ticks(Decimal(0)), ("price", "0", "above zero")),
        (lambda: PRESETS["BTCUSDT"][0].ticks(Decimal("NaN")), ("price", "NaN", "finite")),
        (lambda: PRESETS["BTCUSDT"][0].lots(Decimal("Infinity")), ("Infinity", "0.001")),
        (lambda: USDT.quanta(Decimal("1e-9")), ("1E-9", "1E-8", "round it")),
        (lambda: USDT.quanta(Decimal("1e12")), ("1E+12", str(AMOUNT_LIMIT), "coarser")),
        (lambda: BTC.quanta(Decimal("sNaN")), ("BTC", "sNaN")),
    ],
)
def test_what_is_off_the_grid_is_refused_with_value_grid_and_fix(
    call: Callable[[], object],
    parts: tuple[str, ...],
) -> None:
    with pytest.raises(OutOfScale) as caught:
        call()
    assert all(part in str(caught.value) for part in parts)


def test_a_scale_whose_tick_is_not_whole_quanta_is_refused() -> None:
    with pytest.raises(OutOfScale, match="finer quantum"):
        scale("1000PEPEUSDT", USDC, "1", "0.0000001")
    with pytest.raises(OutOfScale, match="price_unit"):
        scale("X", BTC, "1", "0.3", contract_size=Decimal(100), inverse=True)
    with pytest.raises(OutOfScale, match="quantum is 0"):
        AssetScale(asset="X", quantum=Decimal(0))


@pytest.mark.parametrize("name", PRESETS)
def test_the_columns_describe_the_same_value_in_integers_and_floats(name: str) -> None:
    preset, mark = PRESETS[name]
    columns = preset.columns()
    exact = Decimal(columns["unit_value"])
    by_float = Decimal(float(columns["value_scale"]) / float(mark))
    by_integer = exact / preset.ticks(mark)
    if not preset.inverse:
        by_float = Decimal(float(columns["value_scale"]) * float(mark))
        by_integer = exact * preset.ticks(mark)
    assert abs(by_float / by_integer - 1) < Decimal("1e-14")
    assert columns["inverse"] == preset.inverse


def test_the_scale_in_force_is_the_latest_that_has_begun() -> None:
    old = InstrumentScale(
        instrument="X",
        settle=USDT,
        lot=Decimal(1),
        price_unit=Decimal(1),
        since=date(2024, 1, 1),
    )
    new = InstrumentScale(
        instrument="X",
        settle=USDT,
        lot=Decimal(1),
        price_unit=Decimal("0.1"),
        since=date(2025, 1, 1),
    )
    assert scale_on((new, old), date(2024, 12, 31)) is old
    assert scale_on((new, old), date(2025, 1, 1)) is new
    with pytest.raises(OutOfScale, match="2024-01-01"):
        scale_on((new, old), date(2023, 12, 31))
