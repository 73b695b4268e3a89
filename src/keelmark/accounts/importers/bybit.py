"""Bybit v5, unified trading account: wallet balance, account info, positions and open orders.

Source: bybit-exchange.github.io/docs/v5, account/wallet-balance, account/account-info and position.
Equity of a coin is `walletBalance - spotBorrow + unrealisedPnl` (and option value); `usdValue` over
`equity` is the price the venue used. `walletBalance` holds the margin of isolated positions too:
what backs the rest is what they leave. Sizes are unsigned beside a side, in USD of inverse
contracts. Whether margin is isolated is a mode of the account: `tradeMode` of a position says it
of accounts that are not unified and is 0 in all others. A cursor comes with short pages too
(recorded: two positions and "MAPOUSDT%2C1720526896198%2C1"), so a full page alone is not the last;
where the maintenance of the wallet is far above what the rows can need, rows are missing. Its total
holds that of debts and active orders too (help center, Glossary, Unified Trading Account).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from keelmark.accounts.document import AccountMode, MarginMode, Unlearnt
from keelmark.accounts.importers.bybit_contracts import inverse_spec
from keelmark.accounts.importers.draft import Draft, PositionDraft, divided, plain
from keelmark.accounts.importers.kind import PayloadKind, rows_have
from keelmark.accounts.importers.listed import is_listed_option, listed_terms, note_row
from keelmark.accounts.importers.own_rows import note_rate_beside_fee
from keelmark.accounts.importers.payload import Payload, Row
from keelmark.accounts.importers.steps import CENT, SATOSHI, Step, Steps
from keelmark.accounts.importers.totals import in_dollars, is_far_beyond, most_asked
from keelmark.core.numbers import exact

VENUE = "bybit-uta"
_ROWS = ("result", "list")
_SIGNS = {"Buy": 1, "Sell": -1}
_LEGS = {"1": "long", "2": "short"}
_ISOLATED_TRADE_MODE = Decimal(1)
_DIGITS_MIN = 4
_FULL_PAGES = (20, 50, 100, 200)
"""Rows of a full page: `limit` is 20 unless the call says more, at most 50 of orders, else 200."""
_ZERO = Decimal(0)
_AGREES = Decimal("0.001")
"""Part of a figure by which marks of one instant may differ in print."""
_ISOLATED, _PORTFOLIO = "ISOLATED_MARGIN", "PORTFOLIO_MARGIN"
_MODES = ("REGULAR_MARGIN", _ISOLATED, _PORTFOLIO)
_OPTIONS = ("-C", "-P", "-C-USDT", "-P-USDT")
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


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskLimit:
    """One row of `market/risk-limit`: up to this value, this rate, less this amount.

    Of the lowest row the venue says that it is.
    """

    value_max: Decimal
    rate: Decimal
    amount: Decimal | None
    is_lowest: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Coin:
    """What the wallet says of a coin.

    Attributes:
        path: Where.
        wallet: `walletBalance`.
        owed: What spot trading borrowed.
        interest: Owed and perhaps not in equity yet.
        equity: The venue's own, where it is given.
        counts: Whether it is collateral.
    """

    path: str
    wallet: Decimal
    owed: Decimal
    interest: Decimal
    equity: Decimal | None
    counts: bool

    @property
    def debt(self) -> Decimal:
        """The most that is owed, of spot trading and of what is below zero."""
        return self.owed + self.interest + max(_ZERO, -self.wallet, -(self.equity or _ZERO))


@dataclass(slots=True, kw_only=True)
class Working:
    """What is kept until every answer was read.

    Attributes:
        mode: `marginMode` of the account.
        inverse: Instruments of the inverse category.
        margins: Margin of each position, by instrument and side.
        limits: Risk limits by instrument.
        coins: The wallet by coin.
        asked: Maintenance of the positions in a coin, `None` where the wallet does not say it.
        short_pages: Rows of each list of positions that is no full page and has a cursor.
    """

    mode: str | None = None
    inverse: set[str] = field(default_factory=set)
    margins: dict[tuple[str, str], Decimal | None] = field(default_factory=dict)
    limits: dict[str, list[RiskLimit]] = field(default_factory=dict)
    coins: dict[str, Coin] = field(default_factory=dict)
    asked: dict[str, Decimal | None] = field(default_factory=dict)
    short_pages: dict[str, int] = field(default_factory=dict)

    @property
    def asked_by_coin(self) -> dict[str, Decimal] | None:
        """Maintenance of positions alone, where the wallet tells it of every coin."""
        known = {name: asked for name, asked in self.asked.items() if asked is not None}
        return known if known and len(known) == len(self.asked) else None


def read_info(payload: Payload, draft: Draft) -> None:
    """Note the margin mode: `GET /v5/account/info`."""
    content = payload.content if isinstance(payload.content, Mapping) else {}
    result = Row(content, payload.title, draft.problems).inner("result")
    mode = None if result is None else result.choice("marginMode", _MODES)
    draft.working(Working).mode = mode


def read_limits(payload: Payload, draft: Draft) -> None:
    """Note `GET /v5/market/risk-limit`.

    Rates are fractions now and were percent: one above the initial rate of its own leverage can
    only be percent.
    """
    for row in _list(payload, draft, full=()):
        symbol = row.text("symbol", required=True)
        value = row.maybe_number("riskLimitValue", required=True)
        rate = row.maybe_number("maintenanceMargin", required=True)
        if symbol is None or value is None or rate is None or rate < 0:
            continue
        leverage = row.positive("maxLeverage")
        if leverage is not None and rate * leverage > 1:
            rate /= 100
        lowest = row.maybe_number("isLowestRisk")
        limit = RiskLimit(
            value_max=value,
            rate=rate,
            amount=row.maybe_number("mmDeduction"),
            is_lowest=None if lowest is None else bool(lowest),
        )
        draft.working(Working).limits.setdefault(symbol, []).append(limit)


def _note_limit(position: PositionDraft, draft: Draft, working: Working) -> None:
    """Note the row of a position's value where the built-in table has another or none."""
    given = dict.fromkeys(working.limits.get(position.instrument, []))
    limits = sorted(given, key=lambda row: row.value_max)
    mark = position.mark_price
    is_inverse = position.instrument in working.inverse
    if mark is None:
        return
    with exact():
        value = abs(position.size) / mark if is_inverse else abs(position.size) * mark
    if not limits:
        table = "bybit:limits"
        note_rate_beside_fee(position, draft, notional=value, table=table, venue=VENUE)
        return
    steps = Steps.of(_steps(limits), quantum=SATOSHI if is_inverse else CENT)
    problem = steps.problem
    if problem is None and limits[0].is_lowest is False:
        problem = "the lowest row is not among them"
    if problem is not None:
        text = f"risk limits of {position.instrument}: {problem}"
        draft.problems.add(position.path, f"{text}; save the answer whole")
        return
    row = steps.at(value)
    steps.say_beyond(position, value, draft)
    note_row(position, draft, notional=value, rate=row.rate, amount=row.amount or _ZERO)


def _steps(limits: Sequence[RiskLimit]) -> list[Step]:
    """Return risk limits as rows that begin where the one before ends."""
    floors = [_ZERO, *(row.value_max for row in limits[:-1])]
    return [
        Step(floor=floor, cap=row.value_max, rate=row.rate, amount=row.amount)
        for floor, row in zip(floors, limits, strict=True)
    ]


def finish(draft: Draft) -> None:
    """Note what the margin mode means for positions and collateral."""
    working = draft.working(Working)
    if working.mode == _PORTFOLIO:
        draft.unlearn(
            Unlearnt.COLLATERAL,
            "the account is in portfolio margin, whose requirement is one of scenarios that no "
            "rulebook has; its positions are shown as cross margin would hold them",
        )
    elif working.mode is None:
        draft.say("no answer says the margin mode (account/info): cross is taken")
    for key, position in draft.positions.items():
        if working.mode == _ISOLATED and position.margin_mode is MarginMode.CROSS:
            position.margin_mode = MarginMode.ISOLATED
            margin = working.margins.get(key)
            position.note(isolated_margin=margin)
            if margin is None:
                text = f"{position.instrument} is isolated and has no positionBalance"
                draft.problems.add(position.path, f"{text}; save the answer whole")
        if key[0] in working.inverse and listed_terms(draft, key[0], VENUE) is None:
            position.spec = inverse_spec(key[0])
        _note_limit(position, draft, working)
    with exact():
        _check_requirement(draft, working)
        _check_equity(draft, working)
        _take_isolated_out(draft, working)


def _check_requirement(draft: Draft, working: Working) -> None:
    """Unlearn positions where the wallet holds maintenance for more than is listed.

    Scenarios of a portfolio are not bounded by its positions.
    """
    is_partial = Unlearnt.POSITIONS not in draft.learnt or Unlearnt.POSITIONS in draft.lost
    told = None if is_partial or working.mode == _PORTFOLIO else _told_and_known(draft, working)
    if told is None or not is_far_beyond(*told):
        for title, rows in working.short_pages.items():
            _say_short(title, rows, draft)
        return
    pages = [f"{title} has a nextPageCursor" for title in working.short_pages]
    advice = (
        f"{' and '.join(pages)}: call again with it as `cursor` until a page is empty, and put all "
        "rows into one list"
        if pages
        else "add the answers to position/list of the other categories and settle coins"
    )
    is_sure = working.asked_by_coin is not None or Unlearnt.ORDERS in draft.learnt
    orders = "" if is_sure else ", or open orders (order/realtime) hold it"
    draft.unlearn(
        Unlearnt.POSITIONS,
        f"the wallet holds maintenance of {plain(told[0])} USD, what is in these answers needs at "
        f"most {told[1]:.2f}: positions are missing{orders}; {advice}",
    )


def _told_and_known(draft: Draft, working: Working) -> tuple[Decimal, Decimal] | None:
    """Return the venue's maintenance in dollars, and the most that what is listed needs of it.

    That of positions alone is told by coin. The total holds that of debts and open orders too,
    which need less than they are worth: without the orders only a cursor makes it tell.
    """
    needs: dict[str, Decimal] = {}
    for position in draft.positions.values():
        asked = most_asked(position, draft, VENUE)
        if asked is None:
            return None
        name = _settle(position.instrument, draft, working)
        needs[name] = needs.get(name, _ZERO) + asked
    total = draft.reported.get("maintenance_margin")
    if working.asked_by_coin is not None:
        total = in_dollars(working.asked_by_coin, draft)
    elif Unlearnt.ORDERS in draft.learnt or working.short_pages:
        for name, worth in _owed_and_ordered(draft, working):
            needs[name] = needs.get(name, _ZERO) + worth
    else:
        return None
    known = in_dollars(needs, draft)
    return None if total is None or known is None else (total, known)


def _owed_and_ordered(draft: Draft, working: Working) -> Iterator[tuple[str, Decimal]]:
    """Yield what is owed and what orders are worth, by coin."""
    for name, coin in working.coins.items():
        yield name, coin.debt
    for order in draft.orders:
        symbol, size, price = (str(order[key]) for key in ("instrument", "size", "price"))
        terms = listed_terms(draft, symbol, VENUE)
        is_inverse = symbol in working.inverse or (
            terms is not None and terms.instrument.is_inverse
        )
        worth = (
            divided(Decimal(size), Decimal(price)) if is_inverse else Decimal(size) * Decimal(price)
        )
        yield _settle(symbol, draft, working), worth


def _check_equity(draft: Draft, working: Working) -> None:
    """Say it where a coin's parts do not add up to the equity the venue prints."""
    if Unlearnt.POSITIONS not in draft.learnt or Unlearnt.POSITIONS in draft.lost:
        return
    for name, coin in working.coins.items():
        held = [
            p for p in draft.positions.values() if _settle(p.instrument, draft, working) == name
        ]
        gains = [_worth(position, draft) for position in held]
        gain = sum((known for known in gains if known is not None), _ZERO)
        if coin.equity is None or None in gains:
            continue
        found = coin.wallet - coin.owed + gain
        largest = max(abs(part) for part in (coin.wallet, coin.owed, gain, coin.equity))
        if abs(found - coin.equity) > largest * _AGREES + coin.interest:
            draft.say(
                f"{coin.path}: equity of {name} is {plain(coin.equity)} by the venue and "
                f"{plain(found)} as taken apart (wallet {plain(coin.wallet)}, owed "
                f"{plain(coin.owed)}, profit and options {plain(gain)}): the answers are of "
                "different instants, or something is missing or counted twice"
            )


def _take_isolated_out(draft: Draft, working: Working) -> None:
    """Leave in the cross balance what the margins of isolated positions leave of the wallet."""
    margins: dict[str, Decimal] = {}
    for position in draft.positions.values():
        if position.margin_mode is MarginMode.ISOLATED:
            name = _settle(position.instrument, draft, working)
            margin = position.figures.get("isolated_margin", _ZERO)
            margins[name] = margins.get(name, _ZERO) + margin
    for name, margin in margins.items():
        coin = working.coins.get(name)
        if margin and coin is not None and coin.counts and name in draft.collateral:
            draft.collateral[name] -= margin
            draft.say(
                f"{plain(margin)} {name} of the wallet is margin of isolated positions and backs "
                "them alone"
            )


def _settle(symbol: str, draft: Draft, working: Working) -> str:
    """Return what a contract settles in, also of one the rulebook does not list."""
    terms = listed_terms(draft, symbol, VENUE)
    if terms is not None:
        return terms.instrument.settle
    if symbol in working.inverse:
        return symbol.partition("USD")[0]
    return "USDC" if symbol.endswith(("PERP", "USDC")) else "USDT"


def _worth(position: PositionDraft, draft: Draft) -> Decimal | None:
    """Return what a position adds to equity: profit, or of an option its value."""
    mark = position.mark_price
    if is_listed_option(draft, position.instrument, VENUE):
        return None if mark is None else position.size * mark
    return position.figures.get("unrealized_pnl")


def read_wallet(payload: Payload, draft: Draft) -> None:
    """Note `GET /v5/account/wallet-balance`."""
    for account in _list(payload, draft):
        kind = account.text("accountType") or "UNIFIED"
        if kind != "UNIFIED":
            account.refuse("accountType", f"found {kind!r}; only unified accounts are read")
            continue
        for coin in account.rows("coin", required=True):
            _read_coin(coin, draft)
        for number, key in _TOTALS.items():
            draft.report(number, account.some(key))


def read_positions(payload: Payload, draft: Draft) -> None:
    """Note `GET /v5/position/list`, of any category."""
    category = _category(payload)
    for row in _list(payload, draft, waits=True):
        size = row.maybe_number("size", required=True)
        symbol = row.text("symbol", required=True)
        side = row.text("side")
        if not size or symbol is None:
            continue
        is_option = category == "option" or symbol.endswith(_OPTIONS)
        if is_option and not is_listed_option(draft, symbol, VENUE):
            draft.unlearn(
                Unlearnt.POSITIONS,
                f"{symbol} is an option the rulebook does not margin; requirements of the whole "
                "are not known",
            )
            continue
        if side not in _SIGNS:
            row.refuse("side", f'found {side!r}; "Buy" or "Sell" is needed beside a size')
            continue
        hedged = bool(row.maybe_number("positionIdx", required=True))
        if hedged:
            draft.account_mode = AccountMode.HEDGE
        leg = side.lower() if hedged else ""
        working = draft.working(Working)
        working.margins[symbol, leg] = row.maybe_number("positionBalance")
        terms = listed_terms(draft, symbol, VENUE)
        if category == "inverse" or (terms is not None and terms.instrument.is_inverse):
            working.inverse.add(symbol)
        _read_figures(row, draft.position(row.path, symbol, leg, _SIGNS[side] * abs(size)))


def read_orders(payload: Payload, draft: Draft) -> None:
    """Note `GET /v5/order/realtime`."""
    for row in _list(payload, draft):
        left = row.maybe_number("leavesQty", required=True)
        price = row.positive("price") or row.positive("triggerPrice")
        if not left:
            continue
        if price is None:
            draft.say(f"order {row.content.get('orderId')} has no price and is left out")
            continue
        draft.order(
            row.content.get("orderId"),
            {
                "instrument": row.text("symbol", required=True),
                "side": (row.text("side", required=True) or "").lower(),
                "size": f"{left:f}",
                "price": f"{price:f}",
                "reduce_only": bool(row.flag("reduceOnly")),
            },
            _LEGS.get(str(row.content.get("positionIdx")), ""),
        )


def _read_coin(row: Row, draft: Draft) -> None:
    """Note a coin: what is held, what is owed and the price the venue took."""
    asset = row.text("coin", required=True)
    if asset is None:
        return
    draft.working(Working).asked[asset] = row.maybe_number("totalPositionMM")
    held, owed = row.amount("walletBalance"), _owed(row)
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
    draft.working(Working).coins[asset] = Coin(
        path=row.at("equity"),
        wallet=row.amount("walletBalance"),
        owed=owed,
        interest=interest,
        equity=row.maybe_number("equity"),
        counts=counts,
    )
    equity, value = row.amount("equity"), row.amount("usdValue")
    if equity and value and (equity > 0) == (value > 0):
        draft.prices.setdefault(asset, divided(value, equity))
        if len(equity.normalize().as_tuple().digits) < _DIGITS_MIN:
            draft.say(f"price of {asset} worked out from few printed digits of its equity")


def _owed(row: Row) -> Decimal:
    """Return what spot trading borrowed; older answers have it among all that is borrowed.

    A negative wallet is a debt of its own, so that part is not counted twice.
    """
    if row.content.get("spotBorrow") is not None:
        return row.amount("spotBorrow")
    return max(row.amount("borrowAmount") + min(row.amount("walletBalance"), _ZERO), _ZERO)


def _category(payload: Payload) -> str:
    result = payload.content.get("result") if isinstance(payload.content, Mapping) else None
    return str(result.get("category", "")) if isinstance(result, Mapping) else ""


def _read_figures(row: Row, found: PositionDraft) -> None:
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
        found.report(number, row.some(key))


def _list(
    payload: Payload,
    draft: Draft,
    *,
    full: tuple[int, ...] = _FULL_PAGES,
    waits: bool = False,
) -> list[Row]:
    """Return the rows of an answer, and note when it was given.

    Args:
        payload: The answer.
        draft: What takes the notes.
        full: Rows of a page that a cursor beside it calls not the last.
        waits: Whether what is said of a short page with a cursor waits for the other answers.
    """
    content = payload.content if isinstance(payload.content, Mapping) else {}
    root = Row(content, payload.title, draft.problems)
    result = root.inner("result")
    draft.seen(payload.title, root.milliseconds("time"))
    if result is None:
        root.refuse_missing("result", "is missing", required=True)
        return []
    rows = result.rows("list", required=True)
    if not result.text("nextPageCursor"):
        return rows
    if len(rows) in full:
        root.refuse(
            "result.nextPageCursor",
            f"{len(rows)} rows are a full page, so there may be more: call again with this as "
            "`cursor` until a page is empty or short, and put all rows into one list",
        )
    elif waits:
        draft.working(Working).short_pages[payload.title] = len(rows)
    else:
        _say_short(payload.title, len(rows), draft)
    return rows


def _say_short(title: str, rows: int, draft: Draft) -> None:
    draft.say(
        f"{title} has a nextPageCursor beside a list of {rows}, taken for the last page: a call "
        "with a `limit` of that many must be asked again with `cursor`"
    )


def _is_info(content: object) -> bool:
    result = content.get("result") if isinstance(content, Mapping) else None
    return isinstance(result, Mapping) and "marginMode" in result


KINDS = (
    PayloadKind(
        alias="bybit:limits",
        call="GET /v5/market/risk-limit",
        venue=VENUE,
        matches=rows_have(_ROWS, "symbol", "riskLimitValue", "maintenanceMargin"),
        parts=frozenset(),
        read=read_limits,
        finish=finish,
    ),
    PayloadKind(
        alias="bybit:wallet",
        call="GET /v5/account/wallet-balance",
        venue=VENUE,
        matches=rows_have(_ROWS, "accountType", "coin"),
        parts=frozenset({Unlearnt.COLLATERAL}),
        read=read_wallet,
        finish=finish,
    ),
    PayloadKind(
        alias="bybit:positions",
        call="GET /v5/position/list",
        venue=VENUE,
        matches=rows_have(_ROWS, "symbol", "size", "positionIdx", "positionValue"),
        parts=frozenset({Unlearnt.POSITIONS}),
        read=read_positions,
        finish=finish,
    ),
    PayloadKind(
        alias="bybit:orders",
        call="GET /v5/order/realtime",
        venue=VENUE,
        matches=rows_have(_ROWS, "orderId", "symbol", "leavesQty"),
        parts=frozenset({Unlearnt.ORDERS}),
        read=read_orders,
    ),
    PayloadKind(
        alias="bybit:info",
        call="GET /v5/account/info",
        venue=VENUE,
        matches=_is_info,
        parts=frozenset(),
        read=read_info,
        finish=finish,
    ),
)
