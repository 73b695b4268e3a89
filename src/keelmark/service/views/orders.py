"""Liquidation orders that are out in a market of the user's."""

from keelmark.engine.working import WorkingOrder
from keelmark.service.reading import Reader
from keelmark.service.views.figures import Json, instant, maybe_instant, size, text, tick_price
from keelmark.service.views.names import Roster, unit_id


def orders(reader: Reader, roster: Roster) -> Json:
    """Return the orders that work, the oldest first; none where the built-in book executes."""
    position, state = reader.position, reader.state
    names, universe = roster.of(state), state.universe

    def told(row: WorkingOrder) -> Json:
        view = reader.view(row.unit)
        limit = row.limit_ticks
        return {
            "order": row.order,
            "case": row.case or None,
            "account": view.account if view.account >= 0 else None,
            "name": names.get(view.account),
            "unit": row.unit,
            "unit_id": unit_id(view, state),
            "instrument": universe.symbols[row.instrument],
            "side": "buy" if row.lots > 0 else "sell",
            "size": text(abs(size(universe, row.instrument, row.lots))),
            "filled": text(abs(size(universe, row.instrument, row.filled))),
            "limit_price": None
            if limit is None
            else text(tick_price(universe, row.instrument, limit)),
            "sent": instant(row.time_ms),
            "times_out": instant(row.expires_ms),
            "is_cancelling": row.is_cancelling,
            "is_timed_out": row.is_timed_out,
            "reason": row.reason,
        }

    external = state.external
    return {
        "position": position,
        "time": maybe_instant(state.time_ms),
        "market": "built-in" if external is None else "external",
        "time_out_ms": None if external is None else external.time_out_ms,
        "orders": [told(row) for row in list(state.working.rows())],
    }
