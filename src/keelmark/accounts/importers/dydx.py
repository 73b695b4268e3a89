"""dYdX v4 indexer: subaccount, perpetual markets and open orders.

Source: docs.dydx.xyz (indexer HTTP API), and the indexer of dydxprotocol/v4-chain. The USDC asset
position is what is left after every purchase and sale, so equity is it plus the value of the
positions at oracle prices; the balance of a document is it plus their cost. Sizes of shorts are
negative in positions and unsigned elsewhere; the side decides.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from keelmark.accounts.document import Unlearnt
from keelmark.accounts.importers.draft import Draft, JsonValue, plain
from keelmark.accounts.importers.kind import PayloadKind, has
from keelmark.accounts.importers.listed import listed_terms
from keelmark.accounts.importers.payload import Payload, Row
from keelmark.core.errors import KeelmarkError
from keelmark.core.numbers import ONE, ZERO, exact

VENUE = "dydx-v4"
QUOTE = "USDC"
_SIGNS = {"LONG": 1, "SHORT": -1}
_PLAIN_SUBACCOUNTS = 128
"""Subaccounts from this number on hold isolated positions, with collateral of their own."""
_AGREES = Decimal("0.001")
_OPEN = ("OPEN", "BEST_EFFORT_OPENED")
_STATUSES = (*_OPEN, "FILLED", "CANCELED", "BEST_EFFORT_CANCELED", "UNTRIGGERED", "ERROR")
"""Of an order; one of the first two may be filled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PerpetualMarket:
    """What the indexer says of a market."""

    oracle: Decimal
    initial: Decimal | None
    maintenance: Decimal | None
    is_active: bool


@dataclass(slots=True, kw_only=True)
class Working:
    """What is kept until every answer was read.

    Attributes:
        quote: Signed USDC of the subaccount; `None` before it was read.
        equity: As the indexer says.
        markets: By ticker.
        path: Where the subaccount was found.
    """

    quote: Decimal | None = None
    equity: Decimal | None = None
    markets: dict[str, PerpetualMarket] = field(default_factory=dict)
    path: str = ""


def read_markets(payload: Payload, draft: Draft) -> None:
    """Note oracle prices and margin fractions: `GET /v4/perpetualMarkets`."""
    content = payload.content if isinstance(payload.content, Mapping) else {}
    root = Row(content, payload.title, draft.problems)
    markets = root.inner("markets")
    if markets is None:
        root.refuse_missing("markets", "is missing", required=True)
        return
    for ticker in markets.content:
        row = markets.inner(ticker)
        oracle = None if row is None else row.positive("oraclePrice")
        if row is None or oracle is None or oracle < 0:
            continue
        draft.working(Working).markets[ticker] = PerpetualMarket(
            oracle=oracle,
            initial=row.maybe_number("initialMarginFraction", above=0),
            maintenance=row.maybe_number("maintenanceMarginFraction", above=0),
            is_active=row.text("status") in {None, "ACTIVE"},
        )


def read_subaccount(payload: Payload, draft: Draft) -> None:
    """Note `GET /v4/addresses/{address}/subaccountNumber/{number}`."""
    content = payload.content if isinstance(payload.content, Mapping) else {}
    root = Row(content, payload.title, draft.problems)
    inner = root.inner("subaccount") if "subaccount" in content else root
    if inner is None:
        return
    working = draft.working(Working)
    if working.path:
        text = "a second subaccount; each keeps its own collateral: import them one by one"
        draft.problems.add(payload.title, text)
        return
    working.path, working.equity = inner.path, inner.maybe_number("equity")
    if inner.amount("subaccountNumber") >= _PLAIN_SUBACCOUNTS:
        draft.say("the subaccount is one of an isolated position: its collateral backs it alone")
    _read_assets(inner, draft, working)
    positions = inner.inner("openPerpetualPositions")
    if positions is None:
        inner.refuse_missing("openPerpetualPositions", "is missing", required=True)
        return
    for ticker in positions.content:
        row = positions.inner(ticker)
        if row is not None:
            _read_position(row, draft, ticker)


def read_orders(payload: Payload, draft: Draft) -> None:
    """Note `GET /v4/orders`, those that are open."""
    holder = Row({"orders": payload.content}, payload.title, draft.problems)
    for row in holder.rows("orders"):
        ticker, side = row.text("ticker", required=True), row.text("side", required=True)
        size = row.number("size", required=True, above=0)
        filled = row.number("totalFilled", required=True, above=-1)
        left = size - filled
        price, status = row.positive("price"), row.choice("status", _STATUSES)
        if ticker is None or side is None or left <= 0 or status not in {*_OPEN, None}:
            continue
        if price is None or price < 0 or side not in {"BUY", "SELL"}:
            draft.say(f"order {row.content.get('id')} has no price or side and is left out")
            continue
        draft.order(
            row.content.get("id"),
            {
                "instrument": ticker,
                "side": side.lower(),
                "size": plain(left),
                "price": plain(price),
                "reduce_only": bool(row.flag("reduceOnly")),
            },
        )


def finish(draft: Draft) -> None:
    """Note marks, fractions and the balance; compare equity."""
    working = draft.working(Working)
    if working.quote is None:
        return
    with exact():
        cost, value = ZERO, ZERO
        for position in draft.positions.values():
            market = working.markets.get(position.instrument)
            if market is not None:
                position.note(mark_price=market.oracle)
                _note_fractions(position.instrument, market, draft)
            cost += position.size * (position.entry_price or ZERO)
            value += position.size * (position.mark_price or ZERO)
        draft.balance(f"{working.path}.assetPositions", QUOTE, working.quote + cost)
        _compare(working.quote + value, draft, working)
    held = {instrument for instrument, _ in draft.positions}
    for ticker in {str(order["instrument"]) for order in draft.orders} - held:
        if ticker in working.markets:
            draft.prices[ticker] = working.markets[ticker].oracle


def _compare(equity: Decimal, draft: Draft, working: Working) -> None:
    """Report the indexer's equity; say it where oracle prices are of another instant."""
    if working.equity is None:
        return
    draft.report("equity", working.equity)
    if abs(working.equity - equity) > max(ONE, abs(equity) * _AGREES):
        draft.say(
            f"equity by these prices is {equity:.2f}, the subaccount says {working.equity:.2f}: "
            "they are of different instants; fetch both together"
        )


def _read_assets(row: Row, draft: Draft, working: Working) -> None:
    assets = row.inner("assetPositions")
    if assets is None:
        row.refuse_missing("assetPositions", "is missing", required=True)
        return
    working.quote = ZERO
    for symbol in assets.content:
        asset = assets.inner(symbol)
        size = None if asset is None else asset.maybe_number("size", required=True)
        if asset is None or size is None:
            continue
        sign = _SIGNS.get(asset.text("side") or "", 0)
        if symbol != QUOTE:
            draft.say(f"{symbol} backs nothing here and is left out")
        elif not sign:
            asset.refuse("side", 'must be "LONG" or "SHORT" beside a size')
        else:
            working.quote = sign * abs(size)


def _read_position(row: Row, draft: Draft, ticker: str) -> None:
    size = row.maybe_number("size", required=True)
    sign = _SIGNS.get(row.text("side") or "", 0)
    if not size or row.text("status") not in {"OPEN", None}:
        return
    if not sign:
        row.refuse("side", 'must be "LONG" or "SHORT" beside a size')
        return
    found = draft.position(row.path, ticker, "", sign * abs(size))
    found.note(
        entry_price=row.positive("entryPrice"),
        unrealized_pnl=row.maybe_number("unrealizedPnl"),
    )
    found.report("unrealized_pnl", row.maybe_number("unrealizedPnl"))


def _note_fractions(ticker: str, market: PerpetualMarket, draft: Draft) -> None:
    """Note the market's own fractions where the built-in table has others or none."""
    if not market.is_active:
        draft.say(f"{ticker} is not active: its oracle price may not move again")
    position = draft.positions[ticker, ""]
    if market.maintenance is None:
        return
    terms = listed_terms(draft, ticker, VENUE)
    notional = abs(position.size) * market.oracle
    try:
        rule = None if terms is None else terms.maintenance
        known = None if rule is None else rule.requirement(position.size, notional).rate
    except KeelmarkError:
        known = None
    if known == market.maintenance:
        return
    row: dict[str, JsonValue] = {"maintenance_rate": plain(market.maintenance)}
    position.tier = row
    if market.initial is not None:
        position.note(leverage=ONE / market.initial)
    draft.say(f"{ticker} is margined by the fractions of the indexer, at every price")


def _is_subaccount(content: object) -> bool:
    if isinstance(content, Mapping) and isinstance(content.get("subaccount"), Mapping):
        content = content["subaccount"]
    return has("openPerpetualPositions", "assetPositions")(content)


def _is_markets(content: object) -> bool:
    markets = content.get("markets") if isinstance(content, Mapping) else None
    first = next(iter(markets.values()), None) if isinstance(markets, Mapping) else None
    return isinstance(first, Mapping) and {"ticker", "oraclePrice"} <= set(first)


KINDS = (
    PayloadKind(
        alias="dydx:markets",
        call="GET /v4/perpetualMarkets",
        venue=VENUE,
        matches=_is_markets,
        parts=frozenset(),
        read=read_markets,
        finish=finish,
    ),
    PayloadKind(
        alias="dydx:subaccount",
        call="GET /v4/addresses/{address}/subaccountNumber/{number}",
        venue=VENUE,
        matches=_is_subaccount,
        parts=frozenset({Unlearnt.COLLATERAL, Unlearnt.POSITIONS}),
        read=read_subaccount,
        finish=finish,
    ),
    PayloadKind(
        alias="dydx:orders",
        call="GET /v4/orders?status=OPEN",
        venue=VENUE,
        matches=has("id", "subaccountId", "ticker", "totalFilled"),
        parts=frozenset({Unlearnt.ORDERS}),
        read=read_orders,
        finish=finish,
    ),
)
