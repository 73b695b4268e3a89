"""How units stand agrees with the exact core, and no move costs more than the exposure says."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from keelmark.book.kernels.jit import plain
from keelmark.book.kernels.standing import STANDING, spare_kernel, standing_kernel
from keelmark.core.margin import margin_report
from tests.book.exact import exact_twin
from tests.book.worlds import Nature, World

SEEDS = st.integers(0, 2**32 - 1)


@given(SEEDS)
def test_equity_and_excess_are_those_of_core(seed: int) -> None:
    twin = exact_twin(np.random.default_rng(seed))
    units = np.arange(len(twin.units), dtype=np.int32)
    standing = np.zeros(len(units), STANDING)
    standing_kernel(units, twin.tables, standing)
    alone = np.zeros(len(units), STANDING)
    spare_kernel(units, twin.tables, alone)
    assert np.array_equal(alone["excess"], standing["excess"])
    assert np.array_equal(alone["error"], standing["error"])
    for row, unit in zip(standing, twin.units, strict=True):
        report = margin_report(unit, twin.market, twin.model)
        error = Decimal(float(row["error"]))
        assert abs(Decimal(float(row["excess"])) - report.maintenance_excess) <= error
        assert abs(Decimal(float(row["equity"])) - report.equity) <= error
        prices = {asset.asset: asset.price for asset in report.assets}
        notional = sum(p.notional * prices[p.settle] for p in report.positions)
        marked = sum(abs(p.value) * prices[p.settle] for p in report.positions)
        assert abs(Decimal(float(row["notional"])) - marked) <= Decimal("1e-9") * (1 + marked)
        assert row["exposure"] >= row["notional"] * (1 - 1e-12)
        assert notional >= 0


@given(SEEDS, st.floats(0.001, 0.15), st.sampled_from([-1.0, 1.0]))
def test_no_small_move_costs_twice_the_exposure(seed: int, move: float, side: float) -> None:
    world = World(Nature(units=60, whole=0.0, extreme=False), np.random.default_rng(seed))
    tables, rng = world.tables, world.rng
    units = np.arange(60, dtype=np.int32)
    before, after = (np.zeros(60, STANDING) for _ in range(2))
    standing_kernel(units, tables, before)
    prices = tables.prices.copy()
    moved = rng.random(len(prices) - 1) < rng.choice([0.1, 0.5, 1.0])
    prices[:-1][moved] *= 1.0 + side * move
    standing_kernel(units, tables._replace(prices=prices), after)
    lost = before["excess"] - after["excess"]
    error = before["error"] + after["error"]
    assert np.all(lost <= 2 * move * before["exposure"] + error)


def test_the_kernel_runs_in_plain_python_too() -> None:
    world = World(replace(Nature(), units=40), np.random.default_rng(3))
    units = np.arange(40, dtype=np.int32)
    compiled, interpreted = (np.zeros(40, STANDING) for _ in range(2))
    standing_kernel(units, world.tables, compiled)
    plain(standing_kernel)(units, world.tables, interpreted)
    plain(spare_kernel)(units[:3], world.tables, interpreted[:3])
    for name in STANDING.names or ():
        assert np.allclose(compiled[name], interpreted[name], rtol=1e-12, equal_nan=True)
