"""The nearest point of the boundary: the plane is laid anew at each point found, from many starts.

Where the excess is a plane, `e + g' x`, the nearest point is `x = -e S g / (g' S g)`, at distance
`e / sqrt(g' S g)`. Elsewhere that is a step (Hasofer, Lind 1974; Rackwitz, Fiessler 1978): from the
crossing on a ray to the foot of the plane there, all starts at once. What is best is then looked
around in ever smaller neighbourhoods, because a boundary of many faces has corners no plane finds.
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from keelmark.risk.revaluation.slopes import LOWEST, STEP, smooth_slope
from keelmark.risk.reverse.boundary import END, REACH, Boundary, ray_ends
from keelmark.risk.scenarios import generator_of
from keelmark.risk.scenarios.scenarios import Array

ROUNDS = 10
STILL = 1e-12
"""How little a foot may move for a descent to be over."""

KEPT = 10
"""Descents that go on after their first crossing: the nearest of them."""

MANY = 32
"""Rays from which a coarse look decides which are followed."""

COARSE = 16
"""Places of a coarse look along a ray."""

SCATTERED = 64
"""Rays at random, twice."""

AROUND = 128
"""Directions tried in each neighbourhood of the best one."""

RADII = (0.3, 0.1, 0.03, 0.01, 0.003, 0.001)
"""Neighbourhoods, as shares of the length of a direction."""

SEED = 0
"""Of the directions tried: the same ones every time."""


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """A liquidating move, as floats see it."""

    point: Array
    distance: float


def nearest_on_plane(covariance: Array, slopes: Array, height: float) -> Array | None:
    """Return the point of `slopes @ x = height` with the least `x' S^-1 x`, no move beyond its end.

    What would go further is held at its end, and the others are sought anew; `None` where the plane
    is not reached so.
    """
    held: dict[int, float] = {}
    for _ in range(len(slopes)):
        rows = np.vstack([slopes, np.eye(len(slopes))[list(held)]])
        targets = np.array([height, *held.values()])
        gram = rows @ covariance @ rows.T
        if not gram[0, 0] > 0.0 or (held and np.linalg.matrix_rank(gram) < len(gram)):
            return None
        found: Array = covariance @ rows.T @ np.linalg.solve(gram, targets)
        beyond = np.maximum(-END - found, (found - REACH) / REACH)
        beyond[list(held)] = 0.0
        worst = int(np.argmax(beyond))
        if beyond[worst] <= 0.0:
            return found
        held[worst] = -END if found[worst] < 0.0 else REACH  # one held may bring others back
    return None


def first_foot(boundary: Boundary) -> Array | None:
    """Return the nearest zero of the plane laid on the excess now."""
    return foot_of(boundary, np.zeros(len(boundary.shocks)))


def foot_of(boundary: Boundary, point: Array) -> Array | None:
    """Return the nearest zero of the plane laid on the excess at a point."""
    slopes = boundary.slopes(point)
    if not float(slopes @ boundary.covariance @ slopes) > 0.0:
        return None
    height = float(slopes @ point) - float(boundary.excess(point[None, :])[0])
    return nearest_on_plane(boundary.covariance, slopes, height)


def starts(boundary: Boundary) -> Array:
    """Return rays: each shock alone, all alike, main directions; pairs; the worst; at random.

    A face of the boundary that no shock alone reaches has a nearest point of its own.
    """
    count = len(boundary.shocks)
    main = np.linalg.eigh(boundary.covariance)[1].T
    sides = np.vstack([np.eye(count), np.ones((1, count)), boundary.deviations[None, :], main])
    slopes = boundary.slopes(np.zeros(count))
    corner = np.where(slopes > 0.0, -END, REACH) * (slopes != 0.0)  # the worst there is
    adverse = np.sign(-slopes) * boundary.deviations
    known = [sides, -sides, pairs(boundary), at_random(boundary, generator_of(SEED))]
    return np.vstack([*known, *(ray for ray in (corner, adverse) if ray.any())])


def at_random(boundary: Boundary, draw: np.random.Generator) -> Array:
    """Return rays as likely as the moves are, and as many with every shock by itself."""
    noise = draw.standard_normal((2 * SCATTERED, len(boundary.shocks)))
    together = noise[:SCATTERED] @ np.linalg.cholesky(boundary.covariance).T
    return np.vstack([together, noise[SCATTERED:] * boundary.deviations])


def pairs(boundary: Boundary) -> Array:
    """Return rays of every two shocks, each by its own deviation, in all directions."""
    deviations = np.diag(boundary.deviations)
    found = [
        ray
        for one, other in combinations(deviations, 2)
        for ray in (one + other, one - other, other - one, -one - other)
    ]
    return np.array(found).reshape(-1, len(deviations))


def descents(boundary: Boundary, rays: Array) -> list[Found]:
    """Return the crossings met from these rays while planes are laid anew, nearest first."""
    found: list[Found] = []
    rays = promising(boundary, rays)
    for _ in range(ROUNDS):
        if not len(rays):
            break
        rays = rays / boundary.lengths(rays)[:, None]
        sizes = boundary.crossings(rays)
        order = [number for number in np.argsort(sizes) if np.isfinite(sizes[number])][:KEPT]
        points, distances = sizes[order, None] * rays[order], sizes[order]
        found += [Found(p, float(d)) for p, d in zip(points, distances, strict=True)]
        rays = _next_rays(boundary, points, distances)
    return sorted(found, key=lambda one: one.distance)


def promising(boundary: Boundary, rays: Array) -> Array:
    """Return the rays that liquidate first on a coarse look, where there are very many."""
    if len(rays) <= MANY:
        return rays
    rays = rays / boundary.lengths(rays)[:, None]
    places = np.outer(ray_ends(rays), (np.arange(COARSE + 1) / COARSE) ** 2)
    points = (places[:, :, None] * rays[:, None, :]).reshape(-1, rays.shape[1])
    is_gone = boundary.excess(points).reshape(places.shape) <= 0.0
    first = places[np.arange(len(rays)), is_gone.argmax(axis=1)]
    order = np.argsort(np.where(is_gone.any(axis=1), first, np.inf))
    return rays[order[:KEPT]]


def _next_rays(boundary: Boundary, points: Array, distances: Array) -> Array:
    """Return the feet of the planes at points; those that stay where they are are left out."""
    feet: list[Array] = []
    slopes, heights = _planes(boundary, points)
    for point, distance, slope, height in zip(points, distances, slopes, heights, strict=True):
        if not float(slope @ boundary.covariance @ slope) > 0.0:
            continue
        foot = nearest_on_plane(boundary.covariance, slope, float(slope @ point) - float(height))
        if foot is None:
            continue
        step = float(boundary.lengths((foot - point)[None, :])[0])
        if step > max(STILL, 1e-9) * max(1.0, float(distance)):
            feet.append(foot)
    return np.array(feet).reshape(-1, len(boundary.shocks))


def _planes(boundary: Boundary, points: Array) -> tuple[Array, Array]:
    """Return the slopes and the excess at every point, in one pass."""
    count, width = points.shape
    steps = STEP * np.eye(width)
    up = points[:, None, :] + steps
    down = np.maximum(points[:, None, :] - steps, LOWEST)
    rows = np.concatenate([points[:, None, :], up, down], axis=1)
    values = boundary.excess(rows.reshape(-1, width)).reshape(count, 2 * width + 1)
    rise = (values[:, 1 : width + 1] - values[:, :1]) / STEP
    fall = (values[:, :1] - values[:, width + 1 :]) / STEP
    return smooth_slope(rise, fall), values[:, 0]


def looked_around(boundary: Boundary, best: Found) -> Found:
    """Return the nearest crossing in neighbourhoods of a direction, smaller and smaller."""
    draw = generator_of(SEED)
    root = np.linalg.cholesky(boundary.covariance)
    for radius in RADII:
        noise = draw.standard_normal((AROUND, len(best.point))) @ root.T
        rays = best.point / best.distance + radius * noise
        rays = rays / boundary.lengths(rays)[:, None]
        within = rays * np.minimum(best.distance, ray_ends(rays))[:, None]
        rays = rays[boundary.excess(within) <= 0.0]
        if len(rays):
            sizes = boundary.crossings(rays)
            number = int(np.argmin(sizes))
            if sizes[number] < best.distance:
                best = Found(sizes[number] * rays[number], float(sizes[number]))
    return best
