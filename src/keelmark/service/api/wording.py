"""Refusals of the engine in the names and decimals of the API.

The engine counts whole quanta, lots and ticks and numbers its units; so does whoever calls it from
Python. Whoever calls it over HTTP sent names and decimals, and is answered in them.
"""

import re
from functools import partial

from msgspec.structs import replace

from keelmark.core.codes import Leg
from keelmark.core.errors import InvalidInput
from keelmark.engine.state import State
from keelmark.service.link.messages import Outcome
from keelmark.service.views.figures import money, size, text, tick_price
from keelmark.service.views.names import Roster, with_owners

_PAYMENT = re.compile(r"of (\d+) quanta of (\S+); (.+) holds (-?\d+)$")
_NOT_POSITIVE = re.compile(r" of -?\d+ quanta; give a positive whole number$")
_FEES = re.compile(r"fees -?\d+ and -?\d+ on a notional of \d+ quanta")
_BEYOND = re.compile(
    r"(-?\d+) lots at (\d+) ticks on leg (-?\d+) of instrument row (\d+), and (order .+) is "
    r"(-?\d+) lots at (\d+) on leg (-?\d+) of row (\d+);"
)


def in_words(outcome: Outcome, state: State, roster: Roster) -> Outcome:
    """Return what became of a command, with the reason of a refusal in names and decimals."""
    failure = outcome.error
    if failure is None or outcome.status not in {"rejected", "invalid"}:
        return outcome
    message = worded(failure.message, state, roster)
    return replace(outcome, error=replace(failure, message=message))


def worded(message: str, state: State, roster: Roster) -> str:
    """Return a refusal in names and decimals, and with the names of fields that the API has."""
    message = _PAYMENT.sub(partial(_payment, state), message)
    message = _BEYOND.sub(partial(_beyond, state), message)
    message = _NOT_POSITIVE.sub(" of nothing or less; give a positive amount", message)
    message = _FEES.sub("fees of more than the notional", message)
    message = message.replace("a price for it in `ticks`", "a price for it in `prices`")
    return with_owners(message, state, roster)


def _payment(state: State, found: re.Match[str]) -> str:
    wanted, name, who, held = found.groups()
    try:
        asset = state.universe.asset_row(name)
    except InvalidInput:
        return found.group()
    least, most = (money(state.universe, asset, int(part)) for part in (held, wanted))
    return f"of {most} {name}; {who} holds {least}"


def _beyond(state: State, found: re.Match[str]) -> str:
    lots, ticks, leg, row, order, *booked = found.groups()
    rest = _order(state, *booked)
    return f"{_order(state, lots, ticks, leg, row)}, and {order} is {rest};"


def _order(state: State, lots: str, ticks: str, leg: str, row: str) -> str:
    universe, instrument = state.universe, int(row)
    amount = text(size(universe, instrument, int(lots)))
    price = text(tick_price(universe, instrument, int(ticks)))
    side = "" if int(leg) == Leg.NET else f" on the {Leg(int(leg)).name.lower()} leg"
    return f"{amount} {universe.symbols[instrument]} at {price}{side}"
