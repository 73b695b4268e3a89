"""Which read-only calls make up an account, venue by venue.

Every call is one that reads: a GET, or the one POST by which Hyperliquid is asked. Their answers
are read by the importers, under the kind named here: an empty list then says what it is empty of.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from keelmark.accounts.importers import Payload

ADDRESS = "{wallet}"
SUBACCOUNT = "{subaccount}"


class Paging(StrEnum):
    """How the rest of a long list is asked for."""

    CURSOR = "cursor"
    """Bybit: `nextPageCursor` of the result, as `cursor`."""
    AFTER = "after"
    """OKX: the id of the last row, as `after`, while pages are full."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call.

    Attributes:
        kind: Alias of the importer's kind that reads its answer.
        method: Name of the exchange's method.
        params: Its arguments; `{wallet}` and `{subaccount}` are filled in.
        paging: How it goes on, where it may.
        optional: Whether an account can be read without it; why not is then noted.
    """

    kind: str
    method: str
    params: Mapping[str, str] = field(default_factory=dict)
    paging: Paging | None = None
    optional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How an account of a venue is read.

    Attributes:
        exchange: Name of the ccxt class.
        needs: Credentials, by field.
        calls: In this order, as close together as the venue's limits allow.
        after: What is asked next, given those answers: tables of what is held.
    """

    exchange: str
    needs: tuple[str, ...]
    calls: tuple[Call, ...]
    after: Callable[[Sequence[Payload]], Iterator[Call]] = lambda _: iter(())


_KEYS = ("KEY", "SECRET")


def _bybit(kind: str, method: str) -> tuple[Call, ...]:
    """Return one call a category: linear ones are asked by settle coin."""
    scopes: tuple[dict[str, str], ...] = (
        {"category": "linear", "settleCoin": "USDT"},
        {"category": "linear", "settleCoin": "USDC"},
        {"category": "inverse"},
        {"category": "option"},
    )
    pages = {"limit": "50" if "Order" in method else "200"}
    return tuple(
        Call(kind=kind, method=method, params=scope | pages, paging=Paging.CURSOR)
        for scope in scopes
    )


def rows_at(content: object, *path: str) -> list[Mapping[str, object]]:
    """Return the tables of a list inside an answer; none where there is no such list."""
    found = at(content, *path)
    return [row for row in found if isinstance(row, Mapping)] if isinstance(found, list) else []


def at(content: object, *path: str) -> object:
    """Return what an answer has at a path of keys; `None` where it has none."""
    for key in path:
        content = content.get(key) if isinstance(content, Mapping) else None
    return content


def _bybit_limits(answers: Sequence[Payload]) -> Iterator[Call]:
    """Return one call for the risk limits of each instrument held."""
    for answer in answers:
        category = str(at(answer.content, "result", "category"))
        if answer.kind != "bybit:positions" or category not in {"linear", "inverse"}:
            continue
        for row in rows_at(answer.content, "result", "list"):
            symbol = row.get("symbol")
            if isinstance(symbol, str) and _is_held(row.get("size")):
                yield Call(
                    kind="bybit:limits",
                    method="publicGetV5MarketRiskLimit",
                    params={"category": category, "symbol": symbol},
                    paging=Paging.CURSOR,
                    optional=True,
                )


def _okx_tiers(answers: Sequence[Payload]) -> Iterator[Call]:
    """Return one call for the tiers of each family held, as its margin mode has them."""
    positions = [answer for answer in answers if answer.kind == "okx:positions"]
    rows = [row for answer in positions for row in rows_at(answer.content, "data")]
    asked = [
        (kind, str(row.get("mgnMode", "cross")), "-".join(str(row.get("instId")).split("-")[:2]))
        for row in rows
        if _is_held(row.get("pos")) and (kind := str(row.get("instType"))) in {"SWAP", "FUTURES"}
    ]
    for kind, mode, family in dict.fromkeys(asked):
        yield Call(
            kind="okx:tiers",
            method="publicGetPublicPositionTiers",
            params={"instType": kind, "tdMode": mode, "instFamily": family},
            optional=True,
        )


def _is_held(size: object) -> bool:
    """Whether a size is one: neither empty nor zero."""
    return isinstance(size, str | int | Decimal) and str(size).strip("-0. ") != ""


def _hyperliquid(kind: str, question: str, **more: str) -> Call:
    params = {"type": question, **more}
    return Call(kind=kind, method="publicPostInfo", params=params)


PLANS: Mapping[str, Plan] = {
    "binance-usdm": Plan(
        exchange="binanceusdm",
        needs=_KEYS,
        calls=(
            Call(kind="binance-usdm:account", method="fapiPrivateV3GetAccount"),
            Call(kind="binance-usdm:positions", method="fapiPrivateV3GetPositionRisk"),
            Call(kind="binance-usdm:orders", method="fapiPrivateGetOpenOrders"),
            Call(kind="binance-usdm:config", method="fapiPrivateGetAccountConfig"),
            Call(kind="binance-usdm:symbols", method="fapiPrivateGetSymbolConfig"),
            Call(kind="binance-usdm:premium-index", method="fapiPublicGetPremiumIndex"),
            Call(kind="binance-usdm:asset-index", method="fapiPublicGetAssetIndex"),
            Call(
                kind="binance-usdm:brackets",
                method="fapiPrivateGetLeverageBracket",
                optional=True,
            ),
        ),
    ),
    "binance-coinm": Plan(
        exchange="binancecoinm",
        needs=_KEYS,
        calls=(
            Call(kind="binance-coinm:account", method="dapiPrivateGetAccount"),
            Call(kind="binance-coinm:positions", method="dapiPrivateGetPositionRisk"),
            Call(kind="binance-coinm:orders", method="dapiPrivateGetOpenOrders"),
            Call(
                kind="binance-usdm:brackets",
                method="dapiPrivateV2GetLeverageBracket",
                optional=True,
            ),
        ),
    ),
    "binance-pm": Plan(
        exchange="binance",
        needs=_KEYS,
        calls=(
            Call(kind="binance-pm:account", method="papiGetAccount"),
            Call(kind="binance-pm:balance", method="papiGetBalance"),
            Call(kind="binance-pm:um", method="papiGetUmPositionRisk"),
            Call(kind="binance-pm:cm", method="papiGetCmPositionRisk"),
            Call(kind="binance-pm:um-orders", method="papiGetUmOpenOrders"),
            Call(kind="binance-pm:cm-orders", method="papiGetCmOpenOrders"),
            Call(kind="binance-usdm:brackets", method="papiGetUmLeverageBracket", optional=True),
            Call(kind="binance-usdm:brackets", method="papiGetCmLeverageBracket", optional=True),
            Call(kind="binance-usdm:asset-index", method="fapiPublicGetAssetIndex"),
        ),
    ),
    "bybit": Plan(
        exchange="bybit",
        needs=_KEYS,
        calls=(
            Call(
                kind="bybit:wallet",
                method="privateGetV5AccountWalletBalance",
                params={"accountType": "UNIFIED"},
            ),
            *_bybit("bybit:positions", "privateGetV5PositionList"),
            *_bybit("bybit:orders", "privateGetV5OrderRealtime"),
            Call(kind="bybit:info", method="privateGetV5AccountInfo"),
        ),
        after=_bybit_limits,
    ),
    "okx": Plan(
        exchange="okx",
        needs=("KEY", "SECRET", "PASSWORD"),
        calls=(
            Call(kind="okx:balance", method="privateGetAccountBalance"),
            Call(kind="okx:positions", method="privateGetAccountPositions"),
            Call(
                kind="okx:orders",
                method="privateGetTradeOrdersPending",
                params={"limit": "100"},
                paging=Paging.AFTER,
            ),
            Call(kind="okx:config", method="privateGetAccountConfig"),
            Call(
                kind="okx:instruments",
                method="publicGetPublicInstruments",
                params={"instType": "SWAP"},
            ),
            Call(
                kind="okx:instruments",
                method="publicGetPublicInstruments",
                params={"instType": "FUTURES"},
            ),
        ),
        after=_okx_tiers,
    ),
    "deribit": Plan(
        exchange="deribit",
        needs=_KEYS,
        calls=(
            Call(kind="deribit:account", method="privateGetGetAccountSummaries"),
            Call(
                kind="deribit:positions",
                method="privateGetGetPositions",
                params={"currency": "any"},
            ),
            Call(kind="deribit:orders", method="privateGetGetOpenOrders"),
        ),
    ),
    "hyperliquid": Plan(
        exchange="hyperliquid",
        needs=("WALLET",),
        calls=(
            _hyperliquid("hyperliquid:perps", "clearinghouseState", user=ADDRESS),
            _hyperliquid("hyperliquid:spot", "spotClearinghouseState", user=ADDRESS),
            _hyperliquid("hyperliquid:mode", "userAbstraction", user=ADDRESS),
            _hyperliquid("hyperliquid:orders", "frontendOpenOrders", user=ADDRESS),
            _hyperliquid("hyperliquid:meta", "metaAndAssetCtxs"),
        ),
    ),
    "dydx": Plan(
        exchange="dydx",
        needs=("WALLET",),
        calls=(
            Call(
                kind="dydx:subaccount",
                method="indexerGetAddressesAddressSubaccountNumberSubaccountNumber",
                params={"address": ADDRESS, "subaccountNumber": SUBACCOUNT},
            ),
            Call(kind="dydx:markets", method="indexerGetPerpetualMarkets"),
            Call(
                kind="dydx:orders",
                method="indexerGetOrders",
                params={"address": ADDRESS, "subaccountNumber": SUBACCOUNT, "status": "OPEN"},
            ),
        ),
    ),
}
