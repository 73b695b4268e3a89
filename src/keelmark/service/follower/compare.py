"""Hold what a writer publishes against a state that the journal alone has given (INV-10).

The writer is not asked and does not wait. A unit counts where its last published change is not
after the position of the state; the others have changed again and are looked at next time.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from keelmark.book.kernels.jit import njit_unlocked
from keelmark.book.views import rows_view
from keelmark.core.errors import KeelmarkError
from keelmark.engine.state import State
from keelmark.service.columns.errors import ColumnsUnavailable
from keelmark.service.columns.fences import fence, load_word
from keelmark.service.columns.folders import read_manifest
from keelmark.service.columns.kernels import Columns, Held
from keelmark.service.columns.layout import Field, Moment, Shape
from keelmark.service.columns.mapping import Mapping

SHOWN = 5
"""Units a finding names."""

WAIT_S = 5.0
PAUSE_S = 0.01
"""How long the writer may take to publish what is durable: far less unless it has ended."""

Words = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What became of it.

    Attributes:
        compared: Units that were compared.
        newer: Units that had changed again.
        findings: How what is published differs.
    """

    compared: int = 0
    newer: int = 0
    findings: tuple[str, ...] = ()


@njit_unlocked
def compare_kernel(
    shared: Columns,
    book: Held,
    position: int,
    differing: Words,  # (n,) units that differ, written
    counts: Words,  # (3,) compared, newer, differing; written
) -> None:
    """Compare every unit that has not changed since a position. Definition: equal `unit_view`."""
    counts[:] = 0
    for unit in range(book.units.shape[0]):
        stamp = load_word(shared.stamps, unit)
        if stamp & 1 or stamp >> 1 > position:
            counts[1] += 1
            continue
        is_equal = same(shared, book, unit)
        fence()
        if load_word(shared.stamps, unit) != stamp:
            counts[1] += 1
            continue
        counts[0] += 1
        if not is_equal:
            if counts[2] < differing.shape[0]:
                differing[counts[2]] = unit
            counts[2] += 1


@njit_unlocked
def same(shared: Columns, book: Held, unit: int) -> bool:
    """Whether a unit's record and rows are equal, wherever they lie."""
    mine, theirs = book.units[unit], shared.units[unit]
    first, other = mine["positions_start"], theirs["positions_start"]
    cash, other_cash = mine["balances_start"], theirs["balances_start"]
    count, cash_count = mine["positions_count"], mine["balances_count"]
    if (
        theirs["positions_count"] != count
        or theirs["balances_count"] != cash_count
        or theirs["account"] != mine["account"]
        or theirs["kind"] != mine["kind"]
        or theirs["status"] != mine["status"]
        or other < 0
        or other_cash < 0
        or other + count > shared.positions.shape[0]
        or other_cash + cash_count > shared.balances.shape[0]
    ):
        return False
    for row in range(count):
        a, b = book.positions[first + row], shared.positions[other + row]
        if (
            a["lots"] != b["lots"]
            or a["cost"] != b["cost"]
            or a["instrument"] != b["instrument"]
            or a["leverage"] != b["leverage"]
            or a["leg"] != b["leg"]
        ):
            return False
    for row in range(cash_count):
        a, b = book.balances[cash + row], shared.balances[other_cash + row]
        if a["quanta"] != b["quanta"] or a["asset"] != b["asset"]:
            return False
    return True


def compare(
    state: State, position: int, run: Path, *, sleep: Callable[[float], None] = time.sleep
) -> Comparison:
    """Compare what a writer publishes with the state at a journal position.

    Nothing is compared where no writer publishes, or it ends meanwhile.

    Args:
        state: What the journal gives.
        position: Where.
        run: The run folder of the writer.
        sleep: Waits so many seconds.
    """
    try:
        mapping = Mapping(read_manifest(run))
    except ColumnsUnavailable:
        return Comparison()
    except KeelmarkError:
        return Comparison()  # replaced or removed meanwhile: the next round sees
    try:
        return _compared(mapping, state, position, sleep)
    except ColumnsUnavailable:
        return Comparison()
    finally:
        mapping.close()


def _compared(
    mapping: Mapping, state: State, position: int, sleep: Callable[[float], None]
) -> Comparison:
    if mapping.manifest.shape != Shape.of(state.universe):
        what = f"published are {mapping.manifest.shape}, the journal gives other columns"
        return Comparison(findings=(f"INV-10 {what}",))
    moment = Moment(mapping.manifest.shape)
    waited = 0.0
    mapping.read_moment(moment)
    while moment.numbers[Field.POSITION] < position:
        if waited > WAIT_S or not mapping.is_live:
            return Comparison()
        sleep(PAUSE_S)
        waited += PAUSE_S
        mapping.read_moment(moment)
    differing, counts = np.zeros(SHOWN, np.int64), np.zeros(3, np.int64)
    book = state.book
    held = Held(book.units, book.positions.rows, book.balances.rows)
    compare_kernel(mapping.columns, held, position, differing, counts)
    wrong = [_told(mapping, state, unit) for unit in differing[: int(counts[2])].tolist()]
    if counts[2] > SHOWN:
        wrong.append(f"INV-10 and {int(counts[2]) - SHOWN} units more")
    findings = [*wrong, *_moment_findings(moment, state, position)]
    return Comparison(
        compared=int(counts[0]), newer=int(counts[1]), findings=tuple(filter(None, findings))
    )


def _told(mapping: Mapping, state: State, unit: int) -> str:
    """Return how a unit differs; nothing if it differs in the order of its rows alone."""
    _, (head, *tables) = mapping.read_unit(unit)
    shown, given = rows_view(unit, head[0], *tables), state.book.unit_view(unit)
    return "" if shown == given else f"INV-10 {shown} is published, the journal gives {given}"


def _moment_findings(moment: Moment, state: State, position: int) -> list[str]:
    """Return how prices, clock and vault differ, where they are of the same position."""
    if int(moment.numbers[Field.POSITION]) != position:
        return []
    found = []
    if not np.array_equal(moment.prices, state.prices, equal_nan=True):
        found.append("INV-10 published prices are not those the journal gives")
    if int(moment.numbers[Field.TIME_MS]) != state.time_ms:
        found.append(f"INV-10 published time {moment.numbers[Field.TIME_MS]}, not {state.time_ms}")
    if moment.vault_quanta() != tuple(state.book.vault):
        found.append(f"INV-10 published vault {moment.vault_quanta()}, not {state.book.vault}")
    return found
