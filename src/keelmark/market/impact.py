"""The simulated order book: what an order pays, and how the price recovers.

One small model: a `Shape` says how displaced volume moves the price, a `Memory` says how displaced
volume fades, a `Withdrawal` says when quotes are pulled. The recommended law is Alfonsi, Fruth and
Schied (2010) with a linear density: the book holds `f(x) = c |x|` lots at distance `x`, so volume
`E` displaces the price by `x = Y sigma sqrt(E / V)` with `c = 2 V / (Y sigma)^2`, and
`dE = -rho E dt + dQ`. Obizhaeva and Wang (2013) is a flat density; a propagator is a flat density
whose memory is a power law, carried as a sum of exponentials so that a state is a few numbers.

Volume is signed: buying displaces upwards, selling downwards, and one undoes the other. Impact
is path-independent inside an instant, so splitting an order without waiting changes nothing, and
for exponential memory no round trip earns money: the impact cost is at least the volume that
faded times the displacement it was bought at. A withdrawal acts only when time passes.

Lots and ticks are whole numbers. Fills are rounded against the taker: a buyer pays the next tick
up, a seller receives the next tick down, and never beyond the order's limit.
"""

import math
from dataclasses import dataclass
from typing import Protocol

from keelmark.core.errors import InvalidInput

_NODE_STEP = 0.5  # trapezoid error exp(-pi^2 / step) = 3e-9 of the kernel at zero
_NODE_LAST = 3.0  # exp(-exp(3)) = 2e-9
_TOLERANCE_MIN = 1e-5
_TOP_TICK = 2**53


class Shape(Protocol):
    """Density of a book: displaced volume in lots to displacement as a fraction of the price."""

    @property
    def name(self) -> str:
        """The law in one phrase."""

    def displacement(self, volume: float, depth: float) -> float:
        """Return the signed displacement of a signed volume, at a share `depth` of the book."""

    def volume(self, displacement: float, depth: float) -> float:
        """Return the signed volume that displaces by `displacement`; the inverse."""

    def mean(self, start: float, end: float, depth: float) -> float:
        """Return the mean displacement on the way from volume `start` to `end`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearDensity:
    """AFS: `f(x) = c |x|`, so `x = scale * sqrt(E)` and a fill costs 2/3 of its peak.

    Attributes:
        scale: Displacement of one lot, `Y sigma / sqrt(V)` with V in lots per day.
    """

    scale: float

    def __post_init__(self) -> None:
        """Refuse a scale that is not positive and finite."""
        _require_positive("scale", self.scale)

    @property
    def name(self) -> str:
        """The law in one phrase."""
        return f"linear density, {self.scale:.3g} at one lot"

    def displacement(self, volume: float, depth: float) -> float:
        """Return `scale * sqrt(|E| / depth)` with the sign of `E`."""
        return math.copysign(self.scale * math.sqrt(abs(volume) / depth), volume)

    def volume(self, displacement: float, depth: float) -> float:
        """Return `depth * (x / scale)^2` with the sign of `x`."""
        return math.copysign(depth * (displacement / self.scale) ** 2, displacement)

    def mean(self, start: float, end: float, depth: float) -> float:
        """Return the integral of the displacement over the volume, divided by the volume.

        With `a = sqrt|start|` and `b = sqrt|end|` the integral is `2/3 (b^3 - a^3)`, divided by
        `b^2 - a^2` without cancellation.
        """
        a, b = math.sqrt(abs(start)), math.sqrt(abs(end))
        if a + b == 0.0:
            return 0.0
        factor = 2.0 / 3.0 * self.scale / math.sqrt(depth)
        if start * end < 0.0:
            return math.copysign(factor * (b**3 - a**3) / (a * a + b * b), (b - a) * end)
        return math.copysign(factor * (a * a + a * b + b * b) / (a + b), start + end)


@dataclass(frozen=True, slots=True, kw_only=True)
class FlatDensity:
    """Obizhaeva-Wang: `density` lots at every distance, so `x = E / density`.

    Attributes:
        density: Lots within a distance of 1.0 (100 % of the price) of the touch.
    """

    density: float

    def __post_init__(self) -> None:
        """Refuse a density that is not positive and finite."""
        _require_positive("density", self.density)

    @property
    def name(self) -> str:
        """The law in one phrase."""
        return f"flat density, {self.density:.3g} lots per 100 %"

    def displacement(self, volume: float, depth: float) -> float:
        """Return `E / (density * depth)`."""
        return volume / (self.density * depth)

    def volume(self, displacement: float, depth: float) -> float:
        """Return `x * density * depth`."""
        return displacement * self.density * depth

    def mean(self, start: float, end: float, depth: float) -> float:
        """Return the middle of both displacements."""
        return 0.5 * (start + end) / (self.density * depth)


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """How displaced volume fades: `G(t) = sum of weight_k * exp(-rate_k t)`, with `G(0) = 1`.

    Attributes:
        name: The law in one phrase.
        weights: Share of each component, summing to one.
        rates: Per second, one per component.
    """

    name: str
    weights: tuple[float, ...]
    rates: tuple[float, ...]

    def __post_init__(self) -> None:
        """Refuse components that are not a fading kernel."""
        if len(self.weights) != len(self.rates) or not self.weights:
            msg = f"memory {self.name}: one weight and one rate per component wanted"
            raise InvalidInput(msg)
        if min(self.weights) < 0.0 or min(self.rates) < 0.0:
            msg = f"memory {self.name}: a weight or a rate is negative"
            raise InvalidInput(msg)
        if abs(math.fsum(self.weights) - 1.0) > 1e-9:  # noqa: PLR2004 rounding of the weights
            msg = f"memory {self.name}: the weights sum to {math.fsum(self.weights)}, not 1"
            raise InvalidInput(msg)

    def kernel(self, seconds: float) -> float:
        """Return the share of a displaced volume left after `seconds`."""
        parts = zip(self.weights, self.rates, strict=True)
        return math.fsum(weight * math.exp(-rate * seconds) for weight, rate in parts)

    def fade(self, volumes: tuple[float, ...], seconds: float) -> tuple[float, ...]:
        """Return the component volumes after `seconds`."""
        pairs = zip(volumes, self.rates, strict=True)
        return tuple(volume * math.exp(-rate * seconds) for volume, rate in pairs)

    def absorb(self, volumes: tuple[float, ...], filled: float) -> tuple[float, ...]:
        """Return the component volumes after a fill of `filled` lots."""
        pairs = zip(volumes, self.weights, strict=True)
        return tuple(volume + weight * filled for volume, weight in pairs)


def exponential_memory(*, half_life_s: float) -> Memory:
    """Return the memory of AFS and OW: half of a displaced volume is left after `half_life_s`."""
    _require_positive("half_life_s", half_life_s)
    name = f"half-life {half_life_s:g} s"
    return Memory(name=name, weights=(1.0,), rates=(math.log(2.0) / half_life_s,))


def power_law_memory(*, exponent: float, onset_s: float, tolerance: float = 1e-4) -> Memory:
    """Return `G(t) = (1 + t / onset_s)^-exponent` as a sum of exponentials.

    The kernel is the Laplace transform of a gamma density; the trapezoid rule on the logarithm
    of its variable gives weights and rates whose error is below `tolerance` at every time.

    Raises:
        InvalidInput: `exponent` is outside (0, 1), the range of measured propagators, or
            `tolerance` is outside [1e-5, 1).
    """
    if not (0.0 < exponent < 1.0 and _TOLERANCE_MIN <= tolerance < 1.0):
        msg = f"power law: exponent {exponent} or tolerance {tolerance} is outside its range"
        raise InvalidInput(msg)
    _require_positive("onset_s", onset_s)
    first = math.log(tolerance / 4.0) / exponent
    count = math.ceil((_NODE_LAST - first) / _NODE_STEP) + 1
    nodes = [_NODE_LAST - _NODE_STEP * k for k in range(count)]
    raw = [math.exp(exponent * u - math.exp(u)) for u in nodes]
    total = math.fsum(raw)
    return Memory(
        name=f"power law {exponent:g} from {onset_s:g} s",
        weights=tuple(weight / total for weight in raw),
        rates=tuple(math.exp(u) / onset_s for u in nodes),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawal:
    """How quotes are pulled: the book keeps a share `depth` of its density, never below `floor`.

    When time passes, what was missing comes back at `recovery_rate`, then the share falls by
    `exp(-flow_sensitivity * |net lots since| - return_sensitivity * |log return since|)`.
    """

    recovery_rate: float = 0.0
    flow_sensitivity: float = 0.0
    return_sensitivity: float = 0.0
    floor: float = 0.01

    def __post_init__(self) -> None:
        """Refuse negative parameters and a floor outside (0, 1]."""
        if min(self.recovery_rate, self.flow_sensitivity, self.return_sensitivity) < 0.0:
            msg = f"withdrawal: {self} has a negative parameter"
            raise InvalidInput(msg)
        if not 0.0 < self.floor <= 1.0:
            msg = f"withdrawal: floor is {self.floor}; it must be in (0, 1]"
            raise InvalidInput(msg)

    def depth_after(self, state: "ImpactState", seconds: float, log_return: float) -> float:
        """Return the share of the book after `seconds` with a move of `log_return`."""
        kept = 1.0 - (1.0 - state.depth) * math.exp(-self.recovery_rate * seconds)
        pulled = self.flow_sensitivity * abs(state.flow) + self.return_sensitivity * abs(log_return)
        return max(self.floor, kept * math.exp(-pulled))


@dataclass(frozen=True, slots=True, kw_only=True)
class ImpactModel:
    """A book: shape, memory and withdrawal of quotes."""

    shape: Shape
    memory: Memory
    withdrawal: Withdrawal = Withdrawal()

    @property
    def name(self) -> str:
        """The model in one phrase, for reports."""
        return f"{self.shape.name}; {self.memory.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImpactState:
    """The book of one instrument at one time, as plain numbers.

    Attributes:
        time_ms: When the state holds.
        volumes: Displaced lots by memory component, positive after buying.
        depth: Share of the density that is quoted.
        flow: Net lots executed since `time_ms` was last moved.
    """

    time_ms: int
    volumes: tuple[float, ...]
    depth: float = 1.0
    flow: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketOrder:
    """An order executed at once.

    Attributes:
        lots: Positive buys, negative sells.
        reference_ticks: Price without our own impact.
        limit_ticks: Worst price; a buyer without a limit states `NO_LIMIT_BUY`, a seller
            `NO_LIMIT_SELL`.
    """

    lots: int
    reference_ticks: int
    limit_ticks: int

    def __post_init__(self) -> None:
        """Refuse an empty order and prices below one tick."""
        if self.lots == 0:
            msg = "the order has zero lots"
            raise InvalidInput(msg)
        if min(self.reference_ticks, self.limit_ticks) < 1:
            msg = f"{self}: prices are at least one tick"
            raise InvalidInput(msg)


NO_LIMIT_BUY = _TOP_TICK
NO_LIMIT_SELL = 1  # a book holds no bids below one tick


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """What an order did.

    Attributes:
        filled_lots: Signed; zero when the first lot would already break the limit.
        average_ticks: Price of every filled lot, rounded against the taker; with nothing filled,
            the price the first lot would have had.
        displacement_start: Fraction, before.
        displacement_end: Fraction, after; the peak of the order.
        state: The book after.
    """

    filled_lots: int
    average_ticks: int
    displacement_start: float
    displacement_end: float
    state: ImpactState


def initial_state(model: ImpactModel, *, time_ms: int) -> ImpactState:
    """Return an undisturbed book."""
    return ImpactState(time_ms=time_ms, volumes=(0.0,) * len(model.memory.rates))


def displacement(model: ImpactModel, state: ImpactState) -> float:
    """Return the displacement of the price as a fraction of the reference price."""
    return model.shape.displacement(math.fsum(state.volumes), state.depth)


def advance(
    model: ImpactModel, state: ImpactState, *, time_ms: int, log_return: float = 0.0
) -> ImpactState:
    """Return the book at `time_ms`: volume has faded, quotes were pulled and came back.

    Args:
        model: The book's laws.
        state: The book before.
        time_ms: Not before the state's own time; at the same time nothing happens.
        log_return: Move of the reference price since, which quotes react to.

    Raises:
        InvalidInput: Time runs backwards.
    """
    elapsed_ms = time_ms - state.time_ms
    if elapsed_ms < 0:
        msg = f"the book is at {state.time_ms} ms; it cannot be moved back to {time_ms} ms"
        raise InvalidInput(msg)
    if elapsed_ms == 0:
        return state
    seconds = elapsed_ms / 1_000.0
    return ImpactState(
        time_ms=time_ms,
        volumes=model.memory.fade(state.volumes, seconds),
        depth=model.withdrawal.depth_after(state, seconds, log_return),
    )


def execute(model: ImpactModel, state: ImpactState, order: MarketOrder) -> Execution:
    """Fill an order against the book at once, up to its limit, in closed form.

    Returns:
        Filled lots, their one price in ticks, both displacements and the book after.
    """
    start = math.fsum(state.volumes)
    filled = _fillable(model, state, order, start)
    end = start + filled
    mean = model.shape.mean(start, end, state.depth) if filled else None
    before = model.shape.displacement(start, state.depth)
    after = model.shape.displacement(end, state.depth)
    return Execution(
        filled_lots=filled,
        average_ticks=_against_taker(order, before if mean is None else mean, filled=filled),
        displacement_start=before,
        displacement_end=after,
        state=ImpactState(
            time_ms=state.time_ms,
            volumes=model.memory.absorb(state.volumes, float(filled)),
            depth=state.depth,
            flow=state.flow + filled,
        ),
    )


def _fillable(model: ImpactModel, state: ImpactState, order: MarketOrder, start: float) -> int:
    """Return the lots of the order, signed, that trade at the limit or better."""
    side = 1 if order.lots > 0 else -1
    room = order.limit_ticks / order.reference_ticks - 1.0
    capacity = side * (model.shape.volume(room, state.depth) - start)
    return side * min(abs(order.lots), math.floor(max(0.0, capacity)))


def _against_taker(order: MarketOrder, displaced: float, *, filled: int) -> int:
    """Return the tick a taker pays at a displacement: buyers up, sellers down, within the limit."""
    side = 1 if order.lots > 0 else -1
    worse = math.ceil(side * order.reference_ticks * displaced)  # whole ticks, so both sides mirror
    ticks = max(1, order.reference_ticks + side * worse)
    if filled and side * (ticks - order.limit_ticks) > 0:
        return order.limit_ticks
    return ticks


def _require_positive(name: str, value: float) -> None:
    if not (math.isfinite(value) and value > 0.0):
        msg = f"{name} is {value}; it must be positive and finite"
        raise InvalidInput(msg)
