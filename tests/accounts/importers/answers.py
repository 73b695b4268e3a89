"""Answers of venues' interfaces, in the shapes their documentation prints, with own figures."""

from typing import Any

BINANCE_ACCOUNT: dict[str, Any] = {
    "multiAssetsMargin": False,
    "totalInitialMargin": "612.50000000",
    "totalMaintMargin": "49.00000000",
    "totalMarginBalance": "2240.00000000",
    "totalCrossWalletBalance": "2000.00000000",
    "availableBalance": "1627.50000000",
    "maxWithdrawAmount": "1387.50000000",
    "assets": [
        {"asset": "BNB", "walletBalance": "0.50000000", "crossWalletBalance": "0.50000000"},
        {"asset": "BTC", "walletBalance": "0.00000000", "crossWalletBalance": "0.00000000"},
        {"asset": "USDT", "walletBalance": "2060.00000000", "crossWalletBalance": "2000.00000000"},
    ],
    "positions": [
        {
            "symbol": "BTCUSDT",
            "positionSide": "BOTH",
            "positionAmt": "0.200",
            "entryPrice": "60000.0",
            "unrealizedProfit": "250.00000000",
            "leverage": "20",
            "isolated": False,
            "initialMargin": "612.50000000",
            "maintMargin": "49.00000000",
        },
        {
            "symbol": "DOGEUSDT",
            "positionSide": "BOTH",
            "positionAmt": "-1000",
            "entryPrice": "0.25",
            "unrealizedProfit": "-10.00000000",
            "leverage": "5",
            "isolated": True,
            "isolatedWallet": "60.00000000",
            "notional": "-260.00000000",
        },
        {"symbol": "ETHUSDT", "positionSide": "BOTH", "positionAmt": "0", "entryPrice": "0.0"},
    ],
}

BINANCE_RISK: list[dict[str, Any]] = [
    {
        "symbol": "BTCUSDT",
        "positionSide": "LONG",
        "positionAmt": "0.300",
        "entryPrice": "60000.0",
        "markPrice": "61000.00000000",
        "unRealizedProfit": "300.00000000",
        "liquidationPrice": "0",
        "leverage": "20",
        "marginType": "cross",
        "isolatedMargin": "0.00000000",
        "isolatedWallet": "0",
        "notional": "18300.00000000",
    },
    {
        "symbol": "BTCUSDT",
        "positionSide": "SHORT",
        "positionAmt": "-0.100",
        "entryPrice": "62000.0",
        "markPrice": "61000.00000000",
        "unRealizedProfit": "100.00000000",
        "liquidationPrice": "0",
        "leverage": "20",
        "marginType": "cross",
        "isolatedMargin": "0.00000000",
        "isolatedWallet": "0",
        "notional": "-6100.00000000",
    },
]

BINANCE_BALANCE: list[dict[str, Any]] = [
    {"accountAlias": "x", "asset": "USDT", "balance": "5000.0", "crossWalletBalance": "5000.0"},
]

BINANCE_ORDERS: list[dict[str, Any]] = [
    {
        "orderId": 1,
        "symbol": "BTCUSDT",
        "side": "SELL",
        "positionSide": "BOTH",
        "price": "70000",
        "stopPrice": "0",
        "origQty": "0.300",
        "executedQty": "0.100",
        "reduceOnly": False,
        "closePosition": False,
    },
    {
        "orderId": 2,
        "symbol": "BTCUSDT",
        "side": "SELL",
        "positionSide": "BOTH",
        "price": "0",
        "stopPrice": "0",
        "origQty": "0.100",
        "executedQty": "0",
        "reduceOnly": False,
        "closePosition": False,
    },
]


def bybit(rows: list[dict[str, Any]], **result: object) -> dict[str, Any]:
    return {
        "retCode": 0,
        "retMsg": "OK",
        "result": {"list": rows, **result},
        "time": 1760130000000,
    }


BYBIT_WALLET = bybit(
    [
        {
            "accountType": "UNIFIED",
            "totalMarginBalance": "15000.00",
            "totalInitialMargin": "3100.00",
            "totalMaintenanceMargin": "320.00",
            "totalAvailableBalance": "11900.00",
            "coin": [
                {
                    "coin": "USDT",
                    "walletBalance": "10000.5000",
                    "equity": "10250.5000",
                    "usdValue": "10249.47495",
                    "spotBorrow": "0",
                    "accruedInterest": "0",
                    "collateralSwitch": True,
                    "marginCollateral": True,
                },
                {
                    "coin": "ETH",
                    "walletBalance": "0",
                    "equity": "-1.5000",
                    "usdValue": "-4500.00",
                    "spotBorrow": "1.5",
                    "accruedInterest": "0.001",
                    "collateralSwitch": True,
                    "marginCollateral": True,
                },
                {
                    "coin": "DOGE",
                    "walletBalance": "1000",
                    "equity": "1000.000",
                    "usdValue": "250.00",
                    "spotBorrow": "0",
                    "collateralSwitch": False,
                    "marginCollateral": True,
                },
                {"coin": "BTC", "walletBalance": "0", "equity": "0", "usdValue": "0"},
            ],
        },
    ],
)

BYBIT_POSITIONS = bybit(
    [
        {
            "positionIdx": 2,
            "symbol": "ETHUSDT",
            "side": "Sell",
            "size": "5.0",
            "avgPrice": "3000.00",
            "positionValue": "15000",
            "tradeMode": 0,
            "leverage": "5",
            "positionBalance": "3000.00",
            "markPrice": "2950.00",
            "liqPrice": "",
            "bustPrice": "",
            "positionMM": "300.00",
            "positionIM": "3000.00",
            "unrealisedPnl": "250.00",
        },
        {
            "positionIdx": 0,
            "symbol": "SOLUSDT",
            "side": "",
            "size": "0",
            "avgPrice": "0",
            "positionValue": "0",
            "liqPrice": "",
        },
    ],
    nextPageCursor="",
    category="linear",
)
