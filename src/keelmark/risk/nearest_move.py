"""The least unusual joint move that liquidates, in standard deviations.

Among all relative moves `x` of the coins at which the unit is liquidatable, the one with the least
`sqrt(x' S^-1 x)`, `S` the covariance of returns. Where the excess is a plane, `e + g' x`, that is
`x = -e S g / (g' S g)` at distance `e / sqrt(g' S g)`: closed form. Elsewhere the plane is laid
anew at each point (Hasofer, Lind 1974; Rackwitz, Fiessler 1978), from several starts.

The search is in floats; the move that is returned lies where the exact core finds the crossing
along its direction. A lower bound says how much nearer another move could be at most.

Source: docs/model.md, "Nearest joint move".
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import combinations, product

import numpy as np
import numpy.typing as npt

from keelmark.accounts.account import Account
from keelmark.accounts.check_document import JsonTable, decimal_text, statistic_text
from keelmark.core.coin_rule import is_curved
from keelmark.core.coins import coin_of
from keelmark.core.errors import InvalidInput
from keelmark.core.joint_move import JointMove, joint_move
from keelmark.core.liquidation_price import PriceStatus
from keelmark.core.margin import maintenance_excess
from keelmark.core.model import InstrumentTerms, MarginPurpose
from keelmark.core.numbers import ONE, ZERO, exact
from keelmark.core.price_path import PricePath
from keelmark.core.quantum_rule import QuantumRule
from keelmark.core.unit import MarginUnit
from keelmark.risk.axes import axis_of, coins_that_move, direction_of, unit_for
from keelmark.risk.edges import edges
from keelmark.risk.returns import Returns

Array = npt.NDArray[np.float64]

_STEP = Decimal("1e-6")
_ROUNDS = 25
_STILL = 1e-12
_CORNERS_MAX = 12
_PROVED = 1.0 - 1e-9
_CLOSE = 1e-9
_ALMOST_ALL = 0.999
"""Bounds are not asked of falls beyond this."""
_LOWEST = Decimal("-0.999999999")
"""The largest fall that leaves a price."""
_END = 1.0 - 1e-6
"""A fall beyond this is not followed: prices end at nothing."""
_HALVINGS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class NearestMove:
    """The nearest liquidating joint move.

    Attributes:
        status: `price` when found, `none` when no direction tried liquidates, `unknown`.
        unit_id: The margin unit.
        distance: In standard deviations over `horizon`.
        at_least: No move nearer than this liquidates; `None` where nothing is proved.
        moves: Relative change by coin.
        prices: Marks there, by instrument.
        alone: How far each coin can move while the others stand still, in its own standard
            deviations over `horizon`; `None` where no such move liquidates. Of a hedged book one
            can be less than `distance`: that coins which move together part is more unusual than
            the move of either, and only `distance` counts that.
        method: `closed form` where the excess is one plane all the way, else `numeric`.
        horizon: What a standard deviation spans.
        reason: For `none` and `unknown`.
    """

    status: PriceStatus
    unit_id: str
    horizon: str
    distance: float | None = None
    at_least: float | None = None
    moves: Mapping[str, Decimal] | None = None
    prices: Mapping[str, Decimal] | None = None
    alone: Mapping[str, float | None] | None = None
    method: str | None = None
    reason: str | None = None

    @property
    def is_proved(self) -> bool:
        """Whether no nearer move liquidates."""
        if self.distance is None or self.at_least is None:
            return False
        return self.at_least >= self.distance * _PROVED

    def document(self) -> JsonTable:
        """Return the move as JSON; statistics are text with twelve digits."""
        return {
            "status": self.status.value,
            "unit": self.unit_id,
            "distance": statistic_text(self.distance),
            "at_least": statistic_text(self.at_least),
            "is_proved": self.is_proved,
            "horizon": self.horizon,
            "method": self.method,
            "moves": {coin: decimal_text(move) for coin, move in (self.moves or {}).items()},
            "prices": {name: decimal_text(price) for name, price in (self.prices or {}).items()},
            "alone": {coin: statistic_text(far) for coin, far in (self.alone or {}).items()},
            "reason": self.reason,
        }


def find_nearest_move(
    account: Account, returns: Returns, *, unit_id: str | None = None
) -> NearestMove:
    """Return the joint move that liquidates a unit with the fewest standard deviations.

    Args:
        account: From `load_account`.
        returns: Of every coin the unit holds contracts on.
        unit_id: Margin unit; the first with positions where left out.

    Raises:
        InvalidInput: A coin has no returns, or the returns determine no covariance.
    """
    unit = unit_for(account, None, unit_id)
    search = _Search.of(account, unit, returns)
    if search.value(np.zeros(len(search.coins))) <= 0.0:
        still = dict.fromkeys(search.coins, ZERO)
        return NearestMove(
            status=PriceStatus.PRICE,
            unit_id=unit.unit_id,
            horizon=returns.horizon,
            distance=0.0,
            at_least=0.0,
            moves=still,
            prices=dict(account.market.marks),
            method="closed form",
        )
    return search.nearest(returns.horizon)


@dataclass(frozen=True, slots=True)
class _Found:
    """A liquidating move on one ray."""

    distance: float
    move: JointMove


@dataclass(frozen=True, slots=True)
class _Search:
    """The excess of one unit as a function of the moves of its coins, as floats."""

    account: Account
    unit: MarginUnit
    coins: tuple[str, ...]
    covariance: Array
    inverse: Array

    @classmethod
    def of(cls, account: Account, unit: MarginUnit, returns: Returns) -> "_Search":
        """Set the search up."""
        coins = coins_that_move(unit, account.model)
        covariance = returns.covariance_of(coins)
        if float(np.linalg.cond(covariance)) > 1 / np.finfo(float).eps:
            msg = (
                f"{returns.source}: the returns of {', '.join(coins)} determine no covariance; "
                "two of them move as one or too few rows are given"
            )
            raise InvalidInput(msg)
        inverse: Array = np.asarray(np.linalg.inv(covariance), dtype=np.float64)
        return cls(account, unit, coins, covariance, inverse)

    def excess(self, moves: Sequence[Decimal]) -> Decimal:
        """Return the exact excess after moves."""
        model, market = self.account.model, self.account.market
        vector = dict(zip(self.coins, moves, strict=True))
        if not any(moves):
            return maintenance_excess(self.unit, market, model)
        with exact():
            path = PricePath.along(self.unit, direction_of(self.unit, vector, model), market, model)
            return path.excess(ONE)

    def value(self, point: Array) -> float:
        """Return the excess at a point."""
        return float(self.excess([_decimal(x) for x in point]))

    def gradient(self, point: Array) -> Array:
        """Return the slopes of the excess at a point, from differences of the exact one."""
        slopes = []
        for i in range(len(self.coins)):
            low, high = ([_decimal(x) for x in point] for _ in range(2))
            low[i] = max(low[i] - _STEP, _LOWEST)
            high[i] += _STEP
            with exact():
                rise = self.excess(high) - self.excess(low)
                slopes.append(float(rise / (high[i] - low[i])))
        return np.array(slopes)

    def length(self, point: Array) -> float:
        """Return how unusual a move is, in standard deviations."""
        return float(np.sqrt(point @ self.inverse @ point))

    def foot(self, point: Array) -> Array | None:
        """Return the nearest zero of the plane laid on the excess at a point; no price below 0."""
        slopes = self.gradient(point)
        if float(slopes @ self.covariance @ slopes) <= 0.0:
            return None
        height = float(slopes @ point) - self.value(point)
        return _nearest_on_plane(self.covariance, slopes, height)

    def on_ray(self, point: Array) -> _Found | None:
        """Return the exact crossing along a direction."""
        if not self.length(point) > 0.0:
            return None
        move = self.move_along(point)
        return None if move.size is None else _Found(self.length(self.point_of(move)), move)

    def move_along(self, point: Array) -> JointMove:
        """Return what the core says of the direction of a point."""
        ray = point / self.length(point)
        vector = {c: _decimal(x) for c, x in zip(self.coins, ray, strict=True)}
        direction = direction_of(self.unit, vector, self.account.model)
        return joint_move(self.unit, direction, self.account.market, self.account.model)

    def tried(self) -> Iterator[JointMove]:
        """Return the directions of the coins alone that are unknown."""
        for side in np.eye(len(self.coins)):
            for point in (side, -side):
                move = self.move_along(point)
                if move.status is PriceStatus.UNKNOWN:
                    yield move

    def nearest(self, horizon: str) -> NearestMove:
        """Return the best of all starts, with what is proved of it."""
        first = self.foot(np.zeros(len(self.coins)))
        found = [ray for start in self.starts(first) for ray in self.descent(start)]
        best, at_least = self.proved(found)
        if best is None or at_least is None or at_least < best.distance:
            # a face of the boundary that no coin alone reaches has a nearest point of its own
            more = [ray for start in self.pairs() for ray in self.descent(start)]
            if more and (best is None or min(ray.distance for ray in more) < best.distance):
                best, at_least = self.proved(more)
        if best is None:
            reason = (
                "no direction tried liquidates before a price is nothing or eleven times itself"
            )
            return NearestMove(
                status=PriceStatus.NONE,
                unit_id=self.unit.unit_id,
                horizon=horizon,
                alone=self.alone(),
                reason=reason,
            )
        return NearestMove(
            status=PriceStatus.PRICE,
            unit_id=self.unit.unit_id,
            horizon=horizon,
            distance=best.distance,
            at_least=at_least,
            moves=self.moves_of(best.move),
            prices=best.move.prices,
            alone=self.alone(),
            method="closed form" if self.is_plane(best, first, at_least) else "numeric",
        )

    def proved(self, found: Sequence[_Found]) -> tuple[_Found | None, float | None]:
        """Return the nearest crossing found, and within what nothing is proved to liquidate."""
        best = min(found, key=lambda ray: ray.distance, default=None)
        return best, None if best is None else self.at_least(best.distance)

    def starts(self, first: Array | None) -> Iterator[Array]:
        """Return starts: the closed form, each coin alone, all alike, the main directions."""
        if first is not None:
            yield first
        sides = [*np.eye(len(self.coins)), np.ones(len(self.coins))]
        sides += list(np.linalg.eigh(self.covariance)[1].T)
        for side in sides:
            yield side
            yield -side

    def pairs(self) -> Iterator[Array]:
        """Return further starts: every two coins, each by its own deviation, in all directions."""
        deviations = np.diag(np.sqrt(np.diag(self.covariance)))
        for one, other in combinations(deviations, 2):
            yield from (one + other, one - other, other - one, -one - other)

    def descent(self, start: Array) -> Iterator[_Found]:
        """Return the crossings met while the plane is laid anew, until it stays where it is."""
        point = start
        for _ in range(_ROUNDS):
            ray = self.on_ray(point)
            if ray is None:
                return
            yield ray
            here = self.point_of(ray.move)
            foot = self.foot(here)
            if foot is None or self.length(foot - here) <= _STILL * max(1.0, ray.distance):
                return
            point = foot

    def point_of(self, move: JointMove) -> Array:
        """Return a move as a point."""
        moves = self.moves_of(move)
        return np.array([float(moves[coin]) for coin in self.coins])

    def moves_of(self, move: JointMove) -> dict[str, Decimal]:
        """Return a move by coin."""
        model = self.account.model
        with exact():
            by_coin = {
                coin_of(name, model): step * (move.size or ZERO)
                for name, step in move.direction.items()
            }
        return {coin: by_coin.get(coin, ZERO) for coin in self.coins}

    def alone(self) -> dict[str, float | None]:
        """Return the nearest move of each coin alone over its own standard deviation."""
        found: dict[str, float | None] = {}
        for i, (coin, side) in enumerate(zip(self.coins, np.eye(len(self.coins)), strict=True)):
            deviation = float(np.sqrt(self.covariance[i, i]))
            rays = [ray for ray in (self.on_ray(side), self.on_ray(-side)) if ray is not None]
            moves = (abs(float(self.point_of(ray.move)[i])) for ray in rays)
            found[coin] = min((move / deviation for move in moves), default=None)
        return found

    def is_plane(self, best: _Found, first: Array | None, at_least: float | None) -> bool:
        """Whether the closed form is the answer, and proved to be."""
        if first is None or at_least is None or at_least < best.distance * _PROVED:
            return False
        return abs(self.length(first) - best.distance) <= _CLOSE * best.distance

    def at_least(self, distance: float) -> float | None:
        """Return a distance within which nothing liquidates; `None` where nothing is proved.

        Where the excess is a sum of functions of one coin each, each is its own slope times its
        move, the slope within bounds that hold on the box around all moves of that length. So the
        excess falls by at most the length times the largest `sqrt(s' S s)` of those slopes.
        """
        if not self.is_separable():
            return None
        start = self.value(np.zeros(len(self.coins)))
        low, high = 0.0, distance
        if self._clears(start, distance * _PROVED):
            return distance
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            low, high = (middle, high) if self._clears(start, middle) else (low, middle)
        return low

    def _clears(self, start: float, length: float) -> bool:
        """Whether the bound proves every move up to a length harmless."""
        bounds = []
        for i, coin in enumerate(self.coins):
            reach = length * float(np.sqrt(self.covariance[i, i]))
            bound = self._slopes(coin, reach)
            if bound is None:
                return False
            bounds.append(bound)
        return start > length * self._steepest(bounds)

    def _slopes(self, coin: str, reach: float) -> tuple[float, float] | None:
        """Return bounds of the mean slope from now to any move of one coin within reach."""
        if reach >= _ALMOST_ALL:
            return None
        axis = axis_of(self.account, self.unit, coin)
        low, high = _decimal(-reach), _decimal(reach)
        beside = Decimal("1e-12")
        places = [low, high, -_STEP, _STEP]
        for edge in edges(axis, low, high):
            places += [edge.move - beside, edge.move, edge.move + beside]
        with exact():
            now = axis.excess(ZERO)
            slopes = [float((axis.excess(x) - now) / x) for x in places if abs(x) > beside]
        return min(slopes), max(slopes)

    def _steepest(self, bounds: Sequence[tuple[float, float]]) -> float:
        """Return the largest `sqrt(s' S s)` over slopes within bounds."""
        wide = [i for i, (low, high) in enumerate(bounds) if high - low > _STILL * abs(high)]
        if len(wide) > _CORNERS_MAX:
            largest = np.array([max(abs(low), abs(high)) for low, high in bounds])
            return float(np.sqrt(largest @ np.abs(self.covariance) @ largest))
        corners = np.tile([high for _, high in bounds], (2 ** len(wide), 1))
        for row, sides in enumerate(product((0, 1), repeat=len(wide))):
            for i, side in zip(wide, sides, strict=True):
                corners[row, i] = bounds[i][side]
        spreads = np.einsum("ri,ij,rj->r", corners, self.covariance, corners)
        return float(np.sqrt(spreads.max()))

    def is_separable(self) -> bool:
        """Whether the excess is a sum of functions of one coin each, straight between edges."""
        model, unit = self.account.model, self.unit
        terms = [model.instrument(p.instrument) for p in unit.positions]
        plain = all(_is_straight(t) for t in terms) and model.group is None
        settles = {t.instrument.settle for t in terms}
        whole = all(model.asset_in(unit.kind, settle).schedule.is_identity for settle in settles)
        still = not set(self.coins) & settles
        in_full = model.profit_terms(MarginPurpose.MAINTENANCE).cap is None
        orders = not (model.orders_in_maintenance and unit.orders)
        return plain and whole and still and in_full and orders


def _nearest_on_plane(covariance: Array, slopes: Array, height: float) -> Array | None:
    """Return the point of `slopes @ x = height` with the least `x' S^-1 x`, no fall beyond all.

    A coin that would fall further is held at its end, and the others are sought anew; `None` where
    the plane is not reached so.
    """
    ends: list[int] = []
    for _ in range(len(slopes)):
        rows = np.vstack([slopes, np.eye(len(slopes))[ends]])
        targets = np.array([height, *([-_END] * len(ends))])
        gram = rows @ covariance @ rows.T
        if np.linalg.matrix_rank(gram) < len(gram):
            return None
        found: Array = covariance @ rows.T @ np.linalg.solve(gram, targets)
        fallen = [i for i, x in enumerate(found) if x < -_END and i not in ends]
        if not fallen:
            return found
        ends.append(min(fallen, key=lambda i: float(found[i])))  # one ended may lift the others
    return None


def _is_straight(terms: InstrumentTerms) -> bool:
    """Whether a position's part is straight between its edges: no option, no curve, no rounding."""
    rule = terms.maintenance
    is_rounded = terms.whole_quanta is not None or isinstance(rule, QuantumRule)
    bends = terms.instrument.is_inverse or terms.option is not None or is_curved(rule)
    return not bends and not is_rounded


def _decimal(value: float) -> Decimal:
    return Decimal(repr(float(value)))
