"""The smallest move that takes a unit to its level is where it stops being cleared."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from keelmark.book.kernels.jit import plain
from keelmark.book.kernels.reach import NO_COIN, reach_kernel
from keelmark.book.kernels.subset import cleared_kernel
from tests.book.worlds import Nature, World

SEEDS = st.integers(0, 2**32 - 1)
UNITS = 40
FAR = 0.6


def world_of(seed: int) -> World:
    return World(Nature(units=UNITS, whole=0.0, inverse=0.0), np.random.default_rng(seed))


def asked(world: World) -> tuple[np.ndarray, ...]:
    """Return units, what moves with everything, and a coin for each mark and for one asset."""
    count = len(world.tables.prices)
    moving = np.zeros(count, np.bool_)
    moving[: world.nature.instruments] = True
    coins = np.full(count, NO_COIN, np.int32)
    coins[: world.nature.instruments] = np.arange(world.nature.instruments) // 2
    return np.arange(UNITS, dtype=np.int32), moving, coins


def reached(world: World) -> np.ndarray:
    units, moving, coins = asked(world)
    tables = world.tables._replace(prices=world.tables.prices.copy())
    found = np.zeros(UNITS)
    reach_kernel(units, FAR, tables, world.tables.prices, moving, coins, found)
    assert np.array_equal(tables.prices, world.tables.prices)  # restored
    return found


def groups(world: World, unit: int) -> list[set[int]]:
    """Return the price rows that move together for a unit, as the kernel has it."""
    _, moving, coins = asked(world)
    tables = world.tables
    row = tables.units[unit]
    start = int(row["positions_start"])
    held = tables.positions["instrument"][start : start + int(row["positions_count"])]
    contracts = tables.instruments[held]
    read = {*contracts["mark_factor"].tolist(), *contracts["margin_factor"].tolist()}
    found = [{f for f in range(len(moving)) if moving[f]}]
    for contract in contracts:
        found.append({int(contract["mark_factor"]), int(contract["margin_factor"])})
        coin = coins[contract["mark_factor"]]
        found.append({f for f in read if coins[f] == coin})
    return found


def cleared(world: World, unit: int, rows: set[int], move: float) -> bool:
    prices = world.tables.prices.copy()
    prices[sorted(rows)] *= 1.0 + move
    told = np.zeros(1, np.bool_)
    cleared_kernel(np.array([unit], np.int32), 1.0, world.tables._replace(prices=prices), told)
    return bool(told[0])


@given(SEEDS)
def test_a_unit_is_cleared_nearer_and_is_not_there(seed: int) -> None:
    world = world_of(seed)
    for unit, reach in enumerate(reached(world).tolist()):
        if reach == 0.0:
            assert not cleared(world, unit, set(), 0.0)
            continue
        sides = [(rows, sign) for rows in groups(world, unit) for sign in (-1.0, 1.0)]
        for nearer in (0.25 * reach, 0.9 * reach, max(0.0, reach - 1e-7)):
            assert all(cleared(world, unit, rows, sign * nearer) for rows, sign in sides)
        if reach < FAR:
            assert not all(cleared(world, unit, rows, sign * reach) for rows, sign in sides)


def test_the_kernel_runs_in_plain_python_too() -> None:
    world = world_of(3)
    units, moving, coins = asked(world)
    tables = world.tables._replace(prices=world.tables.prices.copy())
    found = np.zeros(UNITS)
    plain(reach_kernel)(units, FAR, tables, world.tables.prices, moving, coins, found)
    assert np.allclose(found, reached(world), rtol=0, atol=1e-7)
