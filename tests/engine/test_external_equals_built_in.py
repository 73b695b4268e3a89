"""A market that answers every order at once ends where the built-in one ends.

Two venues get the same commands: one sells in the simulated book, the other sends its orders out
and is answered from a simulated book of the same kind, a unit at a time. Everybody then holds the
same to the quantum, and every bill is the same.
"""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keelmark.core.errors import Rejected, RejectionReason
from keelmark.engine import commands as c
from keelmark.engine import events as e
from keelmark.engine import order_events as oe
from keelmark.engine.execution import ExternalVenue, LiquidationOrder
from tests.engine.market_of_all import everything
from tests.engine.test_engine_machine import LOTS, START, simulated_market
from tests.engine.venue import Spec, Venue, merged

POLICIES: tuple[Spec, ...] = (
    {"price_limit": "zero_loss"},
    {"sizing": "tier_drop", "order": "worst_pnl", "price_limit": "bankruptcy", "interval_s": 2},
    {"sizing": "fraction_then_cooldown", "sizing_settings": {"threshold": "50000"}},
    {"sizing": "least_cost", "price_limit": "no_limit", "buffer": "0"},
    {"sizing": "whole", "price_limit": "fillable", "attempts": 1},
)
SOLD = {"reduce", "disposal"}


class Twins:
    """The two venues; commands go to both, and every order is answered before the next command."""

    def __init__(self, policy: int) -> None:
        spec = merged(everything(0), {"liquidation": {"reduce": POLICIES[policy]}})
        self.inside = Venue(base=spec, market=simulated_market())
        self.outside = Venue(base=spec, market=ExternalVenue())
        self.book = simulated_market()
        self.read = 0

    def do(self, command: c.Command) -> bool:
        """Carry a command out in both; return whether it was accepted."""
        reasons = [refusal(venue, command) for venue in (self.inside, self.outside)]
        assert reasons[0] is reasons[1]
        self.answer()
        return reasons[0] is None

    def marks(self, prices: dict[str, float]) -> None:
        self.inside.stream([prices])
        self.outside.stream([prices])
        self.answer()

    def answer(self) -> None:
        """Answer every order, and first whatever follows from an answer."""
        waiting = self.new_orders()
        while waiting:
            order = waiting.pop(0)
            self.fill(order)
            waiting = self.new_orders() + waiting

    def new_orders(self) -> list[oe.OrderSent]:
        happened = self.outside.events[self.read :]
        self.read = len(self.outside.events)
        return [event for event in happened if isinstance(event, oe.OrderSent)]

    def fill(self, order: oe.OrderSent) -> None:
        done = self.book.execute(
            LiquidationOrder(
                instrument=order.instrument,
                lots=order.lots,
                mark_ticks=order.mark_ticks,
                limit_ticks=order.limit_ticks,
                time_ms=order.time_ms,
            ),
        )
        number = order.order
        if done.lots:
            self.outside.do(
                c.ReportExecution(order=number, execution="x", lots=done.lots, ticks=done.ticks)
            )
        if number in self.outside.state.working:
            self.outside.do(c.CloseOrder(order=number, outcome="cancelled"))

    def require_equal(self) -> None:
        inside, outside = self.inside, self.outside
        for unit in range(inside.state.book.units_count):
            assert inside.state.book.unit_view(unit) == outside.state.book.unit_view(unit)
        assert bills(inside) == bills(outside)
        assert sales(inside) == sales(outside)
        assert inside.state.cases.keys() == outside.state.cases.keys()
        for unit, case in inside.state.cases.items():
            assert case.attempts == outside.state.cases[unit].attempts
            assert case.exhausted == outside.state.cases[unit].exhausted


def refusal(venue: Venue, command: c.Command) -> RejectionReason | None:
    """Carry a command out; return why it was refused, `None` if it was not."""
    try:
        venue.do(command)
    except Rejected as error:
        return error.reason
    return None


def bills(venue: Venue) -> list[bytes]:
    return [msgspec.json.encode(event) for event in venue.of(e.LiquidationEnded)]


def sales(venue: Venue) -> list[tuple[Any, ...]]:
    return [
        (x.unit, x.instrument, x.lots, x.value, x.fee, x.case)
        for x in venue.of(e.Filled)
        if x.reason in SOLD
    ]


def opened(twins: Twins, choices: list[tuple[int, int, bool]]) -> None:
    """Open an account for each choice, leveraged as far as it goes in one or two instruments."""
    twins.marks(START)
    state = twins.inside.state
    twins.do(c.Deposit(unit=state.fund_of(-1), asset=0, quanta=10**9))
    for number, (instrument, other, is_short) in enumerate(choices):
        twins.do(c.OpenAccount(name=f"account {number}"))
        unit = state.book.units_count - 1
        for asset, quanta in ((0, 5 * 10**9), (2, 10**7)):
            twins.do(c.Deposit(unit=unit, asset=asset, quanta=quanta))
        for row in (instrument, other):
            lots = 20 * LOTS[row]
            while lots and not twins.do(
                c.Fill(
                    unit=unit,
                    counterparty=state.liquidity,
                    instrument=row,
                    lots=-lots if is_short else lots,
                    ticks=state.ticks(row),
                )
            ):
                lots = lots * 3 // 4


def moved(prices: dict[str, float], factor: float) -> dict[str, float]:
    return {name: p if name == "asset_USDC" else p * factor for name, p in prices.items()}


rows = st.integers(0, 3)
choices = st.lists(st.tuples(rows, rows, st.booleans()), min_size=1, max_size=5)
moves = st.lists(st.sampled_from([0.9, 0.96, 0.98, 0.99, 1.01, 1.03, 1.08]), min_size=1, max_size=8)
COUNT = {"sales": 0, "ended": 0}


def both_end_alike(
    policy: int, accounts: list[tuple[int, int, bool]], factors: list[float]
) -> None:
    twins = Twins(policy)
    opened(twins, accounts)
    prices = dict(START)
    for factor in factors:
        prices = moved(prices, factor)
        twins.marks(prices)
        twins.require_equal()
        twins.do(c.AdvanceTime(time_ms=twins.inside.state.time_ms + 31_000))
        twins.require_equal()
    COUNT["sales"] += len(sales(twins.inside))
    COUNT["ended"] += len(bills(twins.inside))
    twins.outside.check(replay=True)


@settings(max_examples=8, deadline=None)
@given(policy=st.integers(0, len(POLICIES) - 1), accounts=choices, factors=moves)
def test_a_market_that_answers_at_once_ends_where_the_built_in_one_does(
    policy: int, accounts: list[tuple[int, int, bool]], factors: list[float]
) -> None:
    both_end_alike(policy, accounts, factors)


@pytest.mark.parametrize("policy", range(len(POLICIES)))
def test_it_does_in_a_crash_under_every_policy(policy: int) -> None:
    before = dict(COUNT)
    accounts = [(0, 1, False), (1, 3, False), (2, 0, False), (0, 3, True), (3, 2, False)]
    both_end_alike(policy, accounts, [0.985, 0.98, 0.97, 1.02, 0.93])
    assert COUNT["sales"] > before["sales"] + 3
    assert COUNT["ended"] > before["ended"] + 1


@pytest.mark.nightly
@settings(max_examples=1_000, deadline=None)
@given(policy=st.integers(0, len(POLICIES) - 1), accounts=choices, factors=moves)
def test_it_does_in_many_crashes(
    policy: int, accounts: list[tuple[int, int, bool]], factors: list[float]
) -> None:
    both_end_alike(policy, accounts, factors)
