"""Who may not lose, and who may not hide: directed cases of the order in which losses fall.

The figures are those of `tests.engine.venue`: whole quanta, maintenance 5 %, initial 10 %.
"""

from typing import Any

import pytest

from keelmark.core.errors import InvalidInput, InvariantViolated, Rejected, RejectionReason
from keelmark.engine import commands as c
from keelmark.engine import events as e
from keelmark.engine.execution import Execution, LiquidationOrder
from keelmark.engine.liquidation import resolve
from tests.engine.venue import Venue, merged

THIN = {"liquidation_end": "1.2", "liquidation": {"reduce": {"attempts": 1, "buffer": "0.5"}}}
NO_ORDERS: dict[str, Any] = {"reduce": {"attempts": 0}}


class Thin:
    """A market that fills a few lots of each order at the mark."""

    def __init__(self, lots: int) -> None:
        self.lots = lots

    def execute(self, order: LiquidationOrder) -> Execution:
        lots = min(self.lots, abs(order.lots))
        return Execution(lots=lots if order.lots > 0 else -lots, ticks=order.mark_ticks)

    def observe(self, order: LiquidationOrder, execution: Execution) -> None:
        """Nothing to remember."""


def long_of(venue: Venue, *, margin: int = 100_000, lots: int = 1000) -> int:
    """Open a market maker, set A to 1,000 and buy `lots` with `margin`."""
    maker = venue.open("maker", USDT=10**9)
    venue.marks(A=1000.0)
    unit = venue.open("long", USDT=margin)
    venue.trade(unit, maker, "A", lots, 1000)
    return unit


# --- nobody above maintenance is taken over -----------------------------------------------------


def test_attempts_that_run_out_above_maintenance_end_the_case() -> None:
    """60 lots sold at 947: equity 47,000, maintenance 940 * 947 * 5 % = 44,509."""
    venue = Venue(THIN, market=Thin(60))
    unit = long_of(venue)
    venue.marks(A=947.0)
    ended = venue.of(e.LiquidationEnded)
    assert [x.outcome for x in ended] == ["recovered"]
    assert venue.lots(unit, "A") == 940
    assert venue.state.report(unit).equity == 47_000


def test_a_mark_that_recovers_during_a_wait_saves_the_unit() -> None:
    spec = {"liquidation_end": "1.2", "liquidation": {"reduce": {"attempts": 1, "interval_s": 10}}}
    venue = Venue(spec, market=Thin(1))
    unit = long_of(venue)
    venue.marks(A=947.0)
    assert unit in venue.state.cases
    venue.marks(A=955.0)  # equity 54,992 over 47,702 of maintenance, under 1.2 times it
    venue.marks(A=955.0, after_ms=20_000)
    assert unit not in venue.state.cases
    assert venue.lots(unit, "A") == 999


def test_money_brought_during_a_wait_ends_it_at_once() -> None:
    venue = Venue({"liquidation": {"reduce": {"attempts": 3, "interval_s": 60}}}, market=Thin(1))
    unit = long_of(venue)
    venue.marks(A=947.0)
    assert unit in venue.state.cases
    venue.deposit(unit, 1_000_000)
    venue.marks(A=947.0)
    assert unit not in venue.state.cases


def test_an_operator_who_takes_a_healthy_unit_over_leaves_it_its_money() -> None:
    venue = Venue()
    unit = long_of(venue, margin=1_000_000, lots=1)
    venue.do(c.Override(unit=unit, action="takeover", operator="ada", reason="test"))
    assert venue.lots(unit, "A") == 0
    assert venue.balance(unit) == 1_000_000


# --- the fund pays before winners do ------------------------------------------------------------


def test_a_full_backstop_does_not_spare_the_fund() -> None:
    """500 lots from 1,000 to 700 lose 150,000 of 100,000: the fund has the 50,000."""
    venue = Venue({"liquidation": {**NO_ORDERS, "takeover": {"inventory_max": "0"}}})
    venue.open("maker", USDT=10**9)
    venue.marks(A=1000.0)
    venue.deposit(venue.state.fund_of(-1), 10_000_000)
    unit, winner = venue.open("long", USDT=100_000), venue.open("short", USDT=400_000)
    venue.trade(unit, winner, "A", 500, 1000)
    venue.marks(A=700.0)
    (ended,) = venue.of(e.LiquidationEnded)
    assert (ended.deficit, ended.fund, ended.deleveraged) == (50_000, 50_000, 0)
    assert venue.balance(winner) == 400_000 + 150_000  # closed at the mark


def test_winners_pay_only_what_the_fund_cannot() -> None:
    venue = Venue({"liquidation": {**NO_ORDERS, "takeover": {"inventory_max": "0"}}})
    venue.open("maker", USDT=10**9)
    venue.marks(A=1000.0)
    venue.deposit(venue.state.fund_of(-1), 20_000)
    unit, winner = venue.open("long", USDT=100_000), venue.open("short", USDT=400_000)
    venue.trade(unit, winner, "A", 500, 1000)
    venue.marks(A=700.0)
    (ended,) = venue.of(e.LiquidationEnded)
    assert ended.deficit == 50_000
    assert ended.fund + ended.deleveraged == 50_000
    assert 20_000 - 100 <= ended.fund <= 20_000  # whole lots: at most one lot's share is left
    assert venue.balance(winner) == 400_000 + 150_000 - ended.deleveraged


# --- nobody hides -------------------------------------------------------------------------------


def test_a_paused_speck_does_not_shield_the_rest_of_an_account() -> None:
    venue = Venue()
    maker = venue.open("maker", USDT=10**9)
    venue.marks(A=1000.0, B=10.0)
    unit = venue.open("long", USDT=100_000)
    venue.trade(unit, maker, "A", 500, 1000)
    venue.trade(unit, maker, "B", 1, 10)
    venue.do(c.Pause(instrument=venue.row("B"), reason="test"))
    venue.marks(A=805.0)  # equity 2,500 under 20,125 of maintenance
    assert venue.lots(unit, "A") < 500
    assert venue.lots(unit, "B") == 1


def test_a_pause_that_withholds_the_end_is_said_once_and_lifted() -> None:
    venue = Venue({"liquidation": NO_ORDERS})
    maker = venue.open("maker", USDT=10**9)
    venue.marks(A=1000.0, B=10.0)
    unit = venue.open("long", USDT=100_000)
    venue.trade(unit, maker, "A", 500, 1000)
    venue.trade(unit, maker, "B", 1, 10)
    venue.do(c.Pause(instrument=venue.row("B"), reason="test"))
    venue.marks(A=805.0)
    venue.marks(A=805.0)
    assert [x.reason for x in venue.of(e.Waiting)] == ["it holds a paused instrument"]
    venue.do(c.Resume(instrument=venue.row("B"), reason="test"))
    venue.marks(A=805.0, after_ms=61_000)
    assert [x.outcome for x in venue.of(e.LiquidationEnded)] == ["taken_over"]


def test_a_held_unit_that_no_wire_can_watch_is_a_suspect_at_its_trigger() -> None:
    venue = Venue({"profit": {"maintenance": {"weight": "1", "cap": "5000"}}})
    unit = long_of(venue)
    venue.do(c.Override(unit=unit, action="hold", operator="ada", reason="test"))
    venue.marks(A=1000.0)
    assert unit not in venue.engine.suspects().tolist()
    venue.marks(A=500.0)
    assert unit in venue.engine.suspects().tolist()
    assert not venue.of(e.LiquidationStarted)


PRICED = {"assets": {"X": {"quantum": "1", "weights": [{"floor": "0", "weight": "0.9"}]}}}


def test_unpriced_collateral_is_refused_where_it_would_hide_a_margin() -> None:
    venue = Venue(PRICED)
    unit = long_of(venue)
    with pytest.raises(Rejected) as refused:
        venue.deposit(unit, 1, "X")
    assert refused.value.reason is RejectionReason.UNTRUSTED_MARK
    venue.marks(A=500.0)
    assert venue.of(e.LiquidationEnded)


def test_a_unit_whose_worth_is_unknown_is_not_closed_against() -> None:
    venue = Venue({"liquidation": {**NO_ORDERS, "takeover": {"inventory_max": "0"}}})
    maker = venue.open("maker", USDT=10**9)
    venue.marks(A=1000.0, B=10.0)
    unit = venue.open("long", USDT=100_000)
    blind, seen = venue.open("blind", USDT=400_000), venue.open("seen", USDT=400_000)
    venue.trade(blind, maker, "B", 1, 10)
    venue.trade(unit, blind, "A", 250, 1000)
    venue.trade(unit, seen, "A", 250, 1000)
    venue.marks(B=float("nan"))
    venue.marks(A=700.0)
    assert venue.lots(blind, "A") == -250
    assert venue.lots(seen, "A") == 0


def test_fills_at_any_price_do_not_move_money_while_a_mark_is_untrusted() -> None:
    venue = Venue()
    maker = venue.open("maker", USDT=10**9)
    venue.marks(A=1000.0)
    one, other = venue.open("one", USDT=100_000), venue.open("other", USDT=100_000)
    venue.trade(one, maker, "A", 500, 1000)
    venue.trade(maker, other, "A", 500, 1000)
    venue.marks(A=float("nan"))
    with pytest.raises(Rejected, match="no mark that can be trusted"):
        venue.trade(other, one, "A", 500, 1)
    venue.trade(other, one, "A", 500, 960)
    assert venue.lots(one, "A") == 0


# --- an isolated deficit stays isolated ---------------------------------------------------------


def test_closing_an_account_does_not_charge_the_cross_unit_for_an_isolated_loss() -> None:
    """100 lots from 1,000 to 500 lose 50,000 of 10,000; the cross unit keeps its 100,000."""
    venue = Venue({"liquidation": {"stages": ["warn", "insurance"]}})
    maker = venue.open("maker", USDT=10**9)
    venue.marks(A=1000.0)
    venue.deposit(venue.state.fund_of(-1), 1_000_000)
    cross = venue.open("trader", USDT=100_000)
    isolated = venue.isolated("trader", USDT=10_000)
    venue.trade(isolated, maker, "A", 100, 1000)
    account = int(venue.state.book.units[cross]["account"])
    command = c.CloseAccount(
        account=account, reason="regulatory", instruments=(venue.row("A"),), ticks=(500,)
    )
    venue.do(command)
    (closed,) = venue.of(e.AccountClosed)
    lines = {(line.payee, line.quanta) for line in closed.statement}
    assert ("owner", 100_000) in lines
    assert ("insurance fund", -40_000) in lines


# --- commands that could not be written down ----------------------------------------------------


def test_a_command_that_is_not_whole_is_refused_before_anything_happens() -> None:
    venue = Venue()
    unit = venue.open("a", USDT=100)
    digest = venue.engine.digest()
    for command in (
        c.Deposit(unit=unit, asset=0, quanta=1.5),  # type: ignore[arg-type]  # on purpose
        c.Deposit(unit=unit, asset=0, quanta=2**64),
        c.OpenAccount(name=7),  # type: ignore[arg-type]  # on purpose
    ):
        with pytest.raises(InvalidInput, match=type(command).__name__):
            venue.engine.submit(command)
    assert venue.engine.digest() == digest


@pytest.mark.parametrize("time_ms", [2**63 - 1, 10**13 * 3])
def test_a_clock_that_would_run_ahead_is_refused(time_ms: int) -> None:
    venue = Venue()
    venue.marks(A=1000.0)
    with pytest.raises(Rejected) as refused:
        venue.do(c.AdvanceTime(time_ms=time_ms))
    assert refused.value.reason is RejectionReason.TIME_OUT_OF_RANGE
    venue.marks(A=1000.0)


@pytest.mark.parametrize(
    ("field", "value"), [("leverage", -5), ("leverage", 10**8), ("fee", 2**60)]
)
def test_terms_of_a_fill_that_make_no_sense_are_refused_by_name(field: str, value: int) -> None:
    venue = Venue()
    maker = venue.open("maker", USDT=10**9)
    venue.marks(A=1000.0)
    unit = venue.open("a", USDT=100_000)
    fill = {"unit": unit, "counterparty": maker, "instrument": 0, "lots": 1, "ticks": 1000}
    with pytest.raises(Rejected, match=field):
        venue.engine.submit(c.Fill(**fill, **{field: value}))


# --- what has no kernel face pays like everybody else -------------------------------------------

WINNERS_PAY: dict[str, Any] = {
    "liquidation": {"stages": ["cancel_orders", "auto_deleverage", "socialise"]}
}
FACELESS: dict[str, dict[str, Any]] = {
    "a cap on profit": {"profit": {"maintenance": {"weight": "1", "cap": "1000000000"}}},
    "orders in maintenance": {"orders_in_maintenance": True},
    "a fee at the bankruptcy price": {
        "instruments": {"B": {"close_fee": {"rate": "0.0005", "basis": "bankruptcy"}}}
    },
}
"""Rules that the kernels leave to the core; the last one of them only where B is held."""


def fallen_long(changes: dict[str, Any], *, cash: int = 100_000) -> tuple[Venue, int]:
    """Return a venue in which ten lots of A fell from 1,000 to 600 on 2,000, and their seller.

    The seller holds a lot of B too.
    """
    venue = Venue(merged(WINNERS_PAY, changes))
    venue.marks(A=1000.0, B=10.0)
    unit, winner = venue.open("long", USDT=2000), venue.open("winner", USDT=cash)
    venue.trade(winner, venue.open("other", USDT=10_000), "B", 1, 10)
    venue.trade(unit, winner, "A", 10, 1000, leverage=500)
    venue.marks(A=600.0)
    return venue, winner


@pytest.mark.parametrize("rule", FACELESS)
def test_winners_are_closed_against_whatever_margins_them(rule: str) -> None:
    """The long is worth -2,000: its seller gives them up at the bankruptcy price of 800."""
    venue, winner = fallen_long(FACELESS[rule])
    (ended,) = venue.of(e.LiquidationEnded)
    assert (ended.outcome, ended.deficit, ended.deleveraged) == ("deleveraged", 2000, 2000)
    assert (ended.socialised, ended.backstop) == (0, 0)
    assert venue.lots(winner, "A") == 0
    assert venue.balance(winner) == 102_000


@pytest.mark.parametrize("rule", FACELESS)
def test_claims_are_charged_whatever_margins_them(rule: str) -> None:
    """The seller's profit is 4,000, the deficit 2,000."""
    charged = merged(FACELESS[rule], {"liquidation": {"stages": ["socialise"]}})
    venue, winner = fallen_long(charged)
    (ended,) = venue.of(e.LiquidationEnded)
    assert (ended.deficit, ended.socialised, ended.backstop) == (2000, 2000, 0)
    assert venue.balance(winner) == 98_000


@pytest.mark.parametrize("rule", FACELESS)
def test_nobody_is_charged_below_maintenance_whatever_margins_them(rule: str) -> None:
    """Two winners at 600 that could give up little: both stay at or above maintenance."""
    stages = {"liquidation": {"stages": ["auto_deleverage", "socialise"]}}
    venue = Venue(merged(FACELESS[rule], stages))
    venue.marks(A=1000.0, B=1000.0)
    other = venue.open("other", USDT=1_000_000)
    unit = venue.open("long", USDT=20_000)
    thin, full = venue.open("thin", USDT=8_500), venue.open("full", USDT=30_000)
    venue.trade(unit, thin, "A", 50, 1000)
    venue.trade(unit, full, "A", 50, 1000)
    for winner in (thin, full):
        venue.trade(winner, other, "B", 30 if winner == thin else 150, 1000)
    venue.marks(A=600.0, B=800.0)
    (ended,) = [x for x in venue.of(e.LiquidationEnded) if x.unit == unit]
    assert ended.deficit == 20_000
    assert ended.deleveraged > 0
    for winner in (thin, full):
        assert winner not in venue.state.cases
        report = venue.state.report(winner)
        assert report.maintenance_excess >= 0


def test_a_winner_whose_profit_loses_its_haircut_when_realised_stays_above_maintenance() -> None:
    """Haircut on the balance alone: 30,000 of profit in A would count for 24,000 as cash.

    At the transfer price of 800 the short realises 200 of its 300 a lot. Closing all hundred would
    leave 0.8 * 55,000 - 40,000 = 4,000 for the 6,000 that its B needs. A lot costs 100 and the
    haircut on 200, and frees 35.
    """
    usdt = {"quantum": "1", "haircut_base": "balance", "weights": [{"floor": "0", "weight": "0.8"}]}
    process = {"stages": ["auto_deleverage", "socialise"]}
    venue = Venue({"assets": {"USDT": usdt}, "liquidation": process})
    venue.marks(A=1000.0, B=1000.0)
    other = venue.open("other", USDT=10**7)
    unit, winner = venue.open("long", USDT=20_000), venue.open("winner", USDT=35_000)
    venue.trade(unit, winner, "A", 100, 1000)
    venue.trade(winner, other, "B", 160, 1000)
    venue.marks(A=700.0, B=750.0)
    (ended,) = venue.of(e.LiquidationEnded)
    assert ended.unit == unit
    assert venue.lots(winner, "A") == -20
    assert venue.state.report(winner).maintenance_excess == 8500 - 80 * (100 + 40 - 35)


def test_open_orders_that_maintenance_counts_are_no_room_for_a_charge() -> None:
    """The bystander's order takes 19,000 of its 20,000: no more than the rest can be charged."""
    haircut = {"stages": ["socialise"], "socialise": "withdrawal_haircut"}
    venue = Venue({"orders_in_maintenance": True, "liquidation": haircut})
    venue.marks(A=1000.0, B=1000.0)
    unit, winner = venue.open("long", USDT=2000), venue.open("winner", USDT=100_000)
    bystander = venue.open("bystander", USDT=40_000)
    venue.do(
        c.ReserveOrder(unit=bystander, order=1, instrument=venue.row("B"), lots=390, ticks=1000)
    )
    venue.trade(unit, winner, "A", 10, 1000)
    venue.marks(A=600.0)
    (charge,) = venue.of(e.LossSocialised)
    assert bystander in charge.payers
    assert venue.state.report(bystander).maintenance_excess >= 0


@pytest.mark.parametrize("rule", FACELESS)
def test_the_backstop_guards_itself_whatever_margins_it(rule: str) -> None:
    """Thirty lots of A at 900 on nothing: at 800 it is worth less than nothing and is closed."""
    guarded = {
        "liquidation": {
            "stages": ["takeover", "auto_deleverage", "socialise"],
            "takeover": {"deleverage_below": "0"},
        }
    }
    venue = Venue(merged(FACELESS[rule], guarded))
    venue.marks(A=1000.0, B=10.0)
    winner = venue.open("winner", USDT=100_000)
    for number in range(3):
        unit = venue.open(f"long {number}", USDT=1100)
        venue.trade(unit, winner, "A", 10, 1000)
    if rule.startswith("a fee"):
        venue.trade(venue.state.backstop, winner, "B", 1, 10)
    venue.marks(A=930.0)
    assert venue.lots(venue.state.backstop, "A") == 30
    venue.stream([{"A": 920.0}, {"A": 800.0}, {"A": 910.0}])
    assert venue.lots(venue.state.backstop, "A") == 0
    assert [x.instrument for x in venue.of(e.Deleveraged)].count(venue.row("A")) == 1


def test_what_the_backstop_may_lose_binds_whatever_margins_it() -> None:
    capped = {"stages": ["takeover", "auto_deleverage"], "takeover": {"loss_max": "100"}}
    venue = Venue(merged(FACELESS["a cap on profit"], {"liquidation": capped}))
    venue.marks(A=1000.0)
    winner = venue.open("winner", USDT=1_000_000)
    first, second = venue.open("first", USDT=1100), venue.open("second", USDT=1500)
    venue.trade(first, winner, "A", 10, 1000)
    venue.trade(second, winner, "A", 10, 1000)
    venue.marks(A=930.0)
    assert venue.lots(venue.state.backstop, "A") == 10
    venue.marks(A=870.0)  # the backstop bought at 890 and has lost 200
    assert venue.lots(venue.state.backstop, "A") == 10
    assert [x.outcome for x in venue.of(e.LiquidationEnded)] == ["taken_over", "deleveraged"]


# --- what has happened to others before, at the same snapshot -----------------------------------


class Nobody:
    """A market in which nobody trades."""

    def execute(self, order: LiquidationOrder) -> Execution:
        return Execution(lots=0, ticks=order.mark_ticks)

    def observe(self, order: LiquidationOrder, execution: Execution) -> None:
        """Nothing to remember."""


DEPOSITS = {"first": 3000, "second": 3000, "short": 25_000, "other": 100_000}


def three_that_wait(order: tuple[str, ...], *stages: str) -> tuple[Venue, dict[str, int]]:
    """Return two longs that fell and the short of a hundred that recovered, after the mark.

    All three waited for an order that found nobody; ids follow `order`. At the end the shorts of A
    can give up everything that the longs hold.
    """
    waiting = {"attempts": 1, "interval_s": 10, "price_limit": "no_limit", "buffer": "0"}
    process = {"stages": ["cancel_orders", "reduce", "auto_deleverage", *stages]}
    venue = Venue({"liquidation": {**process, "reduce": waiting}}, market=Nobody())
    venue.marks(A=1000.0, B=1000.0)
    rest = venue.state.liquidity
    units = {name: venue.open(name, USDT=DEPOSITS[name]) for name in order}
    for name in ("first", "second"):
        venue.trade(units[name], rest, "A", 10, 1000)
        venue.trade(units[name], rest, "B", 10, 1000)
    venue.trade(units["short"], rest, "A", -100, 1000)
    venue.trade(units["other"], rest, "B", -50, 1000)
    venue.marks(A=1200.0, B=580.0)
    assert units["short"] in venue.state.cases
    venue.marks(A=600.0, B=580.0, after_ms=10_000)
    return venue, units


@pytest.mark.parametrize("stages", [(), ("socialise",)])
@pytest.mark.parametrize(
    "order",
    [("first", "short", "second", "other"), ("short", "first", "second", "other")],
    ids=["in between", "opened before"],
)
def test_whoever_recovers_at_a_mark_is_closed_against_at_that_mark(
    order: tuple[str, ...], stages: tuple[str, ...]
) -> None:
    venue, units = three_that_wait(order, *stages)
    ended = {x.unit: x for x in venue.of(e.LiquidationEnded)}
    assert ended[units["short"]].outcome == "recovered"
    assert ended[units["first"]].deleveraged == ended[units["first"]].deficit > 0
    assert ended[units["second"]].deleveraged == ended[units["second"]].deficit > 0
    assert venue.lots(units["short"], "A") == -80
    assert not venue.of(e.LossSocialised)


def test_liquidations_at_one_mark_end_in_the_order_of_the_rulebook() -> None:
    """Both waited; the one with the higher id is the deeper."""
    waiting = {"attempts": 1, "interval_s": 10, "price_limit": "no_limit", "buffer": "0"}
    for rule, deepest_first in (("lowest_excess", True), ("account_id", False)):
        process = {"unit_order": rule, "stages": ["reduce", "auto_deleverage"], "reduce": waiting}
        venue = Venue({"liquidation": process}, market=Nobody())
        maker = venue.open("maker", USDT=10**9)
        venue.marks(A=1000.0)
        shallow, deep = venue.open("shallow", USDT=1200), venue.open("deep", USDT=1100)
        for unit in (shallow, deep):
            venue.trade(unit, maker, "A", 10, 1000)
        venue.marks(A=900.0)
        assert {shallow, deep} <= venue.state.cases.keys()
        venue.marks(A=800.0, after_ms=10_000)
        ended = [x.unit for x in venue.of(e.LiquidationEnded)]
        assert ended == ([deep, shallow] if deepest_first else [shallow, deep])


def test_the_auditor_hears_of_a_loss_that_the_backstop_bears_beside_a_candidate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The desk asks nobody: the law says who could have closed."""
    monkeypatch.setattr(
        resolve, "close_against_winners", lambda _desk, _case, rest, _b: rest.part(0)
    )
    venue = Venue({"liquidation": {"stages": ["auto_deleverage"]}})
    unit = long_of(venue, margin=100_000, lots=1000)
    with pytest.raises(InvariantViolated, match=r"INV-09.*candidate"):
        venue.marks(A=800.0)
    (ended,) = venue.of(e.LiquidationEnded)
    assert (ended.unit, ended.backstop) == (unit, 100_000)
