"""Every law of the list finds what breaks it."""

from collections.abc import Callable
from dataclasses import replace

import msgspec
import pytest

from keelmark.book.postings import Transfer, post, posting_rows
from keelmark.core.errors import InvariantViolated
from keelmark.engine import commands as c
from keelmark.engine import events as e
from keelmark.engine.apply import apply
from keelmark.engine.auditor import Auditor
from keelmark.engine.execution import Execution, LiquidationOrder
from keelmark.engine.invariants import LAWS, Subject, check_all, findings
from keelmark.engine.payers import SpendingLog
from keelmark.engine.state import State
from tests.engine.test_closing import close
from tests.engine.test_waterfall import COINS, TAKEOVER_ONLY, fallen
from tests.engine.venue import Venue, merged


def subject(venue: Venue) -> Subject:
    return Subject(
        state=venue.state,
        suspects=venue.engine.suspects().tolist(),
        auditor=venue.auditor,
        replayed=venue.replayed(),
    )


def broken(venue: Venue, **changes: object) -> set[int]:
    """Return the numbers of the laws that are found broken."""
    held = replace(subject(venue), **changes)  # type: ignore[arg-type]  # fields of Subject
    return {int(text[4:6]) for text in findings(held)}


def test_the_list_is_numbered_from_one_without_a_gap() -> None:
    assert [law.number for law in LAWS] == list(range(1, 17))
    assert len({law.name for law in LAWS}) == 16


def test_a_sound_engine_breaks_nothing() -> None:
    venue, _, _ = fallen(TAKEOVER_ONLY)
    venue.marks(A=800.0)
    assert broken(venue) == set()
    check_all(venue.state)
    check_all(subject(venue))


def more_in_the_vault(venue: Venue) -> None:
    venue.state.book.vault[0] += 1


def one_lot_more(venue: Venue) -> None:
    row = venue.state.book.position_row(5, 0)
    venue.state.book.positions.rows["lots"][row] += 1


def a_fund_in_debt(venue: Venue) -> None:
    fund = venue.state.fund_of(-1)
    post(venue.state.book, posting_rows([Transfer(unit=fund, counterparty=1, asset=0, quanta=1)]))


def a_flat_row(venue: Venue) -> None:
    for unit in (5, 6):
        row = venue.state.book.position_row(unit, 0)
        venue.state.book.positions.rows["lots"][row] = 0


def a_row_of_two_units(venue: Venue) -> None:
    units = venue.state.book.units
    units["balances_start"][5] = units["balances_start"][6]


BREAKS: dict[str, tuple[Callable[[Venue], None], set[int]]] = {
    "more in the vault than claimed": (more_in_the_vault, {1}),
    "a lot without a counterparty": (one_lot_more, {2, 10}),
    "a fund that owes": (a_fund_in_debt, {3, 10}),
    "a flat row": (a_flat_row, {10, 14}),
    "a row of two units": (a_row_of_two_units, {1, 10, 13}),
}


@pytest.mark.parametrize(("corrupt", "expected"), BREAKS.values(), ids=BREAKS)
def test_a_corrupted_book_is_found_out(
    corrupt: Callable[[Venue], None], expected: set[int]
) -> None:
    venue, unit, winner = fallen(deposit=1_200)
    assert (unit, winner) == (5, 6)
    corrupt(venue)
    assert broken(venue) & {1, 2, 3, 13, 14} == expected - {10}
    with pytest.raises(InvariantViolated, match=r"^INV-\d\d "):
        check_all(subject(venue))


def test_a_missed_unit_at_its_trigger_is_found_out() -> None:
    venue, unit, _ = fallen({"liquidation": {"reduce": {"sizing": "tier_drop", "interval_s": 9}}})
    venue.marks(A=930.0)
    assert unit in venue.engine.suspects().tolist()
    assert broken(venue, suspects=[]) == {6}
    assert broken(venue, suspects=[], units=[6]) == set()


def test_another_digest_of_the_journal_is_found_out() -> None:
    venue, _, _ = fallen()
    assert broken(venue, replayed="0" * 64) == {10}


def test_a_closed_account_that_changes_is_found_out() -> None:
    venue, unit, _ = fallen()
    venue.do(close())
    venue.state.levels[unit] = 1
    assert 11 in broken(venue)


def told(venue: Venue, event: e.Event) -> set[int]:
    """Return the laws an auditor finds broken by an event that it is told of."""
    auditor = Auditor()
    auditor.before(venue.state, event)
    auditor.after(venue.state, event)
    return {number for number, _ in auditor.findings}


def test_a_bill_that_does_not_add_up_is_found_out() -> None:
    venue, unit, _ = fallen()
    event = e.LiquidationEnded(
        case=1, unit=unit, time_ms=0, outcome="taken_over", asset=-1, deficit=10, fund=9
    )
    assert told(venue, event) == {4}
    negative = e.LiquidationEnded(
        case=1, unit=unit, time_ms=0, outcome="taken_over", deficit=0, fund=5, backstop=-5
    )
    assert told(venue, negative) == {4}


def test_a_bill_that_nobody_has_paid_is_found_out() -> None:
    venue, _, _ = fallen(TAKEOVER_ONLY)
    venue.marks(A=800.0)
    (ended,) = venue.of(e.LiquidationEnded)
    assert told(venue, ended) == {4}  # the payments came before this auditor


class Careless:
    """A market that ignores the limit of an order."""

    def execute(self, order: LiquidationOrder) -> Execution:
        return Execution(lots=order.lots, ticks=order.mark_ticks // 2)

    def observe(self, order: LiquidationOrder, execution: Execution) -> None:
        """Nothing to remember."""


def test_an_order_that_costs_more_than_it_frees_is_found_out() -> None:
    venue = Venue(market=Careless())
    venue.marks(A=1000.0, B=1000.0)
    unit = venue.open("unit", USDT=1_100)
    venue.trade(unit, venue.state.liquidity, "A", 10, 1000)
    with pytest.raises(InvariantViolated, match=r"^INV-07 .*reduce in case 1"):
        venue.marks(A=930.0)


def deleveraged(venue: Venue, victim: int, lots: int) -> e.Deleveraged:
    return e.Deleveraged(
        case=0,
        unit=5,
        instrument=0,
        leg=0,
        victims=(victim,),
        victim_legs=(0,),
        lots=(-lots,),
        values=(-lots * venue.state.ticks(0),),
    )


@pytest.mark.parametrize(
    ("victim", "lots"),
    [(7, 10), (6, 11), (8, 1)],
    ids=["same side", "more than needed", "nothing held"],
)
def test_an_unfair_deleveraging_is_found_out(victim: int, lots: int) -> None:
    venue, _, _ = fallen()
    friend = venue.open("friend", USDT=50_000)
    venue.trade(friend, venue.state.liquidity, "A", 10, 1000)
    venue.open("bystander", USDT=100)
    assert told(venue, deleveraged(venue, victim, lots)) == {8}
    assert told(venue, deleveraged(venue, 6, 10)) == set()


def test_deleveraging_a_suspect_is_found_out() -> None:
    venue, unit, _ = fallen({"liquidation": {"reduce": {"sizing": "tier_drop", "interval_s": 9}}})
    rival = venue.open("rival", USDT=50_000)
    venue.trade(rival, venue.state.liquidity, "A", -5, 1000)
    venue.marks(A=930.0)
    event = replace_unit(deleveraged(venue, unit, 5), rival)
    assert 8 in told(venue, event)


def replace_unit(event: e.Deleveraged, unit: int) -> e.Deleveraged:
    return e.Deleveraged(
        case=0,
        unit=unit,
        instrument=event.instrument,
        leg=0,
        victims=event.victims,
        victim_legs=event.victim_legs,
        lots=tuple(-lots for lots in event.lots),
        values=event.values,
    )


def charge(lots: int = 0) -> e.LossSocialised:
    return e.LossSocialised(
        case=1,
        unit=5,
        asset=0,
        form="pro_rata_profit",
        payers=(6,),
        quanta=(1,),
        instrument=0,
        lots=lots,
        loss=1,
    )


def test_principal_that_pays_before_the_fund_is_found_out() -> None:
    venue, _, _ = fallen(fund=10)
    assert told(venue, charge()) == {9}


def test_principal_that_pays_before_the_winners_is_found_out() -> None:
    venue, _, _ = fallen()
    assert told(venue, charge()) == set()
    assert told(venue, charge(lots=10)) == {9}


def test_a_form_that_the_rulebook_does_not_name_is_found_out() -> None:
    venue, _, _ = fallen()
    assert told(venue, msgspec.structs.replace(charge(), form="withdrawal_haircut")) == {9}
    venue, _, _ = fallen({"liquidation": {"stages": ["takeover", "insurance"]}})
    assert told(venue, charge()) == {9}


def test_principal_may_pay_once_no_winner_can_bear_another_lot() -> None:
    # the winner has 10 lots and 20 to lose: at 3,000 a lot it could not stand even one
    venue, _, winner = fallen()
    venue.do(c.Withdraw(unit=winner, asset=0, quanta=venue.balance(winner) - 1_020))
    assert told(venue, msgspec.structs.replace(charge(lots=10), loss=30_000)) == set()
    assert told(venue, msgspec.structs.replace(charge(lots=10), loss=300)) == {9}


def retold(venue: Venue, doctor: Callable[[object], list[object]]) -> set[int]:
    """Return the laws found broken when the venue's events are applied anew, doctored."""
    auditor, state = Auditor(), State(venue.rulebook)
    for event in venue.events:
        for told_instead in doctor(event):
            auditor.before(state, told_instead)
            apply(state, told_instead)
            auditor.after(state, told_instead)
    return {number for number, _ in auditor.findings}


def test_winners_closed_at_a_loss_before_the_fund_has_paid_are_found_out() -> None:
    """A deficit of 900: the fund's window has 450 of it, the winner gives up the other 450."""
    half = merged(TAKEOVER_ONLY, {"liquidation": {"insurance": {"window_share": "0.5"}}})
    venue, _, _ = fallen(half, fund=1_000)
    venue.marks(A=800.0)
    assert retold(venue, lambda event: [event]) == set()

    def unpaid(event: object) -> list[object]:
        is_deficit = isinstance(event, e.Transferred) and event.reason == "deficit"
        return [] if is_deficit else [event]

    assert 9 in retold(venue, unpaid)


def test_what_a_fund_has_left_is_counted_from_what_it_paid() -> None:
    # windows of 60 s of half of what there is: 500 of 1,000, and a minute later 250 of 500
    half = {"insurance": {"window_share": "0.5", "window_s": 60}}
    venue, unit, _ = fallen({"liquidation": half}, fund=1_000)
    log, fund = SpendingLog(), venue.state.fund_of(-1)
    paid = e.Transferred(source=fund, target=unit, asset=0, quanta=500, reason="deficit")
    assert log.left(venue.state, -1, 0) == 500
    log.note(venue.state, paid)
    apply(venue.state, paid)
    assert log.left(venue.state, -1, 0) == 0
    apply(venue.state, e.TimeAdvanced(time_ms=venue.state.time_ms + 60_000))
    assert log.left(venue.state, -1, 0) == 250


def test_a_value_rounded_for_the_client_is_found_out() -> None:
    # minus one contract of 100,000 USD at 960 is worth 104.17 coins: who takes it on pays 105
    venue = Venue(merged(COINS, {}))
    venue.marks(A=1000.0, B=1000.0, INV=960.0, asset_USDC=1.0, asset_COIN=1000.0)
    unit = venue.open("unit", COIN=10_000)
    fill = c.Fill(unit=unit, counterparty=2, instrument=2, lots=-1, ticks=960)
    (sold,) = [x for x in venue.do(fill) if isinstance(x, e.Filled)]
    assert sold.value == 105
    kind = e.Filled(
        unit=unit, counterparty=2, instrument=2, lots=-1, value=104, ticks=960, reason="close"
    )
    assert told(venue, kind) == {12}
