"""What stands of each unit before anything is drawn: certain, never, unknown, or a corridor."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from math import inf, log1p

import numpy as np
import numpy.typing as npt

from keelmark.accounts.account import Account
from keelmark.core.errors import MissingNumber
from keelmark.core.joint_move import JointMove, joint_move
from keelmark.core.liquidation_price import PriceStatus
from keelmark.core.margin import margin_report
from keelmark.core.numbers import ONE
from keelmark.core.unit import MarginUnit
from keelmark.risk.axes import coins_that_move, direction_of
from keelmark.risk.liquidation.piecewise import Line, lines_of, why_not_lines
from keelmark.risk.liquidation.result import Standing
from keelmark.risk.revaluation import UnitValuer
from keelmark.risk.revaluation.tables import INVERSE
from keelmark.risk.symbols import coin_of

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Corridor:
    """Between which log distances of its one coin a unit is not liquidatable; infinite for none."""

    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitCase:
    """One unit, looked at.

    Attributes:
        unit: What is margined.
        standing: What is known without drawing.
        reason: Of every other standing than `known`.
        valuer: `None` where its margin is unknown.
        bends: Why it is no sum of lines; `None` where it is one.
        corridor: Of a unit on one coin, where it could be solved.
    """

    unit: MarginUnit
    standing: Standing
    reason: str | None = None
    valuer: UnitValuer | None = None
    bends: str | None = None
    corridor: Corridor | None = None


def case_of(account: Account, unit: MarginUnit) -> UnitCase:
    """Return what stands of a unit."""
    try:
        report = margin_report(unit, account.market, account.model)
        valuer = UnitValuer.of(account, unit)
    except MissingNumber as error:
        return UnitCase(unit=unit, standing=Standing.UNKNOWN, reason=str(error))
    if report.is_liquidatable:
        return UnitCase(unit=unit, standing=Standing.CERTAIN, reason="liquidatable now")
    if not valuer.can_be_liquidated:
        reason = "it holds no position and owes nothing"
        return UnitCase(unit=unit, standing=Standing.NEVER, reason=reason)
    if not valuer.coins:
        reason = "no price that moves is read by its margin"
        return UnitCase(unit=unit, standing=Standing.NEVER, reason=reason)
    bends = why_not_lines(valuer)
    corridor = corridor_of(account, unit, valuer.coins[0]) if len(valuer.coins) == 1 else None
    found = UnitCase(
        unit=unit, standing=Standing.KNOWN, valuer=valuer, bends=bends, corridor=corridor
    )
    if corridor is None and valuer.method == "core":
        reason = f"{valuer.why}: paths of several coins have no quick margin for that"
        return UnitCase(unit=unit, standing=Standing.UNKNOWN, reason=reason)
    return found


def corridor_of(account: Account, unit: MarginUnit, coin: str) -> Corridor | None:
    """Return how far a unit's one coin may fall and rise; `None` where core cannot solve it."""
    names = [n for n in coins_that_move(unit, account.model) if coin_of(n)[0] == coin]
    moves = []
    for side in (-ONE, ONE):
        direction = direction_of(unit, dict.fromkeys(names, side), account.model)
        moves.append(joint_move(unit, direction, account.market, account.model))
    if any(move.status is PriceStatus.UNKNOWN for move in moves):
        return None
    fall, rise = (_log_of(move, side) for move, side in zip(moves, (-1.0, 1.0), strict=True))
    return Corridor(low=fall, high=rise)


def _log_of(move: JointMove, side: float) -> float:
    """Return the log distance of a crossing; infinite where there is none."""
    size = move.size
    if size is None or (side < 0.0 and size >= Decimal(1)):
        return side * inf
    return log1p(side * float(size))


def never_by_lines(valuer: UnitValuer) -> bool:
    """Whether no prices at all bring the excess of a sum of lines to zero."""
    constant, lines = lines_of(valuer)
    return constant + sum(_least(own) for own in lines.values()) > 0.0


def _least(lines: list[Line]) -> float:
    """Return the least value of one coin's part over all its prices."""
    if lines[-1].slope < 0.0:
        return -inf
    starts = [0.0, *(line.end for line in lines[:-1])]
    low = min(line.level + line.slope * s for line, s in zip(lines, starts, strict=True))
    ends = [line.level + line.slope * line.end for line in lines if line.end < inf]
    return min([low, *ends])


def pays(case: UnitCase, funding: Mapping[str, float], borrow: Mapping[str, float]) -> bool:
    """Whether a unit pays or gets anything as time passes."""
    if case.valuer is None:
        return False
    flat, carry = dues_of(case, case.valuer.coins, funding, borrow)
    return flat != 0.0 or bool(np.any(carry != 0.0))


def dues_of(
    case: UnitCase,
    coins: tuple[str, ...],
    funding: Mapping[str, float],
    borrow: Mapping[str, float],
) -> tuple[float, Array]:
    """Return what a unit pays a day: whatever prices do, and per one of each coin's ratio."""
    carry = np.zeros(len(coins))
    valuer = case.valuer
    if valuer is None or valuer.tables is None:
        return 0.0, carry
    flat = 0.0
    for name, asset in zip(valuer.asset_order, valuer.tables.assets, strict=True):
        price, own = float(asset["price"]), int(asset["coin"])
        owed = max(-float(asset["cash"]), float(case.unit.loans.get(name, 0)), 0.0)
        interest = borrow.get(name, 0.0) * owed * price
        if own >= 0:
            carry[coins.index(valuer.coins[own])] += interest
        else:
            flat += interest
        for number in range(asset["leg_start"], asset["leg_end"]):
            leg = valuer.tables.legs[number]
            if leg["coin"] < 0:
                continue
            coin = valuer.coins[leg["coin"]]
            paid = funding.get(coin, 0.0) * float(leg["funding"]) * price
            if leg["kind"] == INVERSE:
                flat += paid
            else:
                carry[coins.index(coin)] += paid
    return flat, carry
