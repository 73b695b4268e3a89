"""Who paid a liquidation, counted from prices and from balances."""

import msgspec
import pytest

from keelmark.engine import events as e
from keelmark.engine.event_rows import HoldingRow
from keelmark.lab.replay.ledger import Ledger, ledger_of, total
from keelmark.lab.replay.recorder import CaseRecord

UNIT, BACKSTOP, FUND, LIQUIDITY = 9, 4, 3, 2
USDT, BTC = 0, 1


def record(
    *events: e.Event,
    balance: int,
    cost: int,
    ended: e.LiquidationEnded | None = None,
    left: tuple[int, int] = (0, 0),
) -> CaseRecord:
    started = e.LiquidationStarted(
        case=1,
        unit=UNIT,
        time_ms=0,
        equity="0",
        maintenance="1",
        holdings=(
            HoldingRow(
                instrument=0,
                leg=0,
                lots=10,
                cost=cost,
                mark="90",
                notional="900",
                maintenance="9",
                tier=0,
            ),
        ),
        balances=((USDT, balance),),
    )
    return CaseRecord(
        started=started,
        prices=(),
        events=[(0, event) for event in events],
        ended=ended,
        balance_end=left[0],
        cost_end=left[1],
    )


def sold(lots: int, value: int, fee: int = 0, reason: str = "takeover") -> e.Filled:
    return e.Filled(
        unit=UNIT,
        counterparty=BACKSTOP,
        instrument=0,
        lots=-lots,
        value=-value,
        fee=fee,
        reason=reason,
        case=1,
    )


def moved(source: int, target: int, quanta: int, reason: str, asset: int = USDT) -> e.Transferred:
    return e.Transferred(
        source=source, target=target, asset=asset, quanta=quanta, reason=reason, case=1
    )


def ended(**amounts: int) -> e.LiquidationEnded:
    closing = e.LiquidationEnded(case=1, unit=UNIT, time_ms=0, outcome="taken_over")
    return msgspec.structs.replace(closing, **amounts)


def test_a_unit_that_covers_its_loss_pays_all_of_it() -> None:
    # cost 1000, taken over at 900 + cushion of 20 for the receiver: it hands over 880 worth
    paid = ledger_of(record(sold(10, 880), balance=120, cost=1000, ended=ended(surplus=20)), USDT)
    assert paid == Ledger(lost=120, unit=120)
    assert paid.residual == 0


def test_a_surplus_for_the_fund_is_part_of_what_the_unit_lost() -> None:
    events = moved(UNIT, FUND, 10, "surplus"), sold(10, 890)
    paid = ledger_of(record(*events, balance=120, cost=1000, ended=ended(surplus=20)), USDT)
    assert (paid.lost, paid.unit, paid.residual) == (120, 120, 0)


def test_what_the_fund_pays_is_not_paid_by_the_unit() -> None:
    events = moved(FUND, UNIT, 30, "deficit"), sold(10, 900)
    paid = ledger_of(record(*events, balance=70, cost=1000, ended=ended(deficit=30, fund=30)), USDT)
    assert paid == Ledger(lost=100, unit=70, fund=30)


def test_the_counterparties_of_a_deleveraging_pay_by_their_price() -> None:
    closed = e.Deleveraged(
        case=1,
        unit=UNIT,
        instrument=0,
        leg=0,
        victims=(20, 21),
        victim_legs=(0, 0),
        lots=(-4, -6),
        values=(-372, -558),
    )
    end = ended(deficit=30, deleveraged=30)
    paid = ledger_of(record(closed, balance=70, cost=1000, ended=end), USDT)
    assert paid == Ledger(lost=100, unit=70, deleveraged=30)


def test_claims_and_the_backstop_pay_what_is_left() -> None:
    shared = e.LossSocialised(
        case=1, unit=UNIT, asset=USDT, form="x", payers=(20, 21), quanta=(5, 7)
    )
    events = shared, sold(10, 900 + 18)  # the backstop bears 18 by paying above the mark
    end = ended(deficit=30, socialised=12, backstop=18)
    paid = ledger_of(record(*events, balance=70, cost=1000, ended=end), USDT)
    assert paid == Ledger(lost=100, unit=70, socialised=12, backstop=18)


def test_a_debt_without_positions_is_what_was_lost() -> None:
    event = moved(BACKSTOP, UNIT, 30, "borne")
    end = ended(deficit=30, backstop=30)
    case = record(event, balance=-30, cost=0, ended=end)
    assert ledger_of(case, USDT) == Ledger(lost=30, backstop=30)


def test_a_unit_that_recovers_keeps_the_rest() -> None:
    # half of it sold at 450 less a fee of 2; half of the cost is still held
    fill = sold(5, 450, fee=2, reason="reduce")
    case = record(fill, balance=120, cost=1000, left=(120 - 50 - 2, 500))
    assert ledger_of(case, USDT) == Ledger(lost=52, unit=50, fee=2)


def test_converted_collateral_is_the_units_own_money() -> None:
    events = (
        moved(UNIT, LIQUIDITY, 7, "conversion", BTC),
        moved(LIQUIDITY, UNIT, 80, "conversion"),
        sold(10, 920),
    )
    paid = ledger_of(record(*events, balance=0, cost=1000, ended=ended(surplus=20)), USDT)
    assert paid == Ledger(lost=80, unit=80)


def test_a_posting_that_was_not_seen_leaves_a_residual() -> None:
    case = record(sold(10, 900), balance=70, cost=1000, ended=ended(deficit=30, fund=30))
    assert ledger_of(case, USDT).residual == 30


def test_ledgers_add_up() -> None:
    parts = Ledger(lost=3, unit=3), Ledger(lost=5, fund=4, fee=1)
    assert total(parts) == Ledger(lost=8, unit=3, fee=1, fund=4)
    assert total(()) == Ledger()


@pytest.mark.parametrize("reason", ["clearance_fee", "seizure"])
def test_what_others_pay_each_other_is_not_the_units(reason: str) -> None:
    case = record(moved(FUND, BACKSTOP, 5, reason), sold(10, 900), balance=100, cost=1000)
    assert ledger_of(case, USDT) == Ledger(lost=100, unit=100)
