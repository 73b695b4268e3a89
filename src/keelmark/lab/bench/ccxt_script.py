"""What a user of ccxt does today: its parsers on the venue's raw answers, the rest by hand.

ccxt reads Binance's answers into its own structures, offline: markets and brackets once, positions
and balance at each look. Equity, maintenance, the margin ratio and a closed form on the present
bracket for each liquidation price are then floats by hand. It gives no other brackets, no joint
move, no reasons and no exact digit; it is there for scale.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from keelmark.core.rules import RuleParameters

Payload = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class HandFigures:
    """What the script comes to, in floats."""

    equity: float
    maintenance: float
    ratio: float
    prices: Sequence[float]


@dataclass(frozen=True, slots=True)
class CcxtScript:
    """ccxt's exchange with its markets and leverage tiers read.

    Attributes:
        exchange: `ccxt.binanceusdm`, offline.
        tiers: By ccxt's symbol: floor, maintenance rate and deduction of each bracket.
    """

    exchange: Any
    tiers: Mapping[str, Sequence[tuple[float, float, float]]]

    @classmethod
    def of(cls, symbols: Sequence[str], table: RuleParameters) -> "CcxtScript | None":
        """Return the script for symbols that share a table; `None` where ccxt is not installed."""
        try:
            ccxt: Any = import_module("ccxt")
        except ModuleNotFoundError:
            return None
        exchange = ccxt.binanceusdm()
        exchange.set_markets([exchange.parse_market(_listing(symbol)) for symbol in symbols])
        brackets = [{"symbol": symbol, "brackets": _brackets(table)} for symbol in symbols]
        parsed = exchange.parse_leverage_tiers(brackets, None, "symbol")
        tiers = {
            symbol: [
                (t["minNotional"], t["maintenanceMarginRate"], float(t["info"]["cum"]))
                for t in rows
            ]
            for symbol, rows in parsed.items()
        }
        return cls(exchange, tiers)

    def figures(self, positions: Payload, balances: Payload) -> HandFigures:
        """Return the figures of an account from the venue's answers."""
        parse = self.exchange.parse_position_risk
        held = [parse(row) for row in positions]
        balance = self.exchange.parse_balance_custom(balances, "linear")
        equity = balance["USDT"]["total"] + sum(p["unrealizedPnl"] for p in held)
        rows = [self._bracket(p) for p in held]
        needed = [p["notional"] * rate - cum for p, (rate, cum) in zip(held, rows, strict=True)]
        maintenance = sum(needed)
        prices = []
        for position, amount, (rate, cum) in zip(held, needed, rows, strict=True):
            side = 1.0 if position["side"] == "long" else -1.0
            size = position["contracts"] * side
            rest = equity - (maintenance - amount) + cum - size * position["markPrice"]
            prices.append(rest / (abs(size) * rate - size))
        return HandFigures(equity, maintenance, maintenance / equity, prices)

    def _bracket(self, position: Mapping[str, Any]) -> tuple[float, float]:
        """Return rate and deduction at the present notional."""
        rows = self.tiers[position["symbol"]]
        inside = [row for row in rows if row[0] < position["notional"]] or [rows[0]]
        return inside[-1][1:]


def answers(held: Mapping[str, Any]) -> tuple[Payload, Payload]:
    """Return an account document's positions and balance as Binance answers them."""
    positions = []
    for row in held["positions"]:
        size, mark, entry = (float(row[key]) for key in ("size", "mark_price", "entry_price"))
        positions.append(
            {
                "symbol": row["instrument"],
                "positionSide": "BOTH",
                "positionAmt": row["size"],
                "entryPrice": row["entry_price"],
                "markPrice": row["mark_price"],
                "unRealizedProfit": f"{size * (mark - entry):.8f}",
                "liquidationPrice": "0",
                "isolatedMargin": "0",
                "isolatedWallet": "0",
                "notional": f"{size * mark:.8f}",
                "leverage": row["leverage"],
                "marginType": "cross",
                "updateTime": 1_760_000_000_000,
            }
        )
    (cash,) = held["collateral"]
    balances = [{"asset": cash["asset"], "balance": cash["balance"], "availableBalance": "0"}]
    return positions, balances


def _listing(symbol: str) -> dict[str, Any]:
    """Return a contract as Binance's exchangeInfo lists it."""
    return {
        "symbol": symbol,
        "pair": symbol,
        "contractType": "PERPETUAL",
        "deliveryDate": 4_133_404_800_000,
        "status": "TRADING",
        "baseAsset": symbol.removesuffix("USDT"),
        "quoteAsset": "USDT",
        "marginAsset": "USDT",
        "pricePrecision": 2,
        "quantityPrecision": 3,
        "filters": [],
    }


def _brackets(table: RuleParameters) -> list[dict[str, Any]]:
    """Return a table as Binance's leverageBracket answers it."""
    caps = [*table.floors[1:], None]
    rows = zip(table.floors, caps, table.rates, table.deductions, strict=True)
    return [
        {
            "bracket": number,
            "initialLeverage": 10,
            "notionalFloor": str(floor),
            "notionalCap": None if cap is None else str(cap),
            "maintMarginRatio": str(rate),
            "cum": str(cum),
        }
        for number, (floor, cap, rate, cum) in enumerate(rows, start=1)
    ]
