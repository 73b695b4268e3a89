"""The rulebook an imported account will be checked by, and contracts it has no table of."""

from collections.abc import Collection, Iterator

from keelmark.accounts.importers.draft import Draft
from keelmark.accounts.importers.listed import listed_terms
from keelmark.accounts.importers.own_rows import has_table
from keelmark.core.errors import UnknownRulebook
from keelmark.core.model import InitialRule
from keelmark.core.numbers import exact
from keelmark.rulebooks import load_rulebook, rulebook_names

_CALLS = {
    "binance-usdm": "binance-usdm:brackets",
    "binance-usdm-multi": "binance-usdm:brackets",
    "binance-pm": "binance-usdm:brackets",
    "bybit-uta": "bybit:limits",
    "okx-multi": "okx:tiers",
    "hyperliquid": "hyperliquid:meta",
    "dydx-v4": "dydx:markets",
    "generic": "ccxt:tiers",
}
"""The answer that has a venue's tables."""


def say_tables(draft: Draft, given: Collection[str]) -> None:
    """Say that no rulebook is of the account's date, and which positions have no table.

    Args:
        draft: With the venue it will be margined by.
        given: Kinds of the answers.
    """
    for note in (*_undated(draft), *_without_table(draft, given)):
        draft.say(note)


def say_leverages(draft: Draft) -> None:
    """Say whose leverage no answer gives, where initial margin is the notional over it."""
    names = [
        position.instrument
        for position in draft.positions.values()
        if "leverage" not in position.figures and _is_by_leverage(position.instrument, draft)
    ]
    if names:
        draft.say(
            f"no answer gives the leverage of {', '.join(dict.fromkeys(names))}: initial margin is "
            "that of the largest leverage allowed, where a table says it"
        )


def _is_by_leverage(symbol: str, draft: Draft) -> bool:
    terms = listed_terms(draft, symbol, draft.venue)
    return terms is None or (terms.option is None and isinstance(terms.initial, InitialRule))


def _undated(draft: Draft) -> Iterator[str]:
    """Yield what to do where the rulebook is not known of the date the answers are of."""
    venue = draft.venue
    if draft.as_of is None or "@" in venue or venue.endswith(".toml"):
        return
    month = f"{draft.as_of:%Y-%m}"
    dated = [name for name in rulebook_names() if name.partition("@")[0] == venue]
    try:
        load_rulebook(f"{venue}@{month}")
    except UnknownRulebook:
        if dated:
            chosen = min(dated) if f"{venue}@{month}" < min(dated) else max(dated)
            yield (
                f"no {venue} table of {month} is known, so a check refuses this document: import "
                f"it with --venue {chosen} to take the nearest"
            )


def _without_table(draft: Draft, given: Collection[str]) -> Iterator[str]:
    venue = draft.venue.partition("@")[0]
    lacking: dict[str, None] = {}
    for position in draft.positions.values():
        terms = listed_terms(draft, position.instrument, draft.venue)
        mark = position.mark_price
        if terms is None or terms.option is not None or position.tier or mark is None:
            continue
        with exact():
            notional = abs(terms.instrument.value(position.size, mark))
        if has_table(terms, position.size, notional):
            continue
        lacking[position.instrument] = None
    call = _CALLS.get(venue)
    cure = "give each position a `tier`"
    if call is not None and call not in given:
        cure = f"add the answer {call}, or {cure}"
    if lacking:
        yield f"no bracket table of {', '.join(lacking)}: requirements are unknown; {cure}"
