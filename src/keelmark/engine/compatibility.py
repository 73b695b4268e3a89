"""Whether an engine can run a rulebook, and whether a running one can change to it.

Parameters may change at any time. What balances, sizes and prices are counted in may not: a lot
that means something else would move money without an event.
"""

from keelmark.book.tripwires.parameters import check_terms
from keelmark.book.universe import Universe
from keelmark.core.errors import InvalidInput, UnknownInstrument, nearest
from keelmark.core.model import MarginModel
from keelmark.core.process import LiquidationRules
from keelmark.engine.adl.policies import DELEVERAGE
from keelmark.engine.losses import LOSS
from keelmark.engine.reduce.order import ORDER
from keelmark.engine.reduce.prices import price_policy
from keelmark.engine.reduce.sizing import sizing_policy
from keelmark.engine.state import State
from keelmark.rulebooks.load import Rulebook


def require_policies(rules: LiquidationRules) -> None:
    """Refuse a liquidation process that names a policy or a setting nobody has.

    Raises:
        InvalidInput: Naming it and the nearest known name.
    """
    DELEVERAGE[rules.deleverage]
    LOSS[rules.socialise]
    ORDER[rules.reduce.order]
    sizing_policy(rules.reduce.sizing, **rules.reduce.sizing_settings)
    price_policy(rules.reduce.price_limit, **rules.reduce.price_settings)


def require_symbols(rulebook: Rulebook) -> None:
    """Refuse a liquidation process that names instruments the rulebook does not have.

    Raises:
        UnknownInstrument: Naming it and the nearest known name.
    """
    rules, known = rulebook.liquidation, rulebook.model.instruments
    listed = [("insurance.segments", s) for row in rules.insurance.segments.values() for s in row]
    listed += [("reduce.impact", name) for name in rules.reduce.impact if name != "default"]
    for place, symbol in listed:
        if symbol not in known:
            msg = f"liquidation.{place} names {symbol}, which the rulebook does not list; "
            raise UnknownInstrument(msg + nearest(symbol, known))


def require_compatible(state: State, rulebook: Rulebook) -> None:
    """Refuse a rulebook that a running engine cannot change to.

    Raises:
        InvalidInput: Naming what differs.
    """
    require_policies(rulebook.liquidation)
    require_symbols(rulebook)
    old, new = scales(state.model), scales(rulebook.model)
    if old != new:
        different = sorted(name for name in {*old, *new} if old.get(name) != new.get(name))
        msg = (
            f"the new rulebook counts {', '.join(different) or 'rows in another order'} "
            "differently; parameters may change, rows, scales and prices read may not"
        )
        raise InvalidInput(msg)
    universe = Universe.build(rulebook.model)
    if universe.symbols != state.universe.symbols or universe.assets != state.universe.assets:
        msg = "the new rulebook lists its rows in another order; keep the order of the old one"
        raise InvalidInput(msg)
    _require_funds(state, rulebook)
    check_terms(
        state.tables()._replace(
            instruments=universe.instruments,
            tiers=universe.tiers,
            assets=universe.asset_rows,
            segments=universe.segments,
        ),
    )


def scales(model: MarginModel) -> dict[str, tuple[object, ...]]:
    """Return what each row of a model is counted in, by name."""
    assets = {f"asset {name}": (terms.quantum,) for name, terms in model.assets.items()}
    instruments = {
        symbol: (
            terms.instrument.kind,
            terms.instrument.settle,
            terms.instrument.contract_size,
            terms.instrument.lot,
            terms.instrument.price_unit,
            terms.margin_price,
            terms.instrument.index,
        )
        for symbol, terms in model.instruments.items()
    }
    return {"valuation": (model.valuation, model.single_asset), **assets, **instruments}


def _require_funds(state: State, rulebook: Rulebook) -> None:
    missing = [
        name
        for name in rulebook.liquidation.insurance.segments
        if f"fund:{name}" not in state.book.in_house
    ]
    if missing:
        msg = (
            f"the new rulebook names the insurance funds {missing}, which this book does not have; "
            f"it has {sorted(state.funds)}"
        )
        raise InvalidInput(msg)
