"""The invariants of one moment, held against the columns that are published.

The writer proves them event by event as it goes; here another process proves them again from
outside, on its own copy, without the code that decided.
"""

import numpy as np

from keelmark.book import invariants as columns
from keelmark.book.kernels.standing import STANDING, standing_kernel
from keelmark.core import invariants as laws
from keelmark.engine.state import State
from keelmark.lab.fleet.glimpse import Glimpse
from keelmark.lab.fleet.questions import open_units
from keelmark.service.health.values import Finding, Health
from keelmark.service.reading import Reader
from keelmark.service.views.moment import state_of

LOOKED_AT_MAX = 10_000
"""Units that `core` is asked about in one look; of more the first are taken, and it is said."""


def law_findings(reader: Reader) -> list[Finding]:
    """Return what became of each law that can be held against published columns.

    A pass over the fleet and an exact look at whoever is not clear of the trigger: call it on a
    worker thread.
    """
    glimpse = reader.fleet()
    state = state_of(glimpse, reader.state)
    if glimpse.vault is not None:
        state.book.vault = list(glimpse.vault)
    moment = f"at position {glimpse.position}"
    return [
        _finding(
            "INV-01",
            columns.value_is_conserved(state.book) if glimpse.vault is not None else None,
            f"value is conserved in every asset {moment}",
        ),
        _finding(
            "INV-02",
            columns.open_interest_is_symmetric(state.book),
            f"open interest is as long as it is short {moment}",
        ),
        _finding("INV-03", _funds(reader, state), f"no insurance fund is negative {moment}"),
        _finding("INV-06", *_watched(reader, glimpse)),
    ]


def _finding(name: str, failure: str | None, holds: str) -> Finding:
    if failure is None:
        return Finding(name=name, health=Health.OK, detail=holds)
    fix = "stop the service, keep its data folder, and report it with the journal"
    return Finding(name=name, health=Health.FAILING, detail=f"{failure}; {fix}")


def _funds(reader: Reader, state: State) -> str | None:
    return laws.fund_is_not_negative(
        {
            f"{name} {state.universe.assets[asset]}": quanta
            for name, unit in state.funds.items()
            for asset, quanta in reader.view(unit).balances.items()
        }
    )


def _watched(reader: Reader, glimpse: Glimpse) -> tuple[str | None, str]:
    """Hold that nobody at the trigger is left alone, against the columns and then `core`."""
    units = open_units(glimpse)
    standing = np.zeros(len(units), STANDING)
    standing_kernel(units, glimpse.tables, standing)
    near = units[~(standing["excess"] > standing["error"])].tolist()
    left = [unit for unit in near[:LOOKED_AT_MAX] if is_left_alone(reader, unit)]
    # What is published moves on: only who is left alone at two looks was left alone at one moment.
    left = [unit for unit in left if is_left_alone(reader, unit)]
    seen = f"{len(units):,} units screened, {min(len(near), LOOKED_AT_MAX):,} by the exact core"
    cut = f", {len(near) - LOOKED_AT_MAX:,} not looked at" if len(near) > LOOKED_AT_MAX else ""
    if not left:
        return None, f"nobody at the trigger is left alone ({seen}{cut})"
    names = ", ".join(map(str, left[:5]))
    return f"units {names} stand at their trigger and nothing is done about them", ""


def is_left_alone(reader: Reader, unit: int) -> bool:
    """Whether a unit is at its trigger and there is no reason why nothing is done about it."""
    state = reader.state
    excused = unit in state.cases or unit in state.held or unit in state.grace or -1 in state.paused
    if excused:
        return False
    reading = reader.read([unit])
    view = reading.views[0]
    if not view.positions or state.depends_on_untrusted(view):
        return False
    try:
        is_down = reading.report().is_liquidatable
    except LookupError:  # a price that never came: nobody can tell
        return False
    still = reader.read([unit])
    return is_down and still.views[0] == view and unit not in reader.state.cases
