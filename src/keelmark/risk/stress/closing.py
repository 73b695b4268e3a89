"""What closing a position costs in the book that a scenario leaves.

The book is the linear density of `market.impact` (Alfonsi, Fruth and Schied 2010): a fill of
notional `N` costs `2/3 Y sigma sqrt(N / (V d))` of itself, with `sigma` and `V` of the coin's calm
day, `Y` = 0.9 and `d` the share of the depth left; the venue's taker fee comes on top. No fill
costs more than the whole.

Source: docs/model.md, "Stress".
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from keelmark.accounts.account import Account
from keelmark.core.excess import price_of, value_and_notional
from keelmark.core.instrument import InstrumentKind
from keelmark.core.numbers import exact
from keelmark.core.unit import MarginUnit, Position
from keelmark.risk.scenarios import Scenarios, Shocks
from keelmark.risk.stress.calm import calm
from keelmark.risk.symbols import coin_of

Floats = npt.NDArray[np.float64]

Y = 0.9
"""The constant of the square-root law."""

FILL = 2.0 / 3.0
"""Mean over peak displacement of a fill in a book of linear density."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Closing:
    """The cost of closing a unit, by scenario.

    Attributes:
        cost: In the unit's currency, fee included, shape (n,).
        notional: Of its positions at their marks after, of options their underlying, in the unit's
            currency, shape (n,).
        not_counted: Positions whose cost is not known: options.
        stand_ins: Coins whose volume and sigma are not their own.
    """

    cost: Floats
    notional: Floats
    not_counted: tuple[str, ...] = ()
    stand_ins: tuple[str, ...] = ()


def fill_cost(notional: Floats, sigma: float, volume: float, depth: Floats) -> Floats:
    """Return the cost of a fill as a fraction of it; an empty book takes the whole.

    Args:
        notional: Dollars.
        sigma: Daily standard deviation of the coin.
        volume: Dollars a day.
        depth: Share of the book left, one as on a calm day.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        share = FILL * Y * sigma * np.sqrt(notional / (volume * depth))
    return np.where(notional > 0.0, np.minimum(1.0, share), 0.0)


def closing_cost(account: Account, unit: MarginUnit, scenarios: Scenarios) -> Closing:
    """Return what closing every position of a unit costs after each scenario."""
    cost, notional = np.zeros(len(scenarios)), np.zeros(len(scenarios))
    options: list[str] = []
    strangers: dict[str, None] = {}
    fee = float(account.rulebook.liquidation.taker_fee)
    for position in unit.positions:
        instrument = account.model.instrument(position.instrument).instrument
        coin = coin_of(instrument.base)[0]
        if instrument.is_option:
            options.append(position.instrument)
            notional += _underlying(account, position, scenarios, coin)
            continue
        day = calm().of(coin)
        if not day.is_measured:
            strangers[coin] = None
        settled, dollars = _notionals(account, position, scenarios, coin)
        depth = column(scenarios.depth, coin, len(scenarios), still=1.0)
        cost += settled * (fee + fill_cost(dollars, day.sigma, day.volume, depth))
        notional += settled
    return Closing(
        cost=cost,
        notional=notional,
        not_counted=tuple(options),
        stand_ins=tuple(strangers),
    )


def _notionals(
    account: Account, position: Position, scenarios: Scenarios, coin: str
) -> tuple[Floats, Floats]:
    """Return a position's notional after each scenario: in the unit's currency, and in dollars."""
    terms = account.model.instrument(position.instrument)
    instrument = terms.instrument
    count = len(scenarios)
    with exact():
        _, notional = value_and_notional(position, terms, account.market)
        mark = account.market.mark(instrument.symbol)
        price = price_of(instrument.settle, account.market, account.model)
    moved = (1.0 + column(scenarios.returns, coin, count)) * (
        1.0 + column(scenarios.basis, coin, count)
    )
    if instrument.is_inverse:
        dollars = np.full(count, float(notional * mark))
        is_apart = account.model.single_asset
        return (float(notional) / moved if is_apart else dollars), dollars
    settle = instrument.settle
    dollar = float(price) * (1.0 + column(scenarios.collateral, settle, count))
    worth: Floats = float(notional) * moved * dollar
    return worth, worth


def _underlying(account: Account, position: Position, scenarios: Scenarios, coin: str) -> Floats:
    """Return what an option is on, after each scenario, in the unit's currency."""
    instrument = account.model.instrument(position.instrument).instrument
    count = len(scenarios)
    amount = float(abs(position.size) * instrument.contract_size)
    if instrument.kind is InstrumentKind.INVERSE_OPTION and account.model.single_asset:
        return np.full(count, amount)
    forward = float(account.market.forward(instrument.symbol))
    dollars: Floats = amount * forward * (1.0 + column(scenarios.returns, coin, count))
    if instrument.kind is InstrumentKind.INVERSE_OPTION:
        return dollars
    price = float(price_of(instrument.settle, account.market, account.model))
    return dollars * price * (1.0 + column(scenarios.collateral, instrument.settle, count))


def column(block: Shocks | None, name: str, count: int, *, still: float = 0.0) -> Floats:
    """Return a column of a block, or one that stands still."""
    found = None if block is None else block.column(name)
    return np.full(count, still) if found is None else found
