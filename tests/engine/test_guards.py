"""Prices that are not believed stop what depends on them, and say so."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keelmark.core.errors import DuplicateId, InvalidInput, Rejected, RejectionReason
from keelmark.engine import commands as c
from keelmark.engine import events as e
from keelmark.engine.guards import on_grid
from tests.engine.test_waterfall import COINS, TAKEOVER_ONLY, fallen
from tests.engine.venue import Spec, Venue, merged

BAND: Spec = merged(TAKEOVER_ONLY, {"liquidation": {"guards": {"band": "0.15"}}})
STALE: Spec = merged(TAKEOVER_ONLY, {"liquidation": {"guards": {"stale_s": 10}}})


@pytest.mark.parametrize("price", [float("nan"), float("inf"), 0.0, -1.0, 0.4])
def test_what_is_no_price_liquidates_nobody_and_is_named(price: float) -> None:
    venue, unit, _ = fallen(TAKEOVER_ONLY)
    venue.marks(A=price)  # 0.4 of a tick of 1 rounds to nothing
    (refused,) = venue.of(e.MarkRefused)
    assert (refused.factor, refused.reason) == (0, "not a positive number")
    assert refused.price == repr(price)
    assert venue.of(e.LiquidationStarted) == []
    assert venue.lots(unit, "A") == 10


def test_a_bad_price_is_named_once_until_a_good_one_has_come() -> None:
    venue, _, _ = fallen(TAKEOVER_ONLY)
    nan = float("nan")
    venue.stream([{"A": nan}, {"A": nan}, {"B": nan}, {"A": 990.0}, {"A": nan}])
    assert [x.factor for x in venue.of(e.MarkRefused)] == [0, 1, 0]


def test_nobody_is_liquidated_on_a_price_that_is_not_trusted() -> None:
    # the unit holds A and B; B is bad, A falls: it waits, and falls as soon as B is known again
    venue, unit, _ = fallen(TAKEOVER_ONLY)
    venue.trade(unit, venue.state.liquidity, "B", 1, 1000)
    venue.marks(B=float("nan"))
    venue.marks(A=800.0)
    assert venue.of(e.LiquidationStarted) == []
    venue.marks(B=1000.0)
    assert len(venue.of(e.LiquidationEnded)) == 1


def test_a_step_outside_the_band_is_not_believed_until_it_comes_back() -> None:
    venue, unit, _ = fallen(BAND)
    venue.marks(A=840.0)
    assert [x.reason for x in venue.of(e.MarkRefused)] == ["outside its band"]
    assert venue.lots(unit, "A") == 10
    venue.marks(A=830.0)  # judged against 1,000, the last one believed
    assert venue.lots(unit, "A") == 10
    venue.marks(A=850.0)
    assert len(venue.of(e.LiquidationEnded)) == 1


def test_a_step_to_the_very_edge_of_the_band_is_believed() -> None:
    venue, _, _ = fallen(BAND)
    venue.marks(A=850.0)
    assert venue.of(e.MarkRefused) == []


def test_an_operator_lets_the_next_price_be_believed() -> None:
    venue, _, _ = fallen(BAND)
    venue.marks(A=700.0)
    venue.do(c.Resume(instrument=0, reason="the price is real"))
    venue.marks(A=700.0)
    assert len(venue.of(e.LiquidationEnded)) == 1
    assert len(venue.of(e.MarkRefused)) == 1


CONFIRM: Spec = merged(BAND, {"liquidation": {"guards": {"confirm_marks": 3, "confirm_s": 2}}})


def test_prices_that_agree_for_long_enough_confirm_a_step_outside_the_band() -> None:
    venue, _, _ = fallen(CONFIRM)
    venue.stream([{"A": 700.0}, {"A": 690.0}])
    assert venue.of(e.LiquidationStarted) == []
    assert venue.of(e.MarkConfirmed) == []
    venue.marks(A=700.0)
    (confirmed,) = venue.of(e.MarkConfirmed)
    assert (confirmed.factor, confirmed.price, confirmed.marks) == (0, 700.0, 3)
    assert len(venue.of(e.LiquidationEnded)) == 1
    assert [x.marks for x in venue.of(e.MarkDoubted)] == [1, 2]
    assert len(venue.of(e.MarkRefused)) == 1
    venue.check(replay=True)


@pytest.mark.parametrize(
    "prices",
    [
        (700.0, 700.0, 500.0, 500.0),  # 500 is outside the band of 700: counted from there
        (700.0, 700.0, float("nan"), 700.0),  # a gap: counted anew
        (700.0, 700.0, 990.0, 700.0),  # the old price was right after all
    ],
    ids=str,
)
def test_prices_that_do_not_agree_confirm_nothing(prices: tuple[float, ...]) -> None:
    venue, _, _ = fallen(CONFIRM)
    for price in prices:
        venue.marks(A=price)
    assert venue.of(e.MarkConfirmed) == []
    assert venue.of(e.LiquidationStarted) == []


def test_prices_that_agree_too_quickly_wait_for_the_time() -> None:
    venue, _, _ = fallen(CONFIRM)
    venue.stream([{"A": 700.0}] * 9, after_ms=200)
    assert venue.of(e.MarkConfirmed) == []
    venue.marks(A=700.0, after_ms=400)
    assert [x.marks for x in venue.of(e.MarkConfirmed)] == [10]


def test_one_stream_is_judged_as_its_snapshots_one_by_one() -> None:
    prices = [700.0, 690.0, 500.0, 510.0, float("nan"), 505.0, 500.0, 499.0, 498.0, 300.0]
    whole, parts = fallen(CONFIRM)[0], fallen(CONFIRM)[0]
    whole.stream([{"A": price} for price in prices])
    for price in prices:
        parts.marks(A=price)
    assert whole.engine.digest() == parts.engine.digest()
    assert [x for x in whole.events if not isinstance(x, e.MarksSet)] == [
        x for x in parts.events if not isinstance(x, e.MarksSet)
    ]


@pytest.mark.parametrize(
    "guards",
    [{"confirm_marks": 1, "confirm_s": 1}, {"confirm_s": -1}, {"confirm_marks": 2, "confirm_s": 0}],
    ids=str,
)
def test_a_confirmation_that_confirms_nothing_is_refused(guards: Spec) -> None:
    with pytest.raises(InvalidInput, match="confirm_marks"):
        Venue({"liquidation": {"guards": guards}})


def test_a_depeg_beyond_the_band_is_believed_after_a_resumption_of_everything() -> None:
    venue = Venue(merged(COINS, {"liquidation": {"guards": {"band": "0.15"}}}))
    venue.marks(A=1000.0, B=1000.0, INV=1000.0, asset_USDC=1.0, asset_COIN=1000.0)
    venue.marks(asset_USDC=0.5)
    assert len(venue.of(e.MarkRefused)) == 1
    venue.do(c.Resume(instrument=-1, reason="it has lost its peg"))
    venue.marks(asset_USDC=0.5)
    assert len(venue.of(e.MarkRefused)) == 1
    assert venue.factor("asset_USDC") not in venue.state.untrusted


def test_a_price_that_is_too_old_liquidates_nobody() -> None:
    # The unit holds A and B. B is 10 seconds old when A falls: B is no longer believed first.
    venue, unit, _ = fallen(STALE)
    venue.trade(unit, venue.state.liquidity, "B", 1, 1000)
    for _ in range(9):
        venue.marks(A=1000.0)
    venue.marks(A=700.0)
    (refused,) = venue.of(e.MarkRefused)
    assert (refused.factor, refused.reason) == (1, "stale")
    assert venue.of(e.LiquidationStarted) == []


def test_a_price_that_is_renewed_in_the_same_snapshot_is_not_old() -> None:
    venue, unit, _ = fallen(STALE)
    venue.trade(unit, venue.state.liquidity, "B", 1, 1000)
    venue.marks(A=700.0, B=1000.0, after_ms=60_000)
    assert venue.of(e.MarkRefused) == []
    assert len(venue.of(e.LiquidationEnded)) == 1


def test_time_alone_makes_a_price_old() -> None:
    venue, _, _ = fallen(STALE)
    venue.wait(9.999)
    assert venue.of(e.MarkRefused) == []
    venue.wait(0.001)
    assert [x.factor for x in venue.of(e.MarkRefused)] == [0, 1]


def test_each_price_is_as_old_as_its_own_snapshot() -> None:
    # one stream: B comes in its first snapshot only, and is old 10 seconds after that one
    venue, _, _ = fallen(STALE)
    venue.stream([{"A": 1000.0, "B": 1000.0}, *[{"A": 1000.0}] * 9])
    assert venue.of(e.MarkRefused) == []
    venue.marks(A=1000.0)
    assert [x.factor for x in venue.of(e.MarkRefused)] == [1]


def test_nothing_of_a_paused_instrument_is_liquidated_until_it_is_resumed() -> None:
    venue, unit, _ = fallen(TAKEOVER_ONLY)
    venue.do(c.Pause(instrument=0, reason="test"))
    venue.marks(A=800.0)
    assert unit in venue.engine.suspects().tolist()
    assert [x.reason for x in venue.of(e.Waiting)] == ["it holds a paused instrument"]
    assert venue.lots(unit, "A") == 10
    venue.wait(60)
    assert venue.lots(unit, "A") == 10
    venue.do(c.Resume(instrument=0, reason="test"))
    venue.wait(60)
    assert len(venue.of(e.LiquidationEnded)) == 1


def test_a_unit_sells_what_is_not_paused() -> None:
    # A at 800 and paused: equity 2,300 - 2,000 = 300 of 400 + 500 needed. B can be sold: all 10.
    venue, unit, _ = fallen(deposit=2_300)
    venue.trade(unit, venue.state.liquidity, "B", 10, 1000)
    venue.do(c.Pause(instrument=0, reason="test"))
    venue.marks(A=800.0)
    assert (venue.lots(unit, "A"), venue.lots(unit, "B")) == (10, 0)
    assert unit in venue.state.cases


def test_a_pause_of_everything_is_lifted_as_a_whole() -> None:
    venue, _, _ = fallen(TAKEOVER_ONLY)
    venue.do(c.Pause(instrument=-1, reason="test"))
    venue.marks(A=800.0)
    venue.do(c.Resume(instrument=0, reason="only one of them"))
    assert venue.of(e.LiquidationStarted) == []
    venue.do(c.Resume(instrument=-1, reason="all"))
    assert len(venue.of(e.LiquidationEnded)) == 1


def test_a_paused_instrument_is_not_disposed_of() -> None:
    venue, _, _ = fallen(TAKEOVER_ONLY)
    venue.marks(A=920.0)
    venue.do(c.Pause(instrument=0, reason="test"))
    venue.wait(60)
    assert venue.lots(venue.state.backstop, "A") == 10


def test_marks_land_on_the_grid_before_anybody_reads_them() -> None:
    venue, unit, _ = fallen(TAKEOVER_ONLY)
    venue.marks(A=990.4)
    assert venue.state.prices[0] == 990.0
    assert venue.state.report(unit).positions[0].mark_price == 990


@given(
    ticks=st.integers(1, 2**40),
    unit=st.sampled_from([1.0, 0.5, 0.25, 0.1, 0.01, 0.001, 1e-7, 5.0, 100.0]),
    off=st.floats(-0.49, 0.49),
)
def test_a_price_beside_a_tick_becomes_the_float_nearest_to_it(
    ticks: int,
    unit: float,
    off: float,
) -> None:
    (price,) = on_grid(np.array([(ticks + off) * unit]), np.array([unit]))
    assert price == float(f"{ticks * unit:.15g}")
    (again,) = on_grid(np.array([price]), np.array([unit]))
    assert again == price


def stream(venue: Venue, **changes: object) -> e.MarksSet:
    columns = {
        "times_ms": venue.state.time_ms + np.array([1_000, 2_000]),
        "offsets": np.array([0, 1, 2]),
        "factors": np.array([0, 0], np.int32),
        "prices": np.array([990.0, 980.0]),
    }
    return e.MarksSet(**{**columns, **changes})  # type: ignore[arg-type]  # wrong on purpose


@pytest.mark.parametrize(
    "changes",
    [
        {"offsets": np.array([0, 1])},
        {"offsets": np.array([0, 2, 1])},
        {"offsets": np.array([0, 1, 9])},
        {"prices": np.array([990.0])},
        {"factors": np.array([0, 9], np.int32)},
        {"factors": np.array([-1, 0], np.int32)},
    ],
    ids=str,
)
def test_a_stream_whose_columns_do_not_fit_is_refused_whole(changes: dict[str, object]) -> None:
    venue, _, _ = fallen(TAKEOVER_ONLY)
    before = venue.engine.digest()
    with pytest.raises(InvalidInput):
        venue.engine.submit_marks(stream(venue, **changes))
    assert venue.engine.digest() == before
    venue.marks(A=990.0)  # the engine goes on


def test_a_price_named_twice_in_one_snapshot_is_refused_by_name() -> None:
    """Two prints of one instant would confirm each other; a second apart they are two."""
    guards = {"band": "0.05", "confirm_marks": 2, "confirm_s": 1}
    venue = Venue({"liquidation": {"guards": guards}})
    venue.marks(A=1000.0, B=1000.0)
    row = venue.factor("A")
    before = venue.engine.digest()
    marks = e.MarksSet(
        times_ms=venue.state.time_ms + np.array([1000, 2000]),
        offsets=np.array([0, 1, 4]),
        factors=np.array([row, row, venue.factor("B"), row], np.int32),
        prices=np.array([1000.0, 500.0, 1000.0, 500.0]),
    )
    with pytest.raises(DuplicateId, match=r"row 3: mark A .* snapshot 1"):
        venue.engine.submit_marks(marks)
    assert venue.engine.digest() == before
    assert venue.state.prices[row] == 1000.0
    venue.stream([{"A": 500.0}, {"A": 500.0}])
    assert venue.state.prices[row] == 500.0


@pytest.mark.parametrize("times", [[-5_000, 0], [2_000, 1_000]])
def test_time_never_runs_backwards(times: list[int]) -> None:
    venue, _, _ = fallen(TAKEOVER_ONLY)
    before = venue.engine.digest()
    marks = stream(venue, times_ms=venue.state.time_ms + np.array(times))
    with pytest.raises(Rejected) as error:
        venue.engine.submit_marks(marks)
    assert error.value.reason is RejectionReason.TIME_RUNS_BACKWARDS
    assert venue.engine.digest() == before
    with pytest.raises(Rejected):
        venue.do(c.AdvanceTime(time_ms=venue.state.time_ms - 1))


def test_an_empty_stream_is_nothing() -> None:
    venue, _, _ = fallen(TAKEOVER_ONLY)
    assert venue.stream([]) == []
