"""Binance COIN-M futures: account, balances, position risk and open orders.

Source: developers.binance.com, COIN-M futures, account and trade endpoints (`/dapi/v1`). Amounts of
positions are contracts of a fixed worth in USD; balances, profit, `notionalValue` and maintenance
are in the coin. An account overview has no mark, and profit of an inverse contract gives none
without its size: position risk has it. `updateTime` says when something last changed, not when the
venue answered.
"""

import re
from decimal import Decimal

from keelmark.accounts.document import MarginMode, Unlearnt
from keelmark.accounts.importers.binance_rows import (
    profit_of,
    read_asset,
    read_orders,
    read_position,
)
from keelmark.accounts.importers.draft import Draft, JsonValue, PositionDraft, plain
from keelmark.accounts.importers.kind import PayloadKind, both, has, lacks, rows_of, table_of
from keelmark.accounts.importers.listed import listed_terms
from keelmark.accounts.importers.payload import Payload, Row

VENUE = "binance-coinm"
_SIZES = {"BTCUSD": Decimal(100)}
_SIZE = Decimal(10)
"""Worth of a contract in USD: 100 of BTC, 10 of every other coin (contract specifications)."""
_AGREES = Decimal("0.01")
_DAY = re.compile(r"(\d\d)(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])")
"""Delivery is on the last Friday of a month, at 08:00 UTC."""


def read_account(payload: Payload, draft: Draft) -> None:
    """Note an account overview: `GET /dapi/v1/account`."""
    root = table_of(payload, draft)
    for row in root.rows("assets", required=True):
        read_asset(row, draft, "walletBalance")
    for row in root.rows("positions", required=True):
        read_position(row, draft)


def read_balances(payload: Payload, draft: Draft) -> None:
    """Note balances: `GET /dapi/v1/balance`."""
    for row in rows_of(payload, draft):
        read_asset(row, draft, "balance")


def read_position_risk(payload: Payload, draft: Draft) -> None:
    """Note positions: `GET /dapi/v1/positionRisk`."""
    for row in rows_of(payload, draft):
        found = read_position(row, draft)
        if found is None:
            continue
        found.note(mark_price=row.positive("markPrice"))
        found.report("unrealized_pnl", profit_of(row))
        found.report("liquidation_price", row.some("liquidationPrice"))
        _check_worth(row, draft, found)


def finish(draft: Draft) -> None:
    """Say what contracts are that no built-in table knows."""
    for position in draft.positions.values():
        if "_" in position.instrument and listed_terms(draft, position.instrument) is None:
            position.spec = contract_spec(position.instrument)
    for position in draft.positions.values():
        if position.margin_mode is MarginMode.ISOLATED and "isolated_margin" not in (
            position.figures
        ):
            text = f"{position.instrument} is isolated and no answer has its wallet"
            draft.problems.add(position.path, f"{text}; add the answer to /dapi/v1/positionRisk")


def contract_spec(symbol: str) -> dict[str, JsonValue]:
    """Return what a COIN-M symbol stands for: `BTCUSD_PERP`, `ETHUSD_260626`."""
    pair, _, term = symbol.partition("_")
    base = pair.removesuffix("USD")
    worth = plain(_SIZES.get(pair, _SIZE))
    found: dict[str, JsonValue] = {"base": base, "settle": base, "contract_size": worth}
    day = _DAY.fullmatch(term)
    if day is None:
        return {"kind": "inverse_perpetual", **found}
    year, month, date = day.groups()
    return {"kind": "inverse_future", **found, "expiry": f"20{year}-{month}-{date}T08:00:00Z"}


def _check_worth(row: Row, draft: Draft, found: PositionDraft) -> None:
    """Say it where notional, mark and amount disagree with the contract's worth."""
    value, mark = row.maybe_number("notionalValue"), found.mark_price
    if not value or mark is None:
        return
    worth = abs(value * mark / found.size)
    terms = listed_terms(draft, found.instrument, VENUE)
    known = _SIZES.get(found.instrument.partition("_")[0], _SIZE)
    known = known if terms is None else terms.instrument.contract_size
    if abs(worth - known) > known * _AGREES:
        draft.say(
            f"{found.instrument}: notional and mark give a contract of {worth:.2f} USD, "
            f"{known:f} is taken; compare with contractSize of exchangeInfo"
        )


KINDS = (
    PayloadKind(
        alias="binance-coinm:account",
        call="GET /dapi/v1/account",
        venue=VENUE,
        matches=both(
            has("assets", "positions", "canTrade"),
            lacks("totalMarginBalance", "totalInitialMargin"),
        ),
        parts=frozenset({Unlearnt.COLLATERAL, Unlearnt.POSITIONS}),
        read=read_account,
        finish=finish,
    ),
    PayloadKind(
        alias="binance-coinm:balance",
        call="GET /dapi/v1/balance",
        venue=VENUE,
        matches=has("accountAlias", "asset", "crossWalletBalance", "withdrawAvailable"),
        parts=frozenset({Unlearnt.COLLATERAL}),
        read=read_balances,
        finish=finish,
    ),
    PayloadKind(
        alias="binance-coinm:positions",
        call="GET /dapi/v1/positionRisk",
        venue=VENUE,
        matches=has("symbol", "positionAmt", "markPrice", "notionalValue", "marginType"),
        parts=frozenset({Unlearnt.POSITIONS}),
        read=read_position_risk,
        finish=finish,
    ),
    PayloadKind(
        alias="binance-coinm:orders",
        call="GET /dapi/v1/openOrders",
        venue=VENUE,
        matches=has("orderId", "symbol", "pair", "origQty", "executedQty", "closePosition"),
        parts=frozenset({Unlearnt.ORDERS}),
        read=read_orders,
        finish=finish,
    ),
)
