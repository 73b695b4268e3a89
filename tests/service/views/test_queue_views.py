"""A place in the queue of deleveraging is where the rulebook's own policy would take it."""

from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from keelmark.engine import commands as c
from keelmark.engine.adl.policies import DELEVERAGE, QUEUES
from keelmark.engine.liquidation.holders import Holders
from keelmark.service.views.queue import queue
from tests.engine.venue import Venue
from tests.service.views.books import quiet, reader_of

GUARDED = {"liquidation": {"guards": {"stale_s": 30}}}


def winners(policy: str, count: int = 6) -> Venue:
    """Return a venue with winners of several sizes and leverages, all short A."""
    venue = Venue({"liquidation": {"deleverage": policy}})
    quiet(venue)
    venue.marks(A=1000.0, B=1000.0)
    rng = np.random.default_rng(count)
    for number in range(count):
        unit = venue.open(f"winner {number}", USDT=int(rng.integers(3_000, 20_000)))
        lots = int(rng.integers(1, 12))
        venue.trade(unit, venue.state.liquidity, "A", -lots, 1000)
    venue.marks(A=900.0, B=1000.0)
    return venue


def place(venue: Venue, name: str) -> dict[str, Any]:
    (row,) = queue(reader_of(venue), name)["positions"]
    return dict(row)


@pytest.mark.parametrize("policy", sorted(QUEUES))
def test_who_is_ahead_is_closed_against_first(policy: str) -> None:
    venue = winners(policy)
    sided = Holders().candidates(venue.state, 0, -1, 0.0).candidates
    for number in range(6):
        row = place(venue, f"winner {number}")
        unit = venue.state.book.cross_unit(number)
        ahead = int(Decimal(row["ahead"]))
        at = int(np.flatnonzero(sided.unit == unit)[0])
        assert DELEVERAGE[policy](ahead, sided)[at] == 0
        assert DELEVERAGE[policy](ahead + 1, sided)[at] == 1
        assert row["of"] == len(sided) == 6
        total = sum(sided.closable.tolist())
        assert Decimal(row["ahead_share"]) == pytest.approx(Decimal(ahead) / total)
        assert 1 <= row["lights"] <= 5
    ranks = [place(venue, f"winner {number}")["rank"] for number in range(6)]
    assert sorted(ranks) == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("policy", sorted(set(DELEVERAGE) - set(QUEUES)))
def test_where_everybody_shares_there_is_no_queue(policy: str) -> None:
    venue = winners(policy)
    row = place(venue, "winner 0")
    assert (row["rank"], row["of"]) == (None, 6)
    assert "no queue" in row["reason"]
    assert 0 < Decimal(row["closable_share"]) < 1


def test_a_loser_that_can_spare_nothing_is_no_candidate() -> None:
    venue = winners("queue_leverage_profit")
    unit = venue.open("loser", USDT=1_000)
    venue.trade(unit, venue.state.liquidity, "A", -10, 900)
    venue.do(c.Override(unit=unit, action="hold", operator="op", reason="a test"))
    venue.marks(A=960.0)
    row = place(venue, "loser")
    assert row["rank"] is None
    assert "no candidate" in row["reason"]


def test_nobody_has_a_place_while_the_price_is_not_trusted() -> None:
    venue = Venue(GUARDED)
    venue.marks(A=1000.0, B=1000.0)
    unit = venue.open("alice", USDT=10_000)
    venue.trade(unit, venue.state.liquidity, "A", 2, 1000)
    venue.marks(after_ms=31_000, B=1000.0)
    row = place(venue, "alice")
    assert (row["rank"], row["of"]) == (None, None)
    assert "not trusted" in row["reason"]


def test_who_reads_an_untrusted_price_is_left_out_of_the_queue() -> None:
    venue = Venue(GUARDED)
    venue.marks(A=1000.0, B=1000.0)
    for name, symbols in (("one", "A"), ("both", "AB")):
        unit = venue.open(name, USDT=10_000)
        for symbol in symbols:
            venue.trade(unit, venue.state.liquidity, symbol, -2, 1000)
    venue.marks(after_ms=31_000, A=900.0)
    row = place(venue, "one")
    assert (row["rank"], row["of"]) == (1, 1)
    told = queue(reader_of(venue), "both")["positions"]
    assert all("not trusted" in position["reason"] for position in told)


def test_an_account_without_positions_has_no_places() -> None:
    venue = Venue()
    venue.open("alice", USDT=5)
    assert queue(reader_of(venue), "alice")["positions"] == []
