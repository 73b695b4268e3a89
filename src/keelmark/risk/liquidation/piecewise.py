"""Units whose excess is a sum of lines in the price of one coin each: what a kernel walks quickly.

    excess = constant + sum over coins of (level + slope * ratio),    ratio = price / price now

with a level and a slope by stretch of the ratio: rows of a maintenance table and the entry, where
profits count less than losses, end stretches. Books of linear contracts settled in dollars are
such sums, with coins beside them as collateral. Others are not, and the reason is told.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from keelmark.risk.revaluation import UnitValuer
from keelmark.risk.revaluation.tables import AT_ENTRY, LINEAR, Tables

Array = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]


class Book(NamedTuple):
    """Units as lines; a piece reaches up to its end, the last one for ever."""

    constant: Array  # (units,) valuation currency
    first: Rows  # (units, coins) first piece
    now: Rows  # (units, coins) piece of the ratio one
    ends: Array  # (pieces,) ratio
    levels: Array  # (pieces,) valuation currency
    slopes: Array  # (pieces,) valuation currency per one of ratio
    flat: Array  # (units,) paid a day, valuation currency
    carry: Array  # (units, coins) paid a day, per one of ratio


@dataclass(frozen=True, slots=True)
class Line:
    """A stretch of one coin's part."""

    end: float
    level: float
    slope: float


def why_not_lines(valuer: UnitValuer) -> str | None:
    """Return why a unit is no such sum; `None` where it is one."""
    tables = valuer.tables
    if tables is None:
        return valuer.why
    bends = {
        "it holds options": len(tables.options) > 0,
        "a cap counts its profits together": bool(np.isfinite(tables.cap)),
        "it holds inverse contracts": bool(np.any(tables.legs["kind"] != LINEAR)),
        "a requirement grows with the square of a notional": bool(
            np.any(tables.rows["curve"] != 0.0)
        ),
    }
    for reason, holds in bends.items():
        if holds:
            return reason
    return _why_not_settled(tables)


def _why_not_settled(tables: Tables) -> str | None:
    """Return what bends where contracts settle; `None` where nothing does."""
    for asset in tables.assets:
        if asset["leg_end"] == asset["leg_start"]:
            continue
        if asset["coin"] >= 0:
            return "contracts settle in a coin that moves"
        lines = tables.segments[asset["segment_start"] : asset["segment_end"]]
        plain = len(lines) == 1 and lines[0]["slope"] == 1.0 and lines[0]["intercept"] == 0.0
        if not asset["apart"] and not (plain and asset["loan_rate"] == 0.0):
            return "profits count by the haircuts or the debt of the asset they are in"
    return None


def book_of(valuers: list[UnitValuer], coins: tuple[str, ...]) -> Book:
    """Return units as lines over these coins; `why_not_lines` has found no reason against any."""
    constant: list[float] = []
    first, now = (np.zeros((len(valuers), len(coins)), dtype=np.int64) for _ in range(2))
    pieces: list[Line] = []
    for unit, valuer in enumerate(valuers):
        own, lines = lines_of(valuer)
        constant.append(own)
        for at, coin in enumerate(coins):
            found = lines.get(coin, [Line(np.inf, 0.0, 0.0)])
            first[unit, at] = len(pieces)
            now[unit, at] = len(pieces) + sum(line.end < 1.0 for line in found)
            pieces += found
    return Book(
        constant=np.array(constant),
        first=first,
        now=now,
        ends=np.array([line.end for line in pieces]),
        levels=np.array([line.level for line in pieces]),
        slopes=np.array([line.slope for line in pieces]),
        flat=np.zeros(len(valuers)),
        carry=np.zeros((len(valuers), len(coins))),
    )


def alone(book: Book, unit: int) -> Book:
    """Return one unit of a book."""
    own = slice(unit, unit + 1)
    return book._replace(
        constant=book.constant[own],
        first=book.first[own],
        now=book.now[own],
        flat=book.flat[own],
        carry=book.carry[own],
    )


def lines_of(valuer: UnitValuer) -> tuple[float, dict[str, list[Line]]]:
    """Return the constant of a unit, and the stretches of each coin's part."""
    tables = valuer.tables
    if tables is None:
        return 0.0, {}
    level, constant = valuer.level, 0.0
    parts: dict[str, list[tuple[float, list[Line]]]] = {coin: [] for coin in valuer.coins}
    for asset in tables.assets:
        price = float(asset["price"])
        cash, value = float(asset["cash"]), 0.0
        lines = tables.segments[asset["segment_start"] : asset["segment_end"]]
        value = min(float(s["slope"]) * cash + float(s["intercept"]) for s in lines)
        loan = max(0.0, -cash * float(asset["loan_rate"]))
        asked = (float(asset["gross"]) + loan) * float(asset["ask"])
        standing = price * (value + float(asset["ask"]) * loan - level * asked)
        if asset["coin"] >= 0:
            parts[valuer.coins[asset["coin"]]].append((1.0, [Line(np.inf, 0.0, standing)]))
        else:
            constant += standing
        for number in range(asset["leg_start"], asset["leg_end"]):
            leg = tables.legs[number]
            fixed = price * level * float(asset["ask"]) * float(leg["constant"])
            found = _leg_lines(tables, number, level * float(asset["ask"]))
            if leg["coin"] < 0:
                found = [_at(found, 1.0)]
                constant += price * found[0].level - fixed
                continue
            constant -= fixed
            parts[valuer.coins[leg["coin"]]].append((price, found))
    return constant, {coin: summed(found) for coin, found in parts.items() if found}


def _leg_lines(tables: Tables, number: int, level: float) -> list[Line]:
    """Return what one contract adds to the excess, settle asset: profit less its requirement."""
    leg = tables.legs[number]
    value, cost, notional = (float(leg[name]) for name in ("value", "cost", "notional"))
    rows = tables.rows[leg["row_start"] : leg["row_start"] + leg["row_count"]]
    asks = leg["margin"] != AT_ENTRY and notional > 0.0
    floors = [float(row["floor"]) / notional for row in rows[1:]] if asks else []
    entry = [cost / value] if tables.weight != 1.0 and value != 0.0 else []
    ends = sorted({end for end in (*floors, *entry) if end > 0.0})
    found = []
    for low, high in zip((0.0, *ends), (*ends, np.inf), strict=True):
        inside = 2.0 * low + 1.0 if high == np.inf else 0.5 * (low + high)
        weight = tables.weight if value * inside > cost else 1.0
        offset, slope = -cost * weight, value * weight
        if asks:
            row = rows[sum(floor < inside for floor in floors)]
            offset += level * float(row["deduction"])
            slope -= level * float(row["rate"]) * notional
        found.append(Line(high, offset, slope))
    return found


def summed(parts: list[tuple[float, list[Line]]]) -> list[Line]:
    """Return the sum of several functions made of lines, each times its price."""
    ends = sorted({line.end for _, lines in parts for line in lines})
    found = []
    for end in ends:
        here = [(price, next(x for x in lines if x.end >= end)) for price, lines in parts]
        level = sum(price * line.level for price, line in here)
        found.append(Line(end, level, sum(price * line.slope for price, line in here)))
    return found


def _at(lines: list[Line], ratio: float) -> Line:
    """Return the value at a ratio as a line that is flat."""
    line = next(line for line in lines if line.end >= ratio)
    return Line(np.inf, line.level + line.slope * ratio, 0.0)


def look_at(book: Book, ratios: Array) -> tuple[Array, Array]:
    """Return excess (n, units) and its slopes in log prices (n, units, coins) at ratios (n, coins).

    The plain definition of what the kernel reads.
    """
    count, coins = ratios.shape
    units = len(book.constant)
    excess = np.tile(book.constant, (count, 1))
    slopes = np.zeros((count, units, coins))
    for unit in range(units):
        for coin in range(coins):
            start = book.first[unit, coin]
            stop = start + int(np.argmax(np.isinf(book.ends[start:]))) + 1
            own = book.ends[start:stop]
            piece = start + np.searchsorted(own, ratios[:, coin], side="left")
            slopes[:, unit, coin] = book.slopes[piece] * ratios[:, coin]
            excess[:, unit] += book.levels[piece] + slopes[:, unit, coin]
    return excess, slopes
