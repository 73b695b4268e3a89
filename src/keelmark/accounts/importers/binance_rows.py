"""Rows that Binance's futures answers have in common, whatever the contracts settle in.

Source: developers.binance.com, USDS-M and COIN-M futures and portfolio margin, account and trade
endpoints. Shorts have negative amounts; in hedge mode long and short are rows of their own. Wallets
of isolated positions are theirs alone: what is shared is the cross wallet.
"""

from decimal import Decimal

from keelmark.accounts.document import AccountMode, MarginMode
from keelmark.accounts.importers.draft import Draft, PositionDraft
from keelmark.accounts.importers.kind import rows_of
from keelmark.accounts.importers.payload import Payload, Row

_LEGS = {"BOTH": "", "LONG": "long", "SHORT": "short"}
_SIGNS = {"long": 1, "short": -1}
_SIDES = {"BUY": "buy", "SELL": "sell"}
_ISOLATED = {"isolated": True, "cross": False, "crossed": False}
_REPORTED = {"initial_margin": "initialMargin", "maintenance_margin": "maintMargin"}


def read_asset(row: Row, draft: Draft, total: str, *, first: str | None = None) -> None:
    """Note the cross wallet of an asset; with no such key the whole wallet is taken.

    Args:
        row: Of a wallet.
        draft: Where it is noted.
        total: The key of the whole wallet.
        first: Asset that is noted although it is empty.
    """
    asset = row.text("asset", required=True)
    cross = row.maybe_number("crossWalletBalance")
    wallet = row.maybe_number(total, required=cross is None)
    held = wallet if cross is None else cross
    if cross is None and wallet:
        draft.say(
            f"no cross wallet of {asset} (crossWalletBalance): the whole wallet is taken, which "
            "holds isolated margins too"
        )
    if asset is not None and held is not None and (held or asset == first):
        draft.balance(row.at("crossWalletBalance"), asset, held)


def leg_of(row: Row) -> str:
    """Return the leg of a position or an order, empty in one-way mode."""
    return _LEGS.get(row.choice("positionSide", _LEGS) or "BOTH", "")


def read_position(row: Row, draft: Draft) -> PositionDraft | None:
    """Note what every call says of a position; flat rows are left out."""
    size = row.maybe_number("positionAmt", required=True)
    symbol = row.text("symbol", required=True)
    if not size or symbol is None:
        return None
    leg = leg_of(row)
    if leg:
        draft.account_mode = AccountMode.HEDGE
    if size * _SIGNS.get(leg, size) < 0:
        row.refuse("positionAmt", f"found {size:f} beside positionSide {leg.upper()}")
        return None
    found = draft.position(row.path, symbol, leg, size)
    found.note(entry_price=row.positive("entryPrice"), leverage=row.positive("leverage"))
    wallet = row.amount("isolatedWallet")
    if _is_isolated(row) or wallet:
        _read_isolated(row, found, wallet)
    for number, key in _REPORTED.items():
        found.report(number, row.positive(key))
    return found


def note_worth(row: Row, found: PositionDraft) -> None:
    """Note what a linear position is worth and has won; the worth has the sign of the amount."""
    notional = row.some("notional")
    if notional is not None and notional * found.size < 0:
        row.refuse("notional", f"found {notional:f} of an amount of {found.size:f}")
    found.note(notional=notional, unrealized_pnl=profit_of(row))


def profit_of(row: Row) -> Decimal | None:
    """Return unrealised profit: two calls spell it differently."""
    profit = row.maybe_number("unRealizedProfit")
    return row.maybe_number("unrealizedProfit") if profit is None else profit


def is_isolated_type(row: Row) -> bool:
    """Whether `marginType` says isolated, in any case; a word nobody knows is a problem."""
    word = row.text("marginType")
    if word is not None and word.lower() not in _ISOLATED:
        row.refuse("marginType", f"found {word!r}; one of {', '.join(_ISOLATED)} is needed")
    return _ISOLATED.get((word or "").lower(), False)


def _is_isolated(row: Row) -> bool:
    """Whether a row says so: a flag in an overview, a word in position risk."""
    said = row.content.get("isolated")
    flag = said.lower() == "true" if isinstance(said, str) else bool(row.flag("isolated"))
    return flag or is_isolated_type(row)


def _read_isolated(row: Row, found: PositionDraft, wallet: Decimal) -> None:
    """Note an isolated position's own wallet: margin assigned, without profit."""
    found.margin_mode = MarginMode.ISOLATED
    margin, profit = row.maybe_number("isolatedMargin"), profit_of(row)
    if wallet:
        found.note(isolated_margin=wallet)
    elif margin is not None and profit is not None:
        found.note(isolated_margin=margin - profit)


def read_orders(payload: Payload, draft: Draft) -> None:
    """Note open orders: `GET /fapi/v1/openOrders` and its likes."""
    for row in rows_of(payload, draft):
        size, filled = (row.number(key, required=True) for key in ("origQty", "executedQty"))
        left = size - filled
        price = row.positive("price") or row.positive("stopPrice")
        if left <= 0 or row.flag("closePosition"):
            continue
        if price is None:
            draft.say(f"order {row.content.get('orderId')} has no price and is left out")
            continue
        draft.order(
            row.content.get("orderId"),
            {
                "instrument": row.text("symbol", required=True),
                "side": _SIDES.get(row.choice("side", _SIDES) or "", "missing"),
                "size": f"{left:f}",
                "price": f"{price:f}",
                "reduce_only": bool(row.flag("reduceOnly")),
            },
            leg_of(row),
        )
