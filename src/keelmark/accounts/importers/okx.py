"""OKX v5: account balance, positions, configuration, instruments and pending orders.

Source: www.okx.com/docs-v5, trading account (`account/balance`, `account/positions`,
`account/config`), order book trading (`trade/orders-pending`), public data (`public/instruments`,
`public/position-tiers`, whose sizes are contracts).
Equity of a currency is `cashBal + upl + stgyEq` and what isolated positions hold; cross margin
begins from `cashBal`, which is negative where a currency is owed. Sizes are contracts: of a linear
one, contracts times contract value are units of the base. In long and short mode `pos` is unsigned.
What a short option is asked holds the margin factor of its tier (OKX help, Option Margin,
2026-05-01), and no dated source lists the factors: positions in options are unknown, by name.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from keelmark.accounts.document import AccountMode, MarginMode, Unlearnt
from keelmark.accounts.importers.draft import Draft, JsonValue, PositionDraft, divided, plain
from keelmark.accounts.importers.kind import PayloadKind, rows_have
from keelmark.accounts.importers.listed import listed_terms, note_row, rulebook_of
from keelmark.accounts.importers.own_rows import note_rate
from keelmark.accounts.importers.payload import Payload, Row
from keelmark.accounts.importers.steps import Step, Steps
from keelmark.core.numbers import exact

VENUE = "okx-multi"
_ROWS = ("data",)
_FUTURES, _PORTFOLIO = "2", "4"
_LEVELS = {"1": "spot", "2": "futures", "3": "multi-currency", "4": "portfolio margin"}
_FIGURES = {
    "equity": "adjEq",
    "initial_margin": "imr",
    "maintenance_margin": "mmr",
    "health": "mgnRatio",
}
_SWAPS = frozenset({"SWAP", "FUTURES"})
_OPTION = re.compile(r"[A-Z0-9]+-[A-Z0-9_]+-\d{6}-[\d.]+-[CP]")
"""`BTC-USD-261225-100000-C`; `_UM` after the quote of those that settle in USD."""
_WORTH_AGREES = Decimal("0.03")
"""How far a contract value worked out in USD may lie from a power of ten."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """What a contract is: its value in base (linear) or quote (inverse), and what it settles in."""

    value: Decimal
    is_inverse: bool
    settle: str


@dataclass(slots=True, kw_only=True)
class Working:
    """What is kept until every answer was read.

    Attributes:
        level: Account mode, `acctLv`.
        contracts: By instrument, from `public/instruments`.
        tiers: By instrument family, the rows of each answer to `public/position-tiers`.
        counts: Contracts held, by the key of the position in the draft: legs have their own.
        discounted: Fraction of each currency that counts, as the venue counted it.
        options: Names of positions in options.
        held: Rows of positions.
        orders: Rows of pending orders.
    """

    level: str | None = None
    contracts: dict[str, Contract] = field(default_factory=dict)
    tiers: dict[str, list[frozenset[Step]]] = field(default_factory=dict)
    counts: dict[tuple[str, str], Decimal] = field(default_factory=dict)
    discounted: dict[str, Decimal] = field(default_factory=dict)
    options: list[str] = field(default_factory=list)
    held: list[Row] = field(default_factory=list)
    orders: list[Row] = field(default_factory=list)


def read_config(payload: Payload, draft: Draft) -> None:
    """Note the account mode: `GET /api/v5/account/config`."""
    for row in _data(payload, draft):
        level = row.content.get("acctLv")
        if str(level) not in _LEVELS:
            row.refuse("acctLv", f"found {level!r}; one of 1 to 4 is needed")
            continue
        draft.working(Working).level = str(level)
        mode = row.text("posMode")
        if mode is not None:
            is_hedge = mode == "long_short_mode"
            draft.account_mode = AccountMode.HEDGE if is_hedge else AccountMode.ONE_WAY


def read_instruments(payload: Payload, draft: Draft) -> None:
    """Note what contracts are worth: `GET /api/v5/public/instruments`."""
    for row in _data(payload, draft):
        name, settle = row.text("instId", required=True), row.text("settleCcy")
        value = row.positive("ctVal")
        if name is None or settle is None or value is None:
            continue  # spot and margin have none
        value *= row.positive("ctMult") or Decimal(1)
        shape = row.choice("ctType", ("linear", "inverse"))
        if shape is None:
            row.refuse_missing("ctType", "is missing", required=True)
            continue
        is_inverse = shape == "inverse"
        contract = Contract(value=value, is_inverse=is_inverse, settle=settle)
        draft.working(Working).contracts[name] = contract


def read_tiers(payload: Payload, draft: Draft) -> None:
    """Note maintenance rates by size: `GET /api/v5/public/position-tiers`.

    Rows do not say whether they are of swaps or of futures, cross or isolated: those of one answer
    belong together. Rows with a factor are of options.
    """
    found: dict[str, set[Step]] = {}
    for row in _data(payload, draft):
        family = row.text("instFamily") or row.text("uly") or row.text("instId")
        if row.amount("optMgnFactor"):
            continue
        least, largest = row.maybe_number("minSz", required=True), row.some("maxSz")
        rate = row.maybe_number("mmr", required=True)
        if family is None or least is None or rate is None:
            continue
        tier = Step(floor=least, cap=largest, rate=rate)
        found.setdefault(family, set()).add(tier)
    for family, tiers in found.items():
        draft.working(Working).tiers.setdefault(family, []).append(frozenset(tiers))


def read_balance(payload: Payload, draft: Draft) -> None:
    """Note `GET /api/v5/account/balance`."""
    for account in _data(payload, draft):
        draft.seen(payload.title, account.milliseconds("uTime"))
        for row in account.rows("details", required=True):
            _read_currency(row, draft)
        for number, key in _FIGURES.items():
            draft.report(number, account.some(key))


def read_positions(payload: Payload, draft: Draft) -> None:
    """Keep `GET /api/v5/account/positions` until the contracts are known."""
    draft.working(Working).held += _data(payload, draft)


def read_orders(payload: Payload, draft: Draft) -> None:
    """Keep `GET /api/v5/trade/orders-pending` until the contracts are known."""
    draft.working(Working).orders += _data(payload, draft)


def finish(draft: Draft) -> None:
    """Note positions and orders in units, and what the account mode means."""
    working = draft.working(Working)
    with exact():
        for row in working.held:
            _read_position(row, draft, working)
        for row in working.orders:
            _read_order(row, draft, working)
        _lose_options(draft, working.options)
        _note_tiers(draft, working)
        _note_weights(draft, working)
    _note_level(draft, working.level)


def _note_tiers(draft: Draft, working: Working) -> None:
    """Note the rate of each position's size where the built-in table has another or none.

    Without the venue's table it is the rate of `mmr`, which leaves the fees of a liquidation out.
    """
    for key, position in draft.positions.items():
        steps = _tiers_of(position.instrument, draft, working)
        count, mark = working.counts.get(key), position.mark_price
        if count is None or mark is None:
            continue
        inverse = working.contracts[position.instrument].is_inverse
        worth = working.contracts[position.instrument].value
        notional = abs(count) * worth / mark if inverse else abs(position.size) * mark
        if steps is None:
            note_rate(position, draft, notional=notional, table="okx:tiers", venue=VENUE)
            continue
        row = steps.at(abs(count))
        steps.say_beyond(position, abs(count), draft)
        note_row(position, draft, notional=notional, rate=row.rate, amount=Decimal(0))


def _tiers_of(symbol: str, draft: Draft, working: Working) -> Steps | None:
    """Return the table of a contract's family; none where answers or rows contradict."""
    family = _index(symbol)
    tables = {*working.tiers.get(family, [])}
    if not tables:
        return None
    if len(tables) > 1:
        draft.say(
            f"two tables of tiers of {family} are given (of swaps and futures, or cross and "
            "isolated) and do not say which is which: neither is taken; give one"
        )
        return None
    steps = Steps.of(*tables, is_whole=True)
    if steps.problem is not None:
        draft.say(f"tiers of {family} are not taken: {steps.problem}; save the answer whole")
        return None
    return steps


def _lose_options(draft: Draft, symbols: Sequence[str]) -> None:
    """Make positions unknown where some are in options, and say what is missing of them."""
    if not symbols:
        return
    names = " and ".join(dict.fromkeys(symbols))
    are, them = (
        ("are options", "leave them out") if len(symbols) > 1 else ("is an option", "leave it out")
    )
    draft.unlearn(
        Unlearnt.POSITIONS,
        f"{names} {are}: OKX multiplies what a short one is asked by the margin factor of its "
        "position tier (optMgnFactor), which no dated source lists, so requirements of the whole "
        f"are not known; {them} to see the rest alone",
    )


def _note_weights(draft: Draft, working: Working) -> None:
    """Note what part of a currency counts, where the rulebook has no discount for it."""
    rulebook = rulebook_of(draft, VENUE)
    for asset, weight in working.discounted.items():
        if rulebook is None or asset in rulebook.model.assets or asset not in draft.collateral:
            continue
        draft.weights[asset] = weight
        draft.say(f"{asset} counts by {plain(weight)}, as the venue counted its present balance")


def _note_level(draft: Draft, level: str | None) -> None:
    if level is None:
        draft.say("no answer says the account mode (account/config): multi-currency is taken")
    elif level == _PORTFOLIO:
        draft.unlearn(
            Unlearnt.COLLATERAL,
            "the account is in portfolio margin, whose requirement is one of scenarios that no "
            "rulebook has; its positions are shown as multi-currency margin would hold them",
        )
    elif level == _FUTURES:
        held = [asset for asset, amount in draft.collateral.items() if amount]
        draft.say("futures mode keeps currencies apart; multi-currency rules are taken")
        if len(held) > 1:
            draft.unlearn(
                Unlearnt.COLLATERAL,
                f"futures mode keeps {', '.join(held)} apart and the rulebook would add them up; "
                "leave one currency and its positions in each document",
            )


def _read_currency(row: Row, draft: Draft) -> None:
    """Note what is held and owed in a currency, and the price the venue took."""
    asset = row.text("ccy", required=True)
    cash = row.maybe_number("cashBal", required=True)
    if asset is None or cash is None:
        return
    interest = row.amount("interest")
    if not (cash or interest or row.amount("upl") or row.amount("isoEq")):
        return
    draft.balance(row.at("cashBal"), asset, cash)
    if interest > 0:
        draft.accrued_interest[asset] = interest
    price = row.positive("coinUsdPrice")
    equity, worth = row.amount("eq"), row.amount("eqUsd")
    if price is None and equity and worth and (equity > 0) == (worth > 0):
        price = divided(worth, equity)
    if price is not None and price > 0:
        draft.prices.setdefault(asset, price)
    discounted = row.amount("disEq")
    if worth > 0 and 0 <= discounted <= worth:
        draft.working(Working).discounted[asset] = divided(discounted, worth)
    apart = row.amount("stgyEq") + row.amount("spotIsoBal")
    if apart:
        draft.say(f"{plain(apart)} {asset} belongs to strategies and does not back positions")


def _read_position(row: Row, draft: Draft, working: Working) -> None:
    """Note a position of a contract; other kinds of positions cannot be margined."""
    symbol, kind = row.text("instId", required=True), row.text("instType")
    count = row.maybe_number("pos", required=True)
    if symbol is None or not count:
        return
    if kind == "OPTION" or _OPTION.fullmatch(symbol):
        working.options.append(symbol)
        return
    if kind is not None and kind not in _SWAPS:
        what = f"a {kind.lower()} position"
        draft.unlearn(
            Unlearnt.POSITIONS, f"{symbol} is {what}, which importing does not read; leave it out"
        )
        return
    side = row.text("posSide") or "net"
    if side in {"long", "short"}:
        draft.account_mode = AccountMode.HEDGE
        count = abs(count) if side == "long" else -abs(count)
    contract = _contract(row, symbol, count, draft, working)
    if contract is None:
        return
    size = count if contract.is_inverse else count * contract.value
    leg = "" if side == "net" else side
    working.counts[symbol, leg] = count
    found = draft.position(row.path, symbol, leg, size)
    found.note(
        entry_price=row.positive("avgPx"),
        mark_price=row.positive("markPx"),
        leverage=row.positive("lever"),
    )
    _note_mode(row, found)
    if listed_terms(draft, symbol, VENUE) is None:
        found.spec = _spec(symbol, contract)
    index = row.positive("idxPx")
    if index is not None:
        draft.prices.setdefault(_index(symbol), index)
    figures = {"liquidation_price": "liqPx", "initial_margin": "imr", "maintenance_margin": "mmr"}
    for number, key in figures.items():
        found.report(number, row.some(key))
    found.report("unrealized_pnl", row.maybe_number("upl"))


def _note_mode(row: Row, found: PositionDraft) -> None:
    """Note whether a position is isolated, with its own margin."""
    mode = row.choice("mgnMode", MarginMode)
    if mode is None:
        row.refuse_missing("mgnMode", "is missing", required=True)
    if mode == MarginMode.ISOLATED:
        found.margin_mode = MarginMode.ISOLATED
        found.note(isolated_margin=row.maybe_number("margin", required=True, above=0))


def _read_order(row: Row, draft: Draft, working: Working) -> None:
    """Note an order of a contract in units."""
    symbol, number = row.text("instId", required=True), row.content.get("ordId")
    side = row.text("side", required=True)
    left = row.number("sz", required=True) - row.amount("accFillSz")
    price = row.positive("px")
    if symbol is None or side is None or left <= 0:
        return
    if row.text("instType") == "OPTION" or _OPTION.fullmatch(symbol):
        draft.unlearn(
            Unlearnt.ORDERS, f"order {number} is in {symbol}, an option, which no rulebook margins"
        )
        return
    if row.text("instType") not in _SWAPS:
        draft.say(f"order {number} ({symbol}) is not one of a contract and is left out")
        return
    if side not in {"buy", "sell"}:
        row.refuse("side", f'found {side!r}; "buy" or "sell" is needed')
        return
    contract = _contract(row, symbol, None, draft, working)
    if price is None or contract is None:
        draft.say(f"order {number} has no price or no known contract and is left out")
        return
    size = left if contract.is_inverse else left * contract.value
    leg = row.text("posSide") or ""
    draft.order(
        number,
        {
            "instrument": symbol,
            "side": side,
            "size": plain(size),
            "price": plain(price),
            "reduce_only": str(row.content.get("reduceOnly")).lower() == "true",
        },
        leg if leg in {"long", "short"} else "",
    )


def _contract(
    row: Row, symbol: str, count: Decimal | None, draft: Draft, working: Working
) -> Contract | None:
    """Return what a contract is: said by the venue, built in, or worked out and said."""
    known = working.contracts.get(symbol)
    if known is not None:
        return known
    base, _, rest = symbol.partition("-")
    quote = rest.partition("-")[0]
    is_inverse = quote == "USD"
    terms = listed_terms(draft, symbol, VENUE)
    worth = None if count is None else _worth(row, count, is_inverse=is_inverse)
    if worth is None and terms is not None and is_inverse:
        worth = terms.instrument.contract_size
    if worth is None:
        if count is not None:
            advice = "add the answer to GET /api/v5/public/instruments"
            row.refuse("pos", f"what a contract of {symbol} is worth is not known; {advice}")
        return None
    draft.say(
        f"contract value of {symbol} worked out as {plain(worth)} from its notional: "
        "public/instruments says it (ctVal)"
    )
    found = Contract(value=worth, is_inverse=is_inverse, settle=base if is_inverse else quote)
    working.contracts[symbol] = found
    return found


def _worth(row: Row, count: Decimal, *, is_inverse: bool) -> Decimal | None:
    """Return the power of ten a contract's value is near, from the notional in USD."""
    notional, mark = row.maybe_number("notionalUsd"), row.positive("markPx")
    if not notional or mark is None or mark < 0:
        return None
    worth = abs(notional / count) if is_inverse else abs(notional / count / mark)
    for exponent in (worth.adjusted(), worth.adjusted() + 1):
        power = Decimal(1).scaleb(exponent)
        if abs(worth - power) <= power * _WORTH_AGREES:
            return power
    return None


def _spec(symbol: str, contract: Contract) -> dict[str, JsonValue]:
    """Return what an instrument is, for rulebooks that do not list it."""
    base, _, rest = symbol.partition("-")
    _, _, term = rest.partition("-")
    shape = "inverse" if contract.is_inverse else "linear"
    found: dict[str, JsonValue] = {
        "kind": f"{shape}_perpetual",
        "base": base,
        "settle": contract.settle,
    }
    if contract.is_inverse:
        found["contract_size"] = plain(contract.value)
    if len(term) == len("260626") and term.isdigit():
        found["kind"] = f"{shape}_future"
        found["expiry"] = f"20{term[:2]}-{term[2:4]}-{term[4:]}T08:00:00Z"
    return found


def _index(symbol: str) -> str:
    """Return the index of an instrument: `BTC-USDT` of `BTC-USDT-SWAP`."""
    return "-".join(symbol.split("-")[:2])


def _data(payload: Payload, draft: Draft) -> list[Row]:
    """Return the rows of an answer."""
    content = payload.content if isinstance(payload.content, Mapping) else {"data": payload.content}
    rows = Row(content, payload.title, draft.problems).rows("data")
    if not rows and content.get("data") is None:
        draft.problems.add(payload.title, "data is missing; the answer has no rows")
    return rows


KINDS = (
    PayloadKind(
        alias="okx:config",
        call="GET /api/v5/account/config",
        venue=VENUE,
        matches=rows_have(_ROWS, "acctLv", "posMode"),
        parts=frozenset(),
        read=read_config,
        finish=finish,
    ),
    PayloadKind(
        alias="okx:instruments",
        call="GET /api/v5/public/instruments",
        venue=VENUE,
        matches=rows_have(_ROWS, "instId", "ctVal", "settleCcy"),
        parts=frozenset(),
        read=read_instruments,
        finish=finish,
    ),
    PayloadKind(
        alias="okx:tiers",
        call="GET /api/v5/public/position-tiers",
        venue=VENUE,
        matches=rows_have(_ROWS, "tier", "mmr", "minSz", "maxSz"),
        parts=frozenset(),
        read=read_tiers,
        finish=finish,
    ),
    PayloadKind(
        alias="okx:balance",
        call="GET /api/v5/account/balance",
        venue=VENUE,
        matches=rows_have(_ROWS, "details", "totalEq"),
        parts=frozenset({Unlearnt.COLLATERAL}),
        read=read_balance,
        finish=finish,
    ),
    PayloadKind(
        alias="okx:positions",
        call="GET /api/v5/account/positions",
        venue=VENUE,
        matches=rows_have(_ROWS, "instId", "pos", "posSide", "mgnMode"),
        parts=frozenset({Unlearnt.POSITIONS}),
        read=read_positions,
        finish=finish,
    ),
    PayloadKind(
        alias="okx:orders",
        call="GET /api/v5/trade/orders-pending",
        venue=VENUE,
        matches=rows_have(_ROWS, "ordId", "instId", "sz", "accFillSz"),
        parts=frozenset({Unlearnt.ORDERS}),
        read=read_orders,
        finish=finish,
    ),
)
