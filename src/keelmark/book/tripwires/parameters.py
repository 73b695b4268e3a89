"""What the index derives from the tables of terms, and what it cannot work with."""

import numpy as np

from keelmark.book.kernels.margin import Rows, Tables
from keelmark.book.tripwires.net import Int8s
from keelmark.core.codes import RuleKind
from keelmark.core.errors import InvalidInput

CONTINUITY = 1e-9
"""Rows that differ by more than this fraction of the floor at their common floor jump."""


def jumping(tables: Tables) -> Int8s:
    """Return, for each instrument, 1 where the requirement is not concave-safe between its ends.

    That is a whole-notional table, or a marginal one that is not continuous and convex.
    """
    result = np.zeros(tables.instruments.shape[0], np.int8)
    for index, contract in enumerate(tables.instruments):
        rows = tables.tiers[contract["tier_start"] :][: contract["tier_count"]]
        if contract["rule_kind"] == RuleKind.WHOLE:
            result[index] = rows.shape[0] > 1
        elif contract["rule_kind"] == RuleKind.TIERED:
            result[index] = not _is_convex(rows)
    return result


def _is_convex(rows: Rows) -> bool:
    floor, rate, deduction = rows["floor"][1:], rows["rate"], rows["deduction"]
    step = floor * np.diff(rate) - np.diff(deduction)
    continuous = np.abs(step) <= CONTINUITY * 1e-3 * floor
    return bool(np.all(continuous) and np.all(np.diff(rate) >= 0.0))


def check_terms(tables: Tables) -> None:
    """Refuse terms for which the corner is not a bound.

    Raises:
        InvalidInput: Naming every row that is wrong.
    """
    contracts, segments = tables.instruments, tables.segments
    problems = [
        f"instruments[{row}].pnl_weight = {contracts['pnl_weight'][row]}: must lie in [0, 1]"
        for row in np.flatnonzero(
            ~((contracts["pnl_weight"] >= 0) & (contracts["pnl_weight"] <= 1))
        )
    ]
    problems += [
        f"instruments[{row}].tier_count = {contracts['tier_count'][row]}: needs at least one tier"
        for row in np.flatnonzero(contracts["tier_count"] < 1)
    ]
    first = contracts["tier_start"]
    problems += [
        f"tiers[{first[row]}].deduction = {tables.tiers['deduction'][first[row]]}: the first is 0"
        for row in np.flatnonzero(tables.tiers["deduction"][first] != 0.0)
    ]
    problems += [
        f"segments[{row}].slope = {segments['slope'][row]}: must not be negative"
        for row in np.flatnonzero(~(segments["slope"] >= 0.0))
    ]
    problems += [
        f"assets[{row}].segment_count = {tables.assets['segment_count'][row]}: needs at least one"
        for row in np.flatnonzero(tables.assets["segment_count"] < 1)
    ]
    if problems:
        msg = "\n".join(("the tripwire index cannot bound these terms:", *problems))
        raise InvalidInput(msg)
