"""What a user has set beforehand is done when its moment comes, and not before."""

import pytest

from keelmark.core.errors import InvalidInput, UnknownUnit
from keelmark.engine import commands as c
from keelmark.engine import events as e
from keelmark.engine.execution import SimulatedMarket
from keelmark.market.impact import FlatDensity, ImpactModel, exponential_memory
from tests.engine.test_waterfall import fallen
from tests.engine.venue import Venue


def protect(venue: Venue, unit: int, kind: str, trigger: int, **more: int) -> list[object]:
    number = len(venue.state.protections.get(unit, {}))
    command = c.SetProtection(unit=unit, protection=number, kind=kind, trigger=trigger, **more)
    return venue.do(command)


def fired(venue: Venue) -> list[int]:
    return [x.protection for x in venue.of(e.ProtectionRemoved) if x.fired]


@pytest.mark.parametrize(
    ("side", "kind", "trigger", "calm", "reached"),
    [
        (1, "stop_loss", 950, 951.0, 950.0),
        (1, "take_profit", 1050, 1049.0, 1050.0),
        (-1, "stop_loss", 1050, 1049.0, 1050.0),
        (-1, "take_profit", 950, 951.0, 950.0),
    ],
)
def test_a_price_stop_closes_the_position_at_its_tick(
    side: int, kind: str, trigger: int, calm: float, reached: float
) -> None:
    venue, unit, _ = fallen(side=side, deposit=5_000)
    protect(venue, unit, kind, trigger, instrument=0)
    venue.marks(A=calm)
    assert venue.lots(unit, "A") == 10 * side
    venue.marks(A=reached)
    assert venue.lots(unit, "A") == 0
    assert fired(venue) == [0]
    assert venue.balance(unit) == 5_000 + 10 * side * int(reached - 1000)


def test_a_stop_is_reached_inside_a_stream_at_its_own_snapshot() -> None:
    venue, unit, _ = fallen(deposit=5_000)
    protect(venue, unit, "stop_loss", 950, instrument=0)
    venue.stream([{"A": 960.0}, {"A": 949.0}, {"A": 1000.0}])
    assert venue.balance(unit) == 5_000 - 510


def test_a_stop_that_is_reached_when_it_is_set_fires_at_once() -> None:
    venue, unit, _ = fallen(deposit=5_000)
    protect(venue, unit, "stop_loss", 1000, instrument=0)
    assert venue.lots(unit, "A") == 0


def test_a_stop_without_a_position_waits_for_one() -> None:
    venue, unit, _ = fallen(deposit=5_000)
    protect(venue, unit, "stop_loss", 990, instrument=1)
    venue.marks(B=900.0)
    assert fired(venue) == []
    venue.trade(unit, venue.state.liquidity, "B", 1, 900)
    assert fired(venue) == [0]
    assert venue.lots(unit, "B") == 0


def test_a_stop_in_a_paused_instrument_stands_until_it_can_be_carried_out() -> None:
    venue, unit, _ = fallen(deposit=5_000)
    protect(venue, unit, "stop_loss", 950, instrument=0)
    venue.do(c.Pause(instrument=0, reason="test"))
    venue.marks(A=940.0)
    assert (fired(venue), venue.lots(unit, "A")) == ([], 10)
    venue.do(c.Resume(instrument=0, reason="test"))
    assert (fired(venue), venue.lots(unit, "A")) == ([0], 0)


def test_a_stop_that_a_thin_book_fills_in_part_stands_for_the_rest() -> None:
    thin = ImpactModel(shape=FlatDensity(density=8.0), memory=exponential_memory(half_life_s=1.0))
    venue = Venue(market=SimulatedMarket([thin, thin]))
    venue.marks(A=1000.0, B=1000.0)
    unit = venue.open("unit", USDT=500_000)
    venue.trade(unit, venue.state.liquidity, "A", 100, 1000)
    protect(venue, unit, "stop_loss", 950, instrument=0)
    for _ in range(60):
        venue.marks(A=950.0)
    fills = [x for x in venue.of(e.Filled) if x.reason == "protection"]
    assert len(fills) > 1
    assert sum(x.lots for x in fills) == -100
    assert fired(venue) == [0]


def test_an_equity_floor_closes_everything() -> None:
    venue, unit, _ = fallen(deposit=5_000)
    venue.trade(unit, venue.state.liquidity, "B", 1, 1000)
    protect(venue, unit, "equity_floor", 4_500)
    venue.marks(A=951.0)
    assert venue.lots(unit, "A") == 10
    venue.marks(A=950.0)
    assert venue.state.book.unit_view(unit).positions == ()
    assert venue.balance(unit) == 4_500


def test_an_equity_floor_sees_funding() -> None:
    venue, unit, _ = fallen(deposit=5_000)
    protect(venue, unit, "equity_floor", 4_950)
    venue.do(c.PostFunding(instruments=(0,), rates=(5 * 10**9,), ticks=(1000,)))  # 50 of 10,000
    assert venue.lots(unit, "A") == 0


def test_a_usage_ceiling_closes_everything_before_liquidation() -> None:
    # maintenance over equity of a half: at 950 it is 475 / 1,000 and at 945 472.5 / 950 = 0.497,
    # at 940 470 / 900 = 0.52
    venue, unit, _ = fallen(deposit=1_500)
    protect(venue, unit, "usage_ceiling", 500_000)
    venue.marks(A=945.0)
    assert venue.lots(unit, "A") == 10
    venue.marks(A=940.0)
    assert (venue.lots(unit, "A"), venue.balance(unit)) == (0, 900)
    assert venue.of(e.LiquidationStarted) == []


def test_a_ceiling_of_one_unit_does_not_move_the_watch_of_another() -> None:
    venue, unit, _ = fallen(deposit=1_500)
    other = venue.open("other", USDT=1_500)
    venue.trade(other, venue.state.liquidity, "A", 10, 1000)
    protect(venue, other, "usage_ceiling", 500_000)
    venue.marks(A=940.0)
    assert (venue.lots(unit, "A"), venue.lots(other, "A")) == (10, 0)


def test_an_automatic_deleverage_sells_down_to_its_target() -> None:
    # at 940 usage is 0.522; a quarter needs 47 * lots <= 900 / 4: 4 lots
    venue, unit, _ = fallen(deposit=1_500)
    protect(venue, unit, "deleverage", 500_000, target=250_000)
    venue.marks(A=940.0)
    assert venue.lots(unit, "A") == 4
    assert fired(venue) == [0]


def with_wallet(wallet: int) -> tuple[Venue, int, int]:
    """Return a unit of 1,500 with 10 lots, and an isolated wallet of the same account."""
    venue, unit, _ = fallen(deposit=1_500)
    return venue, unit, venue.isolated("unit", USDT=wallet)


def test_a_top_up_brings_usage_to_its_target() -> None:
    # at 940: equity 900, maintenance 470; a usage of 0.25 needs 1,880 of equity: 980 more
    venue, unit, wallet = with_wallet(5_000)
    protect(venue, unit, "top_up", 500_000, target=250_000, source=wallet, asset=0)
    venue.marks(A=940.0)
    assert (venue.balance(unit), venue.balance(wallet)) == (2_480, 4_020)
    assert fired(venue) == [0]


def test_a_top_up_takes_what_there_is_and_stands_while_there_is_nothing() -> None:
    venue, unit, wallet = with_wallet(100)
    venue.do(c.Withdraw(unit=wallet, asset=0, quanta=100))
    protect(venue, unit, "top_up", 500_000, target=250_000, source=wallet, asset=0)
    venue.marks(A=940.0)
    assert fired(venue) == []
    venue.deposit(wallet, 300)
    venue.marks(A=939.0)
    assert (fired(venue), venue.balance(wallet)) == ([0], 0)


def test_a_top_up_leaves_the_wallet_its_initial_margin() -> None:
    # the wallet holds 2 lots of B at 1,000: initial margin 200 of its 500
    venue, unit, wallet = with_wallet(500)
    venue.trade(wallet, venue.state.liquidity, "B", 2, 1000)
    protect(venue, unit, "top_up", 500_000, target=250_000, source=wallet, asset=0)
    venue.marks(A=940.0)
    assert venue.balance(wallet) == 200


def test_a_top_up_takes_nothing_from_a_wallet_whose_price_is_not_known() -> None:
    venue, unit, wallet = with_wallet(5_000)
    venue.trade(wallet, venue.state.liquidity, "B", 2, 1000)
    protect(venue, unit, "top_up", 500_000, target=250_000, source=wallet, asset=0)
    venue.marks(B=float("nan"))
    venue.marks(A=940.0)
    assert (fired(venue), venue.balance(wallet)) == ([], 5_000)


def test_a_unit_in_liquidation_is_not_protected() -> None:
    changes = {"liquidation": {"reduce": {"sizing": "tier_drop", "interval_s": 60}}}
    venue, unit, _ = fallen(changes)
    venue.marks(A=930.0)
    protect(venue, unit, "stop_loss", 925, instrument=0)
    venue.marks(A=920.0)
    assert fired(venue) == []
    assert venue.lots(unit, "A") == 10


def test_a_protection_can_be_replaced_and_removed() -> None:
    venue, unit, _ = fallen(deposit=5_000)
    protect(venue, unit, "stop_loss", 950, instrument=0)
    command = c.SetProtection(unit=unit, protection=0, kind="stop_loss", trigger=900, instrument=0)
    venue.do(command)
    venue.marks(A=940.0)
    assert venue.lots(unit, "A") == 10
    venue.do(c.RemoveProtection(unit=unit, protection=0))
    venue.marks(A=890.0)
    assert venue.lots(unit, "A") == 10
    assert fired(venue) == []


BAD = {
    "an unknown kind": {"kind": "stop_los", "trigger": 950, "instrument": 0},
    "a stop without an instrument": {"kind": "stop_loss", "trigger": 950},
    "a stop on an unknown instrument": {"kind": "stop_loss", "trigger": 950, "instrument": 9},
    "a stop at no price": {"kind": "take_profit", "trigger": 0, "instrument": 0},
    "a usage above one": {"kind": "usage_ceiling", "trigger": 1_000_001},
    "a usage of nothing": {"kind": "usage_ceiling", "trigger": 0},
    "a target above its trigger": {"kind": "deleverage", "trigger": 5, "target": 6},
    "a deleverage without a target": {"kind": "deleverage", "trigger": 5},
    "a top-up from itself": {
        "kind": "top_up",
        "trigger": 500,
        "target": 100,
        "source": 5,
        "asset": 0,
    },
    "a top-up from a stranger": {
        "kind": "top_up",
        "trigger": 500,
        "target": 100,
        "source": 6,
        "asset": 0,
    },
    "a top-up from the fund": {
        "kind": "top_up",
        "trigger": 500,
        "target": 100,
        "source": 3,
        "asset": 0,
    },
    "a floor in an unknown asset": {"kind": "equity_floor", "trigger": 5, "asset": 7},
}


@pytest.mark.parametrize("fields", BAD.values(), ids=BAD)
def test_a_protection_that_could_never_work_is_refused_by_name(fields: dict[str, object]) -> None:
    venue, unit, _ = fallen()
    assert unit == 5
    with pytest.raises(InvalidInput):
        venue.do(c.SetProtection(unit=unit, protection=1, **fields))  # type: ignore[arg-type]  # wrong on purpose


def test_a_top_up_from_a_unit_that_was_never_opened_is_refused() -> None:
    venue, unit, _ = fallen()
    with pytest.raises(UnknownUnit):
        protect(venue, unit, "top_up", 500_000, target=1, source=99, asset=0)
