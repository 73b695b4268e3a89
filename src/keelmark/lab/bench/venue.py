"""The venue of the benchmarks: 200 perpetuals, eight tiers, a settle coin with a price, bitcoin.

A lot is worth ten to a hundred units of the settle coin, a tick is at most a tenth of a basis
point, and a lot times a tick is a hundred quanta.
"""

from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from keelmark.lab.bench.values import MILLION
from keelmark.rulebooks import Rulebook
from keelmark.rulebooks.build import liquidation_rules, margin_model
from keelmark.rulebooks.document import RulebookDocument

Floats = npt.NDArray[np.float64]

QUANTUM = 1e-6
COIN_QUANTUM = 1e-8
COIN_PRICE = 6e4
FLOORS = (0, 50_000, 250_000, 1_000_000, 5_000_000, 20_000_000, 50_000_000, 100_000_000)
RATES = ("0.004", "0.005", "0.01", "0.025", "0.05", "0.1", "0.125", "0.25")
WEIGHTS = (("0", "0.95"), ("5", "0.9"), ("20", "0.8"), ("100", "0.6"))
"""Bitcoin collateral: from how many coins on it counts for how much."""

WATERFALL = {
    "taker_fee": "0.0005",
    "clearance_fee": "0.002",
    "deleverage": "queue_leverage_profit",
    "socialise": "pro_rata_profit",
    "reduce": {"price_limit": "bankruptcy", "buffer": "0.1"},
    "insurance": {"window_share": "0.5", "surplus_share": "0.5"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What a fleet looks like.

    Attributes:
        units: Accounts, each with one cross unit.
        contracts: Perpetuals.
        positions_mean: Positions a unit, one plus a Poisson number.
        coins: Share of the units with bitcoin as collateral.
        debts: Share of the units that owe bitcoin.
        is_priced: Whether the settle coin has a price; else there is one asset and it is money.
        stages: Stages of the liquidation process.
        seed: Of everything drawn.
    """

    units: int = MILLION
    contracts: int = 200
    positions_mean: float = 5.0
    coins: float = 0.30
    debts: float = 0.02
    is_priced: bool = True
    stages: tuple[str, ...] = ("cancel_orders", "convert_collateral", "reduce", "takeover")
    seed: int = 7

    def __str__(self) -> str:
        held = f"{self.units:,} units, {self.positions_mean:g} positions each on average"
        market = f"{self.contracts} linear perpetuals with {len(FLOORS)} tiers"
        if not self.is_priced:
            return f"{held}; {market}; one collateral asset"
        collateral = f"{self.coins:.0%} with bitcoin collateral, {self.debts:.0%} owe bitcoin"
        return f"{held}; {market}; {collateral}; the settle coin has a price"


SINGLE_ASSET: dict[str, Any] = {"coins": 0.0, "debts": 0.0, "is_priced": False}


def price_units(shape: Shape) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the opening ticks and the decimal exponent of the price unit of each contract."""
    rng = np.random.default_rng(np.random.SeedSequence([shape.seed, 0]))
    ticks = np.floor(10 ** rng.uniform(5, 6, shape.contracts)).astype(np.int64)
    return ticks, rng.integers(-8, 0, shape.contracts)


def bench_rulebook(shape: Shape) -> Rulebook:
    """Return the rules of the venue."""
    _, exponents = price_units(shape)
    assets: dict[str, Any] = {"USDT": {"quantum": "0.000001"}}
    if shape.is_priced:
        weights = [{"floor": floor, "weight": weight} for floor, weight in WEIGHTS]
        assets["BTC"] = {"quantum": "0.00000001", "weights": weights}
    tiers = [{"floor": str(f), "rate": r} for f, r in zip(FLOORS, RATES, strict=True)]
    document = msgspec.convert(
        {
            "name": "bench",
            "date": "2026-01",
            "read": "2026-01-01",
            "source": "drawn for benchmarks",
            "valuation": "USD" if shape.is_priced else "USDT",
            "liquidation_end": "1.1",
            "assets": assets,
            "tables": {"eight": {"rows": tiers}},
            "instruments": {
                f"C{row:03}": _contract(row, exponent)
                for row, exponent in enumerate(exponents.tolist())
            },
            "liquidation": {**WATERFALL, "stages": list(shape.stages)},
        },
        RulebookDocument,
        strict=False,
    )
    return Rulebook(
        document=document,
        model=margin_model(document),
        liquidation=liquidation_rules(document.liquidation),
    )


def _contract(row: int, exponent: int) -> dict[str, str]:
    return {
        "kind": "linear_perpetual",
        "base": f"B{row:03}",
        "settle": "USDT",
        "lot": f"1e{-exponent - 4}",
        "price_unit": f"1e{exponent}",
        "table": "eight",
    }
