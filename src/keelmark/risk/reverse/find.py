"""The likeliest way down: the least unusual joint move of everything that liquidates a unit.

Among all moves `x` of coins, of collateral beyond its coin, of volatilities at which the unit is
liquidatable, the one with the least `sqrt(x' S^-1 x)`. The search is in floats; what is returned
lies where the exact core finds the crossing on its ray, with a bound where one can be proved.

Source: docs/model.md, "Reverse stress".
"""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

import numpy as np

from keelmark.accounts.account import Account
from keelmark.core.bound import options_of
from keelmark.core.errors import InvalidInput
from keelmark.core.liquidation_price import PriceStatus
from keelmark.core.margin import maintenance_excess, margin_report
from keelmark.core.market import Market
from keelmark.core.model import MarginModel
from keelmark.core.numbers import ZERO
from keelmark.core.unit import MarginUnit
from keelmark.risk.axes import unit_for
from keelmark.risk.returns import Returns
from keelmark.risk.revaluation import UnitValuer
from keelmark.risk.revaluation.moved import priced_in, scenario_coins
from keelmark.risk.reverse.boundary import Boundary
from keelmark.risk.reverse.by_unit import ReverseStressByUnit, nearest_first
from keelmark.risk.reverse.covariance import VOLATILITY, Shock, ShockCovariance, ShockKind
from keelmark.risk.reverse.placing import Placed, moved_to, placed
from keelmark.risk.reverse.proof import PROVED, proved_distance
from keelmark.risk.reverse.result import ReverseStress
from keelmark.risk.reverse.search import (
    Found,
    descents,
    first_foot,
    looked_around,
    starts,
)
from keelmark.risk.reverse.sensitivity import Pull
from keelmark.risk.scenarios.scenarios import Array

CLOSE = 1e-9
TRIED_MAX = 5
"""Crossings of the search that core is asked about before none is told."""

NOTHING = "no direction tried liquidates before a price is nothing or eleven times itself"


def find_reverse_stress(
    account: Account,
    covariance: Returns | ShockCovariance,
    *,
    unit_id: str | None = None,
    pegs: Mapping[str, float] | None = None,
    volatilities: Mapping[str, float] | None = None,
) -> ReverseStress:
    """Return the move that liquidates a unit with the fewest standard deviations.

    Args:
        account: From `load_account`.
        covariance: Past returns of every coin the unit stands on, or a covariance by name.
        unit_id: Margin unit; where left out the one whose move is nearest, and units of which none
            can be told are named in the notes.
        pegs: With returns: standard deviation of the own shock of collateral assets.
        volatilities: With returns: standard deviation of the volatilities on coins.

    Raises:
        MissingNumber: The margin of the unit now is unknown, or a coin has no returns.
        InvalidInput: A coin stands still, or the returns determine no covariance.
    """
    known = _covariance(covariance, pegs, volatilities)
    if unit_id is not None:
        return _of_unit(account, known, unit_id)
    answers = find_by_unit(account, known)
    notes = (f"{name} may go sooner: unknown, {why}" for name, why in answers.unknown.items())
    return replace(answers.nearest, notes=(*answers.nearest.notes, *notes))


def find_by_unit(
    account: Account,
    covariance: Returns | ShockCovariance,
    *,
    pegs: Mapping[str, float] | None = None,
    volatilities: Mapping[str, float] | None = None,
) -> ReverseStressByUnit:
    """Return what `find_reverse_stress` does of every unit that holds a position.

    A unit of which nothing can be told is unknown, with the reason; where that is so of all, the
    reason of the first is raised.

    Raises:
        InvalidInput: The account holds no position; else as `find_reverse_stress`.
    """
    known = _covariance(covariance, pegs, volatilities)
    names = [unit.unit_id for unit in account.units if unit.positions]
    if not names:
        unit_for(account, None, None)  # says so
    found: list[ReverseStress] = []
    why: dict[str, InvalidInput] = {}
    for name in names:
        try:
            found.append(_of_unit(account, known, name))
        except InvalidInput as error:
            why[name] = error
    if not found:
        raise next(iter(why.values()))
    return ReverseStressByUnit(
        found=nearest_first(found), unknown={name: str(error) for name, error in why.items()}
    )


def _covariance(
    known: Returns | ShockCovariance,
    pegs: Mapping[str, float] | None,
    volatilities: Mapping[str, float] | None,
) -> ShockCovariance:
    if isinstance(known, ShockCovariance):
        return known
    return ShockCovariance.of_returns(known, pegs=pegs, volatilities=volatilities)


def _of_unit(account: Account, known: ShockCovariance, unit_id: str) -> ReverseStress:
    """Return the answer of one unit; what is liquidatable already takes no returns."""
    unit = unit_for(account, None, unit_id)
    if margin_report(unit, account.market, account.model).is_liquidatable:
        found = as_things_stand(unit, account.market, account.model)
        return replace(found, horizon=known.horizon, source=known.source, notes=known.notes)
    valuer = UnitValuer.of(account, unit)
    shocks, matrix, still = known.shocks_of(valuer)
    found = _Answer(Boundary(valuer=valuer, shocks=shocks, covariance=matrix)).found()
    return replace(
        found,
        still=still,
        horizon=known.horizon,
        source=known.source,
        notes=(*known.notes, *_notes(valuer, shocks, still)),
    )


def as_things_stand(unit: MarginUnit, market: Market, model: MarginModel) -> ReverseStress:
    """Return the answer of a unit that is liquidatable already: nothing needs to move."""
    return ReverseStress(
        status=PriceStatus.PRICE,
        unit_id=unit.unit_id,
        horizon="",
        distance=0.0,
        at_least=0.0,
        moves=dict.fromkeys(scenario_coins(unit, model), ZERO),
        prices={p.instrument: market.marks[p.instrument] for p in unit.positions},
        asset_prices={a: market.asset_prices[a] for a in priced_in(unit, model)},
    )


def _notes(
    valuer: UnitValuer, shocks: tuple[Shock, ...], still: tuple[str, ...]
) -> tuple[str, ...]:
    """Say what stands still and what the valuation is."""
    notes = [f"{asset} stands still: nothing says how its price moves" for asset in still]
    has_options = bool(options_of(valuer.unit, valuer.model))
    if has_options and all(shock.kind is not ShockKind.VOLATILITY for shock in shocks):
        notes.append("implied volatilities stand still: nothing says how they move")
    if valuer.why is not None:
        notes.append(f"valued by core alone, slowly: {valuer.why}")
    return tuple(notes)


class _Answer:
    """One question, with what has been found of it so far."""

    def __init__(self, boundary: Boundary) -> None:
        self.boundary = boundary
        self.unit_id = boundary.valuer.unit.unit_id

    def found(self) -> ReverseStress:
        """Return the answer, without where the covariance comes from."""
        boundary = self.boundary
        if boundary.start <= 0.0:
            valuer = boundary.valuer
            return as_things_stand(valuer.unit, valuer.market, valuer.model)
        foot = first_foot(boundary)
        first = [] if foot is None else descents(boundary, foot[None, :])
        best, at_least = self._proved(first, is_last=False)
        if best is None or at_least is None or at_least < best.distance * PROVED:
            best, at_least = self._searched(first)
        if best is None:
            none = ReverseStress(status=PriceStatus.NONE, unit_id=self.unit_id, horizon="")
            return self._now(replace(none, alone=self._alone(), reason=NOTHING))
        return self._now(self._told(best, at_least, foot))

    def _searched(self, first: list[Found]) -> tuple[Placed | None, float | None]:
        """Return the best of all starts, with what is proved of it."""
        boundary = self.boundary
        found = [*first, *descents(boundary, starts(boundary))]
        if found:
            around = looked_around(boundary, min(found, key=_distance))
            found += [around, *descents(boundary, around.point[None, :])]
        return self._proved(sorted(found, key=_distance), is_last=True)

    def _proved(self, found: list[Found], *, is_last: bool) -> tuple[Placed | None, float | None]:
        """Return the nearest crossing that core confirms, and within what nothing liquidates."""
        for one in found[:TRIED_MAX]:
            place = placed(self.boundary, one)
            if place is not None:
                return place, proved_distance(self.boundary, place.distance, is_last=is_last)
        return None, None

    def _told(self, best: Placed, at_least: float | None, foot: Array | None) -> ReverseStress:
        boundary = self.boundary
        slopes = boundary.slopes(best.point)
        spread = spread_of(boundary, slopes)
        market, unit = moved_to(boundary, best.point)
        pull = None
        if spread > 0.0:
            valuer = boundary.valuer
            excess = maintenance_excess(unit, market, valuer.model)
            pull = Pull(
                valuer=valuer, unit=unit, market=market, per_excess=1.0 / spread, excess=excess
            )
        held = [p.instrument for p in unit.positions]
        return ReverseStress(
            status=PriceStatus.PRICE,
            unit_id=self.unit_id,
            horizon="",
            distance=best.distance,
            at_least=at_least,
            moves=self._by(best.shocks, ShockKind.RETURN),
            pegs=self._by(best.shocks, ShockKind.COLLATERAL),
            volatilities=self._by(best.shocks, ShockKind.VOLATILITY),
            prices={name: market.marks[name] for name in held},
            asset_prices={a: market.asset_prices[a] for a in boundary.valuer.assets},
            alone=self._alone(),
            slopes=self._named(slopes),
            legs=() if pull is None else pull.legs(),
            assets=() if pull is None else pull.assets(),
            method="closed form" if self._is_plane(best, at_least, foot) else "numeric",
        )

    def _now(self, found: ReverseStress) -> ReverseStress:
        """Add what is told of the unit as it stands: the weakest direction, what it costs."""
        boundary = self.boundary
        slopes = boundary.slopes(np.zeros(len(boundary.shocks)))
        spread = spread_of(boundary, slopes)
        weakest = -boundary.covariance @ slopes / spread if spread > 0.0 else 0.0 * slopes
        return replace(
            found,
            weakest=self._named(weakest),
            excess_per_sigma=spread,
            deviations=self._named(boundary.deviations),
        )

    def _is_plane(self, best: Placed, at_least: float | None, foot: Array | None) -> bool:
        """Whether the closed form is the answer, and proved to be."""
        if foot is None or at_least is None or at_least < best.distance * PROVED:
            return False
        length = float(self.boundary.lengths(foot[None, :])[0])
        return abs(length - best.distance) <= CLOSE * best.distance

    def _alone(self) -> dict[str, float | None]:
        """Return the nearest move of each shock alone over its own standard deviation."""
        boundary = self.boundary
        sides = np.diag(boundary.deviations)
        sizes = boundary.crossings(np.vstack([sides, -sides]))
        nearest = np.minimum(sizes[: len(sides)], sizes[len(sides) :])
        return {
            name_of(shock): float(size) if np.isfinite(size) else None
            for shock, size in zip(boundary.shocks, nearest, strict=True)
        }

    def _named(self, values: Array) -> dict[str, float]:
        pairs_of = zip(self.boundary.shocks, values, strict=True)
        return {name_of(shock): float(value) for shock, value in pairs_of}

    def _by(self, shocks: Mapping[Shock, Decimal], kind: ShockKind) -> dict[str, Decimal]:
        return {shock.name: move for shock, move in shocks.items() if shock.kind is kind}


def spread_of(boundary: Boundary, slopes: Array) -> float:
    """Return `sqrt(g' S g)`: what one standard deviation of everything costs at most."""
    return float(np.sqrt(max(0.0, float(slopes @ boundary.covariance @ slopes))))


def _distance(found: Found) -> float:
    return found.distance


def name_of(shock: Shock) -> str:
    """Return the name a shock is told by."""
    return f"{shock.name}{VOLATILITY}" if shock.kind is ShockKind.VOLATILITY else shock.name
