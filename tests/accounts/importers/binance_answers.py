"""Answers of Binance's other futures books, in the documented shapes, with own figures."""

from typing import Any

COINM_ACCOUNT: dict[str, Any] = {
    "assets": [
        {
            "asset": "BTC",
            "walletBalance": "1.50000000",
            "unrealizedProfit": "0.01",
            "crossWalletBalance": "1.45000000",
            "availableBalance": "1.2",
            "updateTime": 1760130000000,
        },
        {"asset": "ADA", "walletBalance": "0.00000000", "crossWalletBalance": "0.00000000"},
    ],
    "positions": [
        {
            "symbol": "BTCUSD_PERP",
            "positionAmt": "-300",
            "initialMargin": "0.025",
            "maintMargin": "0.00200000",
            "unrealizedProfit": "-0.0083333",
            "leverage": "20",
            "isolated": False,
            "positionSide": "BOTH",
            "entryPrice": "60000.0",
            "maxQty": "50",
            "notionalValue": "-0.49180327",
        },
        {"symbol": "ETHUSD_PERP", "positionAmt": "0", "positionSide": "BOTH"},
    ],
    "canDeposit": True,
    "canTrade": True,
    "canWithdraw": True,
    "feeTier": 2,
    "updateTime": 1760130000000,
}

COINM_RISK: list[dict[str, Any]] = [
    {
        "symbol": "BTCUSD_PERP",
        "positionAmt": "-300",
        "entryPrice": "60000.0",
        "breakEvenPrice": "60010.0",
        "markPrice": "61000.00000000",
        "unRealizedProfit": "-0.00819672",
        "liquidationPrice": "0",
        "leverage": "20",
        "maxQty": "50",
        "marginType": "cross",
        "isolatedMargin": "0.00000000",
        "isAutoAddMargin": "false",
        "positionSide": "BOTH",
        "notionalValue": "-0.49180327",
        "isolatedWallet": "0",
        "updateTime": 1760130000000,
    },
    {
        "symbol": "ETHUSD_260626",
        "positionAmt": "50",
        "entryPrice": "3000.0",
        "markPrice": "3100.0",
        "unRealizedProfit": "0.00537634",
        "liquidationPrice": "2500.0",
        "leverage": "10",
        "marginType": "isolated",
        "isolatedMargin": "0.02537634",
        "positionSide": "BOTH",
        "notionalValue": "0.16129032",
        "isolatedWallet": "0.02",
    },
]

COINM_BALANCE: list[dict[str, Any]] = [
    {
        "accountAlias": "x",
        "asset": "BTC",
        "balance": "1.5",
        "withdrawAvailable": "1.2",
        "crossWalletBalance": "1.45",
        "crossUnPnl": "0",
        "availableBalance": "1.2",
        "updateTime": 1760130000000,
    },
]

COINM_BRACKETS: list[dict[str, Any]] = [
    {
        "symbol": "BTCUSD_PERP",
        "notionalCoef": 1.5,
        "brackets": [
            {
                "bracket": 1,
                "initialLeverage": 125,
                "qtyCap": 5,
                "qtylFloor": 0,
                "maintMarginRatio": 0.004,
                "cum": 0.0,
            },
            {
                "bracket": 2,
                "initialLeverage": 100,
                "qtyCap": 10,
                "qtylFloor": 5,
                "maintMarginRatio": 0.005,
                "cum": 0.005,
            },
        ],
    },
]

BRACKETS: list[dict[str, Any]] = [
    {
        "symbol": "BTCUSDT",
        "brackets": [
            {
                "bracket": 2,
                "initialLeverage": 20,
                "notionalCap": 1000000,
                "notionalFloor": 10000,
                "maintMarginRatio": 0.011,
                "cum": 70.0,
            },
            {
                "bracket": 1,
                "initialLeverage": 75,
                "notionalCap": 10000,
                "notionalFloor": 0,
                "maintMarginRatio": 0.004,
                "cum": 0.0,
            },
        ],
    },
]

PM_ACCOUNT: dict[str, Any] = {
    "uniMMR": "5.16792171",
    "accountEquity": "122607.35137903",
    "actualEquity": "73.47428058",
    "accountInitialMargin": "24000.0",
    "accountMaintMargin": "23724.69206",
    "accountStatus": "NORMAL",
    "virtualMaxWithdrawAmount": "1627523.32459208",
    "totalAvailableBalance": "",
    "totalMarginOpenLoss": "",
    "updateTime": 1770130000000,
}

PM_BALANCE: list[dict[str, Any]] = [
    {
        "asset": "USDT",
        "totalWalletBalance": "1300.5",
        "crossMarginAsset": "1000",
        "crossMarginBorrowed": "0",
        "crossMarginFree": "900",
        "crossMarginInterest": "0",
        "crossMarginLocked": "100",
        "umWalletBalance": "300.5",
        "umUnrealizedPNL": "23.7",
        "cmWalletBalance": "0",
        "cmUnrealizedPNL": "",
        "updateTime": 1760130000000,
        "negativeBalance": "0",
    },
    {
        "asset": "BTC",
        "totalWalletBalance": "2.5",
        "crossMarginAsset": "2",
        "crossMarginBorrowed": "1.5",
        "crossMarginFree": "2",
        "crossMarginInterest": "0.001",
        "crossMarginLocked": "0",
        "umWalletBalance": "0",
        "umUnrealizedPNL": "0",
        "cmWalletBalance": "0",
        "cmUnrealizedPNL": "0",
        "updateTime": 1760130000000,
        "negativeBalance": "0",
    },
    {"asset": "ETH", "totalWalletBalance": "0", "crossMarginFree": "0", "umWalletBalance": "0"},
]

PM_UM: list[dict[str, Any]] = [
    {
        "entryPrice": "60000.0",
        "leverage": "10",
        "markPrice": "61000.0",
        "maxNotionalValue": "20000000",
        "positionAmt": "0.200",
        "notional": "12200",
        "symbol": "BTCUSDT",
        "unRealizedProfit": "200.0",
        "liquidationPrice": "6170.2",
        "positionSide": "BOTH",
        "updateTime": 1625474304765,
    },
]

PM_CM: list[dict[str, Any]] = [
    {k: v for k, v in COINM_RISK[0].items() if k not in {"marginType", "isolatedMargin"}},
]

ASSET_INDEX: list[dict[str, Any]] = [
    {
        "symbol": "ADAUSD",
        "time": 1760130000000,
        "index": "1.92957370",
        "bidBuffer": "0.10000000",
        "askBuffer": "0.10000000",
        "bidRate": "1.73661633",
        "askRate": "2.12253107",
    },
]

ACCOUNT_V3: dict[str, Any] = {
    "totalInitialMargin": "612.5",
    "totalMaintMargin": "49",
    "totalMarginBalance": "2240",
    "totalCrossWalletBalance": "2000",
    "availableBalance": "1627.5",
    "maxWithdrawAmount": "1387.5",
    "assets": [{"asset": "USDT", "walletBalance": "2000", "crossWalletBalance": "2000"}],
    "positions": [
        {
            "symbol": "BTCUSDT",
            "positionSide": "BOTH",
            "positionAmt": "0.200",
            "unrealizedProfit": "250.0",
            "isolatedMargin": "0.0",
            "notional": "12250",
            "isolatedWallet": "0",
            "initialMargin": "612.5",
            "maintMargin": "49",
            "updateTime": 1760130000000,
        },
    ],
}

ACCOUNT_CONFIG: dict[str, Any] = {
    "feeTier": 0,
    "canTrade": True,
    "dualSidePosition": False,
    "updateTime": 0,
    "multiAssetsMargin": False,
    "tradeGroupId": -1,
}

SYMBOL_CONFIG: list[dict[str, Any]] = [
    {
        "symbol": "BTCUSDT",
        "marginType": "CROSSED",
        "isAutoAddMargin": "false",
        "leverage": 21,
        "maxNotionalValue": "1000000",
    },
]
