"""Hyperliquid perpetuals: clearinghouse states, account mode, margin tables, marks, open orders.

Source: hyperliquid.gitbook.io/hyperliquid-docs, for-developers/api/info-endpoint (perpetuals, spot,
and the page above them), as mirrored by dzmbs/hyperliquid-docs, read 2026-11-21; figures of live
accounts in tests/accounts/importers. `positionValue` over `szi` is the mark, exactly. A cross
balance is `totalRawUsd` plus the cost of the cross positions; `rawUsd` of an isolated position is
its own cash less its cost, so it is negative for most longs and not the margin assigned. `entryPx`
is rounded to five figures; value and unrealised profit give it in full.
"""

from collections.abc import Iterator, Mapping
from decimal import Context, Decimal

from keelmark.accounts.document import MarginMode, Unlearnt
from keelmark.accounts.importers.draft import Draft, PositionDraft, divided
from keelmark.accounts.importers.hyperliquid_whole import (
    ABSTRACTIONS,
    USDC,
    VENUE,
    PerpsState,
    Working,
    dex_of,
    finish,
    margin_tiers,
)
from keelmark.accounts.importers.kind import PayloadKind, has, rows_of, table_of
from keelmark.accounts.importers.payload import Payload, Row
from keelmark.core.numbers import ZERO, exact

_USDC_TOKEN = 0
_SIDES = {"B": "buy", "A": "sell"}
_ENTRY_DIGITS = Context(prec=18)
_ENTRY_ROUNDED = Decimal("0.0001")
"""Entry prices are shown with five figures."""
_UNTIERED_MAX = 50
"""Margin tables of an id up to this are one tier with that leverage."""


def read_mode(payload: Payload, draft: Draft) -> None:
    """Note the answer to `userAbstraction`: one word."""
    word = payload.content
    if isinstance(word, str) and word in ABSTRACTIONS:
        draft.working(Working).mode = word
    else:
        known = ", ".join(ABSTRACTIONS)
        draft.problems.add(payload.title, f"found {word!r}; one of {known} is needed")


def read_meta(payload: Payload, draft: Draft) -> None:
    """Note `meta`, or `metaAndAssetCtxs`: leverages, margin tables and marks by coin."""
    pair = payload.content if isinstance(payload.content, list) else [payload.content, []]
    contexts = pair[1] if len(pair) > 1 and isinstance(pair[1], list) else []
    working = draft.working(Working)
    meta = Row(pair[0] if isinstance(pair[0], Mapping) else {}, payload.title, draft.problems)
    if meta.amount("collateralToken") != _USDC_TOKEN:
        meta.refuse("collateralToken", "only perpetuals margined in USDC (token 0) are read")
    tables = _tables(meta)
    for number, coin in enumerate(meta.rows("universe")):
        name = coin.text("name", required=True)
        if name is None:
            continue
        leverage = coin.maybe_number("maxLeverage", above=0)
        if leverage is not None:
            working.leverage_max[name] = leverage
        table = coin.maybe_number("marginTableId")
        if table is not None and table in tables:
            working.tables[name] = margin_tiers(tables[table])
        elif leverage is not None and (table is None or table <= _UNTIERED_MAX):
            working.tables[name] = margin_tiers({ZERO: leverage})
        if coin.flag("isDelisted"):
            working.delisted.add(name)
        if number < len(contexts) and isinstance(contexts[number], Mapping):
            path = f"{payload.title}[1][{number}]"
            mark = Row(contexts[number], path, draft.problems).maybe_number("markPx", above=0)
            if mark is not None:
                working.marks[name] = mark


def _pairs(root: Row, key: str, names: tuple[str, str]) -> Iterator[Row]:
    """Yield the pairs of a list as rows with names of their own; anything else is a problem."""
    pairs = root.get(key)
    for number, pair in enumerate(pairs if isinstance(pairs, list) else []):
        path = root.at(f"{key}[{number}]")
        if isinstance(pair, list) and len(pair) == len(names):
            yield Row(dict(zip(names, pair, strict=True)), path, root.problems)
        else:
            root.problems.add(path, f"a pair of {names[0]} and {names[1]} is needed")


def _tables(meta: Row) -> dict[Decimal, dict[Decimal, Decimal]]:
    """Return largest leverages by floor, by the id of the table."""
    found: dict[Decimal, dict[Decimal, Decimal]] = {}
    for holder in _pairs(meta, "marginTables", ("id", "table")):
        key, table = holder.maybe_number("id", required=True), holder.inner("table")
        tiers = [] if table is None else table.rows("marginTiers")
        rows = {t.amount("lowerBound"): t.maybe_number("maxLeverage", above=0) for t in tiers}
        known = {floor: leverage for floor, leverage in rows.items() if leverage is not None}
        if key is not None and ZERO in known and len(known) == len(tiers):
            found[key] = known
    return found


def read_perps(payload: Payload, draft: Draft) -> None:
    """Note `clearinghouseState`."""
    root = table_of(payload, draft)
    draft.seen(payload.title, root.milliseconds("time"))
    coins = [_read_position(row, draft) for row in root.rows("assetPositions", required=True)]
    dexes = dict.fromkeys(dex_of(coin) for coin in coins if coin)
    summary = root.inner("crossMarginSummary")
    if summary is None:
        root.refuse_missing("crossMarginSummary", "is missing", required=True)
        return
    raw = summary.maybe_number("totalRawUsd", required=True)
    value = summary.maybe_number("accountValue", required=True)
    if raw is None or value is None:
        return
    maintenance, whole = (
        root.maybe_number("crossMaintenanceMarginUsed"),
        root.inner("marginSummary"),
    )
    state = PerpsState(
        path=payload.title,
        dex=next(iter(dexes), ""),
        raw_usd=raw,
        value=value,
        notional=None if whole is None else whole.maybe_number("totalNtlPos"),
        maintenance=maintenance,
        figures={
            "initial_margin": summary.maybe_number("totalMarginUsed"),
            "maintenance_margin": maintenance,
            "withdrawable": root.maybe_number("withdrawable"),
        },
    )
    draft.working(Working).perps.append(state)


def read_positions(payload: Payload, draft: Draft) -> None:
    """Note positions without the state around them."""
    for row in rows_of(payload, draft):
        _read_position(row, draft)


def _read_position(row: Row, draft: Draft) -> str | None:
    """Note one position; return its coin, flat or not."""
    held = row.inner("position")
    if held is None:
        row.refuse_missing("position", "is missing", required=True)
        return None
    coin = held.text("coin", required=True)
    size = held.maybe_number("szi", required=True)
    if coin is None or not size:
        return coin
    found = draft.position(held.path, coin, "", size)
    value = held.positive("positionValue")
    found.note(
        entry_price=_entry(held, size, value),
        mark_price=None if value is None else divided(value, size).copy_abs(),
        unrealized_pnl=held.maybe_number("unrealizedPnl"),
    )
    largest = held.maybe_number("maxLeverage", above=0)
    if largest is not None:
        draft.working(Working).own_leverage_max[coin] = largest
    _note_mode(held, found)
    found.report("liquidation_price", held.some("liquidationPx"))
    if held.content.get("liquidationPx", 0) is None:
        draft.working(Working).unpriced.add(coin)
    found.report("unrealized_pnl", held.maybe_number("unrealizedPnl"))
    if found.margin_mode is MarginMode.CROSS:
        found.report("initial_margin", held.maybe_number("marginUsed"))
    _say_missing(held, found, draft)
    return coin


def _note_mode(held: Row, found: PositionDraft) -> None:
    """Note leverage and margin mode, and of an isolated position its own cash with its cost."""
    leverage = held.inner("leverage")
    if leverage is None:
        return
    found.note(leverage=leverage.maybe_number("value", above=0))
    if leverage.choice("type", MarginMode) != MarginMode.ISOLATED:
        return
    found.margin_mode = MarginMode.ISOLATED
    raw, entry = leverage.maybe_number("rawUsd", required=True), found.entry_price
    if raw is not None and entry is not None:
        with exact():
            found.note(isolated_margin=raw + found.size * entry)


def _say_missing(held: Row, found: PositionDraft, draft: Draft) -> None:
    """Say what is taken where a position lacks its mode, or the profit that tells its entry."""
    leverage = held.content.get("leverage")
    if not isinstance(leverage, Mapping) or not leverage.get("type"):
        draft.say(
            f"no answer says the margin mode of {found.instrument} (leverage.type): cross is taken"
        )
    if held.content.get("unrealizedPnl") in (None, ""):
        draft.say(
            f"entry price of {found.instrument} is the rounded one: unrealizedPnl, which gives it "
            "in full, is missing"
        )


def _entry(held: Row, size: Decimal, value: Decimal | None) -> Decimal | None:
    """Return the entry price: `entryPx` is rounded, value and profit have it in full."""
    shown, profit = held.positive("entryPx"), held.maybe_number("unrealizedPnl")
    if shown is None or value is None or profit is None:
        return shown
    full = _ENTRY_DIGITS.divide(_ENTRY_DIGITS.subtract(value.copy_sign(size), profit), size)
    return full if abs(full - shown) <= shown * _ENTRY_ROUNDED else shown


def read_spot(payload: Payload, draft: Draft) -> None:
    """Note `spotClearinghouseState`; a pooled account has what is free after maintenance in it."""
    root = table_of(payload, draft)
    working = draft.working(Working)
    working.is_pooled |= "tokenToAvailableAfterMaintenance" in root.content
    if root.flag("portfolioMarginEnabled"):
        working.mode = "portfolioMargin"
    found = working.spot if working.spot is not None else {}
    available = _available(root)
    for row in root.rows("balances"):
        coin = row.text("coin", required=True)
        total = row.maybe_number("total", required=True)
        if coin is None or total is None:
            continue
        if coin == USDC and row.amount("token") != _USDC_TOKEN:
            row.refuse("token", f"found {row.amount('token'):f}; USDC is token 0")
            continue
        found[coin] = total
        left = available.get(row.amount("token"))
        if left is not None:
            working.available[coin] = left
    working.spot = found


def _available(root: Row) -> dict[Decimal, Decimal]:
    """Return what is available after maintenance, by token."""
    found: dict[Decimal, Decimal] = {}
    for row in _pairs(root, "tokenToAvailableAfterMaintenance", ("token", "amount")):
        token, left = row.maybe_number("token", required=True), row.maybe_number("amount")
        if token is not None and left is not None:
            found[token] = left
    return found


def read_orders(payload: Payload, draft: Draft) -> None:
    """Note `openOrders` or `frontendOpenOrders`; spot and untriggered orders hold no margin."""
    for row in rows_of(payload, draft):
        coin = row.text("coin", required=True)
        side = _SIDES.get(row.text("side", required=True) or "")
        left = row.maybe_number("sz", required=True)
        price = row.maybe_number("limitPx", required=True)
        number = row.content.get("oid")
        if side is None:
            row.refuse("side", f'found {row.content.get("side")!r}; "B" (buy) or "A" (sell)')
        if coin is None or side is None or not left or price is None:
            continue
        if coin.startswith("@") or "/" in coin:
            draft.say(f"order {number} is a spot order ({coin}) and is left out")
            continue
        if row.flag("isTrigger"):
            draft.say(f"order {number} waits for its trigger and is left out")
            continue
        if price <= 0 or left < 0:
            row.refuse("limitPx" if price <= 0 else "sz", "must be above 0")
            continue
        reduces = row.flag("reduceOnly")
        if reduces is None:
            draft.say("openOrders does not say which orders only reduce; frontendOpenOrders does")
        draft.order(
            number,
            {
                "instrument": coin,
                "side": side,
                "size": f"{left:f}",
                "price": f"{price:f}",
                "reduce_only": bool(reduces),
            },
        )


def _is_meta(content: object) -> bool:
    if isinstance(content, list) and content:
        content = content[0]
    return isinstance(content, Mapping) and isinstance(content.get("universe"), list)


def _is_mode(content: object) -> bool:
    """Whether it is a word that nothing else means; "default" and "disabled" need their kind."""
    return isinstance(content, str) and content in ABSTRACTIONS[:3]


def _is_positions(content: object) -> bool:
    first = content[0] if isinstance(content, list) and content else None
    held = first.get("position") if isinstance(first, Mapping) else None
    return isinstance(held, Mapping) and {"coin", "szi"} <= set(held)


KINDS = (
    PayloadKind(
        alias="hyperliquid:mode",
        call='POST /info {"type": "userAbstraction"}',
        venue=VENUE,
        matches=_is_mode,
        parts=frozenset(),
        read=read_mode,
        finish=finish,
    ),
    PayloadKind(
        alias="hyperliquid:meta",
        call='POST /info {"type": "meta"} or {"type": "metaAndAssetCtxs"}',
        venue=VENUE,
        matches=_is_meta,
        parts=frozenset(),
        read=read_meta,
        finish=finish,
    ),
    PayloadKind(
        alias="hyperliquid:perps",
        call='POST /info {"type": "clearinghouseState"}',
        venue=VENUE,
        matches=has("assetPositions", "crossMarginSummary"),
        parts=frozenset({Unlearnt.COLLATERAL, Unlearnt.POSITIONS}),
        read=read_perps,
        finish=finish,
    ),
    PayloadKind(
        alias="hyperliquid:positions",
        call="`assetPositions` of clearinghouseState, alone (ccxt's fetch_positions)",
        venue=VENUE,
        matches=_is_positions,
        parts=frozenset({Unlearnt.POSITIONS}),
        read=read_positions,
        finish=finish,
    ),
    PayloadKind(
        alias="hyperliquid:spot",
        call='POST /info {"type": "spotClearinghouseState"}',
        venue=VENUE,
        matches=lambda content: isinstance(content, Mapping) and _is_spot(content.get("balances")),
        parts=frozenset({Unlearnt.COLLATERAL}),
        read=read_spot,
        finish=finish,
    ),
    PayloadKind(
        alias="hyperliquid:orders",
        call='POST /info {"type": "frontendOpenOrders"}',
        venue=VENUE,
        matches=has("coin", "limitPx", "oid", "side"),
        parts=frozenset({Unlearnt.ORDERS}),
        read=read_orders,
        finish=finish,
    ),
)


def _is_spot(balances: object) -> bool:
    """Whether it is a list of spot balances; an empty one is told by its kind."""
    first = balances[0] if isinstance(balances, list) and balances else None
    return isinstance(first, Mapping) and {"coin", "total", "hold"} <= set(first)
