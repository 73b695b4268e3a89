"""The engine of `engine_script`, with its orders executed outside: `external_script.py MODE ...`.

Half of what comes next, while orders work, is an answer of the matching engine: a fill in part or
whole, the same report again, a rejection, the confirmation of a cancellation. The other half is the
script's own, so orders also time out, and units recover, fall again and are taken over meanwhile.
"""

import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from keelmark.core.errors import InvalidInput, Rejected
from keelmark.engine import commands as c
from keelmark.engine.engine import Engine
from keelmark.engine.events import MarksSet, Posted
from keelmark.engine.execution import ExternalVenue
from keelmark.engine.journal.memory import MemoryJournal
from keelmark.engine.journal.sqlite import SqliteJournal
from keelmark.engine.recovery import replay
from keelmark.engine.state import State
from keelmark.engine.working import WorkingOrder
from keelmark.rulebooks.load import Rulebook
from tests.ports import engine_script
from tests.ports.engine_script import SETTINGS, AcknowledgedJournal, Action, acknowledgement


def rulebook() -> Rulebook:
    """Return the script's rulebook without grace: orders go out at once."""
    book = engine_script.rulebook()
    rules = book.liquidation
    margin_call = replace(rules.margin_call, grace_s=0)
    return replace(book, liquidation=replace(rules, margin_call=margin_call))


def market() -> ExternalVenue:
    return ExternalVenue(time_out_s=20, retry_s=3)


def actions(state: State, seed: int, position: int) -> Iterator[Action]:
    """Yield candidates for the next batch; the last of them is always accepted."""
    rng = np.random.default_rng([seed, position, 1])
    if len(state.working) and rng.random() < 0.5:
        rows = state.working.rows()
        yield answer(state, rows[int(rng.integers(len(rows)))], rng)
        return
    yield from engine_script.actions(state, seed, position)


def answer(state: State, row: WorkingOrder, rng: np.random.Generator) -> c.Command:
    """Draw what the matching engine says of an order."""
    if rng.random() < 0.2:
        outcome = "cancelled" if row.is_cancelling else "rejected"
        return c.CloseOrder(order=row.order, outcome=outcome)
    lots = max(1, int(row.rest * rng.choice([0.3, 1.0, 1.0, 1.2])))
    ticks = int(state.ticks(row.instrument) * rng.uniform(0.995, 1.005))
    return c.ReportExecution(
        order=row.order,
        execution=f"x{len(row.executions)}",
        lots=lots if row.lots > 0 else -lots,
        ticks=ticks,
    )


def repeated(state: State) -> Iterator[c.Command]:
    """Yield every report of the orders that are known, again: none of them may do anything."""
    for row in (*state.working.rows(), *state.working.closed.values()):
        for execution, told in row.executions.items():
            yield c.ReportExecution(
                order=row.order,
                execution=execution,
                lots=told.lots,
                ticks=told.ticks,
                fee=told.fee,
            )


def advance(engine: Engine, seed: int) -> None:
    """Carry out the first candidate that no rule refuses."""
    for action in actions(engine.state, seed, engine.position):
        try:
            if isinstance(action, MarksSet):
                engine.submit_marks(action)
            elif isinstance(action, Posted):
                engine.submit_bulk(action)
            else:
                engine.submit(action)
        except (Rejected, InvalidInput):
            assert not engine.is_behind
        else:
            return


def drive(path: Path, seed: int) -> None:
    """Go on where the journal ends; a matching engine that lost the answers sends them again."""
    with SqliteJournal(path, SETTINGS) as inner:
        journal = AcknowledgedJournal(inner, lambda line: os.write(1, line.encode()))
        engine = journal.engine = Engine.recover(rulebook(), journal, market=market())
        for report in repeated(engine.state):
            assert engine.submit(report).is_repeated
        while True:
            advance(engine, seed)


def fold(path: Path) -> list[str]:
    state, venue = State(rulebook()), market()
    lines = []
    with SqliteJournal(path, SETTINGS) as journal:
        for position, records in journal.read(after=0):
            replay(state, venue, records, position)
            lines.append(acknowledgement(position, state))
    return lines


def expect(count: int, seed: int) -> list[str]:
    lines: list[str] = []
    journal = AcknowledgedJournal(MemoryJournal(), lines.append)
    engine = journal.engine = Engine(rulebook(), journal=journal, market=market())
    while engine.position < count:
        advance(engine, seed)
    return lines[:count]


def told(mode: str, target: str, seed: int) -> list[str]:
    """Return the lines of `replay` or `expect`."""
    return fold(Path(target)) if mode == "replay" else expect(int(target), seed)


def main(mode: str, target: str, seed: int) -> None:
    if mode == "drive":
        drive(Path(target), seed)
    os.write(1, "".join(told(mode, target, seed)).encode())


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
