"""Binance USDS-M futures: account, balances, position risk, configuration and open orders.

Source: developers.binance.com, USDS-M futures, account and trade endpoints (v2 and v3). A
liquidation price of 0 says that no price liquidates. Version 3 left out leverage, margin type,
entry price (account) and whether multi-assets mode is on: symbolConfig and accountConfig have them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from keelmark.accounts.document import AccountMode, MarginMode, Unlearnt
from keelmark.accounts.importers.binance_rows import (
    is_isolated_type,
    leg_of,
    note_worth,
    read_asset,
    read_orders,
    read_position,
)
from keelmark.accounts.importers.draft import Draft, PositionDraft
from keelmark.accounts.importers.implied_leverage import implied_leverage
from keelmark.accounts.importers.kind import PayloadKind, both, has, lacks, rows_of, table_of
from keelmark.accounts.importers.payload import Payload, Row

VENUE = "binance-usdm"
MULTI = "binance-usdm-multi"
_FIRST = "USDT"
"""Totals of a single-asset account are those of this asset, so it comes first."""
_TOTALS = {
    "equity": "totalMarginBalance",
    "initial_margin": "totalInitialMargin",
    "maintenance_margin": "totalMaintMargin",
    "available": "availableBalance",
    "withdrawable": "maxWithdrawAmount",
}


@dataclass(slots=True, kw_only=True)
class Working:
    """What the configuration says, kept until all answers were read.

    Attributes:
        knows_multi: Whether some answer said if multi-assets mode is on.
        settings: Leverage, and whether margin is isolated, by symbol.
        asked: Initial margin of a position without its orders, by symbol and side.
    """

    knows_multi: bool = False
    settings: dict[str, tuple[Decimal | None, bool]] = field(default_factory=dict)
    asked: dict[tuple[str, str], Decimal] = field(default_factory=dict)


def read_account(payload: Payload, draft: Draft) -> None:
    """Note an account overview: `GET /fapi/v2/account` or `/fapi/v3/account`."""
    row = table_of(payload, draft)
    _note_mode(row, draft)
    assets = row.rows("assets", required=True)
    for asset in sorted(assets, key=lambda a: a.content.get("asset") != _FIRST):
        read_asset(asset, draft, "walletBalance", first=_FIRST)
    for position in row.rows("positions", required=True):
        _read_position(position, draft)
    if draft.venue == MULTI or not assets or any(a.amount("walletBalance") for a in assets):
        for number, key in _TOTALS.items():
            draft.report(number, row.maybe_number(key))


def read_config(payload: Payload, draft: Draft) -> None:
    """Note the modes: `accountConfig`, `multiAssetsMargin` or `positionSide/dual`."""
    _note_mode(table_of(payload, draft), draft)


def read_symbols(payload: Payload, draft: Draft) -> None:
    """Note leverage and margin type by symbol: `GET /fapi/v1/symbolConfig`."""
    for row in rows_of(payload, draft):
        symbol = row.text("symbol", required=True)
        if symbol is not None:
            leverage = row.positive("leverage")
            draft.working(Working).settings[symbol] = (leverage, is_isolated_type(row))


def finish(draft: Draft) -> None:
    """Note what the configuration says of positions that do not say it themselves."""
    working = draft.working(Working)
    for key, position in draft.positions.items():
        leverage, is_isolated = working.settings.get(position.instrument, (None, False))
        own = position.figures.get("leverage")
        if leverage is not None and own is not None and own != leverage:
            draft.say(
                f"{position.path}: leverage of {position.instrument} is {own:f} here and "
                f"{leverage:f} in symbolConfig: of different instants; the position's is taken"
            )
        position.note(leverage=leverage)
        _note_leverage(position, draft, working.asked.get(key))
        if is_isolated and position.margin_mode is MarginMode.CROSS:
            text = "is isolated by symbolConfig and no answer has its wallet"
            draft.problems.add(position.path, f"{position.instrument} {text}; add positionRisk")
    if not working.knows_multi:
        draft.say(
            "no answer says whether multi-assets mode is on: single-asset is taken; accountConfig "
            "says it"
        )


def _note_leverage(position: PositionDraft, draft: Draft, asked: Decimal | None) -> None:
    """Note the leverage that the initial margin comes to, where no answer gives it."""
    if "leverage" in position.figures:
        return
    leverage = implied_leverage(position.figures.get("notional"), asked)
    if leverage is not None:
        position.note(leverage=leverage)
        draft.say(
            f"leverage of {position.instrument} worked out as {leverage:f} from its notional and "
            "initial margin: symbolConfig says it"
        )


def _note_mode(row: Row, draft: Draft) -> None:
    multi = row.flag("multiAssetsMargin")
    if multi is not None:
        draft.working(Working).knows_multi = True
    if multi:
        draft.venue = MULTI
    dual = row.flag("dualSidePosition")
    if dual is not None:
        draft.account_mode = AccountMode.HEDGE if dual else AccountMode.ONE_WAY


def read_balances(payload: Payload, draft: Draft) -> None:
    """Note balances: `GET /fapi/v2/balance` or `/fapi/v3/balance`."""
    rows = rows_of(payload, draft)
    for row in sorted(rows, key=lambda a: a.content.get("asset") != _FIRST):
        read_asset(row, draft, "balance", first=_FIRST)


def read_position_risk(payload: Payload, draft: Draft) -> None:
    """Note positions: `GET /fapi/v2/positionRisk` or `/fapi/v3/positionRisk`."""
    for row in rows_of(payload, draft):
        found = _read_position(row, draft)
        if found is None:
            continue
        found.note(mark_price=row.positive("markPrice"))
        found.report("liquidation_price", row.some("liquidationPrice"))


def _read_position(row: Row, draft: Draft) -> PositionDraft | None:
    """Note a position with its worth and what the venue asks for it without its orders."""
    found = read_position(row, draft)
    if found is None:
        return None
    note_worth(row, found)
    asked = row.positive("positionInitialMargin") or row.positive("initialMargin")
    if asked is not None:
        draft.working(Working).asked.setdefault((found.instrument, leg_of(row)), asked)
    return found


_ACCOUNT = frozenset({Unlearnt.COLLATERAL, Unlearnt.POSITIONS})

KINDS = (
    PayloadKind(
        alias="binance-usdm:account",
        call="GET /fapi/v2/account or /fapi/v3/account",
        venue=VENUE,
        matches=has("totalMarginBalance", "totalCrossWalletBalance", "assets", "positions"),
        parts=_ACCOUNT,
        read=read_account,
        finish=finish,
    ),
    PayloadKind(
        alias="binance-usdm:balance",
        call="GET /fapi/v2/balance or /fapi/v3/balance",
        venue=VENUE,
        matches=both(
            has("accountAlias", "asset", "crossWalletBalance"), lacks("withdrawAvailable")
        ),
        parts=frozenset({Unlearnt.COLLATERAL}),
        read=read_balances,
        finish=finish,
    ),
    PayloadKind(
        alias="binance-usdm:positions",
        call="GET /fapi/v2/positionRisk or /fapi/v3/positionRisk",
        venue=VENUE,
        matches=both(
            has("symbol", "positionAmt", "markPrice", "unRealizedProfit", "notional"),
            lacks("notionalValue"),
        ),
        parts=frozenset({Unlearnt.POSITIONS}),
        read=read_position_risk,
        finish=finish,
    ),
    PayloadKind(
        alias="binance-usdm:orders",
        call="GET /fapi/v1/openOrders",
        venue=VENUE,
        matches=has("orderId", "symbol", "origQty", "executedQty", "positionSide"),
        parts=frozenset({Unlearnt.ORDERS}),
        read=read_orders,
    ),
    PayloadKind(
        alias="binance-usdm:config",
        call="GET /fapi/v1/accountConfig",
        venue=VENUE,
        matches=lambda content: (
            isinstance(content, Mapping)
            and "positions" not in content
            and bool({"multiAssetsMargin", "dualSidePosition"} & set(content))
        ),
        parts=frozenset(),
        read=read_config,
        finish=finish,
    ),
    PayloadKind(
        alias="binance-usdm:symbols",
        call="GET /fapi/v1/symbolConfig",
        venue=VENUE,
        matches=has("symbol", "marginType", "isAutoAddMargin", "maxNotionalValue"),
        parts=frozenset(),
        read=read_symbols,
        finish=finish,
    ),
)
