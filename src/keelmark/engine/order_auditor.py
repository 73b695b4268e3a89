"""Hold orders that are executed outside against their laws, event by event.

An order is held to INV-07 when it is sent, at that snapshot: filled at its limit, a lot or whole,
it must raise the excess. What the market then does is a fact that no law of ours can bind; it is
held to being booked once, whole, and to being told where it was not what was ordered (INV-16).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, Decimal

from keelmark.book.views import PositionView
from keelmark.core import invariants as laws
from keelmark.core.codes import Leg
from keelmark.core.margin import maintenance_excess
from keelmark.core.numbers import exact
from keelmark.core.process import FeeCap
from keelmark.engine import events as e
from keelmark.engine import order_events as oe
from keelmark.engine.state import State
from keelmark.engine.trial import after_fill


@dataclass(slots=True)
class OrderAuditor:
    """What the last report still owes.

    Attributes:
        execution: Names the report.
        unbooked: Lots of it that no fill has booked yet.
        flags: What it must be flagged for and is not yet.
    """

    execution: str = ""
    unbooked: int = 0
    flags: set[str] = field(default_factory=set)

    def sent(self, state: State, event: oe.OrderSent) -> Iterator[tuple[int, str | None]]:
        """Yield what is found about an order that goes out."""
        number = state.working.sent
        rises = event.order == number + 1
        yield 16, None if rises else f"order {event.order} after order {number}"
        if event.reason != "reduce":
            return
        before = maintenance_excess(state.unit(event.unit), state.market, state.model)
        side = 1 if event.lots > 0 else -1
        for lots in (side, event.lots):
            after = _excess_after(state, event, lots)
            step = laws.Step(unit=event.unit, before=before, after=after, is_transfer=False)
            finding = laws.step_raises_the_excess(step)
            what = f"order {event.order}, {lots} lots at its limit: {finding}"
            yield 7, None if finding is None else what

    def filled(self, state: State, event: oe.OrderFilled) -> Iterator[tuple[int, str | None]]:
        """Yield what is found about a report, and remember what it owes."""
        yield 16, self.owed()
        order = state.working.find(event.order)
        if order is None:
            yield 16, f"execution {event.execution!r} of order {event.order}, which is not known"
            return
        self.execution = f"execution {event.execution!r} of order {event.order}"
        self.unbooked, self.flags = event.lots, set()
        twice = event.execution in order.executions
        yield 16, f"{self.execution} is booked twice" if twice else None
        if abs(order.filled + event.lots) > abs(order.lots):
            self.flags.add("beyond_lots")
        limit = event.ticks if order.limit_ticks is None else order.limit_ticks
        if (event.ticks > limit) if order.lots > 0 else (event.ticks < limit):
            self.flags.add("worse_than_limit")
        if order.outcome:
            self.flags.add("after_close")
        if event.booked != event.lots:
            self.flags.add("more_than_held")

    def booked(self, state: State, event: e.Filled) -> Iterator[tuple[int, str | None]]:
        """Yield what is found about a fill, if one is owed: it shrinks, or is the backstop's."""
        if not self.unbooked:
            return
        self.unbooked -= event.lots
        held = state.book.lots(event.unit, event.instrument, Leg(event.leg))
        shrinks = held * event.lots < 0 and abs(event.lots) <= abs(held)
        wrong = not shrinks and event.unit != state.backstop
        text = f"{self.execution} grows unit {event.unit}: {held} held, {event.lots} booked"
        yield 16, text if wrong else None

    def flagged(self, event: oe.ExecutionFlagged) -> Iterator[tuple[int, str | None]]:
        """Yield what is found about a flag."""
        known = event.reason in self.flags
        self.flags.discard(event.reason)
        yield 16, None if known else f"{self.execution} is flagged {event.reason} and is not"

    def owed(self) -> str | None:
        """Return what the last report still owes, `None` if nothing."""
        if not self.unbooked and not self.flags:
            return None
        return f"{self.execution}: {self.unbooked} lots not booked, not flagged {self.flags}"


def _excess_after(state: State, event: oe.OrderSent, lots: int) -> Decimal:
    """Return the excess of a unit once lots of its order are filled at the limit."""
    if event.limit_ticks is None:
        return Decimal("-Infinity")
    value = state.value(event.instrument, lots, event.limit_ticks)
    with exact():
        fee = int((abs(value) * state.rules.clearance_fee).to_integral_value(ROUND_CEILING))
    if state.rules.clearance_fee_cap is not FeeCap.NONE:
        fee = 0  # it takes of what the fill brings above the zero-loss value alone
    fill = PositionView(event.instrument, Leg(event.leg), lots, value, 0)
    view = after_fill(
        state.book.unit_view(event.unit), state.settle_of(event.instrument), fill, fee
    )
    return maintenance_excess(state.plain(view), state.market, state.model)
