"""What each venue answers to the calls of its plan: a whole account a venue."""

from collections.abc import Mapping
from typing import Any

from tests.accounts.importers.answers import BYBIT_POSITIONS, BYBIT_WALLET, bybit
from tests.accounts.importers.binance_answers import (
    ACCOUNT_CONFIG,
    ACCOUNT_V3,
    ASSET_INDEX,
    BRACKETS,
    COINM_ACCOUNT,
    COINM_BRACKETS,
    COINM_RISK,
    PM_ACCOUNT,
    PM_BALANCE,
    PM_CM,
    PM_UM,
    SYMBOL_CONFIG,
)
from tests.accounts.importers.hyperliquid_answers import META, MIXED, ORDERS, SPOT
from tests.accounts.importers.other_answers import (
    DERIBIT_ORDERS,
    DERIBIT_POSITIONS,
    DERIBIT_SUMMARY,
    DYDX_MARKETS,
    DYDX_ORDERS,
    DYDX_SUBACCOUNT,
    OKX_BALANCE,
    OKX_CONFIG,
    OKX_INSTRUMENTS,
    OKX_ORDERS,
    OKX_POSITIONS,
    OKX_TIERS,
    deribit,
    okx,
)
from tests.accounts.importers.test_bybit_modes import BYBIT_LIMITS, info

RISK_V3 = [
    {
        "symbol": "BTCUSDT",
        "positionSide": "BOTH",
        "positionAmt": "0.200",
        "entryPrice": "60000",
        "breakEvenPrice": "60024",
        "markPrice": "61250",
        "unRealizedProfit": "250.0",
        "liquidationPrice": "51000.5",
        "isolatedMargin": "0",
        "notional": "12250",
        "marginAsset": "USDT",
        "isolatedWallet": "0",
        "initialMargin": "612.5",
        "maintMargin": "49",
        "updateTime": 1760130000000,
    },
]
INDICES = [
    *ASSET_INDEX,
    *(
        {**ASSET_INDEX[0], "symbol": f"{asset}USD", "index": index, "time": 1770130000000}
        for asset, index in (("USDT", "0.9998"), ("BTC", "61005"))
    ),
]
BUILDER = {**MIXED, "assetPositions": []}

ANSWERS: dict[str, dict[str, Any]] = {
    "binance-usdm": {
        "fapiPrivateV3GetAccount": ACCOUNT_V3,
        "fapiPrivateV3GetPositionRisk": RISK_V3,
        "fapiPrivateGetOpenOrders": [],
        "fapiPrivateGetAccountConfig": ACCOUNT_CONFIG,
        "fapiPrivateGetSymbolConfig": SYMBOL_CONFIG,
        "fapiPublicGetPremiumIndex": [],
        "fapiPublicGetAssetIndex": ASSET_INDEX,
        "fapiPrivateGetLeverageBracket": BRACKETS,
    },
    "binance-coinm": {
        "dapiPrivateGetAccount": COINM_ACCOUNT,
        "dapiPrivateGetPositionRisk": COINM_RISK,
        "dapiPrivateGetOpenOrders": [],
        "dapiPrivateV2GetLeverageBracket": COINM_BRACKETS,
    },
    "binance-pm": {
        "papiGetAccount": PM_ACCOUNT,
        "papiGetBalance": PM_BALANCE,
        "papiGetUmPositionRisk": PM_UM,
        "papiGetCmPositionRisk": PM_CM,
        "papiGetUmOpenOrders": [],
        "papiGetCmOpenOrders": [],
        "papiGetUmLeverageBracket": BRACKETS,
        "papiGetCmLeverageBracket": COINM_BRACKETS,
        "fapiPublicGetAssetIndex": INDICES,
    },
    "bybit": {
        "privateGetV5AccountWalletBalance": BYBIT_WALLET,
        "privateGetV5PositionList": {"linear USDT": BYBIT_POSITIONS},
        "privateGetV5OrderRealtime": {},
        "privateGetV5AccountInfo": info("REGULAR_MARGIN"),
        "publicGetV5MarketRiskLimit": BYBIT_LIMITS,
    },
    "okx": {
        "privateGetAccountBalance": OKX_BALANCE,
        "privateGetAccountPositions": OKX_POSITIONS,
        "privateGetTradeOrdersPending": OKX_ORDERS,
        "privateGetAccountConfig": OKX_CONFIG,
        "publicGetPublicInstruments": {"SWAP": OKX_INSTRUMENTS, "FUTURES": okx()},
        "publicGetPublicPositionTiers": OKX_TIERS,
    },
    "deribit": {
        "privateGetGetAccountSummaries": DERIBIT_SUMMARY,
        "privateGetGetPositions": DERIBIT_POSITIONS,
        "privateGetGetOpenOrders": DERIBIT_ORDERS,
    },
    "hyperliquid": {
        "publicPostInfo": {
            "clearinghouseState": MIXED,
            "clearinghouseState xyz": BUILDER,
            "spotClearinghouseState": SPOT,
            "userAbstraction": "unifiedAccount",
            "frontendOpenOrders": ORDERS,
            "metaAndAssetCtxs": META,
            "perpDexs": [None, {"name": "xyz", "fullName": "XYZ"}],
        },
    },
    "dydx": {
        "indexerGetAddressesAddressSubaccountNumberSubaccountNumber": DYDX_SUBACCOUNT,
        "indexerGetPerpetualMarkets": DYDX_MARKETS,
        "indexerGetOrders": DYDX_ORDERS,
    },
}
"""By venue and method; where a method is asked several things, by what it is asked."""


def answer_to(venue: str, method: str, params: Mapping[str, Any]) -> Any:  # noqa: ANN401 any JSON
    """Return what a venue answers; lists are empty where nothing is kept."""
    found = ANSWERS[venue][method]
    if method in {"privateGetV5PositionList", "privateGetV5OrderRealtime"}:
        asked = f"{params['category']} {params.get('settleCoin', '')}".strip()
        return found.get(asked, bybit([], nextPageCursor="", category=params["category"]))
    if method == "publicGetPublicInstruments":
        return found[params["instType"]]
    if method == "publicPostInfo":
        return found[f"{params['type']} {params.get('dex', '')}".strip()]
    if venue == "deribit" and found == []:
        return deribit([])
    return found
