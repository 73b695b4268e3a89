"""What a batch of postings may not do: checked on its columns, no Python object per row.

A batch is refused whole, with the row that is wrong in `index`, for what would break an invariant
or is malformed: an in-house unit that pays what it does not have (INV-03), money that leaves a
client who may not pay it, a market that is paused or has no price to trust, a price off the mark, a
unit in liquidation. Whether a client has the initial margin of what a fill opens is left to the
caller; `commands.FillBatch` asks that too.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np
import numpy.typing as npt

from keelmark.book.postings import fill_values
from keelmark.book.records import (
    AMOUNT_LIMIT,
    FILL,
    OUTSIDE,
    POSTING,
    REDUCING_COUNTERPARTY,
    REDUCING_UNIT,
    SIZE_LIMIT,
    TRANSFER,
)
from keelmark.core.codes import UnitKind, UnitStatus
from keelmark.core.errors import InvalidInput, KeelmarkError, RejectionReason
from keelmark.core.numbers import exact
from keelmark.engine.admission import refuse, require_free, require_left, require_open
from keelmark.engine.events import Posted
from keelmark.engine.fills import UNTRUSTED_BAND
from keelmark.engine.state import State

Rows = npt.NDArray[np.void]
Bools = npt.NDArray[np.bool_]
Int64s = npt.NDArray[np.int64]

EDGE = 1e-9
"""Relative width around the band inside which floats do not decide."""

R = RejectionReason


def require_postings(state: State, event: object, *, opening: bool = False) -> None:
    """Refuse a batch of postings that may not be made.

    Args:
        state: The state.
        event: The batch.
        opening: Whether the batch opens a book that was held elsewhere: its fills state what
            positions cost at the time, its payments what was owed. Prices are then not compared
            with marks, and clients may be left with debts.

    Raises:
        Rejected: A rule says no to a row; `index` says which.
        InvalidInput: A row is malformed, or names what is not there.
    """
    if not isinstance(event, Posted):
        msg = f"{event!r:.60} is no batch; give events.Posted or events.AccountsOpened"
        raise InvalidInput(msg)
    rows = event.rows
    if rows.dtype != POSTING or rows.ndim != 1:
        msg = "postings are a one-dimensional array of `book.records.POSTING`"
        raise InvalidInput(msg)
    _require_form(state, rows)
    fills = np.flatnonzero(rows["kind"] == FILL)
    _require_markets(state, rows, fills)
    _require_free(state, rows, fills)
    if not opening:
        _require_prices(state, rows, fills)
    _require_cover(state, rows, clients=not opening)


def _first(wrong: Bools | Int64s, rows: Int64s | None = None) -> Iterator[int]:
    """Yield the first row that is wrong, if any; `rows` are the places of what was looked at."""
    found = np.flatnonzero(wrong)[:1]
    yield from (found if rows is None else rows[found]).tolist()


def _at(error: KeelmarkError, index: int, rows: Rows) -> KeelmarkError:
    """Return an error that says which row of the batch it is about."""
    error.index = index
    error.args = (f"row {index} of {len(rows)}: {error}; nothing of the batch is posted",)
    return error


# --- form ---------------------------------------------------------------------------------------


def _require_form(state: State, rows: Rows) -> None:
    """Refuse rows that are no fill and no transfer, whatever the state of the market."""
    units = state.book.units_count
    is_fill, is_transfer = rows["kind"] == FILL, rows["kind"] == TRANSFER
    lowest = np.where(is_fill, 0, OUTSIDE)
    subjects = np.where(is_fill, len(state.universe.symbols), len(state.universe.assets))
    sides = ("unit", "counterparty")
    known = [(rows[side] >= lowest) & (rows[side] < units) for side in sides]
    masks: tuple[tuple[Bools, str], ...] = (
        (~(is_fill | is_transfer), "no fill and no transfer: `kind` is unknown"),
        (~(known[0] & known[1]), f"a unit that was never opened; units are 0..{units - 1}"),
        (rows["unit"] == rows["counterparty"], "a unit with itself; name two"),
        ((rows["subject"] < 0) | (rows["subject"] >= subjects), "no such instrument or asset"),
        (is_transfer & (rows["value"] <= 0), "a payment that is not positive; turn it round"),
        (rows["reducing"] & ~(REDUCING_UNIT | REDUCING_COUNTERPARTY) != 0, "unknown bits"),
        ((np.abs(rows["leg"]) > 1) | (np.abs(rows["counterparty_leg"]) > 1), "no such leg"),
        (_is_misshapen(state, rows, is_fill), "lots, value or fees do not fit together"),
    )
    for wrong, what in masks:
        for index in _first(wrong):
            raise _at(InvalidInput(what), index, rows)


def _is_misshapen(state: State, rows: Rows, is_fill: Bools) -> Bools:
    """Whether lots and value of fills have the wrong signs, or a fee exceeds the value."""
    table = state.universe.instruments
    row = np.where(is_fill, np.clip(rows["subject"], 0, len(table) - 1), 0)
    sign = np.where(table["inverse"][row] == 1, -1, 1) * np.sign(rows["lots"])
    value = np.abs(rows["value"].astype(np.float64))
    fee = np.maximum(np.abs(rows["fee"]), np.abs(rows["counterparty_fee"])).astype(np.float64)
    wrong = (sign == 0) | (sign * np.sign(rows["value"]) < 0) | (fee > value)
    too_large: Bools = (np.abs(rows["lots"]) > SIZE_LIMIT) | (value > AMOUNT_LIMIT)
    misshapen: Bools = is_fill & (wrong | too_large)
    return misshapen


# --- markets ------------------------------------------------------------------------------------


def _require_markets(state: State, rows: Rows, fills: Int64s) -> None:
    """Refuse fills in what is paused or has no price to trust; one look an instrument."""
    for instrument in np.unique(rows["subject"][fills]).tolist():
        symbol = state.universe.symbols[instrument]
        found: KeelmarkError | None = None
        if state.is_paused(instrument):
            found = refuse(R.MARKET_PAUSED, f"{symbol} is paused; wait for its resumption")
        elif state.untrusted & state.factors_of(instrument):
            found = refuse(R.UNTRUSTED_MARK, f"{symbol} has no price to trust; wait for a good one")
        if found is not None:
            index = next(_first(rows["subject"][fills] == instrument, fills))
            raise _at(found, index, rows)


def _require_free(state: State, rows: Rows, fills: Int64s) -> None:
    """Refuse fills of closed units, of clients in liquidation, and of in-house non-traders."""
    units = state.book.units
    traders = np.array([state.liquidity, state.backstop])
    cases = np.array(sorted(state.cases), np.int64)
    for side in ("unit", "counterparty"):
        chosen = rows[side][fills]
        for index in _first(units["status"][chosen] == UnitStatus.CLOSED.value, fills):
            _raise_from(partial(require_open, state, int(rows[side][index])), index, rows)
        house = units["kind"][chosen] == UnitKind.IN_HOUSE.value
        for index in _first(house & ~np.isin(chosen, traders), fills):
            name = state.book.unit_name(int(rows[side][index]))
            raise _at(InvalidInput(f"a fill of {name}, which holds no positions"), index, rows)
        for index in _first(np.isin(chosen, cases), fills):
            _raise_from(partial(require_free, state, int(rows[side][index])), index, rows)


def _raise_from(check: Callable[[], object], index: int, rows: Rows) -> None:
    """Let a single command's check raise its own error, with the row."""
    try:
        check()
    except KeelmarkError as error:
        raise _at(error, index, rows) from None


def _require_prices(state: State, rows: Rows, fills: Int64s) -> None:
    """Refuse values farther from that at the mark than the band; at its edge exactly."""
    if not len(fills):
        return
    instruments, lots = rows["subject"][fills].astype(np.int32), rows["lots"][fills]
    marks = np.zeros(len(state.universe.symbols), np.int64)
    for row in np.unique(instruments).tolist():
        marks[row] = state.ticks(row)
    at_mark = fill_values(state.book, instruments, lots, marks[instruments])
    band = state.rules.guards.band or UNTRUSTED_BAND
    off = np.abs(rows["value"][fills].astype(np.float64) - at_mark.astype(np.float64))
    allowed = float(band) * np.abs(at_mark.astype(np.float64))
    for place in np.flatnonzero(off > allowed * (1.0 - EDGE)).tolist():
        index = int(fills[place])
        value, mark = int(rows["value"][index]), int(at_mark[place])
        with exact():
            if abs(value - mark) <= band * abs(mark):
                continue
        symbol = state.universe.symbols[int(instruments[place])]
        error = refuse(
            R.OFF_MARK,
            f"{int(lots[place])} lots of {symbol} for {value} quanta, {mark} at the mark: more "
            f"than {band:%} away; submit what was traded at other prices as single fills, or, to "
            "open a book that was held elsewhere, with opening=True",
        )
        raise _at(error, index, rows)


# --- money --------------------------------------------------------------------------------------


def _require_cover(state: State, rows: Rows, *, clients: bool) -> None:
    """Refuse payments that a unit does not have, row by row, or that its margin does not allow."""
    kinds = state.book.units["kind"]
    transfers = np.flatnonzero(rows["kind"] == TRANSFER)
    inside = transfers[rows["unit"][transfers] != OUTSIDE]
    if not clients:
        inside = inside[kinds[rows["unit"][inside]] == UnitKind.IN_HOUSE.value]
    if not len(inside):
        return
    payers = np.unique(rows["unit"][inside])
    _require_payers_do_not_trade(rows, payers)
    held = {unit: dict(state.book.unit_view(unit).balances) for unit in payers.tolist()}
    among = transfers[
        np.isin(rows["unit"][transfers], payers) | np.isin(rows["counterparty"][transfers], payers)
    ]
    columns = (rows[name][among].tolist() for name in ("unit", "counterparty", "subject", "value"))
    for index, unit, other, asset, quanta in zip(among.tolist(), *columns, strict=True):
        _move(held, (unit, other), asset, quanta)
        if unit in held and held[unit][asset] < 0:
            error = refuse(
                R.INSUFFICIENT_BALANCE,
                f"a payment of {quanta} quanta of {state.universe.assets[asset]}; "
                f"{state.book.unit_name(unit)} holds {held[unit][asset] + quanta}",
            )
            raise _at(error, index, rows)
    for unit, balances in held.items():
        if kinds[unit] != UnitKind.IN_HOUSE.value:
            index = next(_first(rows["unit"][inside] == unit, inside))
            _raise_from(partial(_require_left, state, unit, balances), index, rows)


def _move(held: dict[int, dict[int, int]], sides: tuple[int, int], asset: int, quanta: int) -> None:
    """Move one payment between the balances of those that pay in the batch."""
    for unit, sign in zip(sides, (-1, 1), strict=True):
        if unit in held:
            held[unit][asset] = held[unit].get(asset, 0) + sign * quanta


def _require_left(state: State, unit: int, balances: dict[int, int]) -> None:
    """Refuse payments of a client that one payment of them all would be refused for."""
    require_left(state, replace(require_free(state, unit), balances=balances), "the batch")


def _require_payers_do_not_trade(rows: Rows, payers: npt.NDArray[np.int32]) -> None:
    """Refuse a payment by a unit that also trades in the batch: what it has depends on the fills.

    Fills have their own effect on a balance; send them in a batch of their own.
    """
    is_fill = rows["kind"] == FILL
    trades = np.isin(rows["unit"], payers) | np.isin(rows["counterparty"], payers)
    for index in _first(is_fill & trades):
        text = "a unit trades and pays in one batch; send payments in a batch of their own"
        raise _at(InvalidInput(text), index, rows)
