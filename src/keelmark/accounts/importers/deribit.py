"""Deribit: account summaries, positions and open orders.

Source: docs.deribit.com, private/get_account_summary (and summaries), private/get_positions,
private/get_open_orders. Futures settle into `balance` once a day, so `balance` alone is not what
backs a position opened earlier: equity is `balance + session profit + options_value`, and cash is
what equity leaves when the profit of futures since entry and the value of options are taken out.
Sizes of inverse futures are in USD, of linear ones and of options in the base coin; the direction
gives the sign. Premiums of inverse options are in the coin.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_FLOOR, Decimal

from keelmark.accounts.document import Unlearnt
from keelmark.accounts.importers.draft import Draft, JsonValue, PositionDraft, plain
from keelmark.accounts.importers.kind import PayloadKind, has
from keelmark.accounts.importers.listed import is_listed_option, listed_terms
from keelmark.accounts.importers.payload import Payload, Row
from keelmark.core.numbers import ONE, ZERO, exact

VENUE = "deribit-sm"
_DUST = Decimal("0.001")
_STANDARD, _CROSS = "segregated_sm", "cross_sm"
_COIN_DIGITS = 8
_SIGNS = {"buy": 1, "sell": -1}
_FUTURES = frozenset({"future", "linear_future"})
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAY = re.compile(rf"([1-9]|[12]\d|3[01])({'|'.join(_MONTHS)})(\d\d)")
_FIGURES = {
    "initial_margin": "initial_margin",
    "maintenance_margin": "maintenance_margin",
    "available": "available_funds",
    "withdrawable": "available_withdrawal_funds",
}


@dataclass(slots=True, kw_only=True)
class Working:
    """What is kept until every answer was read.

    Attributes:
        equity: By currency.
        models: Margin models of the currencies.
        gains: Settle currency and profit since entry of each future, from entry and mark.
        options: Value of options by currency, as the summary says.
        values: Settle currency and value of each option listed.
        has_positions: Whether a list of positions was given.
    """

    equity: dict[str, Decimal] = field(default_factory=dict)
    models: set[str] = field(default_factory=set)
    gains: dict[str, tuple[str, Decimal]] = field(default_factory=dict)
    options: dict[str, Decimal] = field(default_factory=dict)
    values: dict[str, tuple[str, Decimal]] = field(default_factory=dict)
    has_positions: bool = False

    @property
    def profits(self) -> dict[str, Decimal]:
        """Profit of futures since entry, by settle currency."""
        return _sums(self.gains.values())

    @property
    def valued(self) -> dict[str, Decimal]:
        """Value of the options listed, by settle currency."""
        return _sums(self.values.values())


def _sums(pairs: Iterable[tuple[str, Decimal]]) -> dict[str, Decimal]:
    found: dict[str, Decimal] = {}
    with exact():
        for currency, amount in pairs:
            found[currency] = found.get(currency, ZERO) + amount
    return found


def read_summary(payload: Payload, draft: Draft) -> None:
    """Note `private/get_account_summary` or `private/get_account_summaries`."""
    content = _result(payload)
    root = Row(content if isinstance(content, Mapping) else {}, payload.title, draft.problems)
    _note_time(payload, draft)
    summaries = root.rows("summaries") if "summaries" in root.content else [root]
    working = draft.working(Working)
    for row in summaries:
        currency = row.text("currency", required=True)
        equity = row.maybe_number("equity", required=True)
        if currency is None or equity is None:
            continue
        model = row.text("margin_model")
        if model is None:
            model = "segregated_pm" if row.flag("portfolio_margining_enabled") else "segregated_sm"
        working.models.add(model)
        working.equity[currency] = equity
        working.options[currency] = row.amount("options_value")
        if len(summaries) == 1:
            # standard margin compares requirements with equity less what options are worth
            margin_balance = row.maybe_number("margin_balance")
            draft.report("equity", equity if margin_balance is None else margin_balance)
            for number, key in _FIGURES.items():
                draft.report(number, row.maybe_number(key))


def read_positions(payload: Payload, draft: Draft) -> None:
    """Note `private/get_positions`."""
    content = _result(payload)
    _note_time(payload, draft)
    working = draft.working(Working)
    working.has_positions = True
    holder = Row({"result": content}, payload.title, draft.problems)
    for row in holder.rows("result"):
        symbol = row.text("instrument_name", required=True)
        size = row.maybe_number("size", required=True)
        kind = row.text("kind") or ("option" if symbol and _is_option(symbol) else "future")
        if symbol is None or not size:
            continue
        if kind not in _FUTURES and not is_listed_option(draft, symbol, VENUE):
            _lose_position(draft, f"{symbol} is a position in {kind}s")
            continue
        sign = _SIGNS.get(row.text("direction") or "", 0)
        if not sign:
            row.refuse("direction", 'must be "buy" or "sell" beside a size')
            continue
        if kind in _FUTURES:
            _read_future(row, draft, symbol, sign * abs(size))
        else:
            _read_option(row, draft, symbol, sign * abs(size))


def read_orders(payload: Payload, draft: Draft) -> None:
    """Note `private/get_open_orders`."""
    for row in Row({"result": _result(payload)}, payload.title, draft.problems).rows("result"):
        symbol, number = row.text("instrument_name", required=True), row.content.get("order_id")
        left = row.number("amount", required=True) - row.amount("filled_amount")
        price = row.maybe_number("price") if row.content.get("price") != "market_price" else None
        side = row.text("direction", required=True)
        if symbol is None or side is None or left <= 0:
            continue
        known = not _is_option(symbol) or is_listed_option(draft, symbol, VENUE)
        if not known or price is None or price <= 0 or side not in _SIGNS:
            draft.say(f"order {number} ({symbol}) is no order that can be margined: left out")
            continue
        draft.order(
            number,
            {
                "instrument": symbol,
                "side": side,
                "size": plain(left / _worth(draft, symbol)),
                "price": plain(price),
                "reduce_only": bool(row.flag("reduce_only")),
            },
        )


def finish(draft: Draft) -> None:
    """Note cash: equity less the profit since entry of what settles in the currency."""
    working = draft.working(Working)
    with exact():
        for currency, equity in working.equity.items():
            worth = working.options.get(currency, ZERO)
            _check_options(draft, working, currency, worth)
            cash = _cash(equity, worth, working.profits.get(currency, ZERO))
            if cash or currency in working.profits:
                draft.balance("equity", currency, cash)
    apart = sorted({*working.profits, *working.valued} - {*working.equity})
    if working.equity and apart:
        draft.unlearn(
            Unlearnt.COLLATERAL,
            f"positions settle in {', '.join(apart)}, of which no summary is here; add the answer "
            "to private/get_account_summaries",
        )
    if working.equity and working.profits:
        draft.say("cash is equity less the profit of futures since entry: balances settle daily")
    if not working.has_positions and working.equity:
        draft.unlearn(
            Unlearnt.COLLATERAL,
            "equity holds the profit of positions nobody gave; add the answer to "
            "private/get_positions",
        )
    if _CROSS in working.models:
        draft.unlearn(
            Unlearnt.COLLATERAL,
            "margin model cross_sm lets every currency back every position; the rulebook is "
            "segregated standard margin, where each currency stands alone",
        )
    other = sorted(working.models - {_STANDARD, _CROSS})
    if other:
        draft.unlearn(
            Unlearnt.COLLATERAL,
            f"margin model {', '.join(other)} is one of scenarios; the rulebook is standard margin",
        )
    if _STANDARD in working.models and len(working.equity) > 1:
        draft.say("segregated margin: each currency backs what settles in it and nothing else")


def _cash(equity: Decimal, worth: Decimal, profit: Decimal) -> Decimal:
    """Return what equity leaves without options and profit since entry.

    The venue prints at most 8 decimals of a coin and a quotient has no end, so it is cut there,
    downwards: an account whose equity the venue prints as 0 has none, not a 60th digit of one.
    """
    cash = equity - worth - profit
    digits = max(_COIN_DIGITS, -int(equity.as_tuple().exponent))
    return cash.quantize(Decimal(1).scaleb(-digits), rounding=ROUND_FLOOR)


def _check_options(draft: Draft, working: Working, currency: str, worth: Decimal) -> None:
    """Unlearn positions where the options listed are not worth what the summary says."""
    listed = working.valued.get(currency, ZERO)
    if working.has_positions and abs(listed - worth) > max(abs(worth) / 100, _DUST):
        _lose_position(
            draft,
            f"options listed are worth {plain(listed)} {currency}, the summary says "
            f"{plain(worth)}: some are missing or of another instant",
        )


def _read_future(row: Row, draft: Draft, symbol: str, amount: Decimal) -> None:
    """Note a future; `amount` is signed, in USD or base coins."""
    settle, is_inverse = settle_of(symbol)
    worth = _worth(draft, symbol)
    entry, mark = row.positive("average_price"), row.positive("mark_price")
    found = draft.position(row.path, symbol, "", amount / worth)
    found.note(entry_price=entry, mark_price=mark, leverage=row.positive("leverage"))
    if listed_terms(draft, symbol, VENUE) is None:
        found.spec = _spec(symbol)
    working = draft.working(Working)
    if entry is not None and mark is not None and entry > 0 and mark > 0:
        with exact():
            gain = amount * (ONE / entry - ONE / mark) if is_inverse else amount * (mark - entry)
            working.gains[symbol] = (settle, gain)
    index = row.positive("index_price")
    if index is not None:
        draft.prices.setdefault(symbol.partition("-")[0].partition("_")[0], index)
    _report(row, found)
    found.report("liquidation_price", row.some("estimated_liquidation_price"))


def _read_option(row: Row, draft: Draft, symbol: str, size: Decimal) -> None:
    """Note an option; what it is worth is not cash."""
    mark = row.maybe_number("mark_price", required=True)
    found = draft.position(row.path, symbol, "", size)
    volatility = row.positive("mark_iv")
    found.note(
        entry_price=row.maybe_number("average_price"),
        mark_price=mark,
        underlying_price=row.positive("underlying_price"),
        implied_volatility=None if volatility is None else volatility / 100,
    )
    settle = settle_of(symbol)[0]
    working = draft.working(Working)
    if mark is not None:
        with exact():
            working.values[symbol] = (settle, size * mark)
    index = row.positive("index_price")
    if index is not None:
        draft.prices.setdefault(symbol.partition("-")[0].partition("_")[0], index)
    _report(row, found)


def _report(row: Row, found: PositionDraft) -> None:
    for number in ("initial_margin", "maintenance_margin"):
        found.report(number, row.some(number))
    found.report("unrealized_pnl", row.maybe_number("total_profit_loss"))


def settle_of(symbol: str) -> tuple[str, bool]:
    """Return what a future settles in and whether it is inverse: `BTC_USDC-PERPETUAL` is not."""
    pair = symbol.partition("-")[0]
    base, _, quote = pair.partition("_")
    return (quote, False) if quote else (base, True)


def _worth(draft: Draft, symbol: str) -> Decimal:
    """Return the USD of one contract as the rulebook counts them; 1 for linear futures."""
    if _is_option(symbol) or not settle_of(symbol)[1]:
        return ONE
    terms = listed_terms(draft, symbol, VENUE)
    return ONE if terms is None else terms.instrument.contract_size


def _spec(symbol: str) -> dict[str, JsonValue]:
    settle, is_inverse = settle_of(symbol)
    shape = "inverse" if is_inverse else "linear"
    found: dict[str, JsonValue] = {
        "kind": f"{shape}_perpetual",
        "base": symbol.partition("-")[0].partition("_")[0],
        "settle": settle,
    }
    if is_inverse:
        found["contract_size"] = "1"
    day = _DAY.fullmatch(symbol.partition("-")[2])
    if day is not None:
        date, month, year = day.groups()
        number = _MONTHS.index(month) + 1
        found["kind"] = f"{shape}_future"
        found["expiry"] = f"20{year}-{number:02}-{int(date):02}T08:00:00Z"
    return found


def _is_option(symbol: str) -> bool:
    return symbol.endswith(("-C", "-P"))


def _lose_position(draft: Draft, what: str) -> None:
    draft.unlearn(Unlearnt.POSITIONS, f"{what}; requirements of the whole are not known")


def _result(payload: Payload) -> object:
    content = payload.content
    return content.get("result") if isinstance(content, Mapping) else content


def _note_time(payload: Payload, draft: Draft) -> None:
    """Note when the venue answered: `usOut`, in microseconds."""
    content = payload.content if isinstance(payload.content, Mapping) else {}
    row = Row(content, payload.title, draft.problems)
    micros = row.maybe_number("usOut")
    if micros:
        clock = Row({"time": micros // 1000}, payload.title, draft.problems)
        draft.seen(payload.title, clock.milliseconds("time"))


def _holds(*keys: str) -> Callable[[object], bool]:
    """Return a test for an answer whose result, or its first row, has these keys."""
    rows = has(*keys)

    def matches(content: object) -> bool:
        found = content.get("result") if isinstance(content, Mapping) else None
        summaries = found.get("summaries") if isinstance(found, Mapping) else None
        return rows(summaries if isinstance(summaries, list) else found)

    return matches


KINDS = (
    PayloadKind(
        alias="deribit:positions",
        call="private/get_positions",
        venue=VENUE,
        matches=_holds("instrument_name", "size", "direction", "average_price", "mark_price"),
        parts=frozenset({Unlearnt.POSITIONS}),
        read=read_positions,
        finish=finish,
    ),
    PayloadKind(
        alias="deribit:account",
        call="private/get_account_summaries",
        venue=VENUE,
        matches=_holds("currency", "equity", "balance", "initial_margin"),
        parts=frozenset({Unlearnt.COLLATERAL}),
        read=read_summary,
        finish=finish,
    ),
    PayloadKind(
        alias="deribit:orders",
        call="private/get_open_orders",
        venue=VENUE,
        matches=_holds("order_id", "instrument_name", "amount", "filled_amount", "order_state"),
        parts=frozenset({Unlearnt.ORDERS}),
        read=read_orders,
        finish=finish,
    ),
)
