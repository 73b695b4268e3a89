"""A writer at full speed and readers beside it, as processes; postings that only half seen show.

Units go in pairs. A group lets one of a pair buy lots of an instrument from the other and sell as
many of another one, and moves cash the same way: of every unit the lots of all instruments sum to
nothing and the balances of all assets to what it began with; what one of a pair holds the other
owes; and every price is the position. Positions open and close all the time, so blocks move and
are taken by others.

    python -m tests.service.columns.race write RUN             until killed
    python -m tests.service.columns.race read RUN READS MODE.. prints what it saw, as JSON
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from keelmark.book.kernels.blocks import Int32s, Rows
from keelmark.book.postings import Fill, Transfer, post, posting_rows
from keelmark.core.errors import KeelmarkError
from keelmark.engine.state import State
from keelmark.rulebooks.load import Rulebook
from keelmark.service.columns import mapping
from keelmark.service.columns.changes import NOBODY
from keelmark.service.columns.folders import write_manifest
from keelmark.service.columns.generation import Generation
from keelmark.service.columns.kernels import (
    DONE,
    Columns,
    read_unit_kernel,
    read_words_kernel,
)
from keelmark.service.columns.layout import FIELDS, Field, Shape, Words
from keelmark.service.columns.replica import Replica
from keelmark.service.reading import Reading
from tests.engine.venue import ROUND, merged, rulebook

PAIRS = 8
CASH = 10**6
SYMBOLS = "ABCDEFGH"
ASSETS = ("USDT", "X", "Y")
PREPARED = 2_000
PATIENCE_S = 60.0
WHOLE = "whole"


def rules() -> Rulebook:
    row = {"kind": "linear_perpetual", "settle": "USDT"}
    return rulebook(
        merged(
            ROUND,
            {
                "assets": {name: {"quantum": "1"} for name in ASSETS},
                "instruments": {symbol: {**row, "base": symbol} for symbol in SYMBOLS},
            },
        )
    )


def groups(first: int, rng: np.random.Generator) -> list[tuple[int, list[Fill | Transfer]]]:
    """Return groups in advance; a second round undoes the first, so that nothing overflows."""
    found: list[tuple[int, list[Fill | Transfer]]] = []
    for _ in range(PREPARED):
        unit = first + 2 * int(rng.integers(PAIRS))
        bought, sold = (int(row) for row in rng.choice(len(SYMBOLS), 2, replace=False))
        a, b = (int(row) for row in rng.choice(len(ASSETS), 2, replace=False))
        lots, cash = int(rng.integers(1, 4)), int(rng.integers(1, 9))
        found.append((unit, swap(unit, (bought, sold), lots, (a, b), cash)))
    return found


def swap(
    unit: int, instruments: tuple[int, int], lots: int, assets: tuple[int, int], cash: int
) -> list[Fill | Transfer]:
    """Return one group of a pair."""
    other, (bought, sold), (a, b) = unit + 1, instruments, assets
    return [
        Fill(unit=unit, counterparty=other, instrument=bought, lots=lots, value=100 * lots),
        Transfer(unit=unit, counterparty=other, asset=a, quanta=cash),
        Fill(unit=unit, counterparty=other, instrument=sold, lots=-lots, value=-100 * lots),
        Transfer(unit=other, counterparty=unit, asset=b, quanta=cash),
    ]


def undone(rows: Rows) -> Rows:
    """Return postings that take others back."""
    back = rows[::-1].copy()
    for name in ("lots", "value"):
        back[name] = -back[name]
    cash = back["kind"] == 1
    back["value"][cash] = -back["value"][cash]
    unit = back["unit"][cash].copy()
    back["unit"][cash], back["counterparty"][cash] = back["counterparty"][cash], unit
    return back


def write(run: Path) -> None:
    """Publish groups as fast as they can be posted, until killed."""
    state = State(rules())
    book = state.book
    first = book.units_count
    book.open_accounts(2 * PAIRS)
    units = range(first, first + 2 * PAIRS)
    paid = [
        Transfer(unit=-1, counterparty=unit, asset=asset, quanta=CASH)
        for unit in units
        for asset in range(len(ASSETS))
    ]
    post(book, posting_rows(paid))
    files = Generation(run, Shape.of(state.universe))
    forth = [(unit, posting_rows(rows)) for unit, rows in groups(first, np.random.default_rng(1))]
    back = [(unit, undone(rows)) for unit, rows in reversed(forth)]
    position = 1
    everybody = np.arange(book.units_count, dtype=np.int32)
    publish(files, state, everybody, position)
    write_manifest(run, files.manifest)
    while True:
        for unit, rows in (*forth, *back):
            position += 1
            post(book, rows)
            publish(files, state, np.array([unit, unit + 1], np.int32), position)


def publish(files: Generation, state: State, units: Int32s, position: int) -> None:
    """Publish a group whose prices are its position."""
    book, moment = state.book, files.moment
    files.copy(book, units, NOBODY, position)
    moment.numbers[Field.POSITION] = moment.numbers[Field.TIME_MS] = position
    moment.numbers[Field.UNITS] = book.units_count
    moment.numbers[Field.POSITIONS] = book.positions.used
    moment.numbers[Field.BALANCES] = book.balances.used
    moment.prices[:] = position
    files.tell()


# --- readers ------------------------------------------------------------------------------------


def blind_unit(
    shared: Columns, unit: int, head: Rows, positions: Rows, balances: Rows, stamp: Words
) -> int:
    """Read a unit without looking at its stamp."""
    stamp[0] = 0
    head[0] = shared.units[unit]
    first, cash = int(head[0]["positions_start"]), int(head[0]["balances_start"])
    for row in range(int(head[0]["positions_count"])):
        positions[row] = shared.positions[first + row]
    for row in range(int(head[0]["balances_count"])):
        balances[row] = shared.balances[cash + row]
    return DONE


def blind_words(words: Words, out: Words, sequence: int, first: int) -> int:  # noqa: ARG001 not looked at
    """Read a moment without looking at its sequence."""
    half = FIELDS + len(SYMBOLS) // 2  # in the middle of the prices
    out[:half] = words[first : first + half]
    time.sleep(0.0002)
    out[half:] = words[first + half : first + len(out)]
    return DONE


def ageless(read: Callable[..., int]) -> Callable[..., int]:
    """Read a unit without telling when it has changed."""

    def unit(*arguments: Any) -> int:  # noqa: ANN401 the kernel's
        answer = read(*arguments)
        arguments[-1][0] &= 1
        return answer

    return unit


def break_reader(mode: str) -> None:
    """Put the reader together with every check, or without one of them."""
    parts: Any = mapping
    parts.read_unit_kernel, parts.read_words_kernel = read_unit_kernel, read_words_kernel
    if mode == "no stamp":
        parts.read_unit_kernel = blind_unit
    elif mode == "no sequence":
        parts.read_words_kernel = blind_words
    elif mode == "no age":
        parts.read_unit_kernel = ageless(read_unit_kernel)


def read(run: Path, mode: str, reads: int) -> dict[str, Any]:
    """Read pairs and the fleet; a broken reader goes on until it sees what it should not."""
    deadline = time.monotonic() + PATIENCE_S
    while not (run / "columns.json").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    break_reader(mode)
    reader = Replica.open(run, rules())
    first = len(reader.state.book.in_house)
    rng = np.random.default_rng(2)
    wrong: list[str] = []
    seen: set[int] = set()
    done = 0
    while (done < reads or mode != WHOLE) and not wrong and time.monotonic() < deadline:
        done += 1
        unit = first + 2 * int(rng.integers(PAIRS))
        try:
            reading = reader.read([unit, unit + 1])
            seen.add(reading.position)
            wrong += found_wrong(reading)
            if done % 20 == 0:
                wrong += fleet_wrong(reader, first)
        except (KeelmarkError, ValueError, IndexError) as error:
            wrong.append(repr(error))
    return {"wrong": wrong[:3], "reads": done, "positions": len(seen)}


def found_wrong(reading: Reading) -> list[str]:
    """Return what of a pair's reading no group has left behind."""
    unit, other = reading.views
    wrong = []
    for view in reading.views:
        if sum(position.lots for position in view.positions):
            wrong.append(f"lots of {view}")
        if sum(view.balances.values()) != len(ASSETS) * CASH:
            wrong.append(f"cash of {view}")
    owed = {p.instrument: -p.lots for p in other.positions}
    if {p.instrument: p.lots for p in unit.positions} != owed:
        wrong.append(f"{unit} beside {other}")
    prices = {*reading.market.marks.values(), reading.position, reading.time_ms}
    if len(prices) > 1:
        wrong.append(f"prices {prices}")
    return wrong


def fleet_wrong(reader: Replica, first: int) -> list[str]:
    """Return what of the fleet's copy no group has left behind."""
    fleet = reader.fleet(max_age_s=-1.0)
    tables = fleet.tables
    wrong = []
    if set(tables.prices.tolist()) != {float(fleet.position or 0)}:
        wrong.append("prices of the fleet")
    for unit in range(first, fleet.units):
        row = tables.units[unit]
        start, cash = int(row["positions_start"]), int(row["balances_start"])
        lots = tables.positions["lots"][start : start + int(row["positions_count"])]
        quanta = tables.balances["quanta"][cash : cash + int(row["balances_count"])]
        if lots.sum() or quanta.sum() != len(ASSETS) * CASH:
            wrong.append(f"unit {unit} of the fleet at {fleet.position}")
    return wrong


if __name__ == "__main__":
    folder = Path(sys.argv[2])
    if sys.argv[1] == "write":
        write(folder)
    else:
        print(json.dumps([read(folder, mode, int(sys.argv[3])) for mode in sys.argv[4:]]))  # noqa: T201
