"""Bybit v5, unified trading account: wallet balance, positions and open orders.

Source: bybit-exchange.github.io/docs/v5, account/wallet-balance and position. Equity of a coin is
`walletBalance - spotBorrow + unrealisedPnl` (and option value); `usdValue` over `equity` is the
price the venue used. Sizes are unsigned beside a side; flat rows have none.
"""

from collections.abc import Mapping
from decimal import Decimal

from keelmark.accounts.document import AccountMode, MarginMode, Unlearnt
from keelmark.accounts.importers.draft import Draft, PositionDraft, divided
from keelmark.accounts.importers.kind import PayloadKind
from keelmark.accounts.importers.payload import Payload, Row

VENUE = "bybit-uta"
_SIGNS = {"Buy": 1, "Sell": -1}
_ISOLATED_TRADE_MODE = Decimal(1)
_DIGITS_MIN = 4
_TOTALS = {
    "initial_margin": "totalInitialMargin",
    "maintenance_margin": "totalMaintenanceMargin",
    "equity": "totalMarginBalance",
    "available": "totalAvailableBalance",
}
_FIGURES = {
    "liquidation_price": "liqPrice",
    "bankruptcy_price": "bustPrice",
    "initial_margin": "positionIM",
    "maintenance_margin": "positionMM",
}


def read_wallet(payload: Payload, draft: Draft) -> None:
    """Note `GET /v5/account/wallet-balance`."""
    for account in _list(payload, draft):
        kind = account.text("accountType") or "UNIFIED"
        if kind != "UNIFIED":
            account.refuse("accountType", f"found {kind!r}; only unified accounts are read")
            continue
        for coin in account.rows("coin"):
            _read_coin(coin, draft)
        for number, key in _TOTALS.items():
            draft.report(number, account.some(key))


def read_positions(payload: Payload, draft: Draft) -> None:
    """Note `GET /v5/position/list`, category linear or inverse."""
    for row in _list(payload, draft):
        size = row.amount("size")
        symbol = row.text("symbol", required=True)
        side = row.text("side")
        if not size or symbol is None:
            continue
        if side not in _SIGNS:
            row.refuse("side", f'found {side!r}; "Buy" or "Sell" is needed beside a size')
            continue
        hedged = bool(row.amount("positionIdx"))
        if hedged:
            draft.account_mode = AccountMode.HEDGE
        leg = side.lower() if hedged else ""
        _read_figures(row, draft, draft.position(row.path, symbol, leg, _SIGNS[side] * size))


def read_orders(payload: Payload, draft: Draft) -> None:
    """Note `GET /v5/order/realtime`."""
    for row in _list(payload, draft):
        left = row.maybe_number("leavesQty")
        price = row.positive("price") or row.positive("triggerPrice")
        if not left:
            continue
        if price is None:
            draft.say(f"order {row.content.get('orderId')} has no price and is left out")
            continue
        draft.orders.append(
            {
                "instrument": row.text("symbol", required=True),
                "side": (row.text("side", required=True) or "").lower(),
                "size": f"{left:f}",
                "price": f"{price:f}",
                "reduce_only": bool(row.flag("reduceOnly")),
            },
        )


def _read_coin(row: Row, draft: Draft) -> None:
    """Note a coin: what is held, what is owed and the price the venue took."""
    asset = row.text("coin", required=True)
    if asset is None:
        return
    held, owed = row.amount("walletBalance"), row.amount("spotBorrow")
    interest = row.amount("accruedInterest")
    if not (held or owed or interest):
        return
    counts = row.flag("collateralSwitch") is not False and row.flag("marginCollateral") is not False
    if held > 0 and not counts:
        draft.say(f"{held:f} {asset} is switched off as collateral and left out")
        held = Decimal(0)
    draft.balance(row.at("walletBalance"), asset, held)
    if owed:
        draft.liabilities[asset] = owed
    if interest:
        draft.accrued_interest[asset] = interest
    equity, value = row.amount("equity"), row.amount("usdValue")
    if equity and value and (equity > 0) == (value > 0):
        draft.prices.setdefault(asset, divided(value, equity))
        if len(equity.normalize().as_tuple().digits) < _DIGITS_MIN:
            draft.say(f"price of {asset} worked out from few printed digits of its equity")


def _read_figures(row: Row, draft: Draft, found: PositionDraft) -> None:
    found.note(
        entry_price=row.positive("avgPrice"),
        mark_price=row.positive("markPrice"),
        leverage=row.positive("leverage"),
        unrealized_pnl=row.maybe_number("unrealisedPnl"),
    )
    if row.maybe_number("tradeMode") == _ISOLATED_TRADE_MODE:
        found.margin_mode = MarginMode.ISOLATED
        found.note(isolated_margin=row.maybe_number("positionBalance", required=True))
    for number, key in _FIGURES.items():
        draft.report(number, row.some(key), found.instrument)


def _list(payload: Payload, draft: Draft) -> list[Row]:
    """Return the rows of an answer, and note when it was given."""
    content = payload.content if isinstance(payload.content, Mapping) else {}
    root = Row(content, payload.title, draft.problems)
    result = root.inner("result")
    draft.seen(payload.title, root.milliseconds("time"))
    if result is not None and result.text("nextPageCursor"):
        root.refuse("result.nextPageCursor", "there are more pages; fetch them all into one list")
    return [] if result is None else result.rows("list")


def _answers(*keys: str, category: str | None = None) -> "_Answer":
    return _Answer(frozenset(keys), category)


class _Answer:
    """A test for an answer whose rows have these keys."""

    def __init__(self, keys: frozenset[str], category: str | None) -> None:
        self.keys = keys
        self.category = category

    def __call__(self, content: object) -> bool:
        result = content.get("result") if isinstance(content, Mapping) else None
        rows = result.get("list") if isinstance(result, Mapping) else None
        if not isinstance(rows, list) or not rows or not isinstance(rows[0], Mapping):
            return False
        return self.keys <= set(rows[0])


KINDS = (
    PayloadKind(
        alias="bybit:wallet",
        call="GET /v5/account/wallet-balance",
        venue=VENUE,
        matches=_answers("accountType", "coin"),
        parts=frozenset({Unlearnt.COLLATERAL}),
        read=read_wallet,
    ),
    PayloadKind(
        alias="bybit:positions",
        call="GET /v5/position/list",
        venue=VENUE,
        matches=_answers("symbol", "size", "positionIdx", "positionValue"),
        parts=frozenset({Unlearnt.POSITIONS}),
        read=read_positions,
    ),
    PayloadKind(
        alias="bybit:orders",
        call="GET /v5/order/realtime",
        venue=VENUE,
        matches=_answers("orderId", "symbol", "leavesQty"),
        parts=frozenset({Unlearnt.ORDERS}),
        read=read_orders,
    ),
)
