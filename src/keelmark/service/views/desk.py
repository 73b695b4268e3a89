"""An account of the book as the account document a desk would keep of it, exact.

What `check`, `ladder`, `surface` and `risk` answer of it stands on the very units and prices of the
book. A document cannot say everything a book can hold (two isolated units in one contract, an
isolated unit with several assets); then those questions are still answered and `whatif`, which
edits the document, says why it cannot.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NoReturn, Protocol

import msgspec

from keelmark.accounts.account import Account, build_account
from keelmark.accounts.document import (
    AccountDocument,
    AccountMode,
    MarginMode,
    OrderLeg,
    OrderRow,
    PositionRow,
)
from keelmark.accounts.snapshot_age import MAX_AGE, Freshness
from keelmark.book.views import PositionView, UnitView
from keelmark.core.bound import Factor, FactorKind, reads
from keelmark.core.codes import Leg, UnitKind, UnitStatus
from keelmark.core.errors import InvalidDocument, KeelmarkError
from keelmark.core.market import Market
from keelmark.core.numbers import exact
from keelmark.core.unit import MarginUnit
from keelmark.engine.entries import Order
from keelmark.engine.state import State
from keelmark.rulebooks.load import Rulebook
from keelmark.service.reading import Reader, Reading
from keelmark.service.times import Present, engine_present
from keelmark.service.views.accounts import missing_of
from keelmark.service.views.figures import maybe_moment, moment, settle_row, size, tick_price
from keelmark.service.views.names import account_number, unit_id
from keelmark.service.views.prices import why_not_believed

ENTRY_ERROR = Decimal("1e-40")
"""Relative: an average entry price need not end, and its cost comes back off by the last digit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """An account to ask about.

    Attributes:
        account: The account.
        name: What it was asked for by.
        position: Journal position; `None` where there is no journal.
        time_ms: When it is of.
        freshness: By which clock it is old, and from when on.
        uneditable: Why its document cannot stand for it; `None` where it can.
    """

    account: Account
    name: str
    position: int | None
    time_ms: int
    freshness: Freshness
    uneditable: str | None = None


class Desk(Protocol):
    """Where accounts are found: a book, or documents that are kept fresh."""

    def find(self, name: str) -> Found:
        """Return an account.

        Raises:
            UnknownAccount: There is none of that name.
        """


@dataclass(frozen=True, slots=True)
class BookDesk:
    """The accounts of a book.

    Attributes:
        reader: The book.
        present: What time it is there.
    """

    reader: Reader
    present: Present = engine_present

    def find(self, name: str) -> Found:
        """Return an account of the book; raises as `Desk.find`."""
        return found(self.reader, name, self.present)


def account_of(reader: Reader, name: str) -> Account:
    """Return an account of the book: its check is that of its units.

    Raises:
        UnknownAccount: There is none of that name or number.
    """
    return found(reader, name).account


def found(reader: Reader, name: str, present: Present = engine_present) -> Found:
    """Return an account of the book with where and when it was found; raises as `account_of`."""
    number = account_number(reader, name)
    state = reader.state
    reading = reader.read(state.book.units_of(number))
    told = _Telling.of(reading, state)
    now_ms = present(reading.time_ms) if told.reads_prices else reading.time_ms
    now = moment(now_ms)
    stale_s = state.rules.guards.stale_s
    max_age = timedelta(seconds=stale_s) if stale_s else MAX_AGE
    return Found(
        account=told.account(),
        name=name,
        position=reading.position,
        time_ms=reading.time_ms,
        freshness=Freshness(max_age=max_age, clock=lambda: now, beside=told.disbelieved(now_ms)),
        uneditable=told.uneditable,
    )


def rules_of_book(rulebook: Rulebook) -> Rulebook:
    """Return a rulebook as the book holds it: collateral counts alike in every unit."""
    document = msgspec.structs.replace(rulebook.document, isolated_in_full=False)
    return replace(rulebook, document=document)


@dataclass(slots=True)
class _Telling:
    """What is told of an account's units, and what its document cannot say."""

    reading: Reading
    state: State
    rulebook: Rulebook
    views: list[UnitView]
    units: list[MarginUnit]
    notes: list[str]
    uneditable: str | None = None

    @classmethod
    def of(cls, reading: Reading, state: State) -> "_Telling":
        """Return the open units with their document names; what lies beside them is noted."""
        told = cls(reading, state, rules_of_book(state.rulebook), [], [], [])
        for view, unit in zip(reading.views, reading.units, strict=True):
            holds = bool(view.positions or unit.orders or any(view.balances.values()))
            if view.status is UnitStatus.CLOSED or not holds:
                continue
            if view.kind is UnitKind.ISOLATED and not view.positions and not unit.orders:
                told.notes.append(_idle(unit, view))
                continue
            told.views.append(view)
            told.units.append(replace(unit, unit_id=unit_id(view, state)))
        told._number_twins()
        return told

    def _number_twins(self) -> None:
        """Name units that would be called alike by their numbers."""
        names = [unit.unit_id for unit in self.units]
        for place, unit in enumerate(self.units):
            if names.count(unit.unit_id) > 1:
                name = f"{unit.unit_id}#{self.views[place].unit}"
                self.units[place] = replace(unit, unit_id=name)

    def account(self) -> Account:
        """Return the account: the document's meaning where it says everything, else the units'."""
        market, as_of = self._market(), maybe_moment(self.reading.time_ms)
        seen = self._prices_as_of()
        try:
            document = self._document(market, as_of, seen)
            meant = build_account(document, title="the book", rulebook=self.rulebook)
            self._compare(meant)
            notes = () if self.uneditable else meant.notes
        except InvalidDocument as error:
            self.uneditable = "; ".join(error.problems)
            document, notes = self._bare(as_of, seen), ()
        except KeelmarkError as error:
            self.uneditable = str(error)
            document, notes = self._bare(as_of, seen), ()
        return Account(
            document=document,
            rulebook=self.rulebook,
            as_of=as_of,
            units=tuple(self.units),
            market=market,
            reported={},
            notes=(*notes, *self.notes),
        )

    # --- prices ---------------------------------------------------------------------------------

    def _factors(self) -> frozenset[Factor]:
        found = (reads(unit, self.reading.model) for unit in self.units)
        return frozenset[Factor]().union(*found)

    def _market(self) -> Market:
        """Return the prices there are, of everything the units read; what never came is missing."""
        whole = self.reading.market
        parts: dict[FactorKind, dict[str, Decimal]] = {kind: {} for kind in FactorKind}
        columns = {
            FactorKind.MARK: whole.marks,
            FactorKind.INDEX: whole.indices,
            FactorKind.ASSET: whole.asset_prices,
        }
        for factor in sorted(self._factors(), key=lambda f: (f.kind.value, f.name)):
            price = columns[factor.kind].get(factor.name)
            if price is not None and price.is_finite():
                parts[factor.kind][factor.name] = price
        read = set(parts[FactorKind.MARK])
        interest = {s: x for s, x in whole.open_interest.items() if s in read}
        return Market(
            marks=parts[FactorKind.MARK],
            indices=parts[FactorKind.INDEX],
            asset_prices=parts[FactorKind.ASSET],
            open_interest=interest,
            snapshot_id=f"journal position {self.reading.position}",
            time=maybe_moment(self.reading.time_ms),
            advice="send it to the venue",
        )

    def _prices_as_of(self) -> datetime | None:
        """Return when the oldest of the prices came that the units read."""
        state = self.state
        rows = {factor: row for row, factor in enumerate(state.universe.factors)}
        seen = [int(state.seen_ms[rows[f]]) for f in self._factors() if f in rows]
        known = [ms for ms in seen if ms > 0]
        return moment(min(known)) if known else None

    @property
    def reads_prices(self) -> bool:
        """Whether anything in it grows old: a book is of now, its prices are of when they came."""
        return self._prices_as_of() is not None

    def disbelieved(self, now_ms: int) -> tuple[str, ...]:
        """Say of each price the units read that is not believed why not, and what stands for it."""
        state = self.state
        rows = {factor: row for row, factor in enumerate(state.universe.factors)}
        read = {rows[factor] for factor in self._factors() if factor in rows}
        read = read.union(*(missing_of(state, view) for view in self.views))
        return tuple(why_not_believed(state, row, now_ms) for row in sorted(read & state.untrusted))

    # --- the document ---------------------------------------------------------------------------

    def _bare(self, as_of: datetime | None, seen: datetime | None) -> AccountDocument:
        """Return a document that says when, and nothing else."""
        return AccountDocument(venue=self.rulebook.name, as_of=as_of, prices_as_of=seen)

    def _document(
        self, market: Market, as_of: datetime | None, seen: datetime | None
    ) -> AccountDocument:
        """Return everything a document can say of the units."""
        state, collateral = self.state, dict[str, Decimal]()
        positions: list[PositionRow] = []
        orders: list[OrderRow] = []
        accrued: dict[str, Decimal] = {}
        for view, unit in zip(self.views, self.units, strict=True):
            if view.kind is UnitKind.CROSS:
                collateral, accrued = dict(unit.balances), dict(unit.accrued_interest)
            margin = None if view.kind is UnitKind.CROSS else self._isolated_margin(view, unit)
            for held in view.positions:
                path = f"positions[{len(positions)}]"
                positions.append(self._position(held, path, margin, market))
            placed = list(state.orders.get(view.unit, {}).values())
            orders += [
                self._order(order, f"orders[{len(orders) + at}]", _leverage(order, placed))
                for at, order in enumerate(placed)
            ]
        hedged = any(p.leg is not Leg.NET for view in self.views for p in view.positions)
        hedged |= any(row.leg is not None for row in orders)
        return AccountDocument(
            venue=self.rulebook.name,
            as_of=as_of,
            prices_as_of=seen,
            collateral=collateral,
            prices=self._prices(market, orders),
            open_interest=market.open_interest,
            positions=tuple(positions),
            orders=tuple(orders),
            accrued_interest={asset: owed for asset, owed in accrued.items() if owed},
            account_mode=AccountMode.HEDGE if hedged else None,
        )

    def _isolated_margin(self, view: UnitView, unit: MarginUnit) -> Decimal:
        """Return what is assigned to an isolated position.

        Raises:
            InvalidDocument: It holds none, several, or other assets than the one it settles in.
        """
        if not view.positions:
            self._refuse(f"unit {view.unit} is isolated and has orders without a position")
        if len(view.positions) > 1:
            self._refuse(f"unit {view.unit} is isolated and holds several positions")
        settle = self.state.universe.instrument(view.positions[0].instrument).settle
        others = [a for a, balance in unit.balances.items() if balance and a != settle]
        if others:
            self._refuse(f"unit {view.unit} is isolated in {settle} and holds {', '.join(others)}")
        return unit.balances.get(settle, Decimal(0))

    def _refuse(self, why: str) -> NoReturn:
        title = "the book"
        raise InvalidDocument(title, [f"{why}: no account document can say that"])

    def _position(
        self, held: PositionView, path: str, margin: Decimal | None, market: Market
    ) -> PositionRow:
        universe, row = self.state.universe, held.instrument
        instrument = universe.instrument(row)
        mark = market.marks.get(instrument.symbol)
        with exact():
            lots = size(universe, row, held.lots)
            cost = held.cost * universe.quantum(settle_row(universe, row))
            entry = instrument.price_at(cost / lots)
        if entry is None or mark is None:
            what = "no mark yet" if mark is None else f"cost {cost:f}, which no entry price gives"
            self._refuse(f"{instrument.symbol} has {what}")
        return PositionRow(
            path=path,
            instrument=instrument.symbol,
            size=lots,
            entry_price=entry,
            mark_price=mark,
            leverage=Decimal(held.leverage) / 100 if held.leverage else None,
            margin_mode=MarginMode.CROSS if margin is None else MarginMode.ISOLATED,
            isolated_margin=margin,
        )

    def _order(self, order: Order, path: str, leverage: int) -> OrderRow:
        universe, row = self.state.universe, order.instrument
        leg = {Leg.LONG: OrderLeg.LONG, Leg.SHORT: OrderLeg.SHORT}.get(Leg(order.leg))
        return OrderRow(
            path=path,
            instrument=universe.symbols[row],
            is_buy=order.lots > 0,
            size=abs(size(universe, row, order.lots)),
            price=tick_price(universe, row, order.ticks),
            leverage=Decimal(leverage) / 100 if leverage else None,
            reduce_only=order.reduce_only,
            leg=leg,
        )

    def _prices(self, market: Market, orders: list[OrderRow]) -> dict[str, Decimal]:
        """Return the prices a document gives beside marks of positions.

        Raises:
            InvalidDocument: An index and an asset of one name have two prices.
        """
        ordered = {row.instrument for row in orders}
        marks = {symbol: price for symbol, price in market.marks.items() if symbol in ordered}
        both = market.indices.keys() & market.asset_prices.keys()
        for name in sorted(both):
            if market.indices[name] != market.asset_prices[name]:
                self._refuse(f"{name} is an index and an asset, at two prices")
        return {**marks, **market.indices, **market.asset_prices}

    # --- whether it says everything -------------------------------------------------------------

    def _compare(self, meant: Account) -> None:
        """Note where what the document means is not what the book holds."""
        held = [unit for unit in meant.units if unit.positions or any(unit.balances.values())]
        if len(held) != len(self.units) or not all(_is_meant(u, held) for u in self.units):
            self.uneditable = "the book holds what no account document can say of these units"
            return
        ours, theirs = _priced(self._market()), _priced(meant.market)
        wrong = [f.name for f in self._factors() if ours.get(f) != theirs.get(f) or f not in ours]
        if wrong:
            names = ", ".join(sorted(set(wrong)))
            self.uneditable = f"no price of {names} yet: send it to the venue"


def _idle(unit: MarginUnit, view: UnitView) -> str:
    """Say what lies in an isolated unit that backs nothing."""
    held = ", ".join(f"{balance:f} {a}" for a, balance in unit.balances.items() if balance)
    return f"isolated unit {view.unit} holds {held} and no position: it is left out here"


def _leverage(order: Order, placed: list[Order]) -> int:
    """Return the leverage that orders of one contract together are margined at, hundredths."""
    same = (o for o in placed if o.instrument == order.instrument and o.reserves and o.leverage)
    return min((o.leverage for o in same), default=order.leverage)


def _told(unit: MarginUnit) -> tuple[object, ...]:
    """Return what a unit holds but for costs, in an order of its own."""
    positions = ((p.instrument, p.leg.name, p.size, p.leverage) for p in unit.positions)
    balances = ((a, x) for a, x in unit.balances.items() if x)
    owed = ((a, x) for a, x in unit.accrued_interest.items() if x)
    orders = (
        (o.instrument, o.buy_size, o.sell_size, o.buy_value, o.sell_value, o.leverage, o.hedged)
        for o in unit.orders
    )
    parts = (balances, orders, owed, positions)
    return (unit.kind, *(tuple(sorted(part, key=repr)) for part in parts))


def _is_meant(unit: MarginUnit, others: list[MarginUnit]) -> bool:
    """Whether one of other units holds the same, at the same costs but for the last digits."""
    costs = {(p.instrument, p.leg): p.cost for p in unit.positions}
    with exact():
        return any(
            _told(unit) == _told(other)
            and all(
                abs(p.cost - costs[p.instrument, p.leg]) <= ENTRY_ERROR * abs(p.cost)
                for p in other.positions
            )
            for other in others
        )


def _priced(market: Market) -> dict[Factor, Decimal]:
    """Return every price of a market."""
    columns = {
        FactorKind.MARK: market.marks,
        FactorKind.INDEX: market.indices,
        FactorKind.ASSET: market.asset_prices,
    }
    return {
        Factor(kind, name): price
        for kind, prices in columns.items()
        for name, price in prices.items()
    }


__all__ = ["BookDesk", "Desk", "Found", "account_of", "found", "rules_of_book"]
