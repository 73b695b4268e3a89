"""Which prices are believed just now, and why not: what the engine's guards hold of each."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

import numpy as np

from keelmark.book.universe import Universe
from keelmark.core.bound import FactorKind
from keelmark.core.numbers import exact
from keelmark.engine.state import State
from keelmark.service.guard_terms import guards_in_words, guards_off
from keelmark.service.reading import Reader
from keelmark.service.times import Present, engine_present
from keelmark.service.views.figures import Json, instant, maybe_instant, price_text, text


class Trust(StrEnum):
    """Whether a price is believed."""

    OK = "ok"
    STALE = "stale"
    REFUSED = "refused"
    DOUBTED = "doubted"
    MISSING = "missing"


WORST_FIRST = (Trust.MISSING, Trust.REFUSED, Trust.DOUBTED, Trust.STALE, Trust.OK)
"""In the order in which the trust of something that reads several prices is told."""


def trust_of(state: State, row: int) -> Trust:
    """Return whether the price of a row is believed just now."""
    if not np.isfinite(state.prices[row]):
        return Trust.MISSING
    if row not in state.untrusted:
        return Trust.OK
    if row in state.doubts:
        return Trust.DOUBTED
    limit_s = state.rules.guards.stale_s
    is_old = limit_s and state.time_ms - int(state.seen_ms[row]) >= 1000 * limit_s
    return Trust.STALE if is_old else Trust.REFUSED


def trust_of_instrument(state: State, instrument: int) -> Trust:
    """Return the worst trust of the prices that an instrument is valued and margined on."""
    row = state.universe.instruments[instrument]
    rows = {int(row["mark_factor"]), int(row["margin_factor"])}
    return min((trust_of(state, factor) for factor in rows), key=WORST_FIRST.index)


def trust_of_asset(state: State, asset: int) -> Trust:
    """Return the trust of an asset's price; an asset whose price nothing reads stands at one."""
    row = int(state.universe.asset_rows[asset]["price_factor"])
    return Trust.OK if row < 0 else trust_of(state, row)


def price_of_row(state: State, row: int) -> Decimal | None:
    """Return the last good price of a row, on its grid; nothing where there never was one."""
    if not np.isfinite(state.prices[row]):
        return None
    factor, market = state.universe.factors[row], state.market
    prices = {
        FactorKind.MARK: market.marks,
        FactorKind.INDEX: market.indices,
        FactorKind.ASSET: market.asset_prices,
    }
    return prices[factor.kind][factor.name]


def mark_of(state: State, instrument: int) -> Decimal | None:
    """Return the mark of an instrument; nothing where there never was one."""
    return price_of_row(state, int(state.universe.instruments[instrument]["mark_factor"]))


def price_of_asset(state: State, asset: int) -> Decimal | None:
    """Return the price of an asset, valuation currency; one where nothing reads it."""
    row = int(state.universe.asset_rows[asset]["price_factor"])
    return Decimal(1) if row < 0 else price_of_row(state, row)


def why_not_believed(state: State, row: int, now_ms: int) -> str:
    """Say that a price is not believed, why, and on what figures stand instead."""
    told, factor = _Row(state, row, now_ms), state.universe.factors[row]
    last = price_text(price_of_row(state, row))
    stand = "" if last is None else f"; figures here stand on the last good one, {last}"
    words = f"{factor.kind.value} price of {factor.name} is not believed"
    return f"{words}: {told.reason(trust_of(state, row))}{stand}"


def prices(reader: Reader, present: Present = engine_present) -> Json:
    """Return every price with its trust, limits and age at present."""
    position, state = reader.position, reader.state
    rules, now_ms = state.rules.guards, present(state.time_ms)
    rows = [_Row(state, row, now_ms).document() for row in range(len(state.universe.factors))]
    counts = dict.fromkeys(Trust, 0)
    for found in rows:
        counts[Trust(found["trust"])] += 1
    return {
        "position": position,
        "time": maybe_instant(state.time_ms),
        "guards": {
            "stale_s": rules.stale_s or None,
            "band": text(rules.band) if rules.band else None,
            "confirm_marks": rules.confirm_marks or None,
            "confirm_s": rules.confirm_s or None,
            "off": list(guards_off(rules)),
            "words": guards_in_words(rules),
        },
        "counts": {trust.value: count for trust, count in counts.items()},
        "prices": rows,
    }


@dataclass(frozen=True, slots=True)
class _Row:
    """One price."""

    state: State
    row: int
    now_ms: int

    def document(self) -> Json:
        state, row = self.state, self.row
        factor = state.universe.factors[row]
        trust, age_ms = trust_of(state, row), self.age_ms
        limit_ms = 1000 * state.rules.guards.stale_s
        known = limit_ms and age_ms is not None
        return {
            "name": factor.name,
            "kind": factor.kind.value,
            "price": price_text(price_of_row(state, row)),
            "trust": trust.value,
            "reason": self.reason(trust),
            "seen": None if age_ms is None else instant(int(state.seen_ms[row])),
            "age_ms": age_ms,
            "staleness": text(Decimal(age_ms or 0) / limit_ms) if known else None,
            "index": self.index() if factor.kind is FactorKind.MARK else None,
            "doubt": self.doubt(),
        }

    @property
    def age_ms(self) -> int | None:
        """How long ago the last good price came; nothing where none ever has."""
        if not np.isfinite(self.state.prices[self.row]):
            return None
        return int(self.now_ms - self.state.seen_ms[self.row])

    def reason(self, trust: Trust) -> str | None:
        """Say why it is not believed."""
        guards, doubt = self.state.rules.guards, self.state.doubts.get(self.row)
        if trust is Trust.MISSING:
            return "no good price has come yet"
        if trust is Trust.STALE:
            return (
                f"no good price for {(self.age_ms or 0) / 1000:.1f} s; older than "
                f"{guards.stale_s} s is not believed"
            )
        if trust is Trust.DOUBTED and doubt is not None:
            return (
                f"{doubt.price!r} lies outside the band of {guards.band:f}; {doubt.marks} of "
                f"{guards.confirm_marks} marks in a row agree"
            )
        if trust is Trust.REFUSED:
            return "the last price was no positive number, or outside its band; send another"
        return None

    def index(self) -> Json | None:
        """Return the index beside a mark, and how far the mark is from it."""
        state = self.state
        row = _index_row(state.universe, state.universe.factors[self.row].name)
        if row is None:
            return None
        mark, index = price_of_row(state, self.row), price_of_row(state, row)
        apart = None
        if mark is not None and index is not None:
            with exact():
                apart = text(mark / index - 1)
        return {
            "name": state.universe.factors[row].name,
            "price": price_text(index),
            "divergence": apart,
            "trust": trust_of(state, row).value,
        }

    def doubt(self) -> Json | None:
        """Return the price outside its band that those after it may confirm."""
        state, doubt = self.state, self.state.doubts.get(self.row)
        if doubt is None:
            return None
        guards, last = state.rules.guards, price_of_row(state, self.row)
        offered = Decimal(repr(doubt.price))
        with exact():
            step = None if last is None else text(offered / last - 1)
        return {
            "price": text(offered),
            "step": step,
            "marks": doubt.marks,
            "since": instant(doubt.since_ms),
            "needs_marks": guards.confirm_marks,
            "needs_s": guards.confirm_s,
        }


def _index_row(universe: Universe, symbol: str) -> int | None:
    """Return the row of the index an instrument names, where this book reads it."""
    name = universe.model.instruments[symbol].instrument.index
    found = (
        row
        for row, factor in enumerate(universe.factors)
        if factor.kind is FactorKind.INDEX and factor.name == name
    )
    return next(found, None)


__all__ = [
    "Trust",
    "mark_of",
    "price_of_asset",
    "prices",
    "trust_of",
    "trust_of_instrument",
    "why_not_believed",
]
