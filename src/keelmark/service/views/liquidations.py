"""Liquidations, open and recent, and one of them whole: its working, its steps, who paid what."""

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any

from keelmark.core.codes import Leg
from keelmark.core.errors import InvalidInput
from keelmark.core.numbers import exact
from keelmark.engine import events as e
from keelmark.engine.event_rows import BillRow, HoldingRow
from keelmark.engine.explain import explain_liquidation
from keelmark.engine.journal.port import Journal
from keelmark.engine.liquidation.shares import split_value
from keelmark.engine.state import State
from keelmark.service.reading import Reader
from keelmark.service.views.cases import CaseEntry, Cases, Happening, happenings
from keelmark.service.views.figures import (
    Json,
    instant,
    maybe_instant,
    money,
    settle_row,
    size,
    text,
    tick_price,
)
from keelmark.service.views.names import Roster, unit_id, with_owners

LIMIT, LIMIT_MAX = 50, 500


class UnknownCase(InvalidInput):
    """A liquidation of that number is not in the journal."""


def liquidations(
    reader: Reader,
    roster: Roster,
    cases: Cases,
    *,
    is_open: bool | None = None,
    limit: int = LIMIT,
) -> Json:
    """Return liquidations in progress, and those that ended, the newest first.

    Args:
        reader: The venue.
        roster: Names of accounts.
        cases: The index.
        is_open: Only those in progress, or only those that ended; both where left out.
        limit: Of each kind.

    Raises:
        InvalidInput: The limit is none.
    """
    if not 1 <= limit <= LIMIT_MAX:
        msg = f"limit={limit}: 1 to {LIMIT_MAX} liquidations are listed"
        raise InvalidInput(msg)
    position, state = reader.position, reader.state
    told = _Teller(reader, state, roster)
    going = sorted(state.cases.values(), key=lambda case: case.case)[:limit]
    shown = (
        [] if is_open is False else [told.open_case(cases, case.case, case.unit) for case in going]
    )
    recent = [] if is_open else [told.entry(entry) for entry in cases.latest(limit)]
    return {
        "position": position,
        "time": maybe_instant(state.time_ms),
        "index": {"through": cases.through, "is_complete": cases.through >= position},
        "open": shown,
        "recent": recent,
    }


def liquidation(reader: Reader, roster: Roster, cases: Cases, journal: Journal, case: int) -> Json:
    """Return one liquidation with its working, and who paid each quantum of it.

    Raises:
        UnknownCase: There is none of that number; or the index has not reached it yet, and says so.
    """
    position, state = reader.position, reader.state
    entry = cases.find(case)
    if entry is None:
        raise UnknownCase(_why_unknown(case, cases, position, state.cases_count))
    found = happenings(journal, entry)
    told = _Teller(reader, state, roster)
    events = [one.event for one in found]
    started = next(event for event in events if isinstance(event, e.LiquidationStarted))
    ended = next((event for event in events if isinstance(event, e.LiquidationEnded)), None)
    working = explain_liquidation(events, state.universe)
    return {
        "position": position,
        "time": maybe_instant(state.time_ms),
        **told.entry(entry),
        "other_terms_since": any(entry.positions[-1] < at for at in cases.changed),
        "sections": [
            {
                "title": section.title,
                "lines": [with_owners(line, state, roster) for line in section.lines],
            }
            for section in working.sections
        ],
        "bills": [] if ended is None else [told.bill(row) for row in ended.bills if row.asset >= 0],
        "paid": list(told.paid(started, ended, events)),
        "positions": [told.holding(row) for row in started.holdings],
        "steps": [step for one in found for step in told.steps(one)],
    }


def _why_unknown(case: int, cases: Cases, position: int, ever: int) -> str:
    if cases.through < position:
        return (
            f"no liquidation {case} up to journal position {cases.through}; the journal is still "
            f"being read, up to {position}: ask again in a moment"
        )
    return f"no liquidation {case}; there have been {ever}, numbered from 1"


class _Teller:
    """Writes liquidations with the names and scales of a state."""

    def __init__(self, reader: Reader, state: State, roster: Roster) -> None:
        self._reader, self._state = reader, state
        self._universe = state.universe
        self._names = roster.of(state)

    # --- in short -------------------------------------------------------------------------------

    def entry(self, entry: CaseEntry) -> Json:
        """Return a liquidation in short."""
        with exact():
            notional = text(sum(entry.notional.values(), Decimal(0)))
        waits = entry.waits_ms > self._state.time_ms
        case = self._state.cases.get(entry.unit)
        return {
            "case": entry.case,
            **self.whose(entry.unit),
            "started": instant(entry.started_ms),
            "ended": None if entry.ended_ms is None else instant(entry.ended_ms),
            "outcome": entry.outcome or None,
            "equity": text(Decimal(entry.equity)),
            "maintenance_margin": text(Decimal(entry.maintenance)),
            "notional": notional,
            "closed": [self.amount(a, q) for a, q in sorted(entry.closed.items())],
            "stage": entry.stage or None,
            "attempts": case.attempts if case is not None and case.case == entry.case else None,
            "waits_until": instant(entry.waits_ms) if waits else None,
            "waits_for": entry.waits_for if waits else None,
            "deficit": [self.amount(a, q) for a, q in sorted(entry.deficits.items())],
            "instruments": [self._universe.symbols[row] for row in sorted(entry.notional)],
            "is_held": entry.unit in self._state.held and entry.ended_ms is None,
        }

    def open_case(self, cases: Cases, case: int, unit: int) -> Json:
        """Return a liquidation in progress; in little where the index has not reached it."""
        entry = cases.find(case)
        if entry is not None:
            return self.entry(entry)
        known = self._state.cases.get(unit)
        names = ("started", "equity", "maintenance_margin", "notional", "outcome", "ended")
        nothing: Json = dict.fromkeys((*names, "stage", "waits_for"))
        return {
            "case": case,
            **self.whose(unit),
            **nothing,
            "closed": [],
            "deficit": [],
            "instruments": [],
            "attempts": None if known is None else known.attempts,
            "waits_until": None if known is None else maybe_instant(known.wake_ms),
            "is_held": unit in self._state.held,
        }

    def whose(self, unit: int) -> Json:
        """Return the account of a unit, and what the unit is called in it."""
        view = self._reader.view(unit)
        return {
            "account": view.account if view.account >= 0 else None,
            "name": self._names.get(view.account),
            "unit": unit,
            "unit_id": unit_id(view, self._state),
        }

    def amount(self, asset: int, quanta: int) -> Json:
        """Return quanta of an asset as an amount."""
        return {
            "asset": self._universe.assets[asset],
            "amount": money(self._universe, asset, quanta),
        }

    # --- the bill -------------------------------------------------------------------------------

    def bill(self, row: BillRow) -> Json:
        """Return who paid the deficit in one asset."""
        names = ("deficit", "fund", "deleveraged", "socialised", "backstop", "surplus")
        return {
            "asset": self._universe.assets[row.asset],
            **{name: money(self._universe, row.asset, getattr(row, name)) for name in names},
        }

    def paid(
        self,
        started: e.LiquidationStarted,
        ended: e.LiquidationEnded | None,
        events: Sequence[Any],
    ) -> Iterator[Json]:
        """Yield every payment there was: fees, funds, winners, claims, the backstop."""
        for event in events:
            if isinstance(event, e.Filled) and event.unit == started.unit and event.fee:
                asset = settle_row(self._universe, event.instrument)
                fee = self._payer("fee", started.unit, asset, event.fee)
                yield fee | self._of(event.instrument, event.lots)
            elif isinstance(event, e.Transferred) and event.reason == "deficit":
                yield self._payer("fund", event.source, event.asset, event.quanta)
            elif isinstance(event, e.Deleveraged):
                yield from self._winners(event)
            elif isinstance(event, e.LossSocialised):
                rows = zip(event.payers, event.quanta, strict=True)
                yield from (self._payer("socialised", p, event.asset, q) for p, q in rows)
        for row in () if ended is None else ended.bills:
            if row.backstop:
                yield self._payer("backstop", self._state.backstop, row.asset, row.backstop)

    def _winners(self, event: e.Deleveraged) -> Iterator[Json]:
        """Yield what each winner gave up against the mark."""
        asset = settle_row(self._universe, event.instrument)
        given = split_value(event.loss, event.lots)
        for victim, lots, loss in zip(event.victims, event.lots, given, strict=True):
            payment = self._payer("deleveraged", victim, asset, loss)
            yield payment | self._of(event.instrument, -lots)

    def _payer(self, kind: str, unit: int, asset: int, quanta: int) -> Json:
        whose = self.whose(unit)
        named = whose["name"] or (
            whose["unit_id"] if whose["account"] is None else f"account {whose['account']}"
        )
        return {
            "kind": kind,
            "payer": named,
            "account": whose["account"],
            "unit": unit,
            **self.amount(asset, quanta),
            "instrument": None,
            "size": None,
        }

    def _of(self, instrument: int, lots: int) -> Json:
        return {
            "instrument": self._universe.symbols[instrument],
            "size": text(size(self._universe, instrument, lots)),
        }

    # --- what happened --------------------------------------------------------------------------

    def holding(self, row: HoldingRow) -> Json:
        """Return a position at the decision."""
        settle = settle_row(self._universe, row.instrument)
        return {
            **self._of(row.instrument, row.lots),
            "leg": Leg(row.leg).name.lower(),
            "cost": money(self._universe, settle, row.cost),
            "mark_price": text(Decimal(row.mark)),
            "notional": text(Decimal(row.notional)),
            "maintenance_margin": text(Decimal(row.maintenance)),
            "tier": row.tier + 1,
        }

    def steps(self, one: Happening) -> Iterable[Json]:
        """Yield what one event did, in words and figures."""
        head: Json = {
            "position": one.position,
            "time": None if one.time_ms is None else instant(one.time_ms),
        }
        nothing: Json = dict.fromkeys(("instrument", "size", "price", "amount", "asset"))
        told = self._step(one.event)
        if told is not None:
            stage, words, figures = told
            yield head | nothing | {"stage": stage, "text": words} | figures

    def _step(self, event: Any) -> tuple[str, str, Json] | None:  # noqa: ANN401, PLR0911 one kind each
        """Return stage, words and figures of a step; nothing of what is no step."""
        match event:
            case e.OrdersCancelled():
                return "cancel_orders", "open orders cancelled", {}
            case e.Filled():
                return self._fill(event)
            case e.Transferred():
                words = (
                    f"{event.reason}: from {self._who(event.source)} to {self._who(event.target)}"
                )
                return event.reason, words, self.amount(event.asset, event.quanta)
            case e.Deleveraged():
                count = len(event.victims)
                words = f"closed against {count} winner{'s' if count > 1 else ''}, without a fee"
                return "auto_deleverage", words, self._of(event.instrument, sum(event.lots))
            case e.LossSocialised():
                words = f"charged to {len(event.payers)} units by {event.form}"
                return "socialise", words, self.amount(event.asset, sum(event.quanta))
            case e.Waiting():
                words = f"waits until {instant(event.until_ms)}: {event.reason}"
                return "wait", words, {}
            case e.StageExhausted():
                return event.stage, f"can do no more: {event.reason}", {}
            case _:
                return None

    def _fill(self, event: e.Filled) -> tuple[str, str, Json]:
        figures = self._of(event.instrument, event.lots)
        verb = "bought" if event.lots > 0 else "sold"
        if event.ticks:
            price = text(tick_price(self._universe, event.instrument, event.ticks))
            return event.reason, f"{verb} in the market", figures | {"price": price}
        asset = settle_row(self._universe, event.instrument)
        words = f"handed over to {self._who(event.counterparty)}"
        return event.reason, words, figures | self.amount(asset, abs(event.value))

    def _who(self, unit: int) -> str:
        whose = self.whose(unit)
        if whose["account"] is None:
            return str(whose["unit_id"])
        return str(whose["name"] or f"account {whose['account']}")


__all__ = ["LIMIT", "LIMIT_MAX", "UnknownCase", "liquidation", "liquidations"]
