"""The same contract at another venue: found by what it is, not by how it is called."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from keelmark.core.errors import KeelmarkError
from keelmark.core.instrument import Instrument
from keelmark.core.model import InstrumentTerms
from keelmark.core.numbers import ONE, exact
from keelmark.core.rules import UnknownRule
from keelmark.rulebooks import Rulebook
from keelmark.rulebooks.spelling import SPELLINGS

DOLLARS = ("USDT", "USDC", "USD", "FDUSD", "USDE", "DAI")
"""Settle assets that count one to one when a book is put under another venue."""

DOLLAR = "dollars"
"""Currency of sums of amounts in any of them."""


def summed_in(currency: str) -> str:
    """Return the currency that amounts in a currency are added up in: dollars count as one."""
    return DOLLAR if currency in DOLLARS else currency


_BUNDLE = re.compile(r"(?:(?P<count>10{2,6})|(?P<kilo>k)|(?P<mega>1M))(?=[A-Z])(?P<coin>\w+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Counterpart:
    """A contract at the other venue.

    Attributes:
        instrument: The contract.
        bundle: Its coins per coin of the present contract: 1/1000 where it is of a thousand.
        has_table: Whether the rulebook knows its maintenance.
    """

    instrument: Instrument
    bundle: Decimal
    has_table: bool = True


def coin_of(base: str) -> tuple[str, Decimal]:
    """Return the coin of a base and how many of it make one: `1000PEPE` is 1000 of `PEPE`."""
    found = _BUNDLE.fullmatch(base)
    if found is None:
        return base, ONE
    if found["count"]:
        return found["coin"], Decimal(found["count"])
    return found["coin"], Decimal(1_000_000 if found["mega"] else 1_000)


def counterpart(instrument: Instrument, rulebook: Rulebook, settle: str) -> Counterpart | None:
    """Return the contract of a rulebook that pays like `instrument`, in a settle asset.

    One with a known table before one without, what is listed before what a pattern reads.
    """
    without_table: Counterpart | None = None
    for symbol in _symbols(instrument, settle, rulebook):
        try:
            terms = rulebook.terms_for(symbol)
        except KeelmarkError:
            continue
        known = terms.instrument
        if known.settle != settle or not _pays_alike(known, instrument):
            continue
        with exact():
            bundle = coin_of(instrument.base)[1] / coin_of(known.base)[1]
        found = Counterpart(instrument=known, bundle=bundle, has_table=_has_table(terms))
        if found.has_table:
            return found
        without_table = without_table or found
    return without_table


def settle_there(instruments: Sequence[Instrument], rulebook: Rulebook, settle: str) -> str:
    """Return the asset in which a rulebook has most of these contracts, with their tables.

    The asset itself where none has more; then another dollar, since dollars count one to one.
    """
    dollars = DOLLARS if settle in DOLLARS else ()
    names: list[str] = list(dict.fromkeys((settle, *dollars)))

    def score(name: str) -> tuple[int, int]:
        found = [counterpart(instrument, rulebook, name) for instrument in instruments]
        there = [other for other in found if other is not None]
        return sum(other.has_table for other in there), len(there)

    return max(names, key=score)  # the first of equals


def _has_table(terms: InstrumentTerms) -> bool:
    return terms.option is not None or not isinstance(terms.maintenance, UnknownRule)


def _pays_alike(one: Instrument, other: Instrument) -> bool:
    """Whether two contracts are of one coin and one payoff, dated alike."""
    same_coin = coin_of(one.base)[0] == coin_of(other.base)[0]
    same_payoff = one.kind is other.kind and one.payoff == other.payoff
    return same_coin and same_payoff and one.expiry == other.expiry


def _symbols(instrument: Instrument, settle: str, rulebook: Rulebook) -> list[str]:
    """Return the symbols to try: those listed, its own first, then what the patterns may read."""
    listed = sorted(rulebook.document.instruments, key=lambda name: name != instrument.symbol)
    coin, _ = coin_of(instrument.base)
    bases = dict.fromkeys((instrument.base, coin, f"1000{coin}", f"k{coin}"))
    spelt = [text.format(base=base, settle=settle) for base in bases for text in SPELLINGS]
    return list(dict.fromkeys((*listed, instrument.symbol, *spelt)))
