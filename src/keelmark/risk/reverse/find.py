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
from keelmark.core.liquidation_price import PriceStatus
from keelmark.core.margin import maintenance_excess
from keelmark.core.numbers import ZERO
from keelmark.risk.axes import unit_for
from keelmark.risk.returns import Returns
from keelmark.risk.revaluation import UnitValuer
from keelmark.risk.reverse.boundary import Boundary
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
        unit_id: Margin unit; the first with positions where left out.
        pegs: With returns: standard deviation of the own shock of collateral assets.
        volatilities: With returns: standard deviation of the volatilities on coins.

    Raises:
        InvalidInput: A coin has no returns or stands still, or they determine no covariance.
        MissingNumber: The margin of the unit now is unknown.
    """
    unit = unit_for(account, None, unit_id)
    valuer = UnitValuer.of(account, unit)
    if isinstance(covariance, Returns):
        covariance = ShockCovariance.of_returns(covariance, pegs=pegs, volatilities=volatilities)
    shocks, matrix, still = covariance.shocks_of(valuer)
    boundary = Boundary(valuer=valuer, shocks=shocks, covariance=matrix)
    found = _Answer(boundary).found()
    return replace(
        found,
        still=still,
        horizon=covariance.horizon,
        source=covariance.source,
        notes=(*covariance.notes, *_notes(valuer, shocks, still)),
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
            return self._as_things_stand()
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

    def _as_things_stand(self) -> ReverseStress:
        market = self.boundary.valuer.market
        still = dict.fromkeys(self.boundary.shocks, ZERO)
        return ReverseStress(
            status=PriceStatus.PRICE,
            unit_id=self.unit_id,
            horizon="",
            distance=0.0,
            at_least=0.0,
            moves=self._by(still, ShockKind.RETURN),
            pegs=self._by(still, ShockKind.COLLATERAL),
            volatilities=self._by(still, ShockKind.VOLATILITY),
            prices=dict(market.marks),
            asset_prices=dict(market.asset_prices),
            method="closed form",
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
