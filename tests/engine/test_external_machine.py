"""Any order of any commands and any answers of a matching engine that misbehaves.

The machine of the built-in market, with all its laws, where orders are executed outside: what works
is what the matching engine has, an order never goes out for lots that another works for, a fill is
booked on whom it shrinks and the rest on the backstop, and a restart changes nothing.
"""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from keelmark.core.errors import KeelmarkError
from keelmark.engine import commands as c
from keelmark.engine import order_events as oe
from keelmark.engine.engine import Engine
from keelmark.engine.execution import ExternalVenue
from tests.engine.market_of_all import everything
from tests.engine.matching import Matching, Resting, moved_lots
from tests.engine.test_engine_machine import EngineMachine, pick, quick
from tests.engine.venue import Spec, merged

SEEN: dict[str, int] = {}
"""What the sequences of this run have met."""

LEVEL: Spec = {"liquidation": {"takeover": {"usage": "1.3"}}}

TOLD = (oe.OrderSent, oe.OrdersPassed, oe.OrderTimedOut, oe.CancelRequested)

answers = st.sampled_from([10, 30, 50, 90, 100, 100, 100, 100, 130])


def count(what: str) -> None:
    SEEN[what] = SEEN.get(what, 0) + 1


class ExternalMachine(EngineMachine):
    """The same venue with a matching engine of its own."""

    matching: Matching

    def terms(self, process: int) -> Spec:
        """Return the universe under a process; under some the backstop takes at a level."""
        spec = everything(process)
        return merged(spec, LEVEL) if process % 2 else spec

    def market(self) -> ExternalVenue:
        return ExternalVenue(time_out_s=4, retry_s=2)

    def heard(self, event: Any) -> None:  # noqa: ANN401 an event
        """Let the matching engine read it, and hold every order against its book."""
        if not hasattr(self, "matching"):
            self.matching = Matching(self.venue.state.backstop)
        if isinstance(event, oe.OrderSent):
            self.matching.require_room(event, self.model)
        self.matching.take(event)
        if isinstance(event, TOLD):
            count(getattr(event, "reason", type(event).__name__))

    # --- answers ----------------------------------------------------------------------------------

    def report(self, command: c.ReportExecution) -> None:
        """Send a new report; it does what the plain books say, and nothing else."""
        order = self.matching.orders[command.order]
        booked = self.matching.booked(order, command.lots, self.model)
        flags = self.matching.flags(order, command, booked)
        owner, first = order.unit, len(self.venue.events)
        self.matching.note(command)
        self.send(command, None)
        happened = self.venue.events[first:]
        (told,) = [x for x in happened if isinstance(x, oe.OrderFilled)]
        assert (told.unit, told.lots, told.booked) == (owner, command.lots, booked)
        assert {x.reason for x in happened if isinstance(x, oe.ExecutionFlagged)} == flags
        gained = {self.matching.backstop: told.lots - booked}
        gained[owner] = gained.get(owner, 0) + booked
        assert moved_lots(happened) == {unit: lots for unit, lots in gained.items() if lots}
        for flag in flags:
            count(flag)
        count("filled")

    def price(self, order: Resting, choice: int) -> int:
        """Return a price: at the mark, at the limit, and now and then far worse."""
        ticks = self.ticks(order.instrument)
        if order.limit is not None and choice % 3 == 0:
            return order.limit
        if choice % 17 == 0:
            return max(1, ticks * (120 if order.lots > 0 else 80) // 100)
        return ticks

    @precondition(lambda self: self.matching.open())
    @rule(choice=pick, percent=answers, fee=st.sampled_from([None, None, 0, 1000, -500]))
    def fill_an_order(self, choice: int, percent: int, fee: int | None) -> None:
        """Any of them: newest or oldest, in part, whole, or more."""
        working = self.matching.open()
        order = working[choice % len(working)]
        left = max(1, abs(order.lots) - abs(order.filled))
        lots = max(1, left * percent // 100)
        self.report(
            c.ReportExecution(
                order=order.order,
                execution=f"x{len(order.reports)}",
                lots=lots if order.lots > 0 else -lots,
                ticks=self.price(order, choice),
                fee=fee,
            ),
        )

    @precondition(lambda self: self.matching.open())
    @rule()
    def answer_all(self) -> None:
        """Fill whatever works, and what follows from it, at the mark."""
        for _ in range(30):
            working = self.matching.open()
            if not working:
                return
            order = working[0]
            rest = order.lots - order.filled
            if rest * order.lots <= 0:
                self.send(c.CloseOrder(order=order.order, outcome="done"), None)
                continue
            execution = f"x{len(order.reports)}"
            ticks = self.ticks(order.instrument)
            self.report(
                c.ReportExecution(order=order.order, execution=execution, lots=rest, ticks=ticks)
            )

    @precondition(lambda self: any(order.is_closed for order in self.matching.orders.values()))
    @rule(choice=pick, rarely=pick)
    def fill_a_closed_order(self, choice: int, rarely: int) -> None:
        if rarely > 40:
            return
        closed = [order for order in self.matching.orders.values() if order.is_closed]
        order = closed[choice % len(closed)]
        lots = max(1, abs(order.lots) // 3)
        self.report(
            c.ReportExecution(
                order=order.order,
                execution=f"x{len(order.reports)}",
                lots=lots if order.lots > 0 else -lots,
                ticks=self.price(order, choice),
            ),
        )

    @precondition(lambda self: any(order.reports for order in self.matching.orders.values()))
    @rule(choice=pick, differs=st.booleans())
    def report_again(self, choice: int, differs: bool) -> None:  # noqa: FBT001 drawn
        """The same report does nothing; the same id with another price is refused."""
        reports = [r for order in self.matching.orders.values() for r in order.reports]
        known = reports[choice % len(reports)]
        before = self.venue.engine.digest()
        if differs:
            known = c.ReportExecution(
                order=known.order, execution=known.execution, lots=known.lots, ticks=known.ticks + 1
            )
            with pytest.raises(KeelmarkError, match="id of its own"):
                self.venue.do(known)
        else:
            self.sent.append(known)
            assert self.venue.do(known) == []
        assert self.venue.engine.digest() == before
        count("again")

    @precondition(lambda self: self.matching.open())
    @rule(
        choice=pick,
        outcome=st.sampled_from(["cancelled", "cancelled", "rejected", "expired", "done"]),
    )
    def close_an_order(self, choice: int, outcome: str) -> None:
        working = self.matching.open()
        order = working[choice % len(working)].order
        self.send(c.CloseOrder(order=order, outcome=outcome, reason="by the machine"), None)
        count(outcome)

    @precondition(lambda self: self.matching.unconfirmed())
    @rule()
    def confirm_cancels(self) -> None:
        for order in self.matching.unconfirmed():
            self.send(c.CloseOrder(order=order, outcome="cancelled"), None)
            count("confirmed")

    @rule(order=st.sampled_from([0, -1, 10**6]))
    def a_report_of_no_order(self, order: int) -> None:
        first = len(self.venue.events)
        with pytest.raises(KeelmarkError, match="was never sent"):
            self.venue.do(c.ReportExecution(order=order, execution="x", lots=1, ticks=1))
        assert len(self.venue.events) == first

    # --- laws -------------------------------------------------------------------------------------

    @invariant()
    def what_works_is_what_the_matching_engine_has(self) -> None:
        working = self.venue.state.working
        mine = {order.order: order for order in self.matching.open()}
        assert list(working) == sorted(mine)
        for number, order in mine.items():
            row = working[number]
            theirs = (row.unit, row.instrument, row.leg, row.lots, row.filled, row.limit_ticks)
            assert theirs == (
                order.unit,
                order.instrument,
                order.leg,
                order.lots,
                order.filled,
                order.limit,
            )
            assert row.is_cancelling == (number in self.matching.cancels)
            assert row.is_timed_out == (row.expires_ms <= self.venue.state.time_ms)

    @invariant()
    def whoever_works_for_the_market_waits_or_is_let_go(self) -> None:
        """A unit with an order out in its liquidation is still in it, unless somebody decided."""
        state = self.venue.state
        for order in state.working.rows():
            if order.case and order.unit != state.backstop and not order.is_cancelling:
                assert order.unit in state.cases

    def teardown(self) -> None:
        if hasattr(self, "venue"):
            self.a_restart_changes_nothing()
        super().teardown()

    def a_restart_changes_nothing(self) -> None:
        """From a snapshot and from the journal alone, without being told of the market."""
        engine = self.venue.engine
        with TemporaryDirectory() as folder:
            path = Path(folder) / "snapshot"
            engine.write_snapshot(path)
            for snapshot in (None, path):
                again = Engine.recover(self.venue.rulebook, engine.journal, snapshot=snapshot)
                assert again.digest() == engine.digest()
                assert again.state.working.rows() == engine.state.working.rows()


def a_bad_day(machine: ExternalMachine, process: int) -> None:
    """By the rules of the machine, in a fixed order: everybody falls, and answers are odd."""
    machine.begin(process=process, simulated=False, seed=process, fall=1.0)
    for number in range(4):
        machine.open_account()
        machine.deposit(choice=number + 2, asset=number % 3, share=100)
        for instrument, part in ((0, 50), (1, 50), (number % 4, 98)):
            machine.trade_to_the_limit((number + 2, 1), instrument, part, number % 2 == 1)
        machine.trade_to_the_limit((number, number + 2), 3, 90, number % 2 == 0)
    machine.a_gap(0.97, 1.0)
    for order in machine.matching.open()[: process == 2]:
        machine.override(machine.model.clients.index(order.unit), "takeover", 0)
    for step, move in enumerate([0.98, 0.99, 1.02, 0.9, 0.97, 1.05, 0.7, 0.95]):
        for choice, percent in ((step, 30), (step + 1, 100), (step + 2, 130)):
            if machine.matching.open():
                machine.fill_an_order(choice, percent, None)
        if machine.matching.open() and step % 2:
            machine.close_an_order(step, ("rejected", "cancelled")[step % 4 == 1])
        machine.small_marks([move], 1.0)
        if step % 3 == 2:
            machine.wait(5)
        if any(order.reports for order in machine.matching.orders.values()):
            machine.report_again(step, differs=bool(step % 2))
    machine.what_works_is_what_the_matching_engine_has()
    machine.everybody_holds_what_the_model_says()
    machine.teardown()


def test_a_bad_day_meets_every_kind_of_answer() -> None:
    """No draw of luck, under every process of the rulebook."""
    SEEN.clear()
    for process in (0, 1, 2, 3, 5):
        a_bad_day(ExternalMachine(), process)
    wanted = {"reduce", "filled", "again", "timed_out", "recovered", "OrdersPassed", "beyond_lots"}
    assert wanted <= SEEN.keys(), wanted - SEEN.keys()


ExternalMachine.TestCase.settings = settings(quick, max_examples=12)
TestExternal = ExternalMachine.TestCase


@pytest.mark.nightly
def test_a_matching_engine_that_misbehaves_through_long_sequences() -> None:
    class Long(ExternalMachine):
        pass

    Long.TestCase.settings = settings(quick, max_examples=1_000, stateful_step_count=80)
    Long.TestCase("runTest").runTest()
    wanted = {"disposal", "protection", "late", "paused", "held", "released", "after_close"}
    assert wanted - {"late"} <= SEEN.keys()
