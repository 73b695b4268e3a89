"""Binance market data beside an account: leverage brackets, asset indices, marks.

Source: developers.binance.com: `leverageBracket` of USDS-M (v1) and COIN-M (v2), `assetIndex` and
`premiumIndex`. Brackets of USDS-M are over notional in the quote; of COIN-M over the quantity in
the coin. `cum` is what the row's rate asks too much of the notional below its floor. An asset's
bid rate is its index less the bid buffer (one less it is the collateral ratio), its ask rate the
index and the ask buffer.
"""

from dataclasses import dataclass, field
from decimal import Decimal

from keelmark.accounts.importers.binance_coinm import contract_spec
from keelmark.accounts.importers.draft import Draft
from keelmark.accounts.importers.kind import PayloadKind, both, has, lacks, rows_of
from keelmark.accounts.importers.listed import note_row
from keelmark.accounts.importers.payload import Payload, Row
from keelmark.accounts.importers.steps import CENT, SATOSHI, Step, Steps
from keelmark.core.numbers import exact

VENUE, MULTI = "binance-usdm", "binance-usdm-multi"


@dataclass(slots=True, kw_only=True)
class Working:
    """Brackets with their places, marks, and buffers by asset, kept until every answer was read."""

    brackets: dict[str, Steps] = field(default_factory=dict)
    paths: dict[str, str] = field(default_factory=dict)
    bid_buffers: dict[str, Decimal] = field(default_factory=dict)
    ask_buffers: dict[str, Decimal] = field(default_factory=dict)
    marks: dict[str, Decimal] = field(default_factory=dict)


def read_brackets(payload: Payload, draft: Draft) -> None:
    """Note `GET /fapi/v1/leverageBracket` or `GET /dapi/v2/leverageBracket`."""
    working = draft.working(Working)
    for row in rows_of(payload, draft):
        symbol = row.text("symbol", required=True)
        rows = row.rows("brackets", required=True)
        found = [bracket for inner in rows if (bracket := _bracket(inner))]
        is_own = row.amount("notionalCoef") not in (Decimal(0), Decimal(1))
        if is_own:
            draft.say(f"{symbol} has brackets of its own, wider than the published ones")
        if symbol is not None and len(found) == len(rows):
            quantum = SATOSHI if "USD_" in symbol else CENT
            working.brackets[symbol] = Steps.of(found, quantum=None if is_own else quantum)
            working.paths[symbol] = row.at("brackets")


def read_asset_index(payload: Payload, draft: Draft) -> None:
    """Note what assets are worth in USD: `GET /fapi/v1/assetIndex`."""
    for row in rows_of(payload, draft):
        symbol, index = row.text("symbol", required=True), row.positive("index")
        draft.seen(payload.title, row.milliseconds("time"))
        if symbol is not None and index is not None and symbol.endswith("USD"):
            asset, working = symbol.removesuffix("USD"), draft.working(Working)
            draft.prices.setdefault(asset, index)
            _note_buffer(row, "bidBuffer", asset, working.bid_buffers)
            _note_buffer(row, "askBuffer", asset, working.ask_buffers)


def _note_buffer(row: Row, key: str, asset: str, found: dict[str, Decimal]) -> None:
    """Note a share of the index by which a side lies off it."""
    buffer = row.maybe_number(key)
    if buffer is not None and 0 <= buffer < 1:
        found[asset] = buffer
    elif buffer is not None:
        row.refuse(key, f"found {buffer}; it is a fraction of the index")


def read_premium_index(payload: Payload, draft: Draft) -> None:
    """Note marks, for orders in what is not held: `GET /fapi/v1/premiumIndex`."""
    for row in rows_of(payload, draft):
        symbol, mark = row.text("symbol", required=True), row.positive("markPrice")
        if symbol is not None and mark is not None:
            draft.working(Working).marks[symbol] = mark


def finish(draft: Draft) -> None:
    """Note the row of each position where the built-in table has another; marks of orders."""
    working = draft.working(Working)
    if draft.venue.partition("@")[0] == MULTI:
        draft.ask_buffers |= working.ask_buffers
        for asset, buffer in working.bid_buffers.items():
            draft.weights.setdefault(asset, 1 - buffer)
    for position in draft.positions.values():
        mark, steps = position.mark_price, working.brackets.get(position.instrument)
        if steps is None or mark is None:
            continue
        if steps.problem is not None:
            path = working.paths[position.instrument]
            draft.problems.add(path, f"{steps.problem}; save the answer whole")
            continue
        with exact():
            notional = abs(position.size) * mark
            if "USD_" in position.instrument:
                worth = contract_spec(position.instrument)["contract_size"]
                notional = abs(position.size) * Decimal(str(worth)) / mark
        row = steps.at(notional)
        steps.say_beyond(position, notional, draft)
        amount = row.amount or Decimal(0)
        note_row(position, draft, notional=notional, rate=row.rate, amount=amount)
    held = {instrument for instrument, _ in draft.positions}
    for order in draft.orders:
        symbol = str(order["instrument"])
        if symbol not in held and symbol in working.marks:
            draft.prices.setdefault(symbol, working.marks[symbol])


def _bracket(row: Row) -> Step | None:
    floor, cap = row.maybe_number("notionalFloor"), row.some("notionalCap")
    for key in ("qtylFloor", "qtyFloor"):  # the documented key is misspelt
        floor = row.maybe_number(key) if floor is None else floor
    cap = row.some("qtyCap") if cap is None else cap
    rate = row.maybe_number("maintMarginRatio", required=True)
    if floor is None:
        row.refuse("notionalFloor", "is missing; a bracket needs its floor")
    if floor is None or rate is None:
        return None
    return Step(floor=floor, cap=cap, rate=rate, amount=row.maybe_number("cum"))


KINDS = (
    PayloadKind(
        alias="binance-usdm:brackets",
        call="GET /fapi/v1/leverageBracket",
        venue=VENUE,
        matches=has("symbol", "brackets"),
        parts=frozenset(),
        read=read_brackets,
        finish=finish,
    ),
    PayloadKind(
        alias="binance-usdm:asset-index",
        call="GET /fapi/v1/assetIndex",
        venue=VENUE,
        matches=has("symbol", "index", "bidBuffer", "askBuffer"),
        parts=frozenset(),
        read=read_asset_index,
        finish=finish,
    ),
    PayloadKind(
        alias="binance-usdm:premium-index",
        call="GET /fapi/v1/premiumIndex",
        venue=VENUE,
        matches=both(has("symbol", "markPrice", "indexPrice", "nextFundingTime"), lacks("pair")),
        parts=frozenset(),
        read=read_premium_index,
        finish=finish,
    ),
)
