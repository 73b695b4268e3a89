"""Who cannot be decided about is named, once, with the price that is missing, until it is back."""

import numpy as np

from keelmark.engine import commands as c
from keelmark.engine import events as e
from keelmark.engine.unknown import Unknowns, everybody, missing
from tests.engine.test_waterfall import COINS, TAKEOVER_ONLY, fallen
from tests.engine.venue import Venue, merged

NAN = float("nan")
PRICES = {"A": 1000.0, "B": 1000.0, "INV": 1000.0, "asset_USDC": 1.0, "asset_COIN": 1000.0}


def venue_of_three() -> tuple[Venue, int, int, int]:
    """Return units with A on USDT, with A on USDC, and with USDC and nothing at risk."""
    venue = Venue(merged(COINS, {"liquidation": {"guards": {"stale_s": 10}}}))
    venue.stream([PRICES])
    plain, priced = venue.open("plain", USDT=5_000), venue.open("priced", USDC=5_000)
    idle = venue.open("idle", USDC=5_000)
    for unit in (plain, priced):
        venue.trade(unit, venue.state.liquidity, "A", 10, 1000)
    return venue, plain, priced, idle


def told(venue: Venue) -> list[tuple[type, tuple[int, ...]]]:
    return [
        (type(x), x.units) for x in venue.events if isinstance(x, e.HealthUnknown | e.HealthKnown)
    ]


def test_a_unit_whose_collateral_has_no_price_is_named_with_the_price() -> None:
    venue, _, priced, _ = venue_of_three()
    assert venue.engine.unknown() == {}
    venue.marks(asset_USDC=NAN)
    assert venue.engine.unknown() == {priced: ("asset USDC",)}
    (event,) = venue.of(e.HealthUnknown)
    assert (event.units, event.factors) == ((priced,), (venue.factor("asset_USDC"),))
    assert priced in venue.engine.suspects().tolist() or priced in venue.engine.unknown()


def test_it_is_told_once_for_each_episode_and_taken_back_when_the_price_is_there() -> None:
    venue, plain, priced, _ = venue_of_three()
    for price in (NAN, 0.0, NAN, 1.0, 1.0, NAN, 1.0):
        venue.marks(asset_USDC=price)
    unknown, known = (e.HealthUnknown, (priced,)), (e.HealthKnown, (priced,))
    assert told(venue) == [unknown, known, unknown, known]
    assert venue.engine.unknown() == {}
    venue.marks(asset_USDC=NAN)
    venue.marks(A=NAN)  # lacks another price as well: no second word about it
    assert told(venue)[4:] == [unknown, (e.HealthUnknown, (plain,))]
    assert venue.engine.unknown()[priced] == ("mark A", "asset USDC")
    venue.marks(asset_USDC=1.0)
    assert venue.engine.unknown() == {plain: ("mark A",), priced: ("mark A",)}
    venue.marks(A=1000.0)
    assert told(venue)[-1] == (e.HealthKnown, (plain, priced))


def test_a_price_that_grows_old_is_missing_too() -> None:
    venue, plain, priced, _ = venue_of_three()
    venue.wait(10)
    assert venue.engine.unknown() == {
        plain: ("mark A",),
        priced: ("mark A", "asset USDC"),
    }
    venue.stream([PRICES])
    assert venue.engine.unknown() == {}


def test_a_unit_that_has_nothing_at_risk_any_more_is_taken_off() -> None:
    venue, _, priced, _ = venue_of_three()
    venue.marks(asset_USDC=NAN)
    venue.trade(priced, venue.state.liquidity, "A", -10, 1000)
    assert venue.engine.unknown() == {}
    assert told(venue)[-1] == (e.HealthKnown, (priced,))


def test_a_closed_account_is_taken_off() -> None:
    venue, _, _ = fallen(TAKEOVER_ONLY)
    venue.marks(A=NAN)
    assert len(venue.engine.unknown()) == 2
    venue.do(
        c.CloseAccount(account=0, reason="regulatory", instruments=(0,), ticks=(990,)),
    )
    assert len(venue.engine.unknown()) == 1


def test_a_flap_inside_one_stream_is_told_like_one_snapshot_after_the_other() -> None:
    prices = [1.0, NAN, 1.0, 1.0, NAN, NAN, 1.0]
    whole, parts = venue_of_three()[0], venue_of_three()[0]
    whole.stream([{"asset_USDC": price} for price in prices])
    for price in prices:
        parts.marks(asset_USDC=price)
    assert told(whole) == told(parts)
    assert len(told(whole)) == 4
    assert whole.engine.digest() == parts.engine.digest()


def test_columns_name_whom_the_units_themselves_name() -> None:
    venue, _, _, _ = venue_of_three()
    for price in ({"A": NAN}, {"asset_USDC": NAN}, {"A": 1000.0}, {"B": NAN}):
        venue.stream([price])
        state = venue.state
        alone = [unit for unit in range(state.book.units_count) if missing(state, unit)]
        assert everybody(state).tolist() == alone == list(venue.engine.unknown())
        assert Unknowns(state).read() == venue.engine.unknown()
    assert np.all(everybody(venue.state) >= 0)
