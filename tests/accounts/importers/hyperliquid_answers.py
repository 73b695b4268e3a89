"""Answers of Hyperliquid: the documented samples, and figures of one live account.

MIXED: a public account of 2026-07-29 with a cross short and an isolated long at once, its perps
state only; its cross liquidation price holds for the balance in spot, which the state lacks. SPOT
has the documented shape, the one balance that price holds for, and what maintenance and the
isolated margin leave of it.
"""

from typing import Any

MIXED: dict[str, Any] = {
    "assetPositions": [
        {
            "type": "oneWay",
            "position": {
                "coin": "HYPE",
                "szi": "-2000.0",
                "entryPx": "57.1359",
                "positionValue": "108342.0",
                "unrealizedPnl": "5929.91487",
                "marginUsed": "21668.4",
                "liquidationPx": "426.1797710395",
                "maxLeverage": 10,
                "leverage": {"type": "cross", "value": 5},
            },
        },
        {
            "type": "oneWay",
            "position": {
                "coin": "CASHCAT",
                "szi": "1000000.0",
                "entryPx": "0.053751",
                "positionValue": "46910.0",
                "unrealizedPnl": "-6841.452781",
                "marginUsed": "30589.794971",
                "liquidationPx": "0.019584246",
                "maxLeverage": 3,
                "leverage": {"type": "isolated", "value": 2, "rawUsd": "-16320.205029"},
            },
        },
    ],
    "crossMaintenanceMarginUsed": "5417.1",
    "crossMarginSummary": {
        "accountValue": "20348.018132",
        "totalMarginUsed": "21668.4",
        "totalNtlPos": "108342.0",
        "totalRawUsd": "128690.018132",
    },
    "marginSummary": {
        "accountValue": "50937.813103",
        "totalMarginUsed": "52258.194971",
        "totalNtlPos": "155252.0",
        "totalRawUsd": "112369.813103",
    },
    "time": 1785377282053,
    "withdrawable": "0.0",
}

SPOT: dict[str, Any] = {
    "balances": [
        {
            "coin": "USDC",
            "token": 0,
            "hold": "52258.0",
            "total": "817225.31415395",
            "entryNtl": "0.0",
        },
        {"coin": "HYPE", "token": 150, "hold": "0.0", "total": "12.5", "entryNtl": "700.0"},
        {"coin": "PURR", "token": 1, "hold": "0.0", "total": "0.0", "entryNtl": "0.0"},
    ],
    "tokenToAvailableAfterMaintenance": [[0, "781218.41918295"]],
}

META: list[Any] = [
    {
        "universe": [
            {"name": "BTC", "szDecimals": 5, "maxLeverage": 40, "marginTableId": 56},
            {"name": "HYPE", "szDecimals": 2, "maxLeverage": 10, "marginTableId": 52},
            {"name": "CASHCAT", "szDecimals": 0, "maxLeverage": 3, "marginTableId": 3},
            {"name": "LOOM", "szDecimals": 1, "maxLeverage": 3, "isDelisted": True},
        ],
        "marginTables": [
            [
                52,
                {
                    "description": "tiered 10x (2)",
                    "marginTiers": [
                        {"lowerBound": "0.0", "maxLeverage": 10},
                        {"lowerBound": "20000000.0", "maxLeverage": 5},
                    ],
                },
            ],
        ],
        "collateralToken": 0,
    },
    [
        {"markPx": "64706.0", "oraclePx": "64716.0", "midPx": None},
        {"markPx": "54.171", "oraclePx": "54.17", "midPx": "54.17"},
        {"markPx": "0.04691", "oraclePx": "0.0469", "midPx": None},
        {"markPx": "0.05", "oraclePx": "0.05", "midPx": None},
    ],
]

ORDERS: list[dict[str, Any]] = [
    {
        "coin": "BTC",
        "isTrigger": False,
        "limitPx": "60000.0",
        "oid": 91490942,
        "orderType": "Limit",
        "origSz": "0.5",
        "reduceOnly": False,
        "side": "B",
        "sz": "0.2",
        "timestamp": 1785377000000,
    },
    {
        "coin": "HYPE",
        "isTrigger": True,
        "limitPx": "70.0",
        "oid": 91490943,
        "orderType": "Stop Market",
        "origSz": "10",
        "reduceOnly": True,
        "side": "B",
        "sz": "10",
        "timestamp": 1785377000000,
    },
    {
        "coin": "@107",
        "isTrigger": False,
        "limitPx": "50.0",
        "oid": 91490944,
        "orderType": "Limit",
        "origSz": "10",
        "reduceOnly": False,
        "side": "A",
        "sz": "10",
        "timestamp": 1785377000000,
    },
]


def state(*positions: dict[str, Any], raw: str, value: str, **more: object) -> dict[str, Any]:
    """Return a clearinghouse state of these positions."""
    summary = {"accountValue": value, "totalRawUsd": raw, "totalMarginUsed": "0.0"}
    return {
        "assetPositions": [{"type": "oneWay", "position": p} for p in positions],
        "crossMarginSummary": summary,
        "marginSummary": summary,
        "time": 1785377282053,
        **more,
    }
