"""One digest of everything the engine remembers: book, prices, clock, processes."""

from dataclasses import astuple
from hashlib import blake2b

import msgspec

from keelmark.book.digest import digest
from keelmark.engine.state import State

SCHEMA = 1


def state_digest(state: State) -> str:
    """Return the digest of a state, as 64 hexadecimal figures.

    Wires, reserves and caches are derived and do not count.
    """
    hashed = blake2b(digest_size=32)
    hashed.update(digest(state.book).encode())
    hashed.update(state.prices.tobytes())
    hashed.update(msgspec.json.encode(remembered(state), order="deterministic"))
    return hashed.hexdigest()


def remembered(state: State) -> dict[str, object]:
    """Return what the state holds beside the columns, as plain values in a fixed order."""
    return {
        "schema": SCHEMA,
        "rulebook": state.rulebook.name,
        "time_ms": state.time_ms,
        "posted_ms": state.posted_ms,
        "names": sorted(state.names.items()),
        "orders": [
            (unit, number, order.instrument, order.lots, order.ticks)
            for unit, orders in sorted(state.orders.items())
            for number, order in sorted(orders.items())
        ],
        "protections": [
            (unit, number, *astuple(p))
            for unit, rows in sorted(state.protections.items())
            for number, p in sorted(rows.items())
        ],
        "cases": [
            (c.case, c.unit, c.attempts, c.wake_ms, c.cooldown_ms, sorted(c.exhausted))
            for _, c in sorted(state.cases.items())
        ],
        "grace": sorted(state.grace.items()),
        "levels": sorted(state.levels.items()),
        "paused": sorted(state.paused),
        "held": sorted(state.held),
        "untrusted": sorted(state.untrusted),
        "funds": [
            (*key, w.start_ms, str(w.base), str(w.spent))
            for key, w in sorted(state.fund_windows.items())
        ],
        "sold": (state.sold_window.start_ms, str(state.sold_window.notional)),
        "loss": (state.loss_window.start_ms, repr(state.loss_window.equity)),
        "cases_count": state.cases_count,
    }
