"""Which coins a unit holds or owes at a price of their own."""

from keelmark.core.model import MarginModel
from keelmark.core.numbers import ZERO
from keelmark.core.unit import MarginUnit


def stands_for_the_dollar(asset: str, model: MarginModel) -> bool:
    """Whether an asset is a dollar: prices are told in it.

    Those a rulebook takes at par are, and those with the dollar in their name: a rulebook that
    has no rate for one does not say that it moves as coins do. A peg that breaks is a price of its
    own (`keelmark whatif --price USDE=0.9`).
    """
    return asset in {model.valuation, *model.par} or "USD" in asset or asset == "DAI"


def assets_of(unit: MarginUnit, model: MarginModel) -> frozenset[str]:
    """Return the assets a unit holds, owes or has contracts settled in."""
    amounts = (unit.balances, unit.accrued_interest, unit.loans)
    named = {asset for amount in amounts for asset, held in amount.items() if held}
    symbols = {p.instrument for p in unit.positions} | {o.instrument for o in unit.orders}
    return frozenset(named | {model.instrument(symbol).instrument.settle for symbol in symbols})


def priced_assets(unit: MarginUnit, model: MarginModel) -> frozenset[str]:
    """Return those of its assets whose price the equity of a unit reads."""
    if model.single_asset:
        return frozenset()
    return frozenset(asset for asset in assets_of(unit, model) if model.reads_price_of(asset))


def coins_without_contract(unit: MarginUnit, model: MarginModel) -> tuple[str, ...]:
    """Return the coins that count at their price while the unit has no contract on them.

    Assets that stand for the dollar are what is measured in, and stand still.
    """
    priced = priced_assets(unit, model)
    if not priced:
        return ()
    symbols = {p.instrument for p in unit.positions} | {o.instrument for o in unit.orders}
    bases = {model.instrument(symbol).instrument.base for symbol in symbols}
    return tuple(a for a in sorted(priced - bases) if not stands_for_the_dollar(a, model))


def coin_of(name: str, model: MarginModel) -> str:
    """Return the coin a name in a direction is on: a contract's base, else the coin itself."""
    terms = model.instruments.get(name)
    return name if terms is None else terms.instrument.base


def has_debt(unit: MarginUnit) -> bool:
    """Whether a unit owes some asset, with the interest on it."""
    interest = unit.accrued_interest
    assets = {*unit.balances, *interest}
    cash = (unit.balances.get(a, ZERO) - interest.get(a, ZERO) for a in assets)
    return any(amount < ZERO for amount in cash) or any(unit.loans.values())
