"""Every venue's own rulebook in the engine: a fall, its waterfall, and every law after it."""

from dataclasses import replace
from decimal import Decimal

import pytest

from keelmark.core.errors import MissingTable
from keelmark.engine import events as e
from keelmark.engine.auditor import Auditor
from keelmark.engine.engine import Engine, Settings
from keelmark.rulebooks import Rulebook, load_rulebook
from tests.engine.venue import Venue

FALLS = [0.97, 0.95, 0.94, 0.93, 0.9, 0.8]


def venue_of(rulebook: Rulebook) -> Venue:
    """Return an audited engine of a built-in rulebook."""
    venue = Venue.__new__(Venue)
    venue.spec, venue.rulebook = {}, rulebook
    venue.auditor, venue.events, venue.commands = Auditor(), [], 0
    settings = replace(Settings(), witness=venue.auditor)
    venue.engine = Engine(rulebook, settings=settings, listener=venue.events.append)
    return venue


def set_prices(venue: Venue, prices: dict[str, float], *, after_ms: int = 1000) -> None:
    """Set prices at one instant, as `Venue.marks` does, of names that no keyword can have."""
    venue.stream([prices], after_ms=after_ms)


def crashed(
    name: str, symbol: str, price: float, *, size: str, side: int, leverage: int, assets: list[str]
) -> tuple[Venue, int]:
    """Return a venue after a move against a unit that opened at about `leverage`."""
    rulebook = load_rulebook(name)
    if symbol not in rulebook.model.instruments:
        rulebook = rulebook.with_terms(rulebook.terms_for(symbol))
    venue = venue_of(rulebook)
    terms = rulebook.model.instrument(symbol)
    instrument = terms.instrument
    prices = {symbol: price, **{f"asset_{asset}": 1.0 for asset in assets}}
    if terms.margin_price.value == "index":
        prices[f"index_{instrument.index}"] = price
    set_prices(venue, prices)
    quantum = rulebook.model.asset(instrument.settle).quantum
    worth = abs(instrument.value(Decimal(size), Decimal(str(price))))
    units = {}
    for owner, share in (("unit", 1 / leverage), ("winner", 10.0)):
        units[owner] = venue.open(owner, **{instrument.settle: int(float(worth / quantum) * share)})
    lots = side * int(Decimal(size) / instrument.lot)
    ticks = int(Decimal(str(price)) / instrument.price_unit)
    venue.trade(units["unit"], units["winner"], symbol, lots, ticks)
    for fall in FALLS:
        moved = price * (fall if side > 0 else 2 - fall)
        now = {symbol: moved}
        if terms.margin_price.value == "index":
            now[f"index_{instrument.index}"] = moved
        set_prices(venue, now, after_ms=20_000)
        venue.check()
    for _ in range(30):
        venue.wait(10)
    return venue, units["unit"]


@pytest.mark.parametrize("side", [1, -1], ids=["long", "short"])
@pytest.mark.parametrize(
    ("name", "symbol", "price", "size", "leverage", "assets"),
    [
        ("hyperliquid", "BTC", 50_000.0, "1", 20, []),
        ("hyperliquid", "BTC", 50_000.0, "20", 20, []),
        ("hyperliquid-unified", "kPEPE", 0.01, "1000000", 8, []),
        ("dydx-v4", "BTC-USD", 50_000.0, "2", 20, []),
        ("bybit-uta@2025-09", "BTCUSDT", 50_000.0, "100", 15, ["USDT", "BTC"]),
        ("bybit-uta@2024-01", "BTCUSDT", 50_000.0, "100", 15, ["USDT", "BTC"]),
        ("deribit-sm", "BTC_USDC-PERPETUAL", 50_000.0, "10", 20, []),
        ("deribit-sm", "BTC-PERPETUAL", 50_000.0, "1000000", 20, []),
        ("derive-sm", "ETH-PERP", 2_000.0, "10", 8, []),
    ],
)
def test_a_fall_ends_positions_and_no_law_is_broken(
    name: str, symbol: str, price: float, size: str, leverage: int, assets: list[str], side: int
) -> None:
    venue, unit = crashed(
        name, symbol, price, size=size, side=side, leverage=leverage, assets=assets
    )
    started = venue.of(e.LiquidationStarted)
    assert started
    assert all(event.unit == unit for event in started)
    assert not venue.state.report(unit).is_liquidatable
    lots = venue.lots(unit, symbol)
    assert lots == 0 or venue.of(e.LiquidationEnded)[-1].outcome == "recovered"
    venue.check(replay=True)


def test_an_engine_without_a_table_is_told_how_to_load_one() -> None:
    with pytest.raises(MissingTable, match="keelmark venues import") as told:
        Engine(load_rulebook("bybit-uta"))
    assert "rulebook file" in str(told.value)
    assert "position" not in str(told.value)
