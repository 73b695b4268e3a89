"""What events of orders that are executed outside say."""

from keelmark.engine import order_events as o
from keelmark.service.events_json.names import Json, Namer, instant, leg
from keelmark.service.events_json.words import Word


def _planned(n: Namer, x: o.RoundPlanned) -> Json:
    rows = [
        {
            "instrument": n.instrument(row.instrument),
            "leg": leg(row.leg),
            "size": n.size(row.instrument, row.lots),
        }
        for row in x.closes
    ]
    return n.unit(x.unit) | {"case": x.case, "attempts": x.attempts, "closes": rows}


def _sent(n: Namer, x: o.OrderSent) -> Json:
    return {
        **n.unit(x.unit),
        "order": x.order,
        "case": x.case or None,
        "instrument": n.instrument(x.instrument),
        "leg": leg(x.leg),
        "size": n.size(x.instrument, x.lots),
        "limit_price": n.price(x.instrument, x.limit_ticks),
        "mark_price": n.price(x.instrument, x.mark_ticks),
        "expires": instant(x.expires_ms),
        "reason": x.reason,
        "protection": x.protection,
    }


def _filled(n: Namer, x: o.OrderFilled) -> Json:
    return {
        **n.unit(x.unit),
        "order": x.order,
        "execution": x.execution,
        "case": x.case or None,
        "instrument": n.instrument(x.instrument),
        "size": n.size(x.instrument, x.lots),
        "booked": n.size(x.instrument, x.booked),
        "price": n.price(x.instrument, x.ticks),
        "fee": None if x.fee is None else n.worth(x.instrument, x.fee),
        "settle": n.asset(n.settle(x.instrument)),
    }


def _flagged(n: Namer, x: o.ExecutionFlagged) -> Json:
    found = {"order": x.order, "execution": x.execution, "case": x.case or None}
    return n.unit(x.unit) | found | {"reason": x.reason}


def _timed_out(n: Namer, x: o.OrderTimedOut) -> Json:
    return n.unit(x.unit) | {"order": x.order, "case": x.case or None}


def _cancel(n: Namer, x: o.CancelRequested) -> Json:
    return n.unit(x.unit) | {"order": x.order, "case": x.case or None, "reason": x.reason}


def _closed(n: Namer, x: o.OrderClosed) -> Json:
    found = {"order": x.order, "case": x.case or None, "outcome": x.outcome}
    return n.unit(x.unit) | found | {"lots_filled": x.filled, "reason": x.reason}


def _passed(n: Namer, x: o.OrdersPassed) -> Json:
    found = n.unit(x.unit) | n.unit(x.receiver, "receiver_")
    return found | {"case": x.case or None, "orders": list(x.orders)}


ORDER_WORDS: dict[type, Word] = {
    o.RoundPlanned: _planned,
    o.OrderSent: _sent,
    o.OrderFilled: _filled,
    o.ExecutionFlagged: _flagged,
    o.OrderTimedOut: _timed_out,
    o.CancelRequested: _cancel,
    o.OrderClosed: _closed,
    o.OrdersPassed: _passed,
}
