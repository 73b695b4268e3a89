"""A venue in the middle of a small crash, served with its page over a real socket."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

import httpx
import numpy as np
from playwright._impl._api_structures import SetCookieParam

from keelmark.service.api.server import Place, server_of
from keelmark.service.security.roles import Role
from tests.engine.market_of_all import EVERYTHING
from tests.engine.venue import Venue
from tests.service.api.venue_app import ApiVenue

START_S = 10.0


@dataclass(frozen=True, slots=True)
class Served:
    """A running service.

    Attributes:
        api: The venue, its application and its keys.
        base: Where it listens.
    """

    api: ApiVenue
    base: str

    def cookies(self, role: Role) -> list[SetCookieParam]:
        """Sign in; return what a browser then keeps."""
        answer = self.ask("POST", "/session", {"key": self.api.texts[role]})
        return [{"name": n, "value": v, "url": self.base} for n, v in answer.cookies.items()]

    def ask(self, method: str, path: str, body: object = None) -> httpx.Response:
        """Ask as a risk admin."""
        headers = {"Authorization": f"Bearer {self.api.texts[Role.RISK_ADMIN]}"}
        if path == "/session":
            headers = {"X-Keelmark": "1", "Origin": self.base}
        return httpx.request(method, self.base + path, json=body, headers=headers, timeout=30)


NAMES = ("harbour", "meridian", "south desk", "volga", "kestrel", "lantern", "arbor", "pelican")
OPENED = {"BTCUSDT": 120_000.0, "ETHUSDT": 4_300.0, "index_ETH": 4_300.0, "BTCDEC": 120_500.0}
COLLATERAL = {"asset_BTC": 120_000.0, "asset_USDC": 1.0, "BTCUSD": 120_000.0, "BTCUSDC": 120_000.0}
MILLION = 10**6
FALL = 0.0125
STEPS = 12


def a_crash() -> Venue:
    """Return a venue where prices fell by a seventh: some were liquidated, others are close."""
    venue = Venue(base=EVERYTHING)
    venue.check = lambda **_: None  # type: ignore[method-assign]  # the engine's own tests do
    venue.stream([{**OPENED, **COLLATERAL}])
    venue.deposit(venue.state.fund_of(-1), 250_000 * MILLION)
    venue.deposit(venue.state.backstop, 250_000 * MILLION)
    rng = np.random.default_rng(10)
    alice = venue.open("alice", USDT=42_000 * MILLION)
    _trade(venue, alice, {"BTCUSDT": 2.5, "ETHUSDT": -12.0})
    venue.open("empty", USDT=1_000 * MILLION)
    venue.open("bare")
    for name in (*NAMES, *(f"client {n}" for n in range(24))):
        unit = venue.open(name, USDT=int(rng.uniform(9_000, 40_000)) * MILLION)
        side = 1 if rng.random() < 0.7 else -1
        size = side * float(rng.uniform(0.4, 1.4))
        _trade(venue, unit, {"BTCUSDT": size, "ETHUSDT": side * float(rng.uniform(2, 14))})
    for step in range(1, STEPS + 1):
        venue.stream([{name: price * (1 - FALL * step) for name, price in OPENED.items()}])
    return venue


def _trade(venue: Venue, unit: int, sizes: dict[str, float]) -> None:
    for symbol, size in sizes.items():
        contract = venue.state.universe.instrument(venue.row(symbol))
        lots, ticks = size / float(contract.lot), OPENED[symbol] / float(contract.price_unit)
        venue.trade(unit, venue.state.liquidity, symbol, round(lots), round(ticks))


@contextmanager
def served(folder: Path) -> Iterator[Served]:
    """Serve the crash until the block ends."""
    api = ApiVenue(folder, venue=a_crash(), with_views=True)
    server = server_of(api.app, Place(port=0), api.services.settings.limits)
    thread = Thread(target=lambda: asyncio.run(server.serve()), daemon=True)
    thread.start()
    for _ in range(int(START_S / 0.01)):
        if server.started:
            break
        thread.join(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield Served(api, f"http://127.0.0.1:{port}")
    server.should_exit = True
    thread.join(START_S)
