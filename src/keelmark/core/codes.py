"""Small closed lists that are stored as numbers in the columns and named in text."""

from enum import IntEnum


class UnitKind(IntEnum):
    """What a margin unit is."""

    CROSS = 0
    ISOLATED = 1
    IN_HOUSE = 2


class UnitStatus(IntEnum):
    """Where a margin unit stands."""

    ACTIVE = 0
    CLOSED = 1
    REDUCE_ONLY = 2
    IN_LIQUIDATION = 3


class Leg(IntEnum):
    """Which leg of an instrument a position is; one-way accounts hold `NET` only."""

    NET = 0
    LONG = 1
    SHORT = -1


class RuleKind(IntEnum):
    """The maintenance rules that kernels know (`rule_kind`)."""

    TIERED = 0
    """Marginal tiers: notional * rate - deduction, continuous."""
    WHOLE = 1
    """The tier's rate on the whole notional, tier keyed on notional: jumps at floors."""
    SIZED = 2
    """The tier's rate on the whole notional, tier keyed on size in lots."""
    SCALED = 3
    """Base rate plus a slope times size."""
    CORE_ONLY = 127
    """No kernel face: units that hold it are decided by `core` at every change."""


class WatchState(IntEnum):
    """How the tripwire index watches a unit; every unit is in exactly one state."""

    EMPTY = 0
    """No position, no priced balance, no debt: nothing can happen to it without a command."""
    WIRED = 1
    """A certificate stands."""
    SUSPECT = 2
    """At or below the watched level, or within the error of arithmetic: `core` decides."""
    UNWATCHABLE = 3
    """No bound exists: evaluated at every change of what it reads."""
    HOT = 4
    """So close to its level that wires would not pay: evaluated at every change, no list work."""
