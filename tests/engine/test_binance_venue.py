"""An engine on Binance's rulebooks: warned at 80 %, then reduced by a bracket."""

import numpy as np
import pytest

from keelmark.core.bound import FactorKind
from keelmark.engine import commands as c
from keelmark.engine import events as e
from keelmark.engine.codec import event_of
from keelmark.engine.engine import Engine
from keelmark.rulebooks import load_rulebook

USDT = 10**8
"""Quanta."""


class Market:
    """Marks of BTCUSDT, one engine, one account against the rest of the market."""

    def __init__(self, venue: str) -> None:
        self.engine = Engine(load_rulebook(venue))
        self.state = self.engine.state
        self.time = 0
        self.instrument = self.state.universe.symbols.index("BTCUSDT")
        self.asset = self.state.universe.assets.index("USDT")

    def mark(self, price: float, seconds: int = 1) -> None:
        self.time += seconds * 1000
        factors = [
            (row, price if factor.name == "BTCUSDT" else 1.0)
            for row, factor in enumerate(self.state.universe.factors)
            if factor.name == "BTCUSDT" or factor.kind is FactorKind.ASSET
        ]
        self.engine.submit_marks(
            e.MarksSet(
                times_ms=np.array([self.time]),
                offsets=np.array([0, len(factors)]),
                factors=np.array([row for row, _ in factors], np.int32),
                prices=np.array([price for _, price in factors], float),
            )
        )

    def opened(self, name: str, cash: int) -> int:
        self.engine.submit(c.OpenAccount(name=name))
        unit = int(self.state.book.cross_unit(self.state.names[name]))
        self.engine.submit(c.Deposit(unit=unit, asset=self.asset, quanta=cash * USDT))
        return unit

    def events(self) -> list[object]:
        return [event_of(r) for batch in self.engine.journal.read(after=0) for r in batch[1]]


@pytest.mark.parametrize("venue", ["binance-usdm@2025-06", "binance-usdm-multi@2025-06"])
def test_a_whale_is_warned_and_then_reduced_by_a_bracket(venue: str) -> None:
    market = Market(venue)
    market.mark(100_000.0)
    whale, other = market.opened("whale", 1_050_000), market.opened("other", 50_000_000)
    market.engine.submit(
        c.Fill(
            unit=whale,
            counterparty=other,
            instrument=market.instrument,
            lots=130_000,  # 130 BTC: 13 M, in the bracket above 12 M
            ticks=1_000_000,
            leverage=2500,
        )
    )
    market.mark(92_850.0)  # maintenance is 91 % of equity
    assert [type(x) for x in market.events() if isinstance(x, e.Warned)] == [e.Warned]
    market.mark(92_700.0)  # equity 101,000 or a little less, maintenance 109,570
    started = [x for x in market.events() if isinstance(x, e.LiquidationStarted)]
    assert [x.unit for x in started] == [whale]
    (held,) = market.state.report(whale).positions
    assert held.maintenance.tier == 3  # 3 M to 12 M
    assert held.notional == pytest.approx(12_000_000, rel=1e-4)
