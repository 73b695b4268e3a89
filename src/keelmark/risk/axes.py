"""Along what prices move: one mark, a coin with everything on it, all coins, or a given vector."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from keelmark.accounts.account import Account
from keelmark.core.bound import Factor, FactorKind, reads
from keelmark.core.coins import coins_without_contract, priced_assets
from keelmark.core.errors import InvalidInput, nearest
from keelmark.core.joint_move import all_together
from keelmark.core.margin import margin_report
from keelmark.core.market import Market
from keelmark.core.model import MarginModel
from keelmark.core.numbers import ONE, exact
from keelmark.core.price_path import PricePath
from keelmark.core.unit import MarginUnit
from keelmark.risk.edits import ALL


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """A family of markets by one number, the relative move.

    Attributes:
        name: What moves, in words.
        path: The prices the unit reads, as functions of the move.
        reference: Present price of what moves; `None` where several things move apart.
    """

    name: str
    path: PricePath
    reference: Decimal | None

    def price(self, move: Decimal) -> Decimal | None:
        """Return the price of what moves after a move."""
        if self.reference is None:
            return None
        with exact():
            return self.reference * (ONE + move)

    def at(self, move: Decimal) -> "MarginAt":
        """Return the margin after a move."""
        with exact():
            return MarginAt.of(self.path.unit, self.path.at(move), self.path.model)

    @property
    def moved(self) -> frozenset[tuple[str, str]]:
        """Kind and name of every price it moves."""
        return frozenset((factor.kind.value, factor.name) for factor in self.path.slopes)

    def shift(self, move: Decimal) -> Callable[[Market], Market]:
        """Return what a move makes of a market in which other prices may have moved already."""
        with exact():
            own = self.path.at(move)
        moved = self.moved
        marks = {name: price for name, price in own.marks.items() if ("mark", name) in moved}
        indices = {name: price for name, price in own.indices.items() if ("index", name) in moved}
        assets = {n: price for n, price in own.asset_prices.items() if ("asset", n) in moved}
        forwards = {name: own.forwards[name] for name in self.path.options}

        def shifted(market: Market) -> Market:
            return replace(
                market,
                marks={**market.marks, **marks},
                indices={**market.indices, **indices},
                asset_prices={**market.asset_prices, **assets},
                forwards={**market.forwards, **forwards},
            )

        return shifted

    def excess(self, move: Decimal) -> Decimal:
        """Return the maintenance excess after a move."""
        with exact():
            return self.path.excess(move)


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginAt:
    """The margin of a unit at one market, valuation currency."""

    equity: Decimal
    initial_margin: Decimal
    maintenance_margin: Decimal
    excess: Decimal
    is_liquidatable: bool

    @classmethod
    def of(cls, unit: MarginUnit, market: Market, model: MarginModel) -> "MarginAt":
        """Return the margin at a market: the report of `core`, in short."""
        report = margin_report(unit, market, model)
        return cls(
            equity=report.equity,
            initial_margin=report.initial_margin,
            maintenance_margin=report.maintenance_margin,
            excess=report.maintenance_excess,
            is_liquidatable=report.is_liquidatable,
        )

    @property
    def usage(self) -> Decimal | None:
        """Maintenance over equity; `None` where equity is not above zero."""
        if self.equity <= 0:
            return None
        with exact():
            return self.maintenance_margin / self.equity


def unit_for(account: Account, name: str | None, unit_id: str | None) -> MarginUnit:
    """Return the unit that is asked about: the one named, the one that holds it, or the first.

    Raises:
        InvalidInput: There is no such unit, or none that holds a position.
        MissingNumber: Its margin now is unknown; the message says what to add to the document.
    """
    unit = _unit(account, name, unit_id)
    margin_report(unit, account.market, account.model)
    return unit


def _unit(account: Account, name: str | None, unit_id: str | None) -> MarginUnit:
    units = {unit.unit_id: unit for unit in account.units if unit.positions}
    if not units:
        msg = "the account holds no position: no price liquidates it"
        raise InvalidInput(msg)
    if unit_id is not None:
        if unit_id not in units:
            msg = f"no margin unit {unit_id!r} with a position; {nearest(unit_id, units)}"
            raise InvalidInput(msg)
        return units[unit_id]
    holders = [u for u in units.values() if name is None or name in _names(u, account.model)]
    return (holders or list(units.values()))[0]


def axis_of(account: Account, unit: MarginUnit, name: str) -> Axis:
    """Return the axis a name means to a unit.

    Args:
        account: Where the unit and its market are.
        unit: What is margined.
        name: A held instrument (its mark alone, with the index it is margined on), a coin (every
            contract on it, and its price as collateral), an asset, or `all` coins alike.

    Raises:
        InvalidInput: The unit reads no price of that name.
    """
    model, market = account.model, account.market
    symbols = _symbols(unit, model)
    on_it = [s for s in symbols if model.instrument(s).instrument.base == name]
    if name == ALL:
        everything = all_together(unit, model, down=False)
        path = PricePath.along(unit, everything, market, model)
        return Axis(name="all prices", path=path, reference=None)
    if on_it:
        return Axis(name=name, path=_along(account, unit, on_it), reference=_price(on_it, account))
    if name in symbols:
        path = _along(account, unit, [name])
        slopes = {f: s for f, s in path.slopes.items() if f.kind is not FactorKind.ASSET}
        alone = replace(path, slopes=slopes)
        return Axis(name=name, path=alone, reference=_price([name], account))
    asset = Factor(FactorKind.ASSET, name)
    if asset in reads(unit, model):
        path = PricePath.along(unit, {name: ONE}, market, model)
        return Axis(name=name, path=path, reference=market.asset_price(name))
    msg = f"{unit.unit_id} reads no price of {name!r}; {nearest(name, _names(unit, model))}"
    raise InvalidInput(msg)


def axis_along(
    account: Account, unit: MarginUnit, vector: Mapping[str, Decimal], name: str
) -> Axis:
    """Return the axis of a joint move: relative change by coin or instrument per unit of move.

    Raises:
        InvalidInput: A name the unit reads no mark of, or nothing that moves.
    """
    direction = direction_of(unit, vector, account.model)
    path = PricePath.along(unit, direction, account.market, account.model)
    return Axis(name=name, path=path, reference=None)


def direction_of(
    unit: MarginUnit, vector: Mapping[str, Decimal], model: MarginModel
) -> dict[str, Decimal]:
    """Return a direction; a coin stands for every contract on it, else for its own price."""
    symbols = _symbols(unit, model)
    priced = priced_assets(unit, model)
    found: dict[str, Decimal] = {}
    for name, step in vector.items():
        on_it = [s for s in symbols if model.instrument(s).instrument.base == name]
        named = on_it or [s for s in (*symbols, *sorted(priced)) if s == name]
        if not named:
            msg = f"{unit.unit_id} holds nothing on {name!r}; {nearest(name, _names(unit, model))}"
            raise InvalidInput(msg)
        found.update(dict.fromkeys(named, step))
    if not any(found.values()):
        msg = "a joint move needs at least one price with a non-zero change"
        raise InvalidInput(msg)
    return found


def coins_that_move(unit: MarginUnit, model: MarginModel) -> tuple[str, ...]:
    """Return the coins a unit stands on: of its contracts, then those that count at their price."""
    bases = (model.instrument(p.instrument).instrument.base for p in unit.positions)
    return tuple(dict.fromkeys((*bases, *coins_without_contract(unit, model))))


def _price(symbols: list[str], account: Account) -> Decimal:
    """Return the price of what these contracts are on: a mark, or what options have as forward."""
    terms = {symbol: account.model.instrument(symbol) for symbol in symbols}
    marked = [symbol for symbol in symbols if terms[symbol].option is None]
    return account.market.mark(marked[0]) if marked else account.market.forward(symbols[0])


def _along(account: Account, unit: MarginUnit, symbols: list[str]) -> PricePath:
    direction = dict.fromkeys(symbols, ONE)
    return PricePath.along(unit, direction, account.market, account.model)


def _symbols(unit: MarginUnit, model: MarginModel) -> list[str]:
    """Return the contracts whose marks a unit reads, the shortest symbol first."""
    marks = {f.name for f in reads(unit, model) if f.kind is FactorKind.MARK}
    return sorted(marks, key=lambda symbol: (len(symbol), symbol))


def _names(unit: MarginUnit, model: MarginModel) -> list[str]:
    """Return every name of something that can move."""
    symbols = _symbols(unit, model)
    bases = [model.instrument(symbol).instrument.base for symbol in symbols]
    assets = [f.name for f in reads(unit, model) if f.kind is FactorKind.ASSET]
    return list(dict.fromkeys((*bases, *symbols, *sorted(assets), ALL)))
