"""An account under a million scenarios, against the same formulas by numpy a position at a time."""

import math
from decimal import Decimal

import numpy as np

from keelmark.accounts.account import build_account
from keelmark.accounts.document import read_document
from keelmark.core.margin import maintenance_excess
from keelmark.lab.bench.rescue import DATA, account_of
from keelmark.lab.bench.timing import Stopwatch, timed
from keelmark.lab.bench.values import MILLION, Row, Size
from keelmark.lab.bench.watched import require
from keelmark.risk.revaluation import UnitValuer
from keelmark.risk.revaluation.kernel import ERROR
from keelmark.risk.revaluation.moved import after_scenario
from keelmark.risk.revaluation.tables import Floats, Tables
from keelmark.risk.scenarios import Scenarios, Shocks

SEED = 20251010
CORE_ROWS = 50
"""Scenarios that core values too."""

OPTIONS = ("60000-C", "50000-C", "50000-P", "40000-P", "70000-C", "30000-P", "55000-C", "45000-P")
BYBIT = "bybit-uta@2025-09"


def revaluation_rows(size: Size) -> list[Row]:
    """Value twenty positions, and eight options, under joint returns; compare with numpy, core."""
    count = size.times(MILLION, 2_000)
    valuer = linear_unit()
    draw = np.random.default_rng(SEED)
    returns = np.expm1(draw.normal(scale=0.05, size=(count, len(valuer.coins))))
    excess = valuer.excess(returns)
    by_numpy, slow = Stopwatch(cold=1), np.empty(0)
    for _ in range(size.times(5, 1) + 1):
        with by_numpy:
            slow = numpy_excess(valuer, returns)
    scale = np.abs(slow).max() + float(np.abs(valuer.now).max())
    require(np.abs(excess - slow) <= ERROR * 100 * scale, "the excess by kernel and by numpy")
    require_core(valuer, returns, excess)
    watch = timed(lambda: valuer.excess(returns), size.times(9, 2))
    options = option_unit()
    one_coin = np.expm1(draw.normal(scale=0.05, size=(count, 1)))
    require_core(options, one_coin, options.excess(one_coin))
    repriced = timed(lambda: options.excess(one_coin), size.times(5, 1))
    return [
        Row(
            name="revaluation",
            what=f"the excess of an account under {MILLION:,} joint scenarios, all threads",
            value=watch.median,
            unit="s",
            bar=size.bar("<=", 0.5, units=None),
            ratio=by_numpy.median / watch.median,
            against="numpy, a position at a time over all scenarios",
            timings=watch.timings(1.0),
            data=DATA,
            checked=f"numpy on every scenario; the core on {CORE_ROWS}",
        ),
        Row(
            name="revaluation_options",
            what=f"the same of {len(OPTIONS)} options and a perpetual on one coin: Black-76 each",
            value=repriced.median,
            unit="s",
            timings=repriced.timings(1.0),
            data=f"{BYBIT}, four calls and four puts, shorts by standard margin",
            checked=f"the core on {CORE_ROWS}",
        ),
    ]


def linear_unit() -> UnitValuer:
    """Return twenty linear positions, compiled."""
    account = account_of(0)
    return UnitValuer.of(account, account.units[0])


def option_unit() -> UnitValuer:
    """Return options on both sides and a perpetual, compiled."""
    rows = [
        {
            "instrument": f"BTC-27DEC24-{name}-USDT",
            "size": str((-1) ** number * (1 + number)),
            "entry_price": "1500",
            "mark_price": "1500",
            "implied_volatility": "0.6",
        }
        for number, name in enumerate(OPTIONS)
    ]
    perpetual = {
        "instrument": "BTCUSDT",
        "size": "2",
        "entry_price": "50000",
        "mark_price": "50000",
    }
    content = {
        "venue": BYBIT,
        "as_of": "2024-11-27T08:00:00Z",
        "collateral": [{"asset": "USDT", "balance": "300000"}],
        "prices": {"BTC": "50000", "BTC-27DEC24": "50000", "USDT": "1"},
        "positions": [*rows, perpetual],
    }
    account = build_account(read_document(content, title="options"))
    return UnitValuer.of(account, account.units[0])


def require_core(valuer: UnitValuer, returns: Floats, excess: Floats) -> None:
    """Refuse figures that core does not find."""
    some = np.linspace(0, len(returns) - 1, CORE_ROWS).astype(int)
    scenarios = Scenarios(returns=Shocks(names=valuer.coins, values=returns[some]))
    exact = []
    for row in range(len(some)):
        market, unit = after_scenario(valuer.unit, valuer.market, valuer.model, scenarios, row)
        exact.append(float(maintenance_excess(unit, market, valuer.model, Decimal(1))))
    wrong = np.abs(excess[some] - np.array(exact))
    require(wrong <= 1e-9 * (1.0 + np.abs(exact)), "the excess by kernel and by core")


def numpy_excess(valuer: UnitValuer, returns: Floats) -> Floats:
    """Return the excess of linear contracts in one asset at par, the plain way."""
    tables: Tables | None = valuer.tables
    if tables is None or math.isfinite(tables.cap):
        return np.empty(0)
    total = np.full(len(returns), float(tables.assets["cash"].sum()))
    for leg in tables.legs:
        value = leg["value"] * (1.0 + returns[:, leg["coin"]])
        rows = tables.rows[leg["row_start"] : leg["row_start"] + leg["row_count"]]
        notional = np.abs(value)
        at = np.searchsorted(rows["floor"][1:], notional, side="left")
        total += value - leg["cost"]
        total -= notional * rows["rate"][at] - rows["deduction"][at]
    return total
