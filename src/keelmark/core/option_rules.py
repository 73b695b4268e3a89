"""What a venue asks for a short option by itself, and what a long one: standard margin.

Amounts are per unit of the underlying in the settle asset. `U` is what one unit of the underlying
is in that asset: 1 for options that settle in their coin, the index for those that settle in quote.

    initial     = max(initial - OTM / P, floor) * U * factor + mark
    maintenance = max(maintenance * U, of_mark * mark) * factor + mark + fee * U

`P` is the forward or the index, `of_mark` is by right, and the initial requirement is at least
a multiple of the maintenance requirement where a venue says so. A long option has paid in full.

Source: docs/model.md, "Options": Deribit, OKX, Bybit and Derive with their own numbers.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from keelmark.core.codes import RuleKind
from keelmark.core.errors import InvalidInput, InvariantViolated, MissingMarkPrice
from keelmark.core.instrument import Instrument, InstrumentKind
from keelmark.core.numbers import ONE, ZERO
from keelmark.core.payoff import Right
from keelmark.core.rules import Requirement, RuleParameters


class UnderlyingPrice(StrEnum):
    """Which price of the underlying says how far an option is out of the money."""

    FORWARD = "forward"
    INDEX = "index"


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionFacts:
    """What an option rule reads of a position.

    Attributes:
        instrument: The contract, with its payoff.
        size: Signed contracts.
        mark: Premium, settle asset per unit of the underlying.
        entry: Premium at entry, likewise.
        forward: Price of the underlying for the expiry; `None` where it is unknown.
        index: Price of the underlying itself; `None` where it is unknown.
    """

    instrument: Instrument
    size: Decimal
    mark: Decimal
    entry: Decimal
    forward: Decimal | None
    index: Decimal | None

    @property
    def units(self) -> Decimal:
        """Unsigned size in units of the underlying."""
        return abs(self.size) * self.instrument.contract_size

    @property
    def value(self) -> Decimal:
        """Signed value at the mark, settle asset."""
        return self.size * self.instrument.contract_size * self.mark

    @property
    def exposure(self) -> Decimal | None:
        """What the units of the underlying are worth, settle asset; `None` where unknown."""
        if self.instrument.kind is InstrumentKind.INVERSE_OPTION:
            return self.units
        price = self.index if self.forward is None else self.forward
        return None if price is None else self.units * price

    @property
    def unit_value(self) -> Decimal:
        """What one unit of the underlying is in the settle asset.

        Raises:
            MissingMarkPrice: It is the index, and that is unknown.
        """
        if self.instrument.kind is InstrumentKind.INVERSE_OPTION:
            return ONE
        return self.price(UnderlyingPrice.INDEX)

    def price(self, which: UnderlyingPrice) -> Decimal:
        """Return a price of the underlying; raises `MissingMarkPrice`."""
        found = self.forward if which is UnderlyingPrice.FORWARD else self.index
        if found is None:
            base = self.instrument.base
            msg = (
                f"no {which.value} price for {self.instrument.symbol}; "
                f'add "prices": {{"{self.instrument.index or base}": "..."}} to the document'
            )
            raise MissingMarkPrice(msg)
        return found


class OptionRule(Protocol):
    """What `core.margin` asks of a venue's option margin."""

    def maintenance(self, facts: OptionFacts) -> Requirement:
        """Return the maintenance requirement of a position."""

    def initial(self, facts: OptionFacts) -> Requirement:
        """Return the initial requirement of a position."""

    def reads_index(self, instrument: Instrument) -> bool:
        """Whether a requirement on the instrument reads the index."""

    def formula(self, facts: OptionFacts, *, initial: bool) -> str:
        """Return the formula in words, with its numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeFactor:
    """From how many contracts on a requirement is multiplied by how much."""

    floor: Decimal
    factor: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class ShortOptionRule:
    """Standard margin of venues that ask of shorts a share of the underlying plus the mark.

    Attributes:
        initial_share: Of the underlying, less how far the option is out of the money.
        initial_floor: Least share of the underlying.
        maintenance_share: Of the underlying.
        mark_shares: Of the mark, where that is more, by right.
        fee: Liquidation fee inside maintenance, share of the underlying.
        price: Which price says how far out of the money.
        at_least: Multiple of maintenance that the initial requirement is at least, by right.
        counts_entry: Whether initial margin takes the premium at entry where it is the larger.
        factors: Multiples of the shares by size, in contracts.
    """

    initial_share: Decimal
    initial_floor: Decimal
    maintenance_share: Decimal
    mark_shares: Mapping[Right, Decimal] = field(default_factory=dict)
    fee: Decimal = ZERO
    price: UnderlyingPrice = UnderlyingPrice.FORWARD
    at_least: Mapping[Right, Decimal] = field(default_factory=dict)
    counts_entry: bool = False
    factors: tuple[SizeFactor, ...] = ()

    def __post_init__(self) -> None:
        names = ("initial_share", "initial_floor", "maintenance_share", "fee")
        wrong = [name for name in names if not getattr(self, name) >= ZERO]
        if wrong:
            msg = f"option rule: {', '.join(wrong)} must be a fraction of at least 0"
            raise InvalidInput(msg)

    def reads_index(self, instrument: Instrument) -> bool:
        """Whether the contract settles in quote or the index says how far out of the money."""
        linear = instrument.kind is InstrumentKind.LINEAR_OPTION
        return linear or self.price is UnderlyingPrice.INDEX

    def maintenance(self, facts: OptionFacts) -> Requirement:
        """Return `max(share * U, mark share * mark) * factor + mark + fee * U` of a short."""
        if facts.size > ZERO:
            return _nothing()
        return _requirement(facts, self._maintenance(facts))

    def initial(self, facts: OptionFacts) -> Requirement:
        """Return `max(initial - OTM / P, floor) * U * factor + mark` of a short."""
        if facts.size > ZERO:
            return _nothing()
        payoff = facts.instrument.payoff
        price = facts.price(self.price)
        gap = payoff.out_of_the_money(price) / price if payoff else ZERO
        share = max(self.initial_share - gap, self.initial_floor)
        mark = max(facts.mark, facts.entry) if self.counts_entry else facts.mark
        amount = share * facts.unit_value * self.factor(facts) + mark
        least = self.at_least.get(_right(facts), ZERO)
        return _requirement(facts, max(amount, least * self._maintenance(facts)))

    def factor(self, facts: OptionFacts) -> Decimal:
        """Return the multiple of the shares for a size."""
        size = abs(facts.size)
        return next((row.factor for row in reversed(self.factors) if row.floor < size), ONE)

    def formula(self, facts: OptionFacts, *, initial: bool) -> str:
        """Return the formula in words, with its numbers."""
        if facts.size > ZERO:
            return "none: the premium of a long option is paid in full"
        unit = "" if facts.instrument.kind is InstrumentKind.INVERSE_OPTION else " * index"
        factor = f" * {self.factor(facts):f}" if self.factors else ""
        if not initial:
            share = f"{self.maintenance_share:f}{unit}"
            of_mark = self.mark_shares.get(_right(facts), ZERO)
            if of_mark:
                share = f"max({share}, {of_mark:f} * mark)"
            fee = f" + {self.fee:f}{unit}" if self.fee else ""
            return f"units * ({share}{factor} + mark{fee})"
        share = f"max({self.initial_share:f} - OTM / {self.price.value}, {self.initial_floor:f})"
        mark = "max(mark, entry)" if self.counts_entry else "mark"
        text = f"{share}{unit}{factor} + {mark}"
        least = self.at_least.get(_right(facts), ZERO)
        return f"units * max({text}, {least:f} * maintenance)" if least else f"units * ({text})"

    def _maintenance(self, facts: OptionFacts) -> Decimal:
        """Return the maintenance of one short unit of the underlying."""
        unit = facts.unit_value
        of_mark = self.mark_shares.get(_right(facts), ZERO)
        share = max(self.maintenance_share * unit, of_mark * facts.mark)
        return share * self.factor(facts) + facts.mark + self.fee * unit


def _right(facts: OptionFacts) -> Right:
    return facts.instrument.payoff.right if facts.instrument.payoff else Right.CALL


def _requirement(facts: OptionFacts, per_unit: Decimal) -> Requirement:
    basis = facts.units * facts.unit_value
    return Requirement(amount=facts.units * per_unit, basis=basis, rate=per_unit / facts.unit_value)


def _nothing() -> Requirement:
    return Requirement(amount=ZERO, basis=ZERO, rate=ZERO)


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionTerms:
    """How a venue margins an option.

    Attributes:
        rule: Its requirements.
        counts_value: Whether the option's value is part of the equity that margin is compared
            with. Where it is not, the requirement of a short holds its mark instead.
    """

    rule: OptionRule
    counts_value: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class NothingAsked:
    """A rule that asks nothing: what is known of an option while a price of its own rule lacks."""

    def maintenance(self, facts: OptionFacts) -> Requirement:  # noqa: ARG002 protocol
        """Return nothing."""
        return _nothing()

    def initial(self, facts: OptionFacts) -> Requirement:  # noqa: ARG002 protocol
        """Return nothing."""
        return _nothing()

    def reads_index(self, instrument: Instrument) -> bool:  # noqa: ARG002 protocol
        """Return no: nothing is read."""
        return False

    def formula(self, facts: OptionFacts, *, initial: bool) -> str:  # noqa: ARG002 protocol
        """Return that it is unknown."""
        return "unknown: a price it reads is missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class NoTable:
    """Stands where an option's terms have no table of notionals; its kernel face is `CORE_ONLY`."""

    def requirement(self, size: Decimal, notional: Decimal) -> Requirement:
        """Refuse: an option is margined by its `OptionRule`."""
        msg = f"an option of size {size} and notional {notional} was margined by a table"
        raise InvariantViolated(msg)

    def amount(self, size: Decimal, notional: Decimal) -> Decimal:
        """Refuse, as `requirement`."""
        return self.requirement(size, notional).amount

    def supremum(self, size: Decimal, notional: Decimal) -> Decimal:
        """Refuse, as `requirement`."""
        return self.requirement(size, notional).amount

    def breakpoints(self, size: Decimal) -> tuple[Decimal, ...]:  # noqa: ARG002 protocol
        """Return none."""
        return ()

    def rate_at_infinity(self, size: Decimal) -> Decimal:
        """Refuse, as `requirement`."""
        return self.requirement(size, ZERO).rate

    def leverage_max(self, size: Decimal, notional: Decimal) -> Decimal | None:  # noqa: ARG002
        """Return none: no leverage is set on an option."""
        return None

    def parameters(self) -> RuleParameters:
        """Return the face no kernel reads."""
        return RuleParameters(
            kind=RuleKind.CORE_ONLY, floors=(ZERO,), rates=(ZERO,), deductions=(ZERO,)
        )
