"""Who is meant by a name, and what units and accounts are called."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice

from keelmark.book.views import UnitView
from keelmark.core.codes import Leg, UnitKind
from keelmark.core.errors import InvalidInput, UnknownAccount, UnknownUnit, nearest
from keelmark.engine.state import State
from keelmark.service.reading import Reader

NEAR_MAX = 5_000
"""Names up to which the nearest one is looked for."""


@dataclass(slots=True)
class Roster:
    """Names by account, kept up with a state's own by reading what was added."""

    _names: dict[int, str] = field(default_factory=dict)
    _seen: int = 0
    _last: str | None = None

    def of(self, state: State) -> Mapping[int, str]:
        """Return the names by account."""
        known = state.names
        if self._last is not None and self._last not in known:
            self._names, self._seen = {}, 0
        if len(known) != self._seen:
            start = self._seen if len(known) > self._seen else 0
            for name, account in list(islice(known.items(), start, None)):
                self._names[account] = name
                self._last = name
            self._seen = len(known)
        return self._names


def account_number(reader: Reader, name: str) -> int:
    """Return the account that a caller's name or a number means; a name wins.

    Raises:
        UnknownAccount: There is none.
    """
    state = reader.state
    if name in state.names:
        return state.names[name]
    count = state.book.accounts_count
    if name.isascii() and name.isdigit() and len(name) < 12 and int(name) < count:  # noqa: PLR2004
        return int(name)
    few = list(islice(state.names, NEAR_MAX))
    known = nearest(name, few) if few else f"accounts are 0..{count - 1}"
    msg = f"no account {name!r}; {known}" if count else f"no account {name!r}: there is none yet"
    raise UnknownAccount(msg)


def unit_id(view: UnitView, state: State) -> str:
    """Return what a unit is called within its account, as an account document calls it.

    An isolated unit without a position, or with several, is called by its number.
    """
    if view.kind is UnitKind.IN_HOUSE:
        return state.book.unit_name(view.unit)
    if view.kind is UnitKind.CROSS:
        return "cross"
    symbols = {p.instrument for p in view.positions}
    if len(symbols) != 1 or len(view.positions) != 1:
        return f"isolated:#{view.unit}"
    held = view.positions[0]
    suffix = "" if held.leg is Leg.NET else f"/{held.leg.name.lower()}"
    return f"isolated:{state.universe.symbols[held.instrument]}{suffix}"


_UNIT = re.compile(r"\bunit (\d+)\b")


def with_owners(message: str, state: State, roster: Roster) -> str:
    """Return a message of the engine with whose its units are in place of their numbers."""
    return _UNIT.sub(lambda found: owner_of(int(found[1]), state, roster), message)


def owner_of(unit: int, state: State, roster: Roster) -> str:
    """Return whose a unit is, in words: the venue's own by its name, others by their account."""
    if unit in state.book.in_house.values():
        return state.book.unit_name(unit)
    try:
        account = state.book.account_of(unit)
    except UnknownUnit:
        return f"unit {unit}"
    owner = roster.of(state).get(account) or f"account {account}"
    return owner if state.book.units_of(account)[0] == unit else f"unit {unit} of {owner}"


def page_of(total: int, after: int | None, limit: int) -> Iterator[int]:
    """Yield the accounts of a page.

    Raises:
        InvalidInput: `after` is before the first.
    """
    if after is not None and after < 0:
        msg = f"after={after}: give the last account of the page before, from 0"
        raise InvalidInput(msg)
    first = 0 if after is None else after + 1
    yield from range(first, min(total, first + limit))
