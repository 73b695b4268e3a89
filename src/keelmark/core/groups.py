"""Margin of several positions together, where a venue asks less of them than of each by itself.

A group rule changes the sum of the requirements of its members by a named amount, so that a report
stays a sum of parts and every part can be explained.

Source: docs/model.md, "Options"; Derive (Lyra v2), standard margin, "Expiry Margin".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from keelmark.core.instrument import InstrumentKind
from keelmark.core.numbers import ZERO
from keelmark.core.option_rules import OptionFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupMember:
    """An option position with what it is asked for by itself, settle asset."""

    facts: OptionFacts
    initial: Decimal
    maintenance: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupMargin:
    """What a group changes, settle asset; credits are negative.

    Attributes:
        name: Names the group in workings: underlying and expiry.
        settle: Asset of the amounts.
        initial: Change of the initial requirement.
        maintenance: Change of the maintenance requirement.
        formula: In the terms of the glossary.
        inputs: What the formula reads, by name.
    """

    name: str
    settle: str
    initial: Decimal
    maintenance: Decimal
    formula: str
    inputs: tuple[tuple[str, Decimal], ...] = ()


class GroupRule(Protocol):
    """What `core.margin` asks of a rule across positions."""

    def margins(self, members: Sequence[GroupMember]) -> tuple[GroupMargin, ...]:
        """Return what each group of these positions changes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpiryOffset:
    """Per underlying and expiry, the smaller of the sum of its options' margins and of one for all.

    The margin for all is the largest loss at expiry at any strike or at zero, plus a multiple of
    the forward for every short call that no long call covers. Options that settle in coin have
    none: what they lose at zero has no bound in coin.

    Attributes:
        naked_initial: Multiple of the forward for an uncovered short call, initial margin.
        naked_maintenance: The same for maintenance margin.
    """

    naked_initial: Decimal
    naked_maintenance: Decimal

    def margins(self, members: Sequence[GroupMember]) -> tuple[GroupMargin, ...]:
        """Return the credit of every expiry in which the margin for all is the smaller."""
        found: dict[tuple[str, str, datetime], list[GroupMember]] = {}
        for member in members:
            instrument = member.facts.instrument
            if instrument.kind is InstrumentKind.LINEAR_OPTION and instrument.expiry is not None:
                key = (instrument.base, instrument.settle, instrument.expiry)
                found.setdefault(key, []).append(member)
        groups = (self._group(*key, held) for key, held in found.items())
        return tuple(group for group in groups if group.initial or group.maintenance)

    def _group(
        self, base: str, settle: str, expiry: datetime, held: Sequence[GroupMember]
    ) -> GroupMargin:
        loss = largest_loss(held)
        naked = uncovered_calls(held)
        forward = next((m.facts.forward for m in held if m.facts.forward is not None), None)
        initial = sum((m.initial for m in held), ZERO)
        maintenance = sum((m.maintenance for m in held), ZERO)
        is_priced = forward is not None or naked == ZERO
        together = loss + naked * (forward or ZERO) * self.naked_initial
        kept = loss + naked * (forward or ZERO) * self.naked_maintenance
        return GroupMargin(
            name=f"{base} {expiry:%Y-%m-%d}",
            settle=settle,
            initial=min(ZERO, together - initial) if is_priced else ZERO,
            maintenance=min(ZERO, kept - maintenance) if is_priced else ZERO,
            formula="min(0, largest loss at expiry + uncovered calls * forward * naked - sum)",
            inputs=(
                ("largest loss at expiry", loss),
                ("uncovered calls", naked),
                ("forward", forward or ZERO),
                ("naked, initial", self.naked_initial),
                ("naked, maintenance", self.naked_maintenance),
                ("sum of initial", initial),
                ("sum of maintenance", maintenance),
            ),
        )


def largest_loss(members: Sequence[GroupMember]) -> Decimal:
    """Return the most the options pay out together at expiry, at any strike or at zero.

    Between two strikes the payoff is a straight line, so its least value is at an end; above the
    last strike it falls only by uncovered calls, which are asked for apart.
    """
    strikes = {
        price
        for member in members
        if member.facts.instrument.payoff is not None
        for price in member.facts.instrument.payoff.breakpoints()
    }
    worst = min((_paid(members, price) for price in (ZERO, *strikes)), default=ZERO)
    return max(ZERO, -worst)


def uncovered_calls(members: Sequence[GroupMember]) -> Decimal:
    """Return the short calls beyond the long ones, in units of the underlying."""
    calls = (
        m.facts.size * m.facts.instrument.contract_size
        for m in members
        if m.facts.instrument.payoff is not None and m.facts.instrument.payoff.is_call
    )
    return max(ZERO, -sum(calls, ZERO))


def _paid(members: Sequence[GroupMember], price: Decimal) -> Decimal:
    """Return what the options pay their holder at expiry at a price."""
    return sum(
        (
            m.facts.size
            * m.facts.instrument.contract_size
            * m.facts.instrument.payoff.intrinsic(price)
            for m in members
            if m.facts.instrument.payoff is not None
        ),
        ZERO,
    )
