"""The waterfall by hand: who gets what and who pays what, quantum by quantum.

The venue is round (`venue.ROUND`): one quantum is one USDT, a lot is one unit, maintenance is 5 %
and initial margin 10 % of notional. The unit holds 10 lots of A opened at 1,000 unless said, and
`winner` is on the other side. Every command is audited, and the journal is replayed at the end.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from keelmark.engine import commands as c
from keelmark.engine import events as e
from tests.engine.venue import Spec, Venue, merged

TAKEOVER_ONLY: Spec = {
    "liquidation": {"stages": ["takeover", "insurance", "auto_deleverage", "socialise"]},
}
PLENTY = 10**6


def fallen(
    changes: Mapping[str, Any] | None = None,
    *,
    side: int = 1,
    deposit: int = 1_100,
    fund: int = 0,
    winner_lots: int = 10,
) -> tuple[Venue, int, int]:
    """Return a venue, a unit with 10 lots of A on one side, and the winner opposite.

    What the winner does not hold of the other side, the rest of the market holds.
    """
    venue = Venue(changes)
    venue.marks(A=1000.0, B=1000.0)
    unit, winner = venue.open("unit", USDT=deposit), venue.open("winner", USDT=PLENTY)
    if fund:
        venue.deposit(venue.state.fund_of(-1), fund)
    if winner_lots:
        venue.trade(unit, winner, "A", side * winner_lots, 1000)
    if winner_lots < 10:
        venue.trade(unit, venue.state.liquidity, "A", side * (10 - winner_lots), 1000)
    return venue, unit, winner


def ended(venue: Venue) -> e.LiquidationEnded:
    (event,) = venue.of(e.LiquidationEnded)
    assert isinstance(event, e.LiquidationEnded)
    return event


def paid(event: e.LiquidationEnded) -> dict[str, int]:
    """Return the parts of a bill that are not zero."""
    names = ("deficit", "fund", "deleveraged", "socialised", "backstop", "surplus")
    return {name: getattr(event, name) for name in names if getattr(event, name)}


def equity(venue: Venue, unit: int) -> int:
    """Return what a unit is worth at the marks, quanta of USDT."""
    view = venue.state.book.unit_view(unit)
    held = sum(
        venue.state.value(p.instrument, p.lots, venue.state.ticks(p.instrument)) - p.cost
        for p in view.positions
    )
    return view.balances.get(0, 0) + held


# --- one position, taken over: long and short alike ---------------------------------------------


@dataclass(frozen=True)
class TakenOver:
    """A unit with equity 1,100 - 10 * move; the parts of its bill, and what is left.

    Attributes:
        move: How far the price moves against it.
        changes: To the liquidation process.
        parts: The bill.
        fund_after: What the fund holds at the end.
        backstop_equity: What the backstop is worth at the mark at the end.
        winner_loss: What the winner lost against the mark.
    """

    name: str
    move: int
    parts: dict[str, int]
    outcome: str = "taken_over"
    fund: int = 0
    winner_lots: int = 10
    changes: Spec = field(default_factory=dict)
    fund_after: int = 0
    backstop_equity: int = 0
    winner_loss: int = 0


CASES = (
    # equity 1,100 - 800 = 300; maintenance 460 long (9,200), 540 short (10,800): at the trigger.
    # Nothing is owed, the receiver takes all of it.
    TakenOver(
        name="with a cushion",
        move=80,
        parts={"surplus": 300},
        backstop_equity=300,
    ),
    # half of 300 goes to the fund, the receiver gets the other 150
    TakenOver(
        name="with a cushion shared with the fund",
        move=80,
        parts={"surplus": 300},
        changes={"insurance": {"surplus_share": "0.5"}},
        fund_after=150,
        backstop_equity=150,
    ),
    # equity 1,100 - 1,100 = 0: at zero exactly, nothing to pay and nothing to get
    TakenOver(name="at zero", move=110, parts={}),
    # equity 1,100 - 2,000 = -900; the fund has it
    TakenOver(
        name="deficit paid by the fund",
        move=200,
        parts={"deficit": 900, "fund": 900},
        fund=5_000,
        fund_after=4_100,
    ),
    # a window may spend half of 1,000; 500 carry floor(10 * 500 / 900) = 5 lots with a loss of 450;
    # 5 lots are deleveraged at 450 worse than the mark for the winner
    TakenOver(
        name="fund to its window, the rest deleveraged at the transfer price",
        move=200,
        parts={"deficit": 900, "fund": 450, "deleveraged": 450},
        outcome="deleveraged",
        fund=1_000,
        changes={"insurance": {"window_share": "0.5"}},
        fund_after=550,
        winner_loss=450,
    ),
    # the fund carries 5 lots for 450; the winner holds 2 lots and takes 2/5 of the other 450, 180;
    # 3 lots with a loss of 270 are left: 50 from the fund's window, no profit to charge (the
    # winner's is closed), 220 borne by the backstop that gets the 3 lots
    TakenOver(
        name="fund, winner, and the backstop for what nobody else can pay",
        move=200,
        parts={"deficit": 900, "fund": 500, "deleveraged": 180, "backstop": 220},
        outcome="deleveraged",
        fund=1_000,
        winner_lots=2,
        changes={"insurance": {"window_share": "0.5"}},
        fund_after=500,
        backstop_equity=-220,
        winner_loss=180,
    ),
    # without a fund stage all 10 lots are deleveraged: the winner gives up all 900
    TakenOver(
        name="no insurance stage",
        move=200,
        parts={"deficit": 900, "deleveraged": 900},
        outcome="deleveraged",
        fund=5_000,
        changes={"stages": ["takeover", "auto_deleverage", "socialise"]},
        fund_after=5_000,
        winner_loss=900,
    ),
    # no backstop to take the lots: the fund pays all, and the winner is closed at the mark
    TakenOver(
        name="no takeover stage",
        move=200,
        parts={"deficit": 900, "fund": 900},
        outcome="deleveraged",
        fund=5_000,
        changes={"stages": ["insurance", "auto_deleverage", "socialise"]},
        fund_after=4_100,
    ),
    # nobody to deleverage, no fund: all on the backstop, which is worth 900 less
    TakenOver(
        name="nobody else",
        move=200,
        parts={"deficit": 900, "backstop": 900},
        winner_lots=0,
        backstop_equity=-900,
    ),
)


@pytest.mark.parametrize("side", [1, -1], ids=["long", "short"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_unit_is_taken_over_by_the_bill(case: TakenOver, side: int) -> None:
    changes = merged(TAKEOVER_ONLY, {"liquidation": case.changes})
    venue, unit, winner = fallen(changes, side=side, fund=case.fund, winner_lots=case.winner_lots)
    venue.marks(A=1000.0 - side * case.move)
    assert paid(ended(venue)) == case.parts
    assert ended(venue).outcome == case.outcome
    assert (venue.balance(unit), venue.lots(unit, "A")) == (0, 0)
    assert venue.balance(venue.state.fund_of(-1)) == case.fund_after
    assert equity(venue, venue.state.backstop) == case.backstop_equity
    gained = case.winner_lots * case.move - case.winner_loss
    assert equity(venue, winner) == PLENTY + gained
    venue.check(replay=True)


def test_claims_pay_after_fund_and_winners_and_before_the_backstop() -> None:
    # As above: 3 lots are left with a loss of 270, 50 of it from the fund. `other` has a profit of
    # 100 in B: that is all its principal can be asked for. 270 - 50 - 100 = 120 for the backstop.
    changes = merged(TAKEOVER_ONLY, {"liquidation": {"insurance": {"window_share": "0.5"}}})
    venue, unit, _ = fallen(changes, fund=1_000, winner_lots=2)
    other = venue.open("other", USDT=5_000)
    venue.trade(other, venue.state.liquidity, "B", 1, 1000)
    venue.marks(B=1100.0)
    venue.marks(A=800.0)
    parts = {"deficit": 900, "fund": 500, "deleveraged": 180, "socialised": 100, "backstop": 120}
    assert paid(ended(venue)) == parts
    (charged,) = venue.of(e.LossSocialised)
    assert (charged.payers, charged.quanta, charged.lots, charged.loss) == (
        (other,),
        (100,),
        3,
        270,
    )
    assert venue.balance(unit) == 0
    assert equity(venue, other) == 5_000


# --- more than one position, or more than one asset ---------------------------------------------


def test_two_positions_share_a_cushion_by_their_requirements() -> None:
    # A at 800: maintenance 400; B at 1,000: 500. Equity 2,200 - 2,000 = 200 < 900. Shares of 200:
    # 88.9 and 111.1, by largest remainder 89 and 111: handed over at 7,911 and 9,889.
    venue, unit, _ = fallen(TAKEOVER_ONLY, deposit=2_200)
    venue.trade(unit, venue.state.liquidity, "B", 10, 1000)
    venue.marks(A=800.0)
    assert paid(ended(venue)) == {"surplus": 200}
    fills = [x for x in venue.of(e.Filled) if x.reason == "takeover"]
    assert [(x.instrument, x.value) for x in fills] == [(1, -9_889), (0, -7_911)]


def test_two_positions_share_a_deficit_by_their_requirements() -> None:
    # A at 700: maintenance 350; B at 950: 475. Equity 2,200 - 3,500 = -1,300. Shares 551.5 and
    # 748.5: the larger remainder is A's, 552 and 748. The fund pays both.
    venue, unit, _ = fallen(TAKEOVER_ONLY, deposit=2_200, fund=10_000)
    venue.trade(unit, venue.state.liquidity, "B", 10, 1000)
    venue.marks(A=700.0, B=950.0)
    assert paid(ended(venue)) == {"deficit": 1_300, "fund": 1_300}
    payments = [x.quanta for x in venue.of(e.Transferred) if x.reason == "deficit"]
    assert payments == [748, 552]


def test_hedge_legs_are_handed_over_apart() -> None:
    # Long 10 and short 4 at 1,000; at 800 they are worth -2,000 and +800. Equity 1,500 - 1,200 =
    # 300, maintenance 400 + 160 = 560. Shares of 300: 214.3 and 85.7, so 214 and 86.
    venue = Venue(TAKEOVER_ONLY)
    venue.marks(A=1000.0, B=1000.0)
    unit = venue.open("unit", USDT=1_500)
    venue.trade(unit, venue.state.liquidity, "A", 10, 1000, leg=1)
    venue.trade(unit, venue.state.liquidity, "A", -4, 1000, leg=-1)
    venue.marks(A=800.0)
    assert paid(ended(venue)) == {"surplus": 300}
    fills = [x for x in venue.of(e.Filled) if x.reason == "takeover"]
    assert [(x.leg, x.lots, x.value) for x in fills] == [(1, -10, -7_786), (-1, 4, 3_286)]
    assert equity(venue, venue.state.backstop) == 300


def test_an_isolated_unit_falls_alone() -> None:
    venue = Venue(TAKEOVER_ONLY)
    venue.marks(A=1000.0, B=1000.0)
    cross = venue.open("unit", USDT=50_000)
    isolated = venue.isolated("unit", USDT=1_100)
    venue.trade(isolated, venue.state.liquidity, "A", 10, 1000)
    venue.marks(A=800.0)
    assert ended(venue).unit == isolated
    assert paid(ended(venue)) == {"deficit": 900, "backstop": 900}
    assert venue.balance(cross) == 50_000


COINS: Spec = merged(
    TAKEOVER_ONLY,
    {
        "assets": {
            "USDC": {"quantum": "1", "weights": [{"floor": "0", "weight": "0.9"}]},
            "COIN": {"quantum": "1"},
        },
        "instruments": {
            "INV": {
                "kind": "inverse_perpetual",
                "base": "COIN",
                "settle": "COIN",
                "contract_size": "100000",
            },
        },
    },
)
"""The round venue with a stable coin at 90 % and an inverse contract of 100,000 USD."""


def coins() -> Venue:
    venue = Venue(COINS)
    venue.marks(A=1000.0, B=1000.0, INV=1000.0, asset_USDC=1.0, asset_COIN=1000.0)
    return venue


@pytest.mark.parametrize(
    ("side", "price", "deficit"),
    [
        # 10 contracts are worth 1,000,000 / price coins: 1,000 at 1,000 and 1,250 at 800.
        # Long: equity 120 - 250 = -130.
        (1, 800.0, 130),
        # Short at 1,250: worth 800, equity 120 - 200 = -80.
        (-1, 1250.0, 80),
    ],
    ids=["long", "short"],
)
def test_an_inverse_position_is_settled_in_coins(side: int, price: float, deficit: int) -> None:
    venue = coins()
    unit = venue.open("unit", COIN=120)
    fund = venue.state.fund_of(-1)
    venue.deposit(fund, 1_000, "COIN")
    venue.trade(unit, venue.state.liquidity, "INV", side * 10, 1000)
    venue.marks(INV=price)
    assert paid(ended(venue)) == {"deficit": deficit, "fund": deficit}
    assert venue.balance(fund, "COIN") == 1_000 - deficit


def test_collateral_in_another_asset_goes_to_the_backstop_at_the_mark() -> None:
    # 500 USDT and 800 USDC (720 counted). At 860 A has lost 1,400: equity -180 counted. The 800
    # USDC are exchanged at 1.0 for 800 USDT: 500 + 800 - 1,400 = -100, paid by the fund.
    venue = coins()
    unit = venue.open("unit", USDT=500, USDC=800)
    fund = venue.state.fund_of(-1)
    venue.deposit(fund, 1_000)
    venue.trade(unit, venue.state.liquidity, "A", 10, 1000)
    venue.marks(A=860.0)
    assert paid(ended(venue)) == {"deficit": 100, "fund": 100}
    assert (venue.balance(unit), venue.balance(unit, "USDC")) == (0, 0)
    backstop = venue.state.backstop
    assert (venue.balance(backstop, "USDC"), venue.balance(backstop)) == (800, -800)


def two_assets(quanta: int) -> tuple[Venue, int]:
    """Return a unit long 100 lots of A and one contract of 1,000,000 USD, both at 1,000."""
    venue = coins()
    unit = venue.open("unit", COIN=quanta)
    venue.trade(unit, venue.state.liquidity, "INV", 10, 1000)
    venue.trade(unit, venue.state.liquidity, "A", 100, 1000)
    return venue, unit


def bills(venue: Venue) -> dict[str, dict[str, int]]:
    """Return the parts of each bill that are not zero, by asset."""
    names = ("deficit", "fund", "deleveraged", "socialised", "backstop", "surplus")
    return {
        venue.state.universe.assets[row.asset]: {
            n: getattr(row, n) for n in names if getattr(row, n)
        }
        for row in ended(venue).bills
    }


def test_a_cushion_is_shared_over_two_settle_assets_by_their_requirements() -> None:
    # At 800 A has lost 20,000 USDT and needs 4,000. INV at 940 has lost 63.8 coins of 1,000, 64 in
    # quanta, and needs 53.19: equity 67 coins and -20,000 USDT, 47,000 USDT in all, of which
    # 4,000 / 57,191.49 belong to A: 3,287 USDT. The 23,287 cost 24 coins; 43 are left.
    venue, unit = two_assets(131)
    venue.marks(A=800.0, INV=940.0)
    assert bills(venue) == {"COIN": {"surplus": 43}, "USDT": {"surplus": 3_287}}
    assert venue.state.book.unit_view(unit).positions == ()
    assert not any(venue.state.book.unit_view(unit).balances.values())
    assert venue.balance(venue.state.backstop, "COIN") > 0


def test_a_deficit_falls_on_the_counterparties_of_every_settle_asset() -> None:
    # A at 200 has lost 80,000 USDT and needs 1,000; INV needs 53,191.49 as before. Equity: 67 coins
    # less 80,000 USDT is -13,000 USDT, of which 1,000 / 54,191.49 is A's: 239 USDT, in USDT. The
    # other 79,761 that A is short of cost 80 coins: 13 coins are missing. Nobody but winners can
    # pay: the winner of each position pays in its own asset.
    changes = merged(COINS, {"liquidation": {"takeover": {"inventory_max": "0"}}})
    venue = Venue(changes)
    venue.marks(A=1000.0, B=1000.0, INV=1000.0, asset_USDC=1.0, asset_COIN=1000.0)
    unit = venue.open("unit", COIN=131)
    one, other = venue.open("one", USDT=PLENTY), venue.open("other", COIN=PLENTY)
    venue.trade(unit, one, "A", 100, 1000)
    venue.trade(unit, other, "INV", 10, 1000)
    venue.marks(A=200.0, INV=940.0)
    assert bills(venue) == {
        "COIN": {"deficit": 13, "deleveraged": 13},
        "USDT": {"deficit": 239, "deleveraged": 239},
    }
    assert venue.balance(one) == PLENTY + 80_000 - 239
    assert not any(venue.state.book.unit_view(unit).balances.values())


def test_a_unit_with_only_a_debt_pays_it_from_its_collateral_and_the_fund() -> None:
    # Closing at 950 leaves a debt of 500 USDT beside 1,000 USDC. USDC at 0.4 counts 360: equity
    # -140. 1,000 USDC buy 400 USDT at the mark; 100 are missing.
    venue = coins()
    unit = venue.open("unit", USDC=2_000)
    fund = venue.state.fund_of(-1)
    venue.deposit(fund, 1_000)
    venue.trade(unit, venue.state.liquidity, "A", 10, 1000)
    venue.marks(A=950.0)
    venue.trade(unit, venue.state.liquidity, "A", -10, 950)
    venue.do(c.Withdraw(unit=unit, asset=1, quanta=1_000))
    assert venue.balance(unit) == -500
    venue.marks(asset_USDC=0.4)
    assert paid(ended(venue)) == {"deficit": 100, "fund": 100}
    assert venue.balance(fund) == 900


# --- recovery in the market ---------------------------------------------------------------------


def test_a_unit_recovers_by_selling_the_least_that_is_enough() -> None:
    # At 930: equity 400, maintenance 465. Selling x lots at the mark needs 400 >= 46.5 * (10 - x):
    # x = 1.4, so 2 lots.
    venue, unit, _ = fallen()
    venue.marks(A=930.0)
    (fill,) = [x for x in venue.of(e.Filled) if x.reason == "reduce"]
    assert (fill.lots, fill.ticks) == (-2, 930)
    assert ended(venue).outcome == "recovered"
    assert venue.lots(unit, "A") == 8


def test_the_clearance_fee_goes_to_the_fund_by_its_share() -> None:
    # 1 % of 930 a lot. Selling x: 400 - 9.3 x >= 46.5 (10 - x) gives x = 65 / 37.2, so 2 lots;
    # the fee of 18.6 rounds up to 19, 60 % of it rounds down to 11 for the fund.
    changes = {"liquidation": {"clearance_fee": "0.01", "insurance": {"fee_share": "0.6"}}}
    venue, _, _ = fallen(changes)
    venue.marks(A=930.0)
    (fill,) = [x for x in venue.of(e.Filled) if x.reason == "reduce"]
    assert (fill.lots, fill.fee) == (-2, 19)
    assert venue.balance(venue.state.fund_of(-1)) == 11
    assert venue.balance(venue.state.fees) == 8


def test_an_order_that_costs_more_than_it_frees_is_not_sent() -> None:
    # a fee of 10 % against maintenance of 5 %: the stage is exhausted at once
    venue, _, _ = fallen({"liquidation": {"clearance_fee": "0.1"}})
    venue.marks(A=930.0)
    assert not [x for x in venue.of(e.Filled) if x.reason == "reduce"]
    assert [x.stage for x in venue.of(e.StageExhausted)] == ["reduce"]
    assert ended(venue).outcome == "taken_over"
    assert paid(ended(venue)) == {"surplus": 400}


def test_a_cool_down_sells_a_fifth_and_then_everything() -> None:
    changes = {
        "liquidation": {
            "reduce": {
                "sizing": "fraction_then_cooldown",
                "sizing_settings": {"threshold": "5000"},
                "buffer": "0.5",
            },
        },
    }
    venue, unit, _ = fallen(changes, deposit=1_090)
    venue.marks(A=929.0)  # equity 380, maintenance 464.5; a fifth of 10 lots is 2
    assert venue.lots(unit, "A") == 8
    assert venue.of(e.Waiting) == []  # 380 is more than 8 * 46.45: recovered
    venue, unit, _ = fallen(changes, deposit=1_050)
    venue.marks(A=925.0)  # equity 300; 8 lots need 370: not yet
    (waiting,) = venue.of(e.Waiting)
    assert venue.lots(unit, "A") == 8
    assert waiting.cooldown_ms - venue.state.time_ms == 30_000
    venue.wait(0.5)
    assert venue.lots(unit, "A") == 8
    venue.wait(0.5)
    assert venue.lots(unit, "A") == 0
    assert ended(venue).outcome == "recovered"
    assert venue.balance(unit) == 300


def test_a_spent_window_waits_and_is_not_exhausted() -> None:
    # 3,000 of notional in 10 seconds: 3 lots at 925; 5 would be needed (300 >= 46.25 * (10 - 5))
    changes = {"liquidation": {"guards": {"notional_max": "3000", "window_s": 10}}}
    venue, unit, _ = fallen(changes, deposit=1_000)
    venue.marks(A=925.0)  # equity 250: 46.25 * (10 - x) <= 250 needs 5 lots
    assert venue.lots(unit, "A") == 7
    (waiting,) = venue.of(e.Waiting)
    assert waiting.reason == "notional limit"
    assert unit in venue.state.cases
    assert unit in venue.engine.suspects().tolist()
    venue.wait(10)
    assert venue.lots(unit, "A") == 5
    assert ended(venue).outcome == "recovered"


def test_a_spent_window_holds_nobody_whom_no_order_would_help() -> None:
    # equity -900 at 800: the bankruptcy price lies above the mark, so no order is sent, window or
    # not, and the unit is taken over at once
    changes = {
        "liquidation": {
            "reduce": {"price_limit": "bankruptcy"},
            "guards": {"notional_max": "100", "window_s": 10},
        },
    }
    venue, _, _ = fallen(changes)
    venue.marks(A=800.0)
    assert venue.of(e.Waiting) == []
    assert ended(venue).deficit == 900


def test_attempts_with_an_interval_are_spread_over_time() -> None:
    changes = {"liquidation": {"reduce": {"sizing": "tier_drop", "interval_s": 5, "attempts": 2}}}
    venue, unit, _ = fallen(changes)
    venue.marks(A=930.0)  # one bracket only: nothing can drop, each attempt finds nothing
    assert [x.attempts for x in venue.of(e.Waiting)] == [1]
    venue.wait(5)
    assert [x.attempts for x in venue.of(e.Waiting)] == [1, 2]
    venue.wait(5)
    assert ended(venue).outcome == "taken_over"
    assert venue.lots(unit, "A") == 0


def test_a_unit_that_waits_recovers_with_the_price() -> None:
    changes = {"liquidation": {"reduce": {"sizing": "tier_drop", "interval_s": 5}}}
    venue, unit, _ = fallen(changes)
    venue.marks(A=930.0)
    venue.stream([{"A": 931.0}, {"A": 1000.0}, {"A": 930.0}], after_ms=500)
    assert [x.outcome for x in venue.of(e.LiquidationEnded)] == ["recovered"]
    assert [x.case for x in venue.of(e.LiquidationStarted)] == [1, 2]
    assert venue.lots(unit, "A") == 10


GRACE = {"liquidation": {"margin_call": {"usage": "0.9", "grace_s": 60}}}


def test_grace_gives_time_to_bring_margin() -> None:
    venue, unit, _ = fallen(GRACE)
    venue.marks(A=930.0)
    (grace,) = venue.of(e.GraceStarted)
    assert grace.until_ms - venue.state.time_ms == 60_000
    venue.deposit(unit, 100)
    venue.wait(60)
    assert venue.of(e.LiquidationStarted) == []
    assert len(venue.of(e.GraceEnded)) == 1


def test_grace_that_is_not_used_ends_in_liquidation() -> None:
    venue, _, _ = fallen(GRACE)
    venue.marks(A=930.0)
    venue.wait(59)
    assert venue.of(e.LiquidationStarted) == []
    venue.wait(1)
    assert len(venue.of(e.LiquidationStarted)) == 1


def test_a_second_fall_has_a_grace_of_its_own() -> None:
    venue, _, _ = fallen(GRACE)
    venue.marks(A=930.0)
    venue.marks(A=1000.0)
    venue.wait(3_600)
    venue.marks(A=930.0)
    assert len(venue.of(e.GraceStarted)) == 2
    assert venue.of(e.LiquidationStarted) == []


# --- orders -------------------------------------------------------------------------------------


def test_open_orders_are_cancelled_first() -> None:
    venue, unit, _ = fallen(deposit=1_300)
    venue.do(c.ReserveOrder(unit=unit, order=1, instrument=1, lots=1, ticks=1000))
    venue.marks(A=908.0)
    names = [type(x).__name__ for x in venue.events if not isinstance(x, e.MarksSet)]
    assert names.index("OrdersCancelled") < names.index("Filled", names.index("LiquidationStarted"))
    assert not venue.state.orders.get(unit)


def test_orders_end_with_the_unit_even_where_no_stage_cancels_them() -> None:
    venue, unit, _ = fallen(TAKEOVER_ONLY, deposit=1_300)
    venue.do(c.ReserveOrder(unit=unit, order=1, instrument=1, lots=1, ticks=1000))
    venue.marks(A=800.0)
    assert ended(venue).outcome == "deleveraged"
    assert not venue.state.orders.get(unit)


def test_a_victims_orders_in_the_instrument_are_cancelled_before_it_is_closed_against() -> None:
    venue, _, winner = fallen(TAKEOVER_ONLY)
    for order, row in ((1, 0), (2, 1)):
        venue.do(c.ReserveOrder(unit=winner, order=order, instrument=row, lots=1, ticks=1000))
    happened = venue.marks(A=800.0)
    kinds = [type(x) for x in happened]
    assert kinds.index(e.OrdersCancelled) < kinds.index(e.Deleveraged)
    assert sorted(venue.state.orders[winner]) == [2]


# --- who is first -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("lowest_excess", ["deep", "large", "small"]),
        ("highest_excess", ["small", "large", "deep"]),
        ("largest_notional", ["large", "deep", "small"]),
        ("account_id", ["small", "large", "deep"]),
    ],
)
def test_units_that_fall_together_are_handled_in_the_rulebooks_order(
    order: str,
    expected: list[str],
) -> None:
    #          lots  deposit  equity at 800  maintenance  excess
    # small       1      230             30           40     -10
    # large      20    4,700            700          800    -100
    # deep       10    1,100           -900          400  -1,300
    venue = Venue(merged(TAKEOVER_ONLY, {"liquidation": {"unit_order": order}}))
    venue.marks(A=1000.0, B=1000.0)
    names = {}
    for name, lots, deposit in (("small", 1, 230), ("large", 20, 4_700), ("deep", 10, 1_100)):
        unit = venue.open(name, USDT=deposit)
        venue.trade(unit, venue.state.liquidity, "A", lots, 1000)
        names[unit] = name
    venue.marks(A=800.0)
    assert [names[x.unit] for x in venue.of(e.LiquidationEnded)] == expected


def test_who_is_first_gets_the_fund() -> None:
    # 900 in the fund, two units with a deficit of 900 and 500: the deeper one is first
    venue = Venue(TAKEOVER_ONLY)
    venue.marks(A=1000.0, B=1000.0)
    venue.deposit(venue.state.fund_of(-1), 900)
    second = venue.open("second", USDT=1_500)
    first = venue.open("first", USDT=1_100)
    for unit in (second, first):
        venue.trade(unit, venue.state.liquidity, "A", 10, 1000)
    venue.marks(A=800.0)
    assert [(x.unit, x.fund, x.backstop) for x in venue.of(e.LiquidationEnded)] == [
        (first, 900, 0),
        (second, 0, 500),
    ]


# --- the backstop -------------------------------------------------------------------------------


def test_an_inventory_cap_leaves_the_rest_to_the_winners() -> None:
    # The fund pays all 900. There is room for 4,000 of notional, 5 of 10 lots at 800; the winner is
    # closed against for the other 5 at the mark, and loses nothing.
    changes = merged(TAKEOVER_ONLY, {"liquidation": {"takeover": {"inventory_max": "4000"}}})
    venue, _, winner = fallen(changes, fund=5_000)
    venue.marks(A=800.0)
    assert paid(ended(venue)) == {"deficit": 900, "fund": 900}
    assert venue.lots(venue.state.backstop, "A") == 5
    assert venue.lots(winner, "A") == -5
    assert equity(venue, winner) == PLENTY + 2_000


def test_a_backstop_that_has_lost_its_limit_takes_nothing_more() -> None:
    # The first unit hands 10 lots over at 920 with a cushion of 300. At 860 they have lost 600, the
    # backstop 300 in all, of at most 250 in the window: the second unit goes to the winner with its
    # cushion of 1,500 - 1,400.
    takeover = {"loss_max": "250", "loss_window_s": 600, "dispose_interval_s": 3_600}
    changes = merged(TAKEOVER_ONLY, {"liquidation": {"takeover": takeover}})
    venue, _, winner = fallen(changes)
    second = venue.open("second", USDT=1_500)
    venue.trade(second, winner, "A", 10, 1000)
    venue.marks(A=920.0)
    assert venue.lots(venue.state.backstop, "A") == 10
    venue.marks(A=860.0)
    first, other = venue.of(e.LiquidationEnded)
    assert (first.outcome, other.outcome) == ("taken_over", "deleveraged")
    assert (other.unit, paid(other)) == (second, {"surplus": 100})
    assert venue.lots(venue.state.backstop, "A") == 10


def test_the_backstop_disposes_of_a_share_at_each_interval() -> None:
    takeover = {"dispose_share": "0.3", "dispose_interval_s": 60}
    venue, _, _ = fallen(merged(TAKEOVER_ONLY, {"liquidation": {"takeover": takeover}}))
    venue.marks(A=920.0)
    lots = []
    for _ in range(4):
        lots.append(venue.lots(venue.state.backstop, "A"))
        venue.wait(60)
    assert lots == [10, 7, 4, 2]  # 30 % of 10, 7 and 4, rounded up: 3, 3, 2
    assert {x.ticks for x in venue.of(e.Filled) if x.reason == "disposal"} == {920}


def test_nothing_is_disposed_of_before_an_interval_has_passed() -> None:
    venue, _, _ = fallen(TAKEOVER_ONLY)
    venue.wait(5_000)
    venue.marks(A=920.0)
    venue.wait(59)
    assert venue.lots(venue.state.backstop, "A") == 10


def test_a_backstop_below_its_trigger_is_deleveraged_at_the_mark() -> None:
    # Taken over at 920 with 300; at 880 it has lost 400 and is worth -100: below 0. The winner's
    # 10 lots are closed at 880, without a loss against the mark, and its order in A is cancelled.
    takeover = {"deleverage_below": "0", "dispose_share": "0.1", "dispose_interval_s": 60}
    venue, _, winner = fallen(merged(TAKEOVER_ONLY, {"liquidation": {"takeover": takeover}}))
    venue.marks(A=920.0)
    venue.do(c.ReserveOrder(unit=winner, order=1, instrument=0, lots=1, ticks=900))
    happened = venue.marks(A=880.0)
    (closed,) = venue.of(e.Deleveraged)
    assert (closed.case, closed.unit, sum(closed.lots)) == (0, venue.state.backstop, -10)
    assert [type(x) for x in happened].count(e.OrdersCancelled) == 1
    assert venue.lots(winner, "A") == 0
    assert equity(venue, winner) == PLENTY + 10 * 120
    assert equity(venue, venue.state.backstop) == -100


def test_a_backstop_is_deleveraged_at_the_very_snapshot_that_takes_it_below_its_trigger() -> None:
    # worth 300 + 10 * (A - 920): 0 at 890, -10 at 889; what the stream has after it is too late
    takeover = {"deleverage_below": "0", "dispose_interval_s": 3_600}
    venue, _, winner = fallen(merged(TAKEOVER_ONLY, {"liquidation": {"takeover": takeover}}))
    venue.marks(A=920.0)
    venue.stream([{"A": price} for price in (900.0, 890.0, 889.0, 1200.0)])
    (closed,) = venue.of(e.Deleveraged)
    assert sum(closed.values) == -8_890
    assert equity(venue, venue.state.backstop) == -10
    assert equity(venue, winner) == PLENTY + 10 * 111


def test_a_unit_that_waits_is_taken_as_soon_as_it_passes_the_backstops_level() -> None:
    # at 930 a lot is sold, all that the window allows: 400 left, 418.5 needed. At 910 it has 220,
    # needs 409.5, beyond one and a half, and does not wait for the next window
    guards = {"notional_max": "1000", "window_s": 60}
    venue, unit, _ = fallen({"liquidation": {"takeover": {"usage": "1.5"}, "guards": guards}})
    venue.marks(A=930.0)
    assert (venue.lots(unit, "A"), venue.of(e.LiquidationEnded)) == (9, [])
    venue.marks(A=929.0)
    assert venue.of(e.LiquidationEnded) == []
    venue.marks(A=910.0)
    assert ended(venue).outcome == "taken_over"
    assert venue.lots(venue.state.backstop, "A") == 9


def test_a_backstop_that_finds_no_winner_asks_again_after_an_interval() -> None:
    takeover = {"deleverage_below": "0", "dispose_share": "0", "dispose_interval_s": 60}
    changes = merged(TAKEOVER_ONLY, {"liquidation": {"takeover": takeover}})
    venue, _, _ = fallen(changes, winner_lots=0)
    venue.marks(A=920.0)
    venue.stream([{"A": 880.0}] * 59)
    assert [x.work for x in venue.of(e.WorkDone)] == ["deleverage"]
    short = venue.open("short", USDT=PLENTY)
    venue.trade(short, venue.state.liquidity, "A", -10, 880)
    assert venue.of(e.Deleveraged) == []
    venue.stream([{"A": 880.0}] * 5)
    assert venue.lots(short, "A") == 0
    assert venue.lots(venue.state.backstop, "A") == 0


# --- the operator -------------------------------------------------------------------------------


def override(unit: int, action: str) -> c.Override:
    return c.Override(unit=unit, action=action, operator="ada", reason="by hand")


def test_a_held_unit_is_left_alone_until_it_is_released() -> None:
    venue, unit, _ = fallen()
    venue.do(override(unit, "hold"))
    venue.marks(A=930.0)
    assert venue.of(e.LiquidationStarted) == []
    venue.do(override(unit, "release"))
    assert ended(venue).outcome == "recovered"


def test_an_operator_ends_a_liquidation_that_then_begins_anew() -> None:
    changes = {"liquidation": {"reduce": {"sizing": "tier_drop", "interval_s": 5}}}
    venue, unit, _ = fallen(changes)
    venue.marks(A=930.0)
    venue.do(override(unit, "release"))
    assert [x.outcome for x in venue.of(e.LiquidationEnded)] == ["released"]
    venue.marks(A=931.0)
    assert [x.case for x in venue.of(e.LiquidationStarted)] == [1, 2]


def test_an_operator_takes_the_positions_of_a_healthy_unit_and_leaves_its_money() -> None:
    venue, unit, _ = fallen(TAKEOVER_ONLY)
    venue.marks(A=1010.0)
    venue.do(override(unit, "takeover"))
    assert paid(ended(venue)) == {}
    assert (venue.lots(unit, "A"), venue.balance(unit)) == (0, 1_200)
    assert venue.lots(venue.state.backstop, "A") == 10
    assert equity(venue, venue.state.backstop) == 0
    assert venue.of(e.Overridden)[0].operator == "ada"
