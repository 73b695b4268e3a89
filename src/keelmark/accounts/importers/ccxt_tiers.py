"""The row of a position in ccxt's leverage tiers, whose bounds have a unit of each venue's own.

Source: docs.ccxt.com, Manual (leverage tiers structure), and what ccxt's classes put under
`minNotional` and `maxNotional` (parse_market_leverage_tiers of binance.py, bybit.py, okx.py,
htx.py, mexc.py, krakenfutures.py, kucoin.py): a notional of linear contracts at most venues;
contracts at OKX, HTX and MEXC; of coin-margined contracts the coin at Binance (`qtyFloor`) and
Bybit (`riskLimitValue`), contracts at OKX (`maxSz`), and nothing that is known elsewhere. The field
`currency` does not tell: ccxt writes USD beside Binance's coins.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from enum import Enum

from keelmark.accounts.importers.ccxt_raw import is_inverse
from keelmark.accounts.importers.draft import Draft, JsonValue, PositionDraft, plain
from keelmark.accounts.importers.payload import Row
from keelmark.accounts.importers.steps import CENT, SATOSHI, Step, Steps
from keelmark.core.numbers import ZERO, exact

_PERCENT = Decimal(100)
_FLOORS = ("notionalFloor", "qtylFloor", "qtyFloor", "minSz")
"""Where the venue's own row begins; one key is misspelt, and ccxt then finds no floor."""
_AMOUNTS = ("cum", "mmDeduction")
_COINS = {"binance": ("qtyFloor", "qtylFloor", "qtyCap"), "bybit": ("riskLimitValue",)}
"""By which keys of `info` bounds are coins of inverse contracts, by the venue's family."""
_SIZES = ("min_size", "max_size", "riskIncrVol", "maxSize", "contracts", "numNonContractUnits")
"""By which keys of `info` bounds are contracts or sizes whose deductions nobody documents."""


class Unit(Enum):
    """What the bounds of a table are."""

    NOTIONAL = "notional"
    COIN = "worth in coin"
    CONTRACTS = "contracts, whole,"


def note_tier(
    position: PositionDraft, draft: Draft, *, symbol: str, rows: Sequence[Row], contracts: Decimal
) -> None:
    """Note the row of a position, or say why it cannot be told.

    Args:
        position: Without a row.
        draft: Whose venue is known by now.
        symbol: ccxt's.
        rows: The table, as ccxt gives it.
        contracts: How many are held.
    """
    unit = _unit(rows, symbol, draft.venue)
    if isinstance(unit, str):
        draft.say(f"tiers of {position.instrument} are not read: {unit}")
        return
    key = contracts if unit is Unit.CONTRACTS else _notional(position, symbol)
    if key is None:
        return
    steps = Steps.of(
        _steps(rows, is_bybit=_has(rows, *_COINS["bybit"]) or _is(draft.venue, "bybit")),
        is_whole=unit is Unit.CONTRACTS,
        quantum=SATOSHI if unit is Unit.COIN else CENT,
    )
    if steps.problem is not None:
        draft.problems.add(rows[0].path, f"{steps.problem}; save the answer whole")
        return
    tier = steps.at(key)
    steps.say_beyond(position, key, draft)
    row: dict[str, JsonValue] = {"maintenance_rate": plain(tier.rate)}
    if tier.amount:
        row["maintenance_amount"] = plain(tier.amount)
    position.tier = row
    draft.say(
        f"{draft.name_of(position)} is margined by ccxt's tier of its {unit.value} at every price"
    )


def _unit(rows: Sequence[Row], symbol: str, venue: str) -> Unit | str:
    """Return what bounds are, or why that is not known."""
    if _has(rows, "maxSz") or _is(venue, "okx"):
        return Unit.CONTRACTS
    if not is_inverse(symbol):
        if _has(rows, *_SIZES):
            return (
                "ccxt gives this venue's bounds in contracts under names of notionals; give the "
                "position the venue's own row (`tier`)"
            )
        return Unit.NOTIONAL
    has_info = any(row.content.get("info") for row in rows)
    for family, keys in _COINS.items():
        if _has(rows, *keys) or (not has_info and _is(venue, family)):
            return Unit.COIN
    return (
        "of coin-margined contracts ccxt's bounds are coins at one venue and contracts at another; "
        "name the venue by --venue where it is Binance, Bybit or OKX, or give the position the "
        "venue's own row (`tier`)"
    )


def _is(venue: str, family: str) -> bool:
    return venue.startswith(f"{family}-")


def _has(rows: Sequence[Row], *keys: str) -> bool:
    """Whether the venue's own row is in ccxt's and has one of these keys."""
    return any(key in info for row in rows for info in (_info(row),) for key in keys)


def _info(row: Row) -> Mapping[str, object]:
    found = row.content.get("info")
    return found if isinstance(found, Mapping) else {}


def _notional(position: PositionDraft, symbol: str) -> Decimal | None:
    """Return what a position is worth at its mark: in quote, or in coin of inverse contracts."""
    mark, size = position.mark_price, position.spec.get("contract_size")
    if mark is None:
        return None
    with exact():
        if not is_inverse(symbol):
            return abs(position.size) * mark
        return abs(position.size) * Decimal(size) / mark if isinstance(size, str) else None


def _steps(rows: Sequence[Row], *, is_bybit: bool) -> list[Step]:
    """Return the rows; what has no rate or no floor is a problem with its place."""
    found: list[Step] = []
    before: Decimal | None = ZERO
    for row in rows:
        own = Row(_info(row), row.at("info"), row.problems)
        floor = row.maybe_number("minNotional")
        for key in _FLOORS:
            floor = own.maybe_number(key) if floor is None else floor
        floor = before if floor is None else floor
        rate = row.maybe_number("maintenanceMarginRate", required=True)
        cap, leverage = row.some("maxNotional"), row.some("maxLeverage")
        before = cap
        if floor is None:
            row.refuse("minNotional", "is missing; a tier needs its floor")
        if floor is None or rate is None:
            continue
        if is_bybit and leverage is not None and rate * leverage > 1:
            rate /= _PERCENT  # Bybit's rates are fractions now and were percent
        amounts = (own.maybe_number(key) for key in _AMOUNTS)
        amount = next((amount for amount in amounts if amount is not None), None)
        found.append(Step(floor=floor, cap=cap, rate=rate, amount=amount))
    return found
