"""Hyperliquid: what only several answers together tell of an account.

Which balance counts is the account's mode. A manual account keeps perps apart from spot: its cross
margin is `crossMarginSummary`. A unified account has one balance an asset, shown in the spot state:
`total` there is equity, profit included, and what perps states say of balances is not meaningful
(hyperliquid-docs, trading/account-abstraction-modes, with the formula of the unified account
ratio). Where the mode is not said, the venue's own liquidation prices tell: they hold for one
equity only, and a long without one is worth no more than the equity behind it.

All dexes of one collateral token share a unified balance. `tokenToAvailableAfterMaintenance` is
what isolated margins and the maintenance of every dex leave of it (recorded: 891.556841 in all,
314.90 of it on hold for a short of 1,632 USDC at 40x, 871.151753 available), so it tells of
positions that no answer lists.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Context, Decimal

from keelmark.accounts.document import MarginMode, Unlearnt
from keelmark.accounts.importers.draft import Draft, JsonValue, PositionDraft, plain
from keelmark.core.errors import KeelmarkError
from keelmark.core.numbers import ONE, ZERO, exact
from keelmark.core.rules import Tier, with_deductions
from keelmark.rulebooks import load_rulebook

VENUE = "hyperliquid"
UNIFIED = "hyperliquid-unified"
USDC = "USDC"
ABSTRACTIONS = ("unifiedAccount", "portfolioMargin", "dexAbstraction", "default", "disabled")
_POOLED = "unifiedAccount"
_PORTFOLIO = "portfolioMargin"
_TIER_EDGE_MIN = Decimal(3_000_000)
"""The lowest edge of any margin table: below it, the first rate holds."""
_AGREES = Decimal("0.001")
"""Part of equity by which a printed liquidation price may miss."""
_RATE_DIGITS = Context(prec=28)


@dataclass(frozen=True, slots=True, kw_only=True)
class PerpsState:
    """The cross part of one `clearinghouseState`.

    Attributes:
        path: Where it was found.
        dex: Which perpetuals: empty for the venue's own, else the builder's name.
        raw_usd: Cash less the cost of cross positions.
        value: Account value of the cross part.
        notional: Worth of all positions, unsigned; `None` where the answer does not say.
        maintenance: Maintenance of the cross part; `None` where the answer is too old to say.
        figures: The venue's totals.
    """

    path: str
    dex: str
    raw_usd: Decimal
    value: Decimal
    notional: Decimal | None
    maintenance: Decimal | None
    figures: Mapping[str, Decimal | None]


@dataclass(slots=True, kw_only=True)
class Working:
    """What the answers say, kept until all were read.

    Attributes:
        mode: The answer to `userAbstraction`.
        is_pooled: Whether the spot state is one of a pooled account.
        spot: Totals by token; `None` where no spot state was given.
        available: What is left of them after maintenance and isolated margins, by the venue.
        perps: One per perpetuals dex.
        tables: Margin tiers by coin, from `meta`.
        leverage_max: Largest leverage by coin, from `meta`.
        own_leverage_max: Largest leverage by coin, as the account's positions say.
        marks: Mark by coin, from the contexts.
        delisted: Coins no longer traded.
        unpriced: Coins of positions for which the venue says that no liquidation price exists.
    """

    mode: str | None = None
    is_pooled: bool = False
    spot: dict[str, Decimal] | None = None
    available: dict[str, Decimal] = field(default_factory=dict)
    perps: list[PerpsState] = field(default_factory=list)
    tables: dict[str, tuple[Tier, ...]] = field(default_factory=dict)
    leverage_max: dict[str, Decimal] = field(default_factory=dict)
    own_leverage_max: dict[str, Decimal] = field(default_factory=dict)
    marks: dict[str, Decimal] = field(default_factory=dict)
    delisted: set[str] = field(default_factory=set)
    unpriced: set[str] = field(default_factory=set)


def finish(draft: Draft) -> None:
    """Note collateral, tiers, and what does not fit together."""
    working = draft.working(Working)
    with exact():
        _note_collateral(draft, working)
        for position in draft.positions.values():
            _note_tier(position, draft, working)
            _check_position(position, draft, working)
    named = {str(order["instrument"]) for order in draft.orders}
    held = {instrument for instrument, _ in draft.positions}
    draft.prices |= {coin: working.marks[coin] for coin in named - held if coin in working.marks}


def dex_of(coin: str) -> str:
    """Return the name before the colon; the venue's own coins have none."""
    return coin.partition(":")[0] if ":" in coin else ""


def margin_tiers(leverages: Mapping[Decimal, Decimal]) -> tuple[Tier, ...]:
    """Return tiers of largest leverages by floor: maintenance is half the initial rate."""
    with exact():
        rows = [(floor, _rate(leverage)) for floor, leverage in sorted(leverages.items())]
        tiers = with_deductions(rows)
    return tuple(
        Tier(floor=t.floor, rate=t.rate, deduction=t.deduction, leverage=leverages[t.floor])
        for t in tiers
    )


def _rate(leverage: Decimal) -> Decimal:
    return _RATE_DIGITS.divide(ONE, 2 * leverage)


# --- collateral ---------------------------------------------------------------------------------


def _note_collateral(draft: Draft, working: Working) -> None:
    if working.mode == _PORTFOLIO:
        why = "a portfolio margin account borrows against its coins; no rulebook margins that"
        draft.unlearn(Unlearnt.COLLATERAL, why)
    _check_listed(draft, working)
    if working.mode == _POOLED or (working.mode is None and working.is_pooled):
        _note_unified(draft, working)
    elif working.perps:
        _note_manual(draft, working)
    elif working.spot is not None:
        draft.unlearn(
            Unlearnt.COLLATERAL,
            "a spot state alone does not say what backs perpetuals; add the answer to "
            "clearinghouseState",
        )


def _check_listed(draft: Draft, working: Working) -> None:
    """Unlearn positions where those listed are not worth what the states say."""
    if not working.perps:
        return
    value = sum((p.size * (p.mark_price or ZERO) for p in _cross(draft)), ZERO)
    told = sum((state.value - state.raw_usd for state in working.perps), ZERO)
    worth = sum((abs(p.size) * (p.mark_price or ZERO) for p in draft.positions.values()), ZERO)
    notionals = [state.notional for state in working.perps]
    whole = None if None in notionals else sum((n for n in notionals if n is not None), ZERO)
    pairs = (
        ("account value", value, told),
        ("totalNtlPos", worth, worth if whole is None else whole),
    )
    for name, listed, said in pairs:
        if abs(said - listed) > max(ONE / 100, abs(listed) * _AGREES / 1000):
            draft.unlearn(
                Unlearnt.POSITIONS,
                f"positions listed are worth {plain(listed)}, the {name} says {plain(said)}: some "
                "are missing; save the whole answer",
            )


def _note_manual(draft: Draft, working: Working) -> None:
    """Note the cross balance of an account that keeps perps apart."""
    if len(working.perps) > 1:
        dexes = ", ".join(state.dex or "the venue's own" for state in working.perps)
        text = f"perpetuals of several dexes ({dexes}) keep margin apart; import them one by one"
        draft.problems.add(working.perps[-1].path, text)
        return
    (state,) = working.perps
    cross = _cross(draft)
    cost = sum((p.size * (p.entry_price or ZERO) for p in cross), ZERO)
    draft.balance(f"{state.path}.crossMarginSummary", USDC, state.raw_usd + cost)
    draft.report("equity", state.value)
    for number, figure in state.figures.items():
        draft.report(number, figure)
    _check_mode(draft, working, counted=state.value)
    if working.spot:
        coins = ", ".join(coin for coin, total in working.spot.items() if total)
        draft.say(f"spot balances ({coins}) do not back perpetuals of this account: left out")


def _note_unified(draft: Draft, working: Working) -> None:
    """Note the balance of an account whose spot state is the one balance."""
    draft.venue = UNIFIED
    if working.spot is None:
        draft.unlearn(
            Unlearnt.COLLATERAL,
            "the account is unified: its balance is in the spot state; add the answer to "
            "spotClearinghouseState",
        )
        return
    total = working.spot.get(USDC, ZERO)
    isolated = ZERO
    profit = ZERO
    for position in draft.positions.values():
        gain = position.size * ((position.mark_price or ZERO) - (position.entry_price or ZERO))
        if position.margin_mode is MarginMode.ISOLATED:
            isolated += position.figures.get("isolated_margin", ZERO) + gain
        else:
            profit += gain
    draft.balance("spotClearinghouseState", USDC, total - isolated - profit)
    available = working.available.get(USDC)
    if available:
        draft.report("maintenance_margin", total - isolated - available)
    for number in ("initial_margin", "maintenance_margin"):
        figures = [state.figures.get(number) for state in working.perps]
        if None not in figures and figures:
            draft.report(number, sum((f for f in figures if f is not None), ZERO))
    others = [coin for coin, held in working.spot.items() if held and coin != USDC]
    if others:
        draft.say(f"spot balances ({', '.join(others)}) do not back USDC perpetuals: left out")
    _check_available(draft, working, isolated=isolated)
    _check_mode(draft, working, counted=total - isolated)


def _check_available(draft: Draft, working: Working, *, isolated: Decimal) -> None:
    """Unlearn the positions where the venue keeps margin for others than these answers list."""
    for coin, available in working.available.items():
        kept = (working.spot or {}).get(coin, ZERO) - available
        if coin != USDC and kept > abs(available) * _AGREES:
            draft.unlearn(
                Unlearnt.POSITIONS,
                f"{plain(kept)} {coin} is kept for positions margined in {coin}; positions "
                "margined in USDC alone are read",
            )
    required = [state.maintenance for state in working.perps]
    if USDC not in working.available or None in required or (draft.positions and not required):
        return
    available = working.available[USDC]
    kept = (working.spot or {}).get(USDC, ZERO) - available
    known = isolated + sum((m for m in required if m is not None), ZERO)
    gap = kept - known
    if abs(gap) <= max(ONE, _gross(draft, known) * _AGREES) or (gap < 0 and not available):
        return
    what = (
        "positions are missing, those of other dexes share the balance: add the answer to "
        'clearinghouseState of each ("dex": a name that perpDexs lists)'
        if gap > 0
        else "the answers are of different instants: fetch them together"
    )
    draft.unlearn(
        Unlearnt.POSITIONS,
        f"the venue keeps {plain(kept)} USDC for maintenance and isolated margin, positions in "
        f"these answers need {plain(known)}; {what}",
    )


def _gross(draft: Draft, known: Decimal) -> Decimal:
    """Return what moves with the marks in maintenance and isolated margin."""
    isolated = (p for p in draft.positions.values() if p.margin_mode is MarginMode.ISOLATED)
    return known + sum((abs(p.size) * (p.mark_price or ZERO) for p in isolated), ZERO)


def _check_mode(draft: Draft, working: Working, *, counted: Decimal) -> None:
    """Unlearn the collateral where the venue's liquidation prices hold for another equity.

    Of an account that is said to keep perps apart, prices that differ are left to be compared.
    """
    tells = working.mode is None or draft.venue == UNIFIED
    for position in _cross(draft):
        claim = _beyond_value(position, working, counted)
        claim = claim or (_other_equity(position, working, counted) if tells else None)
        if claim is None:
            continue
        advice = (
            "its spot balance counts (a unified account): add the answer to spotClearinghouseState"
            if working.spot is None and working.mode is None
            else "the answers are of different instants or modes: fetch them together, with "
            "userAbstraction"
        )
        why = f"{claim} USDC, these answers give {counted:.2f}; {advice}"
        draft.unlearn(Unlearnt.COLLATERAL, why)
        return


def _beyond_value(position: PositionDraft, working: Working, counted: Decimal) -> str | None:
    """Say which equity a long without a liquidation price needs, where these answers give less.

    At a price of zero its value is lost: without a price above, equity is at least that.
    """
    coin = position.instrument
    value = position.size * (position.mark_price or ZERO)
    if coin not in working.unpriced or value <= 0 or value * (ONE - _AGREES) <= counted:
        return None
    return (
        f"the venue has no liquidation price of {coin}, which holds for an equity of at least "
        f"{value:.2f}"
    )


def _other_equity(position: PositionDraft, working: Working, counted: Decimal) -> str | None:
    """Say which equity the venue's liquidation price holds for, where it is another one."""
    implied = _implied_equity(position, working)
    if implied is None or abs(implied - counted) <= max(ONE, abs(implied) * _AGREES):
        return None
    name = position.instrument
    return f"the venue's liquidation price of {name} holds for an equity of {implied:.2f}"


def _implied_equity(position: PositionDraft, working: Working) -> Decimal | None:
    """Return the equity for which the printed liquidation price holds, where it can be told.

    price = mark - side * (equity - maintenance) / size / (1 - rate * side)
    """
    printed = position.reported.get("liquidation_price")
    leverage = working.own_leverage_max.get(position.instrument)
    mark = position.mark_price
    required = [state.maintenance for state in working.perps]
    if not printed or leverage is None or mark is None or None in required:
        return None
    size = abs(position.size)
    if size * max(printed, mark) >= _TIER_EDGE_MIN:
        return None
    side = ONE.copy_sign(position.size)
    room = side * (mark - printed) * size * (ONE - side * _rate(leverage))
    return room + sum((m for m in required if m is not None), ZERO)


def _cross(draft: Draft) -> list[PositionDraft]:
    return [p for p in draft.positions.values() if p.margin_mode is MarginMode.CROSS]


# --- tiers --------------------------------------------------------------------------------------


def _note_tier(position: PositionDraft, draft: Draft, working: Working) -> None:
    """Note the venue's own row where no built-in table has it.

    Positions carry the largest leverage their account may use in the coin; maintenance is half the
    initial rate at it.
    """
    coin = position.instrument
    if dex_of(coin):
        position.spec = {
            "kind": "linear_perpetual",
            "base": coin.partition(":")[2],
            "settle": USDC,
        }
    own = working.own_leverage_max.get(coin)
    listed = working.leverage_max.get(coin)
    leverage = own or listed
    if leverage is None or _listed_leverage(draft, coin) == leverage:
        return
    if coin in working.tables and leverage == listed:
        tier = _row(working.tables[coin], abs(position.size) * (position.mark_price or ZERO))
    else:
        tier = Tier(floor=ZERO, rate=_rate(leverage), leverage=leverage)
    row: dict[str, JsonValue] = {"maintenance_rate": plain(tier.rate)}
    if tier.deduction:
        row["maintenance_amount"] = plain(tier.deduction)
    position.tier = row
    draft.say(
        f"{coin} is margined by the venue's own figure for this account, at most {leverage:f}x: "
        "one maintenance row, at every price"
    )


def _row(tiers: tuple[Tier, ...], notional: Decimal) -> Tier:
    return next(tier for tier in reversed(tiers) if notional >= tier.floor or tier is tiers[0])


def _listed_leverage(draft: Draft, coin: str) -> Decimal | None:
    """Return the largest leverage of a coin in the built-in table of the time, if there is one."""
    date = "" if draft.as_of is None else f"@{draft.as_of:%Y-%m}"
    try:
        rule = load_rulebook(f"{VENUE}{date}").terms_for(coin).maintenance
        return rule.leverage_max(ONE, ZERO)
    except KeelmarkError:
        return None


def _check_position(position: PositionDraft, draft: Draft, working: Working) -> None:
    """Say of a position what the market's own answers say otherwise."""
    coin = position.instrument
    if coin in working.delisted:
        draft.say(f"{coin} is delisted: its mark may not move again")
    mark, context = position.mark_price, working.marks.get(coin)
    if mark is None and context is not None:
        position.note(mark_price=context)
    elif mark is not None and context is not None and abs(mark - context) > context / 100:
        draft.say(
            f"mark of {coin} is {plain(mark)} in the account and {plain(context)} in the asset "
            "contexts: the two answers are of different instants; the account's is taken"
        )
