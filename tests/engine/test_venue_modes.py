"""What a venue's rulebook says of modes, the engine holds its clients to."""

import numpy as np
import pytest

from keelmark.core.errors import InvalidInput, Rejected, RejectionReason
from keelmark.engine import commands as c
from keelmark.engine import events as e
from keelmark.engine.engine import Engine
from keelmark.engine.state import State
from keelmark.rulebooks import load_rulebook


def engine_of(venue: str) -> Engine:
    """An engine whose prices are all 100, with the accounts a and b."""
    engine = Engine(load_rulebook(venue))
    rows = range(len(engine.state.universe.factors))
    engine.submit_marks(
        e.MarksSet(
            times_ms=np.array([1000]),
            offsets=np.array([0, len(rows)]),
            factors=np.array(rows, np.int32),
            prices=np.full(len(rows), 100.0),
        )
    )
    for name in ("a", "b"):
        engine.submit(c.OpenAccount(name=name))
    return engine


def unit_of(state: State, name: str) -> int:
    return int(state.book.cross_unit(state.names[name]))


@pytest.mark.parametrize("venue", ["hyperliquid@2026-07", "dydx-v4@2024-11"])
def test_a_hedge_leg_is_refused_where_the_venue_nets(venue: str) -> None:
    engine = engine_of(venue)
    state = engine.state
    a, b = unit_of(state, "a"), unit_of(state, "b")
    asset = state.universe.assets.index(state.model.valuation)
    for unit in (a, b):
        engine.submit(c.Deposit(unit=unit, asset=asset, quanta=10**12))
    instrument = 0
    ticks = round(100.0 / float(state.universe.instruments[instrument]["price_unit"]))
    fill = c.Fill(unit=a, counterparty=b, instrument=instrument, lots=1, ticks=ticks, leg=1)
    before = engine.digest()
    with pytest.raises(Rejected, match="nets both sides") as refused:
        engine.submit(fill)
    assert refused.value.reason is RejectionReason.POSITION_MODE
    assert state.book.unit_view(a).positions == ()
    assert engine.digest() == before


@pytest.mark.parametrize(
    ("venue", "coin"), [("okx-multi@2024-09", "USDT"), ("bybit-uta@2025-09", "BTC")]
)
def test_an_isolated_unit_takes_no_coin_that_the_venue_counts_in_full(
    venue: str, coin: str
) -> None:
    engine = engine_of(venue)
    state = engine.state
    assert not state.model.asset(coin).schedule.is_identity
    engine.submit(c.OpenIsolated(account=state.names["a"]))
    isolated = state.book.units_count - 1
    asset = state.universe.assets.index(coin)
    cross = unit_of(state, "a")
    engine.submit(c.Deposit(unit=cross, asset=asset, quanta=10**6))
    for command in (
        c.Deposit(unit=isolated, asset=asset, quanta=1),
        c.Transfer(source=cross, target=isolated, asset=asset, quanta=1),
    ):
        with pytest.raises(InvalidInput, match="in full behind an isolated position"):
            engine.submit(command)
    assert state.book.unit_view(isolated).balances == {}
