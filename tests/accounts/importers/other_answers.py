"""Answers of OKX, Deribit and the dYdX indexer, in the documented shapes.

The USDT row of OKX_BALANCE carries the figures of OKX's documentation; other figures are our own.
"""

from typing import Any


def okx(*rows: dict[str, Any]) -> dict[str, Any]:
    return {"code": "0", "data": list(rows), "msg": ""}


OKX_USDT: dict[str, Any] = {
    "availBal": "4834.317093622894",
    "availEq": "4834.3170936228935",
    "borrowFroz": "0",
    "cashBal": "4850.435693622894",
    "ccy": "USDT",
    "crossLiab": "0",
    "disEq": "4991.542013297616",
    "eq": "4992.890093622894",
    "eqUsd": "4991.542013297616",
    "imr": "",
    "interest": "0",
    "isoEq": "0",
    "isoUpl": "0",
    "liab": "0",
    "mgnRatio": "",
    "stgyEq": "150",
    "uTime": "1705449605015",
    "upl": "-7.545600000000006",
}
OKX_ETH: dict[str, Any] = {
    "cashBal": "-1.5",
    "ccy": "ETH",
    "coinUsdPrice": "3000",
    "eq": "-1.501",
    "eqUsd": "-4503",
    "interest": "0.001",
    "liab": "1.501",
    "stgyEq": "0",
    "upl": "0",
}
OKX_BTC: dict[str, Any] = {
    "cashBal": "0",
    "ccy": "BTC",
    "eq": "0.00986339",
    "eqUsd": "601.667",
    "disEq": "571.58365",
    "isoEq": "0.00986339",
    "upl": "-0.00013661",
    "stgyEq": "0",
    "interest": "0",
}
OKX_BALANCE = okx(
    {
        "adjEq": "55415.624719833286",
        "details": [OKX_USDT, OKX_ETH, OKX_BTC, {"ccy": "OKB", "cashBal": "0", "upl": "0"}],
        "imr": "8.57068529",
        "isoEq": "0",
        "mgnRatio": "143682.59776662575",
        "mmr": "0.3428274116",
        "totalEq": "55837.43556134779",
        "uTime": "1760130000000",
    },
)
OKX_CONFIG = okx({"acctLv": "3", "posMode": "net_mode", "autoLoan": False, "uid": "1"})
OKX_POSITIONS = okx(
    {
        "instType": "SWAP",
        "instId": "BTC-USDT-SWAP",
        "avgPx": "60000",
        "markPx": "61000",
        "idxPx": "61010",
        "lever": "10",
        "liqPx": "",
        "margin": "",
        "mgnMode": "cross",
        "mgnRatio": "20",
        "mmr": "24.4",
        "imr": "610",
        "notionalUsd": "6093.9",
        "pos": "10",
        "posSide": "net",
        "upl": "100",
        "ccy": "USDT",
    },
    {
        "instType": "SWAP",
        "instId": "BTC-USD-SWAP",
        "avgPx": "60000",
        "markPx": "61000",
        "idxPx": "61005",
        "lever": "5",
        "liqPx": "130000",
        "margin": "0.01",
        "mgnMode": "isolated",
        "notionalUsd": "500",
        "pos": "-5",
        "posSide": "net",
        "upl": "-0.00013661",
        "ccy": "BTC",
    },
    {
        "instType": "SWAP",
        "instId": "SOL-USDT-SWAP",
        "pos": "0",
        "posSide": "net",
        "mgnMode": "cross",
    },
)
OKX_INSTRUMENTS = okx(
    {
        "instType": "SWAP",
        "instId": "BTC-USDT-SWAP",
        "ctVal": "0.01",
        "ctMult": "1",
        "ctType": "linear",
        "ctValCcy": "BTC",
        "settleCcy": "USDT",
    },
    {
        "instType": "SWAP",
        "instId": "BTC-USD-SWAP",
        "ctVal": "100",
        "ctMult": "1",
        "ctType": "inverse",
        "ctValCcy": "USD",
        "settleCcy": "BTC",
    },
)
OKX_TIERS = okx(
    *(
        {
            "baseMaxLoan": "",
            "imr": "0.01",
            "instFamily": family,
            "instId": "",
            "maxLever": "100",
            "optMgnFactor": "0",
            "quoteMaxLoan": "",
            "uly": family,
            "tier": tier,
            "minSz": smallest,
            "maxSz": largest,
            "mmr": rate,
        }
        for family in ("BTC-USDT", "BTC-USD")
        for tier, smallest, largest, rate in (("2", "9", "90", "0.0052"), ("1", "0", "8", "0.0041"))
    ),
)
OKX_ORDERS = okx(
    {
        "instType": "SWAP",
        "instId": "BTC-USDT-SWAP",
        "ordId": "312269865356374016",
        "side": "sell",
        "px": "70000",
        "sz": "4",
        "accFillSz": "1",
        "reduceOnly": "true",
    },
    {
        "instType": "SPOT",
        "instId": "BTC-USDT",
        "ordId": "2",
        "side": "buy",
        "px": "50000",
        "sz": "1",
        "accFillSz": "0",
    },
)


def deribit(result: object) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "result": result, "usOut": 1760130000000000}


DERIBIT_BTC: dict[str, Any] = {
    "currency": "BTC",
    "balance": 2.1,
    "equity": 2.105,
    "margin_balance": 2.105,
    "initial_margin": 0.05,
    "maintenance_margin": 0.03,
    "available_funds": 2.05,
    "available_withdrawal_funds": 2.0,
    "futures_session_upl": 0.005,
    "futures_session_rpl": 0,
    "options_value": 0,
    "margin_model": "segregated_sm",
    "portfolio_margining_enabled": False,
    "cross_collateral_enabled": False,
}
DERIBIT_SUMMARY = deribit(DERIBIT_BTC)
DERIBIT_POSITIONS = deribit(
    [
        {
            "instrument_name": "BTC-PERPETUAL",
            "kind": "future",
            "direction": "sell",
            "size": -60000,
            "size_currency": -0.98360656,
            "average_price": 60000,
            "mark_price": 61000,
            "index_price": 61010,
            "leverage": 50,
            "initial_margin": 0.02,
            "maintenance_margin": 0.01,
            "floating_profit_loss": 0.002,
            "total_profit_loss": -0.01639344,
            "estimated_liquidation_price": 180000.5,
        },
        {
            "instrument_name": "ETH_USDC-PERPETUAL",
            "kind": "future",
            "direction": "buy",
            "size": 0,
            "average_price": 0,
            "mark_price": 3000,
        },
    ],
)
DERIBIT_ORDERS = deribit(
    [
        {
            "order_id": "ETH-1",
            "instrument_name": "BTC-PERPETUAL",
            "direction": "buy",
            "amount": 1000,
            "filled_amount": 400,
            "price": 55000,
            "order_state": "open",
            "reduce_only": False,
        },
        {
            "order_id": "BTC-2",
            "instrument_name": "BTC-PERPETUAL",
            "direction": "buy",
            "amount": 1000,
            "filled_amount": 0,
            "price": "market_price",
            "order_state": "untriggered",
        },
    ],
)

DYDX_SUBACCOUNT: dict[str, Any] = {
    "subaccount": {
        "address": "dydx1example",
        "subaccountNumber": 0,
        "equity": "10500.5",
        "freeCollateral": "9000",
        "openPerpetualPositions": {
            "BTC-USD": {
                "market": "BTC-USD",
                "status": "OPEN",
                "side": "LONG",
                "size": "0.5",
                "maxSize": "0.5",
                "entryPrice": "110000",
                "realizedPnl": "0",
                "unrealizedPnl": "4350.2713",
                "createdAt": "2025-07-29T05:45:08.000Z",
            },
            "PEPE-USD": {
                "market": "PEPE-USD",
                "status": "OPEN",
                "side": "SHORT",
                "size": "-100000000",
                "entryPrice": "0.00001",
                "unrealizedPnl": "-100",
            },
        },
        "assetPositions": {
            "USDC": {"symbol": "USDC", "side": "SHORT", "size": "47749.7713", "assetId": "0"},
        },
        "marginEnabled": True,
    },
}
DYDX_MARKETS: dict[str, Any] = {
    "markets": {
        "BTC-USD": {
            "ticker": "BTC-USD",
            "status": "ACTIVE",
            "oraclePrice": "118700.5426",
            "initialMarginFraction": "0.02",
            "maintenanceMarginFraction": "0.012",
            "openInterest": "59.0763",
            "marketType": "CROSS",
        },
        "PEPE-USD": {
            "ticker": "PEPE-USD",
            "status": "FINAL_SETTLEMENT",
            "oraclePrice": "0.000011",
            "initialMarginFraction": "0.1",
            "maintenanceMarginFraction": "0.05",
        },
        "ETH-USD": {
            "ticker": "ETH-USD",
            "status": "ACTIVE",
            "oraclePrice": "3800.5",
            "initialMarginFraction": "0.02",
            "maintenanceMarginFraction": "0.012",
        },
    },
}
DYDX_ORDERS: list[dict[str, Any]] = [
    {
        "id": "66390c15-ebad-53f8-86ad-99b3dfedbc85",
        "subaccountId": "8586bcf6-1f58-5ec9-a0bc-e53db273e7b0",
        "side": "BUY",
        "size": "0.5",
        "totalFilled": "0.1",
        "price": "2000",
        "type": "LIMIT",
        "status": "OPEN",
        "reduceOnly": False,
        "ticker": "ETH-USD",
    },
]
