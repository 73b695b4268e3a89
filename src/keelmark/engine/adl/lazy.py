"""The lazy A/K ledger: deleverage a whole side in one step, settle each account when touched.

Per side a multiplier A scales sizes and an index K sums value per unit of A. An account stores
the basis `b` of its size and the A and K it last saw. Its size is `b * A / A0`, its result since
the last touch `b * (K - K0) / A0`. Deleveraging `q` lots with a deficit `d` is

    K -= d * A / OI;   A = A * (OI - q) / OI;   OI -= q,

so its cost does not grow with the number of accounts and the order of touches does not matter.

In rationals the ledger equals eager pro rata exactly. In whole numbers every division rounds
against the account: sizes and results down, losses up. What sizes lose by rounding stays in the
side's open interest as dust, whose bound is kept per side.
"""

from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from math import ceil
from typing import Protocol

import numpy as np

from keelmark.core.errors import DuplicateId, InvalidInput, Rejected, RejectionReason, UnknownUnit
from keelmark.engine.adl.candidates import Candidates
from keelmark.engine.adl.policies import deleverage_policy
from keelmark.engine.apportion import Int64Array, apportion, exact_sum

Exact = int | Fraction

MULTIPLIER_ONE = 10**15
"""A of a fresh side: fifteen digits of a size survive any number of events."""

MULTIPLIER_MIN = 10**14
"""A below which a side only drains: one of its fifteen digits is used up."""


class Arithmetic(Protocol):
    """How quotients are taken."""

    def down(self, numerator: Exact, denominator: Exact) -> Exact:
        """Return the quotient, never above its true value."""

    def up(self, numerator: Exact, denominator: Exact) -> Exact:
        """Return the quotient, never below its true value."""


class Whole:
    """Whole numbers: quotients are rounded down or up."""

    def down(self, numerator: Exact, denominator: Exact) -> Exact:
        """Return the floor."""
        return numerator // denominator

    def up(self, numerator: Exact, denominator: Exact) -> Exact:
        """Return the ceiling."""
        return -(-numerator // denominator)


class Rational:
    """Fractions: nothing is rounded."""

    def down(self, numerator: Exact, denominator: Exact) -> Exact:
        """Return the quotient."""
        return Fraction(numerator) / denominator

    up = down


class SideMode(StrEnum):
    """What a side accepts."""

    NORMAL = "normal"
    DRAIN_ONLY = "drain_only"
    """A has used up its digits: no new lots until the side is empty."""
    RESET_PENDING = "reset_pending"
    """A new epoch has begun; accounts of the old one have still to be touched."""


class SideName(StrEnum):
    """One side of the open interest."""

    LONG = "long"
    SHORT = "short"

    @property
    def opposite(self) -> "SideName":
        """The other side."""
        return SideName.SHORT if self is SideName.LONG else SideName.LONG

    @property
    def sign(self) -> int:
        """Direction in which a rising value per lot moves the side's result."""
        return 1 if self is SideName.LONG else -1


@dataclass(slots=True)
class Side:
    """State of one side."""

    multiplier: Exact = MULTIPLIER_ONE
    index: Exact = 0
    open_interest: Exact = 0
    epoch: int = 0
    mode: SideMode = SideMode.NORMAL
    holders: int = 0
    """Accounts of this epoch."""
    stale: int = 0
    """Accounts of the epoch before that have not been touched since."""
    index_at_reset: Exact = 0
    dust_bound: Exact = 0
    """Open interest exceeds the sum of sizes by at most this: a deleveraging rounds every size
    down by less than a lot, and A by less than one, which all sizes together feel as OI / A."""


@dataclass(slots=True)
class _Holding:
    side: SideName
    basis: Exact
    multiplier: Exact
    index: Exact
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What a touch found: the size now, and the result since the last touch."""

    lots: Exact
    pnl: Exact


class LazyLedger:
    """Sizes and results of one instrument's accounts, kept lazily."""

    def __init__(self, arithmetic: Arithmetic | None = None) -> None:
        self._arithmetic: Arithmetic = arithmetic or Whole()
        self.sides = {name: Side() for name in SideName}
        self._holdings: dict[int, _Holding] = {}

    def open(self, unit: int, name: SideName, lots: Exact) -> None:
        """Give `unit` a fresh size of `lots`.

        Raises:
            DuplicateId: The unit already holds a size; close it first.
            Rejected: The side only drains or waits for its reset.
        """
        side = self.sides[name]
        if unit in self._holdings:
            msg = f"unit {unit} already holds lots of this instrument; close them first"
            raise DuplicateId(msg)
        if side.mode is not SideMode.NORMAL:
            msg = f"the {name} side is in mode {side.mode}; it takes new lots after its reset"
            raise Rejected(RejectionReason.REDUCE_ONLY, msg)
        if lots <= 0:
            msg = f"{lots} lots opened; a size is positive, its side says long or short"
            raise InvalidInput(msg)
        self._holdings[unit] = _Holding(name, lots, side.multiplier, side.index, side.epoch)
        side.holders += 1
        side.open_interest += lots

    def move(self, value_per_lot: Exact) -> None:
        """Post a change of value per lot: longs gain what shorts lose."""
        for name, side in self.sides.items():
            side.index += name.sign * side.multiplier * value_per_lot

    def fund(self, payer: SideName, per_lot: Exact) -> None:
        """Post a payment per lot from `payer` to the other side; rounding never mints."""
        paying, receiving = self.sides[payer], self.sides[payer.opposite]
        paying.index -= self._arithmetic.up(paying.multiplier * per_lot, 1)
        receiving.index += self._arithmetic.down(receiving.multiplier * per_lot, 1)

    def size(self, unit: int) -> Exact:
        """Size of `unit` now, without touching it."""
        holding = self._holding(unit)
        side = self.sides[holding.side]
        if holding.epoch != side.epoch:
            return 0
        return self._arithmetic.down(holding.basis * side.multiplier, holding.multiplier)

    def _holding(self, unit: int) -> _Holding:
        try:
            return self._holdings[unit]
        except KeyError:
            msg = f"unit {unit} holds no lots in this ledger; open a size first"
            raise UnknownUnit(msg) from None

    def touch(self, unit: int) -> Settlement:
        """Settle `unit` to now and return its size and its result since the last touch.

        A size that has been rounded away, or whose epoch has ended, leaves the ledger.
        """
        holding = self._holding(unit)
        side = self.sides[holding.side]
        lots = self.size(unit)
        is_stale = holding.epoch != side.epoch
        index = side.index_at_reset if is_stale else side.index
        pnl = self._arithmetic.down(holding.basis * (index - holding.index), holding.multiplier)
        holding.index = index
        if lots == 0:
            self._forget(unit, is_stale=is_stale)
        return Settlement(lots=lots, pnl=pnl)

    def _forget(self, unit: int, *, is_stale: bool) -> None:
        side = self.sides[self._holdings.pop(unit).side]
        if is_stale:
            side.stale -= 1
            self._end_reset(side)
        else:
            side.holders -= 1
            self._reset_if_only_dust(side)

    def close(self, unit: int) -> Settlement:
        """Settle `unit`, take its whole size off its side and forget it."""
        name = self._holding(unit).side
        settlement = self.touch(unit)
        if unit in self._holdings:
            self.sides[name].open_interest -= settlement.lots
            self._forget(unit, is_stale=False)
        return settlement

    def deleverage(self, name: SideName, lots: Exact, deficit: Exact) -> Exact:
        """Take `lots` off side `name` pro rata and charge it `deficit`, in one step.

        Returns:
            The part of the deficit that found nobody to bear it: all of it where the side is
            empty. The share that falls on dust is not collected either; it is below
            `deficit * dust / open interest`.
        """
        side = self.sides[name]
        if side.open_interest == 0:
            return deficit
        if lots > side.open_interest:
            msg = f"{lots} lots to take, but the {name} side holds {side.open_interest}"
            raise InvalidInput(msg)
        before = side.open_interest
        side.index -= self._arithmetic.up(deficit * side.multiplier, before)
        scaled = self._arithmetic.down(side.multiplier * (before - lots), before)
        side.dust_bound += side.holders + ceil(Fraction(before) / side.multiplier)
        side.open_interest -= lots
        side.multiplier = scaled
        self._reset_if_only_dust(side)
        if scaled < MULTIPLIER_MIN and side.mode is SideMode.NORMAL:
            side.mode = SideMode.DRAIN_ONLY
        return 0

    def _reset_if_only_dust(self, side: Side) -> None:
        """Begin a new epoch where no size is left, or A can no longer tell sizes apart."""
        if side.mode is SideMode.RESET_PENDING:
            return
        if side.open_interest == 0 or side.holders == 0 or side.multiplier == 0:
            self._reset(side)

    def _reset(self, side: Side) -> None:
        side.index_at_reset = side.index
        side.epoch += 1
        side.stale, side.holders = side.holders, 0
        side.multiplier = MULTIPLIER_ONE
        side.index = 0
        side.open_interest = 0
        side.dust_bound = 0
        side.mode = SideMode.RESET_PENDING
        self._end_reset(side)

    def _end_reset(self, side: Side) -> None:
        if side.mode is SideMode.RESET_PENDING and side.stale == 0:
            side.mode = SideMode.NORMAL


@dataclass(slots=True)
class _Eager:
    side: SideName
    lots: Fraction
    pnl: Fraction


class EagerLedger:
    """The same events, posted to every account at once, in fractions: the definition."""

    def __init__(self) -> None:
        self._accounts: dict[int, _Eager] = {}

    def open(self, unit: int, name: SideName, lots: Exact) -> None:
        """Give `unit` a fresh size of `lots`."""
        self._accounts[unit] = _Eager(name, Fraction(lots), Fraction(0))

    def move(self, value_per_lot: Exact) -> None:
        """Post a change of value per lot to every account."""
        for account in self._accounts.values():
            account.pnl += account.side.sign * account.lots * value_per_lot

    def fund(self, payer: SideName, per_lot: Exact) -> None:
        """Post a payment per lot from `payer` to the other side."""
        for account in self._accounts.values():
            account.pnl += (-1 if account.side is payer else 1) * account.lots * per_lot

    def close(self, unit: int) -> Settlement:
        """Take the unit out and return its size and result."""
        account = self._accounts.pop(unit)
        return Settlement(lots=account.lots, pnl=account.pnl)

    def deleverage(self, name: SideName, lots: Exact, deficit: Exact) -> None:
        """Take `lots` off every account of the side in proportion to its size."""
        side = [account for account in self._accounts.values() if account.side is name]
        total = sum((account.lots for account in side), Fraction(0))
        for account in side:
            account.pnl -= deficit * account.lots / total
            account.lots -= lots * account.lots / total

    def account(self, unit: int) -> Settlement:
        """Size and result of `unit` since it was opened."""
        account = self._accounts[unit]
        return Settlement(lots=account.lots, pnl=account.pnl)


def profit_backing(vault: int, principal: int, insurance: int, profit: int) -> Fraction:
    """Return h, the part of all positive profit that the vault can pay now.

    Principal is senior, profit junior: `min(max(0, vault - principal - insurance), profit) /
    profit`, one where there is no profit to pay.
    """
    if profit <= 0:
        return Fraction(1)
    residual = max(0, vault - principal - insurance)
    return Fraction(min(residual, profit), profit)


@deleverage_policy("lazy_open_interest")
def lazy_open_interest(lots_needed: int, candidates: Candidates) -> Int64Array:
    """Pro rata to open interest, as the lazy ledger would leave every size.

    Rounding: the ledger rounds sizes down, so together they give up more than is needed. The
    surplus goes back one lot each, to the sizes that lost the largest fraction of a lot. Where a
    candidate may not give its share, the others give the rest in proportion to what they can.
    """
    sizes = np.abs(candidates.lots).tolist()
    ledger = LazyLedger()
    for row, size in enumerate(sizes):
        if size:
            ledger.open(row, SideName.LONG, size)
    ledger.deleverage(SideName.LONG, lots_needed, 0)
    left = [ledger.size(row) if size else 0 for row, size in enumerate(sizes)]
    scale = ledger.sides[SideName.LONG].multiplier
    surplus = sum(sizes) - sum(left) - lots_needed
    by_fraction = sorted(range(len(sizes)), key=lambda row: -(sizes[row] * scale % MULTIPLIER_ONE))
    for row in by_fraction[: int(surplus)]:
        left[row] += 1
    taken = np.array(sizes, dtype=np.int64) - np.array(left, dtype=np.int64)
    return _within(lots_needed, np.clip(taken, 0, None), candidates.closable)


def _within(lots_needed: int, taken: Int64Array, closable: Int64Array) -> Int64Array:
    """Return `taken` cut to what is closable, and then brought to the need."""
    taken = np.minimum(taken, closable)
    missing = lots_needed - exact_sum(taken)
    if missing >= 0:
        room = closable - taken
        return taken + apportion(missing, room, room)
    return taken - apportion(-missing, taken, taken)
