"""An engine whose columns are published after every command, and what a replica must show."""

import time

import numpy as np

from keelmark.engine.engine import Engine
from keelmark.engine.remembered import remembered
from keelmark.lab.fleet.glimpse import Glimpse
from keelmark.service.columns.replica import LOOK_S, Replica


def require_equal(replica: Replica, engine: Engine) -> None:
    """Hold everything that a replica answers against the engine."""
    if replica.position != engine.position:  # another writer's files are looked for now and then
        time.sleep(2 * LOOK_S)
    state = engine.state
    mirrored = replica.state
    assert replica.position == engine.position
    assert remembered(mirrored) == remembered(state)
    np.testing.assert_array_equal(mirrored.prices, state.prices)
    assert mirrored.book.vault == state.book.vault
    if state.universe.scales_with_open_interest:
        assert mirrored.longs() == state.longs()
    assert mirrored.market.open_interest == state.market.open_interest
    assert mirrored.book.accounts_count == state.book.accounts_count
    for account in range(state.book.accounts_count):
        assert mirrored.book.units_of(account) == state.book.units_of(account)
    units = range(state.book.units_count)
    reading = replica.read(units)
    assert reading.position == engine.position
    for unit in units:
        view = state.book.unit_view(unit)
        assert reading.views[unit] == view == mirrored.book.unit_view(unit)
        assert mirrored.book.account_of(unit) == state.book.account_of(unit) == view.account
        if not state.depends_on_untrusted(view):
            assert reading.report(unit) == state.report(unit) == replica.report(unit)
    np.testing.assert_equal(mirrored.backstop_equity(), state.backstop_equity())
    assert mirrored.backstop_inventory() == state.backstop_inventory()
    require_same_fleet(replica.fleet(max_age_s=-1.0), engine)


def require_same_fleet(fleet: Glimpse, engine: Engine) -> None:
    """Hold every row in use against the engine's, at its place."""
    state = engine.state
    assert (fleet.position, fleet.time_ms) == (engine.position, state.time_ms)
    assert fleet.units == state.book.units_count
    assert fleet.positions == state.book.positions.used
    assert fleet.vault == tuple(state.book.vault)
    tables, own = fleet.tables, state.tables()
    np.testing.assert_array_equal(tables.units, own.units)
    np.testing.assert_array_equal(tables.prices, own.prices)
    for unit in own.units:
        for name in ("positions", "balances"):
            first = int(unit[f"{name}_start"])
            rows = slice(first, first + int(unit[f"{name}_count"]))
            np.testing.assert_array_equal(
                getattr(tables, name)[rows], getattr(own, name)[rows], strict=True
            )
