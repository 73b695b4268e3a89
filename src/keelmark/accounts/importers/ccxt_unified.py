"""ccxt's unified balance, positions, orders and leverage tiers, where nothing better is known.

Source: docs.ccxt.com, Manual (balance, position, order and leverage tiers structures). Fields are
left empty or filled by ccxt's own guesses, so what is taken is said: `total` of a currency as its
wallet, `contracts` as unsigned beside a side, an empty margin mode as cross. `timestamp` is when a
position last changed at most venues, so it dates nothing here.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from keelmark.accounts.document import MarginMode, Unlearnt
from keelmark.accounts.importers.ccxt_raw import is_ccxt_balance, is_ccxt_rows, is_inverse
from keelmark.accounts.importers.ccxt_tiers import note_tier
from keelmark.accounts.importers.draft import Draft, JsonValue, PositionDraft, divided, plain
from keelmark.accounts.importers.kind import PayloadKind, rows_of, table_of
from keelmark.accounts.importers.listed import rulebook_of
from keelmark.accounts.importers.payload import Payload, Row
from keelmark.core.instrument import InstrumentKind
from keelmark.core.numbers import ZERO
from keelmark.rulebooks.spelling import perpetual_of

VENUE = ""
"""No venue: the answers beside it, or the caller, say it."""
GENERIC = "generic"
_NO_CURRENCY = frozenset({"info", "free", "used", "total", "debt", "timestamp", "datetime"})
_SIGNS = {"long": 1, "short": -1}
_CONTRACT = re.compile(r"[^/:]+/[^/:]+:[^/:-]+(-\d{6})?")
"""A perpetual or a dated future: `BTC/USDT:USDT`, `BTC/USD:BTC-260626`; options have more."""


@dataclass(slots=True, kw_only=True)
class Working:
    """What is kept until every answer was read.

    Attributes:
        tiers: Rows of leverage tiers by unified symbol.
        symbols: The unified symbol of each position.
        contracts: Of each position, by its key in the draft.
        totals: Assets whose balance is ccxt's `total`.
    """

    tiers: dict[str, list[Row]] = field(default_factory=dict)
    symbols: dict[str, str] = field(default_factory=dict)
    contracts: dict[tuple[str, str], Decimal] = field(default_factory=dict)
    totals: set[str] = field(default_factory=set)


def read_balance(payload: Payload, draft: Draft) -> None:
    """Note `fetch_balance`."""
    root = table_of(payload, draft)
    for asset, value in root.content.items():
        if asset in _NO_CURRENCY or not isinstance(value, Mapping):
            continue
        row = Row(value, root.at(str(asset)), draft.problems)
        total, debt = row.maybe_number("total"), row.amount("debt")
        if total is None:
            if row.amount("free") or row.amount("used"):
                row.refuse("total", "is empty beside what is free or used")
            continue
        if total:
            draft.balance(row.at("total"), str(asset), total)
            draft.working(Working).totals.add(str(asset))
        if debt > 0:
            draft.liabilities[str(asset)] = debt
    if draft.collateral:
        draft.say(
            "ccxt's `total` is taken as wallet balance; where a venue counts profit in it, equity "
            "is too large by that profit: compare with the venue's own figure"
        )


def read_positions(payload: Payload, draft: Draft) -> None:
    """Note `fetch_positions`."""
    for row in rows_of(payload, draft):
        symbol = row.text("symbol", required=True)
        contracts = row.maybe_number("contracts", required=True)
        if symbol is None or not contracts:
            continue
        if not _CONTRACT.fullmatch(symbol):
            draft.unlearn(
                Unlearnt.POSITIONS,
                f"{symbol} is no perpetual and no dated future, and ccxt's fields do not margin "
                "what else there is; leave it out to see the rest alone",
            )
            continue
        side = row.text("side")
        if side not in _SIGNS:
            row.refuse("side", f'found {side!r}; "long" or "short" is needed beside contracts')
            continue
        count = _SIGNS[side] * abs(contracts)
        size = count if is_inverse(symbol) else _units(row, draft, count, symbol)
        if size is None:
            continue
        name = _venue_symbol(row) or symbol
        draft.working(Working).symbols[name] = symbol
        leg = side if row.flag("hedged") else ""
        draft.working(Working).contracts[name, leg] = abs(contracts)
        found = draft.position(row.path, name, leg, size)
        _read_figures(row, draft, found, symbol)


def read_orders(payload: Payload, draft: Draft) -> None:
    """Note `fetch_open_orders`."""
    for row in rows_of(payload, draft):
        symbol, side = row.text("symbol", required=True), row.text("side", required=True)
        left, price = row.some("remaining"), row.some("price")
        if symbol is None or side is None or left is None or ":" not in symbol:
            continue
        if not _CONTRACT.fullmatch(symbol):
            draft.unlearn(
                Unlearnt.ORDERS,
                f"order {row.content.get('id')} is in {symbol}, no perpetual and no dated future",
            )
            continue
        if price is None or price <= 0 or left <= 0 or side not in {"buy", "sell"}:
            draft.say(f"order {row.content.get('id')} has no price, size or side: left out")
            continue
        if not is_inverse(symbol):
            draft.say("sizes of ccxt's open orders are taken as units of the base")
        draft.order(
            row.content.get("id"),
            {
                "instrument": _venue_symbol(row) or symbol,
                "side": side,
                "size": plain(left),
                "price": plain(price),
                "reduce_only": bool(row.flag("reduceOnly")),
            },
            _leg(row),
        )


def read_tiers(payload: Payload, draft: Draft) -> None:
    """Keep `fetch_leverage_tiers` until positions and venue are known."""
    root = table_of(payload, draft)
    tables = {symbol: root.rows(symbol) for symbol in root.content}
    draft.working(Working).tiers.update({s: rows for s, rows in tables.items() if rows})


def finish(draft: Draft) -> None:
    """Note the row of each position, and its name at the venue; say where no venue is known."""
    working = draft.working(Working)
    draft.venue = draft.venue or draft.wanted
    if not draft.venue:
        draft.venue = GENERIC
        draft.say("ccxt's fields do not say the venue: generic rules are taken; name it by --venue")
    _take_isolated_out(draft, working)
    for key, position in draft.positions.items():
        symbol = working.symbols[position.instrument]
        rows = working.tiers.get(symbol)
        if rows and not position.tier:
            count = working.contracts[key]
            note_tier(position, draft, symbol=symbol, rows=rows, contracts=count)
    if draft.venue != GENERIC:
        _rename(draft)


def _take_isolated_out(draft: Draft, working: Working) -> None:
    """Leave in the cross balance what isolated margins leave of a `total`, which holds them."""
    margins: dict[str, Decimal] = {}
    for position in draft.positions.values():
        if position.margin_mode is MarginMode.ISOLATED:
            settle = str(position.spec.get("settle"))
            margin = position.figures.get("isolated_margin", ZERO)
            margins[settle] = margins.get(settle, ZERO) + margin
    for settle, margin in margins.items():
        if settle not in working.totals:
            continue
        total = draft.collateral[settle]
        if margin > total:
            draft.say(
                f"{plain(margin)} {settle} of isolated margin is more than ccxt's total of "
                f"{plain(total)}: it is taken to be beside it; compare with the venue's equity"
            )
            continue
        draft.collateral[settle] = total - margin
        draft.say(
            f"{plain(margin)} {settle} of ccxt's total is taken to be margin of isolated "
            "positions, which backs them alone"
        )


def _rename(draft: Draft) -> None:
    """Give what has ccxt's unified name the venue's own, where the rulebook has the contract."""
    names: dict[str, str] = {}
    for position in draft.positions.values():
        own = _own_symbol(draft, position)
        if own is not None and own != position.instrument:
            names[position.instrument] = own
            position.spec = {}
    if not names:
        return
    for old, new in names.items():
        draft.say(f"{old} is {new} there")
    for position in draft.positions.values():
        position.instrument = names.get(position.instrument, position.instrument)
    draft.positions = {(names.get(s, s), leg): p for (s, leg), p in draft.positions.items()}
    for row in draft.orders:
        row["instrument"] = names.get(str(row["instrument"]), row["instrument"])


def _own_symbol(draft: Draft, position: PositionDraft) -> str | None:
    """Return the venue's name of a perpetual that has ccxt's."""
    rulebook = rulebook_of(draft) if ":" in position.instrument else None
    base, settle = position.spec.get("base"), position.spec.get("settle")
    kind, worth = position.spec.get("kind"), position.spec.get("contract_size")
    if rulebook is None or not isinstance(base, str) or not isinstance(settle, str):
        return None
    if kind not in {InstrumentKind.LINEAR_PERPETUAL, InstrumentKind.INVERSE_PERPETUAL}:
        return None
    return perpetual_of(
        rulebook,
        base=base,
        settle=settle,
        kind=InstrumentKind(str(kind)),
        contract_size=Decimal(worth) if isinstance(worth, str) else None,
    )


def _read_figures(row: Row, draft: Draft, found: PositionDraft, symbol: str) -> None:
    found.spec = _spec(row, symbol)
    linear = not is_inverse(symbol)
    profit = row.maybe_number("unrealizedPnl")
    found.note(
        entry_price=row.positive("entryPrice"),
        mark_price=row.positive("markPrice"),
        leverage=row.positive("leverage"),
        notional=(row.some("notional") or None) if linear else None,
        unrealized_pnl=profit if linear else None,
    )
    mode = row.text("marginMode")
    if mode is None:
        draft.say(f"ccxt gives no margin mode of {symbol}: cross is taken")
    if mode == MarginMode.ISOLATED:
        found.margin_mode = MarginMode.ISOLATED
        collateral = row.maybe_number("collateral", required=True)
        if collateral is not None:
            found.note(isolated_margin=collateral - (profit or ZERO))
            draft.say(f"margin of {symbol} is ccxt's collateral less unrealised profit")
    found.report("liquidation_price", row.some("liquidationPrice"))
    found.report("initial_margin", row.some("initialMargin"))
    found.report("maintenance_margin", row.some("maintenanceMargin"))
    found.report("unrealized_pnl", profit)


def _units(row: Row, draft: Draft, count: Decimal, symbol: str) -> Decimal | None:
    """Return the size in units of the base, from the contract size or the notional."""
    worth = row.positive("contractSize")
    notional, mark = row.some("notional"), row.positive("markPrice")
    if worth is None and notional is not None and mark is not None:
        worth = abs(divided(divided(notional, mark), count))
        draft.say(f"contract size of {symbol} worked out from its notional and mark")
    if worth is None:
        row.refuse("contractSize", "is empty, and there is no notional and mark to work it out")
        return None
    return count * worth


def _venue_symbol(row: Row) -> str | None:
    """Return the venue's own name of a contract, where its answer has one."""
    info = row.content.get("info")
    for key in ("symbol", "instId", "instrument_name", "market", "contract", "coin"):
        found = info.get(key) if isinstance(info, Mapping) else None
        if isinstance(found, str) and found.strip():
            return found.strip()
    return None


def _leg(row: Row) -> str:
    """Return the leg of an order: ccxt has no field of its own, so only the answer inside says."""
    info = row.content.get("info")
    for key in ("positionSide", "posSide"):
        found = str(info.get(key)).lower() if isinstance(info, Mapping) else ""
        if found in _SIGNS:
            return found
    return ""


def _spec(row: Row, symbol: str) -> dict[str, JsonValue]:
    """Return what a unified symbol stands for: `BTC/USDT:USDT`, `BTC/USD:BTC-260626`."""
    base, _, rest = symbol.partition("/")
    settle, _, term = rest.partition(":")[2].partition("-")
    if not settle:
        return {}
    shape = "inverse" if is_inverse(symbol) else "linear"
    found: dict[str, JsonValue] = {"kind": f"{shape}_perpetual", "base": base, "settle": settle}
    if len(term) == len("260626") and term.isdigit():
        found["kind"] = f"{shape}_future"
        found["expiry"] = f"20{term[:2]}-{term[2:4]}-{term[4:]}T08:00:00Z"
    worth = row.positive("contractSize")
    if shape == "inverse" and worth is not None:
        found["contract_size"] = plain(worth)
    return found


def _is_tiers(content: object) -> bool:
    """Whether content is tables by symbol; contracts that have no tiers have empty ones."""
    tables = content.values() if isinstance(content, Mapping) else ()
    rows = next((table for table in tables if table), None)
    first = rows[0] if isinstance(rows, list) else None
    return isinstance(first, Mapping) and {"minNotional", "maintenanceMarginRate"} <= set(first)


KINDS = (
    PayloadKind(
        alias="ccxt:balance",
        call="ccxt fetch_balance",
        venue=VENUE,
        matches=is_ccxt_balance,
        parts=frozenset({Unlearnt.COLLATERAL}),
        read=read_balance,
        finish=finish,
    ),
    PayloadKind(
        alias="ccxt:positions",
        call="ccxt fetch_positions",
        venue=VENUE,
        matches=lambda content: is_ccxt_rows(content, "contracts", "side", "entryPrice"),
        parts=frozenset({Unlearnt.POSITIONS}),
        read=read_positions,
        finish=finish,
    ),
    PayloadKind(
        alias="ccxt:orders",
        call="ccxt fetch_open_orders",
        venue=VENUE,
        matches=lambda content: is_ccxt_rows(content, "remaining", "side", "amount"),
        parts=frozenset({Unlearnt.ORDERS}),
        read=read_orders,
        finish=finish,
    ),
    PayloadKind(
        alias="ccxt:tiers",
        call="ccxt fetch_leverage_tiers",
        venue=VENUE,
        matches=_is_tiers,
        parts=frozenset(),
        read=read_tiers,
        finish=finish,
    ),
)
