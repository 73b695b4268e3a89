"""The same contract at another venue: found by what it is, not by how it is called."""

import re
from dataclasses import dataclass
from decimal import Decimal

from keelmark.core.errors import KeelmarkError
from keelmark.core.instrument import Instrument
from keelmark.core.numbers import ONE
from keelmark.rulebooks import Rulebook

DOLLARS = ("USDT", "USDC", "USD", "FDUSD", "USDE", "DAI")
"""Settle assets that count one to one when a book is put under another venue."""

_BUNDLE = re.compile(r"(?:(?P<count>10{2,6})|(?P<kilo>k)|(?P<mega>1M))(?=[A-Z])(?P<coin>\w+)")

_SPELLINGS = (
    "{base}{settle}",
    "{base}-{settle}",
    "{base}_{settle}",
    "{base}-{settle}-SWAP",
    "{base}-{settle}-PERP",
    "{base}-USD",
    "{base}-USD-SWAP",
    "{base}USD",
    "{base}USD_PERP",
    "{base}-USD-PERP",
    "{base}-PERP",
    "{base}-PERPETUAL",
    "{base}_{settle}-PERPETUAL",
    "{base}PERP",
    "{base}",
    "{base}/{settle}:{settle}",
)
"""How venues write a perpetual; tried against the naming patterns of a rulebook."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counterpart:
    """A contract at the other venue.

    Attributes:
        instrument: The contract.
        bundle: Its coins per coin of the present contract: 1/1000 where it is of a thousand.
    """

    instrument: Instrument
    bundle: Decimal


def coin_of(base: str) -> tuple[str, Decimal]:
    """Return the coin of a base and how many of it make one: `1000PEPE` is 1000 of `PEPE`."""
    found = _BUNDLE.fullmatch(base)
    if found is None:
        return base, ONE
    if found["count"]:
        return found["coin"], Decimal(found["count"])
    return found["coin"], Decimal(1_000_000 if found["mega"] else 1_000)


def counterpart(instrument: Instrument, rulebook: Rulebook) -> Counterpart | None:
    """Return the contract of a rulebook that pays like `instrument`; `None` without one.

    The same settle asset before another dollar, what is listed before what a pattern reads.
    """
    settles = dict.fromkeys((instrument.settle, *_dollars_like(instrument.settle)))
    for settle in settles:
        for symbol in _symbols(instrument, settle, rulebook):
            try:
                known = rulebook.terms_for(symbol).instrument
            except KeelmarkError:
                continue
            if known.settle == settle and _pays_alike(known, instrument):
                bundle = coin_of(instrument.base)[1] / coin_of(known.base)[1]
                return Counterpart(instrument=known, bundle=bundle)
    return None


def _dollars_like(settle: str) -> tuple[str, ...]:
    return DOLLARS if settle in DOLLARS else ()


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
    spelt = [text.format(base=base, settle=settle) for base in bases for text in _SPELLINGS]
    return list(dict.fromkeys((*listed, instrument.symbol, *spelt)))
