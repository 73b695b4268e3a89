"""The margin kernel agrees with the independent formula and with the exact core."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keelmark.book.kernels.jit import plain
from keelmark.book.kernels.margin import (
    Tables,
    excess,
    excess_pass,
    excess_pass_parallel,
    requirement,
)
from keelmark.book.kernels.subset import cleared_kernel, fallen_kernel, first_step_kernel
from keelmark.book.records import INSTRUMENT, TIER
from keelmark.core.codes import RuleKind
from keelmark.core.margin import maintenance_excess
from tests.book.exact import exact_twin
from tests.book.law import NATURES
from tests.book.reference import Array
from tests.book.worlds import Nature, World

SEEDS = st.integers(0, 2**32 - 1)


def passed(tables: Tables, level: float = 1.0) -> tuple[Array, Array]:
    count = tables.units.shape[0]
    result, error = np.empty(count), np.empty(count)
    excess_pass(tables, level, result, error, 0, count)
    return result, error


def holders(world: World, kind: RuleKind) -> Array:
    """Return which units hold a contract of a kind."""
    tables = world.tables
    positions = tables.positions.reshape(tables.units.shape[0], -1)
    used = np.arange(positions.shape[1]) < tables.units["positions_count"][:, None]
    kinds = tables.instruments["rule_kind"][positions["instrument"]]
    result: Array = (used & (kinds == kind)).any(axis=1)
    return result


@given(SEEDS, st.sampled_from(sorted(NATURES)))
def test_the_kernel_agrees_with_the_independent_formula(seed: int, name: str) -> None:
    world = World(replace(NATURES[name], units=40), np.random.default_rng(seed))
    world.tables.prices[world.clock] = 5_000.0
    result, error = passed(world.tables, world.nature.level)
    exact, dear, bound = world.reference.excess()
    known = ~np.isnan(result)
    close = (result >= dear - bound - error) & (result <= exact + bound + error)
    assert np.all(close[known])
    assert np.array_equal(~known, holders(world, RuleKind.CORE_ONLY))


@given(SEEDS)
def test_the_kernel_agrees_with_core_within_its_stated_error(seed: int) -> None:
    twin = exact_twin(np.random.default_rng(seed))
    result, error = passed(twin.tables)
    assert len(twin.units) == result.shape[0]
    for row, unit in enumerate(twin.units):
        exact = maintenance_excess(unit, twin.market, twin.model)
        assert abs(Decimal(float(result[row])) - exact) <= Decimal(float(error[row]))


@given(SEEDS, st.sampled_from([Decimal("1.25"), Decimal(2)]))
def test_a_level_multiplies_requirements_and_loan_margin(seed: int, level: Decimal) -> None:
    twin = exact_twin(np.random.default_rng(seed))
    result, error = passed(twin.tables, float(level))
    for row, unit in enumerate(twin.units):
        exact = maintenance_excess(unit, twin.market, twin.model, level)
        assert abs(Decimal(float(result[row])) - exact) <= Decimal(float(error[row]))


@given(SEEDS, st.sampled_from([Decimal(1), Decimal("1.1")]))
def test_who_is_proved_below_a_level_is_and_nobody_is_both(seed: int, level: Decimal) -> None:
    twin = exact_twin(np.random.default_rng(seed))
    units = np.arange(len(twin.units), dtype=np.int32)
    fallen, cleared = np.empty(len(units), np.bool_), np.empty(len(units), np.bool_)
    fallen_kernel(units, float(level), twin.tables, fallen)
    cleared_kernel(units, float(level), twin.tables, cleared)
    exact = [maintenance_excess(unit, twin.market, twin.model, level) for unit in twin.units]
    assert all(exact[unit] < 0 for unit in units[fallen])
    assert all(exact[unit] > 0 for unit in units[cleared])


@given(SEEDS)
def test_the_first_step_of_a_ladder_is_where_a_unit_stops_being_cleared(seed: int) -> None:
    tables = World(Nature(units=60), np.random.default_rng(seed)).tables
    units = np.arange(60, dtype=np.int32)
    prices = np.tile(tables.prices, (30, 1))
    prices[:, 0] *= 1 - np.arange(1, 31) / 40
    step = np.full(60, -1, np.int64)
    first_step_kernel(units, 1.0, tables, prices, step)
    cleared = np.zeros((30, 60), np.bool_)
    for row, at in zip(cleared, prices, strict=True):
        cleared_kernel(units, 1.0, tables._replace(prices=at), row)
    rows = np.arange(60)
    assert not cleared[np.minimum(step, 29), rows][step < 30].any()
    assert cleared[step - 1, rows][step > 0].all()


def test_a_requirement_that_jumps_is_left_to_core() -> None:
    world = World(Nature(units=200), np.random.default_rng(5))
    units = np.arange(200, dtype=np.int32)
    fallen = np.empty(200, np.bool_)
    fallen_kernel(units, 50.0, world.tables, fallen)
    jumps = holders(world, RuleKind.WHOLE)
    assert fallen.any()
    assert jumps.any()
    assert not fallen[jumps].any()
    one = np.empty(200, np.bool_)
    plain(fallen_kernel)(units, 50.0, world.tables, one)
    assert np.array_equal(one, fallen)


@pytest.mark.slow
def test_threads_change_no_bit_of_the_result() -> None:
    tables = World(Nature(units=5_000), np.random.default_rng(1)).tables
    one, many = passed(tables), (np.empty(5_000), np.empty(5_000))
    excess_pass_parallel(tables, 1.0, *many)
    assert np.array_equal(one[0], many[0])
    assert np.array_equal(one[1], many[1])


def test_the_kernel_is_the_python_it_was_compiled_from() -> None:
    world = World(Nature(units=40), np.random.default_rng(2))
    for unit in range(40):
        assert excess(unit, 1.0, world.tables) == plain(excess)(unit, 1.0, world.tables)


def test_an_unknown_price_clears_nobody_who_reads_it() -> None:
    world = World(Nature(units=200, single=0.0), np.random.default_rng(3))
    world.tables.prices[0] = np.nan
    result, error = passed(world.tables)
    positions = world.tables.positions.reshape(200, -1)
    rows = np.arange(positions.shape[1]) < world.tables.units["positions_count"][:, None]
    holds = (rows & (positions["instrument"] == 0)).any(axis=1)
    assert holds.any()
    assert not np.any((result > error)[holds])


def test_a_rule_that_only_core_knows_clears_nobody() -> None:
    world = World(Nature(units=60, core_only=1.0), np.random.default_rng(4))
    result, _ = passed(world.tables)
    holds = world.tables.units["positions_count"] > 0
    assert np.isnan(result[holds]).all()
    assert not np.isnan(result[~holds]).any()


@pytest.mark.parametrize("kind", [RuleKind.WHOLE, RuleKind.TIERED])
@pytest.mark.parametrize("off", [-2e-12, 0.0, 2e-12])
def test_a_notional_within_the_error_of_a_floor_takes_the_dearer_row(
    kind: RuleKind,
    off: float,
) -> None:
    tiers = np.array([(0.0, 0.01, 0.0), (1e12, 0.05, 4e10)], TIER)
    terms = np.zeros(1, INSTRUMENT)
    terms["tier_count"], terms["rule_kind"] = 2, kind
    amount = requirement(terms[0], 1, 1e12 * (1 + off), tiers)
    expected = 5e10 if kind == RuleKind.WHOLE else 1e10
    assert amount == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("edge_upper", "rate"), [(1, 0.05), (0, 0.01)])
def test_a_size_on_a_floor_belongs_to_the_row_that_owns_the_edge(
    edge_upper: int,
    rate: float,
) -> None:
    tiers = np.array([(0.0, 0.01, 0.0), (100.0, 0.05, 0.0)], TIER)
    terms = np.zeros(1, INSTRUMENT)
    terms["tier_count"], terms["rule_kind"], terms["edge_upper"] = 2, RuleKind.SIZED, edge_upper
    assert requirement(terms[0], -100, 1e9, tiers) == rate * 1e9
