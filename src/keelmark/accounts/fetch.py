"""Read an account live, through ccxt, with calls that only read.

ccxt signs and sends; the answers are the venue's own, untouched, and go through the importers. Keys
are handed to ccxt and to nothing else: whatever a venue or ccxt says in an error is blotted before
it is shown, and what ccxt raised is not chained, so that no traceback carries it.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from importlib import import_module
from json import dumps
from pathlib import Path
from typing import Any

from keelmark.accounts.credentials import Credentials, find_credentials, system_keyring
from keelmark.accounts.decode import parse_json
from keelmark.accounts.fetch_plans import (
    ADDRESS,
    PLANS,
    SUBACCOUNT,
    Call,
    Paging,
    Plan,
    at,
    rows_at,
)
from keelmark.accounts.importers import ImportedAccount, Payload, import_account
from keelmark.core.errors import InvalidInput, MissingExtra, VenueUnavailable, nearest

MISSING = "live accounts are read through ccxt: `pip install 'keelmark[ccxt]'`"
_FIELDS = {"KEY": "apiKey", "SECRET": "secret", "PASSWORD": "password", "WALLET": "walletAddress"}
_TIMEOUT_MS = 20_000
_PAGES_MAX = 100
_OKX_PAGE = 100
_QUERY = re.compile(r"\?[^\s\"']+")
_SHOWN_MAX = 300
_POOLED = "unifiedAccount"

Ask = Callable[[Call, Mapping[str, str]], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedAccount:
    """An account read live.

    Attributes:
        answers: What the venue answered, call by call.
        imported: The account document made of them.
    """

    answers: tuple[Payload, ...]
    imported: ImportedAccount


def venues() -> tuple[str, ...]:
    """Return the venues an account can be read from."""
    return tuple(PLANS)


def fetch_account(
    venue: str,
    *,
    exchange: object | None = None,
    credentials: Credentials | None = None,
    subaccount: int = 0,
) -> FetchedAccount:
    """Return an account as a venue answers now.

    Args:
        venue: One of `venues()`.
        exchange: What is asked; by default the ccxt class of the venue.
        credentials: By default those of the environment, then of the keyring.
        subaccount: Which one, where a venue numbers them (dYdX).

    Raises:
        InvalidInput: The venue is not known, or a key is missing.
        MissingExtra: ccxt is not installed.
        VenueUnavailable: The venue cannot be reached or refuses; says what to do.
        InvalidDocument: Its answers cannot be read.
    """
    plan = plan_of(venue)
    keys = credentials or find_credentials(
        venue, plan.needs, environment=os.environ, keyring=system_keyring()
    )
    asked = exchange if exchange is not None else open_exchange(plan, keys)
    notes: list[str] = []
    fill = {ADDRESS: keys.values.get("WALLET", ""), SUBACCOUNT: str(subaccount)}
    reader = _Reader(venue=venue, exchange=asked, keys=keys, fill=fill, notes=notes)
    answers = tuple(reader.answers(plan))
    return FetchedAccount(answers=answers, imported=import_account(answers, notes=notes))


def plan_of(venue: str) -> Plan:
    """Return how a venue is read; an unknown one is answered with the nearest."""
    plan = PLANS.get(venue)
    if plan is None:
        msg = f"no account can be read from {venue!r}; {nearest(venue, PLANS)}"
        raise InvalidInput(msg)
    return plan


def open_exchange(plan: Plan, keys: Credentials) -> object:
    """Return the ccxt exchange of a plan; raises `MissingExtra` where ccxt is not installed."""
    try:
        ccxt = import_module("ccxt")
    except ImportError as error:
        raise MissingExtra(MISSING) from error
    settings: dict[str, Any] = {_FIELDS[name]: text for name, text in keys.values.items()}
    settings |= {"enableRateLimit": True, "timeout": _TIMEOUT_MS}
    found: object = getattr(ccxt, plan.exchange)(settings)
    return found


def save_answers(answers: Sequence[Payload], folder: Path) -> None:
    """Write each answer to a file of its own, named by its kind; nothing is overwritten."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, answer in enumerate(answers, 1):
        name = (answer.kind or "answer").replace(":", "-")
        path = folder / f"{number:02}-{name}.json"
        text = dumps(answer.content, indent=2, default=str) + "\n"
        with path.open("x", encoding="utf-8") as file:
            file.write(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reader:
    """Asks an exchange, call by call."""

    venue: str
    exchange: object
    keys: Credentials
    fill: Mapping[str, str]
    notes: list[str]

    def answers(self, plan: Plan) -> Iterator[Payload]:
        """Return every answer of a plan, and of what is asked once those are known."""
        known: list[Payload] = []
        for answer in self.of(plan.calls):
            known.append(answer)
            yield answer
        yield from self.of(plan.after(known))

    def of(self, calls: Iterable[Call]) -> Iterator[Payload]:
        """Return the answers of calls."""
        for call in calls:
            params = {name: self.fill.get(text, text) for name, text in call.params.items()}
            try:
                content = self.whole(call, params)
            except VenueUnavailable as error:
                if not call.optional:
                    raise
                self.notes.append(f"{call.kind} could not be read: {error}")
                continue
            yield Payload(title=call.kind, content=content, kind=call.kind)
            if call.kind == "hyperliquid:mode":
                yield from self.other_dexes(params["user"], is_pooled=content == _POOLED)

    def other_dexes(self, user: str, *, is_pooled: bool) -> Iterator[Payload]:
        """Return the states on builders' perpetuals, which a unified balance backs as well."""
        if not is_pooled:
            self.notes.append("perpetuals of builders (HIP-3) keep margin apart and are not read")
            return
        method = "publicPostInfo"
        dexes = self.ask(Call(kind="perpDexs", method=method), {"type": "perpDexs"})
        for dex in dexes if isinstance(dexes, list) else []:
            name = dex.get("name") if isinstance(dex, Mapping) else None
            if not isinstance(name, str) or not name:
                continue
            params = {"type": "clearinghouseState", "user": user, "dex": name}
            content = self.ask(Call(kind="hyperliquid:perps", method=method), params)
            if isinstance(content, Mapping) and content.get("assetPositions"):
                title = f"hyperliquid:perps {name}"
                yield Payload(title=title, content=content, kind="hyperliquid:perps")

    def whole(self, call: Call, params: Mapping[str, str]) -> object:
        """Return an answer with all its pages."""
        content = self.ask(call, params)
        if call.paging is None:
            return content
        follow = _next_cursor if call.paging is Paging.CURSOR else _next_after
        pages = [content]
        while (more := follow(pages[-1])) is not None:
            if len(pages) == _PAGES_MAX:
                msg = f"{self.venue}: {call.kind} has more than {_PAGES_MAX} pages"
                raise VenueUnavailable(msg)
            pages.append(self.ask(call, {**params, call.paging.value: more}))
        return _joined(pages, call.paging)

    def ask(self, call: Call, params: Mapping[str, str]) -> object:
        """Return the answer of one call, numbers as they were written."""
        problem: str | None = None
        content: object = None
        try:
            content = getattr(self.exchange, call.method)(dict(params))
        except Exception as error:  # noqa: BLE001 ccxt and what is below it raise of every kind
            problem = self.said(call, error)
        if problem is not None:
            raise VenueUnavailable(problem)
        return _exact(content)

    def said(self, call: Call, error: Exception) -> str:
        """Return what went wrong and what to do, without any key and without the query of a URL."""
        names = [kind.__name__ for kind in type(error).__mro__]
        advice = next((text for name, text in _ADVICE.items() if name in names), _UNTOLD)
        text = _QUERY.sub("", self.keys.blotted(str(error)))
        text = self.keys.blotted(" ".join(text.split()))[:_SHOWN_MAX]
        return f"{self.venue}: {call.kind} ({call.method}): {names[0]}: {text}; {advice}"


_ADVICE = {
    "PermissionDenied": "let the key read futures accounts, and this machine's address use it",
    "InvalidNonce": "set this machine's clock: the venue refuses requests of another time",
    "AuthenticationError": "check the key, its secret and its password; a read-only key is enough",
    "RateLimitExceeded": "wait a minute: the venue allows no more requests now",
    "DDoSProtection": "wait a minute or more: the venue allows no more requests now",
    "RequestTimeout": "try again: the venue took too long",
    "OnMaintenance": "try later: the venue is closed for maintenance",
    "ExchangeNotAvailable": "try later: the venue is down, or does not serve this machine's region",
    "NetworkError": "check the connection, a proxy or firewall, and try again",
    "BadSymbol": "report it: the call names what the venue does not list",
    "ExchangeError": "read what the venue says; the account may not have this product enabled",
    "AttributeError": "upgrade ccxt: this call is not in the version installed",
}
"""What to do, by the name of a class of ccxt's errors, the narrow ones first."""
_UNTOLD = "if it says nothing to you, report it"


def _exact(content: object) -> object:
    """Return an answer as JSON text would give it: numbers exact, keys texts."""
    if isinstance(content, str):
        return content.strip().strip('"')
    try:
        text = dumps(content, default=str)
    except (TypeError, ValueError) as error:
        msg = f"the answer is no JSON: {type(error).__name__}"
        raise VenueUnavailable(msg) from None
    return parse_json(text, title="the venue's answer")


def _next_cursor(content: object) -> str | None:
    """Return Bybit's cursor of the next page; full rows and no cursor is the end."""
    found = at(content, "result", "nextPageCursor")
    rows = rows_at(content, "result", "list")
    return found if isinstance(found, str) and found and rows else None


def _next_after(content: object) -> str | None:
    """Return the id that OKX's next page begins after; a page that is not full is the last."""
    rows = rows_at(content, "data")
    found = rows[-1].get("ordId") if len(rows) >= _OKX_PAGE else None
    return str(found) if isinstance(found, str | int | Decimal) else None


def _joined(pages: Sequence[object], paging: Paging) -> object:
    """Return one answer with the rows of all pages."""
    first = pages[0]
    if not isinstance(first, Mapping):
        return first
    if paging is Paging.AFTER:
        return {**first, "data": [row for page in pages for row in rows_at(page, "data")]}
    result = first.get("result")
    if not isinstance(result, Mapping):
        return first
    rows = [row for page in pages for row in rows_at(page, "result", "list")]
    return {**first, "result": {**result, "list": rows, "nextPageCursor": ""}}
