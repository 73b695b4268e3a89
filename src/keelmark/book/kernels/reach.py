"""How far a unit is from its level: the smallest move of its prices that takes it there.

Prices move by one fraction: all that are said to move, those of one coin, or those of one
instrument alone. Along one move the excess of a healthy unit crosses its level at most once on
each side (linear contracts, continuous tiers, haircuts that only grow), so each is found by
halving; inverse contracts beside linear ones bend it, and a dip that ends again may be missed.

Definition: `accounts.unit_check.check_unit`, of which this is the screen.
"""

from keelmark.book.kernels.jit import njit, njit_unlocked
from keelmark.book.kernels.margin import Floats, Tables, excess
from keelmark.book.kernels.subset import Bools, Int32s

ALL, COIN, ALONE = 0, 1, 2
"""What moves together: what is said to move, everything on a coin, one position's instrument."""

HALVINGS = 24

NO_COIN = -1


@njit
def moves_with(factor: int, group: int, what: int, moving: Bools, coins: Int32s) -> bool:
    """Whether a price row is one of a group."""
    if group == ALL:
        return bool(moving[factor])
    return bool(coins[factor] == what)


@njit
def set_prices(
    unit: int,
    group: int,
    what: int,
    step: float,
    tables: Tables,  # its prices are written
    base: Floats,  # (factors,) present prices
    moving: Bools,  # (factors,)
    coins: Int32s,  # (factors,)
) -> None:
    """Move those prices of a group that a unit reads."""
    row = tables.units[unit]
    for at in range(row["positions_start"], row["positions_start"] + row["positions_count"]):
        instrument = tables.positions[at]["instrument"]
        contract = tables.instruments[instrument]
        if group == ALONE:
            if instrument != what:
                continue
            tables.prices[contract["mark_factor"]] = base[contract["mark_factor"]] * step
            tables.prices[contract["margin_factor"]] = base[contract["margin_factor"]] * step
            continue
        mark, margin = contract["mark_factor"], contract["margin_factor"]
        if moves_with(mark, group, what, moving, coins):
            tables.prices[mark] = base[mark] * step
        if moves_with(margin, group, what, moving, coins):
            tables.prices[margin] = base[margin] * step
    if group == ALONE:
        return
    for at in range(row["balances_start"], row["balances_start"] + row["balances_count"]):
        factor = tables.assets[tables.balances[at]["asset"]]["price_factor"]
        if factor >= 0 and moves_with(factor, group, what, moving, coins):
            tables.prices[factor] = base[factor] * step


@njit
def is_cleared(
    unit: int,
    group: int,
    what: int,
    move: float,
    tables: Tables,
    base: Floats,
    moving: Bools,
    coins: Int32s,
) -> bool:
    """Whether a unit is proved above its trigger after a move; prices are then as they were."""
    set_prices(unit, group, what, 1.0 + move, tables, base, moving, coins)
    spare, error = excess(unit, 1.0, tables)
    set_prices(unit, group, what, 1.0, tables, base, moving, coins)
    return bool(spare > error)


@njit
def nearest(
    unit: int,
    group: int,
    what: int,
    best: float,
    tables: Tables,
    base: Floats,
    moving: Bools,
    coins: Int32s,
) -> float:
    """Return the smallest move of a group, down or up, that takes a unit to its level."""
    for side in range(2):
        sign = 1.0 - 2.0 * side
        if is_cleared(unit, group, what, sign * best, tables, base, moving, coins):
            continue
        low, high = 0.0, best
        for _ in range(HALVINGS):
            middle = 0.5 * (low + high)
            if is_cleared(unit, group, what, sign * middle, tables, base, moving, coins):
                low = middle
            else:
                high = middle
        best = high
    return best


@njit_unlocked
def reach_kernel(
    units: Int32s,  # (n,)
    far: float,  # largest move that is looked at, below 1
    tables: Tables,  # its prices are a copy, written and restored
    base: Floats,  # (factors,) present prices
    moving: Bools,  # (factors,) what moves together with everything
    coins: Int32s,  # (factors,) coin of each price row, NO_COIN for none
    reach: Floats,  # (n,) written: the smallest move; 0 where it is due, `far` where there is none
) -> None:
    """Write how far units are from their trigger. Definition as above."""
    for index in range(units.shape[0]):
        unit = units[index]
        if not is_cleared(unit, ALL, 0, 0.0, tables, base, moving, coins):
            reach[index] = 0.0
            continue
        best = nearest(unit, ALL, 0, far, tables, base, moving, coins)
        row = tables.units[unit]
        first = row["positions_start"]
        for at in range(first, first + row["positions_count"]):
            instrument = tables.positions[at]["instrument"]
            best = nearest(unit, ALONE, instrument, best, tables, base, moving, coins)
            coin = coins[tables.instruments[instrument]["mark_factor"]]
            best = nearest(unit, COIN, coin, best, tables, base, moving, coins)
        start = row["balances_start"]
        for at in range(start, start + row["balances_count"]):
            factor = tables.assets[tables.balances[at]["asset"]]["price_factor"]
            if factor >= 0 and coins[factor] != NO_COIN:
                best = nearest(unit, COIN, coins[factor], best, tables, base, moving, coins)
        reach[index] = best


__all__ = ["NO_COIN", "reach_kernel"]
