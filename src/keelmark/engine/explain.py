"""A liquidation explained from its journaled events: what was read, what it required, who paid.

Nothing is decided again and no state is asked: the opening event carries the decision with its
working, the events after it are the steps, and the closing event is the bill.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from keelmark.book.universe import Universe
from keelmark.core.codes import Leg
from keelmark.core.errors import InvalidInput
from keelmark.core.numbers import ZERO, exact
from keelmark.engine import events as e
from keelmark.engine import order_events as oe
from keelmark.engine.event_rows import BillRow, HoldingRow
from keelmark.engine.liquidation.shares import split_value

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a working.

    Attributes:
        title: What it is about.
        lines: Its figures, one a line.
    """

    title: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Working:
    """A liquidation, explained.

    Attributes:
        case: Number of it.
        unit: The unit.
        outcome: How it ended; empty while it goes on.
        sections: Inputs, equity, requirement, steps and bill.
    """

    case: int
    unit: int
    outcome: str
    sections: tuple[Section, ...]

    def __str__(self) -> str:
        parts = [f"liquidation {self.case} of unit {self.unit}: {self.outcome or 'going on'}"]
        for section in self.sections:
            parts += ["", section.title, *(f"  {line}" for line in section.lines)]
        return "\n".join(parts)


def events_of_case(events: Iterable[Any], case: int) -> list[Any]:
    """Return the events of one liquidation, in order."""
    return [event for event in events if getattr(event, "case", 0) == case]


def explain_liquidation(events: Sequence[Any], universe: Universe) -> Working:
    """Return the working of one liquidation.

    Args:
        events: Its events, from `LiquidationStarted` on; `events_of_case` finds them.
        universe: Names, scales and terms under which it was decided.

    Raises:
        InvalidInput: The opening event is not among them, or events of another case are.
    """
    started = next((x for x in events if isinstance(x, e.LiquidationStarted)), None)
    if started is None or any(x.case != started.case for x in events):
        msg = "give the events of one liquidation, from its LiquidationStarted on (events_of_case)"
        raise InvalidInput(msg)
    ended = next((x for x in events if isinstance(x, e.LiquidationEnded)), None)
    writer = _Writer(universe)
    with exact():
        sections = [
            Section("inputs", tuple(writer.inputs(started))),
            Section("equity", tuple(writer.equity(started))),
            Section("requirement", tuple(writer.requirement(started))),
            Section("steps", tuple(line for event in events for line in writer.step(event))),
        ]
        if ended is not None:
            sections.append(Section("who paid", tuple(writer.bill(ended, events))))
    return Working(
        case=started.case,
        unit=started.unit,
        outcome="" if ended is None else ended.outcome,
        sections=tuple(section for section in sections if section.lines),
    )


@dataclass(frozen=True, slots=True)
class _Writer:
    """Writes figures with the names and scales of a universe."""

    universe: Universe

    # --- the decision ---------------------------------------------------------------------------

    def inputs(self, started: e.LiquidationStarted) -> Iterator[str]:
        """Write time, balances and positions with their marks."""
        yield f"at {_time(started.time_ms)}"
        for asset, quanta in started.balances:
            yield f"balance {self.amount(asset, quanta)}"
        for row in started.holdings:
            settle = self.settle(row.instrument)
            yield (
                f"{self.lots(row.instrument, row.lots, row.leg)}, cost "
                f"{self.amount(settle, row.cost)}, mark {_plain(row.mark)}, notional "
                f"{_plain(row.notional)} {self.universe.assets[settle]}"
            )

    def equity(self, started: e.LiquidationStarted) -> Iterator[str]:
        """Write what each asset counts for, and their sum."""
        balances = dict(started.balances)
        for row in started.assets:
            name = self.universe.assets[row.asset]
            balance = balances.get(row.asset, 0) * self.universe.quantum(row.asset)
            profit = Decimal(row.counted) - balance
            yield (
                f"{name}: balance {_plain(balance)} and counted profit {_plain(profit)} make "
                f"{_plain(row.counted)}, worth {_plain(row.value)} after haircuts, at a price of "
                f"{_plain(row.price)}"
            )
        yield f"equity {_plain(started.equity)} {self.universe.model.valuation}"

    def requirement(self, started: e.LiquidationStarted) -> Iterator[str]:
        """Write the bracket and the formula of each position, loan margin, sum and excess."""
        for row in started.holdings:
            yield self.bracket(row)
        for asset in started.assets:
            positions = (
                Decimal(row.maintenance)
                for row in started.holdings
                if self.settle(row.instrument) == asset.asset
            )
            loan = Decimal(asset.maintenance) - sum(positions, ZERO)
            if loan > ZERO:
                name = self.universe.assets[asset.asset]
                yield f"margin on debt and orders in {name}: {_plain(loan)} {name}"
        valuation = self.universe.model.valuation
        excess = Decimal(started.equity) - Decimal(started.maintenance)
        yield f"maintenance margin {_plain(started.maintenance)} {valuation}"
        yield (
            f"excess {_plain(started.equity)} - {_plain(started.maintenance)} = {_plain(excess)} "
            f"{valuation}; the trigger is {self.universe.model.trigger.value.replace('_', ' ')} "
            "maintenance"
        )

    def bracket(self, row: HoldingRow) -> str:
        """Write the requirement of one position with its bracket row."""
        terms = self.universe.model.instruments[self.universe.symbols[row.instrument]]
        notional, total = Decimal(row.notional), Decimal(row.maintenance)
        size = abs(row.lots) * terms.instrument.lot
        line = terms.maintenance.requirement(size, notional)
        fee = total - line.amount
        formula = f"{_plain(line.basis)} x {_plain(line.rate)}"
        if line.deduction != ZERO:
            formula += f" - {_plain(line.deduction)}"
        if fee != ZERO:
            formula += f" + {_plain(fee)} to close"
        name = self.universe.symbols[row.instrument]
        settle = terms.instrument.settle
        return f"{name}, bracket {line.tier + 1}: {formula} = {_plain(total)} {settle}"

    # --- the steps ------------------------------------------------------------------------------

    def step(self, event: Any) -> Iterator[str]:  # noqa: ANN401 an event
        """Write what one event did."""
        match event:
            case e.OrdersCancelled():
                yield f"open orders of unit {event.unit} cancelled"
            case e.Filled():
                yield self.fill(event)
            case e.Transferred():
                yield (
                    f"{event.reason}: {self.amount(event.asset, event.quanta)} from unit "
                    f"{event.source} to unit {event.target}"
                )
            case e.Deleveraged():
                yield from self.deleveraged(event)
            case e.LossSocialised():
                total = self.amount(event.asset, sum(event.quanta))
                yield f"{total} charged to {len(event.payers)} units by {event.form}"
            case e.Waiting():
                yield f"waits until {_time(event.until_ms)}: {event.reason}"
            case e.StageExhausted():
                yield f"{event.stage} can do no more: {event.reason}"
            case _:
                yield from self.order(event)

    def order(self, event: Any) -> Iterator[str]:  # noqa: ANN401 an event
        """Write what became of an order that is executed outside."""
        match event:
            case oe.OrderSent():
                yield self.sent(event)
            case oe.OrderFilled():
                rest = abs(event.lots - event.booked)
                text = f"order {event.order}, execution {event.execution}: "
                text += self.lots(event.instrument, abs(event.lots), 0)
                text += f" at {self.price(event.instrument, event.ticks)}"
                late = self.lots(event.instrument, rest, 0)
                yield f"{text}, of it {late} the backstop's" if rest else text
            case oe.ExecutionFlagged():
                yield f"execution {event.execution} is odd: {_words(event.reason)}"
            case oe.CancelRequested():
                yield f"order {event.order} is to be cancelled: {_words(event.reason)}"
            case oe.OrderClosed():
                said = f" ({event.reason})" if event.reason else ""
                yield f"order {event.order} closed: {event.outcome}{said}"
            case oe.OrdersPassed():
                numbers = ", ".join(str(order) for order in event.orders)
                yield f"orders still out are the backstop's: {numbers}"
            case _:
                return

    def sent(self, event: oe.OrderSent) -> str:
        """Write an order that went out."""
        verb, row = "buy" if event.lots > 0 else "sell", event.instrument
        text = f"order {event.order} to {verb} {self.lots(row, abs(event.lots), event.leg)} at "
        limit = event.limit_ticks
        text += "any price" if limit is None else f"{self.price(row, limit)} or better"
        return f"{text} sent, to be answered by {_time(event.expires_ms)}"

    def price(self, instrument: int, ticks: int) -> str:
        """Write a price in ticks as a price."""
        return _plain(ticks * self.universe.instrument(instrument).price_unit)

    def fill(self, event: e.Filled) -> str:
        """Write a fill of the unit: in the market at a price, or handed over at a value."""
        settle = self.settle(event.instrument)
        verb = "bought" if event.lots > 0 else "sold"
        text = f"{verb} {self.lots(event.instrument, abs(event.lots), event.leg)}"
        if event.ticks:
            price = event.ticks * self.universe.instrument(event.instrument).price_unit
            return f"{text} at {_plain(price)}, fee {self.amount(settle, event.fee)}"
        value = self.amount(settle, abs(event.value))
        return f"{text} to unit {event.counterparty} for {value}"

    def deleveraged(self, event: e.Deleveraged) -> Iterator[str]:
        """Write each winner that was closed against, and what it gave up against the mark."""
        settle = self.settle(event.instrument)
        given = split_value(event.loss, event.lots)
        rows = zip(event.victims, event.victim_legs, event.lots, event.values, given, strict=True)
        for victim, leg, lots, value, loss in rows:
            yield (
                f"{self.lots(event.instrument, abs(lots), leg)} of unit {victim} closed for "
                f"{self.amount(settle, abs(value))}, {self.amount(settle, loss)} worse than the "
                "mark"
            )

    # --- the bill -------------------------------------------------------------------------------

    def bill(self, ended: e.LiquidationEnded, events: Sequence[Any]) -> Iterator[str]:
        """Write who paid each deficit, winner by winner and claim by claim, or who got the rest."""
        for row in ended.bills:
            if row.surplus:
                yield f"{self.amount(row.asset, row.surplus)} was left and passed on"
            if row.deficit:
                yield from self.deficit(row, events)

    def deficit(self, row: BillRow, events: Sequence[Any]) -> Iterator[str]:
        """Write who paid the deficit in one settle asset."""
        yield f"deficit {self.amount(row.asset, row.deficit)}"
        if row.fund:
            yield f"insurance fund {self.amount(row.asset, row.fund)}"
        for event in events:
            if isinstance(event, e.Deleveraged) and self.settle(event.instrument) == row.asset:
                for victim, loss in zip(
                    event.victims, split_value(event.loss, event.lots), strict=True
                ):
                    yield f"unit {victim}, deleveraged: {self.amount(row.asset, loss)}"
            elif isinstance(event, e.LossSocialised) and event.asset == row.asset:
                for payer, quanta in zip(event.payers, event.quanta, strict=True):
                    yield f"unit {payer}, {event.form}: {self.amount(event.asset, quanta)}"
        if row.backstop:
            yield f"backstop {self.amount(row.asset, row.backstop)}"

    # --- figures --------------------------------------------------------------------------------

    def settle(self, instrument: int) -> int:
        """Return the row of an instrument's settle asset."""
        return int(self.universe.instruments[instrument]["settle"])

    def amount(self, asset: int, quanta: int) -> str:
        """Write quanta as an amount with its asset."""
        return f"{_plain(quanta * self.universe.quantum(asset))} {self.universe.assets[asset]}"

    def lots(self, instrument: int, lots: int, leg: int) -> str:
        """Write lots as a size with the symbol, and the leg in hedge mode."""
        terms = self.universe.instrument(instrument)
        side = "" if leg == Leg.NET else f" ({Leg(leg).name.lower()} leg)"
        return f"{_plain(lots * terms.lot)} {terms.symbol}{side}"


def _words(reason: str) -> str:
    return reason.replace("_", " ")


def _plain(value: Decimal | str) -> str:
    """Return a decimal without the zeros a product leaves at its end."""
    return f"{Decimal(value).normalize():f}"


def _time(time_ms: int) -> str:
    moment = EPOCH + timedelta(milliseconds=time_ms)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
