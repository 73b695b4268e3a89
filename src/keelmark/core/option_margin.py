"""One option position at a snapshot: what it counts for, what it is asked for, what orders add.

An option's premium was paid or received in cash, so what counts in equity is its *value*; its
profit is still value minus cost, and is reported. Whether the value counts at all is the venue's
(`OptionTerms.counts_value`).

Source: docs/model.md, "Options".
"""

from dataclasses import replace
from decimal import Decimal

from keelmark.core.errors import InvariantViolated
from keelmark.core.market import Market
from keelmark.core.model import InstrumentTerms
from keelmark.core.numbers import ZERO
from keelmark.core.option_rules import OptionFacts, OptionTerms
from keelmark.core.unit import OpenOrders, Position


def option_facts(position: Position, terms: InstrumentTerms, market: Market) -> OptionFacts:
    """Return what an option rule reads of a position; prices that are not given stay unknown.

    Raises:
        MissingMarkPrice: No mark price.
        InvalidMark: A price is not a positive number, or the premium is negative.
    """
    instrument = terms.instrument
    symbol, index = instrument.symbol, instrument.index or instrument.base
    return OptionFacts(
        instrument=instrument,
        size=position.size,
        mark=market.premium(symbol),
        entry=position.cost / (position.size * instrument.contract_size),
        forward=market.forward(symbol) if symbol in market.forwards else None,
        index=market.index(index) if index in market.indices else None,
    )


def option_terms(terms: InstrumentTerms) -> OptionTerms:
    """Return the option terms of an option."""
    if terms.option is None:
        msg = f"{terms.instrument.symbol} is no option"
        raise InvariantViolated(msg)
    return terms.option


def counted_value(facts: OptionFacts, terms: InstrumentTerms) -> Decimal:
    """Return what an option adds to the equity that margin is compared with, settle asset."""
    return facts.value if option_terms(terms).counts_value else ZERO


def order_initial(
    orders: OpenOrders, own: Decimal, facts: OptionFacts, terms: OptionTerms
) -> Decimal:
    """Return what open orders add to the initial requirement, settle asset.

    Sells that open count as a short at the larger of mark and order price, beyond what is asked of
    the position now; buys at the premium they pay, at the mark where none is given.

    Args:
        orders: Unfilled orders in the option.
        own: Initial requirement of the position now.
        facts: The option, with the signed size that is held.
        terms: How the venue margins it.
    """
    per_size = facts.instrument.contract_size
    short = facts.size - orders.sell_size
    added = ZERO
    if orders.sell_size and short < ZERO:
        sold = orders.sell_value / (orders.sell_size * per_size)
        mark = max(facts.mark, sold)
        filled = replace(facts, size=short, mark=mark, entry=mark)
        added = max(ZERO, terms.rule.initial(filled).amount - own)
    return added + (orders.buy_value or orders.buy_size * per_size * facts.mark)
