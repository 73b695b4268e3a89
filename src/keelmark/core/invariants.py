"""The laws of the system, numbered and named: one list for tests, simulation and the service.

Each law is a function of plain values; `None` means it holds, text says how it fails.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from keelmark.core.errors import InvariantViolated
from keelmark.core.numbers import ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetTotals:
    """The vault of an asset and the claims on it, quanta."""

    asset: str
    vault: int
    balances: int
    costs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LossParts:
    """A deficit and who paid it, quanta of one asset."""

    case: int
    deficit: int
    fund: int
    deleveraged: int
    socialised: int
    backstop: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """The excess of a unit before and after one liquidation step, valuation currency."""

    unit: int
    before: Decimal
    after: Decimal
    is_transfer: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Deleverage:
    """One ADL closing, checked victim by victim."""

    case: int
    needed: int
    closed: Sequence[int]
    sizes_before: Sequence[int]
    excess_after: Sequence[Decimal]


def value_is_conserved(totals: Iterable[AssetTotals]) -> str | None:
    """INV-01: the vault equals balances less costs, exactly, per asset."""
    for row in totals:
        claims = row.balances - row.costs
        if row.vault != claims:
            return f"{row.asset}: vault={row.vault} claims={claims} off by {row.vault - claims}"
    return None


def open_interest_is_symmetric(longs: Mapping[str, int], shorts: Mapping[str, int]) -> str | None:
    """INV-02: long lots equal short lots per instrument, in-house units included."""
    for symbol, long in longs.items():
        if long != shorts.get(symbol, 0):
            return f"{symbol}: long={long} short={shorts.get(symbol, 0)}"
    return None


def fund_is_not_negative(balances: Mapping[str, int]) -> str | None:
    """INV-03: no insurance fund owes anything."""
    negative = {name: quanta for name, quanta in balances.items() if quanta < 0}
    return f"funds below zero: {negative}" if negative else None


def loss_parts_sum_to_the_deficit(parts: LossParts) -> str | None:
    """INV-04: fund, ADL, socialised and backstop parts sum to the deficit."""
    paid = parts.fund + parts.deleveraged + parts.socialised + parts.backstop
    if min(parts.fund, parts.deleveraged, parts.socialised, parts.backstop) < 0:
        return f"case {parts.case}: a negative part in {parts}"
    if paid != parts.deficit:
        return f"case {parts.case}: paid {paid} of a deficit of {parts.deficit}"
    return None


def excess_is_ordered(initial: Decimal, end: Decimal, maintenance: Decimal) -> str | None:
    """INV-05: the excess decisions use is ordered by purpose."""
    if initial <= end <= maintenance:
        return None
    return f"initial={initial} liquidation_end={end} maintenance={maintenance}"


def nobody_at_the_trigger_is_unwatched(
    at_trigger: Iterable[int],
    suspects: Iterable[int],
) -> str | None:
    """INV-06: no unit at or below its trigger is outside the suspects."""
    missed = sorted(set(at_trigger) - set(suspects))
    return f"units {missed[:10]} are at their trigger and not suspects" if missed else None


def step_raises_the_excess(step: Step) -> str | None:
    """INV-07: a liquidation step raises the excess, or is a transfer at transfer prices."""
    if step.is_transfer or step.after > step.before:
        return None
    return f"unit {step.unit}: excess {step.before} -> {step.after}"


def deleverage_is_fair(record: Deleverage) -> str | None:
    """INV-08: opposite side, needed lots only, victims not below maintenance after."""
    for size, lots, excess in zip(
        record.sizes_before,
        record.closed,
        record.excess_after,
        strict=True,
    ):
        if size * lots >= 0 or abs(lots) > abs(size):
            return f"case {record.case}: closed {lots} of a position of {size}"
        if excess < ZERO:
            return f"case {record.case}: a victim is left at excess {excess}"
    if abs(sum(record.closed)) > abs(record.needed):
        return f"case {record.case}: closed {sum(record.closed)} of {record.needed} needed"
    return None


def principal_is_touched_last(
    parts: LossParts, *, fund_left: int, candidates_left: int
) -> str | None:
    """INV-09: others' principal pays only after fund and ADL are exhausted."""
    if parts.socialised > 0 and (fund_left > 0 or candidates_left > 0):
        return (
            f"case {parts.case}: {parts.socialised} socialised with fund {fund_left} and "
            f"{candidates_left} candidate lots left"
        )
    return None


def digests_are_equal(first: str, second: str) -> str | None:
    """INV-10: replaying the journal gives the same state."""
    return None if first == second else f"digest {first} != {second}"


def closed_accounts_stay_as_they_are(
    before: Mapping[int, str], after: Mapping[int, str]
) -> str | None:
    """INV-11: a closed account never changes."""
    changed = [account for account, state in before.items() if after.get(account) != state]
    return f"closed accounts changed: {changed[:10]}" if changed else None


def rounding_never_favours_the_account(exact: Decimal, posted: int) -> str | None:
    """INV-12: what a unit receives is at most, what it pays at least, the exact amount."""
    return None if posted <= exact else f"exact {exact} was posted as {posted}"


def require(*findings: str | None) -> None:
    """Stop at the first law that fails.

    Raises:
        InvariantViolated: With the finding.
    """
    for finding in findings:
        if finding is not None:
            raise InvariantViolated(finding)
