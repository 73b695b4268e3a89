"""Who is liquidated when: the order in which the rulebook has units take their turns."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from keelmark.core.numbers import exact
from keelmark.core.process import UnitOrder
from keelmark.engine.liquidation.process import is_backstops, is_waiting, must_wait
from keelmark.engine.state import State

Int32s = npt.NDArray[np.int32]


def in_order(state: State, units: Int32s) -> Iterable[int]:
    """Return the units that may be at their trigger, in the order the rulebook names."""
    rest = [u for u in units.tolist() if u not in state.cases and state.may_fall(u)]
    open_cases = _stirring(state, [u for u in units.tolist() if u in state.cases])
    return queue(state, open_cases) + queue(state, rest)


def queue(state: State, units: list[int]) -> list[int]:
    """Return units in the order in which they are liquidated, those that cannot be left out.

    Liquidations that have recovered come first, by id: once they have ended, what is left of
    them can be closed against by whoever does not recover.
    """
    ready = [u for u in units if u not in state.held and not must_wait(state, u)]
    back = {u for u in ready if u in state.cases and state.has_recovered(u)}
    return sorted(back) + _ranked(state, [u for u in ready if u not in back])


def _stirring(state: State, units: list[int]) -> list[int]:
    """Leave out the liquidations that wait, have surely not recovered and are not taken yet."""
    waiting = [u for u in units if is_waiting(state, state.cases[u])]
    if not waiting:
        return units
    still = zip(waiting, state.is_still_down(waiting), strict=True)
    idle = {u for u, is_down in still if is_down and not is_backstops(state, u)}
    return [u for u in units if u not in idle]


def _ranked(state: State, units: list[int]) -> list[int]:
    """Return units by the rulebook's order; equal ones by id."""
    rule = state.rules.unit_order
    if rule is UnitOrder.ACCOUNT_ID or len(units) < 2:  # noqa: PLR2004 nothing to order
        return sorted(units)
    with exact():
        keys = {unit: state.rank(unit, rule) for unit in units}
    return sorted(units, key=lambda unit: (keys[unit], unit))
