"""A liquidation is explained from its events alone, to the last figure."""

from decimal import Decimal

import pytest

from keelmark.core.errors import InvalidInput
from keelmark.engine import events as e
from keelmark.engine.codec import event_of
from keelmark.engine.explain import Working, events_of_case, explain_liquidation
from tests.engine.test_policies_run import a_bad_day
from tests.engine.test_waterfall import COINS, TAKEOVER_ONLY, fallen
from tests.engine.venue import Venue, merged


def working(venue: Venue, case: int = 1) -> Working:
    """Explain from what the journal gives back, not from what is in memory."""
    journaled = [
        event_of(record) for _, records in venue.engine.journal.read(after=0) for record in records
    ]
    return explain_liquidation(events_of_case(journaled, case), venue.state.universe)


def section(found: Working, title: str) -> tuple[str, ...]:
    return next(part.lines for part in found.sections if part.title == title)


def test_a_recovery_reads_like_its_working() -> None:
    venue, _, _ = fallen({"liquidation": {"clearance_fee": "0.01"}})
    venue.marks(A=930.0)
    assert str(working(venue)) == (
        "liquidation 1 of unit 5: recovered\n"
        "\n"
        "inputs\n"
        "  at 1970-01-01T00:00:02.000Z\n"
        "  balance 1100 USDT\n"
        "  10 A, cost 10000 USDT, mark 930, notional 9300 USDT\n"
        "\n"
        "equity\n"
        "  USDT: balance 1100 and counted profit -700 make 400, worth 400 after haircuts, at a "
        "price of 1\n"
        "  equity 400 USDT\n"
        "\n"
        "requirement\n"
        "  A, bracket 1: 9300 x 0.05 = 465 USDT\n"
        "  maintenance margin 465 USDT\n"
        "  excess 400 - 465 = -65 USDT; the trigger is below maintenance\n"
        "\n"
        "steps\n"
        "  sold 2 A at 930, fee 19 USDT\n"
        "  clearance_fee: 19 USDT from unit 1 to unit 3"
    )


def test_a_bill_names_everybody_who_paid() -> None:
    # the case of `test_waterfall`: fund 500, winner 180, claim 100, backstop 120 of 900
    changes = merged(TAKEOVER_ONLY, {"liquidation": {"insurance": {"window_share": "0.5"}}})
    venue, _, winner = fallen(changes, fund=1_000, winner_lots=2)
    other = venue.open("other", USDT=5_000)
    venue.trade(other, venue.state.liquidity, "B", 1, 1000)
    venue.marks(B=1100.0)
    venue.marks(A=800.0)
    found = working(venue)
    assert found.outcome == "deleveraged"
    assert section(found, "who paid") == (
        "deficit 900 USDT",
        "insurance fund 500 USDT",
        f"unit {winner}, deleveraged: 180 USDT",
        f"unit {other}, pro_rata_profit: 100 USDT",
        "backstop 120 USDT",
    )
    assert f"2 A of unit {winner} closed for 1780 USDT, 180 USDT worse than the mark" in (
        section(found, "steps")
    )


def test_brackets_deductions_haircuts_and_coins_are_spelled_out() -> None:
    venue = Venue(
        merged(
            COINS,
            {
                "tables": {
                    "flat": {
                        "rows": [
                            {"floor": "0", "rate": "0.05", "leverage": "10"},
                            {"floor": "5000", "rate": "0.07", "leverage": "8"},
                        ],
                    },
                },
            },
        ),
    )
    venue.marks(A=1000.0, B=1000.0, INV=1000.0, asset_USDC=1.0, asset_COIN=1000.0)
    unit = venue.open("unit", USDT=500, USDC=1_500)
    venue.trade(unit, venue.state.liquidity, "A", 10, 1000)
    venue.marks(A=850.0)
    found = working(venue)
    # 500 + 1,350 - 1,500 = 350 of 8,500 * 7 % - 100 = 495
    assert section(found, "requirement")[0] == "A, bracket 2: 8500 x 0.07 - 100 = 495 USDT"
    usdt, usdc, total = section(found, "equity")
    assert usdt.startswith("USDT: balance 500 and counted profit -1500 make -1000, worth -1000")
    assert usdc.startswith("USDC: balance 1500 and counted profit 0 make 1500, worth 1350 after")
    assert total == "equity 350 USDT"
    assert section(found, "who paid") == ("500 USDT was left and passed on",)


def test_hedge_legs_say_which_they_are() -> None:
    venue = Venue(TAKEOVER_ONLY)
    venue.marks(A=1000.0, B=1000.0)
    unit = venue.open("unit", USDT=1_500)
    venue.trade(unit, venue.state.liquidity, "A", 10, 1000, leg=1)
    venue.trade(unit, venue.state.liquidity, "A", -4, 1000, leg=-1)
    venue.marks(A=800.0)
    lines = section(working(venue), "inputs")
    assert lines[2].startswith("-4 A (short leg), cost -4000 USDT")
    assert lines[3].startswith("10 A (long leg), cost 10000 USDT")


@pytest.mark.parametrize("slide", [True, False])
def test_the_figures_of_every_case_add_up(slide: bool) -> None:  # noqa: FBT001 drawn
    venue = a_bad_day({"clearance_fee": "0.002"}, slide=slide)
    cases = venue.of(e.LiquidationStarted)
    assert cases
    for started in cases:
        found = working(venue, started.case)
        required = section(found, "requirement")
        sums = [Decimal(line.split(" = ")[1].split()[0]) for line in required if "bracket" in line]
        assert sum(sums) == Decimal(started.maintenance)
        paid = dict(enumerate(section(found, "who paid"))) if _has_bill(found) else {}
        amounts = [Decimal(line.split()[-2]) for line in paid.values() if "USDT" in line]
        if paid and paid[0].startswith("deficit"):
            assert amounts[0] == sum(amounts[1:])


def _has_bill(found: Working) -> bool:
    return any(part.title == "who paid" for part in found.sections)


def test_a_case_that_goes_on_has_no_bill_yet() -> None:
    venue, _, _ = fallen({"liquidation": {"reduce": {"sizing": "tier_drop", "interval_s": 60}}})
    venue.marks(A=930.0)
    found = working(venue)
    assert found.outcome == ""
    assert [part.title for part in found.sections] == ["inputs", "equity", "requirement", "steps"]
    assert section(found, "steps") == ("waits until 1970-01-01T00:01:02.000Z: interval",)


def test_events_of_no_case_or_of_two_are_refused() -> None:
    venue, _, _ = fallen()
    venue.marks(A=930.0)
    with pytest.raises(InvalidInput):
        explain_liquidation([], venue.state.universe)
    with pytest.raises(InvalidInput):
        explain_liquidation(events_of_case(venue.events, 7), venue.state.universe)
    events = events_of_case(venue.events, 1)
    stranger = e.Waiting(case=2, unit=9, until_ms=0, reason="", attempts=0)
    with pytest.raises(InvalidInput):
        explain_liquidation([*events, stranger], venue.state.universe)
