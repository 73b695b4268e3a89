"""What is refused, why, and in which order; and that a refusal leaves nothing behind.

One row per reason, in the order in which they are looked for. `Venue.do` holds the digest of the
state before and after each refusal equal.
"""

from collections.abc import Callable

import numpy as np
import pytest

from keelmark.book.postings import Transfer, posting_rows
from keelmark.core.errors import (
    DuplicateId,
    InvalidInput,
    OutOfScale,
    Rejected,
    RejectionReason,
    UnknownAccount,
    UnknownAsset,
    UnknownInstrument,
    UnknownUnit,
)
from keelmark.engine import commands as c
from keelmark.engine import events as e
from tests.engine.test_closing import close
from tests.engine.test_waterfall import COINS, fallen, override
from tests.engine.venue import Venue, merged

R = RejectionReason
NAN = float("nan")
WAITS = {"liquidation": {"reduce": {"sizing": "tier_drop", "interval_s": 60}}}
"""Nothing can be reduced: a unit at its trigger stays in liquidation for a minute."""

Prepare = Callable[[Venue], None]


def nothing(venue: Venue) -> None:
    """Leave the unit with 10 lots and 1,100."""


def closed(venue: Venue) -> None:
    venue.do(close())


def falling(venue: Venue) -> None:
    venue.marks(A=930.0)


def blind(venue: Venue) -> None:
    venue.marks(A=NAN)


def paused(venue: Venue) -> None:
    venue.do(c.Pause(instrument=0, reason="test"))


def warned(venue: Venue) -> None:
    venue.marks(A=941.0)  # equity 510, maintenance 470.5: a usage of 0.92, past the call at 0.9


def ordered(venue: Venue) -> None:
    venue.do(c.ReserveOrder(unit=5, order=1, instrument=0, lots=1, ticks=1000))


WITHDRAWALS = [
    (closed, falling, 1, R.ACCOUNT_CLOSED),
    (falling, nothing, 0, R.UNIT_IN_LIQUIDATION),
    (blind, nothing, 0, R.AMOUNT_NOT_POSITIVE),
    (blind, nothing, -5, R.AMOUNT_NOT_POSITIVE),
    (blind, nothing, 2**62 + 1, R.OUT_OF_SCALE),
    (blind, nothing, 1_101, R.INSUFFICIENT_BALANCE),
    (blind, nothing, 101, R.UNTRUSTED_MARK),
    (nothing, nothing, 101, R.INSUFFICIENT_INITIAL_MARGIN),
    (nothing, nothing, 100, None),
]


@pytest.mark.parametrize(
    ("prepare", "before", "quanta", "reason"),
    WITHDRAWALS,
    ids=[f"{row[0].__name__} {row[2]}" for row in WITHDRAWALS],
)
@pytest.mark.parametrize("kind", ["withdraw", "transfer"])
def test_a_payment_is_refused_in_this_order(
    prepare: Prepare, before: Prepare, quanta: int, reason: R | None, kind: str
) -> None:
    venue, unit, winner = fallen(merged(WAITS, {"assets": {"USDT": {"quantum": "1"}}}))
    before(venue)
    prepare(venue)
    command: c.Command = c.Withdraw(unit=unit, asset=0, quanta=quanta)
    if kind == "transfer":
        command = c.Transfer(source=unit, target=winner, asset=0, quanta=quanta)
    check(venue, command, reason)


def check(venue: Venue, command: c.Command, reason: R | None) -> None:
    if reason is None:
        venue.do(command)
        return
    with pytest.raises(Rejected) as error:
        venue.do(command)
    assert error.value.reason is reason


CALLED = merged(WAITS, {"liquidation": {"margin_call": {"usage": "0.9"}}})

FILLS = [
    # (what has happened, lots, ticks, leg, fee, reason)
    (paused, 0, 0, 0, 0, R.MARKET_PAUSED),
    (closed, 0, 0, 0, 0, R.OUT_OF_SCALE),
    (closed, 2**53 + 1, 1000, 0, 0, R.OUT_OF_SCALE),
    (closed, 1, 2**53 + 1, 0, 0, R.OUT_OF_SCALE),
    (closed, 1, 1000, 0, 0, R.ACCOUNT_CLOSED),
    (falling, -1, 930, 0, 0, R.UNIT_IN_LIQUIDATION),
    (warned, -1, 1000, 1, 0, R.NOTHING_TO_CLOSE),
    (warned, -1, 1000, -1, 0, R.POSITION_MODE),
    (warned, 1, 941, 0, 0, R.REDUCE_ONLY),
    (warned, -1, 941, 0, 0, None),
    (warned, -1, 900, 0, 0, None),  # a loss of 41 and a release of 47
    (warned, -1, 893, 0, 0, R.REDUCE_ONLY),  # 48 lost against 47.05 released
    (warned, -11, 941, 0, 0, R.REDUCE_ONLY),  # changes sides
    (blind, 1, 1000, 0, 0, R.UNTRUSTED_MARK),
    (blind, -1, 1000, 0, 0, None),  # what only shrinks does not wait for a price
    (nothing, 2, 1000, 0, 0, R.INSUFFICIENT_INITIAL_MARGIN),  # 1,200 needed
    (nothing, 1, 1000, 0, 1, R.INSUFFICIENT_INITIAL_MARGIN),  # 1,100 needed, 1,099 left
    (nothing, 1, 1000, 0, 0, None),
    (nothing, -10, 1000, 0, 60, None),  # the fee is not counted against what shrinks
]


@pytest.mark.parametrize(
    ("prepare", "lots", "ticks", "leg", "fee", "reason"),
    FILLS,
    ids=[f"{row[0].__name__} {row[1]} at {row[2]} leg {row[3]} fee {row[4]}" for row in FILLS],
)
@pytest.mark.parametrize("side", ["unit", "counterparty"])
def test_a_fill_is_refused_in_this_order_on_either_side(
    prepare: Prepare, lots: int, ticks: int, leg: int, fee: int, reason: R | None, side: str
) -> None:
    venue, unit, _ = fallen(CALLED)
    prepare(venue)
    house = venue.state.liquidity
    if side == "unit":
        command = c.Fill(
            unit=unit, counterparty=house, instrument=0, lots=lots, ticks=ticks, leg=leg, fee=fee
        )
    else:
        command = c.Fill(
            unit=house,
            counterparty=unit,
            instrument=0,
            lots=-lots,
            ticks=ticks,
            counterparty_leg=leg,
            counterparty_fee=fee,
        )
    check(venue, command, reason)


ORDERS = [
    (closed, 1, 1000, R.ACCOUNT_CLOSED),
    (falling, 1, 1000, R.UNIT_IN_LIQUIDATION),
    (paused, 1, 1000, R.MARKET_PAUSED),
    (nothing, 0, 1000, R.OUT_OF_SCALE),
    (nothing, 1, 0, R.OUT_OF_SCALE),
    (blind, 1, 1000, R.UNTRUSTED_MARK),
    (warned, 1, 941, R.REDUCE_ONLY),
    (warned, -5, 941, None),  # takes no margin: the worst case stays the position
    (warned, -30, 941, R.REDUCE_ONLY),  # 20 short in the worst case
    (nothing, 2, 1000, R.INSUFFICIENT_INITIAL_MARGIN),
    (nothing, 1, 1001, R.INSUFFICIENT_INITIAL_MARGIN),  # filled above the mark, it loses 1
    (nothing, 1, 1000, None),
    (ordered, -21, 1000, None),  # 11 short against 11 long: the larger side counts, not the sum
]


@pytest.mark.parametrize(
    ("prepare", "lots", "ticks", "reason"),
    ORDERS,
    ids=[f"{row[0].__name__} {row[1]} at {row[2]}" for row in ORDERS],
)
def test_an_order_is_refused_in_this_order(
    prepare: Prepare, lots: int, ticks: int, reason: R | None
) -> None:
    venue, unit, _ = fallen(CALLED)
    prepare(venue)
    command = c.ReserveOrder(unit=unit, order=2, instrument=0, lots=lots, ticks=ticks)
    check(venue, command, reason)


def test_an_order_on_a_price_nobody_trusts_is_refused_though_nothing_is_held_in_it() -> None:
    venue, _, winner = fallen()
    venue.marks(B=NAN)
    command = c.ReserveOrder(unit=winner, order=1, instrument=1, lots=1, ticks=1000)
    check(venue, command, R.UNTRUSTED_MARK)


def test_an_order_needs_the_price_of_what_it_settles_in() -> None:
    venue = Venue(COINS)
    venue.marks(A=1000.0, B=1000.0, INV=1000.0, asset_USDC=1.0, asset_COIN=1000.0)
    unit = venue.open("unit", USDT=10_000)
    venue.marks(asset_COIN=NAN)
    command = c.ReserveOrder(unit=unit, order=1, instrument=2, lots=1, ticks=1000)
    check(venue, command, R.UNTRUSTED_MARK)


def test_what_an_order_needs_cannot_be_withdrawn() -> None:
    venue = Venue()
    venue.marks(A=1000.0, B=1000.0)
    unit = venue.open("unit", USDT=500)
    venue.do(c.ReserveOrder(unit=unit, order=1, instrument=0, lots=4, ticks=1000))
    check(venue, c.Withdraw(unit=unit, asset=0, quanta=101), R.INSUFFICIENT_INITIAL_MARGIN)
    check(venue, c.Withdraw(unit=unit, asset=0, quanta=100), None)


def test_each_side_of_a_fill_is_margined_at_its_own_leverage() -> None:
    # 10 lots at a leverage of 2 need 5,000 of the unit and, at the table's 10, 1,000 of the other
    venue = Venue()
    venue.marks(A=1000.0, B=1000.0)
    unit, other = venue.open("unit", USDT=5_000), venue.open("other", USDT=1_000)
    venue.trade(unit, other, "A", 10, 1000, leverage=200)
    view = venue.state.book.unit_view(unit)
    assert [p.leverage for p in view.positions] == [200]
    check(venue, c.Withdraw(unit=unit, asset=0, quanta=1), R.INSUFFICIENT_INITIAL_MARGIN)
    check(venue, c.Withdraw(unit=other, asset=0, quanta=1), R.INSUFFICIENT_INITIAL_MARGIN)


def test_an_order_is_released_in_parts() -> None:
    venue, unit, _ = fallen(deposit=5_000)
    venue.do(c.ReserveOrder(unit=unit, order=7, instrument=0, lots=-5, ticks=1000))
    venue.do(c.ReleaseOrder(unit=unit, order=7, lots=2))
    assert venue.state.orders[unit][7].lots == -3
    check(venue, c.ReleaseOrder(unit=unit, order=7, lots=4), R.NO_SUCH_ORDER)
    venue.do(c.ReleaseOrder(unit=unit, order=7))
    check(venue, c.ReleaseOrder(unit=unit, order=7), R.NO_SUCH_ORDER)


def test_a_protection_nobody_set_cannot_be_removed() -> None:
    venue, unit, _ = fallen()
    check(venue, c.RemoveProtection(unit=unit, protection=1), R.NO_SUCH_ORDER)


def test_nothing_is_taken_over_from_a_unit_that_is_empty_or_whose_price_is_unknown() -> None:
    venue, unit, _ = fallen()
    empty = venue.open("empty", USDT=100)
    check(venue, override(empty, "takeover"), R.NOTHING_TO_CLOSE)
    venue.marks(A=NAN)
    check(venue, override(unit, "takeover"), R.UNTRUSTED_MARK)


BAD: dict[str, tuple[c.Command, type[Exception]]] = {
    "a name twice": (c.OpenAccount(name="unit"), DuplicateId),
    "an unknown account": (c.OpenIsolated(account=99), UnknownAccount),
    "an unknown unit": (c.Deposit(unit=99, asset=0, quanta=1), UnknownUnit),
    "a negative unit": (c.Deposit(unit=-1, asset=0, quanta=1), UnknownUnit),
    "an unknown asset": (c.Deposit(unit=5, asset=9, quanta=1), UnknownAsset),
    "an asset before the first": (c.Withdraw(unit=5, asset=-1, quanta=1), UnknownAsset),
    "a negative deposit": (c.Deposit(unit=5, asset=0, quanta=-1), Rejected),
    "a deposit of nothing": (c.Deposit(unit=5, asset=0, quanta=0), Rejected),
    "a deposit that does not fit": (c.Deposit(unit=5, asset=0, quanta=2**62 + 1), Rejected),
    "a deposit that fits beside nothing": (c.Deposit(unit=5, asset=0, quanta=2**62), OutOfScale),
    "a transfer to itself": (c.Transfer(source=5, target=5, asset=0, quanta=1), InvalidInput),
    "a transfer to nobody": (c.Transfer(source=5, target=99, asset=0, quanta=1), UnknownUnit),
    "a fill with itself": (
        c.Fill(unit=5, counterparty=5, instrument=0, lots=1, ticks=1000),
        InvalidInput,
    ),
    "a fill of the fund": (
        c.Fill(unit=3, counterparty=6, instrument=0, lots=1, ticks=1000),
        InvalidInput,
    ),
    "a fill of the residue": (
        c.Fill(unit=6, counterparty=0, instrument=0, lots=1, ticks=1000),
        InvalidInput,
    ),
    "a fill in an unknown instrument": (
        c.Fill(unit=5, counterparty=6, instrument=2, lots=1, ticks=1000),
        UnknownInstrument,
    ),
    "a fill on an unknown leg": (
        c.Fill(unit=5, counterparty=6, instrument=0, lots=1, ticks=1000, leg=2),
        InvalidInput,
    ),
    "a fill worth more than fits": (
        c.Fill(unit=5, counterparty=2, instrument=0, lots=2**53, ticks=2**53),
        OutOfScale,
    ),
    "a leverage that does not fit": (
        c.Fill(unit=6, counterparty=2, instrument=1, lots=1, ticks=1000, leverage=2**16),
        Rejected,
    ),
    "a negative leverage": (
        c.Fill(unit=6, counterparty=2, instrument=1, lots=1, ticks=1000, leverage=-100),
        Rejected,
    ),
    "a fee above the notional": (
        c.Fill(unit=6, counterparty=2, instrument=1, lots=1, ticks=1000, fee=1_001),
        Rejected,
    ),
    "a fraction of a lot": (
        c.Fill(unit=6, counterparty=2, instrument=1, lots=0.5, ticks=1000),  # type: ignore[arg-type]  # wrong on purpose
        InvalidInput,
    ),
    "an order in an unknown instrument": (
        c.ReserveOrder(unit=5, order=1, instrument=-2, lots=1, ticks=1000),
        UnknownInstrument,
    ),
    "an order of the house": (
        c.ReserveOrder(unit=2, order=1, instrument=0, lots=1, ticks=1000),
        InvalidInput,
    ),
    "a protection of the house": (
        c.SetProtection(unit=4, protection=1, kind="equity_floor", trigger=1),
        InvalidInput,
    ),
    "an override of the house": (override(4, "takeover"), InvalidInput),
    "an override nobody knows": (override(5, "forgive"), InvalidInput),
    "a pause of an unknown instrument": (
        c.Pause(instrument=2, reason="test"),
        UnknownInstrument,
    ),
    "funding of columns that do not fit": (
        c.PostFunding(instruments=(0, 1), rates=(1,), ticks=(1000, 1000)),
        InvalidInput,
    ),
    "funding listed twice": (
        c.PostFunding(instruments=(0, 0), rates=(1, 1), ticks=(1000, 1000)),
        InvalidInput,
    ),
    "funding at no price": (c.PostFunding(instruments=(0,), rates=(1,), ticks=(0,)), OutOfScale),
    "funding at a rate that does not fit": (
        c.PostFunding(instruments=(0,), rates=(2**62 + 1,), ticks=(1000,)),
        OutOfScale,
    ),
    "negative interest": (c.PostInterest(assets=(0,), rates=(-1,)), InvalidInput),
    "interest in an unknown asset": (c.PostInterest(assets=(3,), rates=(1,)), UnknownAsset),
    "settlement of a perpetual": (c.Settle(instrument=0, ticks=1000), InvalidInput),
    "a rulebook that is none": (c.SetRulebook(text="name = 1"), InvalidInput),
}


@pytest.mark.parametrize(("command", "error"), BAD.values(), ids=BAD)
def test_bad_input_has_a_name_and_changes_nothing(
    command: c.Command, error: type[Exception]
) -> None:
    venue, unit, winner = fallen(deposit=1_100)
    assert (unit, winner) == (5, 6)
    with pytest.raises(error) as refusal:
        venue.do(command)
    assert len(str(refusal.value)) > 20
    venue.do(c.Deposit(unit=unit, asset=0, quanta=1))  # the engine goes on


def test_an_order_id_is_used_once() -> None:
    venue, unit, _ = fallen(deposit=5_000)
    command = c.ReserveOrder(unit=unit, order=1, instrument=0, lots=1, ticks=1000)
    venue.do(command)
    with pytest.raises(DuplicateId):
        venue.do(command)


def test_a_unit_is_not_margined_on_a_mark_that_never_came() -> None:
    venue = Venue()
    venue.marks(A=1000.0)
    unit = venue.open("unit", USDT=10_000)
    command = c.Fill(unit=unit, counterparty=2, instrument=1, lots=1, ticks=1000)
    check(venue, command, R.UNTRUSTED_MARK)


def test_a_deposit_in_an_asset_without_a_price_stops_nobody_else() -> None:
    venue = Venue(COINS)
    venue.marks(A=1000.0, B=1000.0, INV=1000.0, asset_USDC=1.0)
    units = [venue.open(f"unit {n}", USDT=1_100) for n in range(3)]
    for unit in units:
        venue.trade(unit, venue.state.liquidity, "A", 10, 1000)
    gifts = [Transfer(unit=-1, counterparty=u, asset=2, quanta=10) for u in units[:2]]
    venue.engine.submit_bulk(e.Posted(rows=posting_rows(gifts)))
    check(venue, c.Deposit(unit=units[0], asset=2, quanta=1), R.UNTRUSTED_MARK)
    venue.marks(A=800.0)
    assert [x.unit for x in venue.of(e.LiquidationEnded)] == units[2:]
    venue.marks(asset_COIN=1.0)
    assert len(venue.of(e.LiquidationEnded)) == 3


@pytest.mark.parametrize(
    "event",
    [
        e.AccountsOpened(count=-1, isolated=np.zeros(0, np.int64)),
        e.AccountsOpened(count=1, isolated=np.array([99])),
        e.AccountsOpened(count=1, isolated=np.array([0])),  # account 0 is closed
        e.Posted(rows=posting_rows([Transfer(unit=-1, counterparty=99, asset=0, quanta=1)])),
        e.Posted(
            rows=posting_rows(
                [
                    Transfer(unit=-1, counterparty=6, asset=0, quanta=1),
                    Transfer(unit=-1, counterparty=6, asset=7, quanta=1),
                ],
            ),
        ),
    ],
    ids=["fewer than none", "unknown account", "closed account", "unknown unit", "second row bad"],
)
def test_a_bulk_command_is_carried_out_whole_or_not_at_all(
    event: e.AccountsOpened | e.Posted,
) -> None:
    venue, _, _ = fallen()
    venue.do(close())
    before = venue.engine.digest()
    with pytest.raises((InvalidInput, Rejected)):
        venue.engine.submit_bulk(event)
    assert venue.engine.digest() == before
    venue.marks(A=1001.0)


@pytest.mark.parametrize(("held", "added"), [(0, 1), (0, -1), (1, 0), (-1, 0)])
def test_one_way_and_hedge_mode_are_not_mixed_in_one_instrument(held: int, added: int) -> None:
    venue = Venue()
    venue.marks(A=1000.0, B=1000.0)
    unit, house = venue.open("unit", USDT=100_000), venue.state.liquidity
    side = held or 1
    venue.trade(unit, house, "A", side * 10, 1000, leg=held)
    with pytest.raises(Rejected, match="holds A in") as refused:
        venue.trade(unit, house, "A", added or -1, 1000, leg=added)
    assert refused.value.reason is RejectionReason.POSITION_MODE
    venue.trade(unit, house, "B", added or 1, 1000, leg=added)  # another instrument, another mode
    if held:
        venue.trade(unit, house, "A", -side, 1000, leg=-held)  # the other leg is hedge mode too
    else:
        venue.trade(unit, house, "A", -10, 1000)
        venue.trade(unit, house, "A", added, 1000, leg=added)  # what was closed is forgotten
